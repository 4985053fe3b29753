"""`lrmtest compress`, as a user gives it, on a real if tiny model."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

import pytest
from fault_server import FaultServer
from sums import add, suite

torch = pytest.importorskip("torch")

import tiny_checkpoint  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from lrmtest.cli import main  # noqa: E402
from lrmtest.compress.gguf.tools import find_tool  # noqa: E402
from lrmtest.compress.llmcompressor.environment import find_llmcompressor  # noqa: E402
from lrmtest.errors import ModelError  # noqa: E402
from lrmtest.models.cards import load_cards  # noqa: E402
from lrmtest.models.gguf.from_safetensors import safetensors_to_gguf  # noqa: E402
from lrmtest.models.resolve import resolve, sampling_defaults  # noqa: E402
from lrmtest.options.exit_codes import INFRASTRUCTURE  # noqa: E402
from lrmtest.runs.store import Store  # noqa: E402

QUICK = ("--calibration-samples", "4", "--calibration-tokens", "64")


@pytest.fixture
def here(tmp_path, monkeypatch, tiny):
    """A folder with the model in it, as `tiny`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").symlink_to(tiny)
    return tmp_path


def compress(*words):
    return main(["compress", *words])


def prune(out, *words, model="./tiny", quick=QUICK):
    words = words or ("--method", "sparsegpt", "--sparsity", "0.5")
    return compress(model, "-o", out, *words, *quick)


def tensors(folder):
    return load_file(Path(folder) / "model.safetensors")


def made_of(folder):
    return json.loads((Path(folder) / "lrmtest-compression.json").read_text())


def test_a_variant_is_known_by_its_card(here, capsys):
    assert prune("out/tiny-50", "--method", "sparsegpt", "--sparsity", "0.5") == 0
    printed = capsys.readouterr()
    assert "mlp.down_proj" in printed.out
    assert "50 %" in printed.out
    assert "pytest suites/... --model out/tiny-50" in printed.out
    spec = resolve("out/tiny-50", load_cards())
    card = spec.card
    assert (spec.name, spec.engine, card.parent) == ("tiny-50", "transformers", "tiny")
    assert card.compression.method == "sparsegpt"
    assert card.compression.sparsity == 0.5
    assert card.compression.bits_per_weight == 16
    assert card.parameters == resolve("./tiny", {}).card.parameters
    assert card.context_length == 512
    assert "50 % zeros in the layers' matrices" in card.note
    assert sampling_defaults(spec) == sampling_defaults(resolve("./tiny", {}))
    assert sorted(path.name for path in Path("out").iterdir()) == ["tiny-50"]
    record = made_of("out/tiny-50")
    assert record["figures"]["sparsity"] == 0.5
    assert len(record["figures"]["modules"]) == 14
    assert record["versions"]["torch"]


def test_the_recipe_makes_it_again(here):
    assert prune("a", "--method", "wanda", "--pattern", "2:4", "--protect", "random:10%") == 0
    recipe = resolve("a", {}).card.compression.recipe
    command, _, calibrated = recipe.partition(" # ")
    assert "fresh questions" in calibrated
    assert made_of("a")["recipe"] == recipe
    words = shlex.split(command)
    assert words[:5] == ["lrmtest", "compress", "./tiny", "-o", "a"]
    assert main([*words[1:], "-o", "again"]) == 0
    before, after = tensors("a"), tensors("again")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert made_of("a")["made_of"] == made_of("again")["made_of"]


def test_the_same_command_again_does_nothing(here, capsys):
    assert prune("v") == 0
    written = (here / "v" / "model.safetensors").stat().st_mtime_ns
    assert prune("v") == 0
    assert "holds this variant already" in capsys.readouterr().out
    assert (here / "v" / "model.safetensors").stat().st_mtime_ns == written
    assert prune("v", "--method", "sparsegpt", "--sparsity", "0.6") == 2
    assert "sparsity is 0.5 there, 0.6 now" in capsys.readouterr().err
    assert (here / "v" / "model.safetensors").stat().st_mtime_ns == written
    assert prune("v", "--method", "sparsegpt", "--sparsity", "0.6", "--force") == 0
    assert resolve("v", {}).card.compression.sparsity == pytest.approx(0.6, abs=1e-3)
    assert sorted(path.name for path in here.iterdir() if path.is_dir()) == [
        *("lrmtest-cache", "tiny", "v")
    ]


def test_a_changed_parent_is_another_variant(here, tmp_path, capsys):
    tiny_checkpoint.save(tmp_path / "mine")
    assert prune("v", model="./mine") == 0
    tiny_checkpoint.save_model(tmp_path / "mine", initializer_range=0.2)
    assert prune("v", model="./mine") == 2
    assert "files differs" in capsys.readouterr().err


