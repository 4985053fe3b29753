"""Splitting a completion's text into reasoning and answer."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field

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
        answer_start: where the answer starts in the whole text; 0 unless a tag closed it.
    """

    reasoning: str
    answer: str
    closed: bool
    opened: bool
    answer_start: int = field(default=0, compare=False)


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
    first: re.Match[str] | None = None
    closes = array("Q")  # where each closing tag starts: a text may be nothing but tags
    opens, last_is_close = 0, False
    for mark in re.finditer(f"({re.escape(opening)})|{re.escape(closing)}", text):
        first = first or mark
        last_is_close = mark.lastindex is None
        if last_is_close:
            closes.append(mark.start())
        else:
            opens += 1
    if first is None:
        return Parts("", text, closed=False, opened=False)
    if not closes:
        before, after = text[: first.start()], text[first.end() :]
        return Parts(before.strip() + after, "", closed=False, opened=True)

    prefilled = first.lastindex is None
    strays = len(closes) - opens - prefilled
    end = len(text)
    close = closes.pop()
    while last_is_close and strays > 0 and not text[close + len(closing) : end].strip():
        end, close = close, closes.pop()
        strays -= 1
    start = close + len(closing)
    reopened = text.find(opening, start, end)
    if reopened != -1:
        end = reopened
    reasoning = text[:close]
    opened = opening in reasoning
    if opened and not prefilled:
        before, _, after = reasoning.partition(opening)
        reasoning = before.lstrip() + after
    return Parts(reasoning, text[start:end], closed=True, opened=opened, answer_start=start)
