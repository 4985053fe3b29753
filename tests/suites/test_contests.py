"""AIME of five years, HMMT and BRUMO: the forms in which they are published, and wrong files."""

import dataclasses
import hashlib
import json

import made_benchmarks
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import DataError
from lrmtest.grading import Completion, grade
from lrmtest.questions import EXPRESSION, INTEGER, DataOptions
from lrmtest.questions.released import fingerprint, released_fingerprints
from lrmtest.suites import suite_named
from lrmtest.suites.aime import load_aime
from lrmtest.suites.aime_2022 import AIME_2022
from lrmtest.suites.aime_2025 import AIME_2025
from lrmtest.suites.aime_2026 import AIME_2026
from lrmtest.suites.hmmt_feb_2026 import HMMT_FEB_2026

CONTESTS = {
    "aime": "aime_2024.jsonl",
    "aime-2022": "aimo_validation_aime.jsonl",
    "aime-2023": "aimo_validation_aime.jsonl",
    "aime-2025": "aime_2025.jsonl",
    "aime-2026": "aime_2026.jsonl",
    "hmmt": "hmmt_feb_2025.jsonl",
    "brumo": "brumo_2025.jsonl",
}
TAGS = ("<think>", "</think>")


@pytest.fixture
def made(tmp_path, monkeypatch):
    made_benchmarks.trust(monkeypatch)
    made_benchmarks.make(tmp_path / "data")
    return tmp_path / "data"


def write(folder, name, rows):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataOptions(folder)


def refusal(suite, folder):
    with pytest.raises(DataError) as caught:
        suite_named(suite).load(DataOptions(folder))
    assert caught.value.hint
    assert "\n" not in caught.value.message.partition("\n  expected sha256")[0]
    return caught.value.message


@pytest.mark.parametrize("name", CONTESTS)
def test_made_rows_become_questions_and_answers_are_graded(name, made):
    suite = suite_named(name)
    loaded = suite.load(DataOptions(made))
    assert loaded.source.name == CONTESTS[name]
    kind = INTEGER if name.startswith("aime") else EXPRESSION
    for question in loaded.questions:
        assert (question.suite, question.kind, [*question.material]) == (name, kind, ["problem"])
        assert question.material["problem"] == question.material["problem"].strip()
        right = Completion(rf"<think>hm</think>So \boxed{{{question.expected}}}.", "stop")
        wrong = Completion(r"<think>hm</think>So \boxed{17}.", "stop")
        cut = Completion(r"<think>so \boxed{17}", "length")
        assert grade(question, right, TAGS, suite.grader).correct
        assert not grade(question, wrong, TAGS, suite.grader).correct
        assert not grade(question, cut, TAGS, suite.grader).correct


def test_ids_are_the_contests(made):
    ids = {n: [q.id for q in suite_named(n).load(DataOptions(made)).questions] for n in CONTESTS}
    assert ids["aime-2022"] == ["2022-II-7", "2022-I-10"]
    assert ids["aime-2023"] == ["2023-II-7", "2023-I-10"]
    assert ids["aime-2025"][0] == "2025-I-1"
    assert ids["hmmt"][3] == "hmmt-feb-2025-4"
    assert ids["brumo"][3] == "brumo-2025-4"
    every = [id_ for found in ids.values() for id_ in found]
    assert len(every) == len(set(every))


@given(number=st.integers(1, 15), is_second=st.booleans(), answer=st.integers(0, 999))
def test_all_published_forms_are_one_question(number, is_second, answer, tmp_path_factory):
    contest = "II" if is_second else "I"
    id_ = f"2022-{contest}-{number}"
    page = f"https://artofproblemsolving.com/wiki/index.php/2022_AIME_{contest}_Problems/Problem_"
    problem = {"problem": "What is it?"}
    rows = [
        {"ID": id_, "Problem": "What is it?", "Answer": answer, "Solution": "So."},
        {"id": id_, **problem, "answer": str(answer)},
        {"id": 3, **problem, "answer": f"{answer:03}", "url": page + str(number)},
        {"problem_idx": number + 15 * is_second, "answer": answer, **problem},
    ]
    release = dataclasses.replace(AIME_2022, rows=1, fingerprinted=False)
    folder = tmp_path_factory.mktemp("data")
    for row in rows:
        options = write(folder, "aime_2022.jsonl", [row])
        (question,) = load_aime("aime-2022", release, 2022, options).questions
        assert (question.id, question.expected) == (id_, str(answer))
        assert question.material == problem


