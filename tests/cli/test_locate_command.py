"""`lrmtest locate`, of a tiny random model's traces, with rounded copies of it."""

from __future__ import annotations

import csv
import json
import re
import shlex

import pytest

torch = pytest.importorskip("torch")

import tiny_checkpoint  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from written_traces import draw_traces  # noqa: E402

from lrmtest.cli import main  # noqa: E402
from lrmtest.compress.gguf.names import module_of  # noqa: E402
from lrmtest.compress.protect_file import read_protect_file  # noqa: E402
from lrmtest.grading.completion import Completion  # noqa: E402
from lrmtest.grading.verdict import Verdict  # noqa: E402
from lrmtest.locate import job  # noqa: E402
from lrmtest.models.gguf_header import read_gguf_header  # noqa: E402
from lrmtest.models.reading import Shaping  # noqa: E402
from lrmtest.models.tokenizer_identity import tokenizer_identity  # noqa: E402
from lrmtest.reports.markdown import literal  # noqa: E402
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
    assert "Confirmed ranks: 1 of 5 modules that were really restored." in printed
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


def test_further_layers_are_run_and_what_was_restored_is_not_measured_again(
    here, tmp_path, monkeypatch
):
    from lrmtest.locate import job

    def figures(*words):
        path = tmp_path / "out.json"
        assert located(here / "variant", "--traces", "run-1", "--json", path, *words) == 0
        return json.loads(path.read_text())["modules"]

    one = figures()
    assert figures("--through", 1) == one
    calls, attribute = [], job.attribute
    monkeypatch.setattr(
        job, "attribute", lambda *args, **named: calls.append(named) or attribute(*args, **named)
    )
    monkeypatch.setattr(job, "losses_restored", None)  # it is there
    two = figures("--through", 2)
    assert calls
    assert all(each == {"through_layers": 2} for each in calls)
    # The last layer's module has none behind its own.
    assert [each["module"] for each in two] == [each["module"] for each in one]
    assert two[0] == one[0]
    del calls[:]
    assert figures("--through", 2) == two
    assert figures() == one
    assert calls == []


def test_what_lost_nothing_has_nothing_to_locate(here, capfd):
    assert located(here / "same", "--traces", "run-1") == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert "Next to nothing to locate" in printed
    # How many are restored is a matter of rounding.
    assert re.search(r"Confirmed ranks: none of \d+ modules that were really restored", printed)


def keys_of(portions):
    return [one.place.key for portion in portions for one in portion]


def stopping(function, after, seen):
    """The function, which is interrupted once it was called so often; keeps its traces."""

    def called(*given, **named):
        if len(seen) == after:
            raise KeyboardInterrupt
        seen.append(given[2])
        return function(*given, **named)

    return called


def test_whoever_is_interrupted_goes_on(here, tmp_path, monkeypatch):
    def figures(name):
        path = tmp_path / f"{name}.json"
        assert located(*words, "--json", path) == 0
        return json.loads(path.read_text())

    # Room for more than one module, so that some are attributed beside those already taken.
    words = (here / "variant", "--traces", "run-1", "--share", 0.3)
    monkeypatch.setattr(job, "_HELD_BYTES", 32 * 4 * 3 * 25)  # two traces of 12 tokens at a time
    attribute, restore = job.attribute, job.losses_restored
    first, second, restored = [], [], []
    monkeypatch.setattr(job, "attribute", stopping(attribute, 2, first))
    assert located(*words) == 130
    monkeypatch.setattr(job, "attribute", stopping(attribute, -1, second))
    monkeypatch.setattr(job, "losses_restored", stopping(restore, 1, restored))
    assert located(*words) == 130
    done, again = keys_of(first), keys_of(second)
    assert len(done) >= 2
    assert len(restored) == 1
    assert sorted(done + again) == [f"key-{n}" for n in range(7)]
    monkeypatch.setattr(job, "losses_restored", restore)
    monkeypatch.setattr(job, "attribute", stopping(attribute, 2, beside := []))
    assert located(*words) == 130
    assert len(beside) == 2
    monkeypatch.setattr(job, "attribute", stopping(attribute, -1, rest := []))
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
            *({**of["key-0"], "beside": "a"}, {**of["key-0"], "beside": [], "mends_beside": {}}),
            {**of["key-4"], "beside": "a", "mends_beside": {"b": "c"}},
            *({"modules": []}, {"modules": {"a": {"rows": 1}}}),
            {"modules": {BROKEN: dict.fromkeys(FACTS, -1)}},
        ):
            file.write(json.dumps(broken) + "\n")
        file.write('{"key": "key-0", "mends": [\n{"key": "key-3", "lo')
    resumed = figures("resumed")
    assert len(resumed["top"]["modules"]) > 1
    assert {*keys_of(beside), *keys_of(rest)} == {f"key-{n}" for n in range(7)}
    kept.unlink()
    assert figures("anew") == resumed
    # Another trace under the same key, in the same run, has figures of its own.
    stored = kept.read_text()
    kept.write_text(stored.replace('"trace": "', '"trace": "0'))
    monkeypatch.setattr(job, "attribute", stopping(attribute, -1, third := []))
    assert figures("of others") == resumed
    assert {*keys_of(third)} == {f"key-{n}" for n in range(7)}
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


