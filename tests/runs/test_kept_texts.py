"""The texts of a reading's tokens, kept in its head: nothing of what is kept is believed."""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from array import array
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.models import tiny_lrm
from lrmtest.models.card import ModelCard
from lrmtest.models.reading import Shaping, Written
from lrmtest.models.resolve import resolve
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs.kept_texts import packed_texts, texts_of, with_texts
from lrmtest.runs.reading_manifest import ReadingManifest
from lrmtest.runs.readings import ReadingHead

TINY = Path(tiny_lrm.__path__[0])


def head(manifest):
    known = manifest
    if not isinstance(known, ReadingManifest):
        known = ReadingManifest.from_json(manifest)
    return ReadingHead("read-1", "run-1", "small", "identity", "2026", None, known)


def kept(content):
    data = json.dumps(content).encode()
    return head({"token_texts": base64.b64encode(zlib.compress(data)).decode()})


def written(*ids):
    trace = Trace(array("I", [1]), array("I", ids), array("f", bytes(4 * len(ids))), False)
    return [Written(Place("key", "sums", "q", 0), trace, Shaping(1.0))]


@given(st.dictionaries(st.integers(0, 300_000), st.binary(min_size=1, max_size=256)))
def test_what_was_kept_is_there(texts):
    assert texts_of(head({"token_texts": packed_texts(texts)})) == texts


def test_what_is_no_texts_is_none():
    for content in (None, 3, [], [[1]], [[1], ["a", "b"]], [["x"], ["a"]], [[1], ["€"]], {"a": 1}):
        assert texts_of(kept(content)) == {}
    for raw in (None, 7, "", "!", "AAAA", "é"):
        assert texts_of(head({"token_texts": raw})) == {}
    assert texts_of(head({})) == {}


def test_a_bomb_is_not_unpacked():
    bomb = base64.b64encode(zlib.compress(b'[[1],["' + b"a" * (65 << 20) + b'"]]')).decode()
    assert len(bomb) < 400_000
    assert texts_of(head({"token_texts": bomb})) == {}


def test_texts_are_told_by_the_first_model_with_files_and_added_to(tmp_path):
    shutil.copytree(TINY, tmp_path / "model")
    cards: dict[str, ModelCard] = {}
    model = resolve(str(tmp_path / "model"), cards, engine="transformers")
    endpoint = resolve("served=http://localhost:1/v1", cards)
    empty = ReadingManifest.from_json({"a": 1})
    assert with_texts(empty, written(5), [endpoint]) is empty
    first = with_texts(empty, written(5, 6), [endpoint, model])
    assert texts_of(head(first)).keys() == {5, 6}
    assert first.to_json()["a"] == 1
    assert with_texts(first, written(6), [model]) is first
    assert texts_of(head(with_texts(first, written(7), [model]))).keys() == {5, 6, 7}
    # A model that cannot be read is no reason to lose the figures.
    (tmp_path / "model" / "tokenizer.json").write_text("{")
    assert with_texts(first, written(8), [model]) is first
