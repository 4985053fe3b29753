"""The sizes that a vLLM server is started with: GPUs, context and sequences at once.

vLLM compiles a model for the sizes that it is started with and keeps the result on disk. Both
`--max-model-len` and, in 0.29 but not in 0.23, `--max-num-seqs` are part of the name under which
it is found again (`compute_hash` in vLLM's config/model.py and config/scheduler.py). So both take
few values here: with the exact context every other budget or longest prompt compiled anew.
"""

from __future__ import annotations

import math
from pathlib import Path

from lrmtest.models.card import ModelCard
from lrmtest.models.engines.server.kv_memory import config_kv_bytes
from lrmtest.models.hardware import Gpu, Machine

CONTEXT_STEP = 4096
"""The context on a GPU is rounded up to a multiple of it, in tokens."""

USED_SHARE = 0.9  # of GPU memory: vLLM's default was 0.9, and is 0.92 in 0.23
_WORKING_SHARE = 1.2  # weights with activations and some key-value cache, over weights alone

# vLLM's own default for a server is 1,024 from 70 GiB on (A100 left out, whose throughput falls
# with long batches) and 256 below. CUDA graphs are captured up to 512, so that larger batches
# would lose them.
_LARGE_GPU_BYTES = 70 * 2**30
_MOST_ON_LARGE, _MOST, _FEWEST = 512, 256, 32
_SHARE_IN_CACHE = 1 / 8
"""Of the planned context, what a running sequence holds in the cache on average: one that ends
after a quarter of its budget holds an eighth, seen over its life."""


def gpus_needed(measured: ModelCard, machine: Machine, groups: int) -> int:
    """The smallest power of two of GPUs whose memory holds the weights; 1 on a CPU.

    A power of two, because the number has to divide the attention heads.

    Args:
        measured: the checkpoint's size.
        machine: its GPUs.
        groups: how many groups of that many GPUs there are to be.
    """
    if not machine.gpus:
        return 1
    smallest = min(gpu.memory_gb for gpu in machine.gpus) * 1e9
    count = 1
    while _weight_bytes(measured) * _WORKING_SHARE > count * smallest * USED_SHARE * groups:
        if 2 * count * groups > len(machine.gpus):
            break
        count *= 2
    return count


def cache_tokens(
    folder: Path, measured: ModelCard, machine: Machine, gpus: int, cache_dtype: str
) -> float:
    """Tokens that the key-value cache on GPUs will hold, about; infinite without any GPU.

    Args:
        folder, measured: the checkpoint and its size.
        machine: its GPUs.
        gpus: how many of them share one copy of the model.
        cache_dtype: of the cache, as for `config_kv_bytes`.
    """
    if not machine.gpus:
        return math.inf
    memory = min(gpu.memory_gb for gpu in machine.gpus) * 1e9 * USED_SHARE * gpus
    room = memory - _weight_bytes(measured) * _WORKING_SHARE
    return max(0.0, room) / config_kv_bytes(folder, cache_dtype)


def served_context(needed: int, model_context: int | None, cache: float) -> int:
    """The context to serve on a GPU: `needed` tokens, rounded up where model and memory allow.

    Args:
        needed: tokens of the longest planned request; no more than `model_context`.
        model_context: the most that the model takes; None if it is not known.
        cache: tokens that the key-value cache holds. One sequence of the whole context has to fit.
    """
    rounded = -(-needed // CONTEXT_STEP) * CONTEXT_STEP
    if rounded > cache:
        return needed
    return rounded if model_context is None else min(rounded, model_context)


def sequences_at_once(context: int, cache: float, gpu: Gpu) -> int:
    """How many sequences one copy of the model shall run at once, a power of two.

    As many as the cache holds on average: of those beyond, vLLM takes the memory away again and
    computes them anew later. Never fewer than 32, which vLLM may do with the others as it sees fit.

    Args:
        context: tokens of one of them, at most.
        cache: tokens that the key-value cache holds.
        gpu: what it runs on.
    """
    large = gpu.memory_gb * 1e9 >= _LARGE_GPU_BYTES and "A100" not in gpu.name.upper()
    most = _MOST_ON_LARGE if large else _MOST
    holds = cache / (context * _SHARE_IN_CACHE)
    if holds >= most:
        return most
    return max(_FEWEST, min(most, 1 << max(0, round(math.log2(max(1.0, holds))))))


def _weight_bytes(measured: ModelCard) -> float:
    bits = measured.compression.bits_per_weight or 16.0
    return (measured.parameters or 0.0) * 1e9 * bits / 8
