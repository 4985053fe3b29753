"""Evaluation results for a model's card on the hub, by the hub library's own classes.

Two forms of the same figures: the metadata of a card (``model-index`` in its ``README.md``), and
``.eval_results/*.yaml``, which a benchmark's leaderboard on the hub reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from lrmtest.analysis.summary import Rate, RunSummary, SuiteSummary
from lrmtest.bounded import SETTINGS, read_bytes
from lrmtest.errors import UsageError
from lrmtest.reports.escape import one_line
from lrmtest.reports.markdown import markdown_report
from lrmtest.reports.numbers import interval_percent, percent
from lrmtest.runs.files import write_whole
from lrmtest.suites.registry import SUITES

_NAME = 120
_TASK = "text-generation"


def write_model_card(path: Path, summary: RunSummary) -> int:
    """Put a run's figures into a model card: its pass rates, pass@k and maj@k by suite.

    In a card that is there already, what it has of the same suites and figures is replaced; all
    else is kept. A new one has the figures as a table, too.

    Args:
        path: the card, ``README.md``.
        summary: the run's.

    Returns:
        The number of figures.

    Raises:
        UsageError: the card that is there cannot be read, or there is no figure to put into it.
        StoreError: the file cannot be written.
    """
    results = [result for part in summary.suites for result in _results(summary, part)]
    if not results:
        raise UsageError(f"{summary.run_id} has no verdicts, so there is nothing for a model card")
    if path.exists():
        card = _card(path)
        data: Any = card.data
        new = {_place(result) for result in results}
        before = [one for one in data.eval_results or () if _place(one) not in new]
        data.model_name = data.model_name or one_line(summary.model, _NAME)
        data.eval_results = [*before, *results]
    else:
        data = ModelCardData(model_name=one_line(summary.model, _NAME), eval_results=results)
        card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n{markdown_report([summary])}")
    write_whole(path, str(card), what="the model card")
    return len(results)


def write_eval_results(path: Path, summary: RunSummary) -> tuple[int, tuple[str, ...]]:
    """Write ``.eval_results/*.yaml``: the pass rate in percent on each of the hub's benchmarks.

    Args:
        path: the file.
        summary: the run's.

    Returns:
        The number of entries, and the suites that are left out since no dataset on the hub is
        known for them.

    Raises:
        UsageError: the hub's library does not have the form yet, or nothing is left to write.
        StoreError: the file cannot be written.
    """
    try:
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    except ImportError:
        raise UsageError(
            "this version of huggingface_hub does not have .eval_results",
            hint="pip install -U huggingface_hub",
        ) from None
    known = [
        (part, dataset)
        for part in summary.suites
        if part.strict.value is not None and (dataset := _dataset(summary, part.suite))[0]
    ]
    if not known:
        raise UsageError(
            f"{summary.run_id} has no verdicts on a dataset of the hub",
            hint="--format model-card takes any suite",
        )
    entries = [
        EvalResultEntry(
            dataset_id=dataset,
            task_id=part.suite.replace("-", "_"),
            value=round(100 * (part.strict.value or 0.0), 2),
            dataset_revision=revision or None,
            notes=f"lrmtest {version('lrmtest')}: {_in_words(summary, part)}",
        )
        for part, (dataset, revision) in known
    ]
    text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)
    write_whole(path, text, what="the evaluation results")
    written = {part.suite for part, _ in known}
    left_out = tuple(part.suite for part in summary.suites if part.suite not in written)
    return len(entries), left_out


def _card(path: Path) -> ModelCard:
    content = read_bytes(path, SETTINGS, what="the model card", error=UsageError)
    try:
        return ModelCard(content.decode("utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise UsageError(
            f"{path} is no model card: {one_line(str(error), 300)}",
            hint="mend its first lines between ---, or choose another file",
        ) from None


def _results(summary: RunSummary, part: SuiteSummary) -> Iterator[EvalResult]:
    """The figures of a suite; those that are not known are not there."""
    dataset, revision = _dataset(summary, part.suite)
    section = summary.manifest.suite(part.suite)
    figures: list[tuple[str, str, Rate]] = [("pass@1", "pass rate", part.strict)]
    for one in part.several:
        if one.k > 1:
            figures += [
                (f"pass@{one.k}", f"pass@{one.k}", Rate(one.any_of, one.any_of_interval)),
                (f"maj@{one.k}", f"maj@{one.k}", Rate(one.majority, one.majority_interval)),
            ]
    settings = {
        "questions": part.questions,
        "samples": part.samples,
        "unknown_ends": part.unknown_ends or None,
        "max_tokens": section.max_tokens,
        "temperature": summary.manifest.temperature,
        "prompt_sha256": section.prompt_sha256,
        "lrmtest": version("lrmtest"),
    }
    known = {name: value for name, value in settings.items() if value is not None}
    suite = one_line(part.suite, _NAME)
    for kind, name, rate in figures:
        if rate.value is not None:
            ends = {"low": rate.interval.low, "high": rate.interval.high}
            yield EvalResult(
                task_type=_TASK,
                dataset_type=dataset or suite,
                dataset_name=suite,
                dataset_revision=revision or None,
                metric_type=kind,
                metric_name=name,
                metric_value=rate.value,
                metric_args={**ends, "level": rate.interval.level, **known},
            )


def _place(result: EvalResult) -> tuple[Any, ...]:
    """What a figure is of: another one of the same replaces it."""
    return (result.task_type, result.dataset_type, result.dataset_name, result.metric_type)


def _dataset(summary: RunSummary, suite: str) -> tuple[str, str]:
    """The hub's dataset of a suite and its revision; empty where that is not known."""
    source = summary.manifest.suite(suite).source
    if source is not None and source.kind == "hub":
        return one_line(source.name, _NAME), one_line(source.revision, _NAME)
    known = SUITES.get(suite)
    releases = known.described.releases if known is not None and known.described else ()
    hub = next((each.hub for each in releases if each.hub is not None), None)
    # Read from a file here: the repository is known, but not which revision it is of.
    return (hub.repo, "") if hub is not None else ("", "")


def _in_words(summary: RunSummary, part: SuiteSummary) -> str:
    rate = f"pass rate {percent(part.strict.value)} {interval_percent(part.strict.interval)}"
    return f"{rate}, {part.questions} questions, {part.samples} samples"
