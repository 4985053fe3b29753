"""A run's figures where teams look: read back by each target's own library, without a network."""

import csv
import io
import json
import subprocess
import sys

import pytest
import yaml
from exported_run import LOGS
from huggingface_hub import ModelCard, parse_eval_result_entries
from made_runs import sample_of

from lrmtest.analysis.summary import summarize
from lrmtest.cli import main
from lrmtest.grading import Verdict
from lrmtest.reports.model_card import write_eval_results
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.records import RunRecord

(HARNESS,) = LOGS.glob("samples_*.jsonl")
SUITE = "fresh_temporal_demo"


@pytest.fixture
def lrmtest(tmp_path, monkeypatch, capfd):
    """Run a command in a folder whose store has two runs; its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "WARNING")  # as the command has it

    def run(*words):
        code = main(list(map(str, words)))
        streams = capfd.readouterr()
        return code, streams.out, streams.err

    assert run("import", HARNESS, "--kind", "option", "--name", "parent")[0] == 0
    assert run("import", HARNESS, "--kind", "option", "--name", "child")[0] == 0
    yield run
    if (wandb := sys.modules.get("wandb")) is not None:
        wandb.teardown()  # it keeps the settings of the environment that it began in


def expected(lrmtest, *options):
    """The figures as `lrmtest show --json` has them."""
    run = json.loads(lrmtest("show", "last:child", "--json", *options)[1])["runs"][0]
    return run, run["suites"][0]["pass_rate"]


def inspected(file, *options):
    """What W&B's own reader finds in the file that its client wrote."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    lines = done.stdout.splitlines()
    return json.loads(done.stdout) if options else [json.loads(line) for line in lines]


@pytest.mark.parametrize("how", ["asked", "no login"])
def test_wandb_offline_is_read_back_by_its_own_reader(lrmtest, tmp_path, monkeypatch, how):
    if how == "asked":
        monkeypatch.setenv("WANDB_MODE", "offline")
    words = ("--report", "--baseline", "last:parent") if how == "asked" else ()
    run, rate = expected(lrmtest)
    code, out, err = lrmtest("export", "last:child", "--to", "wandb", "--project", "p q", *words)
    assert (code, err) == (0, "")
    assert ("no login" in out) == (how == "no login")
    (file,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert f"wandb sync {file.parent}" in out
    back = inspected(file, "--summary")
    assert (back["project"], back["name"]) == ("p q", "child")
    summary = back["summary"]
    assert summary[f"{SUITE}/pass_rate"] == rate["value"]
    assert summary[f"{SUITE}/pass_rate_low"] == rate["low"]
    assert summary[f"{SUITE}/pass_rate_high"] == rate["high"]
    assert back["config"]["manifest"] == run["manifest"]
    assert back["config"]["run_id"] == run["run_id"]
    (table,) = file.parent.glob("files/media/table/*.json")
    table = json.loads(table.read_text())
    assert table["columns"][:4] == ["suite", "question", "samples", "passes"]
    assert [row[1] for row in table["data"]] == [str(number) for number in range(12)]
    if how == "asked":
        assert summary["gate"] == "undecided"
        assert summary[f"{SUITE}/pass_rate_change"] == 0
        records = inspected(file)
        kinds = [one["artifact"]["type"] for one in records if one["type"] == "artifact"]
        assert kinds.count("report") == 1


def test_mlflow_is_read_back_by_its_own_client(lrmtest, tmp_path, monkeypatch):
    import mlflow

    place = (tmp_path / "tracked").as_uri()
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "variants")
    run, rate = expected(lrmtest)
    words = ("--report", "--baseline", "last:parent")
    code, out, err = lrmtest("export", "last:child", "--to", "mlflow", *words)
    assert (code, err) == (0, "")
    client = mlflow.MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name("variants")
    (back,) = client.search_runs([experiment.experiment_id])
    assert back.info.run_id in out
    assert (back.info.run_name, back.info.status) == ("child", "FINISHED")
    assert back.data.metrics[f"{SUITE}/pass_rate"] == rate["value"]
    assert back.data.metrics[f"{SUITE}/pass_rate_low"] == rate["low"]
    assert back.data.metrics[f"{SUITE}/pass_rate_high"] == rate["high"]
    assert back.data.params["temperature"] == str(run["manifest"]["temperature"])
    assert back.data.tags["lrmtest.run_id"] == run["run_id"]
    files = {each.path for each in client.list_artifacts(back.info.run_id)}
    assert files == {"questions.csv", "questions.json", "report.html", "summary.json"}
    assert back.data.tags["lrmtest.gate"] == "undecided"
    read, files = mlflow.artifacts.load_text, back.info.artifact_uri
    summary = json.loads(read(f"{files}/summary.json"))
    assert summary["runs"][0]["suites"][0]["pass_rate"] == rate
    rows = list(csv.DictReader(io.StringIO(read(f"{files}/questions.csv"))))
    assert [row["question"] for row in rows] == [str(number) for number in range(12)]


