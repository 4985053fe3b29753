"""Pruning a model, layer by layer: each layer sees what the pruned layers before it make.

For one layer: its inputs are run through it and H is collected for each of its linear modules;
every module is pruned; the inputs are run through the pruned layer and become those of the next.
So memory holds the model, the hidden states of all sequences, and of one layer the matrices H.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lrmtest.compress.figures import Pruned, PrunedModule
from lrmtest.compress.protect import Protection
from lrmtest.compress.pruning.inputs import Hessians
from lrmtest.compress.pruning.magnitude import magnitude
from lrmtest.compress.pruning.sparsegpt import sparsegpt
from lrmtest.compress.pruning.sparsity import Sparsity
from lrmtest.compress.pruning.wanda import wanda
from lrmtest.errors import LrmtestError, MachineryError, ModelError, UsageError
from lrmtest.models.engines.tokenizers.checkpoint_files import first_line, quiet
from lrmtest.models.engines.transformers.loading import load_causal_lm
from lrmtest.models.engines.transformers.stack import Stack
from lrmtest.models.local import weight_files
from lrmtest.progress import LayersDone

_ALGORITHMS: dict[str, Callable[[Tensor, Tensor, Sparsity], Tensor]] = {
    "sparsegpt": sparsegpt,
    "wanda": wanda,
    "magnitude": lambda W, _, sparsity: magnitude(W, sparsity),
}

_COPIED = (".json", ".jinja", ".py", ".txt", ".model", ".tiktoken")
"""Endings of the files that are a checkpoint's beside its weights."""
_LICENCES = ("license", "licence", "notice", "use_policy")


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done to every matrix.

    Attributes:
        method: ``sparsegpt``, ``wanda`` or ``magnitude``.
        sparsity: how many of its weights become zero.
        protection: what stays as it is.
    """

    method: str
    sparsity: Sparsity
    protection: Protection


def prune(
    folder: Path,
    out: Path,
    job: Job,
    sequences: Sequence[Sequence[int]],
    progress: LayersDone,
) -> Pruned:
    """Prune the model in `folder` and write it to `out`, in the types that its weights have.

    All linear modules of the decoder layers are pruned; embeddings, norms, biases and the output
    head stay, bit by bit, and so do protected rows.

    Args:
        folder: a checkpoint with safetensors.
        out: a folder that is there and empty.
        job: what to do.
        sequences: calibration texts as tokens.
        progress: is told after each layer.

    Raises:
        UsageError: a protection matches nothing, or leaves nothing to prune.
        ModelError: the model cannot be loaded, is of a kind that cannot be pruned, or does not fit
            in memory.
        OSError: it cannot be written.
    """
    try:
        return _pruned(folder, out, job, sequences, progress)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise MachineryError(
            "the model, its hidden states and the Hessians of a layer do not fit in memory",
            hint="use fewer or shorter sequences: --calibration-samples, --calibration-tokens",
        ) from error


def _pruned(
    folder: Path,
    out: Path,
    job: Job,
    sequences: Sequence[Sequence[int]],
    progress: LayersDone,
) -> Pruned:
    with torch.no_grad():
        stack = Stack(_loaded(folder))
        _check_groups(stack.shapes, job.sparsity)
        kept = job.protection.rows(stack.shapes)
        if all(len(kept.get(name, ())) == shape[0] for name, shape in stack.shapes.items()):
            raise UsageError("--protect leaves nothing to prune", hint="protect less")
        modules = _pruned_layers(stack, job, kept, sequences, progress)
        _write(folder, out, stack, kept)
    return Pruned(tuple(modules))


def _loaded(folder: Path) -> Any:
    """The model in main memory, in the types that its weights have."""
    with quiet():
        try:
            model = load_causal_lm(str(folder), dtype="auto")
        except LrmtestError:
            raise
        except Exception as error:
            raise ModelError(
                f"the model at {folder} cannot be loaded: {first_line(error)}",
                hint="is the checkpoint complete, and of an architecture that transformers knows?",
            ) from error
    if getattr(model.config, "quantization_config", None) is not None:
        raise ModelError(
            f"the model at {folder} is quantized already: its weights cannot be pruned",
            hint="prune the model that it was made from",
        )
    return model.eval()


def _check_groups(shapes: Mapping[str, tuple[int, int]], sparsity: Sparsity) -> None:
    for name, (_, columns) in shapes.items():
        if sparsity.group and columns % sparsity.group:
            raise ModelError(
                f"{name} has {columns} columns, which no pattern of {sparsity.group} divides",
                hint="give --sparsity in place of --pattern",
            )


def _pruned_layers(
    stack: Stack,
    job: Job,
    kept: Mapping[str, Sequence[int]],
    sequences: Sequence[Sequence[int]],
    progress: LayersDone,
) -> list[PrunedModule]:
    stack.hold(sum(map(len, sequences)))
    passages = [stack.begin(sequence) for sequence in sequences]
    modules = []
    for index in range(len(stack.layers)):
        with stack.at_work(index):
            hessians = Hessians(stack.linears(index))
            for passage in passages:
                with hessians.listening():
                    stack.run(index, passage)
            for name, linear in stack.linears(index).items():
                rows = kept.get(name, ())
                before, H = linear.weight.float(), hessians.of(name)
                # Rounded to what is stored: that is what the next layer is to see.
                after = _pruned_matrix(before, H, job, rows).to(stack.stored).float()
                modules.append(_figures(name, before, after, H, rows))
                linear.weight.copy_(after)
            del hessians
            if index + 1 < len(stack.layers):
                for passage in passages:
                    passage.hidden = stack.run(index, passage)
        progress(index + 1, len(stack.layers))
    return modules


def _pruned_matrix(W: Tensor, H: Tensor, job: Job, kept: Sequence[int]) -> Tensor:
    """`W` pruned but for the rows that are kept; those play no part in it."""
    free = _others(W.shape[0], kept)
    if not len(free):
        return W
    W = W.clone()
    W[free] = _ALGORITHMS[job.method](W[free], H, job.sparsity)
    return W


def _others(rows: int, kept: Sequence[int]) -> Tensor:
    """Numbers of the rows that are not kept."""
    free = torch.ones(rows, dtype=torch.bool)
    free[list(kept)] = False
    return free.nonzero().flatten()


def _figures(name: str, W: Tensor, pruned: Tensor, H: Tensor, kept: Sequence[int]) -> PrunedModule:
    rows, columns = W.shape
    # ||A X||^2 = tr(A X X^T A^T), for which X itself is not needed.
    lost, whole = (float(((A @ H) * A).sum()) for A in (W - pruned, W))
    return PrunedModule(
        name=name,
        weights=rows * columns,
        zeros=int((pruned == 0).sum()),
        protected=len(kept) * columns,
        error=lost / whole if whole > 0 else 0.0,
    )


def _write(folder: Path, out: Path, stack: Stack, kept: Mapping[str, Sequence[int]]) -> None:
    """Copy the checkpoint, with pruned rows in place of what they were.

    Everything else comes from the files themselves, so that it is what it was, bit by bit.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    weights = {
        f"{name}.weight": (linear.weight, _others(linear.out_features, kept.get(name, ())))
        for index in range(len(stack.layers))
        for name, linear in stack.linears(index).items()
    }
    for path in weight_files(folder):
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} cannot be read: {error}") from error
        for name in tensors.keys() & weights.keys():
            pruned, free = weights.pop(name)
            tensors[name][free] = pruned[free].to(tensors[name].dtype)
        try:
            save_file(tensors, out / path.name, metadata=metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from error
        shutil.copymode(path, out / path.name)
    if weights:
        raise ModelError(
            f"{folder}: its files have no tensor {next(iter(weights))}",
            hint="load it with transformers and save it again: save_pretrained(folder)",
        )
    for path in folder.iterdir():
        if path.is_file() and _belongs(path):
            shutil.copy(path, out / path.name)


def _belongs(path: Path) -> bool:
    """Whether a file is a part of the checkpoint that pruning does not change."""
    name = path.name.lower()
    weights = name.endswith((".bin.index.json", ".h5.index.json"))
    ours = name.startswith("lrmtest-")
    licence = name.startswith(_LICENCES)
    return not (weights or ours) and (path.suffix in _COPIED or licence)
