"""The chat template of a model's files: the text that makes a prompt of messages, and its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from lrmtest.bounded import DESCRIPTION, read_json, read_text
from lrmtest.errors import DataError
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.models.local import gguf_or_folder

NO_TEMPLATE = "none"
"""In place of a hash, where a model's files have no template: the engine then does as it likes."""

_DEFAULT = "default"


def template_sha256(template: str) -> str:
    """SHA-256, hex, of a template's text.

    One line feed at its end does not count: jinja leaves it out, and so do some converters.
    """
    text = template.removesuffix("\n")
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """Where a model's files have their template.

    Attributes:
        sha256: of its text; `NO_TEMPLATE` without one.
        source: the file, or the key in a GGUF file's metadata; empty without one.
        text: the template itself; empty without one.
    """

    sha256: str = NO_TEMPLATE
    source: str = ""
    text: str = field(default="", repr=False)

    @classmethod
    def of(cls, text: str, source: str) -> ChatTemplate:
        """A template of this text."""
        return cls(template_sha256(text), source, text)


def chat_template(location: str) -> ChatTemplate:
    """The template that an engine finds at `location`: that of a file of its own wins.

    Args:
        location: a ``.gguf`` file or a model's folder.

    Raises:
        ModelError: a GGUF file cannot be read. A damaged tokenizer_config.json counts as one
            without a template: whoever loads it will say more.
    """
    path = gguf_or_folder(location)
    if path.suffix == ".gguf":
        found = read_gguf_header(path).metadata.get("tokenizer.chat_template")
        if isinstance(found, str):
            return ChatTemplate.of(found, "tokenizer.chat_template")
        return ChatTemplate()
    for name, read in (
        ("chat_template.jinja", _text),
        ("chat_template.json", _of_json),
        ("tokenizer_config.json", _of_json),
    ):
        template = read(path / name)
        if template is not None:
            return ChatTemplate.of(template, name)
    return ChatTemplate()


def _text(file: Path) -> str | None:
    try:
        return read_text(file, DESCRIPTION) if file.is_file() else None
    except DataError:
        return None


def _of_json(file: Path) -> str | None:
    """What ``chat_template`` says in a JSON file: the text itself, or several by name."""
    try:
        raw = read_json(file, DESCRIPTION) if file.is_file() else None
    except DataError:
        return None
    found = raw.get("chat_template") if isinstance(raw, dict) else None
    if isinstance(found, list):
        named = [one for one in found if isinstance(one, dict)]
        found = {str(one.get("name")): one.get("template") for one in named}
    if isinstance(found, dict):
        found = found.get(_DEFAULT)
    return found if isinstance(found, str) else None