@pytest.mark.parametrize("name", sorted(set(CONTESTS) - {"aime", "aime-2022", "aime-2023"}))
@pytest.mark.parametrize(
    ("field", "value"),
    [("problem_idx", 31), ("problem_idx", 0), ("problem_idx", "I-4"), ("problem", " "),
     ("problem", 4), ("answer", None), ("answer", "")],
)  # fmt: skip
def test_a_bad_row_is_named(name, field, value, made):
    rows = [json.loads(line) for line in (made / CONTESTS[name]).read_text().splitlines()]
    rows[2][field] = value
    write(made, CONTESTS[name], rows)
    assert f"{CONTESTS[name]}, line 3, field {field!r}" in refusal(name, made)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "2025-II-16"}, "field 'id': no problem of an AIME"),
        ({"id": "7"}, "field 'id': no problem of an AIME"),
        ({"id": "2024-I-4"}, "field 'id': this is a problem of AIME 2024, not of AIME 2025"),
        ({"url": "https://x/2025_AIME_III_Problems/Problem_1"}, "field 'url': no problem of an"),
        ({"url": "h" * 10**6}, "field 'url': no problem of an AIME"),
        ({"url": None}, "field 'url'"),
        ({"answer": 1000}, "1000 is not from 0 to 999"),
        ({"answer": "336^\\circ"}, "an integer was expected"),
        ({}, "field 'id': missing"),
    ],
)
def test_a_row_that_is_no_aime_problem(row, said, tmp_path):
    base = {"problem": "What?", "answer": 1} | ({"id": "2025-I-1"} if "answer" in row else {})
    write(tmp_path, "aime_2025.jsonl", [base | row])
    assert said in refusal("aime-2025", tmp_path)


def test_the_same_problem_twice(made):
    rows = made_benchmarks.contest_rows(["1", "2"])
    write(made, "hmmt_feb_2025.jsonl", [*rows, rows[0]])
    message = refusal("hmmt", made)
    assert "question 'hmmt-feb-2025-1' is there already (hmmt_feb_2025.jsonl, line 1)" in message


def test_another_years_file_says_whose_it_is(tmp_path, monkeypatch):
    rows = made_benchmarks.contest_rows(range(1, 31))
    made = write(tmp_path / "2026", "aime_2026.jsonl", rows)
    release = dataclasses.replace(AIME_2026, fingerprinted=False)
    questions = load_aime("aime-2026", release, 2026, made).questions
    listed = {question.id: fingerprint(question) for question in questions}

    def lists(name):
        return listed if name == "aime-2026" else released_fingerprints(name)

    monkeypatch.setattr("lrmtest.suites.aime.released_fingerprints", lists)
    for folder, suite in (("a", "aime-2025"), ("b", "aime-2022"), ("c", "aime")):
        name = suite_named(suite).described.releases[0].names[0]
        write(tmp_path / folder, name, rows)
        year = name[5:9]
        assert refusal(suite, tmp_path / folder) == (
            f"{name}, line 1, field 'problem': this is a problem of AIME 2026, not of AIME {year}"
        )


def test_a_file_of_other_years_has_none_of_this_one(tmp_path):
    write(tmp_path, "aime_2025.jsonl", made_benchmarks.aimo_rows())
    assert refusal("aime-2025", tmp_path).endswith("no question of AIME 2025")
    write(tmp_path, "aime_2025.jsonl", [])
    assert refusal("aime-2025", tmp_path).endswith("no question of AIME 2025")


@pytest.mark.parametrize("name", sorted(set(CONTESTS) - {"aime"}))
def test_questions_that_are_not_the_released_ones_are_refused(name, tmp_path):
    made_benchmarks.make(tmp_path / "data")
    message = refusal(name, tmp_path / "data")
    assert "none of its" in message
    assert name.rpartition("-")[2] in message or name in message


def test_what_has_no_list_is_known_by_its_hash(tmp_path, monkeypatch):
    rows = made_benchmarks.contest_rows(map(str, range(33)))
    release = HMMT_FEB_2026.names[0]
    write(tmp_path, release, rows)
    message = refusal("hmmt-feb-2026", tmp_path)
    assert HMMT_FEB_2026.sha256 in message
    assert hashlib.sha256((tmp_path / release).read_bytes()).hexdigest() in message


@pytest.mark.parametrize(
    ("name", "count"),
    [("aime-2022", 30), ("aime-2023", 30), ("aime-2025", 30), ("aime-2025-other", 30),
     ("aime-2026", 30), ("hmmt-feb-2025", 30), ("brumo-2025", 30)],
)  # fmt: skip
def test_lists_are_whole_and_in_the_contests_order(name, count):
    listed = [*released_fingerprints(name)]
    if name.startswith("aime"):
        year = name[5:9]
        expected = [f"{year}-{part}-{n}" for part in ("I", "II") for n in range(1, 16)]
    else:
        expected = [f"{name}-{n}" for n in range(1, count + 1)]
    assert listed == expected


@pytest.mark.data
def test_either_transcription_is_taken_and_told(data_dir, tmp_path):
    lines = (data_dir / "aime_2025.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    loaded = suite_named("aime-2025").load(DataOptions(data_dir))
    assert loaded.source.revision == "aime-2025-other"
    assert [question.id for question in loaded.questions] == [row["id"] for row in rows]
    # One problem in other words: compared with the list that has the other 29.
    rows[0]["problem"] = "Find the sum of all integer bases $b>9$."
    write(tmp_path, "aime_2025.jsonl", rows)
    assert "changed: aime_2025.jsonl, line 1 (question 2025-I-1)" in refusal("aime-2025", tmp_path)
    assert AIME_2025.transcriptions == ("aime-2025-other",)
