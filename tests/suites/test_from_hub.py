"""Suites out of any dataset, from a folder and from a hub of one's own."""

import contextlib
import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_choices import as_csv
from stand_in_hub import COMMIT, asked_in_a_process, environment, running_hub

from lrmtest.errors import DataError, LrmtestError, UsageError
from lrmtest.grading import Completion, grade
from lrmtest.questions import DataOptions, render_prompt
from lrmtest.questions.dataset_files import Wanted, choose_files
from lrmtest.suites import suite_from_hub
from lrmtest.suites.own import own_suites

ROWS = [
    {"uid": "a", "Problem": "What is 1 + 1?", "target": 2, "Level 1": "easy", "task": "sum"},
    {"uid": "b", "Problem": "What is 2 + 2?", "target": "004", "Level 1": "hard", "task": "sum"},
    {"uid": "c", "Problem": "What is 3 * 3?", "target": 9.0, "Level 1": "hard", "task": "product"},
]
TOLD = {"question": "Problem", "answer": "target", "kind": "integer"}


def as_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    out = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(rows), out)
    return out.getvalue().to_pybytes()


@pytest.fixture
def folder(tmp_path):
    """A data folder; called with files, it has a copy of the dataset ann/sums with them."""

    def write(**files):
        for name, data in files.items():
            path = tmp_path / "ann" / "sums" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return DataOptions(tmp_path)

    return lambda files: write(**files)


def questions_of(data, **given):
    return suite_from_hub("ann/sums", **{**TOLD, **given}).load(data).questions


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("test.jsonl", as_lines),
        ("test.json", lambda rows: json.dumps(rows).encode()),
        ("test.json", as_lines),  # as many datasets have it
        ("data/test-00000-of-00001.parquet", lambda rows: as_parquet([_texts(r) for r in rows])),
        ("test.csv", lambda rows: as_csv([_texts(row) for row in rows])),
    ],
)
def test_every_format_that_datasets_have(name, write, folder):
    data = folder({name: write(ROWS), "README.md": b"# Sums"})
    loaded = suite_from_hub("ann/sums", **TOLD, id="uid").load(data)
    assert [(each.id, each.expected, each.suite) for each in loaded.questions] == [
        *(("a", "2", "sums"), ("b", "4", "sums"), ("c", "9", "sums")),
    ]
    assert loaded.questions[0].material == {"question": "What is 1 + 1?"}
    assert (loaded.source.kind, loaded.source.name) == ("local", "ann/sums")
    assert re.fullmatch("[0-9a-f]{64}", loaded.source.sha256)


def _texts(row):
    return {name: str(9 if value == 9.0 else value) for name, value in row.items()}


def test_a_prompt_of_ones_own_shows_any_column(folder):
    data = folder({"test.jsonl": as_lines(ROWS)})
    prompt = "{level}: {question} ({uid}) {task} \\frac{a}{b}"
    suite = suite_from_hub("ann/sums", **TOLD, prompt=prompt, name="mine", max_tokens=70)
    first = suite.load(data).questions[0]
    assert render_prompt(suite.prompt, first) == "easy: What is 1 + 1? (a) sum \\frac{a}{b}"
    assert (suite.name, first.suite, suite.max_tokens) == ("mine", "mine", 70)


def test_the_same_text_has_the_same_id_wherever_it_stands(folder):
    before = {each.id: each.digest for each in questions_of(folder({"a.jsonl": as_lines(ROWS)}))}
    rows = [{**row, "new": 1} for row in reversed(ROWS)]
    after = {each.id: each.digest for each in questions_of(folder({"a.jsonl": as_lines(rows)}))}
    assert before == after
    assert all(re.fullmatch("[0-9a-f]{12}", id_) for id_ in before)
    with pytest.raises(DataError, match=r"is there already \(a.jsonl, line 1\)"):
        questions_of(folder({"a.jsonl": as_lines([ROWS[0], ROWS[0]])}))


def test_rows_are_chosen_by_value(folder):
    data = folder({"a.jsonl": as_lines(ROWS)})
    chosen = {"id": "uid", "where": {"task": "sum", "Level 1": ["hard", "none"]}}
    assert [each.id for each in questions_of(data, **chosen)] == ["b"]
    with pytest.raises(DataError, match="no row with 'task'") as caught:
        questions_of(data, where={"task": "sums"})
    assert caught.value.hint == "there are 'sum', 'product'"