def test_a_model_card_is_read_back_by_the_hubs_library(lrmtest, tmp_path):
    code, out, _ = lrmtest("export", "last:child", "README.md")
    assert (code, out.startswith("1 result of child-")) == (0, True)
    data = ModelCard.load(tmp_path / "README.md").data
    rate = expected(lrmtest)[1]
    (result,) = data.eval_results
    assert (data.model_name, result.dataset_name, result.metric_type) == ("child", SUITE, "pass@1")
    assert result.metric_value == rate["value"]
    assert (result.metric_args["low"], result.metric_args["high"]) == (rate["low"], rate["high"])


def test_in_a_card_that_is_there_only_the_same_figures_are_replaced(lrmtest, tmp_path):
    card = tmp_path / "README.md"
    card.write_text(
        "---\nlicense: mit\nmodel-index:\n- name: theirs\n  results:\n"
        "  - task: {type: text-generation}\n    dataset: {name: other, type: o/o}\n"
        "    metrics: [{type: pass@1, value: 0.25}]\n"
        "  - task: {type: text-generation}\n"
        f"    dataset: {{name: {SUITE}, type: {SUITE}}}\n"
        "    metrics: [{type: pass@1, value: 0.99}]\n---\n# Their words\n"
    )
    for _ in range(2):
        assert lrmtest("export", "last:child", "README.md")[0] == 0
        back = ModelCard.load(card)
        assert back.text == "# Their words\n"
        assert (back.data.license, back.data.model_name) == ("mit", "theirs")
        values = {one.dataset_name: one.metric_value for one in back.data.eval_results}
        assert values == {"other": 0.25, SUITE: expected(lrmtest)[1]["value"]}
        assert len(back.data.eval_results) == 2


def test_results_for_a_leaderboard_are_read_back_by_the_hubs_library(tmp_path):
    source = {"kind": "hub", "name": "owner/name", "revision": "0" * 40}
    verdict = Verdict(True, 1.0, "1", None, True)
    samples = [
        sample_of("m", suite, str(number), 0, verdict)
        for suite in ("a-b", "own")
        for number in "12"
    ]
    manifest = Manifest.from_json({"suites": {"a-b": {"source": source}}})
    run = RunRecord("m-1", "m", manifest=manifest, samples=tuple(samples))
    path = tmp_path / "results.yaml"
    assert write_eval_results(path, summarize(run)) == (1, ("own",))
    (entry,) = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("owner/name", "a_b", 100.0)
    assert entry.dataset_revision == "0" * 40
    assert "pass rate 100.0 % [" in entry.notes


@pytest.mark.parametrize(
    "text", ["---\n- 1\n---\n", "---\nmodel-index: 3\n---\n", "---\na: [\n---\n"]
)
def test_what_is_no_card_is_told(lrmtest, tmp_path, text):
    (tmp_path / "README.md").write_text(text)
    code, out, err = lrmtest("export", "last", "README.md")
    assert (code, out) == (2, "")
    assert "README.md is no model card: " in err
    assert (tmp_path / "README.md").read_text() == text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("last",), "FILE is missing"),
        (("last", "x.jsonl", "--to", "wandb"), "FILE and --to are two places"),
        (("last", "--to", "mlflow", "--traces"), "--traces and --to are two places"),
        (("last", "x.jsonl", "--project", "p"), "--project belongs to --to"),
        (("last", "x.jsonl", "--report"), "--report belongs to --to"),
        (("last", "x.yaml"), "no verdicts on a dataset of the hub"),
        (("last", "--to", "wandb", "--baseline", "last"), "is its own baseline"),
    ],
)
def test_mistakes_are_told(lrmtest, words, said):
    code, out, err = lrmtest("export", *words)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_client_that_is_not_installed_is_told_with_the_command(lrmtest, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    code, out, err = lrmtest("export", "last", "--to", name)
    assert (code, out) == (2, "")
    assert f"pip install 'lrmtest[{name}]'" in err
    assert len(err.splitlines()) == 2


def test_a_clients_failure_is_told_without_its_key(lrmtest, monkeypatch):
    import wandb

    def refuse(**_):
        raise ValueError("the key local-0123456789abcdef is refused")

    monkeypatch.setenv("WANDB_API_KEY", "local-0123456789abcdef")
    monkeypatch.setattr(wandb, "init", refuse)
    code, out, err = lrmtest("export", "last", "--to", "wandb")
    assert (code, out) == (11, "")
    assert "W&B did not take the run: ValueError: the key *** is refused" in err
    assert "0123456789" not in err
