"""Words for the replicas that a model was asked of: which there are, and how fast each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lrmtest.counted import counted
from lrmtest.masking import masked, masked_url
from lrmtest.models.engines.base import ReplicaState
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import count
from lrmtest.runs.adapted import REPLICAS
from lrmtest.runs.manifest import Manifest

_URL_LIMIT, _REASON_LIMIT = 80, 160
_MOST_NAMED = 8
_MOST_SHOWN = 1024
_LARGEST = 1e15
"""A number above it was counted by nobody."""
_SHORTEST = 0.1
"""Seconds, as they are written down, in which a rate is one."""
_ASKED = ("working", "draining")


def replicas_line(replicas: Sequence[ReplicaState]) -> str:
    """How many work, and how fast: ``3 of 4 replicas, 420 to 1,203 tok/s each``; empty for none."""
    named = [one for one in replicas if one.phase != "gone"]
    if not named:
        return ""
    rates = sorted(one.tokens_per_second for one in named if one.phase in _ASKED)
    said = f"{len(rates)} of {counted(len(named), 'replica')}"
    if not rates or not rates[-1]:
        return said
    slowest, fastest = count(rates[0]), count(rates[-1])
    return f"{said}, {slowest if slowest == fastest else f'{slowest} to {fastest}'} tok/s each"


def replica_words(state: ReplicaState) -> str:
    """One replica in a line: where it is, and what it does or why it does nothing."""
    parts: list[str] = [state.phase] if state.phase != "working" else []
    if state.phase in _ASKED:
        parts += [f"{state.running:,} running", f"{count(state.tokens_per_second)} tok/s"]
    if state.completions:
        parts.append(counted(state.completions, "completion"))
    if state.reason:
        parts.append(one_line(state.reason, _REASON_LIMIT))
    return f"{one_line(state.url, _URL_LIMIT)}: {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class DoneByReplica:
    """What one replica has done in a run's last session.

    Attributes:
        url: where it was, without credentials and made safe to show.
        completions: how many came from it.
        tokens_per_second: over the time in which it worked; 0 where that is not known.
        reason: why it was not asked at the end, made safe to show; empty where it was.
    """

    url: str
    completions: int
    tokens_per_second: float
    reason: str


def done_by_replicas(manifest: Manifest) -> list[DoneByReplica]:
    """What each replica of a run's last session has done; empty where there were not several.

    The manifest may be of anybody's writing; what is no replica's is passed over.
    """
    noted = (manifest.engine.details or {}).get(REPLICAS)
    found = [one for one in noted if isinstance(one, dict)] if isinstance(noted, list) else []
    return [_done(one) for one in found[:_MOST_SHOWN]]


def replicas_said(manifest: Manifest) -> str:
    """What each replica of a run's last session has done; empty where there were not several."""
    found = done_by_replicas(manifest)
    if not found:
        return ""
    said = [_done_words(one) for one in found[:_MOST_NAMED]]
    more = len(found) - len(said)
    return f"{counted(len(found), 'replica')}: " + "; ".join(
        [*said, *([f"and {more} more"] if more else [])]
    )


def _done(noted: dict[str, Any]) -> DoneByReplica:
    completions, tokens, seconds = (
        value if isinstance(value := noted.get(name), int | float) and 0 <= value <= _LARGEST else 0
        for name in ("completions", "tokens", "seconds")
    )
    return DoneByReplica(
        one_line(masked_url(str(noted.get("url", ""))), _URL_LIMIT),
        int(completions),
        tokens / seconds if seconds >= _SHORTEST else 0.0,
        one_line(masked(str(noted.get("reason", ""))), _REASON_LIMIT),
    )


def _done_words(done: DoneByReplica) -> str:
    said = f"{done.url} {counted(done.completions, 'completion')}"
    return f"{said} at {count(done.tokens_per_second)} tok/s" if done.tokens_per_second else said
