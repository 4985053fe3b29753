"""What token ids stand for, told by files alone; the library that makes them is the measure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.models import tiny_lrm
from lrmtest.models.token_texts import MOST_OF_ONE, token_texts

tokenizers = pytest.importorskip("tokenizers")

TINY = Path(tiny_lrm.__path__[0])
TEXTS = [
    "Wait, 12 + 30 = 42.\n</think>\n",
    "naïve Größe 数字 👩‍👩‍👧 \u00a0x",
    " \t\n  a",
    "<|end|>",
]


@given(text=st.one_of(st.sampled_from(TEXTS), st.text()))
def test_bytes_of_a_byte_level_tokenizer_are_the_texts(text):
    tokenizer = tokenizers.Tokenizer.from_file(str(TINY / "tokenizer.json"))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    found = token_texts(str(TINY), ids)
    said = b"".join(found[i] for i in ids)
    assert said.decode("utf-8", "replace") == tokenizer.decode(ids, skip_special_tokens=False)


def write(folder, vocab, decoder, added=()):
    content = {"model": {"vocab": vocab}, "decoder": decoder, "added_tokens": list(added)}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return str(folder)


def test_sentencepiece_names(tmp_path):
    decoder = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
        ],
    }
    vocab = {"▁so": 0, "<0x0A>": 1, "é": 2, "▁▁": 3, "<think▁x>": 4}
    folder = write(tmp_path, vocab, decoder, [{"id": 4, "content": "<think▁x>"}])
    assert token_texts(folder, range(6)) == {
        0: b" so", 1: b"\n", 2: "é".encode(), 3: b"  ", 4: "<think▁x>".encode(),
    }  # fmt: skip


@pytest.mark.parametrize(
    "decoder",
    [{"type": "WordPiece"}, None, [], "ByteLevel", {"type": "Sequence", "decoders": 3},
     {"type": "Sequence", "decoders": [{"type": "Strip"}, None, 7]}, {"type": ["ByteLevel"]}],
)  # fmt: skip
def test_of_other_namings_nothing_is_told(tmp_path, decoder):
    assert token_texts(write(tmp_path, {"##ing": 0}, decoder), [0]) == {}


def test_a_token_is_cut_and_what_is_no_vocabulary_tells_nothing(tmp_path):
    byte_level = {"type": "ByteLevel"}
    folder = write(tmp_path, {"a" * 100_000: 0, "b": "x"}, byte_level)
    assert token_texts(folder, [0]) == {0: b"a" * MOST_OF_ONE}
    for vocab in ([], 3, [["a"], []], [[3.5, 1]], [None]):
        assert token_texts(write(tmp_path, vocab, byte_level), [0, 1]) == {}
    (tmp_path / "tokenizer.json").write_text("[1, 2]")
    assert token_texts(str(tmp_path), [0]) == {}
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "config.json").write_text("{}")
    assert token_texts(str(tmp_path), [0]) == {}
