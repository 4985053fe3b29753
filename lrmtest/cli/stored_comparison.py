"""The certificate that a run keeps, as commands on stored runs use it."""

from __future__ import annotations

from collections.abc import Callable

from lrmtest.analysis.certificate_record import kept_certificate, of_these_settings
from lrmtest.analysis.certificate_said import result_said
from lrmtest.analysis.certified_comparison import decided_by_reading, joined_with_reading
from lrmtest.analysis.claims import GateSettings
from lrmtest.analysis.compare import ComparedRuns
from lrmtest.cli.output import complain
from lrmtest.reports.escape import one_line
from lrmtest.runs.records import RunRecord

_MOST_SAID = 600


def compared_with_certificate(
    baseline: RunRecord,
    candidate: RunRecord,
    settings: GateSettings,
    compare: Callable[[bool], ComparedRuns],
) -> ComparedRuns:
    """A comparison, with what reading the baseline's traces came to where the run keeps that.

    A run that was certified and has no samples of its own is decided by its certificate, and no
    look at it is taken. One with samples of every question is decided by these, and what reading
    had excluded before stays so. A certificate of a gate with other settings is told of, and
    decides nothing.

    Args:
        baseline, candidate: the runs.
        settings: of the gate now.
        compare: compares them; with the gate, which takes a look, or without.
    """
    certificate = kept_certificate(baseline, candidate)
    if certificate is not None and not of_these_settings(certificate, settings):
        said = one_line(result_said(certificate), _MOST_SAID)
        complain(f"{candidate.model}: read by a gate with other settings, so not counted: {said}")
        certificate = None
    if certificate is None:
        return compare(True)
    graded = {key for key, one in candidate.outcomes.items() if one.count}
    asked = {key for key, one in baseline.outcomes.items() if one.count}
    if certificate.certified:
        if asked <= graded:
            return compare(True)
        return decided_by_reading(compare(False), certificate)
    return joined_with_reading(compare(True), certificate)
