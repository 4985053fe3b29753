"""Scoring a model's modules for behaviours: means of outputs first, then segment by segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lrmtest.analysis.behaviours import SCORED
from lrmtest.errors import MachineryError
from lrmtest.locate.behaviours.kept_scores import KeptScores, read_sums, save_sums
from lrmtest.locate.behaviours.segmented import SegmentedTrace
from lrmtest.locate.behaviours.segments import TraceScores, add_outputs, score
from lrmtest.locate.behaviours.task import BehaviourTask
from lrmtest.locate.opening import open_stack
from lrmtest.locate.portions import Done, portions, step_counter
from lrmtest.models.engines.transformers.stack import Stack

_HELD_BYTES = 2 << 30
"""Of hidden states, keys and values that are held at a time; one trace alone may take more."""


def score_behaviours(task: BehaviourTask, folder: Path, done: Done) -> Mapping[str, TraceScores]:
    """The scores of the traces that have segments, by their keys.

    Args:
        task: what is to be done.
        folder: where what is computed is kept.
        done: is told how far it is.

    Raises:
        UsageError: a trace does not fit the model.
        ModelError: it cannot be read or taken layer by layer.
        MachineryError: memory ran out.
        StoreError, DataError: what is computed cannot be kept, or read again.
    """
    name = task.identity()[:32]
    with_segments = [one for one in task.traces if one.segments]
    counts = {one.written.place.key: len(one.segments) for one in task.traces}
    kept = KeptScores.read(folder / f"{name}.jsonl", task.digests(), counts)
    modules = {frozenset(each.scores) for each in kept.scores.values()}
    left = [
        one
        for one in with_segments
        if one.written.place.key not in kept.scores or len(modules) != 1
    ]
    if left:
        try:
            stack = open_stack(task.spec, task.options, [one.written for one in task.traces])
            directions = _directions(stack, task.traces, folder / f"{name}.safetensors", done)
            parts = list(portions(left, _length, _most(stack, 3 * len(stack.layers))))
            step = step_counter(
                done, "segments, layer by layer", 2 * len(stack.layers) * len(parts)
            )
            for portion in parts:
                kept.add(score(stack, portion, directions, step))
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise MachineryError(
                "memory ran out while the model's layers were at work",
                hint="pass --dtype bfloat16, or take fewer traces: --suite; what was found is kept",
            ) from error
    return {key: kept.scores[key] for one in with_segments if (key := one.written.place.key)}


def _directions(
    stack: Stack, traces: Sequence[SegmentedTrace], path: Path, done: Done
) -> dict[str, Tensor]:
    """The directions of all modules, from what is kept of them and what is not yet."""
    widths = {name: rows for name, (rows, _) in stack.shapes.items()}
    sums, keys = read_sums(path, widths, len(SCORED))
    done_before = set(keys)
    left = [one for one in traces if one.written.place.key not in done_before]
    parts = list(portions(left, _length, _most(stack, 2)))
    step = step_counter(done, "outputs, layer by layer", len(stack.layers) * len(parts))
    for portion in parts:
        add_outputs(stack, portion, sums, len(SCORED), step)
        keys += [one.written.place.key for one in portion]
        save_sums(path, sums, keys)
    return {name: each.directions() for name, each in sums.items()}


def _length(one: SegmentedTrace) -> int:
    return one.written.length


def _most(stack: Stack, times: int) -> int:
    """Tokens whose hidden states may be held so many times together."""
    width = stack.model.config.get_text_config().hidden_size
    return int(_HELD_BYTES // (width * 4 * (times + 1)))
