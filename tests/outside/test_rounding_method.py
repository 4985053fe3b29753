"""A compression method from a package of its own, used as one of lrmtest's."""

import json
import shlex
from pathlib import Path

import prepared
import pytest
from outside import OUTSIDE, install

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from lrmtest.cli import main  # noqa: E402
from lrmtest.models.resolve import resolve  # noqa: E402

ROOT = OUTSIDE.parents[1]
PACKAGE = OUTSIDE / "rounding_method"
SUITE = ROOT / "suites" / "fresh" / "test_fresh_hops.py"
PARENT = ROOT / "lrmtest" / "models" / "tiny_lrm" / "model.safetensors"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder, in a process that finds the package."""
    install(PACKAGE, tmp_path / "site", monkeypatch)
    monkeypatch.setenv("LRMTEST_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def compress(*words):
    return main(["compress", "tiny-lrm", "--method", "rounding", *words])


def test_it_makes_a_variant(here, capsys):
    assert compress("-o", "three", "--bits", "3", "--protect", "last:mlp") == 0
    assert "three, " in capsys.readouterr().out
    before, after = load_file(PARENT), load_file(here / "three" / "model.safetensors")
    assert before.keys() == after.keys()
    layers = max(int(name.split(".")[2]) for name in before if ".layers." in name)
    for name, W in after.items():
        assert W.dtype == before[name].dtype
        if ".layers." not in name or W.ndim == 1 or f".{layers}.mlp." in name:
            assert torch.equal(W, before[name])
        else:
            assert max(len(row.unique()) for row in W) <= 2**3 - 1
            step = before[name].abs().amax(1, keepdim=True) / 3
            assert ((W - before[name]).abs() <= 0.51 * step).all()
    card = resolve("three", {}).card
    assert (card.parent, card.compression.method) == ("tiny-lrm", "rounding")
    assert 3 < card.compression.bits_per_weight < 16
    recipe = card.compression.recipe
    assert recipe == (
        "lrmtest compress tiny-lrm -o three --method rounding --bits 3 --protect last:mlp"
    )
    assert main([*shlex.split(recipe)[1:], "-o", "again"]) == 0
    files = [here / folder / "model.safetensors" for folder in ("three", "again")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_same_command_again_does_nothing(here, capsys):
    assert compress("-o", "v", "--bits", "3") == 0
    assert compress("-o", "v", "--bits", "3") == 0
    assert "holds this variant already" in capsys.readouterr().out
    assert compress("-o", "v", "--bits", "4") == 2
    assert "bits is 3 there, 4 now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--method rounding needs --bits"),
        (("--bits", "4", "--group-size", "8"), "--group-size is an option of gptq, awq, and not"),
        (("--bits", "4", "--calibration", "fresh"), "rounding reads no texts"),
        (("--bits", "4", "--protect", "lost:mlp"), "matches none of"),
    ],
)
def test_mistakes_are_told(here, capsys, words, said):
    assert compress("-o", "v", *words) == 2
    assert said in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_help_knows_it(capsys):
    with pytest.raises(SystemExit):
        main(["compress", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "sparsegpt, wanda, magnitude, gguf, gptq, awq, rounding" in said
    assert "quantization of weights: gptq, awq, rounding: --bits N" in said


@pytest.mark.engine
def test_transformers_loads_what_it_makes(here):
    from transformers import AutoModelForCausalLM

    assert compress("-o", "eight", "--bits", "8") == 0
    after = AutoModelForCausalLM.from_pretrained("eight")
    before = AutoModelForCausalLM.from_pretrained(PARENT.parent)
    tokens = torch.arange(1, 40)[None]
    with torch.no_grad():
        p, q = (model(tokens).logits.log_softmax(-1) for model in (before, after))
    assert float((p.exp() * (p - q)).sum(-1).mean()) < 0.05


@pytest.mark.engine
def test_it_is_swept(here, monkeypatch, capfd):
    prepared.forks(monkeypatch, torch=True)
    words = ["sweep", "tiny-lrm", "-o", "out", "--method", "rounding", "--bits", "8,2"]
    words += ["--suite", str(SUITE), "--pytest", "--fresh-count 4 --max-tokens 64"]
    assert main(words) == 0
    assert "written: out/sweep.md" in capfd.readouterr().out
    table = Path("out/sweep.md").read_text()
    assert "tiny-lrm-rounding-8" in table
    assert "tiny-lrm-rounding-2" in table
    record = json.loads(Path("out/tiny-lrm-rounding-2/lrmtest-compression.json").read_text())
    assert record["made_of"]["bits"] == 2


def test_the_documentation_shows_the_package():
    text = (ROOT / "docs" / "compress.md").read_text()
    for file in ("pyproject.toml", "lrmtest_rounding.py"):
        assert (PACKAGE / file).read_text() in text
