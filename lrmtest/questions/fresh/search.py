"""The search for the smallest question that fails, many questions at a time.

1. Rounds of questions, half of them drawn as the suite draws its own, half of them proposed by
   hypothesis, which begins with simple ones, until at least one fails. Examples that failed
   earlier are in the first round.
2. From the simplest that failed, rounds of simpler ones: what the last round's failures have in
   common, parts of the draws set to 0, single draws lowered, and at last all that hypothesis's
   shrinker would try. The simplest that fails is the next to begin from.
3. The search is over when none of these fails. So the result is minimal in this sense: it passes
   when any one draw is made 0, half as large or one less, and hypothesis, started from it, finds
   nothing that is simpler. Simpler is what `DrawnQuestion.size` says.

Which questions are asked depends on nothing but verdicts and settings. Asked again with the same
verdicts, the search asks the same questions in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count

from lrmtest.questions.fresh import proposals
from lrmtest.questions.fresh.draws import Draws
from lrmtest.questions.fresh.simplify import combined, lowered, zeroed
from lrmtest.questions.fresh.space import DrawnQuestion, Space

Ask = Callable[[Sequence[DrawnQuestion]], Sequence[bool | None]]
"""Asks questions together: whether each fails, None for one that could not be asked."""

_MOST_ALIKE = 1000
"""So many questions in a row that were all asked before, and the space has no others."""


@dataclass(slots=True)
class Findings:
    """What a search has found so far.

    Attributes:
        rounds: how often questions were asked together.
        asked: how many different questions were asked.
        failed: how many of them fail.
        unanswered: how many of them could not be asked.
        independent: questions drawn as the suite draws them that all passed; counted until the
            first failure of any question.
        first: the simplest failure of the round in which questions first failed.
        smallest: the simplest failure of all.
        finished: every simplification of `smallest` was tried.
    """

    rounds: int = 0
    asked: int = 0
    failed: int = 0
    unanswered: int = 0
    independent: int = 0
    first: DrawnQuestion | None = None
    smallest: DrawnQuestion | None = None
    finished: bool = False


class Search:
    """One search.

    Args:
        space: the questions.
        ask: asks some of them.
        room: how many more may be asked; looked at before each round.
        at_once: the most to ask together.
        seed: of the questions that are drawn as the suite draws them.
        examples: draws that failed in earlier searches.
        told: called after each round.
    """

    def __init__(
        self,
        space: Space,
        ask: Ask,
        *,
        room: Callable[[], int],
        at_once: int,
        seed: int = 0,
        examples: Sequence[Draws] = (),
        told: Callable[[Findings], None] = lambda _: None,
    ) -> None:
        self._space = space
        self._ask = ask
        self._room = room
        self._at_once = at_once
        self._seed = seed
        self._examples = examples
        self._told = told
        self._verdicts: dict[str, bool | None] = {}
        self._together: list[Draws] = []
        self.findings = Findings()

    def run(self) -> Findings:
        """Search until the smallest is found, or there is no room for more questions."""
        findings = self.findings
        candidates = self._candidates()
        while findings.smallest is None and self._limit > 0 and self._look(candidates):
            pass
        while findings.smallest is not None and self._limit > 0 and self._shrink(findings.smallest):
            pass
        return findings

    @property
    def _limit(self) -> int:
        return min(self._at_once, self._room())

    def _look(self, candidates: Iterator[tuple[DrawnQuestion, bool]]) -> bool:
        """A round in search of a first failure; False when there is nothing left to ask."""
        wanted: dict[str, DrawnQuestion] = {}
        independent: list[str] = []
        alike = 0
        while len(wanted) < self._limit and alike < _MOST_ALIKE:
            drawn, as_the_suite = next(candidates)
            name = drawn.question.id
            independent += [name] if as_the_suite else []
            alike = alike + 1 if name in self._verdicts or name in wanted else 0
            if not alike:
                wanted[name] = drawn
        failing = self._round(list(wanted.values()))
        if failing:
            self.findings.first = min(failing, key=lambda drawn: drawn.size)
            self.findings.smallest = self.findings.first
        else:
            passed = [name for name in independent if self._verdicts[name] is False]
            self.findings.independent += len(passed)
        self._told(self.findings)
        return bool(wanted)

    def _shrink(self, smallest: DrawnQuestion) -> bool:
        """A round of simpler questions; False when all have been asked.

        A question that failed before is not asked again, but simpler draws may have made it now.
        """
        limit = self._limit
        draws = smallest.draws
        ways = chain(combined(draws, self._together), zeroed(draws), lowered(draws))
        wanted: dict[str, DrawnQuestion] = {}
        passed = {name for name, failed in self._verdicts.items() if not failed}
        for simpler in map(self._space.played, ways):
            name = simpler.question.id
            if simpler.size < smallest.size and name not in passed:
                wanted.setdefault(name, simpler)
            if len(wanted) == limit:
                break
        seen = passed | wanted.keys()
        rest = limit - len(wanted)
        wanted |= {
            drawn.question.id: drawn
            for drawn in proposals.to_shrink(self._space, smallest, seen, rest)
        }
        known = [drawn for name, drawn in wanted.items() if name in self._verdicts]
        failing = known or self._round(list(wanted.values()))
        self._together = [drawn.draws for drawn in failing]
        if failing:
            self.findings.smallest = min(failing, key=lambda drawn: drawn.size)
        self.findings.finished = not wanted
        self._told(self.findings)
        return bool(wanted)

    def _round(self, drawn: Sequence[DrawnQuestion]) -> list[DrawnQuestion]:
        """Ask questions together; those that fail."""
        findings = self.findings
        verdicts = self._ask(drawn) if drawn else []
        self._verdicts |= {
            one.question.id: verdict for one, verdict in zip(drawn, verdicts, strict=True)
        }
        failing = [one for one, verdict in zip(drawn, verdicts, strict=True) if verdict]
        findings.rounds += bool(drawn)
        findings.asked += len(drawn)
        findings.failed += len(failing)
        findings.unanswered += sum(verdict is None for verdict in verdicts)
        return failing

    def _candidates(self) -> Iterator[tuple[DrawnQuestion, bool]]:
        """What may be asked in search of a first failure, and whether as the suite draws it."""
        for draws in self._examples:
            yield self._space.played(draws), False
        allowed = max(1, self._room() // 2)
        proposed = proposals.to_search(self._space, allowed, at_once=self._at_once)
        for index in count():
            if (simple := next(proposed, None)) is not None:
                yield simple, False
            yield self._space.seeded(self._seed, index), True
