"""GPTQ and AWQ with the real llmcompressor, where there is one; what is refused, everywhere."""

import json
import subprocess
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import prepared
import pytest
import tiny_checkpoint
from asking import Session, ask

from lrmtest.compress.llmcompressor.environment import VARIABLE, find_llmcompressor
from lrmtest.compress.llmcompressor.quantize import quantize_weights
from lrmtest.compress.protect import Protection, parse_protect
from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.tokenizers.checkpoint_files import unpacking
from lrmtest.models.engines.transformers.engine import TransformersEngine
from lrmtest.models.local import measure
from lrmtest.models.spec import ModelSpec

torch = pytest.importorskip("torch")

TEXTS = [f"<s>[user]What is {n} plus {n}?[assistant]<think>\n{2 * n}</think>" for n in range(6)]
KEPT = ("model.layers.0.self_attn.o_proj", "model.layers.1.mlp.down_proj")
MATRICES = 14
LOCATED_PACKED = Path(tiny_checkpoint.__file__).with_name("located_packed.py")


ONESHOT = """
import sys
from llmcompressor import oneshot
from llmcompressor.modifiers.quantization import QuantizationModifier
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="bfloat16")
recipe = QuantizationModifier(targets="Linear", scheme="INT8", ignore=["lm_head"])
oneshot(model=model, recipe=recipe)
model.save_pretrained(sys.argv[2], save_compressed=True)
"""


def located(variant, parent):
    """What `located_packed.py` prints of a variant."""
    words = map(str, (LOCATED_PACKED, variant, parent))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with prepared.begin(*words, torch=True, **pipes) as process:
        out, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A random model, half of whose first layer's weights are zeros."""
    from safetensors.torch import load_file, save_file

    folder = tiny_checkpoint.save(
        tmp_path_factory.mktemp("parents") / "tiny", hidden_size=64, intermediate_size=128
    )
    path = folder / "model.safetensors"
    weights = load_file(path)
    for name, weight in weights.items():
        if ".layers.0." in name and weight.ndim == 2:
            weight[:, ::2] = 0
    save_file(weights, path, metadata={"format": "pt"})
    path.chmod(0o644)
    (folder / "LICENSE").write_text("as you like")
    (folder / "lrmtest-card.toml").write_text("name = 'parent'")
    (folder / "recipe.yaml").write_text("of the parent")
    return folder


@pytest.fixture(scope="module")
def llmcompressor():
    """The real one of this machine; skips where there is none."""
    try:
        return find_llmcompressor()
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def quick(llmcompressor, tmp_path_factory):
    """A Python that forks one which has imported llmcompressor; else the real one itself."""
    folder = tmp_path_factory.mktemp("quick") / "environment"
    found = prepared.environment(VARIABLE, folder)
    return found / "bin" / "python" if found else llmcompressor.python


@pytest.fixture(scope="module")
def make(llmcompressor, quick, parent, tmp_path_factory):
    """Quantizes once for each set of arguments; to 4 bits in a process as a user's."""
    made = {}

    def make(method, bits, protect=KEPT):
        key = (method, bits, protect)
        if key not in made:
            out = tmp_path_factory.mktemp("variants") / f"{method}-{bits}"
            out.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(VARIABLE, str(llmcompressor.python if bits == 4 else quick))
                variant = quantize_weights(
                    parent,
                    out,
                    method=method,
                    bits=bits,
                    group_size=32,
                    protection=parse_protect(protect, 0),
                    texts=TEXTS,
                    tokens=64,
                    tell=lambda _: None,
                )
            made[key] = (variant, out)
        return made[key]

    return make


