"""MuSiQue in its five contexts, on made-up questions and on the real ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.questions import SHORT_TEXT, DataOptions, Question, QuestionSet, Source, render_prompt
from lrmtest.suites import SUITES
from lrmtest.suites.musique_contexts import CONTEXTS, hop_id, load_in_context

PARAGRAPHS = [
    {"idx": 0, "title": "Moss", "paragraph_text": "Moss is green.", "is_supporting": False},
    {"idx": 1, "title": "Ada", "paragraph_text": "Ada is Bo's aunt.", "is_supporting": True},
    {"idx": 2, "title": "Bo", "paragraph_text": "Bo lives in Oslo.", "is_supporting": True},
]
HOPS = [
    {"question": "Ada >> nephew", "answer": "Bo", "paragraph_support_idx": 1},
    {"question": "Where does #1 live, in the #2 town?", "answer": "Oslo",
     "paragraph_support_idx": 2},
]  # fmt: skip
AUNT = Question(
    "2hop__1_2",
    "musique",
    {
        "question": "Where does Ada's nephew live?",
        "paragraphs": PARAGRAPHS,
        "question_decomposition": HOPS,
    },
    ("Oslo", "Kristiania"),
    SHORT_TEXT,
)
SOURCE = Source("local", "musique_100.jsonl", "musique-100", "abc")


def question_of_hop(hop):
    return hop.rpartition("-hop")[0]


def in_context(context, question=AUNT):
    load = load_in_context(lambda _: QuestionSet((question,), SOURCE), f"m-{context}", context)
    loaded = load(DataOptions())
    assert loaded.source == SOURCE
    return loaded.questions


def test_open_has_all_paragraphs_and_gold_the_supporting_ones():
    (asked,) = in_context("open")
    assert (asked.id, asked.suite, asked.references) == (AUNT.id, "m-open", AUNT.references)
    assert asked.material["paragraphs"] == [
        "Moss: Moss is green.",
        "Ada: Ada is Bo's aunt.",
        "Bo: Bo lives in Oslo.",
    ]
    (gold,) = in_context("gold")
    assert gold.material["paragraphs"] == asked.material["paragraphs"][1:]
    assert gold.digest != asked.digest


@pytest.mark.parametrize("context", ["hops", "hops-gold"])
def test_hops_refer_to_what_was_expected_before(context):
    first, second = in_context(context)
    assert (first.id, second.id) == ("2hop__1_2-hop1", "2hop__1_2-hop2")
    assert first.material["question"] == "Ada >> nephew"
    # "#2" is not an earlier hop's and stays.
    assert second.material["question"] == "Where does Bo live, in the #2 town?"
    assert first.references == ("Bo",)
    assert second.references == ("Oslo", "Kristiania")
    given_paragraphs = [hop.material.get("paragraphs") for hop in (first, second)]
    if context == "hops":
        assert given_paragraphs == [None, None]
    else:
        assert given_paragraphs == [["Ada: Ada is Bo's aunt."], ["Bo: Bo lives in Oslo."]]


def test_a_last_hop_that_answers_otherwise_has_no_aliases():
    other = [HOPS[0], {**HOPS[1], "answer": "Norway"}]
    question = Question(
        AUNT.id,
        "musique",
        {**AUNT.material, "question_decomposition": other},
        AUNT.references,
        SHORT_TEXT,
    )
    assert in_context("hops", question)[1].references == ("Norway",)


@given(st.from_regex(r"[a-z0-9_]{1,12}(-hop[0-9])?", fullmatch=True), st.integers(1, 99))
def test_a_hops_id_leads_back_to_its_question(question_id, number):
    assert question_of_hop(hop_id(question_id, number)) == question_id


@pytest.mark.data
def test_real_questions_in_every_context(data_dir):
    options = DataOptions(data_dir)
    closed = {question.id: question for question in SUITES["musique"].load(options).questions}
    hops = sum(len(q.material["question_decomposition"]) for q in closed.values())
    counts = {"open": 100, "gold": 100, "hops": hops, "hops-gold": hops}
    for context in CONTEXTS:
        suite = SUITES[f"musique-{context}"]
        questions = suite.load(options).questions
        assert len({question.id for question in questions}) == len(questions) == counts[context]
        assert {question.suite for question in questions} == {suite.name}
        ids = [q.id if "hops" not in context else question_of_hop(q.id) for q in questions]
        assert list(dict.fromkeys(ids)) == list(closed)
        for question in questions:
            prompt = render_prompt(suite.prompt, question)
            assert not re.search(r"\{(question|paragraphs)\}", prompt)
            assert question.material["question"] in prompt
            if "hops" in context:
                # Every reference to an earlier hop is filled in, in all of the 100.
                assert not re.search(r"#\d", question.material["question"])


@pytest.mark.data
def test_real_paragraphs_hold_what_they_support(data_dir):
    options = DataOptions(data_dir)
    held = [
        question.expected.casefold() in question.material["paragraphs"][0].casefold()
        for question in SUITES["musique-hops-gold"].load(options).questions
    ]
    assert sum(held) / len(held) > 0.9
    for question in SUITES["musique-gold"].load(options).questions:
        assert len(question.material["paragraphs"]) == int(question.id[0])
    lengths = {
        len(q.material["paragraphs"]) for q in SUITES["musique-open"].load(options).questions
    }
    assert lengths == {18, 19, 20}
