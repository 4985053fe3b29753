"""A certificate as a run keeps it, so that who reports on the run later knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf, isinf
from typing import Any

import msgspec

from lrmtest.analysis.certificate import Certificate
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.errors import LrmtestError
from lrmtest.runs.looks import Look
from lrmtest.runs.records import RunRecord

_BASELINE, _INFINITE = "baseline", "infinite"
_MAY_BE_INFINITE = ("worsening", "highest", "at_budget")


def certificate_to_json(certificate: Certificate, baseline: RunRecord) -> dict[str, Any]:
    """JSON values of a certificate.

    Args:
        certificate: what reading came to.
        baseline: the run whose traces were read.
    """
    # What was read stays in the store's readings.
    found: dict[str, Any] = msgspec.to_builtins(replace(certificate, read={}))
    del found["read"]
    for bound in found["bounds"]:
        bound[_INFINITE] = [name for name in _MAY_BE_INFINITE if isinf(bound[name] or 0.0)]
        bound.update(dict.fromkeys(bound[_INFINITE], 0.0))  # JSON has no infinity
    return {**found, _BASELINE: baseline.run_id}


def certificate_from_json(raw: Mapping[str, Any]) -> Certificate | None:
    """The inverse of `certificate_to_json`; None for what is not its output."""
    try:
        bounds = [
            {**bound, **dict.fromkeys((n for n in _MAY_BE_INFINITE if n in bound[_INFINITE]), inf)}
            for bound in raw["bounds"]
        ]
        return msgspec.convert({**raw, "bounds": bounds}, Certificate, from_attributes=False)
    except (msgspec.ValidationError, LrmtestError, KeyError, TypeError, ValueError):
        return None


def kept_certificate(baseline: RunRecord, candidate: RunRecord) -> Certificate | None:
    """What a gate of a run has read of its baseline's traces; None where nothing is kept.

    Of another baseline, or of another part of this one, it says nothing here.

    Args:
        baseline: what the run is compared with now.
        candidate: the run.
    """
    graded = [one for one in baseline.outcomes.values() if one.count]
    for looks in candidate.manifest.looks.values():
        raw = looks.certificate
        if raw is None or raw.get(_BASELINE) != baseline.run_id:
            continue
        found = certificate_from_json(raw)
        if (
            found is not None
            and found.questions == len(graded)
            and found.traces == sum(one.count for one in graded)
        ):
            return found
    return None


def of_these_settings(certificate: Certificate, settings: GateSettings) -> bool:
    """Whether a certificate is of a gate with these settings, whichever look it is."""

    def plain(one: GateSettings) -> GateSettings:
        return replace(one, look=Look(), candidate=0)

    return plain(certificate.settings) == plain(settings)
