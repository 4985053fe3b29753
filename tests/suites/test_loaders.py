"""The benchmarks' loaders on the real files."""

import dataclasses
import hashlib
import json
import re
import shutil
import sys
from collections import Counter

import pytest

from lrmtest.errors import DataError
from lrmtest.questions import (
    EXPRESSION,
    INTEGER,
    LABEL,
    OPTION,
    SHORT_TEXT,
    DataOptions,
    render_prompt,
)
from lrmtest.questions.released import released_fingerprints
from lrmtest.suites import suite_named as named
from lrmtest.suites.aime import AIME_2024
from lrmtest.suites.folio import FOLIO_V0, FOLIO_V2
from lrmtest.suites.gsm8k import GSM8K_TEST
from lrmtest.suites.math_500 import MATH_500
from lrmtest.suites.musique import MUSIQUE_100, MUSIQUE_DEV
from lrmtest.suites.temporal import TEMPORAL_SEQUENCES

LOCAL = {
    "aime": (30, INTEGER, "aime_2024.jsonl"),
    "folio": (204, LABEL, "folio_validation.jsonl"),
    "folio-v0.0": (204, LABEL, "folio_validation.jsonl"),
    "temporal": (250, OPTION, "bbh_temporal_sequences.json"),
    "musique": (100, SHORT_TEXT, "musique_100.jsonl"),
    "math-500": (500, EXPRESSION, "math_500.jsonl"),
    "gsm8k": (1319, INTEGER, "gsm8k_test.jsonl"),
}


@pytest.mark.parametrize(
    "release",
    [AIME_2024, FOLIO_V0, TEMPORAL_SEQUENCES, MUSIQUE_100, MATH_500, GSM8K_TEST],
    ids=lambda r: r.name,
)
def test_fingerprints_are_one_per_question(release):
    fingerprints = released_fingerprints(release.name)
    assert len(fingerprints) == release.rows
    assert len(set(fingerprints.values())) == release.rows
    assert all(re.fullmatch("[0-9a-f]{16}", value) for value in fingerprints.values())


@pytest.mark.data
@pytest.mark.parametrize("name", LOCAL)
def test_real_files_load_whole(name, data_dir):
    count, kind, file = LOCAL[name]
    suite = named(name)
    loaded = suite.load(DataOptions(data_dir))
    assert len(loaded.questions) == len({q.id for q in loaded.questions}) == count
    assert {q.kind for q in loaded.questions} == {kind}
    assert {q.suite for q in loaded.questions} == {suite.name}
    assert (loaded.source.kind, loaded.source.name) == ("local", file)
    assert re.fullmatch("[0-9a-f]{64}", loaded.source.sha256)
    assert len({render_prompt(suite.prompt, q) for q in loaded.questions}) == count
    for question in loaded.questions:
        # Nothing in braces that is a field of any suite may be left unfilled.
        prompt = render_prompt(suite.prompt, question)
        assert not re.search(
            r"\{(problem|premises|conclusion|story|question|options_text)\}", prompt
        )
        json.dumps(dict(question.material))


@pytest.mark.data
def test_aime_answers_are_the_contests(data_dir):
    expected = {q.id: q.expected for q in named("aime").load(DataOptions(data_dir)).questions}
    assert expected["2024-I-1"] == "204"
    assert expected["2024-II-4"] == "33"
    assert set(expected) == {f"2024-{exam}-{n}" for exam in ("I", "II") for n in range(1, 16)}
    assert all(0 <= int(answer) <= 999 for answer in expected.values())


@pytest.mark.data
def test_folio_ids_are_row_numbers(data_dir):
    rows = (data_dir / "folio_validation.jsonl").read_text("utf-8").splitlines()
    for number, question in enumerate(named("folio").load(DataOptions(data_dir)).questions):
        row = json.loads(rows[number])
        assert question.id == str(number)
        assert question.material["conclusion"] == row["conclusion"]
        assert question.expected == row["label"]


@pytest.mark.data
def test_temporal_options_are_parsed(data_dir):
    rows = json.loads((data_dir / "bbh_temporal_sequences.json").read_text("utf-8"))["examples"]
    questions = named("temporal").load(DataOptions(data_dir)).questions
    for row, question in zip(rows, questions, strict=True):
        material = question.material
        text = f"{material['story']}\n{material['question']}\nOptions:\n{material['options_text']}"
        assert text == row["input"]
        assert f"({question.expected})" == row["target"]
        assert len(set(material["options"])) == 4
    assert Counter(q.expected for q in questions) == {"A": 71, "B": 50, "C": 64, "D": 65}


@pytest.mark.data
def test_musique_keeps_what_open_book_prompts_need(data_dir):
    for question in named("musique").load(DataOptions(data_dir)).questions:
        paragraphs = question.material["paragraphs"]
        hops = question.material["question_decomposition"]
        assert len(hops) >= 2
        by_idx = {paragraph["idx"]: paragraph for paragraph in paragraphs}
        assert all(by_idx[hop["paragraph_support_idx"]]["is_supporting"] for hop in hops)
        assert hops[-1]["answer"] in question.references


@pytest.mark.data
def test_gsm8k_answers_are_what_stands_behind_the_hashes(data_dir):
    expected = [q.expected for q in named("gsm8k").load(DataOptions(data_dir)).questions]
    assert expected[0] == "18"
    assert "1450000" in expected
    assert "-10" in expected
    assert all(re.fullmatch(r"-?\d+", answer) for answer in expected)


@pytest.mark.data
@pytest.mark.parametrize("suite", ["aime", "folio", "temporal", "musique"])
def test_recorded_outputs_name_our_questions(suite, data_dir):
    ids = {q.id for q in named(suite).load(DataOptions(data_dir)).questions}
    path = data_dir / "recorded" / f"r1-distill-llama-8b-awq-4bit.{suite}.jsonl"
    recorded = [json.loads(line)["question"] for line in path.read_text("utf-8").splitlines()]
    assert len(recorded) == len(ids) // 2
    assert {str(question) for question in recorded} <= ids


