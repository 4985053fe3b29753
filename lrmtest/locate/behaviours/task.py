"""The task of scoring one model's modules for behaviours; nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrmtest.locate.behaviours.segmented import SegmentedTrace
from lrmtest.locate.lines import trace_digest
from lrmtest.models.description import describe_model
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.spec import ModelSpec
from lrmtest.runs.keys import fingerprint

_FORMAT = "lrmtest-behaviours/1"


@dataclass(frozen=True, slots=True)
class BehaviourTask:
    """What is to be scored.

    Attributes:
        spec: the model, its files on disk.
        options: of the engine; device, dtype and trust_remote_code are heeded.
        traces: what it reads; at least one of them with a segment.
    """

    spec: ModelSpec
    options: EngineOptions
    traces: Sequence[SegmentedTrace]

    def digests(self) -> Mapping[str, str]:
        """Of the traces' tokens, by their keys."""
        return {one.written.place.key: trace_digest(one.written.trace) for one in self.traces}

    def identity(self) -> str:
        """Equal for tasks with the same figures: they depend on all traces and all segments."""
        model = describe_model(self.spec, self.options)
        model.pop("name")
        digests = self.digests()
        read = [
            [digests[key], [[each.begin, each.end, each.behaviour] for each in one.segments]]
            for one in self.traces
            if (key := one.written.place.key)
        ]
        return fingerprint({"format": _FORMAT, "model": model, "traces": sorted(read)})
