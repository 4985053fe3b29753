"""`lrmtest locate --generate` and `--curve`: a tiny random model with one module broken."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import tiny_checkpoint  # noqa: E402
from written_traces import draw_traces  # noqa: E402

from lrmtest.cli import main  # noqa: E402
from lrmtest.grading.completion import Completion  # noqa: E402
from lrmtest.grading.verdict import Verdict  # noqa: E402
from lrmtest.locate import sets  # noqa: E402
from lrmtest.locate.generating import restored_runs  # noqa: E402
from lrmtest.models.reading import Shaping  # noqa: E402
from lrmtest.models.tokenizer_identity import tokenizer_identity  # noqa: E402
from lrmtest.questions.question import Question  # noqa: E402
from lrmtest.runs.manifest import (  # noqa: E402
    ChatSection,
    Manifest,
    ModelSection,
    SuiteSection,
)
from lrmtest.runs.store import STORE_NAME, Store  # noqa: E402

PROMPTS = [[257, n // 2 % 3, 40, 7] for n in range(6)]
BROKEN = "model.layers.1.mlp.up_proj"
DRAWS = 3
"""Random sets, for 20."""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folder of the models, and the parent's traces."""
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("models")
    tiny_checkpoint.save(folder / "parent", dtype="float32")
    model = AutoModelForCausalLM.from_pretrained(folder / "parent").eval()
    traces = draw_traces(model, PROMPTS, Shaping(1.0), 6)
    with torch.no_grad():
        dict(model.named_parameters())[f"{BROKEN}.weight"].zero_()
    tiny_checkpoint.save_tokenizer(folder / "variant")
    model.save_pretrained(folder / "variant")
    return folder, traces


