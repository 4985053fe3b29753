"""Words for the replicas that a model was asked of: which there are, and how fast each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lrmtest.counted import counted
from lrmtest.models.engines.base import ReplicaState
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import count
from lrmtest.runs.adapted import REPLICAS
from lrmtest.runs.manifest import Manifest

_URL_LIMIT, _REASON_LIMIT = 80, 160
_MOST_NAMED = 8
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


def replicas_said(manifest: Manifest) -> str:
    """What each replica of a run's last session has done; empty where there were not several."""
    noted = (manifest.engine.details or {}).get(REPLICAS)
    found = [one for one in noted if isinstance(one, dict)] if isinstance(noted, list) else []
    if not found:
        return ""
    said = [_noted(one) for one in found[:_MOST_NAMED]]
    more = len(found) - len(said)
    return f"{counted(len(found), 'replica')}: " + "; ".join(
        [*said, *([f"and {more} more"] if more else [])]
    )


def _noted(replica: dict[str, Any]) -> str:
    url = one_line(str(replica.get("url", "")), _URL_LIMIT)
    completions, tokens, seconds = (
        value if isinstance(value := replica.get(name), int | float) and value >= 0 else 0
        for name in ("completions", "tokens", "seconds")
    )
    said = f"{url} {counted(int(completions), 'completion')}"
    return f"{said} at {count(tokens / seconds)} tok/s" if tokens and seconds else said