@pytest.mark.data
def test_copies_in_other_clothes_are_the_same_questions(data_dir, tmp_path):
    original = (data_dir / "aime_2024.jsonl").read_bytes()
    expected = named("aime").load(DataOptions(data_dir)).questions
    lines = original.splitlines()
    clothes = {
        "byte order mark and Windows line ends": b"\xef\xbb\xbf" + b"\r\n".join(lines),
        "blank lines": b"\n\n" + b"\n \n".join(lines) + b"\n\n",
        "other order": b"\n".join(reversed(lines)),
        "escaped text": b"\n".join(json.dumps(json.loads(line)).encode() for line in lines),
        "answers in digits": original.replace(b'"Answer": 204', b'"Answer": "204"'),
        "one more field": original.replace(b'{"ID"', b'{"Solution": "", "ID"'),
    }
    for what, data in clothes.items():
        (tmp_path / "aime_2024.jsonl").write_bytes(data)
        assert named("aime").load(DataOptions(tmp_path)).questions == expected, what


@pytest.mark.data
def test_parquet_has_the_same_questions(data_dir, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    lines = (data_dir / "aime_2024.jsonl").read_text("utf-8").splitlines()
    file = tmp_path / "aime_2024_problems.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([json.loads(x) for x in lines]), file)
    expected = named("aime").load(DataOptions(data_dir)).questions
    assert named("aime").load(DataOptions(tmp_path)).questions == expected
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a readable Parquet file"):
        named("aime").load(DataOptions(tmp_path))


def test_parquet_without_pyarrow_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "aime_2024_problems.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="pyarrow is needed") as caught:
        named("aime").load(DataOptions(tmp_path))
    assert "pip install pyarrow" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("aime", "aime_2024.jsonl"),
        ("folio", "folio_validation.jsonl"),
        ("folio-v2", "folio_v2_validation.jsonl"),
        ("temporal", "bbh_temporal_sequences.json"),
        ("math-500", "math_500.jsonl"),
        ("gsm8k", "gsm8k_test.jsonl"),
        ("musique", "musique_100.jsonl"),
        ("musique-dev", "musique_ans_v1.0_dev.jsonl"),
    ],
)
def test_an_empty_folder_says_what_to_put_in_it(name, file, tmp_path):
    with pytest.raises(DataError, match=re.escape(file)) as caught:
        named(name).load(DataOptions(tmp_path))
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="does not exist") as caught:
        named("folio").load(DataOptions(tmp_path / "nowhere"))
    assert "--data-dir" in caught.value.hint


def folio_v2_row(number):
    return {
        "story_id": number // 3,
        "premises": f"Every one of {number} cats sleeps.\nTom is such a cat. ",
        "premises-FOL": "...",
        "conclusion": f"Tom {number} sleeps.",
        "conclusion-FOL": "...",
        "label": ("True", "False", "Uncertain")[number % 3],
        "example_id": 1000 + number,
    }


def write_folio_v2(folder, rows=203):
    lines = [json.dumps(folio_v2_row(number)) for number in range(rows)]
    (folder / "folio_v2_validation.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def test_the_revised_folio(tmp_path):
    write_folio_v2(tmp_path)
    loaded = named("folio-v2").load(DataOptions(tmp_path))
    assert len(loaded.questions) == FOLIO_V2.rows
    assert loaded.questions[4].id == "v2-1004"
    assert loaded.questions[4].expected == "False"
    assert loaded.questions[4].material["premises"] == [
        "Every one of 4 cats sleeps.",
        "Tom is such a cat. ",
    ]
    either = named("folio").load(DataOptions(tmp_path))
    assert either.source.name == "folio_v2_validation.jsonl"
    assert either.source.revision == "folio-v2"
    assert either.questions[0].suite == "folio"


def test_a_short_revised_folio_is_refused(tmp_path):
    write_folio_v2(tmp_path, rows=202)
    with pytest.raises(DataError, match=r"202 questions, but .* has 203"):
        named("folio-v2").load(DataOptions(tmp_path))


@pytest.mark.data
def test_folio_prefers_the_released_file(data_dir, tmp_path):
    write_folio_v2(tmp_path)
    shutil.copy(data_dir / "folio_validation.jsonl", tmp_path)
    assert named("folio").load(DataOptions(tmp_path)).source.revision == "folio-v0.0"


@pytest.mark.data
def test_the_100_of_musique_are_picked_from_the_whole_split(data_dir, tmp_path, monkeypatch):
    lines = (data_dir / "musique_100.jsonl").read_text("utf-8").splitlines()
    other = json.loads(lines[0]) | {"id": "2hop__1_2"}
    whole = "\n".join([json.dumps(other), *reversed(lines)]).encode()
    (tmp_path / MUSIQUE_DEV.names[0]).write_bytes(whole)
    with pytest.raises(DataError, match="not the released file") as caught:
        named("musique").load(DataOptions(tmp_path))
    assert MUSIQUE_DEV.sha256 in caught.value.message

    stand_in = dataclasses.replace(MUSIQUE_DEV, rows=101, sha256=hashlib.sha256(whole).hexdigest())
    monkeypatch.setattr("lrmtest.suites.musique.MUSIQUE_DEV", stand_in)
    picked = named("musique").load(DataOptions(tmp_path))
    assert picked.questions == named("musique").load(DataOptions(data_dir)).questions
    assert picked.source.revision == "musique-dev"
    assert len(named("musique-dev").load(DataOptions(tmp_path)).questions) == 101
