"""The tokenizer of a model's files, as far as it can be told from another one's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from lrmtest.bounded import read_json
from lrmtest.errors import DataError
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.models.hashes import sha256_of
from lrmtest.models.local import gguf_or_folder

_MOST_BYTES = 256 << 20  # of a tokenizer.json
_GGUF = ("tokenizer.ggml.model", "tokenizer.ggml.pre")
_OTHER_FILES = ("tokenizer.model", "tiktoken.model", "vocab.json", "vocab.txt")


def tokenizer_identity(location: str) -> str:
    """What tells the tokenizer at `location` from another: a form, a space, and its mark.

    Two of one form are the same tokenizer if they are equal; of different forms nothing is known.
    Of a ``tokenizer.json`` the mark is a hash of vocabulary, merges and added tokens alone: whoever
    saves it again writes the rest otherwise. Of a GGUF file it is the names of its tokenizer.

    Args:
        location: a ``.gguf`` file or a model's folder.

    Returns:
        ``tokenizer.json 5f0c...``, ``gguf gpt2 smollm``; empty when there is none to be seen.

    Raises:
        ModelError: a file cannot be read.
    """
    path = gguf_or_folder(location)
    if path.suffix == ".gguf":
        metadata = read_gguf_header(path).metadata
        names = [str(metadata[key]) for key in _GGUF if key in metadata]
        return " ".join(["gguf", *names]) if names else ""
    file = path / "tokenizer.json"
    if file.is_file() and file.stat().st_size <= _MOST_BYTES:
        return f"tokenizer.json {_mark(file)}"
    found = next((path / name for name in _OTHER_FILES if (path / name).is_file()), None)
    return f"{found.name} {sha256_of(found)}" if found is not None else ""


def _mark(file: Path) -> str:
    """Hash of what a ``tokenizer.json`` maps; of its bytes where it is of no known form."""
    try:
        raw = read_json(file, _MOST_BYTES)
        model = raw["model"]
        merges = model.get("merges") or []
        merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in merges]
        added = [[one["id"], one["content"]] for one in raw.get("added_tokens") or []]
        content: Any = [model["vocab"], merges, added]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    except (DataError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return sha256_of(file)
    return hashlib.sha256(text.encode()).hexdigest()
