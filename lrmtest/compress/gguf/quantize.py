"""Quantized GGUF files, made by llama-quantize."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrmtest.compress.gguf.imatrix import importance_matrix
from lrmtest.compress.gguf.kinds import WHOLE, block_of, known_kind, known_type, needs_matrix
from lrmtest.compress.gguf.names import EMBEDDING, HEAD
from lrmtest.compress.gguf.patterns import options
from lrmtest.compress.gguf.plan import TensorPlan, make_plan
from lrmtest.compress.gguf.tools import find_tool
from lrmtest.compress.protect import Protection
from lrmtest.errors import MachineryError, ModelError, UsageError
from lrmtest.models.gguf.from_safetensors import converted
from lrmtest.models.gguf_header import TYPE_BLOCKS, GgufTensor, read_gguf_header
from lrmtest.models.local import gguf_in, gguf_parts, measure
from lrmtest.progress import Tell

_PROGRESS = re.compile(r"^\[ *(\d+)/ *(\d+)\]")
_UNSEEN = re.compile(r"did not find weights for (\S+)")
_PART = re.compile(r"-\d{5}-of-\d{5}$")


@dataclass(frozen=True, slots=True)
class GgufVariant:
    """A quantized GGUF file.

    Attributes:
        path: the file.
        bits_per_weight: mean over all its weights, scales included.
        imatrix: whether it was made with an importance matrix.
        notes: what differs from what was asked for, or should be known; one sentence each.
    """

    path: Path
    bits_per_weight: float
    imatrix: bool
    notes: tuple[str, ...]


def quantize_gguf(
    source: Path,
    out: Path,
    *,
    kind: str,
    tensors: Sequence[tuple[str, str]],
    protection: Protection,
    texts: Sequence[str] | None,
    tell: Tell,
) -> GgufVariant:
    """Write the model at `source` as one quantized GGUF file.

    What is protected stays as it is in the source, to the bit. What a pattern matches gets the
    pattern's type. llama-quantize decides about the rest: a kind such as Q4_K_M is a mixture.

    Args:
        source: a GGUF file, a folder with one GGUF model, or a folder with safetensors.
        out: the folder to write into; the file is called after the source and the kind.
        kind: any type that the installed llama-quantize makes: ``Q4_K_M``, ``IQ1_S``, ``TQ1_0``.
        tensors: patterns (see `lrmtest.compress.gguf.patterns`) with types; the first wins.
        protection: modules that stay as they are, under the names that transformers gives them.
        texts: calibration texts for an importance matrix, rendered by the chat template; None
            for none. Types below 3 bits need one.
        tell: is told what is done and how far it is.

    Raises:
        UsageError: there is no such kind or type, no pattern matches anything, or calibration
            texts are missing or too short.
        ModelError: the source cannot be read, a program of llama.cpp is missing or fails, or
            `out` cannot be written.
    """
    tool = find_tool("llama-quantize")
    kind = known_kind(kind, tool)
    wanted = [(pattern, known_type(pattern, type_)) for pattern, type_ in tensors]
    _refuse(kind, patterns=bool(wanted), texts=texts is not None)
    file = _as_gguf(source, tell)
    plan = make_plan(file, kind, wanted, protection)
    wants_matrix = texts is not None and kind not in WHOLE
    target = out / f"{_stem(source, file)}-{kind}.gguf"
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".imatrix-") as beside:
            folder = Path(beside)
            arguments = options(plan.types)
            if texts is not None and wants_matrix:
                arguments += ["--imatrix", importance_matrix(file, texts, folder, tell)]
            if plan.quantized_source:
                arguments.append("--allow-requantize")
            if arguments:
                tool.require(*{word for word in arguments if word.startswith("--")})
            arguments += [str(file), str(target.absolute()), kind]
            tell(f"quantizing to {kind}")
            lines = tool.run(arguments, folder=folder, tell=tell, progress=_told)
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise MachineryError(f"cannot write to {out}: {error.strerror or error}") from error
        raise
    return _variant(target, plan, wants_matrix, lines)


def _refuse(kind: str, *, patterns: bool, texts: bool) -> None:
    if patterns and kind in WHOLE:
        raise UsageError(
            f"{kind} quantizes nothing, and llama-quantize then heeds no types of single tensors",
            hint=f"choose a quantized kind, with '*={kind}' behind the other patterns",
        )
    if needs_matrix(kind) and not texts:
        raise UsageError(
            f"{kind} needs an importance matrix: without one the result is garbage",
            hint="leave out --no-imatrix, or choose a kind of more bits",
        )


def _as_gguf(source: Path, tell: Tell) -> Path:
    if source.is_dir():
        has_config = (source / "config.json").is_file()
        file = converted(source, tell=tell) if has_config else gguf_in(source)
    elif source.is_file() and source.suffix == ".gguf":
        file = gguf_parts(source)[0]
    else:
        raise ModelError(
            f"{source} is no model that can be quantized",
            hint="give a .gguf file or a folder with config.json in it",
        )
    # Not resolved: in the hub's cache a link has the file's name, and its target a hash.
    return file.absolute()


def _stem(source: Path, file: Path) -> str:
    # What was exported is called after its contents too, which is of no use to a reader.
    if source.is_dir() and source.absolute() != file.parent:
        return source.resolve().name
    return _PART.sub("", file.stem)


def _told(line: str) -> str | None:
    match = _PROGRESS.match(line)
    return f"{match[1]} of {match[2]} tensors are quantized" if match else None


def _variant(target: Path, plan: TensorPlan, imatrix: bool, lines: Sequence[str]) -> GgufVariant:
    written = {tensor.name: tensor for tensor in read_gguf_header(target).tensors}
    if lost := sorted(
        name
        for name in plan.protected
        if name not in written or written[name].type != plan.types[name]
    ):
        target.unlink()
        raise ModelError(
            f"llama-quantize has changed {len(lost)} protected tensors, {lost[0]} for instance",
            hint="install a newer llama.cpp: it must know --tensor-type",
        )
    notes = [*plan.notes, *_fallbacks(written.values(), plan), *_disobeyed(written, plan)]
    unseen = {
        name
        for line in lines
        if (match := _UNSEEN.search(line))
        and (name := match[1]) not in (f"{EMBEDDING}.weight", f"{HEAD}.weight")
    }
    if unseen:
        notes.append(f"the calibration texts reach {len(unseen)} tensors not at all")
    bits = measure(target).compression.bits_per_weight
    if bits is None:
        raise MachineryError(f"llama-quantize has written no weights to {target}")
    return GgufVariant(target, bits, imatrix, tuple(notes))


def _fallbacks(written: Collection[GgufTensor], plan: TensorPlan) -> list[str]:
    """Rows are quantized in blocks; a row that is no whole number of them gets another type."""
    block = block_of(plan.kind)
    other: Counter[str] = Counter()
    for tensor in written:
        if tensor.name not in plan.matrices:
            continue
        asked = plan.types.get(tensor.name)
        blocks = TYPE_BLOCKS[asked][0] if asked else block
        if tensor.shape[0] % blocks and tensor.type != asked:
            other[tensor.type] += 1
    if not other:
        return []
    types = ", ".join(f"{count} {type_}" for type_, count in other.most_common())
    return [
        f"{other.total()} of {len(plan.matrices)} matrices have rows that are no multiple of "
        f"the block of their type, and got another: {types}"
    ]


def _disobeyed(written: Mapping[str, GgufTensor], plan: TensorPlan) -> list[str]:
    """Tensors whose rows would fit, and which have another type all the same."""
    wrong = [
        f"{name} as {written[name].type}"
        for name, asked in plan.types.items()
        if name in written
        and written[name].type != asked
        and not written[name].shape[0] % TYPE_BLOCKS[asked][0]
    ]
    return (
        [f"llama-quantize did not heed the types of {len(wrong)} tensors: {', '.join(wrong[:3])}"]
        if wrong
        else []
    )