def test_random_controls_differ_by_seed_alone(here):
    words = ("--method", "magnitude", "--sparsity", "0.5", "--protect", "random:like:last:mlp")
    assert prune("a", *words) == 0
    assert prune("b", *words, "--seed", "1") == 0
    a, b = (made_of(folder)["figures"] for folder in "ab")
    assert a["protected_share"] == pytest.approx(b["protected_share"], abs=1e-3)
    assert [m["protected"] for m in a["modules"]] != [m["protected"] for m in b["modules"]]
    mlp = sum(m["weights"] for m in a["modules"] if "layers.1.mlp" in m["name"])
    assert a["protected_share"] == pytest.approx(
        mlp / sum(m["weights"] for m in a["modules"]), 0.01
    )


def test_a_gguf_file_can_be_pruned(here, tiny):
    safetensors_to_gguf(tiny, here / "tiny.gguf")
    words = ("--method", "magnitude", "--sparsity", "0.5", "--protect", "last:mlp")
    assert prune("v", *words, model="./tiny.gguf") == 0
    before, after = tensors(tiny), tensors("v")
    assert after.keys() <= before.keys()
    for name, tensor in after.items():
        assert tensor.dtype == torch.bfloat16
        if "norm" in name or "embed" in name or "layers.1.mlp" in name or "lm_head" in name:
            assert torch.equal(tensor, before[name])
        else:
            assert int((tensor == 0).sum()) == tensor.numel() // 2
            assert torch.equal(tensor[tensor != 0], before[name][tensor != 0])
    assert resolve("v", {}).card.parent == "tiny"


def test_a_card_of_ones_own_is_inherited_from(here):
    (here / "pyproject.toml").write_text(
        '[tool.lrmtest.models.mine]\ncheckpoint = {path = "tiny"}\ntemperature = 0.3\n'
        'reasoning_tags = ["<r>", "</r>"]\nsystem_prompt = "Think."\nengine = "llamacpp"\n'
    )
    assert prune("v", model="mine") == 0
    card = resolve("v", {}).card
    assert (card.parent, card.temperature, card.system_prompt) == ("mine", 0.3, "Think.")
    assert card.reasoning_tags == ("<r>", "</r>")
    assert card.engine == "llamacpp"  # this tokenizer's rules are known there
    assert resolve("v", {}, engine="llamacpp").engine == "llamacpp"


def test_traces_of_a_run(here, pytester, monkeypatch, capsys):
    pytester.makepyfile(test_sums=suite())
    with FaultServer(answer=add) as server:
        pytester.runpytest_inprocess("--model", f"tiny={server.url}", "--limit", "5")
    reports = ("--reports-dir", str(pytester.path / "reports"))
    monkeypatch.chdir(here)
    words = ("--method", "sparsegpt", "--sparsity", "0.5", "--calibration", "traces:last")
    assert prune("v", *words, *reports) == 0
    run = Store(pytester.path / "reports" / "lrmtest.sqlite", create=False).run("last").run_id
    recipe = resolve("v", {}).card.compression.recipe
    assert f"--calibration traces:{run}" in recipe
    assert f"calibrated on traces of run {run} (sums): 4 sequences" in recipe
    assert prune("elsewhere", *words) == INFRASTRUCTURE
    assert "no store" in capsys.readouterr().err


def test_a_text_file(here, capsys):
    (here / "corpus.txt").write_text("The quick brown fox jumps over the lazy dog. " * 40)
    words = ("--method", "wanda", "--sparsity", "0.5", "--calibration", "corpus.txt")
    assert prune("v", *words) == 0
    assert "calibrated on corpus.txt: 4 sequences, 256 tokens" in made_of("v")["recipe"]


def test_pytest_takes_the_folder(here, pytester, monkeypatch):
    monkeypatch.chdir(here)
    assert prune("v") == 0
    folder = here / "v"
    monkeypatch.chdir(pytester.path)
    pytester.makepyfile(test_sums=suite())
    result = pytester.runpytest_inprocess("--model", str(folder), "--collect-only", "-q")
    result.stdout.fnmatch_lines(["*::test_sums?q0?"])
    assert result.ret == 0


@pytest.mark.engine
def test_a_run_knows_how_its_model_was_made(here, pytester, monkeypatch):
    monkeypatch.chdir(here)
    assert prune("tiny-50") == 0
    folder = here / "tiny-50"
    monkeypatch.chdir(pytester.path)
    pytester.makepyfile(test_sums=suite())
    result = pytester.runpytest_inprocess(
        *("--model", str(folder), "--limit", "2", "--max-tokens", "8"),
        *("--reports-dir", "reports"),
    )
    result.stdout.fnmatch_lines(["*sums*"])
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        model = store.run("last:tiny-50").manifest.model
    assert model.compression.to_json() == {
        "method": "sparsegpt",
        "bits_per_weight": 16,
        "sparsity": 0.5,
    }


