"""The gated comparison of stored runs, with the certificate that a run keeps."""

from __future__ import annotations

import argparse
from dataclasses import replace

from lrmtest.analysis.certificate_record import kept_certificate, of_these_settings
from lrmtest.analysis.certificate_said import result_said
from lrmtest.analysis.certified_comparison import decided_by_reading, joined_with_reading
from lrmtest.analysis.compare import ComparedRuns, compare
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.cli.output import complain
from lrmtest.reports.escape import one_line
from lrmtest.runs.looks import LookOptions, take_look
from lrmtest.runs.records import RunRecord
from lrmtest.runs.series import join_series

_MOST_SAID = 600


def gated_comparison(
    baseline: RunRecord,
    candidate: RunRecord,
    gate: GateSettings,
    arguments: argparse.Namespace,
    options: LookOptions | None = None,
    *,
    given: bool = False,
) -> ComparedRuns:
    """A comparison, with what reading the baseline's traces came to where the run keeps that.

    A run that was certified and has no samples of its own is decided by its certificate, and no
    look at it is taken. One with samples of every question is decided by these, and what reading
    had excluded before stays so. A certificate of a gate with other settings is told of, and
    decides nothing.

    Args:
        baseline, candidate: the runs.
        gate: its settings now.
        arguments: those of the comparison, and what of the settings may differ.
        options: what the user says of the look.
        given: work out the false-alarm rate given this very baseline.

    Raises:
        UsageError: settings differ that may not.
    """

    def by_samples() -> ComparedRuns:
        number = join_series(baseline, candidate, gate.series)
        look = take_look(
            baseline, candidate, options or LookOptions(), allow_missing=gate.allow_missing
        )
        now = replace(gate, look=look, candidate=number)
        return plain_comparison(baseline, candidate, arguments, now, given=given)

    certificate = kept_certificate(baseline, candidate)
    if certificate is not None and not of_these_settings(certificate, gate):
        said = one_line(result_said(certificate), _MOST_SAID)
        complain(f"{candidate.model}: read by a gate with other settings, so not counted: {said}")
        certificate = None
    if certificate is None:
        return by_samples()
    graded = {key for key, one in candidate.outcomes.items() if one.count}
    asked = {key for key, one in baseline.outcomes.items() if one.count}
    if not certificate.certified:
        return joined_with_reading(by_samples(), certificate)
    if asked <= graded:
        return by_samples()
    return decided_by_reading(plain_comparison(baseline, candidate, arguments), certificate)


def plain_comparison(
    baseline: RunRecord,
    candidate: RunRecord,
    arguments: argparse.Namespace,
    gate: GateSettings | None = None,
    *,
    given: bool = False,
) -> ComparedRuns:
    """`compare`, by a command's arguments."""
    return compare(
        baseline,
        candidate,
        allowed=arguments.allow_different,
        gate=gate,
        threshold=arguments.pass_threshold,
        given=given,
    )
