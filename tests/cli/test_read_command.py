"""`lrmtest read`, of traces that a tiny random model has drawn, with a pruned copy of it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from math import exp
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from reading_server import reading_server  # noqa: E402
from tiny_checkpoint import save_model, save_tokenizer  # noqa: E402
from written_traces import draw_traces  # noqa: E402

from lrmtest.cli import main  # noqa: E402
from lrmtest.errors import MachineryError  # noqa: E402
from lrmtest.grading.completion import Completion  # noqa: E402
from lrmtest.grading.verdict import Verdict  # noqa: E402
from lrmtest.models.engines.http.identity import EndpointModel  # noqa: E402
from lrmtest.models.reading import Shaping  # noqa: E402
from lrmtest.models.tokenizer_identity import tokenizer_identity  # noqa: E402
from lrmtest.runs.manifest import ChatSection, Manifest, ModelSection  # noqa: E402
from lrmtest.runs.reading_table import ReadingTable  # noqa: E402
from lrmtest.runs.store import STORE_NAME, Store  # noqa: E402

PROMPTS = [[257, n // 2 % 3, 40, 7] for n in range(8)]
SHAPING = Shaping(0.8, 0.9)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folders of the writer and of a reader with all small weights at 0."""
    from transformers import AutoModelForCausalLM

    found = {}
    for name in ("writer", "reader"):
        folder = found[name] = tmp_path_factory.mktemp("models") / name
        save_tokenizer(folder)
        save_model(folder, dtype="float32")
    model = AutoModelForCausalLM.from_pretrained(found["reader"])
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.where(weight.abs() < 0.1, 0.0, weight))
    model.save_pretrained(found["reader"])
    return found


@pytest.fixture(scope="module")
def traces(folders):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folders["writer"]).eval()
    return draw_traces(model, PROMPTS, SHAPING, 8)


@pytest.fixture
def here(tmp_path, monkeypatch, folders, traces):
    monkeypatch.chdir(tmp_path)
    store_run(tmp_path, folders, traces)
    return tmp_path


def store_run(folder, folders, traces, shaping=SHAPING, request=None, tokenizer=None):
    """A run with these traces, graded."""
    told = tokenizer_identity(str(folders["writer"])) if tokenizer is None else tokenizer
    manifest = Manifest(
        temperature=shaping.temperature,
        top_p=shaping.top_p,
        model=ModelSection(name="writer", request=request),
        chat=ChatSection(tokenizer=told),
    )
    with Store(folder / "reports" / STORE_NAME) as store:
        store.add_run("run-1", "writer", "identity", manifest)
        for one in traces:
            completion = Completion("text", "stop", 4, len(one.trace.tokens), 0, seed=1)
            store.add_completion("run-1", one.place, completion, trace=one.trace)
        right = Verdict(True, 1.0, "1", None, True)
        store.set_verdicts("run-1", [(one.place.key, right) for one in traces])


def read(*words):
    return main(["read", *map(str, words), "--traces", "last", "--device", "cpu"])


def test_figures_go_to_the_terminal_and_to_files(here, folders, traces, capfd):
    files = {name: here / f"out.{name}" for name in ("json", "csv", "markdown", "tokens")}
    words = [word for name, path in files.items() for word in (f"--{name}", path)]
    assert read(folders["reader"], "--parent", folders["writer"], *words) == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert "reader reads writer (run-1)" in printed
    assert "summed over the whole distributions" in printed
    assert "Floor, writer read by itself" in printed
    found = json.loads(files["json"].read_text())
    assert (found["total"]["questions"], found["total"]["traces"]) == (4, 8)
    assert found["total"]["s_exact"]
    assert found["total"]["s_low"] == found["total"]["s_high"] > 0
    assert found["floor"]["variation"] < 1e-3
    assert found["floor"]["traces"] == 8
    rows = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert [row["key"] for row in rows] == [one["key"] for one in found["traces"]]
    lines = [json.loads(line) for line in files["tokens"].read_text().splitlines()]
    by_key = {one.place.key: one for one in traces}
    for line, figures in zip(lines, found["traces"], strict=True):
        assert line["tokens"] == list(by_key[line["key"]].trace.tokens)
        assert sum(line["variation"]) == pytest.approx(figures["s_low"], abs=1e-5)
    markdown = files["markdown"].read_text()
    assert markdown.count("\n| sums | q") == 4
    kinds = found["token_kinds"]
    assert kinds["tokens"] == found["total"]["tokens"]
    assert kinds["variation"] == pytest.approx(sum(map(sum, (one["variation"] for one in lines))))
    assert sum(one["share"] for one in kinds["kinds"]) == pytest.approx(1)
    assert "kind of token share of TV 95 % of tokens" in printed
    assert "| kind of token | share of TV |" in markdown


