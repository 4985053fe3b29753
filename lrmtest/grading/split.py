"""Splitting a completion's text into reasoning and answer."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_TAGS = ("<think>", "</think>")
"""The tags of the R1 family."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The two parts of a completion's text.

    Attributes:
        reasoning: the text up to the closing tag that counts, without the outermost tags.
        answer: the text after it. Without any tag this is the whole text: only the finish
            reason can tell an answer without reasoning from reasoning that was cut off.
        closed: a closing tag ended the reasoning.
        opened: the text itself has an opening tag before the answer (a chat template that
            prefills the tag leaves none).
    """

    reasoning: str
    answer: str
    closed: bool
    opened: bool


def told_apart(text: str, tags: tuple[str, str], *, ran_out: bool) -> tuple[str, str]:
    """Reasoning and answer to be shown.

    What ran out without having closed its reasoning is reasoning all through, whatever `split`
    can know of its text.
    """
    parts = split(text, tags)
    if ran_out and not parts.closed:
        return text, ""
    return parts.reasoning, parts.answer


def split(text: str, tags: tuple[str, str] = DEFAULT_TAGS) -> Parts:
    """Split `text` at the closing tag that ends the reasoning; linear in its length.

    The rules, each for something models do:

    1. The answer starts after the *last* closing tag. A model that thinks, drafts an answer,
       thinks again and closes again has answered after its second thought; nested blocks end
       with the outer tag.
    2. A closing tag too many, with nothing after it, is a stray and is dropped: ``...</think>
       42 </think>`` answers 42.
    3. Reasoning that is reopened after the last closing tag and never closed again is no part
       of the answer: ``...</think> 42 <think> but wait`` answers 42.
    4. An opening tag that is never closed leaves an empty answer. No tag at all leaves an
       empty reasoning.
    """
    opening, closing = tags
    marks = list(re.finditer(f"{re.escape(opening)}|{re.escape(closing)}", text))
    if not marks:
        return Parts("", text, closed=False, opened=False)
    closes = [mark for mark in marks if mark.group() == closing]
    opens = len(marks) - len(closes)
    if not closes:
        before, after = text[: marks[0].start()], text[marks[0].end() :]
        return Parts(before.strip() + after, "", closed=False, opened=True)

    prefilled = marks[0].group() == closing
    strays = len(closes) - opens - prefilled
    last, end = len(closes) - 1, len(text)
    if marks[-1] is closes[-1]:
        while strays > 0 and not text[closes[last].end() : end].strip():
            end = closes[last].start()
            last -= 1
            strays -= 1
    close = closes[last]
    for mark in marks:
        if mark.start() >= close.end():
            end = min(end, mark.start())
            break
    reasoning = text[: close.start()]
    opened = opening in reasoning
    if opened and not prefilled:
        before, _, after = reasoning.partition(opening)
        reasoning = before.lstrip() + after
    return Parts(reasoning, text[close.end() : end], closed=True, opened=opened)
