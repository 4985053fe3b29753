"""A comparison joined with what reading the baseline's traces came to before."""

from __future__ import annotations

from dataclasses import replace

from lrmtest.analysis.certificate import Certificate, certified_decision, with_excluded
from lrmtest.analysis.certificate_said import bounds_said
from lrmtest.analysis.compare import ComparedRuns


def decided_by_reading(compared: ComparedRuns, certificate: Certificate) -> ComparedRuns:
    """A comparison of what was not generated, with the decision that made that needless.

    Args:
        compared: has no decision of its own.
        certificate: one that is certified.
    """
    decision = certified_decision(certificate, bounds_said(certificate))
    return replace(compared, decision=decision, certificate=certificate)


def joined_with_reading(compared: ComparedRuns, certificate: Certificate) -> ComparedRuns:
    """A comparison with what reading came to, which what is left undecided may need.

    Args:
        compared: of what was generated, with the gate's decision or without one.
        certificate: of a gate with the same settings; not certified, else nothing was generated.
    """
    decision = compared.decision
    if decision is not None:
        decision = with_excluded(decision, compared.comparison.missing, certificate)
    return replace(compared, decision=decision, certificate=certificate)
