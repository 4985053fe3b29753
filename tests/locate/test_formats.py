"""Checkpoints packed in published formats, unpacked to the parent's shapes to be located in."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

torch = pytest.importorskip("torch")

import tiny_checkpoint  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from lrmtest.errors import ModelError  # noqa: E402
from lrmtest.locate.facts import facts_of  # noqa: E402
from lrmtest.locate.suggesting.bits import bits_of  # noqa: E402
from lrmtest.models.engines.options import EngineOptions  # noqa: E402
from lrmtest.models.engines.transformers.on_device import load_model  # noqa: E402
from lrmtest.models.engines.transformers.packed import (  # noqa: E402
    is_unpacked_here,
    packed_settings,
)
from lrmtest.models.engines.transformers.stack import Stack  # noqa: E402
from lrmtest.models.resolve import resolve  # noqa: E402

GROUP = 16
PACKED = ".self_attn.q_proj", ".mlp.down_proj"


def word(integers, bits, order=None):
    """One word of 32 bits, written down bit by bit."""
    order = order or range(len(integers))
    digits = "".join(f"{integers[place]:0{bits}b}" for place in reversed(list(order)))
    number = int(digits, 2)
    return number - (1 << 32) if number >= 1 << 31 else number


def packed(W, bits, form, random):
    """Tensors of a packed matrix, and what it stands for; W is (outputs, inputs)."""
    outputs, inputs = W.shape
    count, per = inputs // GROUP, 32 // bits
    group = [i // GROUP for i in range(inputs)]
    if form == "act-order":
        random.shuffle(group)
    scales = [[(1 + random.randrange(8)) / 64 for _ in range(outputs)] for _ in range(count)]
    most = (1 << bits) - 1
    zeros = [[1 + random.randrange(most) for _ in range(outputs)] for _ in range(count)]
    q = [[random.randrange(most + 1) for _ in range(outputs)] for _ in range(inputs)]
    stands = [
        [scales[group[i]][o] * (q[i][o] - zeros[group[i]][o]) for i in range(inputs)]
        for o in range(outputs)
    ]
    if form == "awq":
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        qweight = [[word(row[o : o + 8], 4, order) for o in range(0, outputs, 8)] for row in q]
        qzeros = [[word(row[o : o + 8], 4, order) for o in range(0, outputs, 8)] for row in zeros]
    else:
        less = 0 if form == "v2" else 1
        stored = [[zero - less for zero in row] for row in zeros]
        qweight = [
            [word([q[i + k][o] for k in range(per)], bits) for o in range(outputs)]
            for i in range(0, inputs, per)
        ]
        qzeros = [[word(row[o : o + per], bits) for o in range(0, outputs, per)] for row in stored]
    parts = {
        "qweight": torch.tensor(qweight, dtype=torch.int32),
        "qzeros": torch.tensor(qzeros, dtype=torch.int32),
        "scales": torch.tensor(scales, dtype=torch.float16),
    }
    if form != "awq":
        parts["g_idx"] = torch.tensor(group, dtype=torch.int32)
    return parts, torch.tensor(stands)


def save_packed(folder, bits, form, change=lambda tensors: None, more=()):
    """A packed model, and by module what its weights stand for."""
    tiny_checkpoint.save(folder, dtype="float16")
    file, random = folder / "model.safetensors", Random(0)
    tensors, stands = load_file(file), {}
    for name in [name for name in tensors if name.removesuffix(".weight").endswith(PACKED)]:
        module = name.removesuffix(".weight")
        parts, stands[module] = packed(tensors.pop(name), bits, form, random)
        tensors |= {f"{module}.{part}": tensor for part, tensor in parts.items()}
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})
    settings = {"quant_method": "awq" if form == "awq" else "gptq", "bits": bits}
    settings |= {"group_size": GROUP}
    if form == "v2":
        settings["checkpoint_format"] = "gptq_v2"
    if form == "awq":
        settings |= {"version": "gemm", "zero_point": True}
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = settings | dict(more)
    (folder / "config.json").write_text(json.dumps(config))
    return stands


def opened(folder):
    return Stack(load_model(resolve(str(folder), {}), EngineOptions(), "cpu", home="cpu"), "cpu")


@pytest.mark.parametrize(
    ("bits", "form"), [(4, "v1"), (8, "v1"), (2, "v2"), (4, "act-order"), (4, "awq")]
)
def test_gptq_and_awq_are_unpacked_to_the_weights_that_they_stand_for(tmp_path, bits, form):
    stands = save_packed(tmp_path / "packed", bits, form)
    stack = opened(tmp_path / "packed")
    tiny_checkpoint.save(tmp_path / "parent", dtype="float16")
    parent = opened(tmp_path / "parent")
    assert stack.shapes == parent.shapes
    assert len(stands) == 4
    for index in range(len(stack.layers)):
        others = parent.linears(index)
        for name, linear in stack.linears(index).items():
            expected = stands.get(name, others[name].weight.detach())
            assert torch.equal(linear.weight.detach(), expected.to(linear.weight.dtype)), name


@pytest.mark.parametrize(
    ("program", "settings"),
    [
        (
            "autoawq",
            {"quant_method": "awq", "zero_point": True, "group_size": 16, "bits": 4}
            | {"version": "gemm", "modules_to_not_convert": None},
        ),
        ("auto_gptq.act_order", {"bits": 4, "desc_act": True}),
        ("auto_gptq.old", {"bits": 8, "desc_act": False}),
    ],
)
def test_what_other_programs_pack_stands_for_what_they_say(tmp_path, program, settings):
    """Matrices by AutoAWQ 0.2.9 (`WQLinear_GEMM`) and AutoGPTQ 0.7.1 (`QuantLinear`), kept.

    `packed_by_others.safetensors` has what their own code has packed on a CPU, and what their own
    code makes of it again; the settings are those that they write into `config.json`.
    """
    kept = load_file(Path(__file__).with_name("packed_by_others.safetensors"))
    parts = {name.partition("|")[2]: kept[name] for name in kept if name.startswith(program)}
    expected = parts.pop("stands for").float()
    if program != "autoawq":
        settings |= {"group_size": 16, "damp_percent": 0.01, "static_groups": False, "sym": False}
        settings |= {"true_sequential": True, "is_marlin_format": False, "quant_method": "gptq"}
    tiny_checkpoint.save(tmp_path, dtype="float16")
    tensors = load_file(tmp_path / "model.safetensors")
    module = "model.layers.1.self_attn.q_proj"
    del tensors[f"{module}.weight"]
    tensors |= {f"{module}.{part}": tensor for part, tensor in parts.items()}
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"] = settings
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = opened(tmp_path).linears(1)[module].weight.detach().float()
    # Theirs are products in 16 bits.
    assert torch.allclose(found, expected, rtol=2e-3, atol=1e-6)
    assert float(expected.std()) > 0.05


KEPT = Path(__file__).with_name("made_by_others.safetensors")
WITH_ACTIVATIONS = {"fp8.dynamic": 0.04, "fp8.static": 0.04, "fp8.block": 0.04, "gptq.w8a8": 0.02}
WEIGHTS_ALONE = {
    "gptq.w4a16": 0.2,
    "awq.w4a16_asym": None,  # which scales the weights first
    "autoround.gptq": 0.2,
    "autoround.awq": 0.2,
}
SCHEMES = WITH_ACTIVATIONS | WEIGHTS_ALONE
"""By checkpoint, how far its weights may be from the parent's."""


