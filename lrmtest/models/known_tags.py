"""The reasoning tags of a model before it has written anything: by user, card, files or server."""

from __future__ import annotations

import re
from pathlib import Path

from lrmtest.bounded import DESCRIPTION, read_json
from lrmtest.errors import DataError, LrmtestError
from lrmtest.grading.forms import FORMS, ReasoningForm, Tags, form_of
from lrmtest.models.description import template_of
from lrmtest.models.engines.base import TellsTemplate
from lrmtest.models.engines.kinds import carried, kind_of, served_model
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.local import gguf_or_folder
from lrmtest.models.request_fields import TEMPLATE_VARIABLES, RequestFields
from lrmtest.models.spec import KnownTags, ModelSpec

_MOST_TEMPLATE = 1 << 20
"""Characters of a template that are looked at."""
_SWITCHES = ("enable_thinking", "thinking")
"""Arguments of chat templates that are false where a model shall not reason."""
_BLANK = re.compile(r"(?:\s|\\[nrt])*")
"""Blanks, as they are or as a template writes them."""


def known_tags(spec: ModelSpec, options: EngineOptions) -> KnownTags:
    """What is known of a model's tags: by its card, its chat template, its tokenizer, or not.

    The template is read as text, never run: it has the marks that it puts around reasoning of
    earlier turns, looks for in them, or ends the prompt with. That of an endpoint is what its
    server tells, if it does; one that cannot be asked is told of by whoever generates.

    Args:
        spec: the model, its files on disk.
        options: what the user chose about its engine; a template among them comes first.
    """
    template, added = "", ""
    if kind_of(spec).has_files and spec.location:
        try:
            template = template_of(spec, options).text[:_MOST_TEMPLATE]
            added = _added_tokens(gguf_or_folder(spec.location))
        except LrmtestError:
            pass  # whoever describes the model, or loads it, says more of what cannot be read
    else:
        template = _served_template(spec, options)
    form, prefilled = form_in_template(template)
    prefilled = prefilled and not _is_switched_off(carried(spec, options))
    if given := options.reasoning_tags or spec.card.reasoning_tags:
        mine = form_of(given)
        same = mine is not None and form is not None and mine.name == form.name
        known_by = "option" if options.reasoning_tags else "card"
        return KnownTags(given, known_by, prefilled=prefilled and same)
    if form is not None:
        return KnownTags(_tags(form), "chat template", prefilled=prefilled)
    form, _ = form_in_template(added)
    return KnownTags() if form is None else KnownTags(_tags(form), "tokenizer")


def _served_template(spec: ModelSpec, options: EngineOptions) -> str:
    """The template that the server of an endpoint tells; empty where it tells none."""
    try:
        asked = served_model(spec, options)
        template = asked.chat_template() if isinstance(asked, TellsTemplate) else ""
    except LrmtestError:
        return ""
    return template[:_MOST_TEMPLATE]


def form_in_template(template: str) -> tuple[ReasoningForm | None, bool]:
    """The form whose marks a template has, and whether it ends a prompt with the opening one.

    A closing says more than an opening: some templates have another form's opening as a switch.
    """
    best: tuple[tuple[bool, int], ReasoningForm] | None = None
    for form in FORMS:
        if form.name == "harmony-stripped":  # words of any text
            continue
        opening, closing = form.opening.removeprefix(r"\A\s*"), form.closing
        opens = len(re.findall(opening, template, re.IGNORECASE))
        closes = len(re.findall(closing, template, re.IGNORECASE))
        if not (opens and closes) and not ((opens or closes) and form.strong):
            continue
        weight = (closes > 0, opens + closes)
        if best is None or weight > best[0]:
            best = weight, form
    if best is None:
        return None, False
    _, generation, ending = template.rpartition("add_generation_prompt")
    return best[1], _leaves_open(best[1], ending, branches=bool(generation))


def _leaves_open(form: ReasoningForm, ending: str, *, branches: bool) -> bool:
    """Whether a template's last lines end a prompt with an opening.

    Args:
        form: the form of its marks.
        ending: what follows where a template makes the prompt's end, else all of it.
        branches: it is such an end, where a switch may choose between an opening and an empty
            block: one that is not closed at once is left open.
    """
    opening: int | None = None
    for mark in form.marks.finditer(ending):
        if opening is not None and branches and not _BLANK.fullmatch(ending, opening, mark.start()):
            return True
        opening = mark.end() if mark.lastgroup == "o" else None
    return opening is not None


def _is_switched_off(fields: RequestFields) -> bool:
    """Whether a model's request fields tell the chat template that the model shall not reason."""
    arguments = fields.get(TEMPLATE_VARIABLES)
    return isinstance(arguments, dict) and any(arguments.get(key) is False for key in _SWITCHES)


def _tags(form: ReasoningForm) -> Tags:
    return (form.name,)


def _added_tokens(path: Path) -> str:
    """The tokens that were added to a tokenizer's vocabulary, a line each."""
    if not path.is_dir():
        return ""
    found: list[str] = []
    for name in ("tokenizer_config.json", "added_tokens.json"):
        file = path / name
        try:
            raw = read_json(file, DESCRIPTION) if file.is_file() else None
        except DataError:
            continue
        if not isinstance(raw, dict):
            continue
        decoder = raw.get("added_tokens_decoder")
        if isinstance(decoder, dict):
            found += [str(one.get("content")) for one in decoder.values() if isinstance(one, dict)]
        elif name == "added_tokens.json":
            found += [str(token) for token in raw]
    return "\n".join(found)[:_MOST_TEMPLATE]