@pytest.mark.parametrize(
    ("row", "given", "options", "letter"),
    [
        ({"answer": "B"}, {}, ["x", "y"], "B"),
        ({"answer": "(B)"}, {}, ["x", "y"], "B"),
        ({"answer": 1}, {}, ["x", "y"], "B"),
        ({"answer": 0.0}, {}, ["x", "y"], "A"),
        ({"answer": "1"}, {}, ["x", "y"], "B"),
        ({"answer": "y"}, {}, ["x", "y"], "B"),
        ({"answer": "y"}, {"choices": ["x ", " y"]}, ["x", "y"], "B"),
        ({"answer": "2"}, {}, ["1", "2", "3"], "B"),  # an option's text goes before its place
        ({"answer": 1}, {"choices": "['x', \"it's\"]"}, ["x", "it's"], "B"),
        ({"answer": "2"}, {"choices": {"text": ["x", "y"], "label": ["1", "2"]}}, ["x", "y"], "B"),
        ({"answer": "B"}, {"choices": ["x", "y", "x"]}, ["x", "y", "x"], "B"),
    ],
)
def test_options_and_how_datasets_name_the_right_one(row, given, options, letter, folder):
    row = {"q": "Which?", "choices": options, **row, **given}
    data = folder({"a.jsonl": as_lines([row])})
    suite = suite_from_hub("ann/sums", question="q", answer="answer", options="choices")
    (question,) = suite.load(data).questions
    assert (question.kind, question.expected) == ("option", letter)
    assert question.material["options"] == options
    assert f"(B) {options[1]}" in render_prompt(suite.prompt, question)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": 2}, "field 'answer': '2' is none of the 2 options counted from 0"),
        ({"answer": 2}, "counted from 1, give a function"),
        ({"answer": "A", "choices": {"text": ["x", "x"], "label": 5}}, "option A is there twice"),
        ({"answer": -1}, "field 'answer': '-1' is none of the 2 options"),
        ({"answer": "C"}, "'C' is none of the 2 options"),
        ({"answer": "neither"}, "'neither' is none of the 2 options"),
        ({"answer": None}, "is none of the 2 options"),
        ({"answer": True}, "is none of the 2 options"),
        ({"answer": []}, "field 'answer': empty"),
        ({"answer": "A", "choices": ["x", "x"]}, "option A is there twice"),
        ({"answer": "A", "choices": ["x"]}, "field 'choices': from 2 to 26 options"),
        ({"answer": "A", "choices": "x or y"}, "field 'choices': a list of texts was expected"),
        ({"answer": "A", "choices": None}, "field 'choices': a list of texts was expected"),
        ({"answer": "A", "choices": {"label": ["A"]}}, "missing"),
        ({"answer": "A", "q": 7}, "field 'q': a text was expected, not an integer"),
    ],
)
def test_a_bad_option_is_named(row, message, folder):
    data = folder({"a.jsonl": as_lines([{"q": "?", "choices": ["x", "y"], **row}])})
    suite = suite_from_hub("ann/sums", question="q", answer="answer", options="choices")
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        suite.load(data)
    assert "a.jsonl, line 1" in caught.value.message
    assert caught.value.hint


def test_options_with_a_column_each_stand_in_an_order_of_their_own(folder):
    columns = ("Right", "Wrong 1", "Wrong 2", "Wrong 3")
    rows = [
        {"q": f"Which is {n}?", **{name: f"{name} {n}" for name in columns}} for n in range(200)
    ]
    given = {"question": "q", "answer": "Right", "options": columns}
    suite = suite_from_hub("ann/sums", **given)
    first = suite.load(folder({"a.jsonl": as_lines(rows)})).questions
    for question in first:
        options = question.material["options"]
        assert options["ABCD".index(question.expected)].startswith("Right")
    # Each letter is right about as often: at 200 draws, 25 of 50 is 5 standard deviations off.
    letters = [question.expected for question in first]
    assert all(letters.count(letter) > 25 for letter in "ABCD")
    random.Random(1).shuffle(rows)
    again = suite.load(folder({"a.jsonl": as_lines(rows)})).questions
    assert {each.id: each.digest for each in again} == {each.id: each.digest for each in first}


