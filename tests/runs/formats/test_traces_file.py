"""The traces' file: what went in comes out, one at a time, and damage and mix-ups are told."""

import json
import struct
import zlib
from array import array
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.cli import main
from lrmtest.errors import DataError, LrmtestError, UsageError
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.models.engines.base import Sampling
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs.formats.baseline import baseline_text, read_baseline
from lrmtest.runs.formats.jsonl import export_run, import_run
from lrmtest.runs.formats.traces_file import TracesReader, write_traces
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.open_traces import open_traces
from lrmtest.runs.store import STORE_NAME, Store

MANIFEST = {
    "temperature": 0.6,
    "top_p": 0.95,
    "chat": {"tokenizer": "tokenizer.json 5f0c"},
    "suites": {"sums": {"max_tokens": 64, "samples": 2}, "facts": {"max_tokens": 32}},
}
COUNT = 6


def trace(number):
    return Trace(
        array("I", [1, 2, number]), array("I", [number, 70000]), array("f", [-0.25, 0]), True
    )


def add_run(store, run_id="parent", without=(3,)):
    store.add_run(run_id, "m", run_id, Manifest.from_json(MANIFEST))
    for number in range(COUNT):
        suite = "sums" if number < 4 else "facts"
        place = Place(f"{run_id}/{number}", suite, f"q{number // 2}", number % 2)
        kept = None if number in without else trace(number)
        completion = Completion("t", "length" if number == 1 else "stop", 3, 2)
        store.add_completion(run_id, place, completion, trace=kept)
        failure = None if number % 2 == 0 else "truncated" if number == 1 else "wrong"
        verdict = Verdict(failure is None, float(failure is None), "2", failure, False)
        store.set_verdicts(run_id, [(place.key, verdict)])
    asked = [("system", "Think."), ("user", "1 + 1 = \u00e4 \U0001f600")]
    store.add_questions(run_id, [("sums", "q0", None, asked), ("sums", "q1", None, asked[1:])])
    store.add_completion(run_id, Place(f"{run_id}/x", "sums", "x", 0), Completion("t", "stop"))
    return store.record(store.run(run_id))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / STORE_NAME) as made:
        yield made


@pytest.fixture
def written(store, tmp_path):
    """A file of traces, and what a baseline knows of it."""
    mark = write_traces(tmp_path / "parent.traces", store, add_run(store))
    return tmp_path / "parent.traces", mark


def test_file_and_run_say_the_same(written, store, tmp_path):
    path, mark = written
    with open_traces(str(path), store.path) as of_file, open_traces("parent", store.path) as of_run:
        assert list(of_file) == list(of_run)
        kept = list(of_file.each())
        assert list(of_file.each(but={"parent/0", "parent/4"})) == [kept[1], kept[3], kept[4]]
        assert (of_file.head.kept, of_file.head.lacking) == (5, 1) == (mark.kept, 1)
        assert of_file.head.tokenizer == of_run.head.tokenizer == "tokenizer.json 5f0c"
        assert of_file.head.run.model == "m"
    assert [one.place.key[-1] for one in kept] == ["4", "5", "0", "1", "2"]
    assert [one.trace for one in kept] == [trace(number) for number in (4, 5, 0, 1, 2)]
    assert {one.sampling for one in kept} == {Sampling(32, 0.6, 0.95), Sampling(64, 0.6, 0.95)}
    assert [one.outcome.failure for one in kept] == [None, "wrong", None, "truncated", None]
    assert kept[3].finish_reason == "length"
    assert kept[3].outcome.end == "ran-out"
    assert (tmp_path / "parent.traces").stat().st_mode & 0o077 == 0