def weights_of(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


real = pytest.mark.parametrize(("method", "bits"), [("gptq", 4), ("gptq", 2), ("awq", 3)])


@pytest.mark.engine
@pytest.mark.timeout(1800)
class TestReal:
    @real
    def test_only_what_is_not_protected_is_quantized(self, make, parent, method, bits):
        variant, out = make(method, bits)
        before, after = weights_of(parent), weights_of(out)
        for name in before:
            quantized = ".layers." in name and before[name].ndim == 2
            if name.removesuffix(".weight") in KEPT:
                assert after[name].dtype == torch.bfloat16
                # AWQ moves scales between neighbours; nothing else touches what is protected.
                same = torch.equal(before[name], after[name])
                assert same or method == "awq"
            elif quantized and bits == 4:
                assert after[name.replace(".weight", ".weight_packed")].dtype == torch.int32
            elif quantized:
                assert not torch.equal(before[name], after[name])
            elif method == "gptq":
                assert torch.equal(before[name], after[name])
        rescaled = any("rescaled" in note for note in variant.notes)
        assert rescaled == (method == "awq")

    @real
    def test_bits_per_weight_count_scales_and_zero_points(self, make, parent, method, bits):
        variant, out = make(method, bits)
        before = weights_of(parent)
        total = sum(weight.numel() for weight in before.values())
        quantized = sum(
            weight.numel()
            for name, weight in before.items()
            if ".layers." in name and weight.ndim == 2 and name.removesuffix(".weight") not in KEPT
        )
        # Each group of 32 has a scale of 16 bits and, but for GPTQ at 4 bits, a zero point.
        per_weight = bits + (16 + (0 if bits == 4 else bits)) / 32
        expected = (16 * (total - quantized) + per_weight * quantized) / total
        assert variant.bits_per_weight == pytest.approx(expected, rel=0.005)
        method_, stored = measure(out).compression.method, measure(out).compression.bits_per_weight
        if bits == 4:
            assert (method_, stored) == ("compressed-tensors", variant.bits_per_weight)
        else:
            assert (method_, stored) == ("none", pytest.approx(16))

    @real
    def test_the_rest_of_the_checkpoint_is_the_parents(self, make, parent, method, bits):
        _, out = make(method, bits)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "LICENSE"):
            assert (out / name).read_bytes() == (parent / name).read_bytes()
        names = {path.name for path in out.iterdir()}
        assert not {"lrmtest-card.toml", "job.json", "result.json"} & names
        assert not [name for name in names if name.startswith(".")]
        assert "of the parent" not in (out / "recipe.yaml").read_text()
        assert (out / "model.safetensors").stat().st_mode & 0o777 == 0o644

    def test_unpacked_weights_are_few_values_in_each_group(self, make, parent):
        variant, out = make("gptq", 2)
        assert "quantization_config" not in json.loads((out / "config.json").read_text())
        assert any("unpacked" in note for note in variant.notes)
        before, after = weights_of(parent), weights_of(out)
        for name, weight in after.items():
            if ".layers." not in name or weight.ndim != 2:
                continue
            values = max(len(group.unique()) for group in weight.reshape(-1, 32))
            error = (weight.float() - before[name].float()).norm() / before[name].float().norm()
            if name.removesuffix(".weight") in KEPT:
                assert (values > 4, error) == (True, 0)
            else:
                assert values <= 4
                assert 0.05 < error < 0.9

    def test_unpacked_ones_run_like_any_checkpoint(self, make):
        from transformers import AutoModelForCausalLM

        _, out = make("awq", 3)
        assert unpacking(str(out)) == {}
        model = AutoModelForCausalLM.from_pretrained(out)
        with torch.no_grad():
            assert model(torch.arange(20)[None]).logits.isfinite().all()

    def test_zeros_that_stay_are_counted(self, make, parent):
        variant, out = make("gptq", 2)
        before, after = weights_of(parent), weights_of(out)
        names = [n for n, w in before.items() if ".layers." in n and w.ndim == 2]
        names = [name for name in names if name.removesuffix(".weight") not in KEPT]
        zeros = sum(int(((before[n] == 0) & (after[n] == 0)).sum()) for n in names)
        assert variant.sparsity == pytest.approx(zeros / sum(before[n].numel() for n in names))
        assert variant.sparsity > 0.2

    def test_experts_are_quantized_one_by_one(self, quick, tmp_path, monkeypatch):
        from transformers import AutoModelForCausalLM

        monkeypatch.setenv(VARIABLE, str(quick))
        source, out = tmp_path / "moe", tmp_path / "out"
        sizes = {"hidden_size": 64, "intermediate_size": 64, "moe_intermediate_size": 32}
        experts = {"num_experts": 4, "num_experts_per_tok": 2, "head_dim": 16}
        tiny_checkpoint.save(source, family="Qwen3Moe", **sizes, **experts)
        out.mkdir()
        variant = quantize_weights(
            source,
            out,
            method="gptq",
            bits=2,
            group_size=32,
            protection=parse_protect(["layers.1.mlp.experts.2.down_proj"], 0),
            texts=TEXTS,
            tokens=64,
            tell=lambda _: None,
        )
        assert not [note for note in variant.notes if "not quantized" in note]
        before, after = weights_of(source), weights_of(out)
        same = {name for name in before if torch.equal(before[name], after[name])}
        assert {name for name in same if ".mlp." in name} == {
            "model.layers.0.mlp.gate.weight",
            "model.layers.1.mlp.gate.weight",
            "model.layers.1.mlp.experts.2.down_proj.weight",
        }
        with torch.no_grad():
            model = AutoModelForCausalLM.from_pretrained(out)
            assert model(torch.arange(20)[None]).logits.isfinite().all()

    def test_packed_ones_load_as_nearly_the_same_weights(self, make, parent, quick):
        """In the other environment: whether lrmtest's own has compressed-tensors is its affair."""
        _, out = make("gptq", 4)
        ask = (
            "import sys, json, torch\n"
            "from transformers import AutoModelForCausalLM as M, CompressedTensorsConfig as C\n"
            "how = {'quantization_config': C(dequantize=True)}\n"
            "b = M.from_pretrained(sys.argv[2], dtype=torch.float32, **how).state_dict()\n"
            "a = M.from_pretrained(sys.argv[1], dtype=torch.float32).state_dict()\n"
            "off = {n: ((a[n] - b[n]).norm() / a[n].norm()).item() for n in a}\n"
            "print(json.dumps(off))\n"
        )
        done = subprocess.run(
            [quick, "-I", "-c", ask, parent, out],
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr
        errors = json.loads(done.stdout)
        quantized = {name for name, error in errors.items() if error}
        assert len(quantized) == MATRICES - len(KEPT)
        assert all(0.01 < errors[name] < 0.25 for name in quantized)

    def test_packed_ones_are_located_in(self, make, parent):
        _, out = make("gptq", 4)
        found = located(out, parent)
        quantized = {name for name, error in found["off"].items() if error}
        assert quantized == found["off"].keys() - KEPT
        assert len(quantized) == MATRICES - len(KEPT)
        assert all(0.01 < found["off"][name] < 0.25 for name in quantized)
        # What was kept mends nothing, all together mend all, and 4 bits and a scale are bought up.
        assert {name for name, mend in found["mends"].items() if mend} == quantized
        assert found["lost"]
        assert found["rest"] == pytest.approx(0, abs=1e-3)
        assert found["suggested"].keys() <= quantized
        for name, bits in found["suggested"].items():
            whole = 8 if ".layers.0." in name else 16  # zeros of the parent's take none
            assert bits == pytest.approx(whole - 4.5, abs=0.2)

    def test_whole_checkpoints_of_its_own_are_located_in(self, quick, tmp_path):
        """W8A8, weights and activations of 8 bits, as its own entry makes and saves them."""
        parent = tiny_checkpoint.save(tmp_path / "parent")
        words = [quick, "-I", "-c", ONESHOT, parent, tmp_path / "w8a8"]
        subprocess.run(words, capture_output=True, check=True, timeout=600)
        config = json.loads((tmp_path / "w8a8" / "config.json").read_text())["quantization_config"]
        assert config["format"] == "int-quantized"
        assert config["config_groups"]["group_0"]["input_activations"]["num_bits"] == 8
        found = located(tmp_path / "w8a8", parent)
        assert len(found["off"]) == MATRICES
        assert all(0.002 < error < 0.02 for error in found["off"].values())
        assert found["lost"]
        assert found["rest"] == pytest.approx(0, abs=1e-3)

    def test_packed_ones_run_or_say_what_they_need(self, make):
        _, out = make("gptq", 4)
        config = json.loads((out / "config.json").read_text())["quantization_config"]
        assert {*KEPT, "lm_head"} <= set(config["ignore"])
        spec = ModelSpec("q", ModelCard("q"), "transformers", str(out))
        engine = TransformersEngine(spec, EngineOptions(device="cpu"))
        if find_spec("compressed_tensors"):
            assert unpacking(str(out))["quantization_config"].dequantize
            with Session(engine, [ask("Hi", budget=8)]) as session:
                assert session.run(ask("Hi", budget=8))[0].completion_tokens
        else:
            with pytest.raises(ModelError, match="pip install compressed-tensors") as missing:
                engine.start([], lambda _: None)
            assert "environment of lrmtest" in missing.value.hint


@pytest.mark.parametrize("config", ['{"quantization_config": {"quant_method": "awq"}}', "{}"])
def test_other_checkpoints_load_as_ever(tmp_path, config):
    assert unpacking(str(tmp_path)) == {}
    (tmp_path / "config.json").write_text(config)
    assert unpacking(str(tmp_path)) == {}
    assert unpacking(str(tmp_path / "model.gguf")) == {}


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """An environment that is there, and whose Python then does something else."""

    def stand_in(script):
        python = tmp_path / "env" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\n[ "$2" = -c ] && echo 0.14.0 && exit\n{script}\n')
        python.chmod(0o755)
        monkeypatch.setenv(VARIABLE, str(tmp_path / "env"))

    return stand_in


@pytest.fixture
def quantize(parent, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    return partial(
        quantize_weights,
        parent,
        out,
        method="gptq",
        bits=4,
        group_size=32,
        protection=Protection(),
        texts=TEXTS,
        tokens=64,
        tell=lambda _: None,
    )


class TestRefused:
    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"method": "rtn"}, "no method 'rtn'"),
            ({"bits": 5}, "5 bits"),
            ({"bits": -4}, "-4 bits"),
            ({"group_size": 0}, "group of 0"),
            ({"group_size": -2}, "group of -2"),
            ({"texts": []}, "calibration texts"),
            ({"texts": ["", " "]}, "calibration texts"),
            ({"tokens": 0}, "0 tokens"),
            ({"protection": parse_protect(["self_attn", "mlp"], 0)}, "everything is protected"),
        ],
    )
    def test_numbers_that_cannot_be_meant(self, quantize, changed, message):
        with pytest.raises(UsageError, match=message):
            quantize(**changed)

    def test_a_group_that_does_not_divide_the_rows(self, quantize):
        with pytest.raises(
            UsageError, match=r"groups of 48 do not divide the \d+ columns"
        ) as refused:
            quantize(group_size=48)
        assert "groups of 64 fit all" in refused.value.hint

    def test_protected_matrices_need_no_whole_groups(self, quantize, stand_in):
        stand_in("echo nothing more; exit 1")
        protection = parse_protect(["self_attn", "gate_proj", "up_proj"], 0)
        with pytest.raises(ModelError, match="llmcompressor failed"):
            quantize(group_size=128, protection=protection)
        with pytest.raises(UsageError, match="groups of 128"):
            quantize(group_size=128)

    def test_a_pattern_that_protects_nothing(self, quantize):
        with pytest.raises(UsageError, match="down_porj"):
            quantize(protection=parse_protect(["down_porj"], 0))

    def test_what_is_quantized_already(self, quantize, tmp_path):
        (tmp_path / "config.json").write_text('{"quantization_config": {"bits": 4}}')
        with pytest.raises(ModelError, match="quantized already"):
            partial(quantize_weights, tmp_path, *quantize.args[1:], **quantize.keywords)()

    @pytest.mark.parametrize("config", [None, "[]", "{", "\xff"])
    def test_what_is_no_checkpoint(self, quantize, tmp_path, config):
        if config is not None:
            (tmp_path / "config.json").write_text(config, encoding="latin-1")
        with pytest.raises(ModelError, match=r"config\.json"):
            partial(quantize_weights, tmp_path, *quantize.args[1:], **quantize.keywords)()


