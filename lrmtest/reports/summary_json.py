"""The summary as JSON, for CI and scripts; docs/summary-json.md describes every field."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.several_samples import SeveralSamples
from lrmtest.analysis.summary import Rate, RunSummary, SuiteSummary
from lrmtest.reports.comparison_json import comparison_document
from lrmtest.runs.adapted import run_warnings
from lrmtest.runs.files import write_whole

SCHEMA = "lrmtest-summary/1"
"""Raised when a field is removed or changes its meaning, not when one is added."""


def summary_document(
    summaries: Sequence[RunSummary], comparisons: Sequence[ComparedRuns] = ()
) -> dict[str, Any]:
    """The figures of `summaries` as JSON values, unrounded.

    Args:
        summaries: of the runs.
        comparisons: of those runs that were compared with a baseline.
    """
    compared = {one.candidate.run_id: comparison_document(one) for one in comparisons}
    runs = [{**_run(run), "comparison": compared.get(run.run_id)} for run in summaries]
    return {"schema": SCHEMA, "runs": runs}


def write_summary(path: Path, document: Mapping[str, Any]) -> None:
    """Write `document` to `path`, whole or not at all; missing folders are made.

    Raises:
        StoreError: the file cannot be written.
    """
    write_whole(
        path,
        json.dumps(document, indent=2, allow_nan=False) + "\n",
        what="the summary",
        hint="the run itself is in the store; choose another file with --summary-json",
    )


def _run(summary: RunSummary) -> dict[str, Any]:
    warnings = run_warnings(summary.manifest)
    return {
        "run_id": summary.run_id,
        "model": summary.model,
        "manifest": summary.manifest.to_json(),
        **({"warnings": warnings} if warnings else {}),
        "timing": {
            "wall_seconds": summary.timing.wall_seconds,
            "startup_seconds": summary.timing.startup_seconds,
            "generated_tokens": summary.timing.generated_tokens,
            "drafted_tokens": summary.timing.drafted_tokens,
            "tokens_per_second": summary.tokens_per_second,
        },
        "suites": [_suite(part) for part in summary.suites],
        "total": _suite(summary.total),
    }


def _suite(part: SuiteSummary) -> dict[str, Any]:
    tokens = {
        "prompt": part.prompt_tokens,
        "reasoning": part.reasoning_tokens,
        "answer": part.answer_tokens,
    }
    return {
        "suite": part.suite,
        "questions": part.questions,
        "unanswered": part.unanswered,
        "samples": part.samples,
        "errors": part.errors,
        "reused": part.reused,
        "unknown_ends": part.unknown_ends,
        "unknown_end_share": part.unknown_ends / part.samples if part.samples else None,
        "pass_rate": rate_document(part.strict),
        "pass_rate_if_not_ended": rate_document(part.known),
        "lenient_pass_rate": rate_document(part.lenient),
        "score": rate_document(part.score),
        "metrics": {name: rate_document(rate) for name, rate in part.metrics.items()},
        "failures": dict(part.failures),
        "tokens": {kind: asdict(stats) if stats else None for kind, stats in tokens.items()},
        "tokens_estimated": part.tokens_estimated,
        "drafts": None if part.drafts is None else asdict(part.drafts),
        "several_samples": [_several(one) for one in part.several],
    }


def _several(one: SeveralSamples) -> dict[str, Any]:
    return {
        "k": one.k,
        "pass_at_k": rate_document(Rate(one.any_of, one.any_of_interval)),
        "maj_at_k": rate_document(Rate(one.majority, one.majority_interval)),
    }


def rate_document(rate: Rate) -> dict[str, Any]:
    """A rate with its interval; its value is null where there is nothing to take a mean of."""
    interval = rate.interval
    return {
        "value": rate.value,
        "low": interval.low,
        "high": interval.high,
        "level": interval.level,
        "method": interval.method,
    }
