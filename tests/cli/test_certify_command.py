"""`lrmtest certify`, of traces that a tiny random model has drawn, with damaged copies of it."""

from __future__ import annotations

import json
import shutil
from array import array
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from tiny_checkpoint import save_model, save_tokenizer  # noqa: E402
from written_traces import draw_traces  # noqa: E402

from lrmtest.cli import main  # noqa: E402
from lrmtest.grading.completion import Completion  # noqa: E402
from lrmtest.grading.verdict import Verdict  # noqa: E402
from lrmtest.models.engines.base import Message  # noqa: E402
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer  # noqa: E402
from lrmtest.models.gguf.from_safetensors import converted  # noqa: E402
from lrmtest.models.reading import Shaping  # noqa: E402
from lrmtest.models.tokenizer_identity import tokenizer_identity  # noqa: E402
from lrmtest.runs.manifest import (  # noqa: E402
    ChatSection,
    EngineSection,
    Manifest,
    ModelSection,
    SuiteSection,
)
from lrmtest.runs.store import STORE_NAME, Store  # noqa: E402

OK, MISTAKE, UNDECIDED = 0, 2, 10
ASKED = {("sums", f"q{n}"): (Message("user", f"{n} + {n % 7}"),) for n in range(40)}
SHAPING = Shaping(0.8, 0.9)
RIGHT = Verdict(True, 1.0, "1", None, True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folders of the writer, of a copy that hardly differs, and of a damaged one."""
    from transformers import AutoModelForCausalLM

    found = {}
    for name, damage in (("writer", None), ("near", 1e-3), ("damaged", 0.1)):
        folder = found[name] = tmp_path_factory.mktemp("models") / name
        save_tokenizer(folder)
        save_model(folder, dtype="float32", vocab_size=261)  # every token has a name
        if damage is not None:
            model = AutoModelForCausalLM.from_pretrained(folder)
            with torch.no_grad():
                for weight in model.parameters():
                    weight.copy_(torch.where(weight.abs() < damage, 0.0, weight))
            model.save_pretrained(folder)
    return found


@pytest.fixture(scope="module")
def traces(folders):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folders["writer"]).eval()
    chat = ChatTokenizer.load(str(folders["writer"]), ("<think>", "</think>"))
    prompts = [chat.encode(turns) for turns in ASKED.values() for _ in range(2)]
    return draw_traces(model, prompts, SHAPING, 6)


@pytest.fixture
def here(tmp_path, monkeypatch, folders, traces):
    monkeypatch.chdir(tmp_path)
    store_run(tmp_path, folders, traces)
    return tmp_path


def store_run(folder, folders, traces, end="length", asked=ASKED):
    """A run with these traces, all of whose samples passed."""
    manifest = Manifest(
        temperature=SHAPING.temperature,
        top_p=SHAPING.top_p,
        model=ModelSection(name="writer"),
        chat=ChatSection(tokenizer=tokenizer_identity(str(folders["writer"]))),
        suites={"sums": SuiteSection()},
    )
    with Store(folder / "reports" / STORE_NAME) as store:
        store.add_run("run-1", "writer", "identity", manifest)
        store.add_questions(
            "run-1",
            [
                (*key, None, [(turn.role, turn.content) for turn in turns])
                for key, turns in asked.items()
            ],
        )
        for one in traces:
            completion = Completion("text", end, 4, len(one.trace.tokens), 0, seed=1)
            store.add_completion("run-1", one.place, completion, trace=one.trace)
        store.set_verdicts("run-1", [(one.place.key, RIGHT) for one in traces])


def certify(folder, *words):
    return main(
        ["certify", str(folder), "--baseline", "run-1", "--device", "cpu", *map(str, words)]
    )


def test_a_copy_is_certified_and_a_damaged_one_is_not(here, folders, capfd):
    assert certify(folders["writer"], "--json", here / "c.json") == OK
    printed = " ".join(capfd.readouterr().out.split())
    assert "read: 80 traces of 40 questions" in printed
    assert "certified: a drop of 10 points is excluded by reading" in printed
    assert "neither made nor chosen with these traces" in printed
    assert "Its prompts were made and are the traces', token by token (40 questions)." in printed
    found = json.loads((here / "c.json").read_text())
    assert found["certificate"]["certified"]
    assert found["certificate"]["unknown"] == 0
    assert found["certificate"]["variation"] < 1e-3
    assert certify(folders["near"]) == OK
    assert certify(folders["damaged"]) == UNDECIDED
    printed = " ".join(capfd.readouterr().out.split())
    assert "reading cannot settle it: pass rate is not settled" in printed
    assert "regressed" not in printed.replace("calls none regressed", "")


def with_template(folder, copy, change):
    """A copy of a model with another chat template."""
    shutil.copytree(folder, copy)
    path = copy / "chat_template.jinja"
    path.write_text(change(path.read_text()))
    return copy


def test_another_template_that_makes_other_prompts_certifies_nothing(here, folders, capfd):
    other = with_template(
        folders["writer"], here / "other", lambda text: text.replace("[assistant]", "[model]")
    )
    assert certify(other, "--json", here / "c.json") == UNDECIDED
    printed = " ".join(capfd.readouterr().out.split())
    assert "prompts are cut otherwise: 40 of 40, as of sums q0: " in printed
    assert "is 76 ('m') here and is 64 ('a') there" in printed
    assert "may fall by" not in printed  # nothing was read, so nothing is said of that
    assert json.loads((here / "c.json").read_text())["certificate"]["same_prompts"] == 0
    with Store(here / "reports" / STORE_NAME) as store:
        [head] = store.readings.heads()
        assert not store.readings.keys(head.reading_id)
    # Reading alone goes on, and says so.
    assert main(["read", str(other), "--traces", "run-1", "--device", "cpu"]) == OK
    assert "prompts are cut otherwise" in capfd.readouterr().err
    assert certify(other) == UNDECIDED


def test_another_template_that_makes_the_same_prompts_is_as_good(here, folders):
    other = with_template(folders["writer"], here / "other", lambda text: "{# new #}" + text)
    assert certify(other) == OK


def test_another_system_prompt_makes_other_prompts(here, folders, capfd):
    (here / "cards.toml").write_text(
        f'[models.brief]\nengine = "transformers"\nparameters = 0.001\n'
        f'system_prompt = "Be brief."\n'
        f'[models.brief.checkpoint]\npath = "{folders["writer"]}"\n'
    )
    assert certify("brief", "--cards", here / "cards.toml") == UNDECIDED
    assert "prompts are cut otherwise: 40 of 40" in " ".join(capfd.readouterr().out.split())


def test_a_file_of_another_form_is_certified_where_its_prompts_are_the_same(here, folders, capfd):
    pytest.importorskip("gguf")
    path = converted(folders["writer"])
    # Its tokenizer is told by another mark than the parent's, which alone shows nothing.
    assert tokenizer_identity(str(path)).startswith("gguf ")
    words = ("--engine", "transformers", "--parent", folders["writer"])
    assert certify(path, *words) == OK
    assert "are the traces', token by token (40 questions)" in " ".join(
        capfd.readouterr().out.split()
    )


def test_where_nobody_knows_what_was_asked_the_files_have_to_tell(
    tmp_path, monkeypatch, folders, traces, capfd
):
    monkeypatch.chdir(tmp_path)
    store_run(tmp_path, folders, traces, asked={})
    assert certify(folders["writer"]) == OK
    assert "that it is asked with the traces' prompts" in " ".join(capfd.readouterr().out.split())
    pytest.importorskip("gguf")
    words = ("--engine", "transformers", "--parent", folders["writer"])
    assert certify(converted(folders["writer"]), *words) == UNDECIDED
    assert "nothing shows that prompts become the same tokens" in " ".join(
        capfd.readouterr().out.split()
    )


def test_what_was_read_is_not_read_again(here, folders, capfd):
    assert certify(folders["writer"]) == OK
    with Store(here / "reports" / STORE_NAME) as store:
        [head] = store.readings.heads(run_id="run-1")
        assert len(store.readings.keys(head.reading_id)) == 80
    assert certify(folders["writer"], "--mde", "0.2") == OK
    with Store(here / "reports" / STORE_NAME) as store:
        assert len(store.readings.heads(run_id="run-1")) == 1


def test_an_end_token_that_nobody_has_seen_certifies_nothing(
    tmp_path, monkeypatch, folders, traces, capfd
):
    monkeypatch.chdir(tmp_path)
    store_run(tmp_path, folders, traces, end="stop")
    assert certify(folders["writer"]) == UNDECIDED
    shown = " ".join(capfd.readouterr().out.split())
    assert "not read: 80 traces of 40 questions" in shown
    assert "none of 80 traces that ended by themselves tells its end token" in shown


def test_traces_that_do_not_tell_their_probabilities_need_their_writer(
    tmp_path, monkeypatch, folders, traces, capfd
):
    silent = [replace(one, trace=replace(one.trace, logprobs=array("f"))) for one in traces]
    monkeypatch.chdir(tmp_path)
    store_run(tmp_path, folders, silent)
    assert certify(folders["near"]) == MISTAKE
    assert "tells how probable its tokens were" in capfd.readouterr().err
    assert certify(folders["near"], "--parent", folders["writer"]) == OK


@pytest.mark.parametrize("field", ["temperature", "top_p", "min_p"])
def test_traces_of_which_nobody_knows_how_they_were_drawn_are_refused(here, folders, field, capfd):
    with Store(here / "reports" / STORE_NAME) as store:
        head = store.run("run-1")
        engine = EngineSection(engine="openai", details={"left_out": ["seed", field]})
        store.note("run-1", replace(head.manifest, engine=engine))
    words = f"how the traces were drawn is not known: their server takes no {field}"
    assert certify(folders["writer"]) == MISTAKE
    assert words in " ".join(capfd.readouterr().err.split())
    assert main(["read", str(folders["writer"]), "--traces", "run-1", "--device", "cpu"]) == MISTAKE
    assert words in " ".join(capfd.readouterr().err.split())


def test_half_of_the_traces_gone_is_as_if_they_were_lost(
    tmp_path, monkeypatch, folders, traces, capfd
):
    monkeypatch.chdir(tmp_path)
    store_run(tmp_path, folders, traces[:40])
    # Forty traces of twenty questions suffice; as a part of eighty samples they do not.
    assert certify(folders["writer"]) == OK
    with Store(tmp_path / "reports" / STORE_NAME) as store:
        for one in traces[40:]:
            completion = Completion("text", "length", 4, len(one.trace.tokens), 0, seed=1)
            store.add_completion("run-1", one.place, completion)
        store.set_verdicts("run-1", [(one.place.key, RIGHT) for one in traces[40:]])
    assert certify(folders["writer"], "--whole-run") == UNDECIDED
    assert "40 of them with nothing known" in capfd.readouterr().out


def test_another_baselines_traces_are_refused(here, folders, traces, capfd):
    with Store(here / "reports" / STORE_NAME) as store:
        head = store.head("run-1")
        store.add_run("other", "writer", "identity-2", head.manifest)
        one = traces[0]
        completion = Completion("text", "length", 4, len(one.trace.tokens), 0, seed=1)
        store.add_completion("other", one.place, completion, trace=one.trace)
        store.set_verdicts("other", [(one.place.key, RIGHT)])
    assert certify(folders["writer"], "--traces", "other") == 11
    assert "traces of run other" in capfd.readouterr().err
