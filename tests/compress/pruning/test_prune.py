"""Pruning a whole model: what is changed, what is not, and what each layer was pruned for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import tiny_checkpoint  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

from lrmtest.compress.protect import parse_protect  # noqa: E402
from lrmtest.compress.pruning.prune import Job, prune  # noqa: E402
from lrmtest.compress.pruning.sparsegpt import sparsegpt  # noqa: E402
from lrmtest.compress.pruning.sparsity import Sparsity, read_sparsity  # noqa: E402
from lrmtest.errors import ModelError, UsageError  # noqa: E402
from lrmtest.models.engines.transformers.stack import Stack  # noqa: E402

random = torch.Generator().manual_seed(5)
SEQUENCES = [torch.randint(0, 260, (n,), generator=random).tolist() for n in (40, 7, 90, 40, 120)]
HALF = Sparsity(0.5)
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def pruned(folder, out, method="sparsegpt", sparsity=HALF, protect=(), seed=0):
    out.mkdir()
    job = Job(method, sparsity, parse_protect(protect, seed))
    steps = []
    report = prune(folder, out, job, SEQUENCES, lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]
    return report


def weights(folder):
    return load_file(folder / "model.safetensors")


def is_linear(name):
    return name.endswith(tuple(f"{part}.weight" for part in LINEAR))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("method", ["sparsegpt", "wanda", "magnitude"])
def test_every_matrix_has_its_zeros_and_all_else_is_as_it_was(tmp_path, method, dtype):
    folder = tiny_checkpoint.save(tmp_path / "parent", dtype=dtype)
    report = pruned(folder, tmp_path / "out", method, Sparsity(0.37))
    before, after = weights(folder), weights(tmp_path / "out")
    assert before.keys() == after.keys()
    for name, tensor in after.items():
        assert tensor.dtype == before[name].dtype == getattr(torch, dtype)
        if is_linear(name):
            assert int((tensor == 0).sum()) == round(0.37 * tensor.numel())
        else:
            assert torch.equal(tensor, before[name])
    figures = {module.name: module for module in report.modules}
    assert {f"{name}.weight" for name in figures} == {name for name in after if is_linear(name)}
    for name, module in figures.items():
        assert module.zeros == int((after[f"{name}.weight"] == 0).sum())
        assert module.weights == after[f"{name}.weight"].numel()
        assert 0 < module.error < 1
        assert module.protected == 0
    assert report.total.sparsity == pytest.approx(0.37, abs=1e-3)
    assert [kind.kind for kind in report.kinds()] == [
        *(f"self_attn.{part}" for part in LINEAR[:4]),
        *(f"mlp.{part}" for part in LINEAR[4:]),
    ]
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize("method", ["sparsegpt", "wanda", "magnitude"])
@pytest.mark.parametrize("pattern", ["2:4", "4:8"])
def test_a_pattern_is_exact_in_what_is_saved(tiny, tmp_path, method, pattern):
    sparsity = read_sparsity(None, pattern)
    pruned(tiny, tmp_path / "out", method, sparsity)
    for name, tensor in weights(tmp_path / "out").items():
        if is_linear(name):
            groups = (tensor.reshape(tensor.shape[0], -1, sparsity.group) == 0).sum(dim=2)
            assert (groups == sparsity.group // 2).all()


@pytest.mark.parametrize("method", ["sparsegpt", "wanda", "magnitude"])
def test_protected_modules_and_rows_are_as_they_were(tiny, tmp_path, method):
    protection = parse_protect(["last:mlp", "random:10%"], 4)
    report = pruned(tiny, tmp_path / "out", method, protect=["last:mlp", "random:10%"], seed=4)
    before, after = weights(tiny), weights(tmp_path / "out")
    shapes = {
        name.removesuffix(".weight"): tuple(tensor.shape)
        for name, tensor in before.items()
        if is_linear(name)
    }
    kept = protection.rows(shapes)
    partly = 0
    for name, (rows, columns) in shapes.items():
        was, now = before[f"{name}.weight"], after[f"{name}.weight"]
        rows_kept = list(kept.get(name, ()))
        others = [row for row in range(rows) if row not in rows_kept]
        assert torch.equal(was[rows_kept], now[rows_kept])
        assert int((now[others] == 0).sum()) == round(0.5 * len(others) * columns)
        partly += 0 < len(rows_kept) < rows
        if name.startswith("model.layers.1.mlp"):
            assert torch.equal(was, now)
    assert partly > 5
    figures = {module.name: module for module in report.modules}
    assert all(
        figures[name].protected == len(kept.get(name, ())) * shapes[name][1] for name in shapes
    )
    assert all(figures[f"model.layers.1.mlp.{part}"].error == 0 for part in LINEAR[4:])


def inputs_of(model, name, sequences):
    """What goes into a module when the whole model runs."""
    seen = []
    hook = model.get_submodule(name).register_forward_pre_hook(
        lambda _, arguments: seen.append(arguments[0][0].float())
    )
    with torch.no_grad():
        for sequence in sequences:
            model(torch.tensor([sequence]))
    hook.remove()
    return torch.cat(seen)


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("Llama", {}),
        ("Qwen2", {}),
        ("Qwen3", {"head_dim": 8}),
        ("Mistral", {"sliding_window": 16, "head_dim": 8}),
        ("Gemma3", {"head_dim": 8, "sliding_window": 16, "layer_types":
                    ["sliding_attention", "full_attention"]}),
    ],
)  # fmt: skip
def test_each_layer_is_pruned_for_what_the_pruned_layers_before_it_make(tmp_path, family, settings):
    """The same by another way: the whole model runs, its earlier layers pruned, hooks on."""
    folder = tmp_path / "parent"
    tiny_checkpoint.save_tokenizer(folder)
    tiny_checkpoint.save_model(folder, family=family, dtype="float32", **settings)
    report = pruned(folder, tmp_path / "out")
    errors = {module.name: module.error for module in report.modules}
    before, after = weights(folder), weights(tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for layer in range(2):
        for name in [name for name in errors if f"layers.{layer}." in name]:
            X = inputs_of(model, name, SEQUENCES)
            W, ours = before[f"{name}.weight"], after[f"{name}.weight"]
            lost = ((W - ours) @ X.T).square().sum() / (W @ X.T).square().sum()
            assert errors[name] == pytest.approx(float(lost), rel=1e-3), name
            again = sparsegpt(W, 2 * X.T @ X, Sparsity(0.5))
            # Sums in another order round otherwise, and a near tie may fall the other way.
            assert ((again == 0) == (ours == 0)).float().mean() > 0.99
        for name in errors:
            if f"layers.{layer}." in name:
                model.get_submodule(name).weight.data = after[f"{name}.weight"]


def test_a_checkpoint_in_several_files(tmp_path, tiny):
    folder = tmp_path / "parent"
    AutoModelForCausalLM.from_pretrained(tiny).save_pretrained(folder, max_shard_size="40KB")
    tiny_checkpoint.save_tokenizer(folder)
    assert len(list(folder.glob("*.safetensors"))) > 1
    pruned(folder, tmp_path / "out")
    pruned(tiny, tmp_path / "whole")
    whole = weights(tmp_path / "whole")
    found = {}
    for path in (tmp_path / "out").glob("*.safetensors"):
        found |= load_file(path)
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[name], whole[name]) for name in whole)
    for path in ("model.safetensors.index.json", "tokenizer.json", "config.json"):
        assert (tmp_path / "out" / path).read_bytes() == (folder / path).read_bytes()
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out") is not None


def test_only_what_belongs_to_the_checkpoint_is_copied(tmp_path):
    folder = tiny_checkpoint.save(tmp_path / "parent")
    for name in (
        "README.md",
        "pytorch_model.bin",
        "consolidated.safetensors",
        "LICENSE.txt",
        "lrmtest-card.toml",
        "lrmtest-compression.json",
        "pytorch_model.bin.index.json",
    ):
        (folder / name).write_text("x")  # fmt: skip
    save_file(weights(folder), folder / "consolidated.safetensors")
    index = {"weight_map": dict.fromkeys(weights(folder), "model.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "sub").mkdir()
    pruned(folder, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("LICENSE.txt", "chat_template.jinja", "config.json", "generation_config.json"),
        *("model.safetensors", "model.safetensors.index.json"),
        *("tokenizer.json", "tokenizer_config.json"),
    ]
    mode = (folder / "model.safetensors").stat().st_mode
    assert (tmp_path / "out" / "model.safetensors").stat().st_mode == mode


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("GPTNeoX", {}, "no model.layers"),
        ("Mixtral", {"num_local_experts": 2}, "in no nn.Linear"),
    ],
)
def test_models_that_are_built_otherwise_are_refused(tmp_path, family, settings, message):
    (tmp_path / "parent").mkdir()
    tiny_checkpoint.save_model(tmp_path / "parent", family=family, **settings)
    with pytest.raises(ModelError) as caught:
        pruned(tmp_path / "parent", tmp_path / "out")
    assert message in caught.value.message
    assert family in caught.value.message
    assert "Llama" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "config.json").write_text("{}"), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "cannot be loaded"),
        (lambda folder: break_weights(folder), "not finite"),
        (lambda folder: rename_weights(folder), "no tensor model.layers"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, change, message):
    folder = tiny_checkpoint.save(tmp_path / "parent")
    change(folder)
    with pytest.raises(ModelError, match=message):
        pruned(folder, tmp_path / "out")


def break_weights(folder: Path):
    tensors = weights(folder)
    tensors["model.embed_tokens.weight"][:] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def rename_weights(folder: Path):
    """As a checkpoint without its language model's head has them."""
    tensors = {name.removeprefix("model."): tensor for name, tensor in weights(folder).items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_pattern_that_does_not_divide_the_columns(tmp_path):
    folder = tiny_checkpoint.save(tmp_path / "parent", intermediate_size=42)
    with pytest.raises(ModelError, match=r"down_proj has 42 columns"):
        pruned(folder, tmp_path / "out", sparsity=read_sparsity(None, "2:4"))


@pytest.mark.parametrize(
    ("protect", "message"), [(["layers"], "nothing to prune"), (["lm_head"], "matches none")]
)
def test_protections_that_cannot_be_meant(tiny, tmp_path, protect, message):
    with pytest.raises(UsageError, match=message):
        pruned(tiny, tmp_path / "out", protect=protect)


@pytest.mark.parametrize(
    ("share", "pattern", "message"),
    [
        (None, None, "either"),
        (0.5, "2:4", "either"),
        (0.0, None, "not above 0"),
        (1.0, None, "not above 0 and below 1"),
        (-0.1, None, "not above 0"),
        (float("nan"), None, "not above 0"),
        (float("inf"), None, "not above 0"),
        (50.0, None, "not above 0 and below 1"),
        (None, "1:4", "not known"),
        (None, "", "not known"),
    ],
)
def test_sparsities_that_cannot_be_meant(share, pattern, message):
    with pytest.raises(UsageError, match=message):
        read_sparsity(share, pattern)


def test_the_model_is_asked_once_per_sequence_how_it_calls_its_layers(tmp_path, tiny, monkeypatch):
    """Not once per layer: that runs in main memory, where it takes longer than a layer on a GPU."""
    asked = []
    begin = Stack.begin

    def counted(self, *sequences):
        asked.append(self)
        return begin(self, *sequences)

    monkeypatch.setattr(Stack, "begin", counted)
    pruned(tiny, tmp_path / "out")
    assert len(asked) == len(SEQUENCES)


def test_what_layers_are_called_with_beside_is_kept_once_per_length(tiny):
    stack = Stack(AutoModelForCausalLM.from_pretrained(tiny))
    with torch.no_grad():
        passages = [stack.begin(sequence) for sequence in SEQUENCES]
    places = {
        tensor.data_ptr()
        for passage in passages
        for _, named in passage.beside
        for tensor in named["position_embeddings"]
    }
    lengths = {len(sequence) for sequence in SEQUENCES}
    assert len(places) == 2 * len(lengths)  # cosine and sine, whatever the layer and the text