def kept_bits(folder):
    """By module of a GGUF variant, the type that its tensor has."""
    (file,) = folder.glob("*.gguf")
    return {module_of(tensor.name): tensor.type for tensor in read_gguf_header(file).tensors}


def test_what_is_suggested_is_what_compress_protects(here, tmp_path, capfd):
    words = ("-o", "pruned", "--method", "magnitude", "--sparsity", "0.9")
    quick = ("--calibration-samples", "2", "--calibration-tokens", "16")
    assert main(["compress", str(here / "parent"), *words, *quick]) == 0
    file = tmp_path / "some.toml"
    words = ("--traces", "run-1", "--suggest", "30%", "--suggest-file", file)
    assert located("pruned", *words, "--json", tmp_path / "out.json") == 0
    printed = capfd.readouterr().out
    found = json.loads((tmp_path / "out.json").read_text())["suggestion"]
    names = {one["module"] for one in found["modules"]}
    assert names == {one.name for one in read_protect_file(file)}
    assert 0 < found["bits"] <= 0.3 * found["of_bits"]
    # 90 % of each matrix, 16 bits a weight less: the parent is float32, and has no zeros.
    whole = sum(
        one["weights"] for one in json.loads((tmp_path / "out.json").read_text())["modules"]
    )
    assert found["of_bits"] == pytest.approx(0.9 * 32 * whole, rel=0.01)
    command = next(line for line in printed.splitlines() if line.startswith("next: "))
    made = shlex.split(command.removeprefix("next: "))
    assert made[:2] == ["lrmtest", "compress"]
    assert made[-2:] == ["--protect", f"@{file}"]
    assert main(made[1:]) == 0
    before, after = (
        load_file(folder / "model.safetensors")
        for folder in (here / "parent", tmp_path / "pruned-kept")
    )
    same = {
        name.removesuffix(".weight")
        for name, weight in before.items()
        if ".layers." in name and weight.ndim == 2 and torch.equal(weight, after[name])
    }
    assert same == names
    # The record needs the file no more, and the same command finds that all is made.
    record = json.loads((tmp_path / "pruned-kept" / "lrmtest-compression.json").read_text())
    assert set(record["made_of"]["protect"]) == names
    assert "@" not in record["recipe"]
    file.write_text(file.read_text() + "# read by somebody\n")
    assert main(made[1:]) == 0
    assert "holds this variant already" in capfd.readouterr().out
    # As many at random, none of them among these.
    made[-1], made[made.index("-o") + 1] = f"random:like:@{file}", "pruned-random"
    assert main([*made[1:], "--seed", "3"]) == 0
    assert main(["compress", str(here / "wide"), *made[3:-1], f"@{file}", "-o", "other"]) == 2
    assert "is of another model: model.layers." in capfd.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_suggestion_for_gguf_gives_tensors_a_type_of_few_bits(here, tmp_path, capfd):
    quick = ("--calibration-samples", "4", "--calibration-tokens", "64")
    words = ("-o", "small", "--method", "gguf", "--type", "Q4_0", "--no-imatrix")
    assert main(["compress", str(here / "parent"), *words]) == 0
    before = kept_bits(tmp_path / "small")
    assert located("small", "--traces", "run-1", "--suggest", "0.2", "--confirm", 0) == 0
    printed = capfd.readouterr().out
    file = tmp_path / "reports" / "locate" / "small.protect.toml"
    listed = read_protect_file(file)
    assert {one.type for one in listed} == {"Q8_0"}
    command = next(line for line in printed.splitlines() if line.startswith("next: "))
    assert main(shlex.split(command.removeprefix("next: "))[1:]) == 0
    after = kept_bits(tmp_path / "small-kept")
    names = {one.name for one in listed}
    assert {name for name in before if before[name] != after[name]} == names
    assert {after[name] for name in names} == {"Q8_0"}
    # What does not know types keeps them as they are.
    words = ("-o", "pruned", "--method", "magnitude", "--sparsity", "0.5", *quick)
    assert main(["compress", str(here / "parent"), *words, "--protect", f"@{file}"]) == 0


