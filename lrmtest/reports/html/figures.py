"""Every figure that the page shows, as JSON values: it computes none itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from math import isfinite
from typing import Any

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.compute import compute
from lrmtest.analysis.ends import ends_of
from lrmtest.analysis.flips import CHANGES
from lrmtest.analysis.front import pareto_front
from lrmtest.analysis.gate_said import gate_said
from lrmtest.analysis.lengths import length_bins, lengths
from lrmtest.analysis.summary import ALL_SUITES, Rate, RunSummary, SuiteSummary, summarize
from lrmtest.masking import masked_values
from lrmtest.reports.certificate import certificate_notes
from lrmtest.reports.changes import directions_said
from lrmtest.reports.comparison_json import comparison_document
from lrmtest.reports.comparison_words import (
    TOKENS_NOT_COMPARED,
    compared_by_passes,
    could_tell,
    ends_notes,
    gate_promise,
    given_said,
    look_said,
    run_ends,
    told,
    would_decide,
)
from lrmtest.reports.escape import one_line
from lrmtest.reports.html.chunks import TextSlot
from lrmtest.reports.html.settings import settings, shown
from lrmtest.reports.html.table import NAME, change_counts, results_of, table
from lrmtest.reports.replicas import done_by_replicas
from lrmtest.reports.several_samples import MEANING, several_said
from lrmtest.runs.adapted import run_warnings
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.records import RunRecord

_COSTS = ("tokens", "bits_per_weight", "sparsity", "parameters", "disk_gb", "memory_gb")
"""What a model can cost, in the order in which the page offers them; sparsity counts the other way
round, since more zeros cost less."""


def document(
    runs: Sequence[RunRecord],
    compared: Mapping[str, ComparedRuns],
    keys: Sequence[QuestionKey],
    places: Mapping[QuestionKey, TextSlot],
    brief: Mapping[QuestionKey, tuple[str, str]],
    threshold: float,
) -> dict[str, Any]:
    """All but the questions' texts.

    Args:
        runs: in the order in which they are shown.
        compared: comparisons by the candidate's run id.
        keys: the questions, in order.
        places: where their texts are.
        brief: per question the beginning of what was asked and the expected answer.
        threshold: share of a question's samples that must be correct for it to pass.
    """
    summaries = [summarize(run) for run in runs]
    labels = _labels(runs)
    baselines = {each.baseline.run_id for each in compared.values()}
    described = [
        _run(run, summary, label, baseline=run.run_id in baselines, alone=len(runs) == 1)
        for run, summary, label in zip(runs, summaries, labels, strict=True)
    ]
    suites = [one_line(suite, NAME) for suite in dict.fromkeys(suite for suite, _ in keys)]
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "lrmtest": version("lrmtest"),
        "level": summaries[0].level if summaries else 0.95,
        "threshold": threshold,
        "results": results_of(runs),
        "several_means": MEANING,
        "change_kinds": CHANGES,
        "suites": suites,
        "runs": described,
        # A manifest that was imported may have what lrmtest would not have written down.
        "settings": settings([masked_values(run.manifest.to_json()) for run in runs]),
        "comparisons": [
            _comparison(index, compared[run.run_id])
            for index, run in enumerate(runs)
            if run.run_id in compared
        ],
        "fronts": {name: _fronts(described, name) for name in dict.fromkeys([ALL_SUITES, *suites])},
        "questions": table(runs, compared, keys, places, brief, threshold),
    }


def _labels(runs: Sequence[RunRecord]) -> list[str]:
    """The model's name, or the run's where two runs are of one model."""
    models = Counter(run.model for run in runs)
    return [one_line(run.model if models[run.model] == 1 else run.run_id, NAME) for run in runs]


def _run(
    run: RunRecord, summary: RunSummary, label: str, *, baseline: bool, alone: bool
) -> dict[str, Any]:
    manifest = run.manifest
    compression, sizes = manifest.model.compression, manifest.size
    figures = {
        one_line(part.suite, NAME): _suite(run, part, of_one_run=alone)
        for part in (*summary.suites, summary.total)
        if part.suite  # Completions of a test's own prompt have no verdict.
    }
    return {
        "id": one_line(run.run_id, NAME),
        "label": label,
        "model": one_line(run.model, NAME),
        "created": one_line(run.created, 40),
        "finished": run.finished,
        "baseline": baseline,
        "texts": run.store is not None,
        "lacking": [
            one_line(each, 400)
            for each in (*run.lacking, *run_ends("", summary), *run_warnings(manifest))
        ],
        "engine": one_line(manifest.model.engine or "", 60),
        "method": one_line(compression.method or "", 60),
        "costs": {
            "bits_per_weight": compression.bits_per_weight,
            "sparsity": compression.sparsity,
            "parameters": sizes.parameters,
            "disk_gb": sizes.disk_gb,
            "memory_gb": sizes.memory_gb,
        },
        "several": several_said(summary),
        "replicas": [asdict(each) for each in done_by_replicas(manifest)],
        "suites": figures,
    }


def _suite(run: RunRecord, part: SuiteSummary, *, of_one_run: bool) -> dict[str, Any]:
    samples = [sample for sample in run.samples if part.suite in (sample.place.suite, ALL_SUITES)]
    # Suites differ in length for reasons of their own: tokens are not pooled over them.
    alone = part.suite != ALL_SUITES or len({sample.place.suite for sample in samples}) == 1
    bought = compute(samples) if alone else None
    spread = lengths(samples) if alone else None
    # Of many runs their lengths are compared; of one there is room for all of them.
    bins = length_bins(samples) if alone and of_one_run else None
    outcomes = (sample.outcome for sample in samples)
    reasoning = part.reasoning_tokens.mean if part.reasoning_tokens else None
    return {
        "questions": part.questions,
        "samples": part.samples,
        "errors": part.errors,
        "unanswered": part.unanswered,
        "rate": _rate(part.strict),
        "unknown_ends": part.unknown_ends,
        "known": _rate(part.known),
        # A baseline's file does not say what an unfinished completion would have answered.
        "lenient": _rate(part.lenient) if run.store is not None else None,
        "score": _rate(part.score) if run.store is not None else None,
        "metrics": {name: _rate(rate) for name, rate in part.metrics.items()},
        "counts": {"correct": part.samples - sum(part.failures.values()), **part.failures},
        "ends": asdict(ends_of(outcome for outcome in outcomes if outcome is not None)),
        "tokens": part.tokens.mean if part.tokens else None,
        "reasoning_tokens": reasoning if run.store is not None else None,
        "estimated": part.tokens_estimated and not run.manifest.totals_counted,
        "drafts": None if part.drafts is None else asdict(part.drafts),
        "lengths": None if spread is None else asdict(spread),
        "bins": None if bins is None else asdict(bins),
        "compute": None
        if bought is None
        else {
            "within": {**_rate(bought.within.rate), "questions": bought.within.questions},
            "per_correct": _finite(bought.tokens_per_correct.value),
            "budgets": [
                {
                    "budget": point.budget,
                    "rate": _rate(point.accuracy),
                    "tokens": point.mean_tokens,
                    "cut": point.cut,
                }
                for point in bought.budgets
            ],
        },
    }


def _comparison(index: int, compared: ComparedRuns) -> dict[str, Any]:
    figures = comparison_document(compared)
    # The questions' changes are in the table, the differences are told in words.
    for told_elsewhere in ("flips", "changes", "differences", "told_differences"):
        del figures[told_elsewhere]
    counts = {one_line(suite, NAME): part for suite, part in change_counts(compared).items()}
    total = {kind: sum(part[kind] for part in counts.values()) for kind in CHANGES}
    return {
        "run": index,
        "baseline_label": one_line(compared.baseline.model, NAME),
        "notes": [
            *(one_line(told(each), 300) for each in compared.told),
            *(f"allowed to differ: {one_line(str(each), 300)}" for each in compared.differences),
            *(() if compared.tokens_comparable else (TOKENS_NOT_COMPARED,)),
            *(one_line(each, 500) for each in certificate_notes(compared.certificate)),
            *ends_notes(compared),
            *(one_line(each, 300) for each in compared_by_passes(compared)),
        ],
        "words": _words(compared),
        "figures": shown(figures),
        "directions": directions_said(compared.changed),
        "change_counts": {**counts, ALL_SUITES: total},
    }


def _words(compared: ComparedRuns) -> dict[str, str | list[str]] | None:
    """What the terminal says beside a gate's decision; None without a gate."""
    decision, said = compared.decision, gate_said(compared)
    if decision is None or said is None:
        return None
    return {
        "badge": one_line(said.badge, 300),
        "meaning": one_line(said.meaning, 1000),
        "warnings": [one_line(each, 500) for each in said.texts],
        "needs": would_decide(decision),
        "helps": could_tell(decision) if decision.result == "cannot-tell" else "",
        "look": look_said(decision.settings),
        "promise": gate_promise(decision.settings, by_index=compared.comparison.by_index),
        "given": ""
        if compared.given is None
        else given_said(compared.given, by_index=compared.comparison.by_index),
    }


def _fronts(described: Sequence[Mapping[str, Any]], suite: str) -> dict[str, list[int]]:
    """Per cost the runs on the Pareto front, as indices."""
    fronts = {}
    for cost in _COSTS:
        known = []
        for index, run in enumerate(described):
            figures = run["suites"].get(suite)
            if figures is None or figures["rate"]["value"] is None:
                continue
            value = figures["tokens"] if cost == "tokens" else run["costs"][cost]
            if value is not None:
                price = -value if cost == "sparsity" else value
                known.append((index, (price, figures["rate"]["value"])))
        front = pareto_front([point for _, point in known])
        fronts[cost] = [known[place][0] for place in front]
    return fronts


def _rate(rate: Rate) -> dict[str, Any]:
    return {"value": rate.value, "low": rate.interval.low, "high": rate.interval.high}


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
