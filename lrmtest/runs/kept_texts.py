"""The texts of a reading's tokens, kept in its head.

Whoever looks at a reading later need not have the model: what the traces' ids stand for is kept
beside the figures, of those ids alone that are in the traces.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from lrmtest.bounded import parse_json
from lrmtest.errors import DataError, LrmtestError
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.reading import Written
from lrmtest.models.spec import ModelSpec
from lrmtest.models.token_texts import MOST_OF_ONE, token_texts
from lrmtest.runs.reading_manifest import ReadingManifest
from lrmtest.runs.readings import ReadingHead

_MOST_BYTES = 64 << 20
"""Of the texts, unpacked: 256 bytes of each of 260,000 tokens are as many."""


def with_texts(
    manifest: ReadingManifest, written: Sequence[Written], models: Iterable[ModelSpec]
) -> ReadingManifest:
    """A reading's manifest with the texts of the traces' tokens, if some model's files tell them.

    Args:
        manifest: of the reading; one that has them all stays as it is.
        written: the traces.
        models: that have the traces' tokenizer, the first that tells goes.
    """
    kept = _unpacked(manifest.token_texts)
    ids = {token for one in written for token in one.trace.tokens}
    if ids <= kept.keys():
        return manifest
    for spec in models:
        if not kind_of(spec).has_files or not spec.location:
            continue
        try:
            texts = token_texts(spec.location, ids)
        except LrmtestError:  # figures do not depend on it, and who looks is told that it lacks
            continue
        if texts.keys() - kept.keys():
            return replace(manifest, token_texts=packed_texts({**kept, **texts}))
    return manifest


def texts_of(head: ReadingHead) -> Mapping[int, bytes]:
    """What the tokens of a reading's traces stand for; empty where it was not kept."""
    return _unpacked(head.manifest.token_texts)


def _unpacked(kept: str | None) -> Mapping[int, bytes]:
    if kept is None:
        return {}
    try:
        unpack = zlib.decompressobj()
        data = unpack.decompress(base64.b64decode(kept, validate=True), _MOST_BYTES)
        ids, texts = parse_json(data, "the texts of a reading's tokens")
        return {
            int(i): str(text).encode("latin-1")[:MOST_OF_ONE]
            for i, text in zip(ids, texts, strict=True)
        }
    except (binascii.Error, zlib.error, DataError, TypeError, ValueError):
        return {}


def packed_texts(texts: Mapping[int, bytes]) -> str:
    """Texts of tokens as a manifest has them."""
    columns = [[*texts], [text.decode("latin-1") for text in texts.values()]]
    data = json.dumps(columns, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")
