"""GPTQ and AWQ: integer weights of few bits with a scale for each group, made by llmcompressor.

4- and 8-bit weights are stored packed, in the format of compressed-tensors, which transformers and
vLLM load. 2- and 3-bit weights are stored as the values that they stand for, in 16 bits: that
format packs them in other ways from release to release, and of vLLM's kernels only those of its
latest releases, on a GPU, take them. Such a model computes what the packed one would and runs
everywhere, but needs the memory of its parent; its bits per weight are those of the packed one.

GPTQ (Frantar et al. 2023, arXiv 2210.17323) at 4 bits has no zero points, and nothing at 8 bits
has; AWQ (Lin et al. 2024, arXiv 2306.00978) and everything below 4 bits gain by them. The
embedding, the head and the routers of experts are never quantized.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrmtest.bounded import SETTINGS, read_json
from lrmtest.compress.llmcompressor import worker
from lrmtest.compress.llmcompressor.environment import HINT, Llmcompressor, find_llmcompressor
from lrmtest.compress.programs import run_program
from lrmtest.compress.protect import Protection
from lrmtest.errors import MachineryError, ModelError, UsageError
from lrmtest.models.hashes import WEIGHT_FILES
from lrmtest.models.local import measure, tensor_shapes, weight_files
from lrmtest.models.programs.failure import KnownFailure
from lrmtest.progress import Tell

METHODS = ("gptq", "awq")
PACKED_BITS, UNPACKED_BITS = (4, 8), (2, 3)

_SMALLEST_GROUP = 8
_MATRIX = re.compile(r"(.*\.layers\.\d+\..+)\.weight")
_ROUTER = re.compile(r"\.(gate|router|shared_expert_gate)$")
_PROGRESS = re.compile(r"^\((\d+)/(\d+)\): (Calibrating|Propagating)")

_FAILURES = (
    KnownFailure(
        r"OutOfMemoryError|CUDA out of memory|DefaultCPUAllocator",
        "the model and its calibration do not fit in memory",
        "use fewer or shorter calibration texts, or a machine with more memory",
        broke=True,
    ),
    KnownFailure(
        r"No space left on device",
        "the quantized model cannot be written: the disk is full",
        "make room, or choose another folder",
        broke=True,
    ),
    KnownFailure(
        r"^(ImportError|ModuleNotFoundError): ",
        "its environment is incomplete, or of versions that do not go together",
        HINT,
    ),
)


@dataclass(frozen=True, slots=True)
class WeightsVariant:
    """A checkpoint with quantized weights.

    Attributes:
        bits_per_weight: mean over all weights of the model, scales and zero points included.
        sparsity: share of the quantized matrices' weights that were zero before and still are.
        notes: what should be known, one sentence each.
    """

    bits_per_weight: float
    sparsity: float
    notes: tuple[str, ...]


def quantize_weights(
    source: Path,
    out: Path,
    *,
    method: str,
    bits: int,
    group_size: int,
    protection: Protection,
    texts: Sequence[str],
    tokens: int,
    tell: Tell,
) -> WeightsVariant:
    """Write the checkpoint at `source` to `out` with quantized weights.

    Args:
        source: a folder with ``config.json``, safetensors and a tokenizer, not quantized.
        out: a folder that is there.
        method: ``gptq`` or ``awq``.
        bits: of one weight: 2, 3, 4 or 8.
        group_size: how many weights of a row share a scale; -1 for all of them.
        protection: modules that stay as they are.
        texts: for calibration, rendered by the chat template.
        tokens: most tokens of a text; the rest of it is cut off.
        tell: is told what is done and how far it is.

    Raises:
        UsageError: a number or a method cannot be meant, or a row is not divided by its group.
        ModelError: the checkpoint is no such one, llmcompressor is missing or fails, or `out`
            cannot be written.
    """
    _check(method, bits, group_size, texts, tokens)
    matrices = _matrices(source)
    kept = protection.chosen({name: rows * columns for name, (rows, columns) in matrices.items()})
    _check_groups(matrices, kept, group_size)
    there = find_llmcompressor()
    job = {
        "source": str(source.resolve()),
        "out": str(out.resolve()),
        "method": method,
        "bits": bits,
        "group_size": group_size,
        "symmetric": bits == 8 or (method == "gptq" and bits == 4),
        "dense": bits in UNPACKED_BITS,
        "ignore": ["lm_head", r"re:.*\.(gate|router|shared_expert_gate)$", *sorted(kept)],
        "texts": list(texts),
        "tokens": tokens,
    }
    tell(f"quantizing to {bits} bits by {method.upper()} with llmcompressor {there.version}")
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".job-") as beside:
            measured = _run(there, job, Path(beside), tell)
        _complete(source, out)
    except OSError as error:
        raise MachineryError(f"cannot write to {out}: {error.strerror or error}") from error
    missed = sorted(set(matrices) - kept - set(measured["modules"]))
    notes = []
    if missed:
        notes.append(f"{len(missed)} matrices were not quantized, {missed[0]} for instance")
    if method == "awq" and kept:
        notes.append("protected modules keep 16 bits; AWQ has rescaled them with their neighbours")
    return _variant(out, bits, measured, notes)


def _check(method: str, bits: int, group_size: int, texts: Sequence[str], tokens: int) -> None:
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}", hint=f"one of {', '.join(METHODS)}")
    if bits not in (*PACKED_BITS, *UNPACKED_BITS):
        known = sorted((*PACKED_BITS, *UNPACKED_BITS))
        raise UsageError(f"{bits} bits are not possible", hint=f"one of {known}")
    if group_size != -1 and group_size < _SMALLEST_GROUP:
        raise UsageError(
            f"a group of {group_size} weights is not possible",
            hint=f"128 is usual, {_SMALLEST_GROUP} the least, and -1 means a whole row",
        )
    if not any(text.strip() for text in texts):
        raise UsageError(f"{method.upper()} needs calibration texts, and there are none")
    if tokens < 1:
        raise UsageError(f"calibration texts of {tokens} tokens are not possible")


def _matrices(source: Path) -> dict[str, tuple[int, int]]:
    """Rows and columns of the modules that are quantized if nothing protects them, by name."""
    config = read_json(source / "config.json", SETTINGS, error=ModelError)
    if not isinstance(config, dict):
        raise ModelError(f"{source / 'config.json'} is not a JSON object")
    if config.get("quantization_config"):
        raise ModelError(
            f"{source} is quantized already", hint="start from the checkpoint it was made of"
        )
    found = {}
    for path in weight_files(source):
        for name, shape in tensor_shapes(path).items():
            match = _MATRIX.fullmatch(name)
            if match and len(shape) == 2 and not _ROUTER.search(match[1]):
                found[match[1]] = (shape[0], shape[1])
    if not found:
        raise ModelError(f"{source} has no matrices in layers that could be quantized")
    return found


def _check_groups(
    matrices: Mapping[str, tuple[int, int]], kept: frozenset[str], group_size: int
) -> None:
    if not set(matrices) - kept:
        raise UsageError("everything is protected: nothing is left to be quantized")
    if group_size == -1:
        return
    columns = {name: width for name, (_, width) in matrices.items() if name not in kept}
    for name, width in columns.items():
        if width % group_size:
            fits = [
                size for size in (128, 64, 32, 16, 8) if not any(w % size for w in columns.values())
            ]
            raise UsageError(
                f"groups of {group_size} do not divide the {width} columns of {name}",
                hint=f"groups of {fits[0]} fit all" if fits else "-1 takes whole rows",
            )


def _run(there: Llmcompressor, job: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    """What the worker has measured."""
    order, result = folder / "job.json", folder / "result.json"
    order.write_text(json.dumps(job), encoding="utf-8")
    run_program(
        "llmcompressor",
        # Isolated: beside the script lie modules called like packages that it imports.
        [str(there.python), "-I", worker.__file__, str(order), str(result)],
        {"TOKENIZERS_PARALLELISM": "false"},
        folder=folder,
        tell=tell,
        progress=_told,
        failures=_FAILURES,
    )
    measured = json.loads(result.read_text(encoding="utf-8"))
    assert isinstance(measured, dict)
    return measured


def _told(line: str) -> str | None:
    match = _PROGRESS.match(line)
    return f"part {match[1]} of {match[2]} is being calibrated" if match else None


def _complete(source: Path, out: Path) -> None:
    """Put beside the weights what quantization does not change, as it is in the source."""
    mode = (source / "config.json").stat().st_mode
    for path in out.glob("*.safetensors"):
        path.chmod(mode)
    for path in source.iterdir():
        changed = path.name.endswith((*WEIGHT_FILES, ".index.json")) or path.name in (
            "config.json",
            "recipe.yaml",
        )
        if path.is_file() and not changed and not path.name.startswith(("lrmtest-", ".")):
            shutil.copy(path, out / path.name)


def _variant(
    out: Path, bits: int, measured: Mapping[str, Any], notes: Sequence[str]
) -> WeightsVariant:
    if bits in PACKED_BITS:
        per_weight = measure(out).compression.bits_per_weight
        assert per_weight is not None
        storage = "transformers needs the package compressed-tensors to load it; vLLM has it"
    else:
        per_weight = measured["bits"] / measured["weights"]
        storage = (
            f"{bits}-bit weights are stored unpacked, since not all engines load them packed: "
            "bits per weight are what they would take"
        )
    return WeightsVariant(per_weight, float(measured["zeros"]), (*notes, storage))
