"""Sentences: whether a text breaks off in the middle of one."""

from __future__ import annotations

_ENDS = frozenset(".!?…。！？)]}>\"'”’»*_`$|~")


def ends_a_sentence(text: str) -> bool:
    """Whether `text` does not break off in the middle of a sentence, by its last character."""
    return text.rstrip()[-1:] in _ENDS
