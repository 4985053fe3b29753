"""Long texts made short: loops shown once, the middle left out."""

from __future__ import annotations

from lrmtest.grading.graders import MOST_GRADED
from lrmtest.grading.loops import find_loop
from lrmtest.reports.escape import plain, plain_tail, size_of


def collapse_loop(text: str) -> str:
    """`text` with the loop it ends in shown once, and how often it came. Linear time."""
    loop = find_loop(text)
    if loop is None:
        return text
    once = text[: loop.start + loop.period]
    unit = "character" if loop.period == 1 else f"{loop.period:,} characters"
    return f"{once}\n[the last {unit} come {int(loop.repeats):,} times in all]"


def fold(text: str, head: int, tail: int) -> str:
    """The first `head` and the last `tail` characters, made safe to show, loops collapsed."""
    text = collapse_loop(text)
    if len(text) <= head + tail:
        return plain(text, 10 * (head + tail))
    middle = size_of(text[head : len(text) - tail])
    end = plain(text[len(text) - tail :], 10 * tail)
    return f"{plain(text[:head], 10 * head)} …\n[{middle} left out]\n… {end}"


def how_graded(text: str) -> str:
    """A line that says that `text` was graded by its end alone; empty when it was read whole."""
    if len(text) <= MOST_GRADED:
        return ""
    return f"[{len(text):,} characters: graded by the last {MOST_GRADED:,}]\n"


def last_lines(text: str, lines: int, limit: int) -> str:
    """The last lines of `text` that are not blank, made safe to show, loops collapsed."""
    shown = plain_tail(collapse_loop(text.rstrip()), limit)
    return "\n".join([line.rstrip() for line in shown.split("\n") if line.strip()][-lines:])
