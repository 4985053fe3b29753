"""Segments of traces, and what the rules say of them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.agreement import agreement
from lrmtest.analysis.behaviours import BEHAVIOURS, segments_of

LABELS = Path(__file__).parents[2] / "benchmarks" / "behaviour_labels.jsonl"


def said(text, asked=""):
    """The segments' texts, and what they do."""
    return [(text[each.begin : each.end], each.behaviour) for each in segments_of(text, asked)]


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("backtracking", "Wait, that leaves out the second train."),
        ("backtracking", "Hmm, but actually, the sum was taken twice."),
        ("backtracking", "Alternatively, we can count the pairs."),
        ("backtracking", "Let me double-check the product."),
        ("backtracking", "That can\u2019t be right."),
        ("backtracking", "Maybe I should try a different substitution."),
        ("uncertainty-estimation", "I'm not entirely sure about the last digit."),
        ("uncertainty-estimation", "Maybe it is seven."),
        ("uncertainty-estimation", "Is that the smaller one?"),
        ("example-testing", "For example, 12 and 18 share three divisors."),
        ("example-testing", "Let's try n = 4."),
        ("example-testing", "Suppose the box holds nine."),
        ("adding-knowledge", "I recall that a prime has two divisors."),
        ("adding-knowledge", "By the Pythagorean theorem, c is 5."),
        ("adding-knowledge", "The third premise is about birds."),
        ("initializing", "Okay, so I need to find the age of Ines."),
        ("initializing", "Let me start with the first train."),
        ("deduction", "So the total is 42."),
        ("deduction", "3 * 14 = 42"),
    ],
)
def test_words_tell_what_a_sentence_does(behaviour, sentence):
    assert said(f"Ready.\n\nSteady.\n\n{sentence}")[-1] == (sentence, behaviour)


def test_what_repeats_the_question_adds_knowledge():
    asked = "Every cat that sleeps is grey. Tom is a cat that sleeps all day. Is Tom grey?"
    text = "First.\nNext.\nTom is a cat that sleeps all day.\nSo Tom is grey."
    assert said(text, asked)[2:] == [
        ("Tom is a cat that sleeps all day.", "adding-knowledge"),
        ("So Tom is grey.", "deduction"),
    ]
    assert said(text)[2] == ("Tom is a cat that sleeps all day.", "deduction")


def test_sentences_and_lines_are_segments():
    text = 'One is e.g. 1.5 of it. "Two!" Three?\n4. Four\n\n---\n  five  \n'
    assert [each for each, _ in said(text)] == [
        "One is e.g. 1.5 of it.",
        '"Two!',
        "Three?",
        "4. Four",
        "five",
    ]


def test_the_answer_is_no_part_of_the_reasoning():
    text = "<think>\nWait, it is 3.\n</think>\n\nWait, the answer is 3."
    assert said(text) == [("Wait, it is 3.", "backtracking")]
    assert said("Wait, it is 3.\n<think>")[0] == ("Wait, it is 3.", "backtracking")


@given(
    st.lists(
        st.sampled_from(
            [
                *"ab \n.!?'\"0",
                "wait, ",
                "e.g. ",
                "<think>",
                "</think>",
                "maybe ",
                "\u2019",
                "\U0001f600",
            ]
        ),
        max_size=60,
    ).map("".join)
    | st.text(max_size=80),
    st.text(max_size=30),
)
def test_segments_are_in_order_and_begin_and_end_with_something(text, asked):
    found = segments_of(text, asked)
    at = 0
    for each in found:
        assert at <= each.begin < each.end <= len(text)
        inside = text[each.begin : each.end]
        assert inside == inside.strip()
        assert each.behaviour in BEHAVIOURS
        at = each.end


@pytest.mark.parametrize(
    "piece", ["wait, ", "no. ", "so, okay, ", "is it ", "\n", "<a>", "x.", "the "]
)
def test_long_texts_are_no_trouble(piece):
    text = piece * (200_000 // len(piece))
    assert all(each.end <= len(text) for each in segments_of(text, text[:10_000]))


def test_the_rules_agree_with_who_read_recorded_traces(data_dir):
    """Without the questions, which the benchmark has beside them."""
    texts, rules = {}, {}
    pairs = defaultdict(Counter)
    for row in map(json.loads, LABELS.read_text("utf-8").splitlines()):
        suite = row["suite"]
        if suite not in texts:
            file = data_dir / "recorded" / f"r1-distill-llama-8b-awq-4bit.{suite}.jsonl"
            lines = map(json.loads, file.read_text("utf-8").splitlines())
            texts[suite] = {str(one["question"]): one["output"] for one in lines}
        text = texts[suite][row["question"]]
        sentence = text[row["begin"] : row["end"]]
        assert sha256(sentence.encode()).hexdigest()[:16] == row["sha256"]
        key = suite, row["question"]
        if key not in rules:
            cut = segments_of(text)
            rules[key] = {(each.begin, each.end): each.behaviour for each in cut}
        pairs[key][rules[key][row["begin"], row["end"]], row["behaviour"]] += 1
    found = agreement(list(pairs.values()))
    assert found.things == 240
    assert found.kappa > 0.45
