"""The exit statuses of a gate; docs/gate.md has the table.

2 to 6 are pytest's own (interrupted, internal error, usage error, nothing collected, too many
warnings) and stay what they are; 7 to 9 are left to its future.
"""

from __future__ import annotations

from lrmtest.analysis.gate import GateResult
from lrmtest.options.gate import Undecided

OK = 0
REGRESSED = 1
UNDECIDED = 10
INFRASTRUCTURE = 11


def exit_code(result: GateResult, undecided: Undecided) -> int:
    """The exit status of a decision."""
    if result == "undecided":
        return OK if undecided == "pass" else UNDECIDED
    return REGRESSED if result == "regressed" else OK
