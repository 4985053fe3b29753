"""Answers as models write them, in twelve languages, and what a careful reader says of each.

`readers.jsonl`, `readers_second.jsonl`, `readers_third.jsonl` and `readers_fourth.jsonl`, of which
each was written later than the one before and run before anything was changed for it, have one
labelled text a line: suite, answer kind, material, references, language, class, text, finish
reason, and whether a reader would count it. Texts of which the right value is no answer (denied,
another's, a step, one of several) are in them as well, some hundreds as class `trap`: that one of
them passes is the worse fault. Those marked `unread` are not read as a reader does; they may not
pass unless they should.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading import Completion, grade
from lrmtest.grading.cues import LANGUAGES, CuePattern, bounded, cue, spoken
from lrmtest.grading.cues.form import Cues
from lrmtest.questions.question import EXPRESSION, INTEGER, LABEL, OPTION, SHORT_TEXT, Question
from lrmtest.suites import suite_named

NAMES = (
    "readers.jsonl",
    "readers_second.jsonl",
    "readers_third.jsonl",
    "readers_fourth.jsonl",
)
FILES = [Path(__file__).with_name(name) for name in NAMES]
BY_FILE = [[json.loads(line) for line in file.read_text("utf-8").splitlines()] for file in FILES]
ROWS = [row for rows in BY_FILE for row in rows]


def extracted(kind: str, text: str, reference: str = "73") -> str | None:
    material = {"options": ["6am to 7am", "7am to 9am", "9am to 11am", "11am to 1pm"]}
    question = Question("q", "s", material if kind == OPTION else {}, (reference,), kind)
    return grade(question, Completion(text, "stop")).extracted


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{n}-{r['kind']}-{r['language']}-{r['class']}" for n, r in enumerate(ROWS)]
)
def test_a_text_is_graded_as_a_reader_would(row):
    question = Question("q", row["suite"], row["material"], tuple(row["references"]), row["kind"])
    grader = suite_named(row["suite"]).grader
    verdict = grade(question, Completion(row["text"], row["finish_reason"]), (), grader)
    if row.get("unread"):
        assert verdict.correct <= row["expected_correct"]
        return
    assert verdict.correct == row["expected_correct"], verdict.extracted
    read = verdict.provisional if verdict.end else verdict.extracted
    expected = row.get("expected_extracted", read)
    assert (read or "").casefold() == (expected or "").casefold()


def test_few_texts_are_not_read():
    assert sum("unread" in row for row in ROWS) <= 0.01 * len(ROWS)


def test_another_value_never_passes_in_place_of_the_one_that_is_read():
    """Neither does any value of a text that commits to none."""
    for row in (*BY_FILE[-2], *BY_FILE[-1]):
        if row["kind"] not in (INTEGER, OPTION):
            continue
        completion = Completion(row["text"], row["finish_reason"])
        values = set("ABCD") if row["kind"] == OPTION else set(re.findall(r"\d{1,6}", row["text"]))
        for value in sorted(values)[:8]:
            question = Question("q", row["suite"], row["material"], (value,), row["kind"])
            verdict = grade(question, completion)
            if verdict.correct:
                expected = row.get("expected_extracted", verdict.extracted)
                assert expected is not None, row["text"]
                assert verdict.extracted == (value if row["kind"] == OPTION else str(int(value)))


def test_every_language_and_kind_has_texts_that_count_and_that_do_not():
    seen = {(row["language"], row["kind"], row["expected_correct"]) for row in ROWS}
    for language in ("en", "zh", "de", "fr", "es", "ru", "ja", "ko"):
        for kind in (INTEGER, LABEL, OPTION, SHORT_TEXT):
            assert (language, kind, True) in seen
            assert (language, kind, False) in seen


# How each language commits to an answer: lines, sentences, headings.
TEMPLATES = {
    "en": ["The answer is {}.", "**Answer:** {}", "Answer: **{}**", "## Final Answer\n\n{}",
           "So the final answer is **{}**.", "<answer>{}</answer>", "\\boxed{{{}}}"],
    "zh": ["答案是 {}。", "**最终答案：**{}", "因此，正确答案为 **{}**。", "### 答案\n\n{}",
           "【答案】{}"],
    "de": ["Die Antwort lautet {}.", "**Antwort:** {}", "Somit ist die richtige Antwort **{}**."],
    "fr": ["La réponse est {}.", "**Réponse finale :** {}", "La bonne réponse est donc **{}**."],
    "es": ["La respuesta es {}.", "**Respuesta:** {}", "La respuesta correcta es **{}**."],
    "pt": ["A resposta é {}.", "**Resposta final:** {}"],
    "it": ["La risposta è {}.", "**Risposta:** {}"],
    "ru": ["Ответ: {}.", "**Ответ:** {}", "Правильный ответ — {}."],
    "ja": ["答えは {} です。", "**最終的な答え：** {}", "したがって、正解は **{}** です。"],
    "ko": ["정답은 {}입니다.", "**최종 답변:** {}", "따라서 답은 **{}** 입니다."],
    "ar": ["الإجابة هي {}.", "**الإجابة النهائية:** {}"],
    "hi": ["उत्तर: {}", "**अंतिम उत्तर:** {}"],
}  # fmt: skip
templates = st.sampled_from([form for forms in TEMPLATES.values() for form in forms])
VALUES = {
    INTEGER: st.integers(2, 999).map(str),
    LABEL: st.sampled_from(["True", "False", "Uncertain"]),
    OPTION: st.sampled_from("ABCD"),
    SHORT_TEXT: st.sampled_from(["Boise", "Gustave Eiffel", "1889", "Lake Nona"]),
}
committed = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: st.tuples(st.just(kind), VALUES[kind], VALUES[kind])
)
noise = st.text(alphabet="ab .\n()*7=是のи", max_size=80)


def put(kind: str, template: str, value: str) -> str:
    return template.format(f"({value})" if kind == OPTION and "boxed" not in template else value)


@given(committed, templates, noise)
def test_an_answer_committed_in_any_language_is_read(values, template, before):
    kind, value, _ = values
    assert extracted(kind, f"{before}\n\n{put(kind, template, value)}") == value


@given(committed, templates, templates, noise)
def test_what_is_committed_later_replaces_what_was_before(values, first, second, before):
    kind, value, later = values
    text = f"{before}\n\n{put(kind, first, value)}\n\n{put(kind, second, later)}\n"
    assert extracted(kind, text) == later


TAKEN_BACK = {
    "en": "Wait, no, I made a mistake.",
    "zh": "等等，不对，我算错了。",
    "ru": "Нет, подождите, я ошибся.",
    "de": "Moment, nein, ich habe mich geirrt.",
    "fr": "Attendez, non, je me suis trompé.",
    "es": "Espera, no, me equivoqué.",
    "pt": "Espere, não, cometi um erro.",
    "it": "Aspetta, no, mi sono sbagliato.",
    "ja": "すみません、間違えました。",
    "ko": "아니, 제가 실수를 했습니다.",
}


@given(committed, templates, st.sampled_from(sorted(TAKEN_BACK)), templates)
def test_an_answer_that_is_taken_back_is_none(values, first, language, second):
    kind, value, later = values
    text = f"{put(kind, first, value)}\n\n{TAKEN_BACK[language]}"
    assert extracted(kind, text) != value or kind == LABEL
    assert extracted(kind, f"{text}\n\n{put(kind, second, later)}") == later


DENIED = [
    "The answer is not {}.", "{} is not the answer.", "答案不是{}。", "Die Antwort ist nicht {}.",
    "La réponse n'est pas {}.", "La respuesta no es {}.", "A resposta não é {}.",
    "La risposta non è {}.", "Ответ не {}.", "答えは{}ではありません。", "정답은 {}이 아닙니다.",
    "If the answer is {}, we are done.", "如果答案是{}，就矛盾了。", "Tom says the answer is {}.",
    "The previous answer was {}.", "之前的答案是{}。", "Is the answer {}?", "答案是{}吗？",
    "The answer is either {} or something else.", "Maybe the answer is {}.",
    "答えは{}かもしれません。",
]  # fmt: skip


@given(committed, st.sampled_from(DENIED), noise)
def test_a_value_that_is_denied_or_another_s_is_not_read(values, sentence, before):
    kind, value, _ = values
    if kind == LABEL:  # a denied label is another label
        return
    assert extracted(kind, f"{before}\n\n{put(kind, sentence, value)}") != value


@given(st.integers(0, 999), st.integers(0, 999), st.sampled_from(
    [" or ", " and/or ", " oder ", " ou ", " o ", " или ", "或", "または", " 또는 ", r"\text{ or }"]
))  # fmt: skip
def test_boxes_joined_by_or_are_one_answer_only_when_equal(one, other, joint):
    text = rf"The answer is 5. So $\boxed{{{one}}}${joint}$\boxed{{{other}}}$."
    assert extracted(INTEGER, text) == (str(one) if one == other else None)


@pytest.mark.parametrize(
    "sentence",
    ["so " * 130 + "the sum is 73.", "= " * 190 + "73.", "a = " * 95 + "73.", "m + " * 95 + "= 73.",
     "since , " * 45 + "is 73.", "adding , " * 40 + "x = 73.", "и = " * 95 + "73.",
     "和" * 390 + "是73。", "\\a" * 150 + "= 73."],
)  # fmt: skip
def test_a_sentence_made_to_be_tried_in_many_ways_is_read_at_once(sentence):
    assert extracted(INTEGER, sentence) in (None, "73")


@pytest.mark.parametrize("entry", [name for name in Cues.__slots__ if name not in
                                   ("language", "marks", "script", "spaced")])  # fmt: skip
def test_every_entry_of_every_language_is_a_pattern_that_needs_something_to_match(entry):
    assert CuePattern(cue(entry)).of(LANGUAGES)
    for cues in LANGUAGES:
        if entry not in ("is_", "refuted"):  # Chinese and Korean leave out "is" before a letter
            assert not re.fullmatch(bounded(cues, entry), "")


@pytest.mark.parametrize("language", sorted(TEMPLATES))
def test_a_text_is_known_to_be_in_its_language(language):
    for template in TEMPLATES[language]:
        text = template.replace("【", "[").replace("：", ": ").format(7)
        assert language in {cues.language for cues in spoken(text)}
    assert [cues.language for cues in spoken("Therefore, the answer is 7.")] == ["en"]


unspoken = st.text(alphabet="abcdefghijk 0123456789.,;:\n()*$=+-", max_size=120)


@given(unspoken, st.integers(0, 999))
def test_numbers_alone_pass_only_where_the_text_ends_with_them(text, value):
    """Without a word, a box or a line that commits, only the text's end can be an answer."""
    question = Question("q", "aime", {}, (str(value),), INTEGER)
    if grade(question, Completion(text, "stop")).correct:
        last = next(line for line in reversed(text.split("\n")) if re.search(r"\d", line))
        assert str(value) in re.sub(r"[,\s]", "", last).lstrip("0") or value == 0


