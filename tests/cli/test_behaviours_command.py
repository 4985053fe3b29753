"""`lrmtest behaviours`, of a tiny random model's traces, with a copy that lost a module."""

from __future__ import annotations

import csv
import json
from array import array

import pytest

torch = pytest.importorskip("torch")

import tiny_checkpoint  # noqa: E402

from lrmtest.cli import main  # noqa: E402
from lrmtest.grading.completion import Completion  # noqa: E402
from lrmtest.grading.verdict import Verdict  # noqa: E402
from lrmtest.locate.behaviours import job as behaviour_job  # noqa: E402
from lrmtest.models.tokenizer_identity import tokenizer_identity  # noqa: E402
from lrmtest.models.trace import Trace  # noqa: E402
from lrmtest.questions.place import Place  # noqa: E402
from lrmtest.runs.manifest import ChatSection, Manifest, ModelSection  # noqa: E402
from lrmtest.runs.store import STORE_NAME, Store  # noqa: E402

TEXTS = [
    "It is 4. Wait, no. Maybe it is 5.</think>5",
    "Wait, is it 6? I recall 7 is a prime. So 6.</think>6",
    "So 7 it is. Let's try 8. Wait, 7.</think>7",
    "So 8.</think>8",
]
BROKEN = "model.layers.1.mlp.up_proj"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A parent, a variant without one of its modules, and one with fewer layers."""
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("models")
    tiny_checkpoint.save(folder / "parent", dtype="float32")
    tiny_checkpoint.save(folder / "deep", dtype="float32", layers=3)
    model = AutoModelForCausalLM.from_pretrained(folder / "parent", dtype=torch.float32)
    with torch.no_grad():
        dict(model.named_parameters())[f"{BROKEN}.weight"].mul_(0.2)
    tiny_checkpoint.save_tokenizer(folder / "variant")
    model.save_pretrained(folder / "variant")
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch, models):
    """A store with a run whose traces say `TEXTS`."""
    from transformers import AutoTokenizer

    monkeypatch.chdir(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(models / "parent")
    manifest = Manifest(
        temperature=1.0,
        top_p=1.0,
        model=ModelSection(name=str(models / "parent")),
        chat=ChatSection(tokenizer=tokenizer_identity(str(models / "parent"))),
    )
    with Store(tmp_path / "reports" / STORE_NAME) as store:
        store.add_run("run-1", str(models / "parent"), "run-1", manifest)
        for number, text in enumerate(TEXTS):
            ids = tokenizer(text, add_special_tokens=False).input_ids
            trace = Trace(
                array("I", [257, 40]), array("I", ids), array("f", [-1.0] * len(ids)), True
            )
            completion = Completion(text, "stop", 2, len(ids), 0, seed=1)
            place = Place(f"key-{number}", "sums", f"q{number}", 0)
            store.add_completion("run-1", place, completion, trace=trace)
        right = Verdict(True, 1.0, "1", None, True)
        store.set_verdicts("run-1", [(f"key-{n}", right) for n in range(len(TEXTS))])
    return models


def scored(*words):
    return main(["behaviours", *map(str, words), "--traces", "run-1", "--device", "cpu"])


def document(tmp_path, *words):
    path = tmp_path / "out.json"
    assert scored(*words, "--json", path) == 0
    return json.loads(path.read_text())


def test_a_model_is_scored_for_what_the_rules_find(here, tmp_path, capfd):
    files = {name: tmp_path / f"out.{name}" for name in ("csv", "markdown")}
    words = [word for name, path in files.items() for word in (f"--{name}", path)]
    found = document(tmp_path, here / "parent", *words)
    printed = " ".join(capfd.readouterr().out.split())
    assert "What the modules of parent have to do with its reasoning (run-1)" in printed
    assert "each behaviour has its own mean of outputs" in printed
    assert (found["parent"], found["form"], found["agreement"]) == (None, "correct", None)
    segments = {each["behaviour"]: each["segments"] for each in found["behaviours"]}
    assert segments == {
        "backtracking": 3,
        "uncertainty-estimation": 1,
        "example-testing": 1,
        "adding-knowledge": 1,
    }
    for each in found["behaviours"]:
        assert len(each["modules"]) == 14
        assert sum(one["share"]["value"] for one in each["modules"]) == pytest.approx(1)
        assert all(one["shift"] is None for one in each["modules"])
        assert each["modules"][0]["importance"] > 0
    assert len(found["rank_correlations"]) == 6
    rows = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert len(rows) == 4 * 14
    assert (rows[0]["behaviour"], rows[0]["shift"]) == ("backtracking", "")
    assert files["markdown"].read_text().count("\n### ") == 4


def test_both_forms_come_of_what_was_computed_once(here, tmp_path, capfd, monkeypatch):
    correct = document(tmp_path, here / "parent")
    monkeypatch.setattr(behaviour_job, "open_stack", None)  # nothing is left to compute
    released = document(tmp_path, here / "parent", "--as-released")
    assert "Scores as released: all behaviours share one sum" in capfd.readouterr().out
    assert released["form"] == "as released"
    for one, other in zip(correct["behaviours"], released["behaviours"], strict=True):
        value = one["rank_correlation_with_other_form"]
        assert value == other["rank_correlation_with_other_form"]
        assert value < 1
        sizes = [
            {module["module"]: module["importance"] for module in each["modules"]}
            for each in (one, other)
        ]
        assert sizes[0] != pytest.approx(sizes[1], rel=1e-3)


def test_what_moved_is_shown_against_the_parent(here, tmp_path, capfd):
    found = document(tmp_path, here / "variant", "--parent", here / "parent")
    assert "of variant have to do with its reasoning against parent" in capfd.readouterr().out
    for each in found["behaviours"]:
        sizes = [abs(one["shift"]["value"]) for one in each["modules"]]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] > 0
        assert sum(one["shift"]["value"] for one in each["modules"]) == pytest.approx(0, abs=1e-9)
        for one in each["modules"]:
            moved = one["share"]["value"] - one["parents_share"]["value"]
            assert one["shift"]["value"] == pytest.approx(moved)


def test_labels_of_a_file_take_the_place_of_the_rules(here, tmp_path, capfd):
    labels = tmp_path / "labels.jsonl"
    by_rules = document(tmp_path, here / "parent", "--save-labels", labels)
    again = document(tmp_path, here / "parent", "--labels", labels)
    assert again["behaviours"] == by_rules["behaviours"]
    assert again["agreement"]["kappa"] == 1
    assert "kappa 1.00 [1.00, 1.00]" in capfd.readouterr().out
    line = {
        "suite": "sums",
        "question": "q3",
        "segments": [
            {"behaviour": "example-testing", "text": "So 8."},
            {"behaviour": "example-testing", "text": "So 9."},
        ],
    }
    labels.write_text(json.dumps(line))
    found = document(tmp_path, here / "parent", "--labels", labels)
    assert [each["behaviour"] for each in found["behaviours"]] == ["example-testing"]
    assert found["behaviours"][0]["segments"] == 1
    assert found["agreement"]["same"] == 0
    assert any("3 traces without labels" in note for note in found["notes"])
    assert any("1 label whose text is not in the trace" in note for note in found["notes"])


def test_whoever_is_interrupted_goes_on(here, tmp_path, monkeypatch):
    whole = document(tmp_path, here / "parent")
    for path in (tmp_path / "reports" / "behaviours").iterdir():
        path.unlink()
    monkeypatch.setattr(behaviour_job, "_HELD_BYTES", 1)  # a trace at a time
    seen = {"add_outputs": [], "score": []}
    functions = {name: getattr(behaviour_job, name) for name in seen}

    def stopping(name, after):
        function = functions[name]

        def called(stack, traces, *more):
            if len(seen[name]) == after:
                raise KeyboardInterrupt
            seen[name] += [one.written.place.key for one in traces]
            return function(stack, traces, *more)

        return called

    for name, after in (("add_outputs", 2), ("score", 1)):
        monkeypatch.setattr(behaviour_job, name, stopping(name, after))
        assert scored(here / "parent") == 130
        monkeypatch.setattr(behaviour_job, name, stopping(name, -1))
    resumed = document(tmp_path, here / "parent")
    assert resumed == whole
    assert sorted(seen["add_outputs"]) == [f"key-{n}" for n in range(4)]
    assert sorted(seen["score"]) == [f"key-{n}" for n in range(3)]  # the last has no segments
    for name, function in functions.items():
        monkeypatch.setattr(behaviour_job, name, function)
    for path in (tmp_path / "reports" / "behaviours").iterdir():
        damaged = path.read_bytes()[: path.stat().st_size // 2]
        path.write_bytes(damaged + b"\x00\n{}\n[]\n")
    assert document(tmp_path, here / "parent") == whole


def refused(capfd, *words, status=2):
    capfd.readouterr()
    assert scored(*words) == status
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) <= 2
    return lines[0]


def test_what_cannot_be_meant_is_refused_in_a_sentence(here, tmp_path, capfd):
    parent = here / "parent"
    assert "same files: nothing moves" in refused(capfd, parent, "--parent", parent)
    assert "do not have the same modules: model.layers.2." in refused(
        capfd, parent, "--parent", here / "deep"
    )
    assert "no traces of suite other" in refused(capfd, parent, "--suite", "other")
    labels = tmp_path / "labels.jsonl"
    labels.write_text(json.dumps({"suite": "sums", "question": "q9", "segments": []}))
    assert "has labels of none of these traces" in refused(capfd, parent, "--labels", labels)
    only = {"behaviour": "deduction", "text": "So 8."}
    labels.write_text(json.dumps({"suite": "sums", "question": "q3", "segments": [only]}))
    assert "no segment of backtracking" in refused(capfd, parent, "--labels", labels)
    labels.write_text("{")
    assert "not valid JSON" in refused(capfd, parent, "--labels", labels, status=11)
