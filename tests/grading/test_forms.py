"""Reasoning in whatever tags: the forms of the table, what they look like in texts, and others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading import Completion, grade, split
from lrmtest.grading.form_in_text import form_in, unknown_mark
from lrmtest.grading.forms import BY_NAME, DEFAULT_TAGS, FORMS, form_of, pair_of, tags_of
from lrmtest.grading.split import put_together, told_apart
from lrmtest.questions.question import INTEGER, Question

AIME = Question("q", "aime", {}, ("113",), INTEGER)
GUESS = "First guess: the answer is 113. But is that so?"
HARMONY = "<|channel|>analysis<|message|>"
FINAL = "<|end|><|start|>assistant<|channel|>final<|message|>"

names = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
plain = st.text(st.characters(codec="utf-8", exclude_characters="<>[]◁▷.:"), max_size=60)


def around(form, reasoning, answer):
    return f"{form.tags[0]}\n{reasoning}\n{form.tags[1]}\n{answer}"


def begun(form):
    """Its opening, as far as it needs something behind it."""
    return form.tags[0] + ("We" if form.name == "harmony-stripped" else "\n")


@names
def test_a_form_is_known_by_its_name_and_by_its_tags(form):
    assert BY_NAME[form.name] is form
    assert form_of((form.name,)) is form
    assert form_of(form.tags) is form


@names
def test_a_guess_between_the_tags_is_no_answer(form):
    text = f"{begun(form)}{GUESS}\n{form.tags[1]}\nI cannot determine it."
    for tags in ((), DEFAULT_TAGS, (form.name,), form.tags):
        parts = split(text, tags)
        assert parts.form is form
        assert (parts.closed, parts.opened) == (True, True)
        assert parts.answer.strip() == "I cannot determine it."
        assert GUESS in parts.reasoning
        verdict = grade(AIME, Completion(text, "stop"), tags)
        assert (verdict.correct, verdict.failure) == (False, "no-answer")


@names
def test_an_answer_behind_them_counts(form):
    text = f"{begun(form)}Is it 5? The answer is 5.\n{form.tags[1]}\nThe answer is 113."
    for tags in ((), DEFAULT_TAGS):
        assert grade(AIME, Completion(text, "stop"), tags).correct


@names
def test_reasoning_that_is_cut_off_is_all_reasoning(form):
    text = begun(form) + GUESS
    parts = split(text)
    assert (parts.closed, parts.opened, parts.answer) == (False, True, "")
    assert told_apart(text, (), ran_out=True) == (text, "")
    for reason in ("length", "unknown"):
        verdict = grade(AIME, Completion(text, reason))
        assert (verdict.correct, verdict.failure, verdict.end) == (False, "unclosed", "ran-out")
    if form.answer_due:
        assert grade(AIME, Completion(text, "stop")).failure == "unclosed"


@names
def test_the_opening_may_have_been_prefilled(form):
    text = f"{GUESS}\n{form.tags[1]}\nIt cannot be known."
    known = split(text, (form.name,))
    assert (known.closed, known.opened) == (True, False)
    assert known.answer.strip() == "It cannot be known."
    if not form.opens_with_prose or form.name in ("apriel", "harmony-stripped"):
        assert split(text) == known


@names
@given(reasoning=plain, answer=plain)
def test_plain_texts_come_back(form, reasoning, answer):
    parts = split(f"{begun(form)}{reasoning}.\n{form.tags[1]}\n{answer}.")
    assert parts.form is form
    assert parts.answer.strip() == f"{answer}.".strip()
    assert reasoning.strip() in parts.reasoning


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<THINK>", "</THINK>"),
        ("<Think>", "</think>"),
        ("< think >", "< / think >"),
        ('<think type="deep" n=3>', "</think >"),
        ("<think\n>", "<\\/think>"),
        ("<think:opensource>", "</think:opensource>"),
        ("[think]", "[/Think]"),
        ("[ THINK ]", "[ /THINK ]"),
        ("◁ think ▷", "◁ /think ▷"),
        ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
        ("<|begin_of_thought|>\n\n", "<|end_of_thought|>\n\n<|begin_of_solution|>"),
        ("<|open|>think<|sep|>", "<|close|>think<|sep|><|open|>response<|sep|>"),
        ("<|channel>thought\n", "<channel|>"),
        ("<|think|>", "<|end|><|begin|>assistant<|content|>"),
        ("<|message_model|><|content_thinking|>", "<|end_message|><|content_text|>"),
        ("**Here's my thought process:**", "**Here's my response:**"),
        ('<details type="reasoning" done="true" duration="5">\n<summary>', "</details>"),
        (HARMONY, FINAL),
        (HARMONY, "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>"),
        ("<|start|>assistant<|channel|>analysis<|message|>", FINAL),
        (HARMONY, "<|end|><|start|>assistant<|message|>"),
        (HARMONY, "<|end|>"),
        ("analysis", "assistantfinal"),
        ("analysis\n", "\nassistant\nfinal\n"),
    ],
)
def test_spellings(opening, closing):
    for answer in ("It cannot be known.", "The answer is 5."):
        parts = split(f"{opening}{GUESS}{closing}{answer}")
        assert parts.closed
        assert parts.answer.strip() == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"{HARMONY}a<|end|><|start|>assistant<|channel|>commentary<|message|>b{FINAL}42", "42"),
        (f"{HARMONY}a{FINAL}1<|end|><|start|>assistant{HARMONY}b{FINAL}42<|return|>", "42"),
        (f"{HARMONY}a{FINAL}42<|end|><|start|>assistant{HARMONY}but wait", "42"),
        (f"{HARMONY}a{FINAL}42<|return|>", "42"),
        (f"{HARMONY}a{FINAL}", ""),
        ("<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>", ""),
        ("<thinking>a<thinking>b</thinking>c</thinking>42", "42"),
        ("[THINK]a[/THINK]1[THINK]b[/THINK]42[THINK]c", "42"),
        ("<thought>a</thought>42</thought>", "42"),
        ("<think></think>\n\n<thought>The answer is 1.</thought>42", "42"),
        (f"<think>\n\n</think>\n{HARMONY}a{FINAL}42", "42"),
        ("<think>a [/THINK] <reason> b</think>42", "42"),
        ("<think>a</think><answer>42</answer>", "42"),
        ("<think>a</think>\n<ANSWER>\n42\n</ANSWER>\n<|im_end|>", "\n42\n"),
        ("<Thought>a</Thought><Output>42</Output>", "42"),
        ("<think>a</think>It is <answer>42</answer>", "It is <answer>42</answer>"),
        ("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>42<|end_of_solution|>", "42"),
        ("a<|END_THINKING|><|START_RESPONSE|>42<|END_RESPONSE|>", "42"),
        ("<think/>42", "42"),
        ("Sure!\n<thinking>a</thinking>42", "42"),
    ],
)
def test_nested_reopened_and_wrapped(text, answer):
    parts = split(text)
    assert parts.answer == answer
    if parts.answer:
        assert text.startswith(parts.answer, parts.answer_start)


@pytest.mark.parametrize(
    "text",
    [
        "42",
        "The answer is 42, by an analysis of cases.",
        "analysis of the cases shows 42",
        "True. <reason>because it follows</reason>",  # nothing is left behind it
        "In XML <reasoning> is a tag. It is 42.",
        "The assistant final decision is 42.",
        "<b>42</b> is the answer",
        "<answer>42</answer> is what I found",
        "<solution>It is 42.</solution> I hope it helps.",
        "Here is my response: 42",
    ],
)
def test_answers_that_only_mention_such_words(text):
    parts = split(text)
    assert (parts.answer, parts.reasoning, parts.closed) == (text, "", False)
    assert unknown_mark(text) == ""


def test_marks_that_are_in_no_table():
    text = f"<musing>{GUESS}</musing>It cannot be known."
    parts = split(text)
    assert parts.answer == "It cannot be known."
    assert parts.form is not None
    assert not parts.form.in_table
    assert unknown_mark(text) == "<musing>"
    for opening, closing in (("<|foo_start|>", "<|foo_end|>"), ("[DEEP WORK]", "[/DEEP WORK]")):
        assert split(f"{opening}{GUESS}{closing}None.").answer == "None."
    # What follows is the larger part, so that this is no reasoning before an answer.
    assert split(f"<musing>hm</musing>{GUESS}").form is None
    # Never closed, and nothing says how it ended.
    assert grade(AIME, Completion(f"<musing>{GUESS}", "unknown")).failure == "unclosed"
    assert split("<musing>hm</musing>42", ("<musing>", "</musing>")).answer == "42"


def test_what_is_known_decides_where_a_text_does_not():
    text = "One writes [THINK] here. </think> 42"
    assert split(text, ("think",)).answer == " 42"
    assert form_in("a [T] b", ("[T]", "[/T]")) is form_of(("[T]", "[/T]"))
    assert split("a [/T] b", ("[T]", "[/T]")).answer == " b"
    assert split("<r>a</r>b", ("<R>", "</R>")).answer == "b"
    assert form_of(("nothing that is known",)) is None


def test_tags_from_json():
    assert tags_of([]) == ()
    assert tags_of(["harmony"]) == ("harmony",)
    assert tags_of(["a", "b"]) == ("a", "b")
    for wrong in (["a", ""], ["a", "b", "c"], [1, 2], "think", None, {}):
        assert tags_of(wrong) is None
    assert pair_of(("harmony",)) == pair_of(()) == DEFAULT_TAGS
    assert pair_of(("magistral",)) == ("[THINK]", "[/THINK]")


pieces = st.lists(
    st.sampled_from(
        [
            *("a", "42", "\n", " ", "<", "</think>", "<think>", "[THINK]", "[/THINK]", "<|end|>"),
            *("assistantfinal", HARMONY, FINAL, "<answer>", "</answer>", "<think:1>", "</s>", "é"),
        ]
    ),
    max_size=12,
).map("".join)
known = st.sampled_from([(), ("think",), ("magistral",), ("harmony",), ("<r>", "</r>")])


@given(pieces, pieces, known, st.booleans())
def test_what_came_apart_is_taken_apart_again(reasoning, answer, tags, blank):
    text = put_together(reasoning, answer, tags, closed=True, blank=blank)
    if not reasoning:
        assert text == answer
        return
    parts = split(text, tags)
    assert parts.closed
    assert parts.reasoning.strip() == reasoning.strip()
    assert parts.answer.strip() in answer
    cut = put_together(reasoning, "", tags, closed=False, blank=blank)
    parts = split(cut, tags)
    assert (parts.closed, parts.opened, parts.answer) == (False, True, "")
    assert parts.reasoning.strip() == reasoning.strip()


@given(
    st.lists(
        st.sampled_from(
            [part for form in FORMS for part in form.tags] + ["a", "42", " ", "\n", "<", "|>"]
        ),
        max_size=30,
    ).map("".join),
    known,
)
def test_any_mixture_has_parts(text, tags):
    parts = split(text, tags)
    assert parts.answer in text
    assert len(parts.reasoning) + len(parts.answer) <= len(text) + 8
    assert parts.closed or not parts.answer or parts.answer == text
    assert 0 <= parts.answer_start <= len(text)
    assert 0 <= parts.closed_at <= len(text)
    if parts.closed:
        assert text.startswith(parts.answer, parts.answer_start)
    assert split(text, tags) == parts


@pytest.mark.skipif("LRMTEST_DATA_DIR" not in os.environ, reason="needs the recorded outputs")
def test_recorded_outputs_are_split_as_by_think_tags():
    folder = Path(os.environ["LRMTEST_DATA_DIR"]) / "recorded"
    for file in folder.glob("*.jsonl"):
        for line in file.open(encoding="utf-8"):
            text = json.loads(line)["output"]
            before, _, behind = text.rpartition("</think>")
            parts = split(text)
            assert parts.answer == behind
            assert parts.reasoning == before