LINES_IN_WORDS = [
    "**Answer:** There are **225** different battalions that can be sent.",
    "**Answer:** 196 has **225** positive whole-number divisors.",
    "**Answer:** You can make 225 different outfits.",
    "**Answer:** Ms. Ortega can pick 225 different groups of 4 girls and 3 boys.",
    "**Answer:** Mr. Lund can pick 4 boys and 3 girls in **225** different ways.",
    "**Final Answer:** There are **225** ways to choose 2 of 6 books.",
    "**Final Answer:** The sum of the square root of 64 and the last term is 225.",
    "**Answer:** The value of *x* when *y* = 3 is **225**.",
    "**Answer:** The value of *a* that makes $y=f(n)$ continuous is **225**.",
    r"So Ines answered $\boxed{225}$ questions correctly.",
    r"So $n = \boxed{225}$. The answer is simplified to lowest terms where possible.",
    r"The area is $\boxed{225}$. The final answer is expressed in exact form as requested.",
    r"So $f(2) = \boxed{225}$. Our answer is consistent with the definition of $g(x)$.",
]
NO_ANSWERS_IN_WORDS = [
    "Answer: see step 225 for details here",
    "**Answer:** at most **225** divisors",
    "Answer: not **225** but less",
    "Answer: Tom says **225** divisors",
    "Answer: there are more than 225 outfits",
    "Answer: the first **225** integers sum to 9000",
    "Answer: I would guess 225 different outfits",
    "Answer: the **225** case fails",
    "Answer: we cannot say whether 225 apples suffice",
    "Answer: between **200** and **225** divisors",
    r"Tom answered \boxed{225}.",
    r"The student answered \boxed{225} as the result",
]


@pytest.mark.parametrize("kind", [INTEGER, EXPRESSION])
@pytest.mark.parametrize("text", LINES_IN_WORDS)
def test_an_answer_in_a_sentence_of_words_is_read(text, kind):
    asked = Question("q", "s", {}, ("225",), kind)
    assert grade(asked, Completion(text, "stop")).correct


@pytest.mark.parametrize("kind", [INTEGER, EXPRESSION])
@pytest.mark.parametrize("text", NO_ANSWERS_IN_WORDS)
def test_a_sentence_of_words_that_states_no_value_is_no_answer(text, kind):
    asked = Question("q", "s", {}, ("225",), kind)
    assert not grade(asked, Completion(text, "stop")).correct
