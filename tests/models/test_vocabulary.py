"""Vocabularies: the same names whether a model's tokens are in JSON or in GGUF."""

from __future__ import annotations

import json

import pytest

from lrmtest.models.vocabulary import first_other_meaning, silent_tokens, vocabulary


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


@pytest.mark.parametrize(
    ("files", "silent"),
    [
        ({}, None),
        ({"tokenizer.json": {}}, set()),
        ({"tokenizer.json": []}, set()),
        (
            {
                "tokenizer.json": {
                    "added_tokens": [
                        {"id": 3, "special": True},
                        {"id": 4, "special": False},
                        {"id": "5", "special": True},
                        7,
                    ]
                }
            },
            {3},
        ),
        (
            {
                "tokenizer_config.json": {
                    "added_tokens_decoder": {
                        "8": {"special": True},
                        "9": {"special": "yes"},
                        "x": {"special": True},
                        "9999999999": {"special": True},
                        "10": None,
                    }
                }
            },
            {8},
        ),
    ],
)
def test_special_tokens_are_those_that_the_files_call_so(tmp_path, files, silent):
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "config.json").write_text("{}")
    found = silent_tokens(str(tmp_path))
    assert found == (None if silent is None else frozenset(silent))