def of_kept(name):
    """The tensors of a checkpoint, by the rest of their names."""
    with safe_open(KEPT, "pt") as file:
        names = [each for each in file.keys() if each.startswith(f"{name}|")]  # noqa: SIM118
        return {each.partition("|")[2]: file.get_tensor(each) for each in names}


def save_made(folder, scheme, change=lambda tensors, settings: None):
    """A whole checkpoint that another program has made, and some weights as that program has them.

    `made_by_others.safetensors` has, for each, the tensors of all linear modules as
    llm-compressor's `oneshot` (0.14) or AutoRound's `quantize_and_save` (0.15, GPTQ and AWQ) wrote
    them for the layer of a random model, the settings that it wrote into `config.json`, and what
    compressed-tensors 0.19, or AutoRound, makes of two of them again. And the parent's weights.
    """
    tiny_checkpoint.save(folder, layers=1)
    tensors, own = load_file(folder / "model.safetensors"), of_kept(scheme)
    with safe_open(KEPT, "pt") as file:
        settings = json.loads(file.metadata()["settings"])[scheme]
    stands = [name for name in own if name.endswith("|stands for")]
    expected = {f"model.layers.0.{name.partition('|')[0]}": own.pop(name) for name in stands}
    modules = {name.rpartition(".")[0] for name in own}
    tensors = {k: v for k, v in tensors.items() if k.rpartition(".")[0] not in modules} | own
    change(tensors, settings)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = settings
    (folder / "config.json").write_text(json.dumps(config))
    return expected