def test_a_baseline_knows_its_traces(store, tmp_path, capsys):
    add_run(store)
    base, file = tmp_path / "base.json", tmp_path / "base.traces"
    command = ["baseline", "parent", "-o", str(base), "--reports-dir", str(tmp_path)]
    assert main([*command, "--allow-incomplete"]) == 0
    plain = base.read_text()
    assert "traces" not in json.loads(plain)
    assert main([*command, "--allow-incomplete", "--save-traces", str(file)]) == 0
    assert "5 traces; 1 of 6 samples have none" in capsys.readouterr().out
    with_traces = json.loads(base.read_text())
    assert with_traces.pop("traces")["file"] == "base.traces"
    assert with_traces == json.loads(plain)
    with open_traces(str(base), store.path) as found:
        assert found.path == file
        assert len(list(found)) == 5
    assert read_baseline(base).outcomes == read_baseline(base).outcomes
    text = base.read_text()
    for name in ("../base.traces", "/etc/passwd", "", "a/b", "..", "a\x00b"):
        base.write_text(text.replace('"base.traces"', json.dumps(name)))
        with pytest.raises(DataError, match="no file's name"):
            read_baseline(base)


def test_traces_of_something_else_are_refused(store, tmp_path):
    run, other = add_run(store), add_run(store, "other", without=())
    base = tmp_path / "base.json"
    write_traces(tmp_path / "o.traces", store, other)
    mark = write_traces(tmp_path / "p.traces", store, run)
    base.write_text(baseline_text(replace(run, traces=mark)))
    found = open_traces(str(base), store.path)
    with pytest.raises(DataError, match="traces of run parent, but other is of run other"):
        found.refuse_others(other, "other")
    (tmp_path / "p.traces").write_bytes((tmp_path / "o.traces").read_bytes())
    with pytest.raises(DataError, match="traces of run other, but"):
        open_traces(str(base), store.path)
    store.add_trace("parent", "parent/3", trace(3))
    write_traces(tmp_path / "p.traces", store, run)
    with pytest.raises(DataError, match="their hash differs"):
        open_traces(str(base), store.path)
    (tmp_path / "p.traces").unlink()
    with pytest.raises(DataError, match="cannot read the traces"):
        open_traces(str(base), store.path)
    base.write_text(baseline_text(run))
    with pytest.raises(UsageError, match="saved without traces"):
        open_traces(str(base), store.path)


def test_a_run_without_traces_has_none_to_write(store, tmp_path):
    run = add_run(store, without=range(COUNT))
    with pytest.raises(LrmtestError, match="no trace of any graded sample"):
        write_traces(tmp_path / "p.traces", store, run)
    with pytest.raises(LrmtestError, match="no trace of any graded sample"):
        open_traces("parent", store.path)
    assert not (tmp_path / "p.traces").exists()


def test_each_trace_knows_what_its_question_was_asked_with(written, store):
    path, _ = written
    with open_traces(str(path), store.path) as of_file, open_traces("parent", store.path) as of_run:
        found = {one.place: one.conversation for one in of_file}
        assert found == {one.place: one.conversation for one in of_run}
        first = next(iter(found))
        rest = {one.place: one.conversation for one in of_file.each(but={first.key})}
        assert rest == {place: turns for place, turns in found.items() if place != first}
    by_question = {place.question: turns for place, turns in found.items()}
    assert [turn.role for turn in by_question["sums", "q0"]] == ["system", "user"]
    assert len(by_question["sums", "q1"]) == 1
    assert by_question["facts", "q2"] == ()  # nobody knows
    assert path.read_bytes().count(b'"conversation"') == 2  # not with each sample


