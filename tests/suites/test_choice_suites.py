"""GPQA Diamond, MuSR and BIG-Bench Extra Hard on made rows in their published forms."""

import random
import re
from dataclasses import replace

import made_choices
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_choices import GPQA_COLUMNS, as_csv, gpqa_rows
from stand_in_hub import asked_in_a_process, environment, running_hub

from lrmtest.cli import main
from lrmtest.errors import DataError
from lrmtest.grading import Completion, grade
from lrmtest.questions import OPTION, SEQUENCE, DataOptions, Question, render_prompt
from lrmtest.questions.released import released_fingerprints
from lrmtest.questions.rows import parse_rows
from lrmtest.reports.failure import explain
from lrmtest.suites import musr, suite_named
from lrmtest.suites.bbeh import _TASKS, BBEH, BBEH_MINI
from lrmtest.suites.gpqa_diamond import GPQA_DIAMOND
from lrmtest.suites.musr import MUSR
from lrmtest.suites.registry import request_of


@pytest.fixture
def made(tmp_path, monkeypatch):
    made_choices.make(tmp_path, monkeypatch)
    return tmp_path


def load(name, folder):
    return suite_named(name).load(DataOptions(folder))


def test_gpqa_has_its_options_in_an_order_that_its_id_fixes(made):
    questions = load("gpqa-diamond", made).questions
    assert [each.id for each in questions] == [f"recMADE{n}" for n in range(6)]
    for question, row in zip(questions, gpqa_rows(), strict=True):
        options = question.material["options"]
        assert sorted(options) == sorted(row[name].strip() for name in GPQA_COLUMNS)
        assert options["ABCD".index(question.expected)] == row["Correct Answer"]
        assert question.material["domain"] == "Physics"
        assert question.material["options_text"].startswith(f"(A) {options[0]}\n(B) ")
        assert question.material["question"] in render_prompt(
            suite_named("gpqa-diamond").prompt, question
        )
    # As it is on every machine and in every version of Python.
    assert [each.expected for each in questions] == [*"ACDDAB"]


def test_gpqa_does_not_change_with_rows_columns_or_seeds(made):
    expected = {each.id: each.digest for each in load("gpqa-diamond", made).questions}
    rows = [dict(reversed(row.items())) for row in gpqa_rows()]
    random.Random(5).shuffle(rows)
    (made / "gpqa_diamond.csv").write_bytes(as_csv(rows))
    options = DataOptions(made, fresh_seed=7)
    found = suite_named("gpqa-diamond").load(options).questions
    assert {each.id: each.digest for each in found} == expected


def test_gpqa_in_parquet_is_the_same(made):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    expected = load("gpqa-diamond", made).questions
    (made / "gpqa_diamond.csv").unlink()
    table = pyarrow.Table.from_pylist(gpqa_rows())
    parquet.write_table(table, made / "gpqa_diamond.parquet")
    assert load("gpqa-diamond", made).questions == expected


def test_another_file_is_not_gpqa(tmp_path):
    (tmp_path / "gpqa_diamond.csv").write_bytes(as_csv(gpqa_rows()))
    with pytest.raises(DataError, match="none of its 6 questions is one of gpqa-diamond's 198"):
        load("gpqa-diamond", tmp_path)


def test_what_was_released_of_gpqa_is_known_by_its_fingerprints():
    known = released_fingerprints("gpqa-diamond")
    assert len(known) == GPQA_DIAMOND.rows == len(set(known.values()))
    assert all(re.fullmatch("rec[A-Za-z0-9]{14}", id_) for id_ in known)


def test_musr_is_one_suite_of_three_files(made):
    loaded = load("musr", made)
    assert [each.id for each in loaded.questions] == [
        f"{domain}-{n}" for domain in ("murder", "objects", "teams") for n in range(3)
    ]
    assert [each.expected for each in loaded.questions] == [*"ABA", *"ABC", *"ABC"]
    assert loaded.questions[1].material["options"] == ["Ann", "Bo's aunt"]
    assert loaded.questions[3].material["options_text"] == "(A) Ann\n(B) Bo's aunt\n(C) Carl"
    assert (loaded.source.kind, loaded.source.name) == ("local", "musr")
    assert re.fullmatch("[0-9a-f]{64}", loaded.source.sha256)
    assert sum(release.rows for release in MUSR.values()) == 756


def test_another_hash_is_not_musr(tmp_path):
    for domain, release in MUSR.items():
        (tmp_path / release.names[0]).write_bytes(as_csv(made_choices.musr_rows(domain)))
    with pytest.raises(DataError, match="not the released file of MuSR, murder") as caught:
        load("musr", tmp_path)
    assert MUSR["murder"].sha256 in caught.value.message