def test_a_suggestion_that_cannot_be_is_refused_before_anything_is_computed(
    here, monkeypatch, capfd
):
    monkeypatch.setattr(job, "attribute", None)
    traces = ("--traces", "run-1")
    said = refused(capfd, here / "variant", *traces, "--suggest", "2%")
    assert "--suggest 2%: the smallest module, model.layers.1.mlp.up_proj, takes 100 %" in said
    said = refused(capfd, here / "same", *traces, "--suggest", "2%")
    assert "--suggest has nothing to protect" in said
    said = refused(capfd, here / "variant", *traces, "--suggest-file", "a.toml")
    assert "--suggest-file has nothing to write" in said
    for share in ("0", "0%", "101%", "two"):
        capfd.readouterr()
        with pytest.raises(SystemExit):
            located(here / "variant", *traces, "--suggest", share)
        assert "is no share such as 2% or 0.02" in capfd.readouterr().err


def test_rows_are_restored_where_it_mends_and_kept(here, tmp_path, monkeypatch, capfd):
    files = {name: tmp_path / f"out.{name}" for name in ("json", "csv", "markdown", "html")}
    words = [word for name, path in files.items() for word in (f"--{name}", path)]
    assert located(here / "variant", "--traces", "run-1") == 0
    monkeypatch.setattr(job, "attribute", None)  # modules are there
    again = (here / "variant", "--traces", "run-1", *words, "--unit", "row", "--curve", "0.01,0.05")
    assert located(*again) == 0
    printed = " ".join(capfd.readouterr().out.split())
    found = json.loads(files["json"].read_text())
    assert found["modules"][0]["restored"]["confirmed"]
    rows = found["top"]["rows"]
    # Of all others the weights are the same.
    assert rows
    assert all(row.startswith(f"{BROKEN}[") for row in rows)
    assert len(set(rows)) == len(rows)
    weights = {one["module"]: one["weights"] for one in found["modules"]}
    assert 0 < found["top"]["share"] <= 0.02
    assert found["top"]["share"] == pytest.approx(len(rows) * 32 / sum(weights.values()))
    assert f"Restored together: {len(rows)} rows of 1 module, first {rows[0]}" in printed
    assert "Rows restored together, by layer and kind of module" in printed
    lines = list(csv.DictReader(files["csv"].read_text().splitlines()))
    counts = {line["module"]: int(line["rows_restored"]) for line in lines}
    assert counts == dict.fromkeys(weights, 0) | {BROKEN: len(rows)}
    assert literal(rows[0], 80) in files["markdown"].read_text()
    assert "Rows restored together" in files["html"].read_text()
    points = found["curve"]["by_rank"]
    assert [one["rows"] for one in points] == sorted(one["rows"] for one in points)
    (first, *_) = csv.DictReader(tmp_path.joinpath("out-curve.csv").read_text().splitlines())
    assert first["rows"] == "0"
    # Everything was kept, and by modules nothing is other than it was.
    monkeypatch.setattr(job, "row_terms", None)
    monkeypatch.setattr(job, "losses_restored", None)
    assert located(*again) == 0
    assert json.loads(files["json"].read_text()) == found
    assert located(here / "variant", "--traces", "run-1", "--json", files["json"]) == 0
    assert json.loads(files["json"].read_text())["top"]["modules"] == [BROKEN]


def test_kept_rows_that_are_none_are_computed_anew(here, tmp_path, capfd):
    words = ("--traces", "run-1", "--unit", "row", "--confirm", 0)
    words = (here / "variant", *words, "--json", tmp_path / "out.json")
    assert located(*words) == 0
    first = json.loads((tmp_path / "out.json").read_text())
    (kept,) = (tmp_path / "reports" / "locate").glob("*.jsonl")
    lines = []
    for line in map(json.loads, filter(None, kept.read_text().splitlines())):
        if "rows" in line:
            lines += [{**line, "rows": each} for each in ([], {BROKEN: [1.0]}, {BROKEN: ["x"]}, 7)]
        else:
            lines.append(line)
    kept.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert located(*words) == 0
    assert json.loads((tmp_path / "out.json").read_text()) == first


def test_rows_are_not_suggested_and_other_units_not_known(here, capfd):
    words = (here / "variant", "--traces", "run-1")
    assert located(*words, "--unit", "row", "--suggest", "2%") == 2
    assert "--suggest protects whole modules" in capfd.readouterr().err
    with pytest.raises(SystemExit) as refused:
        located(*words, "--unit", "column")
    assert refused.value.code == 2
    assert "invalid choice: 'column'" in capfd.readouterr().err
