"""Importance of modules for behaviours: the mean of segments' scores, as a share of all modules'.

The shares are what the paper calls relative importance, and what a variant's differ from its
parent's by is its shift (Zhang et al., arXiv 2504.02010, later versions). Both models have read the
same segments, so that a shift is paired by question; directions are taken as given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from lrmtest.analysis.behaviours import SCORED, Behaviour
from lrmtest.analysis.bootstrap import bootstrap_together
from lrmtest.analysis.location import Mean
from lrmtest.analysis.rank_correlation import spearman
from lrmtest.runs.outcomes import QuestionKey


@dataclass(frozen=True, slots=True)
class ScoredSegment:
    """One segment.

    Attributes:
        question: whose it is.
        behaviour: what it does.
        tokens: how many it has.
        scores: by module, signed.
        other_form: the same in the other of the two forms of the score.
        parents: the scores of the parent, which has read the same; None without one.
    """

    question: QuestionKey
    behaviour: Behaviour
    tokens: int
    scores: Mapping[str, float]
    other_form: Mapping[str, float]
    parents: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class ModuleImportance:
    """One module, of one behaviour.

    Attributes:
        name: dotted, in the model.
        importance: mean of its segments' scores without their signs, nats a token.
        share: of the importance of all modules.
        parents: the same share in the parent; None without one.
        shift: share less the parent's.
    """

    name: str
    importance: float
    share: Mean
    parents: Mean | None
    shift: Mean | None


@dataclass(frozen=True, slots=True)
class BehaviourImportance:
    """One behaviour.

    Attributes:
        behaviour: which one.
        segments, tokens, questions: how many there are.
        modules: those that moved most first; without a parent, those that have most.
        forms: rank correlation of the modules' importances with those of the other form; None
            where all are the same.
        parents_ranks: with the parent's; None without one.
    """

    behaviour: Behaviour
    segments: int
    tokens: int
    questions: int
    modules: tuple[ModuleImportance, ...]
    forms: float | None
    parents_ranks: float | None


@dataclass(frozen=True, slots=True)
class Importances:
    """All behaviours.

    Attributes:
        behaviours: those that have segments.
        lacking: those that have none.
        alike: rank correlation of the modules' importances for two behaviours; None where one of
            them does not differ between modules.
    """

    behaviours: tuple[BehaviourImportance, ...]
    lacking: tuple[Behaviour, ...]
    alike: Mapping[tuple[Behaviour, Behaviour], float | None]


def importances(segments: Sequence[ScoredSegment], level: float = 0.95) -> Importances:
    """Importances from segments' scores.

    Args:
        segments: all of the same modules, with a parent or all without.
        level: nominal coverage of the intervals.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    found = []
    for behaviour in SCORED:
        its = [each for each in segments if each.behaviour == behaviour]
        if its:
            found.append(_of_one(behaviour, its, level))
    sizes = [{one.name: one.importance for one in each.modules} for each in found]
    alike = {
        (first.behaviour, second.behaviour): _ranks(sizes[a], sizes[b])
        for a, first in enumerate(found)
        for b, second in enumerate(found)
        if a < b
    }
    there = {each.behaviour for each in found}
    return Importances(tuple(found), tuple(b for b in SCORED if b not in there), alike)


def _of_one(
    behaviour: Behaviour, segments: Sequence[ScoredSegment], level: float
) -> BehaviourImportance:
    names = list(segments[0].scores)
    rows: dict[QuestionKey, list[float]] = {}
    paired = segments[0].parents is not None
    width = len(names)
    other = [0.0] * width
    for each in segments:
        sizes = [abs(each.scores[name]) for name in names]
        if each.parents is not None:
            sizes += [abs(each.parents[name]) for name in names]
        row = rows.setdefault(each.question, [0.0] * len(sizes))
        rows[each.question] = [a + b for a, b in zip(row, sizes, strict=True)]
        other = [a + abs(each.other_form[name]) for a, name in zip(other, names, strict=True)]

    def shares(drawn: Sequence[Sequence[float]]) -> list[float]:
        sums = [sum(column) for column in zip(*drawn, strict=True)]
        own = _shares(sums[:width])
        if not paired:
            return own
        parents = _shares(sums[width:])
        return [*own, *parents, *(a - b for a, b in zip(own, parents, strict=True))]

    drawn = list(rows.values())
    means = [
        Mean(*each)
        for each in zip(shares(drawn), bootstrap_together(drawn, shares, level), strict=True)
    ]
    totals = [fsum(column) for column in zip(*drawn, strict=True)]
    modules = [
        ModuleImportance(
            name,
            totals[at] / len(segments),
            means[at],
            means[width + at] if paired else None,
            means[2 * width + at] if paired else None,
        )
        for at, name in enumerate(names)
    ]
    modules.sort(key=lambda one: (-abs((one.shift or one.share).value), one.name))
    return BehaviourImportance(
        behaviour,
        len(segments),
        sum(each.tokens for each in segments),
        len(rows),
        tuple(modules),
        spearman(totals[:width], other),
        spearman(totals[:width], totals[width:]) if paired else None,
    )


def _shares(values: Sequence[float]) -> list[float]:
    whole = sum(values)
    return [value / whole if whole > 0 else 0.0 for value in values]


def _ranks(first: Mapping[str, float], second: Mapping[str, float]) -> float | None:
    return spearman([first[name] for name in second], list(second.values()))