def save_parent(folder):
    """What these checkpoints were made from, as far as its layer goes."""
    tiny_checkpoint.save(folder, layers=1)
    tensors = load_file(folder / "model.safetensors") | of_kept("parent")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_whole_checkpoints_of_other_programs_need_no_package(tmp_path, scheme):
    expected = save_made(tmp_path / "own", scheme)
    save_parent(tmp_path / "parent")
    said = []
    options = EngineOptions(tell=said.append)
    own = load_model(resolve(str(tmp_path / "own"), {}), options, "cpu", home="cpu")
    stacks = Stack(own, "cpu"), opened(tmp_path / "parent")
    assert stacks[0].shapes == stacks[1].shapes
    parents, quantized = stacks[1].linears(0), set()
    assert len(parents) == 7
    assert len(expected) == 2
    for name, linear in stacks[0].linears(0).items():
        weight, its = linear.weight.detach(), parents[name].weight.detach()
        if not torch.equal(weight, its):
            quantized.add(name)
            if (far := SCHEMES[scheme]) is not None:
                assert float((weight - its).norm() / its.norm()) < far, name
        if name in expected:  # theirs are numbers of 16 bits
            assert torch.allclose(weight, expected[name].float(), rtol=2**-7, atol=1e-6), name
    # AutoRound leaves matrices whole that have fewer than 32 outputs.
    assert len(quantized) == (5 if scheme.startswith("autoround") else 7)
    assert bool(said) == (scheme in WITH_ACTIVATIONS)
    assert all("activations" in each for each in said)
    facts = facts_of(*stacks)
    folders = tmp_path / "own", tmp_path / "parent"
    bits = bits_of(*(resolve(str(folder), {}) for folder in folders), facts)
    assert bits.keys() == quantized
    for name, each in bits.items():
        per_weight = each.compressed / facts[name].weights
        width = 4 if scheme in WEIGHTS_ALONE else 8
        assert width < per_weight < width + 2.5, name
        assert each.protected == 16 * facts[name].weights


def lacking(part):
    def change(tensors):
        del tensors[next(name for name in tensors if name.endswith(part))]

    return change


def replaced(part, tensor):
    def change(tensors):
        tensors[next(name for name in tensors if name.endswith(part))] = tensor

    return change


