"""A certificate in the terminal, in Markdown and as JSON."""

from __future__ import annotations

from math import isfinite
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from lrmtest.analysis.certificate import Certificate, ClaimBound
from lrmtest.analysis.certificate_said import (
    assumptions,
    bounds_said,
    reading_said,
    result_said,
    stage_said,
)
from lrmtest.reports.escape import one_line


def certificate_view(certificate: Certificate, heading: str) -> RenderableType:
    """A certificate as a rich renderable.

    Args:
        certificate: what was found.
        heading: of which candidate, by what, in a line.
    """
    style = "bold green" if certificate.certified else "bold yellow"
    parts: list[RenderableType] = [
        Text(one_line(heading, 300)),
        Text(one_line(reading_said(certificate), 300)),
        Text(one_line(result_said(certificate), 1000), style=style),
    ]
    parts += [Text(f"  {one_line(each, 400)}") for each in bounds_said(certificate)]
    said = " ".join([stage_said(certificate), *assumptions(certificate)])
    parts.append(Text(one_line(said, 1500), style="dim"))
    return Group(*parts)


def certificate_notes(certificate: Certificate | None) -> list[str]:
    """What a comparison says of the reading before it; nothing without one."""
    if certificate is None:
        return []
    return [reading_said(certificate), *([] if certificate.certified else [_then(certificate)])]


def _then(certificate: Certificate) -> str:
    """That reading has not sufficed, and what of it holds all the same."""
    said = result_said(certificate)
    return said + ("; claims that it has excluded count" if certificate.excluded else "")


def certificate_document(certificate: Certificate | None) -> dict[str, Any] | None:
    """A certificate as JSON values, unrounded; infinity is null. None without one."""
    if certificate is None:
        return None
    return {
        "certified": certificate.certified,
        "said": result_said(certificate),
        "level": certificate.level,
        "questions": certificate.questions,
        "traces": certificate.traces,
        "unknown": certificate.unknown,
        "variation": certificate.variation,
        "greedy": certificate.greedy,
        "enough": certificate.enough,
        "same_prompts": certificate.same_prompts,
        "gaps": list(certificate.gaps),
        "assumptions": assumptions(certificate),
        "bounds": [_bound(bound) for bound in certificate.bounds],
    }


def _tokens(bound: ClaimBound) -> dict[str, Any]:
    if bound.claim.what != "tokens":
        return {}
    known = bound.at_budget is not None and isfinite(bound.at_budget)
    return {"longest": bound.longest, "at_budget": bound.at_budget if known else None}


def _bound(bound: ClaimBound) -> dict[str, Any]:
    return {
        "what": bound.claim.what,
        "metric": bound.claim.metric if bound.claim.primary else None,
        "suite": bound.claim.suite,
        "limit": bound.claim.limit,
        "outcome": bound.result,
        "worsening": bound.worsening if isfinite(bound.worsening) else None,
        "highest": bound.highest if isfinite(bound.highest) else None,
        "p": bound.p,
        **_tokens(bound),
    }
