"""Texts of tokens, as bytes, told by a model's files alone: no tokenizer is loaded.

Two ways of naming tokens are read, which nearly all models have: GPT-2's, a letter for each byte
(``Ġ`` for a space), and SentencePiece's, ``▁`` for a space and ``<0x0A>`` for a byte that is no
character. Of a model that names them otherwise nothing is told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from lrmtest.bounded import read_json
from lrmtest.errors import ModelError
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.models.local import gguf_or_folder
from lrmtest.models.vocabulary import MOST_BYTES, names_in, vocabulary

Naming = Literal["bytes", "sentencepiece"]

MOST_OF_ONE = 256
"""Bytes of one token that are kept; no vocabulary of a real model has a longer one."""

_GGUF_NAMINGS: Mapping[str, Naming] = {"gpt2": "bytes", "llama": "sentencepiece"}
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = "\u2581"
_DEEPEST = 8
"""Levels of a ``tokenizer.json``'s decoder that are looked into."""


def _byte_letters() -> Mapping[str, int]:
    """GPT-2's letters: printable bytes stand for themselves, others for letters from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(256 + number): byte for number, byte in enumerate(others)}


_LETTERS = _byte_letters()


def token_texts(location: str, ids: Collection[int]) -> Mapping[int, bytes]:
    """The bytes that token ids stand for; of ids that the files do not name, nothing.

    Args:
        location: a ``.gguf`` file or a model's folder.
        ids: the tokens.

    Returns:
        By id; empty where the files name tokens in a way that is not known.

    Raises:
        ModelError: a file cannot be read.
    """
    path = gguf_or_folder(location)
    if path.suffix == ".gguf":
        naming = _GGUF_NAMINGS.get(str(read_gguf_header(path).metadata.get("tokenizer.ggml.model")))
        names, added = vocabulary(location), frozenset[int]()
    else:
        file = path / "tokenizer.json"
        if not file.is_file():
            return {}
        content = read_json(file, MOST_BYTES, error=ModelError)
        if not isinstance(content, dict):
            return {}
        names, naming, added = names_in(content), _naming(content), _added(content)
    if naming is None:
        return {}
    return {
        i: _bytes_of(name, naming, literal=i in added)[:MOST_OF_ONE]
        for i in ids
        if isinstance(name := names.get(i), str)
    }


def _bytes_of(name: str, naming: Naming, *, literal: bool) -> bytes:
    """A token's bytes.

    Args:
        name: the token's.
        naming: how the vocabulary names tokens.
        literal: the token was added to the vocabulary, by its very text.
    """
    if not literal and naming == "bytes" and all(letter in _LETTERS for letter in name):
        return bytes(_LETTERS[letter] for letter in name)
    if not literal and naming == "sentencepiece":
        if found := _BYTE.fullmatch(name):
            return bytes([int(found[1], 16)])
        name = name.replace(_SPACE, " ")
    return name.encode("utf-8", "replace")


def _naming(content: Mapping[str, Any]) -> Naming | None:
    """How a ``tokenizer.json`` names its tokens, by what turns them into text again."""
    kinds = [part.get("type") for part in _parts(content.get("decoder"))]
    if "ByteLevel" in kinds:
        return "bytes"
    # WordPiece and others mark what goes on a word, not what begins one.
    replaced = any(
        part.get("type") == "Replace" and part.get("pattern") == {"String": _SPACE}
        for part in _parts(content.get("decoder"))
    )
    return "sentencepiece" if replaced or "Metaspace" in kinds else None


def _parts(decoder: Any, depth: int = 0) -> list[dict[str, Any]]:
    """A decoder and those that it is put together of."""
    if not isinstance(decoder, dict) or depth > _DEEPEST:
        return []
    inner = decoder.get("decoders")
    found = [decoder]
    for part in inner if isinstance(inner, list) else []:
        found += _parts(part, depth + 1)
    return found


def _added(content: Mapping[str, Any]) -> frozenset[int]:
    added = content.get("added_tokens")
    entries = added if isinstance(added, list) else []
    ids = (one.get("id") for one in entries if isinstance(one, dict))
    return frozenset(i for i in ids if isinstance(i, int))
