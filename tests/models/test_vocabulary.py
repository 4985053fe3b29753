"""Vocabularies: the same names whether a model's tokens are in JSON or in GGUF."""

from __future__ import annotations

import json

import pytest

from lrmtest.models.vocabulary import first_other_meaning, vocabulary


def test_a_gguf_file_has_the_names_of_the_folder_it_was_made_of(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("gguf")
    import tiny_checkpoint

    from lrmtest.models.gguf.from_safetensors import converted

    tiny_checkpoint.save(tmp_path / "m")
    own = vocabulary(str(tmp_path / "m"))
    assert own[257] == "<s>"
    assert own[256] == "th"
    theirs = vocabulary(str(converted(tmp_path / "m")))
    assert first_other_meaning(range(len(own)), own, theirs) is None


@pytest.mark.parametrize("vocab", [{"a": 0, "b": 1}, [["a", -1.0], ["b", -2.0]]])
def test_both_forms_of_a_vocabulary_are_read(tmp_path, vocab):
    added = [{"id": 2, "content": "<s>"}]
    content = {"model": {"vocab": vocab}, "added_tokens": added}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    (tmp_path / "config.json").write_text("{}")
    assert vocabulary(str(tmp_path)) == {0: "a", 1: "b", 2: "<s>"}


@pytest.mark.parametrize("content", [[], {"model": 5}, {"model": {"vocab": [1]}}, {"model": {}}])
def test_what_is_of_no_known_form_names_nothing(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    (tmp_path / "config.json").write_text("{}")
    assert vocabulary(str(tmp_path)) == {}


def test_only_the_ids_that_are_used_must_mean_the_same():
    one, other = {0: "a", 1: "b", 2: "c"}, {0: "a", 1: "x"}
    assert first_other_meaning([0], one, other) is None
    assert first_other_meaning([2, 1, 0], one, other) == 1
    assert first_other_meaning([7], one, {7: "g"}) == 7
