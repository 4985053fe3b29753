"""Ways of protecting, compared: variants of one model that differ in what stays as it is.

Each is compared with the model itself, and each way with each other, paired by question. Random
draws count as one way: a question's samples are those of all draws, so that its pass rate is the
mean over draws. The intervals are over questions like these; that another draw would protect other
weights is not in them, and is seen in the lines of the draws.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import SuiteComparison, compare_outcomes
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.analysis.sweep import SweepLevel, levels_of, suites_of
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome
from lrmtest.runs.records import RunRecord
from lrmtest.runs.same_draws import same_draws

ProtectingWay = Literal["model", "nothing", "suggested", "named", "random"]


@dataclass(frozen=True, slots=True)
class ProtectedRun:
    """One variant, or the model itself.

    Attributes:
        label: as the user named what is protected; of a random draw with its number.
        group: the label of its way, which several draws have in common.
        way: how its weights were chosen.
        protected: share of the weights that stay; None where it is not known.
        size: its sparsity, or its bits per weight; None where it is not known.
        run: what became of the questions.
    """

    label: str
    group: str
    way: ProtectingWay
    protected: float | None
    size: float | None
    run: RunRecord


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two ways of protecting, the first less the second.

    Attributes:
        first, second: their labels.
        draws: of the second, if it is random; else 0.
        suites: by suite, `ALL_SUITES` among them when there are several; the second is the
            baseline.
    """

    first: str
    second: str
    draws: int
    suites: Mapping[str, SuiteComparison]


@dataclass(frozen=True, slots=True)
class Protections:
    """Ways of protecting.

    Attributes:
        names: the suites, `ALL_SUITES` last when there are several.
        levels: the model itself first, then the variant without protection.
        contrasts: each way with each other.
    """

    names: tuple[str, ...]
    levels: tuple[SweepLevel[ProtectedRun], ...]
    contrasts: tuple[Contrast, ...]


def compare_protections(
    runs: Sequence[ProtectedRun],
    *,
    gate: GateSettings | None = None,
    allowed: Collection[str] = (),
    threshold: float = 0.5,
) -> Protections:
    """Compare variants.

    Args:
        runs: the model itself first.
        gate: decides on every variant.
        allowed: names of settings that may differ.
        threshold: share of a question's samples that must be correct for it to pass.

    Raises:
        UsageError: settings differ that may not.
    """
    names = suites_of(runs[0].run)
    groups: dict[str, list[ProtectedRun]] = {}
    for each in runs[1:]:
        groups.setdefault(each.group, []).append(each)
    order = sorted(groups.values(), key=lambda group: _ORDER.index(group[0].way))
    return Protections(
        names=tuple(names),
        levels=levels_of(runs, gate=gate, allowed=allowed, threshold=threshold),
        contrasts=tuple(_contrast(left, right, names) for left, right in combinations(order, 2)),
    )


_ORDER: tuple[ProtectingWay, ...] = ("suggested", "named", "random", "nothing", "model")


def _contrast(
    left: Sequence[ProtectedRun], right: Sequence[ProtectedRun], names: Sequence[str]
) -> Contrast:
    alone = len(left) == len(right) == 1
    comparison = compare_outcomes(
        together([each.run.outcomes for each in right]),
        together([each.run.outcomes for each in left]),
        by_index=alone and same_draws(right[0].run.manifest, left[0].run.manifest),
    )
    parts = {part.suite: part for part in comparison.suites}
    if comparison.total.questions:
        parts[ALL_SUITES] = comparison.total
    return Contrast(
        first=left[0].group,
        second=right[0].group,
        draws=len(right) if right[0].way == "random" else 0,
        suites={name: parts[name] for name in names if name in parts},
    )


def together(runs: Sequence[Outcomes]) -> Outcomes:
    """Runs as one, whose questions have the samples of all of them.

    Questions that one of the runs has no verdict on are left out, so that each counts as much.
    """
    both = [
        key for key in runs[0] if all(key in outcomes and outcomes[key].count for outcomes in runs)
    ]
    found = {}
    for key in both:
        samples = [
            sample for outcomes in runs for _, sample in sorted(outcomes[key].samples.items())
        ]
        one = runs[0][key]
        kept = one.samples if len(runs) == 1 else dict(enumerate(samples))
        found[key] = QuestionOutcome(one.suite, one.question_id, kept)
    return found
