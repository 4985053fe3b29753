"""Adapted requests: what a server refused of a run's requests, and what that means for the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lrmtest.models.request_fields import LEFT_OUT, RENAMED, TRANSPORT_FIELDS
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.reasoning import warnings_of

ADAPTED = (LEFT_OUT, RENAMED)
"""What is noted of it in an engine's details."""

REPLICAS = "replicas"
"""In an engine's details: what each of several servers has done for a run."""

_MOST_NAMED = 20


def _left_out(manifest: Manifest) -> tuple[str, ...]:
    named = (manifest.engine.details or {}).get(LEFT_OUT)
    if not isinstance(named, list):
        return ()
    return tuple(name for name in named if isinstance(name, str))[:_MOST_NAMED]


def changes_left_out(manifest: Manifest) -> tuple[str, ...]:
    """The fields a run's server refused, and without which its outcomes may be others."""
    return tuple(name for name in _left_out(manifest) if name not in TRANSPORT_FIELDS)


def run_warnings(manifest: Manifest) -> list[str]:
    """What may make a run's verdicts other than its settings say, a sentence each."""
    return [*_warnings(manifest), *warnings_of(manifest.reasoning)]


def adapted_said(manifest: Manifest) -> list[str]:
    """What was adapted without changing an outcome, in a few words each."""
    said = []
    names = _left_out(manifest)
    if "stream" in names:
        said.append("the server does not stream: no loop is stopped early")
    elif "stream_options" in names:
        said.append("the server takes no stream_options: it may not count tokens")
    renamed = (manifest.engine.details or {}).get(RENAMED)
    if isinstance(renamed, dict):
        said += [
            f"{old} sent as {new}"
            for old, new in [*renamed.items()][:_MOST_NAMED]
            if isinstance(new, str)
        ]
    return said


def _warnings(manifest: Manifest) -> Iterator[str]:
    asked: dict[str, Any] = {
        **(manifest.model.request or {}),
        "temperature": manifest.temperature,
        "top_p": manifest.top_p,
    }
    for name in changes_left_out(manifest):
        sent = f"no {name} was sent, since the server takes none"
        if name == "seed":
            yield f"{sent}: samples are not reproducible"
        elif asked.get(name) is not None:
            yield f"{sent}: sampled with its own, not with {asked[name]} as asked"
        else:
            yield f"{sent}: its own counts"
