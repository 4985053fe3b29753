"""Export and import: a run survives the way through a file."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError, StoreError
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.questions import Question
from lrmtest.questions.place import Place
from lrmtest.runs.formats.jsonl import export_run, import_run
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import Store

QUESTION = Question("q1", "aime", {"problem": "1+1?"}, ("2",), "integer")


def filled(path, text="it is \\boxed{2}\x00\ud800\x1b[31m"):
    store = Store(path)
    manifest = Manifest.from_json({"suites": {"aime": {}}, "seed": 0})
    store.add_run("run-1", "m", "i", manifest)
    store.add_questions("run-1", [("aime", "q1", QUESTION, [("user", "1+1?")])])
    store.add_completion("run-1", Place("k1", "aime", "q1", 0), Completion(text, "stop", 5, 7, 3))
    verdict = Verdict(True, 1.0, "2", None, True)
    store.set_verdicts("run-1", [("k1", verdict)])
    store.add_error("run-1", Place("k2", "aime", "q1", 1), "broke", 3)
    store.finish_run("run-1")
    return store


def contents(store):
    return (
        [(run.run_id, run.model, run.identity, run.manifest) for run in store.runs()],
        list(store.questions("run-1")),
        list(store.completions("run-1")),
        store.errors("run-1"),
    )


def test_an_exported_run_is_imported_whole(tmp_path):
    store = filled(tmp_path / "a.sqlite")
    path = tmp_path / "run.jsonl"
    assert export_run(store, store.run("run-1"), path) == 1
    other = Store(tmp_path / "b.sqlite")
    run, count = import_run(other, path)
    assert (run.run_id, count) == ("run-1", 1)
    assert contents(other) == contents(store)
    assert other.run("run-1").finished


def test_importing_twice_changes_nothing(tmp_path):
    store = filled(tmp_path / "a.sqlite")
    path = tmp_path / "run.jsonl"
    export_run(store, store.run("run-1"), path)
    before = contents(store)
    import_run(store, path)
    assert contents(store) == before


def test_a_file_that_cannot_be_written_is_a_clear_error(tmp_path):
    store = filled(tmp_path / "a.sqlite")
    with pytest.raises(StoreError, match="cannot write"):
        export_run(store, store.run("run-1"), tmp_path / "missing" / "run.jsonl")


@pytest.mark.parametrize("content", ["", "{}\n", "[]\n", "not json\n", '{"lrmtest": "run/9"}\n'])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=r"x\.jsonl"):
        import_run(Store(tmp_path / "b.sqlite"), path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_export_is_refused_before_anything_is_written(tmp_path, data):
    path = tmp_path / "run.jsonl"
    if not path.exists():
        store = filled(tmp_path / "a.sqlite")
        export_run(store, store.run("run-1"), path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    line = data.draw(st.sampled_from(lines))
    # A file of 0.1.0 has no finish word, and one of 0.2.0 no drafted tokens.
    newer = ("lrmtest", "finish_word", "drafted_tokens")
    needed = [name for name in line if name not in newer]
    field = data.draw(st.sampled_from(needed))
    del line[field]
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_text("".join(json.dumps(line) + "\n" for line in lines))
    target = tmp_path / "target.sqlite"
    target.unlink(missing_ok=True)
    with Store(target) as store:
        with pytest.raises(DataError, match=r"damaged\.jsonl:\d+: .*" + field):
            import_run(store, damaged)
        assert store.runs() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("completion_tokens", 2**63),
        ("completion_tokens", 10**400),
        ("prompt_tokens", -1),
        ("reasoning_tokens", None),
        ("reasoning_tokens", 1.5),
        ("seconds", float("nan")),
        ("seconds", float("inf")),
        ("seed", 2**63),
        ("sample", 2**63),
        ("sample", -1),
        ("finish_reason", "eos_token"),
        ("tokens_estimated", 1),
        ("question", 7),
        ("suite", None),
        ("key", "\ud800"),
        ("output", None),
        ("created", None),
        ("verdict", {"correct": "yes"}),
        ("verdict", []),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_line_and_nothing_is_written(
    tmp_path, field, value
):
    store = filled(tmp_path / "a.sqlite")
    path = tmp_path / "run.jsonl"
    export_run(store, store.run("run-1"), path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[-1][field] = value
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Store(tmp_path / "b.sqlite") as other:
        with pytest.raises((DataError, StoreError)) as raised:
            import_run(other, path)
        assert "run.jsonl:" in str(raised.value) or "cannot be stored" in str(raised.value)
        assert other.runs() == []
        assert other.completion_count() == 0


def test_an_import_that_breaks_has_written_nothing(tmp_path, monkeypatch):
    store = filled(tmp_path / "a.sqlite")
    path = tmp_path / "run.jsonl"
    export_run(store, store.run("run-1"), path)
    with Store(tmp_path / "b.sqlite") as other:
        monkeypatch.setattr(Store, "finish_run", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            import_run(other, path)
        assert other.runs() == []
        assert other.completion_count() == 0
