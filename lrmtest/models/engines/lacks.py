"""The lacks of engines: programs, packages and GPUs, told without starting or importing any."""

from __future__ import annotations

from importlib.util import find_spec

from lrmtest.errors import ModelError
from lrmtest.models.card import ModelCard
from lrmtest.models.hardware import Machine
from lrmtest.models.programs.llamacpp import find_llama_program
from lrmtest.models.programs.vllm import vllm_for_cpu

# Oldest compute capability of GPUs that vLLM runs a format of weights on; where the hardware lacks
# the format itself, it unpacks them as it goes. On a processor it runs AWQ and GPTQ alone.
_CAPABILITY = {"bitsandbytes": 7.0, "awq": 7.5, "gptq": 7.0}
_QUANTIZED_CAPABILITY = 8.0
_ON_CPU = ("awq", "gptq")


def transformers(card: ModelCard, machine: Machine) -> str:
    """Its packages; those for GGUF files where the model is one."""
    wanted = ["torch", "transformers", *(["gguf", "accelerate"] if card.checkpoint.gguf else [])]
    missing = [name for name in wanted if find_spec(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def llamacpp(card: ModelCard, machine: Machine) -> str:
    """Its server."""
    try:
        find_llama_program("llama-server")
    except ModelError:
        return "no llama-server here"
    return ""


def vllm(card: ModelCard, machine: Machine) -> str:
    """vLLM itself, or a GPU: of any kind for most builds, of a newer one for some formats."""
    try:
        for_cpu = vllm_for_cpu()
    except ModelError:
        return "no vLLM here"
    method, bits = card.compression.method, card.compression.bits_per_weight
    quantized = bits is not None and bits < 16
    if not machine.gpus:
        if not for_cpu:
            return "no GPU, and this vLLM is not built for processors"
        if quantized and method not in _ON_CPU:
            return "no GPU, which its number format needs"
        return ""
    needed = _CAPABILITY.get(method, _QUANTIZED_CAPABILITY) if quantized else 0.0
    have = [gpu.capability for gpu in machine.gpus if gpu.capability is not None]
    if have and min(have) < needed:
        return f"needs GPUs of compute capability {needed:g}; these have {min(have):g}"
    return ""
