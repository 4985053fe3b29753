"""The exit statuses of gates and of `lrmtest ...`; docs/ci.md has the table.

2 to 6 are pytest's own (interrupted, internal error, usage error, nothing collected, too many
warnings) and stay what they are; 7 to 9 are left to its future.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrmtest.errors import MachineryError, ModelError, UsageError
from lrmtest.options.gate import Undecided

if TYPE_CHECKING:
    from lrmtest.analysis.gate import GateResult

OK = 0
REGRESSED = 1
USAGE = 2
UNDECIDED = 10
INFRASTRUCTURE = 11
"""An engine, a file, the store, or lrmtest itself failed: never 1, which says of a model that it
is worse."""
CANNOT_TELL = 12
"""The drop that a gate is to find could not have been seen: more samples of the candidate, which
10 asks for, would not help."""
BUG = "This is a bug in lrmtest and says nothing of a model. Please report it with what is above."
INTERRUPTED = 128 + 2
READER_GONE = 128 + 13
"""As of any program that SIGINT and SIGPIPE end."""


def is_mistake(error: BaseException) -> bool:
    """Whether an error is one in what was asked for, which would come again the next time.

    A model that its engine cannot load is one; an engine that memory ran out for is not.
    """
    return isinstance(error, UsageError | ModelError) and not isinstance(error, MachineryError)


def exit_code(result: GateResult, undecided: Undecided) -> int:
    """The exit status of a decision."""
    if result == "undecided":
        return OK if undecided == "pass" else UNDECIDED
    return {"ok": OK, "regressed": REGRESSED, "cannot-tell": CANNOT_TELL}[result]
