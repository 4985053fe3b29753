"""What the texts of a run show of its reasoning tags, and what of that is told."""

from __future__ import annotations

import pytest

from lrmtest.models.spec import KnownTags
from lrmtest.runs.manifest import Manifest, ReasoningSection
from lrmtest.runs.reasoning import (
    LONG_CHARS,
    form_seen,
    section_of,
    together,
    told_form,
    warnings_of,
)

MAGISTRAL = "[THINK]a[/THINK]b"
THINK = "<think>a</think>b"
LONG = "So it goes on. " * (LONG_CHARS // 10)


def test_what_is_seen_is_said():
    section = section_of(KnownTags(), [MAGISTRAL, MAGISTRAL, "42"])
    assert told_form(section) == "reasoning tags seen: [THINK] ... [/THINK] in 2 of 3 texts"
    assert (section.known_by, section.texts, section.tags) == ("texts", 3, ())
    assert form_seen(section) == "[THINK] ... [/THINK]"
    assert warnings_of(section) == []
    assert told_form(section_of(KnownTags(), ["42"])) == ""


def test_what_is_known_is_said():
    known = KnownTags(("harmony",), "chat template")
    assert "final<|message|> (by its chat template)" in told_form(section_of(known))
    assert warnings_of(section_of(known, ["42"])) == []


@pytest.mark.parametrize(
    ("known", "texts", "words"),
    [
        ((), ["<musing>a longer thought</musing>b", "42"], "1 of 2 texts begin with <musing>"),
        ((), ["<musing>a longer thought, never closed"], "1 of 1 texts begin with <musing>"),
        ((), ["[DEEP WORK] never closed"], "begin with [DEEP WORK]"),
        ((), [LONG, "42"], "1 of 2 texts are long, and without any reasoning tag"),
        (("think",), [LONG], "without <think> ... </think>"),
        (("think",), [THINK, MAGISTRAL], "but of 2 texts [THINK] ... [/THINK] in 1"),
        ((), [THINK, MAGISTRAL], "marked in several ways"),
    ],
)
def test_what_may_make_verdicts_wrong_is_a_warning(known, texts, words):
    warnings = warnings_of(section_of(KnownTags(known, "card" if known else ""), texts))
    assert any(words in warning for warning in warnings), warnings


@pytest.mark.parametrize(
    ("known", "texts"),
    [
        ((), [THINK] * 3 + [LONG]),
        (("think",), [THINK, "42"]),
        ((), ["42", "<b>42</b>", "<answer>42</answer>"]),
        (("<musing>", "</musing>"), ["<musing>a longer thought</musing>b"]),
    ],
)
def test_else_there_is_none(known, texts):
    assert warnings_of(section_of(KnownTags(known, "card" if known else ""), texts)) == []


def test_two_parts_of_a_run():
    one = section_of(KnownTags(), [THINK, LONG])
    both = together(one, section_of(KnownTags(), [THINK, MAGISTRAL, "<musing>x"]))
    assert (both.texts, both.long) == (5, 1)
    assert both.seen is not None
    assert both.seen["<think> ... </think>"] == 2
    assert dict(both.unknown or {}) == {"<musing>": 1}


def test_in_a_manifest():
    section = section_of(KnownTags(("harmony",), "chat template", prefilled=True), [THINK])
    manifest = Manifest.from_json(Manifest(reasoning=section).to_json())
    assert manifest.reasoning.to_json() == section.to_json()
    assert manifest.reasoning_tags == ("harmony",)
    legacy = {"model": {"reasoning_tags": ["<think>", "</think>"]}}
    assert Manifest.from_json(legacy).reasoning_tags == ()
    own = {"model": {"reasoning_tags": ["<r>", "</r>"]}}
    assert Manifest.from_json(own).reasoning_tags == ("<r>", "</r>")
    assert Manifest.from_json({**own, "reasoning": {"known_by": "texts"}}).reasoning_tags == ()


def test_counts_of_a_damaged_manifest_are_left_out():
    section = ReasoningSection.from_json({"seen": {"x": "y", "z": True, "w": -1}, "texts": "many"})
    assert form_seen(section) == ""
    assert warnings_of(section) == []
