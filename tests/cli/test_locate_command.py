"""`lrmtest locate`, of a tiny random model's traces, with rounded copies of it."""

from __future__ import annotations

import csv
import json

import pytest

torch = pytest.importorskip("torch")

import tiny_checkpoint  # noqa: E402
from written_traces import draw_traces  # noqa: E402

from lrmtest.cli import main  # noqa: E402
from lrmtest.grading.completion import Completion  # noqa: E402
from lrmtest.grading.verdict import Verdict  # noqa: E402
from lrmtest.locate import job  # noqa: E402
from lrmtest.models.reading import Shaping  # noqa: E402
from lrmtest.models.tokenizer_identity import tokenizer_identity  # noqa: E402
from lrmtest.runs.manifest import ChatSection, Manifest, ModelSection  # noqa: E402
from lrmtest.runs.store import STORE_NAME, Store  # noqa: E402

PROMPTS = [[257, n // 2 % 3, 40, 7] for n in range(8)]
BROKEN = "model.layers.1.mlp.up_proj"
FACTS = ("rows", "columns", "zeros", "parents_zeros", "differs")


def changed(source, folder, change):
    """A copy of a model whose weights are changed."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    with torch.no_grad():
        change(dict(model.named_parameters()))
    tiny_checkpoint.save_tokenizer(folder)
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folder of the models, and the parent's traces."""
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("models")
    tiny_checkpoint.save(folder / "parent", dtype="float32")
    tiny_checkpoint.save(folder / "wide", dtype="float32", intermediate_size=96)
    changed(folder / "parent", folder / "variant", lambda own: own[f"{BROKEN}.weight"].zero_())
    changed(folder / "parent", folder / "same", lambda own: None)
    model = AutoModelForCausalLM.from_pretrained(folder / "parent").eval()
    return folder, draw_traces(model, PROMPTS, Shaping(1.0), 8)


@pytest.fixture
def here(tmp_path, monkeypatch, models):
    """A store with the parent's run; its last trace has not passed."""
    monkeypatch.chdir(tmp_path)
    folder, traces = models
    manifest = Manifest(
        temperature=1.0,
        top_p=1.0,
        model=ModelSection(name=str(folder / "parent")),
        chat=ChatSection(tokenizer=tokenizer_identity(str(folder / "parent"))),
    )
    with Store(tmp_path / "reports" / STORE_NAME) as store:
        for run in ("run-1", "run-2"):
            store.add_run(run, str(folder / "parent"), run, manifest)
            for one in traces:
                completion = Completion("text", "stop", 4, len(one.trace.tokens), 0, seed=1)
                store.add_completion(run, one.place, completion, trace=one.trace)
        right, wrong = Verdict(True, 1.0, "1", None, True), Verdict(False, 0.0, "2", "wrong", True)
        keys = [one.place.key for one in traces]
        store.set_verdicts("run-1", [(key, wrong if key == keys[-1] else right) for key in keys])
        store.set_verdicts("run-2", [(key, wrong if key in keys[:2] else right) for key in keys])
    return folder


def located(*words):
    return main(["locate", *map(str, words), "--device", "cpu"])


def test_the_module_that_was_broken_is_found_and_confirmed(here, tmp_path, capfd):
    files = {name: tmp_path / f"out.{name}" for name in ("json", "csv", "markdown")}
    words = [word for name, path in files.items() for word in (f"--{name}", path)]
    assert located(here / "variant", "--traces", "run-1", *words) == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert "Where variant lost what parent can (run-1)" in printed
    assert "7 passing traces of 4 questions" in printed
    assert "Confirmed ranks: 1 of the first 5." in printed
    found = json.loads(files["json"].read_text())
    first = found["modules"][0]
    assert first["module"] == BROKEN
    assert first["restored"]["confirmed"]
    lost = found["lost"]["value"]
    # Of all others the weights are the same: nothing mends.
    assert all(one["would_mend"]["value"] == 0 for one in found["modules"][1:])
    assert first["restored"]["mends"]["value"] == pytest.approx(lost, rel=1e-3)
    assert found["all_restored"] == pytest.approx(found["parents_loss"]["value"], rel=1e-5)
    assert found["top"]["modules"] == [BROKEN]
    assert not found["nothing_to_locate"]
    assert sum(one["lost"] for one in found["token_kinds"]) == pytest.approx(lost)
    assert len(found["per_question"]) == 4
    rows = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert [row["module"] for row in rows] == [one["module"] for one in found["modules"]]
    assert [row["confirmed"] for row in rows[:6]] == ["true", *["false"] * 4, ""]
    assert files["markdown"].read_text().count("| mlp.up") == 3  # two layers, and the map


def test_only_what_broke_is_looked_at(here, tmp_path, capfd):
    words = ("--broken", "run-2", "--confirm", 0, "--json", tmp_path / "out.json")
    assert located(here / "variant", "--traces", "run-1", *words) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert [one["question"] for one in found["per_question"]] == ["q0"]
    assert found["top"] is None
    assert found["modules"][0]["restored"] is None
    assert "Nothing was really restored: no rank is confirmed." in capfd.readouterr().out


def test_what_lost_nothing_has_nothing_to_locate(here, capfd):
    assert located(here / "same", "--traces", "run-1") == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert "Next to nothing to locate" in printed
    assert "Confirmed ranks: none of the first 5." in printed


def keys_of(portions):
    return [one.place.key for portion in portions for one in portion]


def stopping(function, after, seen):
    """The function, which is interrupted once it was called so often; keeps its traces."""

    def called(*given):
        if len(seen) == after:
            raise KeyboardInterrupt
        seen.append(given[2])
        return function(*given)

    return called


def test_whoever_is_interrupted_goes_on(here, tmp_path, monkeypatch):
    def figures(name):
        path = tmp_path / f"{name}.json"
        assert located(here / "variant", "--traces", "run-1", "--json", path) == 0
        return json.loads(path.read_text())

    monkeypatch.setattr(job, "_HELD_BYTES", 32 * 4 * 3 * 25)  # two traces of 12 tokens at a time
    attribute, restore = job.attribute, job.losses_restored
    first, second, restored = [], [], []
    monkeypatch.setattr(job, "attribute", stopping(attribute, 2, first))
    assert located(here / "variant", "--traces", "run-1") == 130
    monkeypatch.setattr(job, "attribute", stopping(attribute, -1, second))
    monkeypatch.setattr(job, "losses_restored", stopping(restore, 1, restored))
    assert located(here / "variant", "--traces", "run-1") == 130
    done, again = keys_of(first), keys_of(second)
    assert len(done) >= 2
    assert len(restored) == 1
    assert sorted(done + again) == [f"key-{n}" for n in range(7)]
    monkeypatch.setattr(job, "losses_restored", restore)
    (kept,) = (tmp_path / "reports" / "locate").iterdir()
    lines = [json.loads(line) for line in kept.read_text().splitlines() if line]
    lines = [line for line in lines if "key" in line]
    of = {line["key"]: {"key": line["key"], "trace": line["trace"]} for line in lines}
    with kept.open("a") as file:
        for broken in (
            {**of["key-0"], "restored": [0]},
            {**of["key-1"], "restored": {"a": True}},
            {**of["key-2"], "losses": [], "mends": {}},
            {**of["key-3"], "losses": [], "parents_losses": [], "mends": {}, "slopes": [1]},
            *({"key": 1}, [], {"key": "key-1"}),
            *({"modules": []}, {"modules": {"a": {"rows": 1}}}),
            {"modules": {BROKEN: dict.fromkeys(FACTS, -1)}},
        ):
            file.write(json.dumps(broken) + "\n")
        file.write('{"key": "key-0", "mends": [\n{"key": "key-3", "lo')
    resumed = figures("resumed")
    kept.unlink()
    assert figures("anew") == resumed
    # Another trace under the same key, in the same run, has figures of its own.
    stored = kept.read_text()
    kept.write_text(stored.replace('"trace": "', '"trace": "0'))
    monkeypatch.setattr(job, "attribute", stopping(attribute, -1, third := []))
    assert figures("of others") == resumed
    assert len(keys_of(third)) == 7
    kept.write_text(stored)
    # All is there: nothing is computed, and no model is opened for it.
    for name in ("attribute", "losses_restored", "open_stack"):
        monkeypatch.setattr(job, name, None)
    assert figures("kept") == resumed


def refused(capfd, *words):
    capfd.readouterr()
    assert located(*words) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) <= 2
    return lines[0]


def test_what_cannot_be_meant_is_refused_in_a_sentence(here, models, tmp_path, capfd):
    traces = ("--traces", "run-1")
    assert "is 64 x 32 in the variant and 96 x 32 in the parent" in refused(
        capfd, here / "variant", *traces, "--parent", here / "wide"
    )
    assert "the same files: nothing differs" in refused(capfd, here / "parent", *traces)
    assert "has no passing traces of questions that run-1 does not pass" in refused(
        capfd, here / "variant", "--traces", "run-1", "--broken", "run-1", "--suite", "sums"
    )
    assert "no traces of suite other" in refused(
        capfd, here / "variant", *traces, "--suite", "other"
    )
    assert "runs on engine openai" in refused(capfd, "http://localhost:1/v1", *traces)


def test_a_model_with_experts_is_refused(here, tmp_path, capfd):
    settings = {"num_local_experts": 2, "num_experts_per_tok": 1}
    for name in ("experts", "parents"):
        tiny_checkpoint.save(tmp_path / name, dtype="float32", family="Mixtral", **settings)
    words = (tmp_path / "experts", "--traces", "run-1", "--parent", tmp_path / "parents")
    assert "cannot be taken layer by layer" in refused(capfd, *words)


def test_another_tokenizer_is_refused(here, tmp_path, capfd):
    tiny_checkpoint.save(tmp_path / "other", dtype="float32")
    file = tmp_path / "other" / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    first, second = [name for name, number in vocabulary.items() if number in (7, 40)]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    file.write_text(json.dumps(content))
    words = ("--traces", "run-1", "--parent", here / "parent")
    assert "means other tokens: token 7 is" in refused(capfd, tmp_path / "other", *words)
