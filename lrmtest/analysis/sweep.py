"""A sweep: one model, compressed more and more, each variant beside the model itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from lrmtest.analysis.collapse import Collapse, collapse
from lrmtest.analysis.compare import ComparedRuns, compare
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import SuiteComparison
from lrmtest.analysis.summary import ALL_SUITES, Rate, mean_rate
from lrmtest.runs.outcomes import Outcomes, of_suite
from lrmtest.runs.records import RunRecord


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One level of a sweep.

    Attributes:
        label: the level as the user names it: ``0.5``, ``Q2_K``.
        degree: how strongly it is compressed: its sparsity, or its bits per weight with a minus
            sign.
        run: what became of the questions.
    """

    label: str
    degree: float
    run: RunRecord


@dataclass(frozen=True, slots=True)
class SuiteFigures:
    """One suite at one level.

    Attributes:
        questions: with at least one verdict.
        rate: the pass rate.
        tokens: mean per completion; None when not known.
        truncated, looped: shares of the completions, in [0, 1], by how they ended as in
            a comparison.
        change: against the model itself; None for the model itself, or when no question was
            answered by both.
    """

    questions: int
    rate: Rate
    tokens: float | None
    truncated: float
    looped: float
    change: SuiteComparison | None


class InSweep(Protocol):
    """What a sweep has run: a variant, or the model itself."""

    @property
    def run(self) -> RunRecord:
        """What became of the questions."""


Of = TypeVar("Of", bound=InSweep)


@dataclass(frozen=True, slots=True)
class SweepLevel(Generic[Of]):
    """One variant of a sweep, compared.

    Attributes:
        of: the variant, such as a `SweepRun`.
        suites: its figures by suite, `ALL_SUITES` among them when there are several.
        compared: with the model itself; None for the model itself.
    """

    of: Of
    suites: Mapping[str, SuiteFigures]
    compared: ComparedRuns | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep.

    Attributes:
        levels: by rising degree, the model itself first.
        collapses: the collapse point by suite, `ALL_SUITES` among them when there are several.
    """

    levels: tuple[SweepLevel[SweepRun], ...]
    collapses: Mapping[str, Collapse]


def sweep(
    runs: Sequence[SweepRun],
    *,
    gate: GateSettings | None = None,
    allowed: Collection[str] = (),
    threshold: float = 0.5,
    lost: float = 0.5,
) -> Sweep:
    """Compare every level with the first, which is the model itself, and find the collapse point.

    Each comparison stands for itself: its p-values and the gate's error rates are not adjusted
    for the number of levels.

    Args:
        runs: by rising degree; at least two.
        gate: decides on every level.
        allowed: names of settings that may differ.
        threshold: share of a question's samples that must be correct for it to pass.
        lost: share of the pass rate whose loss counts as collapse, in (0, 1].

    Raises:
        UsageError: settings differ that may not.
        ValueError: as `collapse`.
    """
    degrees = [each.degree for each in runs]
    return Sweep(
        levels=levels_of(runs, gate=gate, allowed=allowed, threshold=threshold),
        collapses={
            name: collapse(degrees, [_part(each.run.outcomes, name) for each in runs], lost=lost)
            for name in suites_of(runs[0].run)
        },
    )


def levels_of(
    runs: Sequence[Of], *, gate: GateSettings | None, allowed: Collection[str], threshold: float
) -> tuple[SweepLevel[Of], ...]:
    """Each run's figures, and its comparison with the first one, which is the model itself.

    Args:
        runs: at least one.
        gate, allowed, threshold: as for `sweep`.

    Raises:
        UsageError: settings differ that may not.
    """
    first = runs[0].run
    compared = [
        compare(first, each.run, allowed=allowed, gate=gate, threshold=threshold)
        for each in runs[1:]
    ]
    names = suites_of(first)
    return tuple(
        SweepLevel(each, {name: figures_of(each.run, name, against) for name in names}, against)
        for each, against in zip(runs, (None, *compared), strict=True)
    )


def suites_of(run: RunRecord) -> list[str]:
    """The suites of a run, `ALL_SUITES` last when there are several."""
    names = list(dict.fromkeys(suite for suite, _ in run.outcomes))
    return [*names, ALL_SUITES] if len(names) > 1 else names


def _part(outcomes: Outcomes, suite: str) -> Outcomes:
    return outcomes if suite == ALL_SUITES else of_suite(outcomes, suite)


def figures_of(run: RunRecord, suite: str, compared: ComparedRuns | None) -> SuiteFigures:
    """The figures of a suite, or of `ALL_SUITES`.

    Args:
        run: the run.
        suite: its name.
        compared: with the model itself; None for the model itself.
    """
    asked = [question for question in _part(run.outcomes, suite).values() if question.count]
    samples = sum(question.count for question in asked)
    tokens = sum(question.tokens for question in asked)
    return SuiteFigures(
        questions=len(asked),
        rate=mean_rate([[sample.passed for sample in each.samples.values()] for each in asked]),
        tokens=tokens / samples if tokens else None,
        truncated=sum(each.ends("ran-out") for each in asked) / max(samples, 1),
        looped=sum(each.ends("loop") for each in asked) / max(samples, 1),
        change=_change(compared, suite) if compared is not None else None,
    )


def _change(compared: ComparedRuns, suite: str) -> SuiteComparison | None:
    comparison = compared.comparison
    if suite == ALL_SUITES:
        return comparison.total if comparison.total.questions else None
    return next((part for part in comparison.suites if part.suite == suite), None)
