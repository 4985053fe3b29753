"""Commands in a log that a continuous integration service obeys: how none gets there unmeant.

GitHub's runner obeys any line that begins with ``::``, so what a model wrote must never be able to
begin one: `stop_commands` turns the runner's reading off before any of it is printed, and
`resume_commands` turns it on again with a word that nobody could have guessed. A message that may
hold such text is `disarmed`.
"""

from __future__ import annotations

import re


def stop_commands(word: str) -> str:
    """The line after which nothing is obeyed until `resume_commands`."""
    return f"::stop-commands::{word}"


def resume_commands(word: str) -> str:
    """The line that ends what `stop_commands` began."""
    return f"::{word}::"


_COMMAND = re.compile(
    r"^(?P<before>(?:\x1b\[[0-9;]*+m|[^\S\n])*+)(?P<github>::)|\#(?=\#(?:vso|teamcity)?\[)",
    re.MULTILINE | re.IGNORECASE,
)


def disarmed(text: str) -> str:
    """`text` with nothing in it that a continuous integration service obeys in a log.

    A backslash is put before ``::`` at the beginning of a line (GitHub Actions), and behind the
    first character of ``##[`` (GitHub Actions, Azure Pipelines), ``##vso[`` (Azure Pipelines) and
    ``##teamcity[`` wherever it stands.
    """
    return _COMMAND.sub(_with_backslash, text)


def _with_backslash(match: re.Match[str]) -> str:
    return f"{match['before']}\\::" if match["github"] else "#\\"