def test_bbeh_grades_by_the_form_of_its_targets(made):
    questions = {each.id: each for each in load("bbeh", made).questions}
    kinds = {id_: each.kind for id_, each in questions.items()}
    assert kinds == {
        "temporal_sequence-0": SEQUENCE,
        "temporal_sequence-1": SEQUENCE,
        "boolean_expressions-0": OPTION,
        "boolean_expressions-1": OPTION,
        "buggy_tables-0": SEQUENCE,
        "buggy_tables-1": SEQUENCE,
        "web_of_lies-0": SEQUENCE,
        "web_of_lies-1": SEQUENCE,
        "disambiguation_qa-0": OPTION,
    }
    option = questions["boolean_expressions-0"]
    assert option.material["options"] == ["Ann likes (B)", "Bo", "no, really"]
    assert option.expected == "B"
    assert questions["web_of_lies-0"].material["task"] == "web_of_lies"
    suite = suite_named("bbeh")
    for question in questions.values():
        shown = f"({question.expected})" if question.kind == OPTION else question.expected
        for text, correct in ((f"Hm.\nAnswer: {shown}", True), ("Hm.\nAnswer: (C), 7", False)):
            verdict = grade(question, Completion(text, "stop"), (), suite.grader)
            assert verdict.correct is correct, (question.id, text)


def test_bbeh_is_read_from_a_clone_or_beside_one(made, tmp_path_factory):
    expected = load("bbeh", made).questions
    beside = tmp_path_factory.mktemp("beside")
    (beside / "bbeh").symlink_to(made)
    assert load("bbeh", beside).questions == expected
    flat = tmp_path_factory.mktemp("flat")
    for file in made.glob("bbeh/benchmark_tasks/*/task.json"):
        (flat / f"{file.parent.name}.json").write_bytes(file.read_bytes())
    assert load("bbeh", flat).questions == expected
    mini = load("bbeh-mini", made).questions
    assert [each.id for each in mini] == ["0", "1", "2", "3", "4"]
    assert {each.suite for each in mini} == {"bbeh-mini"}


def test_bbeh_pins_each_task():
    assert len(_TASKS) == 23
    assert next(iter(_TASKS)) == "temporal_sequence"
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in (*_TASKS.values(), BBEH_MINI.sha256))
    assert (BBEH.rows, BBEH_MINI.rows) == (4520, 460)


@pytest.mark.parametrize(
    ("suite", "file"),
    [
        ("gpqa-diamond", "gpqa_diamond.csv"),
        ("musr", "object_placements.csv"),
        ("bbeh", "bbeh/benchmark_tasks/bbeh_web_of_lies/task.json"),
        ("bbeh-mini", "bbeh/mini/data.json"),
    ],
)
def test_a_file_that_was_cut_off_or_is_missing(suite, file, made):
    whole = (made / file).read_bytes().rstrip()
    for end in (len(whole) * n // 9 for n in range(9)):
        (made / file).write_bytes(whole[:end])
        with pytest.raises(DataError, match=re.escape(file)) as caught:
            load(suite, made)
        assert caught.value.hint
    (made / file).unlink()
    with pytest.raises(DataError, match=re.escape(file)) as caught:
        load(suite, made)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("suite", "field", "value"),
    [
        ("gpqa-diamond", "Question", " "),
        ("gpqa-diamond", "Record ID", ""),
        ("gpqa-diamond", "Correct Answer", ""),
        ("gpqa-diamond", "Incorrect Answer 3", "\n"),
        ("musr", "choices", "['Ann', 'Ann']"),
        ("musr", "choices", "Ann or Bo"),
        ("musr", "choices", "[" * 300 + "]" * 300),
        ("musr", "choices", "[__import__('os').getcwd()]"),
        ("musr", "answer_index", "3"),
        ("musr", "answer_index", "-1"),
        ("musr", "answer_choice", "Carl"),
        ("musr", "narrative", ""),
    ],
)
def test_a_bad_row_is_named(suite, field, value, made, monkeypatch):
    rows = gpqa_rows() if suite == "gpqa-diamond" else made_choices.musr_rows("murder")
    file = made / ("gpqa_diamond.csv" if suite == "gpqa-diamond" else "murder_mystery.csv")
    rows[1][field] = value
    file.write_bytes(as_csv(rows))
    monkeypatch.setitem(musr.MUSR, "murder", replace(musr.MUSR["murder"], sha256=""))
    with pytest.raises(DataError, match=rf"{file.name}, line \d+, field '{field}'") as caught:
        load(suite, made)
    assert caught.value.hint


