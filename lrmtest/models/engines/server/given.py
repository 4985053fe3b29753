"""Arguments that the user has given to a server: they win, and nothing is added against them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def given(option: str, arguments: Sequence[str]) -> str | None:
    """The last value that `arguments` have for `option`; empty for none behind it.

    Args:
        option: its name, ``--max-num-seqs`` for instance. vLLM takes it with underscores, too.
        arguments: as the user gave them, ``--option=value`` or ``--option``, ``value``.

    Returns:
        None when the option is not among them.
    """
    found = None
    for argument, following in pairwise([*arguments, ""]):
        name, equals, value = argument.partition("=")
        if name.startswith("--") and name.replace("_", "-") == option:
            found = value if equals else following
    return found