def test_an_answer_may_be_worked_out_of_its_row(folder):
    rows = [{"q": "Two and two?", "answer": "They are <<2+2=4>>4.\n#### 1,004"}]
    data = folder({"a.jsonl": as_lines(rows)})
    given = {"question": "q", "kind": "integer"}

    def last(row):
        return row["answer"].rpartition("####")[2].replace(",", "")

    assert (
        suite_from_hub("ann/sums", answer=last, **given).load(data).questions[0].expected == "1004"
    )
    suite = suite_from_hub("ann/sums", answer=lambda row: row["gone"], **given)
    with pytest.raises(DataError, match=r"line 1: the function .* fails: KeyError: 'gone'"):
        suite.load(data)


def test_a_grader_of_ones_own(folder):
    from lrmtest import Grade

    def grade_long(question, text):
        return Grade(text, correct=len(text) > len(question.expected), score=0.5)

    data = folder({"a.jsonl": as_lines([{"q": "?", "a": "three"}])})
    suite = suite_from_hub("ann/sums", question="q", answer="a", grader=grade_long)
    (question,) = suite.load(data).questions
    assert question.kind == "sums"
    assert grade(question, Completion("longer", "stop"), (), suite.grader).correct


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"question": "problem"}, "no column 'problem'; did you mean 'Problem'?", "Level 1"),
        ({"answer": "answr"}, "no column 'answr'", "there are uid, Problem, target, Level 1, task"),
        ({"id": "id"}, "no column 'id'", "uid"),
        ({"where": {"Task": "sum"}}, "no column 'Task'; did you mean 'task'?", "target"),
        ({"options": "choices", "kind": "option"}, "no column 'choices'", "target"),
        ({"split": "train"}, "no files of split 'train'", "there are test.jsonl"),
        ({"config": "main", "split": "test"}, "no files of config 'main'", "test.jsonl"),
        ({"file": "tset.jsonl"}, "no file 'tset.jsonl'; did you mean 'test.jsonl'?", "test.jsonl"),
        ({"kind": "label"}, "'2' is not one of True, False, Uncertain", "where="),
    ],
)
def test_what_is_not_there_is_said_with_what_is(given, message, hint, folder):
    data = folder({"test.jsonl": as_lines(ROWS), "README.md": b"", "x.txt": b""})
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        questions_of(data, **given)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("dataset", "given", "message"),
    [
        ("sums", {}, "names no dataset"),
        ("ann/../sums", {}, "names no dataset"),
        ("ann/sums", {"kind": ""}, "nothing says how its answers are graded"),
        ("ann/sums", {"kind": "option"}, "needs options="),
        ("ann/sums", {"prompt": "{question} {answer}"}, "{answer} in a prompt"),
        ("ann/sums", {"max_tokens": 0}, "max_tokens=0"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_once(dataset, given, message):
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        suite_from_hub(dataset, **{**TOLD, **given})
    assert caught.value.hint


def test_no_prompt_shows_the_column_of_the_answers(folder):
    with pytest.raises(UsageError, match="in its prompt is the column of the answers"):
        questions_of(folder({"a.jsonl": as_lines(ROWS)}), prompt="{question} {target}")


def test_a_folder_without_the_dataset_says_how_to_fill_it(tmp_path):
    with pytest.raises(DataError, match="has no folder ann/sums or sums") as caught:
        questions_of(DataOptions(tmp_path))
    assert "hf download ann/sums --repo-type dataset" in caught.value.hint
    (tmp_path / "sums").mkdir()
    (tmp_path / "sums" / "a.jsonl").write_bytes(as_lines(ROWS))
    assert len(questions_of(DataOptions(tmp_path))) == 3


HOSTILE = {
    "bytes that are none": b"PAR1\x00\x00PAR1",
    "a deep list": b'{"Problem": ' + b"[" * 100_000,
    "a huge number": b'{"Problem": "?", "target": ' + b"9" * 5000 + b"}",
    "half a surrogate": b'{"Problem": "\\ud800", "target": 1}',
    "not a number": b'{"Problem": "?", "target": NaN}',
    "nothing": b"",
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_hostile_files_are_errors_for_people(what, name, folder):
    with pytest.raises(LrmtestError) as caught:
        questions_of(folder({name: HOSTILE[what]}))
    assert caught.value.message


def test_what_no_prompt_can_show_is_an_error(folder):
    rows = [{"q": "What is it?", "a": "x", "image": b"\x89PNG"}]
    data = folder({"a.parquet": as_parquet(rows)})
    given = {"question": "q", "answer": "a", "kind": "short-text"}
    assert suite_from_hub("ann/sums", **given).load(data).questions
    with pytest.raises(DataError, match="field 'image': no text"):
        suite_from_hub("ann/sums", **given, prompt="{image} {question}").load(data)


NAMES = (
    "README.md",
    ".gitattributes",
    "dataset_infos.json",
    "en/test-00000-of-00002.parquet",
    "en/test-00001-of-00002.parquet",
    "en/test_hard-00000-of-00001-d5781c9c51e02795.parquet",
    "en/train.jsonl",
    "de/test.csv",
)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted("en", "test"), NAMES[3:5]),
        (Wanted("en", "test_hard"), NAMES[5:6]),
        (Wanted("en", "hard"), NAMES[5:6]),
        (Wanted("en", "train"), NAMES[6:7]),
        (Wanted(split="train"), NAMES[6:7]),
        (Wanted("de"), NAMES[7:8]),
        (Wanted(file="en/train.jsonl"), NAMES[6:7]),
        (Wanted(file="README.md"), NAMES[:1]),
    ],
)
def test_files_are_chosen_by_their_names(wanted, expected):
    assert choose_files(NAMES, wanted, place="a/b") == expected