@pytest.mark.parametrize("bits", [2, 8])
def test_compressed_integers_of_other_widths_are_unpacked(tmp_path, bits):
    """Written down bit by bit: the first in the lowest, each with 2^(bits - 1) added."""
    random, per, least = Random(bits), 32 // bits, -(1 << (bits - 1))
    q = [[random.randrange(least, -least) for _ in range(32)] for _ in range(32)]
    zeros = [[random.randrange(least, -least) for _ in range(2)] for _ in range(32)]
    words = [
        [word([n - least for n in row[i : i + per]], bits) for i in range(0, 32, per)] for row in q
    ]
    zero_words = [
        [word([row[g] - least for row in zeros[i : i + per]], bits) for g in range(2)]
        for i in range(0, 32, per)
    ]
    module = "model.layers.0.self_attn.q_proj"

    def change(tensors, settings):
        settings["config_groups"]["group_0"]["weights"] |= {"num_bits": bits}
        for name in [name for name in tensors if "weight_" in name]:
            del tensors[name]
        tensors |= rest
        tensors[f"{module}.weight_packed"] = torch.tensor(words, dtype=torch.int32)
        tensors[f"{module}.weight_zero_point"] = torch.tensor(zero_words, dtype=torch.int32)
        tensors[f"{module}.weight_shape"] = torch.tensor([32, 32])
        tensors[f"{module}.weight_scale"] = torch.full((32, 2), 0.25)

    rest = of_kept("parent")
    del rest[f"{module}.weight"]
    save_made(tmp_path, "awq.w4a16_asym", change)
    found = opened(tmp_path).linears(0)[module].weight.detach()
    expected = [[0.25 * (q[o][i] - zeros[o][i // GROUP]) for i in range(32)] for o in range(32)]
    assert torch.equal(found, torch.tensor(expected))


def weights_args(**changes):
    def change(tensors, settings):
        settings["config_groups"]["group_0"]["weights"] |= changes

    return change


def with_settings(**changes):
    return lambda tensors, settings: settings.update(changes)


def of_compressed(change):
    return lambda tensors, settings: change(tensors)


def second_group(tensors, settings):
    groups = settings["config_groups"]
    groups["group_1"] = json.loads(json.dumps(groups["group_0"]))
    groups["group_1"]["weights"]["num_bits"] = 8


@pytest.mark.parametrize(
    ("scheme", "change", "said"),
    [
        ("gptq.w4a16", weights_args(num_bits=3), "compressed-tensors"),
        ("gptq.w4a16", weights_args(actorder="group"), "compressed-tensors"),
        ("gptq.w4a16", weights_args(group_size=-1), "compressed-tensors"),
        ("gptq.w4a16", second_group, "compressed-tensors"),
        ("fp8.block", weights_args(block_structure=[0, 16]), "compressed-tensors"),
        ("gptq.w8a8", with_settings(sparsity_config={"format": "sparse-24"}), "compressed-tensors"),
        ("gptq.w8a8", with_settings(transform_config={"u": {}}), "compressed-tensors"),
        ("gptq.w8a8", with_settings(config_groups=["Linear"]), "compressed-tensors"),
    ],
)
def test_what_is_compressed_otherwise_is_left_to_its_package(tmp_path, scheme, change, said):
    save_made(tmp_path, scheme, change)
    settings = packed_settings(str(tmp_path))
    assert settings is not None
    assert not is_unpacked_here(settings)
    if find_spec("compressed_tensors") is None:
        with pytest.raises(ModelError, match=said):
            opened(tmp_path)


@pytest.mark.parametrize(
    ("scheme", "change", "said"),
    [
        ("gptq.w8a8", lacking("_proj.weight"), "no matrix of 8 bits"),
        ("gptq.w8a8", replaced("_proj.weight", torch.zeros(32, 32)), "no matrix of 8 bits"),
        ("gptq.w8a8", replaced("weight_scale", torch.ones(7, 1)), "do not go together"),
        ("gptq.w8a8", replaced("weight_scale", torch.ones(32).int()), "no numbers with a point"),
        ("fp8.block", replaced("weight_scale", torch.ones(2, 3)), "do not go together"),
        ("gptq.w4a16", lacking("weight_packed"), "no matrix of 32 bits"),
        ("gptq.w4a16", lacking("weight_shape"), "its shape is not told"),
        ("gptq.w4a16", replaced("weight_shape", torch.tensor([32, 1 << 40])), "as its shape needs"),
        ("gptq.w4a16", replaced("weight_shape", torch.tensor([-1, 32])), "as its shape needs"),
        (
            "awq.w4a16_asym",
            replaced("weight_zero_point", torch.zeros(4, dtype=torch.int32)),
            "zero points are no matrix",
        ),
        (
            "awq.w4a16_asym",
            replaced("weight_zero_point", torch.zeros(1, 1, dtype=torch.int32)),
            "do not go together",
        ),
    ],
)
def test_what_is_compressed_and_damaged_is_refused(tmp_path, scheme, change, said):
    save_made(tmp_path, scheme, of_compressed(change))
    with pytest.raises(ModelError) as raised:
        opened(tmp_path)
    assert said in str(raised.value)


def test_a_packed_module_takes_the_bits_that_its_file_has(tmp_path):
    stands = save_packed(tmp_path / "packed", 4, "v1")
    tiny_checkpoint.save(tmp_path / "parent", dtype="float16")
    folders = tmp_path / "packed", tmp_path / "parent"
    facts = facts_of(*map(opened, folders))
    found = bits_of(*(resolve(str(folder), {}) for folder in folders), facts)
    assert found.keys() == stands.keys()
    for name, each in found.items():
        rows, columns = facts[name].rows, facts[name].columns
        groups = columns // GROUP
        assert each.compressed == rows * columns * 4 + rows * groups * (4 + 16) + columns * 32
        assert each.protected == rows * columns * 16
        assert not each.type


@pytest.mark.parametrize(
    ("form", "change", "more", "said"),
    [
        ("v1", lacking("qzeros"), {}, "lacks words, zero points or scales"),
        ("v1", replaced("qzeros", torch.zeros(1, 1, dtype=torch.int32)), {}, "do not go together"),
        ("v1", replaced("qweight", torch.zeros(4, 32)), {}, "not of 32 bits"),
        ("v1", replaced("qweight", torch.zeros(4, dtype=torch.int32)), {}, "are no matrices"),
        ("v1", replaced("scales", torch.ones(2, 32).int()), {}, "no numbers with a point"),
        ("v1", replaced("g_idx", torch.full((32,), 9)), {}, "a group that is not there"),
        ("v1", replaced("g_idx", torch.full((32,), -1)), {}, "a group that is not there"),
        ("v1", lambda tensors: None, {"bits": 3}, "not unpacked here: {'bits': 3"),
        ("v1", lambda tensors: None, {"group_size": "all"}, "not unpacked here"),
        ("v1", lambda tensors: None, {"checkpoint_format": "marlin"}, "not unpacked here"),
        ("awq", lambda tensors: None, {"version": "gemv"}, "not unpacked here"),
    ],
)
def test_what_is_damaged_or_packed_otherwise_is_refused(tmp_path, form, change, more, said):
    save_packed(tmp_path / "packed", 4, form, change, more)
    with pytest.raises(ModelError) as raised:
        opened(tmp_path / "packed")
    assert said in str(raised.value)
