"""A comparison as JSON; docs/summary-json.md describes every field."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.ends import UnknownEnds
from lrmtest.analysis.gate import Check, Decision
from lrmtest.analysis.gate_said import gate_said
from lrmtest.analysis.intervals import Interval
from lrmtest.analysis.paired_comparison import RateChange, SuiteComparison, TokenChange
from lrmtest.reports.certificate import certificate_document
from lrmtest.reports.changes import change_document, changed_document
from lrmtest.runs.differences import Difference


def comparison_document(compared: ComparedRuns) -> dict[str, Any]:
    """The figures of a comparison as JSON values, unrounded; infinity is null."""
    comparison, early = compared.comparison, compared.early
    return {
        "baseline": {"run_id": compared.baseline.run_id, "model": compared.baseline.model},
        "told_differences": [_difference(each) for each in compared.told],
        "differences": [_difference(each) for each in compared.differences],
        "suites": [suite_document(part) for part in comparison.suites],
        "total": suite_document(comparison.total),
        "paired_by_index": comparison.by_index,
        "missing": [
            {"suite": gap.key[0], "question": gap.key[1], "side": gap.side, "asked": gap.asked}
            for gap in comparison.missing
        ],
        "flips": [
            {
                "suite": flip.candidate.suite,
                "question": flip.candidate.question_id,
                "kind": flip.kind,
                "failure": flip.failure,
            }
            for flip in compared.flips
            if flip.kind != "both pass"
        ],
        "changed": changed_document(compared.changed),
        "changes": [change_document(flip) for flip in compared.flips if flip.change != "unchanged"],
        "unknown_ends": {
            "baseline": _ends(compared.baseline_ends),
            "candidate": _ends(compared.candidate_ends),
        },
        "certificate": certificate_document(compared.certificate),
        "gate": None if compared.decision is None else _gate(compared, compared.decision),
        "noise": [None if noise is None else noise.to_json() for noise in compared.noise]
        if compared.greedy
        else None,
        "given_baseline": None if compared.given is None else asdict(compared.given),
        "early_stop": None
        if early is None
        else {
            "looked_at": early.looked_at,
            "samples": early.samples,
            "not_generated": early.not_generated,
            "tokens_saved": early.tokens_saved,
            "tokens_drafted": early.tokens_drafted,
            "tokens_full": early.tokens_full,
            "baseline_pass_rate": early.baseline_rate,
            "candidate_pass_rate": early.candidate_rate,
            "baseline_table": early.table,
            "foreseen_by": early.foreseen,
        },
    }


def _ends(ends: UnknownEnds) -> dict[str, Any]:
    return {
        "samples": ends.samples,
        "unknown": ends.unknown,
        "share": ends.share,
        "pass_rate": ends.rate,
        "pass_rate_if_not_ended": ends.known,
    }


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "name": difference.name,
        "suite": difference.suite,
        "baseline": difference.baseline,
        "candidate": difference.candidate,
    }


def suite_document(part: SuiteComparison) -> dict[str, Any]:
    """One suite's comparison as JSON values, unrounded; infinity is null."""
    return {
        "suite": part.suite,
        "questions": part.questions,
        "baseline_samples": part.baseline_samples,
        "candidate_samples": part.candidate_samples,
        "failed": _change(part.failed),
        "truncated": _change(part.truncated),
        "looped": _change(part.looped),
        "tokens": None if part.tokens is None else _tokens(part.tokens),
        "p_different": part.p_different,
        "p_adjusted": part.p_adjusted,
        "metric": part.metric,
        "score": None if part.score is None else _score(part.score),
    }


def _change(change: RateChange) -> dict[str, Any]:
    return {
        "baseline": change.baseline,
        "candidate": change.candidate,
        "worsening": change.worsening,
        "interval": _interval(change.interval),
        "general_interval": _interval(change.general_interval),
    }


def _score(change: RateChange) -> dict[str, Any]:
    """The change of a score: of the score itself, not of what it is short of 1."""
    return {
        **_change(change),
        "baseline": 1 - change.baseline,
        "candidate": 1 - change.candidate,
        "p_different": change.pairs.p_different(),
    }


def _tokens(tokens: TokenChange) -> dict[str, Any]:
    return {
        "baseline_mean": tokens.baseline_mean,
        "candidate_mean": tokens.candidate_mean,
        "ratio": _finite(tokens.ratio),
        "interval": _interval(tokens.interval),
        "median_ratio": _finite(tokens.median_ratio),
        "median_interval": _interval(tokens.median_interval),
    }


def _gate(compared: ComparedRuns, decision: Decision) -> dict[str, Any]:
    settings = decision.settings
    said = gate_said(compared)
    assert said is not None
    return {
        "outcome": decision.result,
        "badge": said.badge,
        "meaning": said.meaning,
        "warnings": [{"kind": each.kind, "text": each.text} for each in said.warnings],
        "reasons": list(decision.reasons),
        "samples_needed": decision.samples_needed,
        "settings": {
            "margin": settings.margin,
            "mde": settings.mde,
            "alpha": settings.alpha,
            "power": settings.power,
            "rate_margin": settings.rate_margin,
            "token_margin": settings.token_margin,
            "token_mde": settings.token_mde,
            "allow_missing": settings.allow_missing,
            "max_unknown_ends": settings.max_unknown_ends,
            "series": settings.series,
            "candidate": settings.candidate or None,
            "look": asdict(settings.look),
            "allow_cannot_tell": list(settings.allow_cannot_tell),
        },
        "checks": [_check(check) for check in decision.checks],
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "what": check.claim.what,
        "metric": check.claim.metric if check.claim.primary else None,
        "suite": check.claim.suite,
        "margin": check.claim.margin,
        "mde": check.claim.mde,
        "outcome": check.result,
        "worsening": _finite(check.worsening),
        "p_regressed": check.p_regressed,
        "p_ok": check.p_ok,
        "samples_needed": check.samples_needed,
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "low": _finite(interval.low),
        "high": _finite(interval.high),
        "level": interval.level,
        "method": interval.method,
    }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