@pytest.mark.parametrize(
    ("wanted", "names", "message"),
    [
        (Wanted(), NAMES, "several files: de/test.csv, en/test.parquet"),
        (Wanted(split="test"), NAMES, "several files of split 'test': "),
        (Wanted("fr", "test"), NAMES, "no files of config 'fr' and split 'test'"),
        (Wanted("en", "test"), NAMES[:4], "has 2 parts, 1 are there"),
        (Wanted(), NAMES[:3], "has no file of questions"),
    ],
)
def test_files_that_cannot_be_chosen_are_listed(wanted, names, message):
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        choose_files(names, wanted, place="a/b")
    assert caught.value.hint


@given(
    names=st.lists(st.text("abtes/._-0123of", max_size=30).map(lambda n: n + ".csv"), max_size=9),
    split=st.text("abtes_ ", max_size=6),
)
def test_any_names_are_chosen_from_or_told(names, split):
    with contextlib.suppress(DataError):
        chosen = choose_files(names, Wanted(split=split), place="a/b")
        assert chosen
        assert set(chosen) <= set(names)


SUITE = """
import lrmtest

def last(row):
    return row["answer"]

GIVEN = "ann/sums"
SUMS = lrmtest.suite_from_hub(GIVEN, question="q", answer="a", kind="integer", split="test")
OTHER = lrmtest.suite_from_hub(
    "ann/words", name="words", question="q", answer=last, kind="short-text", revision="v1"
)
"""


def test_suites_in_a_projects_files_are_listed(tmp_path, monkeypatch):
    (tmp_path / "test_it.py").write_text(SUITE + "lrmtest.suite_from_hub(3, kind=[])\n" * 2)
    found = {each.suite.name: each for each in own_suites(tmp_path)}
    assert [*found] == ["sums", "words"]
    assert found["sums"].line == 8
    folder = tmp_path / "data" / "ann" / "sums"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_bytes(as_lines([{"q": "?", "a": 1}]))
    options = DataOptions(tmp_path / "data")
    assert len(found["sums"].suite.load(options).questions) == 1
    with pytest.raises(DataError, match="only running its test file tells answer"):
        found["words"].suite.load(options)
    (release,) = found["words"].suite.described.releases
    assert (release.hub.repo, release.hub.revision) == ("ann/words", "v1")


ASK = """
import json, os, sys, time
time.sleep = lambda seconds: None
import lrmtest
from lrmtest.errors import DataError
from lrmtest.questions import DataOptions
given, offline = json.loads(sys.argv[1]), sys.argv[2] == "offline"
try:
    loaded = lrmtest.suite_from_hub("ann/sums", **given).load(DataOptions(is_offline=offline))
    ids, source = [question.id for question in loaded.questions], loaded.source
    print(json.dumps([ids, source.kind, source.revision]))
except DataError as error:
    print(json.dumps([error.message, error.hint]))
sys.stdout.flush()
os._exit(0)  # what threads of Arrow's do at an interpreter's end is no matter of this
"""


