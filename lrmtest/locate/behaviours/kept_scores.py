"""The figures of a model's behaviours, kept as they come, so that the interrupted go on.

Two files for each task, named by its fingerprint: sums of outputs, written anew after each portion
of traces, and a line of JSON with the scores of each trace. What is not whole, or not what is
expected, is as if it were not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lrmtest.locate.behaviours.segments import OutputSums, TraceScores
from lrmtest.locate.lines import append_lines, is_number, kept_lines
from lrmtest.runs.files import replacing

_VECTORS = ("generated", "everything", "total")
_MATRICES = ("own", "released")


@dataclass(slots=True)
class KeptScores:
    """Scores that are kept in a file.

    Attributes:
        path: of the file; made with the first line.
        digests: of the traces that are at work, by their keys.
        scores: by the traces' keys.
    """

    path: Path
    digests: Mapping[str, str]
    scores: dict[str, TraceScores] = field(default_factory=dict)

    @classmethod
    def read(
        cls, path: Path, digests: Mapping[str, str], segments: Mapping[str, int]
    ) -> KeptScores:
        """What is there of these traces.

        Args:
            path: the file, which need not be there.
            digests: of the traces.
            segments: how many each of them has.

        Raises:
            DataError: it cannot be read.
        """
        kept = cls(path, digests)
        for line in kept_lines(path):
            key = line.get("key")
            if not isinstance(key, str) or digests.get(key) != line.get("trace", ""):
                continue
            losses, scores = line.get("losses"), line.get("scores")
            if _numbers(losses, segments[key]) and isinstance(scores, dict) and scores:
                forms = list(scores.values())
                if all(
                    isinstance(each, list)
                    and len(each) == 2
                    and all(_numbers(one, segments[key]) for one in each)
                    for each in forms
                ):
                    kept.scores[key] = TraceScores(key, list(losses or ()), scores)
        return kept

    def add(self, found: Iterable[TraceScores]) -> None:
        """Keep traces' scores.

        Raises:
            StoreError: they cannot be written.
        """
        found = list(found)
        append_lines(
            self.path,
            (
                {
                    "key": one.key,
                    "trace": self.digests[one.key],
                    "losses": one.losses,
                    "scores": one.scores,
                }
                for one in found
            ),
        )
        self.scores |= {one.key: one for one in found}


def save_sums(path: Path, sums: Mapping[str, OutputSums], keys: Sequence[str]) -> None:
    """Keep sums of outputs, and of which traces they are.

    Raises:
        StoreError: they cannot be written.
    """
    tensors = {}
    for name, each in sums.items():
        tensors[f"{name}|counts"] = torch.tensor([each.traces, each.tokens, *each.with_behaviour])
        for part in (*_VECTORS, *_MATRICES):
            tensors[f"{name}|{part}"] = getattr(each, part).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        save_file(tensors, unfinished, metadata={"keys": json.dumps(list(keys))})


def read_sums(
    path: Path, widths: Mapping[str, int], behaviours: int
) -> tuple[dict[str, OutputSums], list[str]]:
    """The sums in a file and the keys of their traces; nothing where it is not what is expected.

    Args:
        path: the file, which need not be there.
        widths: by module, how wide its outputs are.
        behaviours: how many there are.
    """
    if not path.is_file():
        return {}, []
    try:
        with safe_open(path, "pt") as file:
            keys = json.loads((file.metadata() or {})["keys"])
            sums = {name: _sums(file, name, width, behaviours) for name, width in widths.items()}
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError):
        return {}, []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        return {}, []
    return sums, keys


def _sums(file: Any, name: str, width: int, behaviours: int) -> OutputSums:
    counts = file.get_tensor(f"{name}|counts")
    parts = {part: file.get_tensor(f"{name}|{part}") for part in (*_VECTORS, *_MATRICES)}
    shapes = {
        **dict.fromkeys(_VECTORS, (width,)),
        **dict.fromkeys(_MATRICES, (behaviours, width)),
    }
    if counts.shape != (2 + behaviours,) or counts.dtype != torch.int64 or bool((counts < 0).any()):
        raise ValueError("other counts")
    for part, tensor in parts.items():
        whole = tensor.shape == shapes[part] and tensor.dtype == torch.float64
        if not whole or not bool(tensor.isfinite().all()):
            raise ValueError("other tensors")
    traces, tokens, *with_behaviour = counts.tolist()
    return OutputSums(traces, with_behaviour, tokens, **parts)


def _numbers(found: Any, many: int) -> bool:
    return isinstance(found, list) and len(found) == many and all(map(is_number, found))
