"""Cues are found by strings that they need: the matches are those of a search without them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading.answer_text import clean
from lrmtest.grading.boxes import boxes
from lrmtest.grading.commitments import _noun_pattern
from lrmtest.grading.cues import LANGUAGES, CuePattern, bounded, cue
from lrmtest.grading.cues.needles import _plan, folded, found

ENTRIES = ("answer", "is_the_answer", "retraction", "restated")


def needles_of(pattern):
    plan = _plan(pattern, False)
    return plan and plan.needles


@pytest.mark.parametrize("cues", LANGUAGES, ids=lambda cues: cues.language)
@pytest.mark.parametrize("entry", ENTRIES)
def test_every_language_s_cues_have_needles(cues, entry):
    assert needles_of(bounded(cues, entry))


SAID = """the final answer is wait actually no, that wrong correct right I made a mistake ans.
Answer: die Antwort ist nicht richtig doch, la réponse c'est respuesta espera ответ нет, 答案 是
不对, 答え いや 정답 이 아니, İ ı ſ my our 7 . , ( ) n't isn't let me correct ANSWER <answer>"""
WORDS = st.sampled_from(SAID.split())
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", "", "\n"])), max_size=40).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)
SPOKEN = st.lists(st.sampled_from(LANGUAGES[1:]), max_size=3, unique=True).map(
    lambda others: (LANGUAGES[0], *others)
)


@given(TEXTS, SPOKEN)
def test_the_same_matches_as_without_them(text, languages):
    haystack = folded(text)
    assert len(haystack) == len(text)
    words = all(cues.spaced for cues in languages)
    patterns = [CuePattern(cue(entry)).of(languages) for entry in ENTRIES[1:]]
    for pattern in (_noun_pattern(languages), *patterns):
        expected = [(match.span(), match.lastgroup) for match in pattern.finditer(text)]
        given_ = found(pattern, text, haystack, words=words)
        assert [(match.span(), match.lastgroup) for match in given_] == expected


@given(st.data())
def test_what_a_pattern_matches_has_one_of_its_needles(data):
    cues = data.draw(st.sampled_from(LANGUAGES))
    pattern = bounded(cues, data.draw(st.sampled_from(ENTRIES)))
    text = clean(data.draw(st.from_regex(re.compile(pattern, re.I))))
    match = re.search(pattern, text, re.I)
    needles = needles_of(pattern)
    assert needles is not None
    assert match is None or any(needle in folded(match[0]) for needle in needles)


@pytest.mark.parametrize(
    "pattern", [r"\d+", "a?", "(?:answer|)", r"(?P<x>a)(?P=x)", "(?s:a)b", "(a"]
)
def test_a_pattern_without_needles_is_searched_for_everywhere(pattern):
    assert needles_of(pattern) is None


@given(st.lists(st.sampled_from(["\\boxed{", "{", "}", "\\\\", "\\", "\\fbox{", "boxed{", "7", "\n",
                                 "\\boxed 5", "\\{", "x"]), max_size=30).map("".join))  # fmt: skip
def test_braces_before_the_first_box_change_none(text):
    shift = len("{ } { \n")
    moved = boxes("{ } { \n" + text)
    assert moved == [(a + shift, b + shift, c + shift) for a, b, c in boxes(text)]