class TestFailures:
    def test_there_is_no_environment(self, quantize, monkeypatch, tmp_path):
        monkeypatch.setenv(VARIABLE, str(tmp_path / "absent"))
        with pytest.raises(ModelError, match="no Python is there") as missing:
            quantize()
        assert "python3 -m venv" in missing.value.hint

    @pytest.mark.parametrize(
        ("line", "message", "hint"),
        [
            ("ImportError: cannot import name 'oneshot'", "incomplete", "python3 -m venv"),
            ("torch.OutOfMemoryError: CUDA out of memory.", "do not fit in memory", "fewer"),
            ("OSError: [Errno 28] No space left on device", "disk is full", "make room"),
        ],
    )
    def test_known_ones(self, quantize, stand_in, line, message, hint):
        stand_in(f'echo "Traceback (most recent call last):"; echo "{line}"; exit 1')
        with pytest.raises(ModelError, match=message) as failed:
            quantize()
        assert hint in failed.value.hint
        assert list(quantize.args[1].iterdir()) == []

    def test_others(self, quantize, stand_in):
        stand_in('echo "ValueError: AWQ knows no mappings for Foo"; exit 1')
        with pytest.raises(ModelError, match="AWQ knows no mappings for Foo"):
            quantize()

    def test_the_job_is_complete(self, quantize, stand_in, tmp_path):
        """What the worker is told, as it is told; the real one reads the same file."""
        stand_in(f'cp "$3" {tmp_path}/told.json; exit 1')
        with pytest.raises(ModelError):
            quantize(method="awq", protection=parse_protect(["last:mlp.down_proj"], 0))
        job = json.loads((tmp_path / "told.json").read_text())
        assert job["ignore"][-1] == "model.layers.1.mlp.down_proj"
        assert (job["symmetric"], job["dense"], job["texts"]) == (False, False, TEXTS)