@pytest.fixture
def ask(tmp_path):
    """Load the dataset in a process of its own, from a hub of one's own."""
    with running_hub() as hub:

        def run(offline="", env=None, **given):
            told = json.dumps({**TOLD, "id": "uid", **given})
            variables = environment(hub, tmp_path / "hf") | (env or {})
            return asked_in_a_process(ASK, told, offline, env=variables)

        run.hub = hub
        yield run


def test_a_branch_is_resolved_and_recorded_and_a_commit_kept(ask):
    other = "f" * 40
    ask.hub.files["ann/sums", "data/test-00000-of-00002.parquet"] = as_parquet([_texts(ROWS[0])])
    ask.hub.files["ann/sums", "data/test-00001-of-00002.parquet"] = as_parquet([_texts(ROWS[1])])
    ask.hub.files["ann/sums", "data/train.jsonl"] = as_lines(ROWS)
    assert ask(split="test") == [["a", "b"], "hub", COMMIT]
    ask.hub.commits.add(other)
    assert ask(split="test", revision=other) == [["a", "b"], "hub", other]
    # What is in the cache is asked without the hub, by either name.
    asked = len(ask.hub.requests)
    assert ask(split="test", offline="offline") == [["a", "b"], "hub", COMMIT]
    env = {"HF_HUB_OFFLINE": "1"}
    assert ask(split="test", revision=other, env=env) == [["a", "b"], "hub", other]
    message, _ = ask(split="train", env=env)
    assert "no files of split 'train'" in message
    assert len(ask.hub.requests) == asked


CARD = b"""---
configs:
- config_name: sums
  data_files:
  - split: test
    path: "[0-9]*.jsonl"
---
"""


def test_configurations_and_splits_are_those_of_the_card(ask, folder):
    files = {"README.md": CARD, "1.jsonl": as_lines(ROWS[:1]), "2.jsonl": as_lines(ROWS[1:])}
    ask.hub.files.update({("ann/sums", name): content for name, content in files.items()})
    assert ask(config="sums", split="test") == [["a", "b", "c"], "hub", COMMIT]
    assert ask() == [["a", "b", "c"], "hub", COMMIT]
    message, hint = ask(config="sums", split="dev")
    assert "no files of config 'sums' and split 'dev'" in message
    assert "its card has sums (test)" in hint
    asked = len(ask.hub.requests)
    assert ask(split="test", offline="offline") == [["a", "b", "c"], "hub", COMMIT]
    assert len(ask.hub.requests) == asked
    found = questions_of(folder(files), id="uid", config="sums")
    assert [one.id for one in found] == ["a", "b", "c"]


def test_a_hub_that_is_gone_is_no_obstacle_to_what_is_here(ask):
    ask.hub.files["ann/sums", "test.jsonl"] = as_lines(ROWS)
    assert ask() == [["a", "b", "c"], "hub", COMMIT]
    gone = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    assert ask(env=gone) == [["a", "b", "c"], "hub", COMMIT]
    message, hint = ask(env=gone, revision="v2")
    assert "ann/sums on http://127.0.0.1" in message
    assert "--data-dir" in hint


def test_what_the_hub_refuses_is_told(ask):
    message, hint = ask()
    assert "not found, or not without a token" in message
    assert "HF_TOKEN" in hint
    ask.hub.files["ann/sums", "test.jsonl"] = as_lines(ROWS)
    ask.hub.gated["ann/sums"] = "hf_right"
    message, hint = ask()
    assert "gated" in message
    assert "Access is restricted" in message
    assert "/datasets/ann/sums" in hint
    assert ask(env={"HF_TOKEN": "hf_right"})[0] == ["a", "b", "c"]
    message, _ = ask(revision="v9", env={"HF_TOKEN": "hf_right"})
    assert "there is no revision v9" in message
    message, _ = ask(file="gone.jsonl", env={"HF_TOKEN": "hf_right"})
    assert "no file gone.jsonl at revision main" in message
    ask.hub.refused["ann/sums"] = (500, "", "broken")
    message, hint = ask(revision="main", env={"HF_TOKEN": "hf_right"})
    assert "HTTP 500" in message
