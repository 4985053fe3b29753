"""The form of one text: by what the model is known to write, else by the marks in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from lrmtest.grading.forms import (
    DEFAULT_TAGS,
    FORMS,
    ReasoningForm,
    Tags,
    form_of,
    joined,
    own_form,
)

_STRIPPED = next(form for form in FORMS if form.name == "harmony-stripped")
_IN_TEXT = [form for form in FORMS if not form.opens_with_prose]
_CLOSE_ONLY = [form for form in FORMS if form.opens_with_prose and form.closing.startswith(r"\[")]

# Of what answers are written in, or what a page is: nothing that a model thinks between.
_NO_REASONING = frozenset(
    """
    answer response output solution final final_answer finalanswer result results conclusion summary
    reply message text content article section header footer main nav aside figure title head body
    html p div span a b i u s em strong code pre br hr ul ol li dl dt dd table thead tbody tr td th
    sub sup small big blockquote q cite abbr img svg math mrow mi mn mo msup msub mfrac msqrt h1 h2
    h3 h4 h5 h6 center font kbd samp var mark del ins label input form button select option script
    style link meta xml document doc s bos eos im_start im_end start end begin_of_text user system
    assistant endoftext
    """.split()  # noqa: SIM905 - a list of a hundred words, a line each
)
_BLANKS = re.compile(r"\s*")
_BLOCK = re.compile(
    r"(?P<tag><(?P<xml>[a-z][\w:.-]{1,40})(?:\s[^<>]{0,300})?(?<!/)>"
    r"|\[(?P<bracket>[A-Z][A-Z_ ]{2,40})\]"
    r"|<\|(?P<pipe>[\w:.-]{2,40})\|>)",
    re.IGNORECASE,
)


@cache
def _openings() -> re.Pattern[str]:
    """An opening of any known form where a text begins."""
    # Blanks are passed over before: with each form's own this would be quadratic.
    named = [(f"f{i}", form.opening.removeprefix(r"\A\s*")) for i, form in enumerate(FORMS)]
    return joined(named)


@cache
def _any_mark() -> re.Pattern[str]:
    """A mark, anywhere, of any known form whose marks are no words."""
    opening = [(f"o{FORMS.index(form)}", form.opening) for form in _IN_TEXT]
    closing = [(f"c{FORMS.index(form)}", form.closing) for form in [*_IN_TEXT, *_CLOSE_ONLY]]
    return joined([*opening, *closing])


def form_in(text: str, tags: Tags = ()) -> ReasoningForm | None:
    """The form that a text's reasoning is marked in; None where nothing marks any.

    What the text itself shows comes before what is known of the model: a card may be wrong, a
    server may put other tags. In this order:

    1. the model's form, where the text has its closing before any of its openings: a chat
       template has prefilled that one;
    2. the form whose opening the text begins with;
    3. the model's form, where the text has any of its marks;
    4. the first known form, in the text's order, that has an opening or a closing in it (a weak
       form must leave an answer behind its closing);
    5. marks of one name that are in no table, as ``<foo> ... </foo>``, where the text begins with
       the opening: if the block is the larger part of the text and an answer follows, or if it
       is never closed.

    Args:
        text: any text; time is linear in its length.
        tags: what is known of the model's form.
    """
    known = form_of(tags)
    first = known.marks.search(text) if known is not None else None
    if first is not None and first.lastgroup == "c":
        return known
    if (begun := begins_with(text)) is not None:
        return begun
    if first is not None:
        return known
    return _shown(text) or _block(text)


def begins_with(text: str, start: int = 0) -> ReasoningForm | None:
    """The known form whose opening is in `text` at `start`, blanks before it apart."""
    found = _openings().match(text, _behind_blanks(text, start))
    if found is None or not found.lastgroup:
        return None
    return FORMS[int(found.lastgroup[1:])]


def _behind_blanks(text: str, start: int) -> int:
    found = _BLANKS.match(text, start)
    assert found is not None
    return found.end()


@cache
def closings_of(tags: Tags) -> re.Pattern[str]:
    """Every closing that may end reasoning in a text of which so much is known."""
    own = (form_of(DEFAULT_TAGS), form_of(tags))
    named = {form.closing: None for form in (*own, *_IN_TEXT, *_CLOSE_ONLY) if form is not None}
    # A form whose marks are words cannot be looked for as quickly; it is where it is known.
    return joined((f"c{i}", closing) for i, closing in enumerate(named))


@cache
def closing_marks(tags: Tags) -> re.Pattern[str] | None:
    """Characters one of which is in whatever `closings_of` finds; None where that is not known."""
    begins = closings_of(tags).pattern.partition("]")[0]
    return re.compile(f"{begins}]") if begins.startswith("[") else None


def unknown_mark(text: str) -> str:
    """What a text begins with that looks like an opening tag, but is none that is known.

    Returns:
        The tag; empty where there is none, and for tags of pages and of answers.
    """
    found = _BLOCK.match(text, _behind_blanks(text, 0))
    if found is None or begins_with(text) is not None:
        return ""
    name = found["xml"] or found["bracket"] or found["pipe"]
    return "" if name.lower() in _NO_REASONING else found["tag"]


def _shown(text: str) -> ReasoningForm | None:
    refused: set[str] = set()
    for mark in _any_mark().finditer(text):
        assert mark.lastgroup is not None
        form = FORMS[int(mark.lastgroup[1:])]
        if form.name in refused:
            continue
        if form.strong or _leaves_an_answer(text, form):
            return form
        refused.add(form.name)
    if "assistant" in text and (found := _STRIPPED.marks.search(text)) is not None:
        return _STRIPPED if text[found.end() :].strip() else None
    return None


def _leaves_an_answer(text: str, form: ReasoningForm) -> bool:
    """Whether something follows the last closing of a form."""
    end = -1
    for mark in form.marks.finditer(text):
        if mark.lastgroup == "c":
            end = mark.end()
    return end != -1 and bool(text[end:].strip())


def _block(text: str) -> ReasoningForm | None:
    tag = unknown_mark(text)
    if not tag:
        return None
    closing = ""
    for closing in _closings(tag):
        end = text.rfind(closing)
        if end == -1:
            continue
        behind = len(text) - end - len(closing)
        if text[end + len(closing) :].strip() and behind < end:
            return own_form(tag, closing)
        return None
    return own_form(tag, closing) if tag.startswith("<") else None


def _closings(tag: str) -> Iterator[str]:
    """What may close a block that `tag` opens."""
    if tag.startswith("<|"):
        name = tag[2:-2]
        yield f"<|/{name}|>"
        for begin, end in (("start", "end"), ("begin", "end"), ("open", "close")):
            for ours, theirs in ((begin, end), (begin.upper(), end.upper())):
                if ours in name:
                    yield f"<|{name.replace(ours, theirs)}|>"
        yield f"<|end_{name}|>"
        yield f"<|{name}_end|>"
    elif tag.startswith("<"):
        name = re.split(r"[\s>]", tag[1:], maxsplit=1)[0]
        yield f"</{name}>"
    else:
        yield f"[/{tag[1:-1]}]"
