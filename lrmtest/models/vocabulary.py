"""A model's vocabulary: the names of its tokens, by which two models are seen to mean the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lrmtest.bounded import SETTINGS, read_json
from lrmtest.errors import ModelError
from lrmtest.models.gguf_header import read_gguf_tokens
from lrmtest.models.local import gguf_or_folder

MOST_BYTES = 256 << 20
"""Of a ``tokenizer.json``."""


def vocabulary(location: str) -> Mapping[int, str]:
    """The names of the tokens of the model at `location`, by their ids; empty where none are seen.

    A ``tokenizer.json`` and a GGUF file write the same tokens alike: bytes that are no text as
    letters (GPT-2's), a space as ``▁`` (SentencePiece's).

    Raises:
        ModelError: a file cannot be read.
    """
    path = gguf_or_folder(location)
    if path.suffix == ".gguf":
        return dict(enumerate(read_gguf_tokens(path)))
    file = path / "tokenizer.json"
    if not file.is_file():
        return {}
    return names_in(read_json(file, MOST_BYTES, error=ModelError))


def silent_tokens(location: str) -> frozenset[int] | None:
    """The special tokens of the model in a folder, which stand for no text; None if none are told.

    Raises:
        ModelError: a file cannot be read.
    """
    folder = gguf_or_folder(location)
    found: set[int] = set()
    told = False
    for name, most in (("tokenizer.json", MOST_BYTES), ("tokenizer_config.json", SETTINGS)):
        if (folder / name).is_file():
            content = read_json(folder / name, most, error=ModelError)
            told = True
            found |= _special_in(content)
    return frozenset(found) if told else None


def _special_in(content: Any) -> set[int]:
    """The ids that a ``tokenizer.json`` or ``tokenizer_config.json`` calls special."""
    if not isinstance(content, dict):
        return set()
    listed = content.get("added_tokens")
    pairs = [(one.get("id"), one) for one in listed or () if isinstance(one, dict)]
    by_id = content.get("added_tokens_decoder")
    if isinstance(by_id, dict):
        pairs += [(int(i), one) for i, one in by_id.items() if i.isdecimal() and len(i) < 10]
    return {
        i
        for i, one in pairs
        if isinstance(i, int) and isinstance(one, dict) and one.get("special") is True
    }


def first_other_meaning(
    ids: Collection[int], one: Mapping[int, str], other: Mapping[int, str]
) -> int | None:
    """The least of some token ids that two vocabularies do not mean the same by; None for none."""
    return min((i for i in ids if i not in one or one[i] != other.get(i)), default=None)


def names_in(content: Any) -> Mapping[int, str]:
    """The tokens of a ``tokenizer.json``; empty where it is of no known form."""
    try:
        tokens = content["model"]["vocab"]
        pairs = (
            ((i, name) for name, i in tokens.items())
            if isinstance(tokens, dict)
            else ((i, token[0]) for i, token in enumerate(tokens))
        )
        added = ((token["id"], token["content"]) for token in content.get("added_tokens") or [])
        return {**dict(pairs), **dict(added)}
    except (AttributeError, IndexError, KeyError, TypeError):
        return {}
