"""Speculative sampling along a finished trace: its acceptances, and the draw at its turning place.

A trace's tokens were drawn from its writer's distributions q. Each is taken with probability
min(1, p / q), p being the follower's own; in the place of the first that is not taken one is drawn
from (p - q)+, renormalized. Whatever p and q are, what comes out has the law of p (Leviathan,
Kalman and Matias 2023, arXiv 2211.17192, theorem in appendix A.1).

All numbers that decide are hashes of the sample's seed and the place, so that what was decided is
decided again, and nothing depends on order or batch.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from math import exp, fsum, inf
from typing import Literal

from lrmtest.models.draft import DraftTurn
from lrmtest.models.reading import Shaping
from lrmtest.models.trace import Trace

_NOTHING = 1e-9
"""A residual mass no greater is rounding: p and q are the same as far as they were told."""

_Purpose = Literal["take", "draw", "go on"]


def uniform(seed: int, place: int, purpose: _Purpose) -> float:
    """A number in [0, 1), of 53 bits, for one decision at one place of one sample."""
    digest = hashlib.sha256(f"lrmtest draft\n{purpose}\n{seed}\n{place}".encode()).digest()
    return (int.from_bytes(digest[:8]) >> 11) / (1 << 53)


def seed_behind(seed: int) -> int:
    """The seed that a sample goes on with behind what it took: 31 bits.

    The trace may have been drawn with the sample's own, so that the same random numbers would come
    again, and what follows would depend on what was taken.
    """
    return int(uniform(seed, 0, "go on") * (1 << 31))


def acceptance(written: float, own: float) -> float:
    """The probability to take a token, from its log-probabilities for writer and follower."""
    return 1.0 if own >= written else exp(own - written)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A processed distribution over the tokens at one place.

    Attributes:
        tokens: those that may be drawn, rising, type code ``I``.
        logprobs: their log-probabilities, type code ``d``, which sum to 1 but for rounding.
    """

    tokens: array[int]
    logprobs: array[float]

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, float]]) -> Distribution:
        """The distribution of tokens with their log-probabilities, in any order."""
        each = sorted(pairs)
        return cls(
            array("I", [token for token, _ in each]), array("d", [value for _, value in each])
        )

    @property
    def mass(self) -> float:
        """What all probabilities sum to."""
        return fsum(map(exp, self.logprobs))

    def logprob(self, token: int) -> float:
        """A token's log-probability; ``-inf`` where it cannot be drawn."""
        index = bisect_left(self.tokens, token)
        found = index < len(self.tokens) and self.tokens[index] == token
        return self.logprobs[index] if found else -inf


def residual(own: Distribution, writers: Distribution) -> list[float]:
    """The weights, not renormalized, of `own`'s tokens at a turning place: (p - q)+.

    Where nothing is left of them but rounding, the two are one distribution as far as was told, and
    the weights are those of `own`.
    """
    left = [
        max(0.0, exp(value) - exp(writers.logprob(token)))
        for token, value in zip(own.tokens, own.logprobs, strict=True)
    ]
    return left if fsum(left) > _NOTHING else [exp(value) for value in own.logprobs]


def drawn(tokens: array[int], weights: list[float], number: float) -> int:
    """The token that a number in [0, 1) falls on, by inversion."""
    sums = list(accumulate(weights))
    index = bisect_right(sums, number * sums[-1])
    # Rounding may have reached the end.
    last = next(i for i in reversed(range(len(weights))) if weights[i] > 0)
    return tokens[min(index, last)]


class Walk:
    """A sample's way along a trace, up to its turning place.

    Args:
        trace: what is followed.
        shaping: how it was drawn, and how the sample is.
        lowest, highest: bounds on the log-probabilities of the trace's tokens for the follower.
        own: these, unprocessed.
        seed: the sample's.
        most: tokens that the sample may have.

    Attributes:
        place: the place that it has come to; up to there the tokens are taken.
    """

    def __init__(
        self,
        trace: Trace,
        shaping: Shaping,
        lowest: array[float],
        highest: array[float],
        own: array[float],
        seed: int,
        most: int,
    ) -> None:
        self._trace = trace
        self._shaping = shaping
        self._lowest, self._highest, self._own = lowest, highest, own
        self._seed = seed
        self._length = min(most, len(trace.tokens))
        self._known: dict[int, float] = {}
        self._turned = False
        self.place = 0
        self._advance()

    @property
    def prefix(self) -> array[int]:
        """The prompt and what was taken: what is asked with for the distribution that follows."""
        return self._trace.prompt + self._trace.tokens[: self.place]

    @property
    def shaping(self) -> Shaping:
        """How the sample is drawn."""
        return self._shaping

    @property
    def asks(self) -> bool:
        """Whether `told` must be given the follower's distribution at `place`, to go on."""
        at_end = self.place >= self._length
        return not at_end and not self._turned and not self._shaping.greedy

    @property
    def turns(self) -> bool:
        """Whether a token is to be drawn from what is left of two distributions at `place`."""
        return self._turned

    @property
    def token(self) -> int:
        """The trace's token at `place`."""
        return self._trace.tokens[self.place]

    @property
    def written(self) -> float:
        """Its log-probability for the writer, as it was told when it was drawn."""
        return 0.0 if self._shaping.greedy else self._trace.logprobs[self.place]

    def told(self, own: Distribution) -> bool:
        """Go on with the follower's distribution at `place`; whether the walk turns there."""
        # Where the bounds leave it open, the distribution decides. Where they do not, a token that
        # was not taken stays so: to ask again only then would take more than may be.
        exact = own.logprob(self.token)
        if self._taken(self._highest[self.place]) and self._taken(exact):
            self._known[self.place] = exact
            self.place += 1
            self._advance()
            return False
        self._turned = True
        return True

    def turning(
        self, silent: frozenset[int], drawn: int | None = None, value: float = 0.0
    ) -> DraftTurn:
        """What the sample begins with.

        Args:
            silent: ids that stand for no text.
            drawn: the token that was drawn at the turning place; None where there is none.
            value: its log-probability for the follower.
        """
        tokens = self._trace.tokens[: self.place]
        logprobs = self._told_logprobs()
        ends = self._trace.ended and self.place == len(self._trace.tokens) > 0
        if drawn is not None:
            tokens.append(drawn)
            ends = True
            if len(logprobs) == self.place:
                logprobs.append(min(0.0, value))
        return DraftTurn(tokens, self.place, logprobs, ends, silent.intersection(tokens))

    def _told_logprobs(self) -> array[float]:
        """Of what was taken, for the follower; empty where one is only bounded."""
        if self._shaping.greedy:
            return self._own[: self.place]
        found = self._lowest[: self.place]
        for index, value in self._known.items():
            found[index] = value
        exact = all(
            index in self._known or self._lowest[index] == self._highest[index]
            for index in range(self.place)
        )
        return found if exact else array("f")

    def _advance(self) -> None:
        """Take what is surely taken."""
        while self.place < self._length and self._taken(self._lowest[self.place]):
            self.place += 1

    def _taken(self, own: float) -> bool:
        return uniform(self._seed, self.place, "take") < acceptance(self.written, own)
