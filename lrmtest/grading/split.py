"""Splitting a completion's text into reasoning and answer."""

from __future__ import annotations

import hashlib
import re
from array import array
from dataclasses import dataclass, field, replace
from functools import lru_cache

from lrmtest.grading.form_in_text import begins_with, form_in
from lrmtest.grading.forms import DEFAULT_TAGS, ReasoningForm, Tags, pair_of
from lrmtest.grading.remembered import remembered_ahead

__all__ = ["DEFAULT_TAGS", "Parts", "Tags", "put_together", "split", "told_apart"]

_MOST_FORMS = 3
"""Of different forms, one behind the other, that are taken off the beginning of an answer."""
_LAST = 400
"""Characters at the end of an answer in which special tokens are looked for."""

_FAR = 1000
"""Characters; farther from its beginning no pattern of a mark looks."""

# Fields of a message that came apart are put together so where their own texts have tags in them.
# The number is a hash of both texts, so that neither can have it in it.
_SEAL = re.compile(r"\s*<think:([0-9a-f]{16})>\n?")

_WRAPPED = re.compile(
    r"\s{0,40}<\s{0,2}(answer|final_answer|final|response|output|solution|result)\s{0,2}>",
    re.IGNORECASE,
)
_SPECIAL_TOKENS = re.compile(
    r"(?:\s{0,9}(?:<\|[^<>|\s]{1,40}\|>|<[|｜]end[▁_]of[▁_]sentence[|｜]>|</s>|<eos>|<turn\|>"
    r"|<end_of_turn>|<seed:eos>|<SPECIAL_\d{1,4}>|\[EOS\]|\[\|endofturn\|\]))+\s{0,99}\Z"
)


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
        closed_at: where the last closing tag ends; 0 without one.
        form: the form that it was split by; None where nothing marks reasoning.
    """

    reasoning: str
    answer: str
    closed: bool
    opened: bool
    answer_start: int = field(default=0, compare=False)
    closed_at: int = field(default=0, compare=False)
    form: ReasoningForm | None = field(default=None, compare=False)

    @property
    def without_answer(self) -> bool:
        """The reasoning was not closed, in a form that marks answers too: there is none."""
        return not self.closed and self.form is not None and self.form.answer_due


def told_apart(text: str, tags: Tags, *, ran_out: bool) -> tuple[str, str]:
    """Reasoning and answer to be shown.

    What ran out without having closed its reasoning is reasoning all through, whatever `split`
    can know of its text.
    """
    parts = split(text, tags)
    if ran_out and not parts.closed:
        return text, ""
    return parts.reasoning, parts.answer


@remembered_ahead
def split(text: str, tags: Tags = ()) -> Parts:
    """Split `text` at the closing tag that ends the reasoning; linear in its length.

    The text's own marks say which form it has, see `form_in`; `tags` decide where they do not.
    Then these rules, each for something models do:

    1. The answer starts after the *last* closing tag. A model that thinks, drafts an answer,
       thinks again and closes again has answered after its second thought; nested blocks end
       with the outer tag.
    2. A closing tag too many, with nothing after it, is a stray and is dropped: ``...</think>
       42 </think>`` answers 42.
    3. Reasoning that is reopened after the last closing tag and never closed again is no part
       of the answer: ``...</think> 42 <think> but wait`` answers 42.
    4. An opening tag that is never closed leaves an empty answer. No tag at all leaves an
       empty reasoning.
    5. In forms with channels the last final one is the answer, up to where its message ends.
    6. An answer that begins with reasoning in another form is split again.
    7. Special tokens behind an answer are no part of it, nor is a tag that is around the whole of
       it, as in ``</think><answer>42</answer>``, even if the text ended before its closing.

    Args:
        text: all that was generated.
        tags: what is known of the model's form: opening and closing tag, the name of a known
            form, or nothing.
    """
    if (sealed := _SEAL.match(text)) is not None:
        return _unsealed(text, sealed)
    form = form_in(text, tags)
    if form is None:
        return Parts("", text, closed=False, opened=False)
    parts = _split(text, form)
    for _ in range(_MOST_FORMS - 1):
        further = begins_with(parts.answer) if parts.closed else None
        if further is None:
            break
        inner = _split(parts.answer, further)
        if not further.strong and not inner.answer.strip():
            break
        answered = inner.closed
        parts = replace(
            parts,
            reasoning=f"{parts.reasoning}\n{inner.reasoning}",
            answer=inner.answer,
            answer_start=parts.answer_start + (inner.answer_start if answered else 0),
            closed_at=parts.answer_start + inner.closed_at if answered else parts.closed_at,
        )
    return _bare(text, parts) if parts.closed else parts


def put_together(
    reasoning: str, answer: str, tags: Tags = (), *, closed: bool, blank: bool = False
) -> str:
    """One text of reasoning and answer that came apart, which `split` takes apart again.

    The model's own tags are put around the reasoning, else `DEFAULT_TAGS`. Where the texts have
    tags in them, so that these would be taken apart otherwise, they are tags with a number that
    neither text can have.

    Args:
        reasoning: empty for none; the answer then stays as it is.
        answer: what follows.
        tags: what is known of the model's form.
        closed: the reasoning had come to its end.
        blank: put line feeds between tags and texts.
    """
    if not reasoning:
        return answer
    around = pair_of(tags)
    text = _around(reasoning, answer, around, closed=closed, blank=blank)
    parts = split(text, tags)
    wanted = _bare(answer, Parts("", answer, closed=True, opened=True)).answer if closed else ""
    got = (parts.closed, parts.reasoning.strip(), parts.answer.strip())
    if got == (closed, reasoning.strip(), wanted.strip()):
        return text
    digest = hashlib.sha256(f"{len(reasoning)} {reasoning}{answer}".encode("utf-8", "replace"))
    number = digest.hexdigest()[:16]
    sealed = f"<think:{number}>", f"</think:{number}>"
    return _around(reasoning, answer, sealed, closed=closed, blank=blank)


def _around(
    reasoning: str, answer: str, tags: tuple[str, str], *, closed: bool, blank: bool
) -> str:
    line, lines = ("\n", "\n\n") if blank else ("", "")
    if not closed:
        return f"{tags[0]}{line}{reasoning}"
    return f"{tags[0]}{line}{reasoning}{line}{tags[1]}{lines}{answer}"


def _unsealed(text: str, sealed: re.Match[str]) -> Parts:
    closing = f"</think:{sealed[1]}>"
    form = _sealed_form(sealed[1])
    begin, end = sealed.end(), text.find(closing, sealed.end())
    if end == -1:
        return Parts(text[begin:], "", closed=False, opened=True, form=form)
    start = end + len(closing)
    reasoning, answer = text[begin:end], text[start:]
    parts = Parts(
        reasoning, answer, closed=True, opened=True, answer_start=start, closed_at=start, form=form
    )
    return _bare(text, parts)


@lru_cache(maxsize=8)
def _sealed_form(number: str) -> ReasoningForm:
    pair = f"<think:{number}>", f"</think:{number}>"
    return ReasoningForm("think", DEFAULT_TAGS, re.escape(pair[0]), re.escape(pair[1]))


def _split(text: str, form: ReasoningForm) -> Parts:
    """Split by a form that the text is known to have a mark of."""
    first: re.Match[str] | None = None
    opening: re.Match[str] | None = None
    closes = array("Q")  # where each closing tag starts: a text may be nothing but tags
    runs: dict[int, tuple[int, int]] = {}  # by such a start: how far apart and how many follow it
    opens, repeated, last_is_close, at = 0, 0, False, 0
    while at >= 0:
        marks, at, previous = form.marks.finditer(text, at), -1, -1
        for mark in marks:
            first = first or mark
            last_is_close = mark.lastgroup == "c"
            if not last_is_close:
                opening = opening or mark
                opens += 1
                previous = -1
                continue
            start = mark.start()
            closes.append(start)
            if previous >= 0 and (copies := _copies(text, previous, start)):
                runs[start] = start - previous, copies
                repeated += copies
                at = mark.end() + (start - previous) * copies
                break
            previous = start
    closing = form.marks
    if first is not None and not closes and form.otherwise:
        closing = _compiled(form.otherwise)
        closes.extend(mark.start() for mark in closing.finditer(text))
        last_is_close = False
    if first is None:
        return Parts("", text, closed=False, opened=False, form=form)
    if not closes:
        before, after = text[: first.start()], text[first.end() :]
        return Parts(before.strip() + after, "", closed=False, opened=True, form=form)

    def end_of(start: int) -> int:
        found = closing.match(text, start)
        assert found is not None
        return found.end()

    prefilled = opening is None or opening is not first
    strays = len(closes) + repeated - opens - prefilled
    end = len(text)
    close = closes.pop()
    closed_at = start = end_of(close)
    while last_is_close and strays > 0 and not text[start:end].strip():
        end, begin = close, closes[-1]
        step, copies = runs.get(begin, (0, 0))
        close = begin + step * copies
        start = end_of(close)
        strays -= 1
        if not copies:
            closes.pop()
            continue
        if not text[start:end].strip() and not text[start - step : close].strip():
            # Of a run all others are passed at once.
            passed = min(strays, copies)
            copies, strays = copies - passed, strays - passed
            close, start, end = (
                close - step * passed,
                start - step * passed,
                close - step * (passed - 1),
            )
        if copies:
            runs[begin] = step, copies - 1
        else:
            closes.pop()
    reopened = form.marks.search(text, start, end)
    if reopened is not None:
        end = reopened.start()
    if form.answer_end and (over := _compiled(form.answer_end).search(text, start, end)):
        end = over.start()
    opened = opening is not None and opening.start() < close
    reasoning = text[:close]
    if opened and not prefilled:
        reasoning = text[: first.start()].lstrip() + text[first.end() : close]
    return Parts(
        reasoning,
        text[start:end],
        closed=True,
        opened=opened,
        answer_start=start,
        closed_at=closed_at,
        form=form,
    )


def _copies(text: str, before: int, start: int) -> int:
    """How often, from `start` on, a text certainly goes on as between both marks.

    Every copy has a mark where these have one: what stands around it, as far as any pattern looks,
    is the same.
    """
    unit = text[before:start]
    if not text.startswith(unit, start):
        return 0
    many = unit * (_FAR // len(unit) + 1)
    end = start
    while text.startswith(many, end):
        end += len(many)
    return max(0, (end - start - _FAR) // len(unit) - 1)


def _bare(text: str, parts: Parts) -> Parts:
    """Without special tokens behind the answer, and without a tag around the whole of it."""
    start, end = parts.answer_start, parts.answer_start + len(parts.answer)
    tail = max(start, end - _LAST)
    if (tokens := _SPECIAL_TOKENS.search(text[tail:end])) is not None:
        end = tail + tokens.start()
    if (wrapped := _WRAPPED.match(text, start, end)) is not None:
        closing = f"</{wrapped[1]}>".lower()
        last = text[max(wrapped.end(), end - _LAST) : end].rstrip()
        if last.lower().endswith(closing):
            end = max(wrapped.end(), end - _LAST) + len(last) - len(closing)
            start = wrapped.end()
        elif not _compiled(re.escape(closing)).search(text, wrapped.end(), end):
            start = wrapped.end()
    if (start, end) == (parts.answer_start, parts.answer_start + len(parts.answer)):
        return parts
    return replace(parts, answer=text[start:end], answer_start=start)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