def test_without_the_writer_figures_are_estimates_and_say_so(here, folders, capfd):
    assert read(folders["reader"], "--json", here / "a.json") == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert "total variation is estimated from the traces' tokens" in printed
    assert "estimated from the tokens" in printed
    found = json.loads((here / "a.json").read_text())
    assert not found["total"]["s_exact"]
    assert found["floor"] is None
    assert found["total"]["writers_loss"] is None
    for trace in found["traces"]:
        if trace["log_weight_low"] is not None:
            assert trace["own_share_low"] == pytest.approx(min(1, exp(trace["log_weight_low"])))


def test_what_was_read_stays_and_the_same_command_goes_on(here, folders, monkeypatch, capfd):
    added = []
    add = ReadingTable.add

    def stopped(self, reading_id, readings):
        if len(added) == 3:
            raise KeyboardInterrupt
        added.append(reading_id)
        add(self, reading_id, readings)

    with monkeypatch.context() as patch:
        patch.setattr(ReadingTable, "add", stopped)
        assert read(folders["reader"]) == 130
    with Store(here / "reports" / STORE_NAME) as store:
        (head,) = store.readings.heads()
        assert len(store.readings.keys(head.reading_id)) == 3
        assert head.finished is None
    added.clear()
    monkeypatch.setattr(
        ReadingTable,
        "add",
        lambda self, name, readings: added.append(name) or add(self, name, readings),
    )
    assert read(folders["reader"]) == 0
    assert added == [head.reading_id] * 5
    assert read(folders["reader"]) == 0  # nothing is left to read, no model is loaded
    assert len(added) == 5
    with Store(here / "reports" / STORE_NAME) as store:
        (head,) = store.readings.heads()
        assert head.finished is not None
    # Other settings are another reading.
    assert read(folders["reader"], "--dtype", "bfloat16") == 0
    assert len(added) == 13


def test_a_suite_that_has_no_traces_is_a_mistake(here, folders, capfd):
    assert read(folders["reader"], "--suite", "aime") == 2
    assert "no traces of suite aime" in capfd.readouterr().err


def test_other_tokens_are_refused(here, folders, traces, tmp_path_factory, capfd):
    other = tmp_path_factory.mktemp("other")
    save_model(other, dtype="float32")
    save_tokenizer(other)
    path = other / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    swapped = {0: 40, 40: 0}
    content["model"]["vocab"] = {name: swapped.get(i, i) for name, i in vocabulary.items()}
    path.write_text(json.dumps(content))
    assert read(other) == 2
    assert "--parent MODEL" in capfd.readouterr().err
    assert read(other, "--parent", folders["writer"]) == 2
    assert f"{other.name} means other tokens: token 0 is" in capfd.readouterr().err


def test_traces_that_lack_logprobs_are_read_by_their_writer_too(
    here, folders, traces, tmp_path_factory, monkeypatch, capfd
):
    from array import array

    folder = tmp_path_factory.mktemp("bare")
    monkeypatch.chdir(folder)
    bare = [replace(one, trace=replace(one.trace, logprobs=array("f"))) for one in traces]
    store_run(folder, folders, bare)
    assert read(folders["reader"]) == 2
    assert "--parent writer" in capfd.readouterr().err
    assert read(folders["reader"], "--parent", folders["writer"], "--json", "a.json") == 0
    assert "The traces do not tell how probable their tokens were" in capfd.readouterr().out
    found = json.loads(Path("a.json").read_text())
    assert found["reread"]
    assert found["floor"] is None


@pytest.mark.parametrize(
    ("request_fields", "status"),
    [({"repetition_penalty": 1.2}, 2), ({"repetition_penalty": 1.0, "top_k": 0}, 0)],
)
def test_draws_that_cannot_be_repeated_are_refused(
    folders, traces, tmp_path, monkeypatch, capfd, request_fields, status
):
    monkeypatch.chdir(tmp_path)
    store_run(tmp_path, folders, traces, request=request_fields)
    assert read(folders["reader"]) == status
    assert ("repetition_penalty" in capfd.readouterr().err) == (status == 2)