@pytest.mark.engine
def test_a_model_that_was_trained_loses_least_by_sparsegpt(here):
    lost = {}
    for method in ("sparsegpt", "wanda", "magnitude"):
        words = ("--method", method, "--sparsity", "0.5")
        quick = ("--calibration-samples", "16")
        assert prune(method, *words, model="tiny-lrm", quick=quick) == 0
        errors = {m["name"]: m["error"] for m in made_of(method)["figures"]["modules"]}
        lost[method] = sum(errors.values()) / len(errors)
    # Some of its heads are zero already, which Wanda, row by row, makes nothing of.
    assert lost["sparsegpt"] < 0.7 * min(lost["wanda"], lost["magnitude"])
    card = resolve("sparsegpt", load_cards()).card
    assert (card.parent, card.temperature, card.max_tokens) == ("tiny-lrm", 0.0, 512)


@pytest.mark.engine
@pytest.mark.parametrize(
    ("words", "method", "least", "most"),
    [
        ("--type Q8_0", "gguf", 8.5, 8.7),
        ("--type Q4_0 --no-imatrix --protect last:mlp", "dynamic-gguf", 6, 9),
        ("--type Q8_0 --tensor ffn_down=Q4_0", "dynamic-gguf", 6, 8.5),
    ],
)
def test_a_gguf_variant(here, words, method, least, most):
    have("llama-quantize")
    quick = () if "--no-imatrix" in words else QUICK
    assert prune("v", "--method", "gguf", *words.split(), quick=quick) == 0
    spec = resolve("v", load_cards())
    assert (spec.name, spec.engine, spec.card.parent) == ("v", "llamacpp", "tiny")
    assert spec.card.compression.method == method
    assert least < spec.card.compression.bits_per_weight < most
    assert words in spec.card.compression.recipe.replace("'", "")
    assert prune("v", "--method", "gguf", *words.split(), quick=quick) == 0


def have(tool):
    """Skip where a program of llama.cpp is missing."""
    try:
        find_tool(tool)
    except ModelError as error:
        pytest.skip(str(error))


@pytest.mark.engine
def test_a_gptq_variant(here):
    try:
        find_llmcompressor()
    except ModelError as error:
        pytest.skip(str(error))
    words = ("--method", "gptq", "--bits", "4", "--group-size", "32", "--protect", "last:mlp")
    assert prune("v", *words) == 0
    spec = resolve("v", load_cards())
    assert (spec.name, spec.engine, spec.card.compression.method) == ("v", "vllm", "gptq")
    assert 4 < spec.card.compression.bits_per_weight < 16
    assert "4-bit weights, group size 32" in spec.card.note


