"""What must be equal for a comparison, and what may differ."""

from __future__ import annotations

from copy import deepcopy

import pytest

from lrmtest.errors import UsageError
from lrmtest.runs.differences import (
    COMPARED_SETTINGS,
    differences,
    refuse_differences,
    told_differences,
)
from lrmtest.runs.manifest import Manifest

MANIFEST = {
    "model": {
        "name": "m",
        "files": {"m.gguf": "0" * 64},
        "system_prompt": "",
        "stop_loops": True,
        "engine": "llamacpp",
    },
    "temperature": 0.6,
    "top_p": 0.95,
    "seed": 0,
    "environment": {"python": "3.11"},
    "suites": {
        "sums": {
            "prompt_sha256": "a" * 64,
            "max_tokens": 64,
            "samples": 1,
            "questions": 12,
            "source": {"kind": "inline", "name": "sums.jsonl", "revision": "", "sha256": "b" * 64},
            "answer_kinds": ["integer"],
            "metric": "pass",
        }
    },
}
SUMS = ("suites", "sums")

CHANGES = {
    "prompt": ((*SUMS, "prompt_sha256"), "c" * 64),
    "budget": ((*SUMS, "max_tokens"), 128),
    "dataset": ((*SUMS, "source", "sha256"), "d" * 64),
    "grader": ((*SUMS, "answer_kinds"), ["label"]),
    "metric": ((*SUMS, "metric"), "f1"),
    "temperature": (("temperature",), 0.0),
    "top-p": (("top_p",), 1.0),
    "system-prompt": (("model", "system_prompt"), "think hard"),
    "loop-stop": (("model", "stop_loops"), False),
}


def changed(*changes):
    manifest = deepcopy(MANIFEST)
    for path, value in changes:
        place = manifest
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
    return manifest


def found_in(before, after):
    return differences(Manifest.from_json(before), Manifest.from_json(after))


def test_every_setting_is_tried():
    assert set(CHANGES) == set(COMPARED_SETTINGS)


@pytest.mark.parametrize("name", CHANGES)
def test_a_difference_is_named_and_refused_unless_allowed(name):
    found = found_in(MANIFEST, changed(CHANGES[name]))
    assert [difference.name for difference in found] == [name]
    with pytest.raises(UsageError, match=name) as caught:
        refuse_differences(found, [other for other in CHANGES if other != name], "b")
    assert f"--allow-different {name}" in (caught.value.hint or "")
    assert refuse_differences(found, [name], "b") == found
    assert refuse_differences(found, ["all"], "b") == found


def test_all_differences_are_named_at_once():
    found = found_in(MANIFEST, changed(*CHANGES.values()))
    assert {difference.name for difference in found} == set(CHANGES)
    with pytest.raises(UsageError) as caught:
        refuse_differences(found, ["prompt"], "b")
    for name in CHANGES:
        assert (f"--allow-different {name}" in (caught.value.hint or "")) == (name != "prompt")


def test_what_a_comparison_is_about_may_differ():
    other = changed(
        (("seed",), 7),
        (("model", "name"), "n"),
        (("model", "files"), {}),
        (("model", "engine"), "vllm"),
        ((*SUMS, "samples"), 4),
        ((*SUMS, "questions"), 3),
        (("environment",), {}),
    )
    assert found_in(MANIFEST, other) == []


def test_what_one_side_does_not_know_is_no_difference():
    other = deepcopy(MANIFEST)
    del other["model"]["stop_loops"], other["suites"]["sums"]["answer_kinds"]
    assert found_in(MANIFEST, other) == found_in(other, MANIFEST) == []
    assert found_in({}, MANIFEST) == found_in({"model": 3, "suites": []}, MANIFEST) == []


def test_hashes_are_shown_by_their_beginning():
    shown = str(found_in(MANIFEST, changed(CHANGES["dataset"]))[0])
    assert shown == (
        "dataset of sums: inline sums.jsonl bbbbbbbbbbbb against inline sums.jsonl dddddddddddd"
    )


TOLD = {
    "chat-template": ((("chat", "template_sha256"), "none"),),
    "tokenizer": ((("chat", "tokenizer"), f"tokenizer.json {'f' * 64}"),),
    "engine-family": ((("model", "engine"), "vllm"),),
    "reasoning-tags": ((("model", "reasoning_tags"), ["<r>", "</r>"]),),
}
AROUND = deepcopy(MANIFEST)
AROUND["chat"] = {
    "template_sha256": "e" * 64,
    "template_source": "chat_template.jinja",
    "tokenizer": f"tokenizer.json {'a' * 64}",
}
AROUND["model"]["reasoning_tags"] = ["<think>", "</think>"]


def told_in(before, after):
    return told_differences(Manifest.from_json(before), Manifest.from_json(after))


@pytest.mark.parametrize("name", TOLD)
def test_what_differs_around_the_models_is_told_and_never_refused(name):
    other = deepcopy(AROUND)
    for path, value in TOLD[name]:
        other[path[0]][path[1]] = value
    if name == "chat-template":
        del other["chat"]["template_source"]
    assert [difference.name for difference in told_in(AROUND, other)] == [name]
    assert found_in(AROUND, other) == []
    assert told_in(AROUND, AROUND) == []


def test_a_lost_chat_template_is_told_in_short():
    other = deepcopy(AROUND)
    other["chat"] = {"template_sha256": "none"}
    (difference,) = told_in(AROUND, other)
    assert difference.values == "eeeeeeeeeeee (chat_template.jinja) against none"


def test_nothing_is_told_of_what_one_side_does_not_know():
    assert told_in(MANIFEST, {}) == told_in({}, AROUND) == []
    unlike = deepcopy(AROUND)
    unlike["chat"]["tokenizer"] = "gguf gpt2 smollm"  # of another form: who knows
    assert told_in(AROUND, unlike) == []
    recorded = deepcopy(AROUND)
    recorded["model"]["engine"] = "recorded"
    assert told_in(AROUND, recorded) == []


def test_a_served_model_is_told_from_one_of_files():
    served = deepcopy(AROUND)
    del served["chat"]
    served["model"] |= {
        "engine": "openai",
        "served": {"server": "llama.cpp", "chat_template_sha256": "f" * 64},
    }
    assert [each.name for each in told_in(AROUND, served)] == ["chat-template"]
    served["model"]["served"]["server"] = "vllm"
    assert [each.name for each in told_in(AROUND, served)] == ["chat-template", "engine-family"]