def test_an_endpoint_reads_with_bounds(here, folders, capfd):
    with reading_server("vllm") as (url, asked):
        assert read(f"served={url}", "--json", here / "a.json") == 0
        assert len(asked) >= 8
        assert read(f"served={url}") == 0
    captured = capfd.readouterr()
    assert "an endpoint's tokenizer is not seen" in captured.err
    printed = " ".join(captured.out.split())
    assert "likeliest tokens are shown" in printed
    assert "What the traces' tokens say is not known here" in printed
    found = json.loads((here / "a.json").read_text())
    assert found["total"]["s_low"] <= found["total"]["s_high"]
    assert found["token_kinds"] is None
    # Whoever reads them with files tells it for all that is read then.
    assert read(folders["reader"]) == 0
    assert "not known here" not in " ".join(capfd.readouterr().out.split())


def test_replicas_read_and_whoever_of_them_is_there_goes_on(here, folders, capfd):
    with reading_server("vllm") as (one, of_one), reading_server("vllm") as (two, of_two):
        assert read(f"served={one},{two}", "--json", here / "a.json") == 0
        first = json.loads((here / "a.json").read_text())["total"]
        count = len(of_one) + len(of_two)
        # The same model elsewhere is known again, and reads nothing twice.
        assert read(f"served={two},{one}", "--json", here / "a.json") == 0
        assert json.loads((here / "a.json").read_text())["total"] == first
        assert len(of_one) + len(of_two) == count
        assert read(f"alone={one}", "--json", here / "a.json") == 0
        assert json.loads((here / "a.json").read_text())["total"]["s_low"] == first["s_low"]
    assert "an endpoint's tokenizer is not seen" in capfd.readouterr().err


def test_a_server_that_breaks_is_no_mistake_of_the_user(here, capfd):
    with reading_server("vllm", change=lambda *_: (200, {"choices": []})) as (url, _):
        assert read(f"served={url}") == 11
    assert "prompt_logprobs" in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["vllm", "llamacpp"])
def test_what_an_endpoint_read_belongs_to_the_model_that_it_served(here, folders, kind, capfd):
    """Another model behind the URL, of which its server tells the same, reads for itself."""
    serves = ["first"]

    def figures():
        assert read(f"served={url}", "--json", here / "a.json") == 0
        return json.loads((here / "a.json").read_text())["total"]

    with reading_server(kind, salt=lambda: serves[0]) as (url, asked):
        first, count = figures(), len(asked)
        assert figures() == first
        assert len(asked) == count  # the same model is known again, and reads nothing twice
        serves[0] = "second"
        second = figures()
        assert len(asked) == 2 * count
        assert second["s_low"] != first["s_low"]
        serves[0] = "first"
        assert figures() == first  # what each has read is still there
        serves[0] = "second"
        assert figures() == second
        assert len(asked) == 2 * count
    with Store(here / "reports" / STORE_NAME) as store:
        heads = store.readings.heads(run_id="run-1")
    assert len({head.identity for head in heads}) == 1
    assert len({head.manifest.served["probe"] for head in heads}) == 2


def test_a_model_that_changes_while_it_reads_ends_the_reading(here, folders, capfd):
    """The server breaks off and comes back with another model: nothing of that is kept."""
    serves, answered = ["first"], []

    def change(status, answer):
        answered.extend([answer] * (status == 200))  # it refuses to show so many tokens first
        if len(answered) == 4:
            serves[0] = "second"
            return 503, {"error": {"message": "loading model", "code": 503}}
        return status, answer

    with reading_server("vllm", salt=lambda: serves[0], change=change) as (url, _):
        assert read(f"served={url}", "--concurrency", "1") == 11
    assert "started again with another model" in " ".join(capfd.readouterr().err.split())
    with Store(here / "reports" / STORE_NAME) as store:
        (head,) = store.readings.heads()
        assert len(store.readings.keys(head.reading_id)) == 3


def test_an_endpoint_that_answers_no_probe_is_read_and_never_taken_for_the_same(
    here, folders, monkeypatch, capfd
):
    def refuses(self):
        raise MachineryError("it does not answer")

    monkeypatch.setattr(EndpointModel, "measure", refuses)
    with reading_server("vllm") as (url, asked):
        assert read(f"served={url}") == 0
        assert "what is read now is read again" in " ".join(capfd.readouterr().err.split())
        count = len(asked)
        assert read(f"served={url}") == 0
        assert len(asked) == 2 * count
