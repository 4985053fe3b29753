"""The worker that quantizes with llmcompressor: a script for the environment that has it.

``python -I worker.py JOB RESULT``: JOB is a JSON file with `source` and `out`
(folders), `method` (gptq or awq), `bits`, `group_size` (-1: one group per row), `symmetric`,
`ignore` (names of modules that stay), `dense` (whether the result is written unpacked), `texts`
and `tokens` (most of one text). What was measured is written to RESULT, as JSON.

It imports nothing of lrmtest, which need not be installed there.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

_SEED = 0
# Without the first, transformers asks on a terminal whether to run code that came along.
_LOCAL = {"trust_remote_code": False, "local_files_only": True}


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Do the job.

    Returns:
        `weights` and `bits`: of the whole model, in all; `modules`: names of those quantized;
        `zeros`: share of their weights that were zero and still are.
    """
    import torch
    from llmcompressor import oneshot
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(_SEED)
    if not torch.accelerator.is_available():
        _never_pin()
    tokenizer = AutoTokenizer.from_pretrained(job["source"], **_LOCAL)
    with _experts_apart():
        model = AutoModelForCausalLM.from_pretrained(
            job["source"], dtype="auto", attn_implementation="sdpa", **_LOCAL
        )
    samples = _samples(tokenizer, job["texts"], job["tokens"])
    oneshot(
        model=model,
        dataset=torch.utils.data.DataLoader(samples, batch_size=None),
        recipe=_recipe(job),
        pipeline="sequential",
        num_calibration_samples=len(samples),
        shuffle_calibration_samples=False,
    )
    quantized = {
        name: module for name, module in model.named_modules() if _scheme(module) is not None
    }
    if not quantized:
        raise ValueError("llmcompressor found nothing to quantize")
    sizes = _sizes(model, quantized)
    zeros = _zeros(job["source"], quantized)
    if job["dense"]:
        for module in quantized.values():
            _unpack(module)
    # It would add its recipe to the one that it finds beside the source, whatever that is.
    model.name_or_path = job["out"]
    model.save_pretrained(job["out"], save_compressed=not job["dense"])
    return {**sizes, "zeros": zeros, "modules": list(quantized)}


def _experts_apart() -> Any:
    """A context in which the experts of a model are loaded as a matrix each.

    Outside it they are taken apart after loading, which needs their memory twice. It makes
    transformers import all of its models, some of which need torchvision.
    """
    from importlib.util import find_spec

    from llmcompressor.modeling.moe.linearize import load_quantizable_moe

    return load_quantizable_moe() if find_spec("torchvision") else nullcontext()


def _never_pin() -> None:
    """Version 0.14 pins memory for an accelerator when AWQ runs, even if there is none."""
    from llmcompressor.pipelines.cache import IntermediatesCache

    IntermediatesCache.pin_memory = lambda *_: None


def _samples(tokenizer: Any, texts: list[str], most: int) -> list[dict[str, Any]]:
    import torch

    samples = []
    for text in texts:
        # The chat template has written all special tokens that there are to be.
        ids = tokenizer(text, add_special_tokens=False, verbose=False).input_ids[:most]
        if ids:
            tensor = torch.tensor([ids])
            samples.append({"input_ids": tensor, "attention_mask": torch.ones_like(tensor)})
    if not samples:
        raise ValueError("no calibration text has a token")
    return samples


def _recipe(job: dict[str, Any]) -> list[Any]:
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier

    by_row = job["group_size"] < 0
    weights = {
        "num_bits": job["bits"],
        "type": "int",
        "symmetric": job["symmetric"],
        "strategy": "channel" if by_row else "group",
        "group_size": None if by_row else job["group_size"],
    }
    scheme: dict[str, Any] = {
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
        "ignore": job["ignore"],
    }
    if job["method"] == "gptq":
        return [GPTQModifier(**scheme)]
    _never_scale_for_nothing(AWQModifier)
    return [AWQModifier(), QuantizationModifier(**scheme)]


def _never_scale_for_nothing(modifier: Any) -> None:
    """Version 0.14 divides by zero where none of the matrices behind a scale is quantized."""
    resolve = modifier._set_resolved_mappings

    def resolve_useful(self: Any, model: Any) -> None:
        resolve(self, model)
        self._resolved_mappings = [
            mapping
            for mapping in self._resolved_mappings
            if any(_scheme(layer) is not None for layer in mapping.balance_layers)
        ]

    modifier._set_resolved_mappings = resolve_useful


def _scheme(module: Any) -> Any:
    scheme = getattr(module, "quantization_scheme", None)
    return getattr(scheme, "weights", None)


def _sizes(model: Any, quantized: dict[str, Any]) -> dict[str, int]:
    """Weights, and the bits that they take: of the quantized ones with scales and zero points."""
    total, bits = 0, 0
    for module in quantized.values():
        count, groups = module.weight.numel(), module.weight_scale.numel()
        scheme = _scheme(module)
        scale = 8 * module.weight_scale.element_size() + (
            0 if scheme.symmetric else scheme.num_bits
        )
        total += count
        bits += count * scheme.num_bits + groups * scale
    inside = {id(module.weight) for module in quantized.values()}
    extra = tuple(f"{name}.weight_" for name in quantized)
    for name, parameter in model.named_parameters():  # a tied one comes once
        if id(parameter) not in inside and not name.startswith(extra):
            total += parameter.numel()
            bits += 8 * parameter.element_size() * parameter.numel()
    return {"weights": total, "bits": bits}


def _zeros(source: str, quantized: dict[str, Any]) -> float:
    """Share of the weights that are zero in the source and, quantized, still are."""
    from compressed_tensors.quantization.lifecycle.forward import fake_quantize
    from safetensors import safe_open

    seen, zeros = 0, 0
    for file in sorted(Path(source).glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118
                module = quantized.get(name.removesuffix(".weight"))
                if module is None or not name.endswith(".weight"):
                    continue
                before = tensors.get_tensor(name) == 0
                seen += before.numel()
                if before.any():
                    after = fake_quantize(*_quantization(module)).cpu() == 0
                    zeros += int((before & after).sum())
    return zeros / seen if seen else 0.0


def _quantization(module: Any) -> tuple[Any, Any, Any, Any]:
    zero_point = getattr(module, "weight_zero_point", None)
    return module.weight, module.weight_scale, zero_point, _scheme(module)


def _unpack(module: Any) -> None:
    """Leave the weights as the quantized model has them, and nothing that says how."""
    from compressed_tensors.quantization.lifecycle.forward import fake_quantize
    from compressed_tensors.utils import update_offload_parameter

    update_offload_parameter(module, "weight", fake_quantize(*_quantization(module)))
    for name in ("weight_scale", "weight_zero_point", "weight_g_idx", "weight_global_scale"):
        if hasattr(module, name):
            delattr(module, name)
    del module.quantization_scheme, module.quantization_status


if __name__ == "__main__":
    done = main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(done), encoding="utf-8")
