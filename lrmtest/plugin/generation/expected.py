"""Expected lengths and speed, before anything of a run is there: what earlier ones say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from math import sqrt
from statistics import fmean, median

from lrmtest.analysis.time_left import StreamRate
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.store import Store

BaselineTokens = Callable[[str], Mapping[QuestionKey, float]]
"""Mean tokens of each question in what a model is compared with, for the model's name."""

_SAME_MODEL_SPREAD = 0.5
"""Of a completion's speed, in natural logs: an earlier run may be another machine's."""


def no_baseline(model: str) -> Mapping[QuestionKey, float]:
    """The `BaselineTokens` of a session without a baseline."""
    return {}


class ExpectedTokens:
    """How many tokens a completion of each question is expected to have.

    Args:
        means: mean tokens of earlier completions, by question; one of 0 tells nothing.
    """

    def __init__(self, means: Mapping[QuestionKey, float]) -> None:
        self._means = {question: tokens for question, tokens in means.items() if tokens > 0}
        by_suite: dict[str, list[float]] = {}
        for (suite, _), tokens in self._means.items():
            by_suite.setdefault(suite, []).append(tokens)
        self._of_suites = {suite: fmean(tokens) for suite, tokens in by_suite.items()}

    def of(self, question: QuestionKey) -> float | None:
        """The question's mean, else its suite's; None for a suite of which nothing is known."""
        return self._means.get(question, self._of_suites.get(question[0]))


class Expectations:
    """What is expected of one model's run.

    Args:
        store: holds the earlier runs.
        model: the model's name.
        baseline_tokens: the mean tokens of each question in what the model is compared with.
    """

    def __init__(
        self, store: Store, model: str, baseline_tokens: BaselineTokens = no_baseline
    ) -> None:
        self._store = store
        self._model = model
        self._baseline_tokens = baseline_tokens

    @cached_property
    def tokens(self) -> ExpectedTokens:
        """By this model's completions, else its baseline's, else other models'."""
        store = self._store
        others = {**store.expected_tokens(""), **self._baseline_tokens(self._model)}
        return ExpectedTokens({**others, **store.expected_tokens(self._model)})

    def rate(self) -> StreamRate | None:
        """How fast a completion of earlier runs was, as far as it says something of this one."""
        if rates := self._store.stream_rates(self._model):
            return StreamRate(median(rates), _SAME_MODEL_SPREAD)
        if rates := self._store.stream_rates(""):
            # Of models that may be a hundred times as large: half of the way to what is usual.
            return StreamRate(sqrt(StreamRate().median * median(rates)))
        return None
