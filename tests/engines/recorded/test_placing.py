"""The placing of recorded outputs: which question of which suite each of them answers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import DataError, UsageError
from lrmtest.models.engines.recorded.placing import SelectedSuite, place
from lrmtest.models.engines.recorded.recording import Recording
from lrmtest.questions.question import Question


def asked(name, *ids, text="{n} of {name}: what is the colour of number {n}?"):
    questions = [
        Question(str(n), name, {"text": text.format(n=n, name=name)}, ("1",), "integer")
        for n in ids
    ]
    return SelectedSuite(name, "Answer this. {text} Think.", questions)


FIRST, SECOND = asked("first", 0, 1, 2), asked("second", 1, 2, 3)


def record(folder, *rows, name="x.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(question, **fields):
    return {"question": question, "output": "so", **fields}


def placed(path, *suites, told=""):
    return place("m", Recording(path), suites or (FIRST, SECOND), told)


def test_ids_of_one_suite_say_it(tmp_path):
    found = placed(record(tmp_path, row(0), row(3), row("nothing")))
    assert found.keys == (("first", "0"), ("second", "3"), None)
    assert found.notes == ("m: 1 of 3 outputs answer no question of the suites asked",)
    assert not found.moved


def test_a_single_suite_is_meant(tmp_path):
    path = record(tmp_path, row(1), row(2))
    assert placed(path, FIRST).keys == (("first", "1"), ("first", "2"))
    assert placed(path, FIRST).notes == ()


def test_ids_of_several_suites_are_asked_about(tmp_path):
    path = record(tmp_path, row(0), row(1), row(2))
    with pytest.raises(UsageError) as caught:
        placed(path)
    assert "x.jsonl: nothing says which suite 2 of 3 outputs belong to" in caught.value.message
    assert "first (2), second (2)" in caught.value.message
    assert f"--model recorded:{path}#first" in caught.value.hint
    assert '{"suite": "first"}' in caught.value.hint


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([row(1), row(2)], "second"),
        ([row(1, suite="second"), row(2, suite="second")], ""),
        ([row(1, suite="second"), row(2, suite="second")], "first"),
        ([{"suite": "second"}, row(1), row(2)], ""),
        ([{"suite": "first"}, {"suite": "second"}, row(1), row(2)], "first"),
        ([{"suite": "first"}, row(1, suite="second"), row(2, suite="second")], ""),
    ],
)
def test_a_suites_name_says_it(tmp_path, rows, told):
    found = placed(record(tmp_path, *rows), told=told)
    assert found.keys == (("second", "1"), ("second", "2"))
    assert found.notes == ()


def test_names_of_suites_that_are_not_asked(tmp_path):
    rows = [row(1, suite="aime-2024"), row(2, suite="mine"), row(2, suite="second")]
    found = placed(record(tmp_path, *rows))
    assert found.keys == (("aime", "1"), ("mine", "2"), ("second", "2"))
    assert found.notes == ("m: 2 outputs of suites that are not asked here: aime (1), mine (1)",)
    with pytest.raises(UsageError, match="no suite 'frist'"):
        placed(record(tmp_path, row(1)), told="frist")


@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("r1.second.jsonl", "second"),
        ("second-outputs.jsonl", "second"),
        ("r1_temporal.jsonl", "temporal"),
        ("first.second.jsonl", ""),
        ("seconds.jsonl", ""),
    ],
)
def test_a_files_name_is_a_hint_that_is_told(tmp_path, name, suite):
    path = record(tmp_path, row(1), row(2), name=name)
    if not suite:
        with pytest.raises(UsageError, match="nothing says"):
            placed(path)
        return
    found = placed(path)
    assert found.keys == ((suite, "1"), (suite, "2"))
    assert f"m: 2 outputs in {name} taken as of suite {suite}, by the file's name" in found.notes


def test_the_longest_name_in_a_files_name_counts(tmp_path):
    path = record(tmp_path, row(1), name="x.fresh-temporal.jsonl")
    suites = asked("temporal", 1), asked("fresh-temporal", 1)
    assert placed(path, *suites).keys == (("fresh-temporal", "1"),)


@pytest.mark.parametrize("name", ["m.aime-2025.jsonl", "aime_2025.jsonl", "m_aime_2025-a.jsonl"])
def test_another_years_name_is_not_that_of_the_first(tmp_path, name):
    path = record(tmp_path, row(1), name=name)
    suites = asked("aime", 1), asked("aime-2025", 1)
    assert placed(path, *suites).keys == (("aime-2025", "1"),)


def test_a_hint_that_the_ids_contradict_is_none(tmp_path):
    path = record(tmp_path, row(0), row(3), name="second.jsonl")
    assert placed(path).keys == (("first", "0"), ("second", "3"))


def text_of(suite, number):
    question = next(each for each in suite.questions if each.id == str(number))
    return suite.prompt.replace("{text}", question.material["text"])


@pytest.mark.parametrize("form", ["prompt", "messages", "pairs", "input", "question"])
def test_a_prompt_says_it_before_all_else(tmp_path, form):
    text = text_of(SECOND, 2)
    fields = {
        "prompt": {"prompt": text},
        "messages": {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
        "pairs": {"prompt": [["system", "be brief"], ["user", text]]},
        "input": {"input": text},
        "question": {},
    }[form]
    path = record(tmp_path, row(text if form == "question" else 2, **fields), name="first.jsonl")
    assert placed(path).keys == (("second", "2"),)


def test_a_prompt_decides_which_question(tmp_path):
    """Whoever numbers from 1 has the right outputs at the wrong questions."""
    rows = [row(n + 1, prompt=text_of(FIRST, n)) for n in (0, 1, 2)]
    found = placed(record(tmp_path, *rows))
    assert found.keys == (("first", "0"), ("first", "1"), ("first", "2"))
    assert found.moved
    assert "m: 3 outputs answer another question than their id says: their prompts decide" in (
        found.notes
    )


def test_a_prompt_that_asks_nothing_here_says_nothing(tmp_path):
    with pytest.raises(UsageError, match="nothing says"):
        placed(record(tmp_path, row(1, prompt="Write a poem.")))
    assert placed(record(tmp_path, row(0, prompt="Write a poem."))).keys == (("first", "0"),)


def test_a_named_suite_holds_a_prompt_to_itself(tmp_path):
    found = placed(record(tmp_path, row(1, suite="first", prompt=text_of(SECOND, 1))))
    assert found.keys == (("first", "1"),)


def test_equal_questions_of_two_suites_are_asked_about_or_named(tmp_path):
    suites = (
        asked("a", 1, text="Which colour has number {n}?"),
        asked("b", 1, text="Which colour has number {n}?"),
    )
    text = text_of(suites[0], 1)
    with pytest.raises(UsageError, match="nothing says"):
        placed(record(tmp_path, row(1, prompt=text)), *suites)
    assert placed(record(tmp_path, row(1, prompt=text)), *suites, told="b").keys == (("b", "1"),)
    named = record(tmp_path, row(1, prompt=text), name="m.b.jsonl")
    assert placed(named, *suites).keys == (("b", "1"),)


def test_a_folders_files_are_each_their_own(tmp_path):
    record(tmp_path, {"suite": "first"}, row(1), name="x.jsonl")
    record(tmp_path, row(1), name="y.second.jsonl")
    record(tmp_path, row(3), name="z.jsonl")
    assert placed(tmp_path).keys == (("first", "1"), ("second", "1"), ("second", "3"))


def test_a_placed_recording_answers_by_its_placing(tmp_path):
    rows = [row(2, output="b", prompt=text_of(FIRST, 1)), row(1, output="c", suite="second")]
    rows = [{**each, "output": each["output"]} for each in rows]
    recording = Recording(record(tmp_path, *rows))
    moved = recording.placed(place("m", recording, (FIRST, SECOND)))
    assert moved.read("first", "1", 0).text == "b"
    assert moved.read("second", "1", 0).text == "c"
    assert not moved.has("first", "2")
    assert recording.has("first", "2"), "the recording itself stays as it was"
    found = place("m", recording, (FIRST, SECOND))
    record(tmp_path, row(1))
    with pytest.raises(DataError, match="changed"):
        Recording(tmp_path / "x.jsonl").placed(found)


def test_a_line_with_a_suite_that_is_no_text(tmp_path):
    with pytest.raises(DataError, match="field 'question' is missing"):
        Recording(record(tmp_path, {"suite": 3}, row(1)))


IDS = st.integers(0, 5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"question": IDS, "output": st.just("so")},
            optional={
                "suite": st.sampled_from(["first", "second", "third"]),
                "prompt": JSON,
                "messages": JSON,
            },
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["", "first", "second"]),
)
def test_every_output_goes_to_one_question_or_is_asked_about(tmp_path_factory, rows, told):
    """Whatever the rows say, none is graded by a suite that it may not belong to."""
    recording = Recording(record(tmp_path_factory.mktemp("rows"), *rows))
    suites = {suite.name: {one.id for one in suite.questions} for suite in (FIRST, SECOND)}
    open_ = [
        each for each in rows if not each.get("suite") and not told and each["question"] in (1, 2)
    ]
    if open_:
        with pytest.raises(UsageError):
            place("m", recording, (FIRST, SECOND), told)
        return
    found = place("m", recording, (FIRST, SECOND), told)
    assert len(found.keys) == len(rows)
    for each, key in zip(rows, found.keys, strict=True):
        own = each.get("suite") or told
        if own:
            assert key == (own, str(each["question"]))
        else:
            fits = [name for name, ids in suites.items() if str(each["question"]) in ids]
            assert key == ((fits[0], str(each["question"])) if fits else None)