@pytest.mark.parametrize(
    "turns", ['"x"', "[1]", '[["user"]]', '[["user", 1]]', '[["a", "b", "c"]]']
)
def test_a_conversation_that_is_none_is_refused(written, turns):
    path, _ = written
    data = path.read_bytes()
    head = data.index(b"\n", data.index(b"\n") + 1) + 1
    row_size, data_size, _ = struct.unpack_from("<III", data, head)
    begin = head + 12
    row = json.loads(data[begin : begin + row_size]) | {"conversation": json.loads(turns)}
    changed = json.dumps(row).encode()
    rest = data[begin + row_size :]
    checksum = zlib.crc32(rest[:data_size], zlib.crc32(changed))
    prefix = struct.pack("<III", len(changed), data_size, checksum)
    path.write_bytes(data[:head] + prefix + changed + rest)
    with pytest.raises(DataError, match="trace 1 cannot be read"):
        list(TracesReader(path).each())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-1], "cut off at trace 5 of 5"),
        (lambda data: data + b"x", "goes on behind its 5 traces"),
        (lambda data: data.replace(b"traces 1", b"traces 2", 1), "another version"),
        (lambda data: data[:40], "head is cut off"),
        (lambda data: data.replace(b'"kept": 5', b'"kept": 4', 1), "goes on behind its 4"),
        (lambda data: data.replace(b'"kept": 5', b'"kept": "a"', 1), "is none"),
        (lambda data: data.replace(b'"temperature": 0.6', b'"temporature": 0.6', 1), "sampled"),
        (lambda data: data.replace(b'"wrong"', b'"wronk"', 1), "checksum differs"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(written, change, said):
    path, _ = written
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=said) as raised:
        list(TracesReader(path).each())
    assert raised.value.hint


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_byte_is_told(written, data):
    path, _ = written
    intact = path.read_bytes()
    expected = list(TracesReader(path).each())
    changed = bytearray(intact)
    at = data.draw(st.integers(0, len(intact) - 1))
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    copy = path.with_suffix(".copy")
    copy.write_bytes(changed)
    head = TracesReader(path).head
    try:
        reader = TracesReader(copy)
        found = list(reader.each())
    except DataError:
        return
    # Only the head has no checksum of its own: a baseline's hash is there for that.
    assert reader.head != head or found == expected


def test_an_exported_run_carries_its_traces_where_it_is_asked(store, tmp_path):
    run = add_run(store)
    export_run(store, run, tmp_path / "plain.jsonl")
    assert '"trace"' not in (tmp_path / "plain.jsonl").read_text()
    export_run(store, run, tmp_path / "traced.jsonl", traces=True)
    with Store(tmp_path / "new" / STORE_NAME) as new:
        import_run(new, tmp_path / "plain.jsonl")
        assert new.traced("parent") == set()
        import_run(new, tmp_path / "traced.jsonl")
        assert new.traced("parent") == store.traced("parent")
        assert new.trace("parent", "parent/2") == trace(2)
    # A completion of the same key with another text has another trace.
    with Store(tmp_path / "other" / STORE_NAME) as new:
        new.add_run("parent", "m", "parent", Manifest.from_json(MANIFEST))
        place = Place("parent/2", "sums", "q1", 0)
        new.add_completion("parent", place, Completion("another text", "stop"))
        import_run(new, tmp_path / "traced.jsonl")
        assert new.traced("parent") == store.traced("parent") - {"parent/2"}
    lines = [json.loads(line) for line in (tmp_path / "traced.jsonl").read_text().splitlines()]
    for data in ("", "A", "####", "AAAA", 7):
        broken = [
            json.dumps({**line, "trace": data} if "output" in line else line) for line in lines
        ]
        (tmp_path / "broken.jsonl").write_text("\n".join(broken))
        with Store(tmp_path / "none" / STORE_NAME) as new:
            with pytest.raises(DataError, match=r"broken\.jsonl:"):
                import_run(new, tmp_path / "broken.jsonl")
            assert new.runs() == []


def test_the_command_refuses_a_format_without_a_place_for_them(store, tmp_path, capsys):
    add_run(store)
    file = str(tmp_path / "run.parquet")
    assert main(["export", "parent", file, "--traces", "--reports-dir", str(tmp_path)]) != 0
    assert "--traces: parquet has no place for them" in capsys.readouterr().err