def test_csv_rows_say_where_they_stand():
    data = b'\xef\xbb\xbfa,b\r\n1,"two\r\nlines"\r\n\r\n2,"a ""b"""\r\n'
    rows = parse_rows(data, "x.csv", hint="")
    assert [dict(row.values) for row in rows] == [
        {"a": "1", "b": "two\r\nlines"},
        {"a": "2", "b": 'a "b"'},
    ]
    assert [row.place for row in rows] == ["x.csv, line 2", "x.csv, line 5"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "line 1: the names"),
        (b"a,a\n1,2\n", "line 1: the names"),
        (b"a,\n1,2\n", "line 1: the names"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: 3 fields, but 2 names"),
        (b"a,b\n1\n", "line 2: 1 fields, but 2 names"),
        (b'a,b\n1,"2\n', "unexpected end of data"),
        (b'a,b\n1,"2"x\n', "line 2"),
        (b"a,b\n1,\xff\n", "not UTF-8 at byte 6"),
    ],
)
def test_a_csv_file_that_is_none(data, problem):
    with pytest.raises(DataError, match=re.escape(problem)):
        parse_rows(data, "x.csv", hint="")


@given(data=st.binary(max_size=300))
def test_any_bytes_are_csv_or_an_error_for_people(data):
    try:
        rows = parse_rows(b"a,b\n" + data, "x.csv", hint="")
    except DataError:
        return
    assert all(set(row.values) == {"a", "b"} for row in rows)


def test_the_authors_request_is_told_and_kept(made, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = request_of("gpqa-diamond")
    assert "plain text" in request
    assert request_of("musr") == request_of("temporal") == request_of("nobody's") == ""
    assert main(["suites", "gpqa-diamond", "--data-dir", str(made)]) == 0
    shown = capsys.readouterr().out
    assert f"its authors ask: {request}" in " ".join(shown.split())
    assert "wants to be asked for access" in shown
    question = load("gpqa-diamond", made).questions[0]
    samples = [(Completion(f"It weighs {question.id}.\nAnswer: (A)", "stop"), None, None)]
    samples = [
        (
            samples[0][0],
            grade(question, samples[0][0], (), suite_named("gpqa-diamond").grader),
            None,
        )
    ]
    text = explain(question, samples)
    assert question.material["question"].split()[3] not in text
    assert "kg" not in text
    assert "It weighs" not in text
    assert "expected A" in text
    assert request in " ".join(text.split())
    other = Question("1", "mine", {"question": "What weighs?"}, ("D",), "short-text")
    assert "What weighs?" in explain(other, samples)


ASK = """
import json, sys, time
time.sleep = lambda seconds: None
from lrmtest.errors import DataError
from lrmtest.questions import DataOptions
from lrmtest.suites import musr, suite_named
try:
    loaded = suite_named(sys.argv[1]).load(DataOptions())
    print(json.dumps([len(loaded.questions), loaded.source.revision]))
except DataError as error:
    print(json.dumps([error.message, error.hint]))
"""


@pytest.fixture
def ask(tmp_path):
    """Load a suite in a process of its own, from a hub of one's own."""
    with running_hub() as hub:

        def run(suite, **env):
            return asked_in_a_process(ASK, suite, env=environment(hub, tmp_path / "hf") | env)

        run.hub = hub
        yield run


def test_gpqa_is_gated_and_says_how_to_get_access(ask):
    pinned = GPQA_DIAMOND.hub
    ask.hub.commits.add(pinned.revision)
    ask.hub.files[pinned.repo, pinned.path] = as_csv(gpqa_rows())
    ask.hub.gated[pinned.repo] = "hf_right"
    for env in ({}, {"HF_TOKEN": "hf_wrong"}):
        message, hint = ask("gpqa-diamond", **env)
        assert "no access to GPQA Diamond (Idavidrein/gpqa on http" in message
        assert "the dataset is gated" in message
        assert "Access is restricted" in message  # what the hub says
        assert f"/datasets/{pinned.repo}" in hint
        assert "HF_TOKEN" in hint
        assert "gpqa_diamond.csv with --data-dir" in hint
        assert "hf_wrong" not in message + hint
    # With access, what comes is looked at like any file.
    message, hint = ask("gpqa-diamond", HF_TOKEN="hf_right")
    assert "none of its 6 questions is one of gpqa-diamond's 198" in message
    assert "delete" in hint
    asked = {path for _, path in ask.hub.requests}
    assert asked == {f"/datasets/{pinned.repo}/resolve/{pinned.revision}/{pinned.path}"}


def test_musr_comes_from_the_hub_at_its_commit(ask):
    for domain, release in MUSR.items():
        ask.hub.commits.add(release.hub.revision)
        ask.hub.files[release.hub.repo, release.hub.path] = as_csv(made_choices.musr_rows(domain))
    message, _ = ask("musr")
    assert "not the released file of MuSR, murder mystery" in message
    revision = "7c365b439a222150f317764d4f16ae6c96d7d94a"
    assert all(f"TAUR-Lab/MuSR/resolve/{revision}/" in path for _, path in ask.hub.requests)


def test_bbeh_says_where_it_is(ask):
    message, hint = ask("bbeh")
    assert "not on the hub" in message
    assert "git clone https://github.com/google-deepmind/bbeh" in hint
