"""Whether reading foretells damage: a question's divergence beside its change in pass rate.

Both figures of divergence come from reading alone. The share of the parent's passes that the
reader would not have written would go with the damage better, for a reason of its own: of a
question that the parent never passes nothing can be lost. It is not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from lrmtest.analysis.divergence import Divergence
from lrmtest.analysis.rank_correlation import RankCorrelation, rank_correlation
from lrmtest.runs.outcomes import Outcomes, QuestionKey


@dataclass(frozen=True, slots=True)
class ForetoldQuestion:
    """One question that was read, and asked of both models.

    Attributes:
        key: its suite and id.
        variation: S, the mean over its traces; the upper bound where it is bounded.
        unwritten: share of its traces that the reader would not have written; upper bound.
        loss: the parent's pass rate less the reader's, in [-1, 1].
    """

    key: QuestionKey
    variation: float
    unwritten: float
    loss: float


@dataclass(frozen=True, slots=True)
class Foretold:
    """What divergence says of damage.

    Attributes:
        questions: one or more.
        variation: how S goes with the loss; None where nothing varies that could.
        unwritten: how the share that would not have been written does.
        suites: how S goes with the loss within each suite, where there are several: that one suite
            diverges more and breaks more is seen in both, too.
    """

    questions: tuple[ForetoldQuestion, ...]
    variation: RankCorrelation | None
    unwritten: RankCorrelation | None
    suites: Mapping[str, RankCorrelation | None] = field(default_factory=dict)

    @property
    def fell(self) -> int:
        """How many questions the reader passes less often."""
        return sum(one.loss > 0 for one in self.questions)

    @property
    def rose(self) -> int:
        """How many it passes more often."""
        return sum(one.loss < 0 for one in self.questions)


def foretold(
    divergences: Mapping[QuestionKey, Divergence],
    parent: Outcomes,
    reader: Outcomes,
    level: float = 0.95,
) -> Foretold | None:
    """Divergence and damage of the questions that have both; None where none has.

    Args:
        divergences: by question, of the parent's traces as the reader reads them.
        parent, reader: how both models went.
        level: nominal coverage of the intervals.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    found = []
    for key, one in divergences.items():
        before, after = parent.get(key), reader.get(key)
        if before is None or after is None or not before.count or not after.count:
            continue
        # As whole numbers, so that equal rates differ by nothing.
        lost = before.passes * after.count - after.passes * before.count
        loss = lost / (before.count * after.count)
        if isfinite(one.variation.high):
            found.append(ForetoldQuestion(key, one.variation.high, 1 - one.own_share.low, loss))
    if not found:
        return None
    suites = dict.fromkeys(suite for (suite, _) in (one.key for one in found))
    by_suite = {suite: [one for one in found if one.key[0] == suite] for suite in suites}

    def with_loss(
        questions: Sequence[ForetoldQuestion], figure: Callable[[ForetoldQuestion], float]
    ) -> RankCorrelation | None:
        losses = [one.loss for one in questions]
        return rank_correlation([*map(figure, questions)], losses, level)

    return Foretold(
        tuple(found),
        with_loss(found, lambda one: one.variation),
        with_loss(found, lambda one: one.unwritten),
        {suite: with_loss(part, lambda one: one.variation) for suite, part in by_suite.items()}
        if len(by_suite) > 1
        else {},
    )