def test_a_tool_that_is_missing(here, capsys, monkeypatch):
    monkeypatch.setenv("LRMTEST_LLMCOMPRESSOR", str(here / "nowhere"))
    assert prune("v", "--method", "awq", "--bits", "4", "--group-size", "32") == 2
    assert "LRMTEST_LLMCOMPRESSOR" in capsys.readouterr().err
    assert not list(here.glob("*v"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--method sparsgpt --sparsity 0.5", "did you mean sparsegpt?"),
        ("--method sparsegpt", "either --sparsity or --pattern"),
        ("--method sparsegpt --sparsity 0.5 --pattern 2:4", "either --sparsity or --pattern"),
        ("--method sparsegpt --sparsity nan", "--sparsity nan is not above 0"),
        ("--method sparsegpt --sparsity 0", "use the model itself"),
        ("--method sparsegpt --sparsity 50", "--sparsity 50 is not above 0 and below 1"),
        ("--method wanda --pattern 3:4", "one of 2:4, 4:8"),
        ("--method wanda --sparsity 0.5 --bits 4", "--bits is an option of gptq, awq"),
        ("--method wanda --sparsity 0.5 --group-size 4", "--group-size is an option of gptq"),
        ("--method magnitude --sparsity 0.5 --type Q2_K", "--type is an option of gguf"),
        ("--method magnitude --sparsity 0.5 --tensor a=Q2_K", "--tensor is an option of gguf"),
        ("--method magnitude --sparsity 0.5 --recipe x", "--recipe is an option of gguf"),
        ("--method magnitude --sparsity 0.5 --no-imatrix", "--imatrix is an option of gguf"),
        ("--method gguf --type Q2_K --sparsity 0.5", "--sparsity is an option of sparsegpt"),
        ("--method gptq --bits 4 --pattern 2:4", "--pattern is an option of sparsegpt"),
        ("--method gguf", "--type or --recipe"),
        ("--method gguf --type Q2_K --tensor Q2_K", "is not PATTERN=TYPE"),
        ("--method gguf --recipe absent", "no recipe 'absent'"),
        ("--method gguf --type Q2_K --no-imatrix --calibration fresh", "without an importance"),
        ("--method gptq", "needs --bits"),
        ("--method wanda --sparsity 0.5 --seed 1", "--seed has nothing to draw"),
        ("--method wanda --sparsity 0.5 --protect last:mlp --seed 1", "--seed has nothing to draw"),
        ("--method wanda --sparsity 0.5 --protect lost:mlp", "matches none of the 14 modules"),
        ("--method wanda --sparsity 0.5 --protect random:2", "no share of the weights"),
        ("--method wanda --sparsity 0.5 --calibration absent.txt", "there is no such file"),
        ("--method wanda --sparsity 0.5 --calibration traces:", "of which run?"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(here, capsys, words, message):
    assert compress("./tiny", "-o", "v", *words.split()) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert not (here / "v").exists()
    assert not list(here.glob(".v*"))


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ("http://localhost:8000/v1", 2, "is an endpoint: there are no weights"),
        ("mine=http://localhost:8000/v1", 2, "is an endpoint: there are no weights"),
        ("recorded:outputs.jsonl", 2, "is a recording: there are no weights"),
        ("absent", 2, "there is no model 'absent'"),
        ("./absent", 2, "no file or folder"),
        ("r1-distill-llama-8b-awq-4bit", 2, "is not published; make it"),
        ("./empty", 2, "holds no model"),
    ],
)
def test_models_without_weights_are_refused(here, capsys, given, code, message):
    (here / "outputs.jsonl").write_text("")
    (here / "empty").mkdir()
    assert prune("v", model=given) == code
    assert message in capsys.readouterr().err
    assert not (here / "v").exists()


def test_other_folders_are_left_alone(here, tmp_path, capsys):
    tiny_checkpoint.save(tmp_path / "full")
    before = sorted((tmp_path / "full").iterdir())
    for force in ((), ("--force",)):
        words = ("--method", "magnitude", "--sparsity", "0.5")
        assert prune("full", *words, *force) == 2
        assert "no variant made here" in capsys.readouterr().err
    assert sorted((tmp_path / "full").iterdir()) == before
    (tmp_path / "file").write_text("x")
    assert prune("file") == 2
    assert "is a file" in capsys.readouterr().err
    assert prune("file/v") == INFRASTRUCTURE
    assert "cannot write" in capsys.readouterr().err


def test_a_variant_is_not_replaced_by_its_own_child(here, capsys):
    assert prune("v") == 0
    words = ("--method", "wanda", "--sparsity", "0.6", "--force")
    assert prune("v", *words, model="./v") == 2
    assert "is the folder of the model itself" in capsys.readouterr().err
    assert resolve("v", {}).card.compression.method == "sparsegpt"


def test_a_variant_can_be_a_parent(here):
    assert prune("v", "--method", "magnitude", "--sparsity", "0.3") == 0
    assert prune("w", "--method", "magnitude", "--sparsity", "0.6", model="./v") == 0
    card = resolve("w", {}).card
    assert card.parent == "v"
    assert card.compression.sparsity == pytest.approx(0.6, abs=1e-3)
    assert "lrmtest-card.toml" not in made_of("w")["made_of"]["files"]


def test_a_quantized_parent_is_refused(here, tmp_path, capsys):
    folder = tiny_checkpoint.save(tmp_path / "q")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 32}
    (folder / "config.json").write_text(json.dumps(config))
    assert prune("v", model="./q") == 2
    assert "lrmtest: " in capsys.readouterr().err


def test_the_budget_is_the_models_context_at_most(here):
    (here / "long.txt").write_text("word " * 4000)
    words = ("--method", "magnitude", "--sparsity", "0.5", "--calibration", "long.txt")
    assert prune("v", *words, quick=("--calibration-samples", "2")) == 0
    assert "2 sequences, 1024 tokens" in made_of("v")["recipe"]


def test_the_card_is_toml_that_a_person_can_read(here):
    assert prune("v") == 0
    text = (here / "v" / "lrmtest-card.toml").read_text()
    assert tomllib.loads(text)["compression"]["method"] == "sparsegpt"
    assert text.startswith('name = "v"\nparent = "tiny"\n')


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit):
        compress("--help")
    text = capsys.readouterr().out
    for option in ("--protect", "--calibration", "--pattern", "--recipe", "--group-size"):
        assert option in text