@pytest.fixture
def here(tmp_path, monkeypatch, models):
    """A store with the parent's run of three questions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sets, "RANDOM_DRAWS", DRAWS)
    folder, traces = models
    manifest = Manifest(
        temperature=1.0,
        top_p=1.0,
        seed=5,
        suites={"sums": SuiteSection(max_tokens=5, samples=2, answer_kinds=("integer",))},
        model=ModelSection(name=str(folder / "parent")),
        chat=ChatSection(tokenizer=tokenizer_identity(str(folder / "parent"))),
    )
    with Store(tmp_path / "reports" / STORE_NAME) as store:
        for run, of in (("run-1", manifest), ("greedy", Manifest.from_json(manifest.to_json()))):
            store.add_run(run, str(folder / "parent"), run, of)
            store.add_questions(
                run,
                [
                    (
                        "sums",
                        name,
                        Question(name, "sums", {"problem": name}, ("7",), "integer"),
                        [("user", f"{name}?")],
                    )
                    for name in ("q0", "q1", "q2")
                ],
            )
            for one in traces:
                completion = Completion("text", "stop", 4, len(one.trace.tokens), 0, seed=1)
                store.add_completion(run, one.place, completion, trace=one.trace)
            right = Verdict(True, 1.0, "7", None, True)
            store.set_verdicts(run, [(one.place.key, right) for one in traces])
    return folder


def located(*words):
    return main(["locate", *map(str, words), "--device", "cpu", "--confirm", "0"])


def generated():
    """The texts of each run of the store that was made, by model and place."""
    (path,) = Path("reports/locate").glob(f"*/{STORE_NAME}")
    with Store(path, create=False) as store:
        return {
            head.model: {
                (one.place.question_id, one.place.sample): (one.completion.text, one.created)
                for one in store.completions(head.run_id)
            }
            for head in store.runs()
        }


def test_what_passes_is_measured_with_the_weights_really_restored(here, monkeypatch, capfd):
    words = (here / "variant", "--traces", "run-1", "--generate", 2, "--curve", "0.2,0.5")
    files = [
        word for name in ("json", "csv", "html", "markdown") for word in (f"--{name}", f"o.{name}")
    ]
    assert located(*words, "--curve-draws", 1, *files) == 0
    first = json.loads(Path("o.json").read_text())
    assert (first["passes"]["questions"], first["passes"]["samples"]) == (3, 6)
    # Five random tokens answer nothing, but the parent's own verdicts are in the store.
    assert first["passes"]["parent"]["value"] == 1
    assert first["passes"]["variant"]["value"] == first["passes"]["restored"]["value"] == 0
    assert not first["passes"]["confirmed"]
    texts = {
        model: {place: text for place, (text, _) in of.items()} for model, of in generated().items()
    }
    assert all(len(of) == 6 for of in texts.values())
    # One module alone differs: with it restored the variant is the parent, with all others not.
    restored = [of for model, of in texts.items() if of != texts["variant"]]
    assert len(restored) >= 3
    assert all(of == restored[0] for of in restored)
    # And graded as if what the parent writes were right.
    wanted = set(restored[0].values())

    def grade(question, completion, *given, **named):
        right = completion.text in wanted
        return Verdict(right, float(right), None, None if right else "wrong", right)

    monkeypatch.setattr(restored_runs, "grade", grade)
    for path in Path("reports").glob("locate/*/*"):
        path.unlink()
    assert located(*words, "--curve-draws", 1, *files) == 0
    capfd.readouterr()
    again = json.loads(Path("o.json").read_text())
    passed = again["passes"]
    assert passed["restored"]["value"] == 1
    assert passed["variant"]["value"] < 1
    assert passed["gain"]["value"] == pytest.approx(1 - passed["variant"]["value"])
    assert passed["gain"]["paired_by_sample"]
    assert passed["beaten"] == passed["draws"] == DRAWS
    # Losses were kept, and are not computed anew.
    assert [one["loss"] for one in again["curve"]["by_rank"]] == [
        one["loss"] for one in first["curve"]["by_rank"]
    ]
    points = again["curve"]["by_rank"]
    assert [one["share"] for one in points] == sorted(one["share"] for one in points)
    assert (points[0]["modules"], points[-1]["modules"]) == (0, 14)
    assert points[1]["loss"] == pytest.approx(again["parents_loss"]["value"], rel=1e-4)
    assert [one["passes"]["value"] for one in points[1:]] == [1] * (len(points) - 1)
    assert again["curve"]["last_mlp"]["modules"] == 3
    rows = list(csv.DictReader(Path("o-curve.csv").read_text().splitlines()))
    assert [float(row["share"]) for row in rows if row["restored"] == "by rank"] == [
        one["share"] for one in points
    ]
    page = Path("o.html").read_text(encoding="ascii")
    assert "Pass rate against what is restored" in page
    assert "<script" not in page
    assert "| restored | of the weights | passes | 95 % |" in Path("o.markdown").read_text()


def test_an_interrupted_generation_goes_on_and_loses_nothing(here, monkeypatch):
    words = (here / "variant", "--traces", "run-1", "--generate", 2)
    told, submitted = restored_runs._done_after, []

    def interrupted(before, total, done, own):
        if before + own >= 9:  # in the second set
            raise KeyboardInterrupt
        told(before, total, done, own)

    monkeypatch.setattr(restored_runs, "_done_after", interrupted)
    assert located(*words) == 130
    before = {model: dict(of) for model, of in generated().items()}
    assert len(before["variant"]) == 6
    monkeypatch.setattr(restored_runs, "_done_after", told)
    submit = restored_runs.TransformersEngine.submit

    def noted(engine, requests):
        submitted.extend(requests)
        submit(engine, requests)

    monkeypatch.setattr(restored_runs.TransformersEngine, "submit", noted)
    assert located(*words) == 0
    after = generated()
    kept = 0
    for model, of in before.items():
        kept += len(of)
        for place, one in of.items():
            assert after[model][place] == one
    assert kept >= 9
    assert all(len(of) == 6 for of in after.values())
    assert len(submitted) == 6 * len(after) - kept
    # Now all is there: nothing is loaded, nothing generated.
    monkeypatch.setattr(restored_runs, "TransformersEngine", None)
    assert located(*words) == 0


def refused(capfd, *words):
    capfd.readouterr()
    assert located(*words) == 2
    return capfd.readouterr().err.splitlines()[0]


def test_what_cannot_be_generated_again_is_refused_in_a_sentence(here, tmp_path, capfd):
    words = (here / "variant", "--traces", "run-1", "--generate", 1)
    with Store(tmp_path / "reports" / STORE_NAME) as store:
        head = store.run("run-1")
        own = SuiteSection(max_tokens=5, samples=2, answer_kinds=("own:mine",))
        without = SuiteSection(samples=2, answer_kinds=("integer",))
        for section, said in ((own, "a grader of its own, mine"), (without, "not tell the budget")):
            changed = Manifest.from_json(
                {**head.manifest.to_json(), "suites": {"sums": section.to_json()}}
            )
            store.update_manifest("run-1", changed)
            assert said in refused(capfd, *words)
        greedy = Manifest.from_json({**head.manifest.to_json(), "temperature": 0.0})
        store.update_manifest("run-1", greedy)
        assert "run run-1 is greedy" in refused(capfd, *words[:-1], 2)
    assert "is not in (0, 1]" in refused_option(capfd, "--curve", "0.1,2")


def refused_option(capfd, *words):
    capfd.readouterr()
    with pytest.raises(SystemExit):
        main(["locate", "variant", "--traces", "run-1", *words])
    return capfd.readouterr().err


def test_rows_are_really_restored_where_questions_are_generated(here, monkeypatch):
    words = (here / "variant", "--traces", "run-1", "--generate", 2, "--unit", "row")
    assert located(*words, "--share", 0.01, "--json", "o.json") == 0
    found = json.loads(Path("o.json").read_text())
    rows = found["top"]["rows"]
    assert 0 < len(rows) < 20
    assert all(row.startswith(f"{BROKEN}[") for row in rows)
    assert found["passes"]["draws"] == DRAWS
    (path,) = Path("reports/locate").glob(f"*/{STORE_NAME}")
    with Store(path, create=False) as store:
        restored = {
            tuple(head.manifest.model.to_json().get("restored", {}).get("modules", ()))
            for head in store.runs()
        }
    assert tuple(sorted(rows)) in restored
    # None, the first rows, and the random ones.
    assert len(restored) == 2 + DRAWS
