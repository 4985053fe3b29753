"""Runs as logs of inspect_ai, opened by its own reader."""

import zipfile

import pytest
from exported_run import MANIFEST, OUTPUTS, QUESTION, fill, import_log

from lrmtest.errors import StoreError, UsageError
from lrmtest.runs.formats.assign import OwnQuestions
from lrmtest.runs.formats.inspect_export import export_inspect
from lrmtest.runs.formats.inspect_log import read_inspect_log
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import Store

TWO_SUITES = {**MANIFEST, "suites": dict.fromkeys(("aime", "b"), MANIFEST["suites"]["aime"])}


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.sqlite") as opened:
        yield opened


@pytest.mark.parametrize("ending", ["json", "eval"])
def test_inspect_ais_own_reader_opens_it(store, tmp_path, ending):
    pytest.importorskip("inspect_ai", reason="inspect_ai is not installed: pip install -e '.[dev]'")
    from inspect_ai.log import (
        read_eval_log,
        read_eval_log_sample,
        read_eval_log_sample_summaries,
    )

    path = tmp_path / f"run.{ending}"
    assert export_inspect(store, fill(store), path) == (len(OUTPUTS), [path])
    log = read_eval_log(str(path))
    assert (log.status, log.eval.task, log.eval.model) == ("success", "aime", "m")
    assert log.eval.run_id == "run-1"
    assert log.eval.metadata == MANIFEST
    assert (log.plan.config.temperature, log.plan.config.max_tokens) == (0.6, 100)
    assert log.results.scores[0].metrics["accuracy"].value == 0.25
    usage = log.stats.model_usage["m"]
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (20, 280, 120)

    assert [(sample.id, sample.epoch) for sample in log.samples] == [
        (QUESTION.id, epoch) for epoch in range(1, 6)
    ]
    first = log.samples[0]
    assert first.target == ["2"]
    assert [message.role for message in first.messages] == ["system", "user", "assistant"]
    assert first.messages[1].text == "1+1?\x00\x1b[31m<script>�"
    reasoning, answer = first.output.choices[0].message.content
    assert (reasoning.type, reasoning.reasoning) == ("reasoning", "hm\x00�\x1b[31m")
    assert (answer.type, answer.text) == ("text", "it is \\boxed{2}")
    assert first.output.completion == "it is \\boxed{2}"
    assert first.output.usage.output_tokens == 70
    assert (first.scores["lrmtest"].value, first.scores["lrmtest"].answer) == ("C", "2")
    looped = log.samples[1]
    assert looped.output.choices[0].stop_reason == "max_tokens"
    assert looped.output.choices[0].message.content[0].reasoning == "hm hm hm"
    assert looped.scores["lrmtest"].metadata["failure"] == "looped"
    assert log.samples[4].error.message == "broke\x1b"

    header = read_eval_log(str(path), header_only=True)
    assert header.results.scores[0].metrics["accuracy"].value == 0.25
    assert len(read_eval_log_sample_summaries(str(path))) == 5
    assert read_eval_log_sample(str(path), QUESTION.id, 2).epoch == 2


def test_inspect_ai_lists_a_folder_of_them(store, tmp_path):
    pytest.importorskip("inspect_ai", reason="inspect_ai is not installed: pip install -e '.[dev]'")
    from inspect_ai.log import list_eval_logs

    count, files = export_inspect(store, fill(store, manifest=TWO_SUITES), tmp_path / "logs")
    assert count == 2 * len(OUTPUTS)
    assert len(files) == 2
    assert {log.task for log in list_eval_logs(str(tmp_path / "logs"))} == {"aime", "b"}


def test_an_interrupted_run_is_a_cancelled_log(store, tmp_path):
    run = fill(store)
    store.update_manifest(run.run_id, Manifest.from_json(MANIFEST))
    path = tmp_path / "run.json"
    export_inspect(store, store.run(run.run_id), path)
    assert '"status": "cancelled"' in path.read_text()


@pytest.mark.parametrize("ending", ["json", "eval"])
def test_our_own_reader_reads_it_back(store, tmp_path, ending):
    path = tmp_path / f"run.{ending}"
    export_inspect(store, fill(store), path)
    log = read_inspect_log(path)
    tags = ("<think>", "</think>")
    imported = import_log(store, log, OwnQuestions(log, "integer"), name="again", tags=tags)
    assert (imported.completions, imported.errors) == (len(OUTPUTS), 1)
    assert (imported.compared, imported.disagreements) == (len(OUTPUTS), ())


def test_a_run_of_several_suites_does_not_fit_one_file(store, tmp_path):
    with pytest.raises(UsageError, match="has 2 suites"):
        export_inspect(store, fill(store, manifest=TWO_SUITES), tmp_path / "run.eval")


def test_a_failure_leaves_what_was_there(store, tmp_path, monkeypatch):
    path = tmp_path / "run.eval"
    path.write_text("before")

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(StoreError, match="No space left"):
        export_inspect(store, fill(store), path)
    assert path.read_text() == "before"
    assert list(tmp_path.glob("*.part")) == []
