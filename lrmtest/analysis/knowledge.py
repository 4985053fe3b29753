"""Knowledge against reasoning: what a model does not know, and what it cannot compose.

A question of several hops can fail because a fact is missing or because the facts are not put
together. The same question in other contexts tells which: each hop by itself, closed-book, says
whether the facts are known; with the paragraphs that hold the facts, knowledge plays no part;
and each hop with its own paragraph says whether a fact can be read off where it stands.

Everything is per question, so that what is compared, between contexts or between models, is
paired. A question enters only when it and all its hops have a verdict in all five contexts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from lrmtest.analysis.intervals import Interval, clustered, wilson
from lrmtest.analysis.pairs import mean_interval
from lrmtest.analysis.summary import Rate
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome
from lrmtest.suites.musique_contexts import CONTEXTS, hop_ids

BookContext = Literal["closed", "open", "gold", "hops", "hops-gold"]

BOOK_CONTEXTS: tuple[BookContext, ...] = get_args(BookContext)

FromMemory = Literal["composed", "shortcut", "not composed", "not known", "neither"]
"""How a question went closed-book. It passed, with all hops known (composed) or not (shortcut).
Or it failed: with all hops known (not composed); with a hop unknown, and given the facts it
passes (not known) or fails too (neither)."""

FromText = Literal["composed", "distracted", "not composed", "not read", "open only"]
"""How a question went with paragraphs. Gold and open passed (composed); only gold (distracted);
only open (open only). Or both failed: with every hop read off its own paragraph (not composed),
or not (not read)."""

FROM_MEMORY: tuple[FromMemory, ...] = get_args(FromMemory)
FROM_TEXT: tuple[FromText, ...] = get_args(FromText)


@dataclass(frozen=True, slots=True)
class Share:
    """The questions of one kind.

    Attributes:
        kind: one of `FROM_MEMORY` or `FROM_TEXT`.
        questions: their ids.
        rate: their share of all questions, with Wilson's interval.
    """

    kind: str
    questions: tuple[str, ...]
    rate: Rate


@dataclass(frozen=True, slots=True)
class Change:
    """A mean over questions of a paired difference.

    Attributes:
        value: in [-1, 1], or [-2, 2] for a difference of differences.
        interval: for questions like these, by Gaffke's method on the differences by question.
    """

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One model on one set of questions.

    Attributes:
        questions: the set: ``musique`` or ``musique-dev``.
        count: questions that enter.
        left_out: questions asked in some context that lack a verdict in another.
        passed: pass rate by context; for hops the mean over questions of the share of hops.
        from_memory, from_text: the kinds of questions, each adding up to all.
        facts: what the gold paragraphs bring: gold less closed-book.
        distraction: what the other paragraphs cost: gold less open-book.
    """

    questions: str
    count: int
    left_out: int
    passed: Mapping[BookContext, Rate]
    from_memory: tuple[Share, ...]
    from_text: tuple[Share, ...]
    facts: Change
    distraction: Change


@dataclass(frozen=True, slots=True)
class KnowledgeChange:
    """Two models on the questions that both have in all contexts.

    Attributes:
        questions: the set.
        count: questions that enter.
        baseline, candidate: each model on these questions alone.
        changes: by context, the candidate's pass rate less the baseline's.
        from_memory, from_text: by kind, by how much more of the questions are of it.
        knowledge_over_reasoning: the drop in single hops closed-book less the drop with gold
            paragraphs. Above 0, more knowledge was lost than reasoning; below, the reverse.
    """

    questions: str
    count: int
    baseline: Knowledge
    candidate: Knowledge
    changes: Mapping[BookContext, Change]
    from_memory: Mapping[str, Change]
    from_text: Mapping[str, Change]
    knowledge_over_reasoning: Change


@dataclass(frozen=True, slots=True)
class _InContexts:
    """One question in every context; of hops, all its hops."""

    question_id: str
    contexts: Mapping[BookContext, Sequence[QuestionOutcome]]

    def rate(self, context: BookContext) -> float:
        """The share that passed."""
        passes, samples = self.counts(context)
        return passes / samples

    def counts(self, context: BookContext) -> tuple[int, int]:
        part = self.contexts[context]
        return sum(one.passes for one in part), sum(one.count for one in part)

    def passed(self, context: BookContext, threshold: float) -> bool:
        """Whether it passed; of hops, whether every one did."""
        return all(one.passed(threshold) for one in self.contexts[context])


def suite_in(questions: str, context: BookContext) -> str:
    """The suite that asks a set of questions in a context."""
    return questions if context == "closed" else f"{questions}-{context}"


def sets_in(outcomes: Outcomes) -> tuple[str, ...]:
    """The sets of questions that a run asked in more than one context.

    One suite whose name ends as a context's does is no such set: fresh-hops stands for itself.
    """
    suites = dict.fromkeys(suite for suite, _ in outcomes)
    ends = [f"-{context}" for context in sorted(CONTEXTS, key=len, reverse=True)]
    sets: dict[str, None] = {}
    for suite in suites:
        end = next((end for end in ends if suite.endswith(end)), None)
        if end is not None:
            sets[suite.removesuffix(end)] = None
    contexts = len(BOOK_CONTEXTS)
    return tuple(name for name in sets if len(missing_contexts(outcomes, name)) < contexts - 1)


def missing_contexts(outcomes: Outcomes, questions: str) -> list[str]:
    """The suites of a set that a run lacks."""
    suites = {suite for suite, _ in outcomes}
    return [name for name in (suite_in(questions, c) for c in BOOK_CONTEXTS) if name not in suites]


def knowledge(
    outcomes: Outcomes, questions: str, threshold: float = 0.5, level: float = 0.95
) -> Knowledge | None:
    """What one model knows and what it composes; None when no question enters.

    Args:
        outcomes: of a run that asked the set in all contexts.
        questions: the set's name.
        threshold: share of a question's samples that must pass.
        level: of all intervals.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    asked = _asked(outcomes, questions)
    suites = {suite_in(questions, context) for context in ("closed", "open", "gold")}
    ids = {question_id for suite, question_id in outcomes if suite in suites}
    return _knowledge(asked, questions, len(ids) - len(asked), threshold, level)


def compare_knowledge(
    baseline: Outcomes,
    candidate: Outcomes,
    questions: str,
    threshold: float = 0.5,
    level: float = 0.95,
) -> KnowledgeChange | None:
    """Two models, question by question; None when no question enters.

    Args:
        baseline, candidate: of runs that asked the set in all contexts.
        questions, threshold, level: as in `knowledge`.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    before = {one.question_id: one for one in _asked(baseline, questions)}
    after = {one.question_id: one for one in _asked(candidate, questions)}
    both = [(one, after[name]) for name, one in before.items() if name in after]
    left_out = len(before.keys() | after.keys()) - len(both)
    old = _knowledge([one for one, _ in both], questions, left_out, threshold, level)
    new = _knowledge([one for _, one in both], questions, left_out, threshold, level)
    if old is None or new is None:
        return None

    def rise(context: BookContext) -> list[float]:
        return [other.rate(context) - one.rate(context) for one, other in both]

    def kinds(
        kind_of: Callable[[_InContexts, float], str], names: Sequence[str]
    ) -> dict[str, Change]:
        found = [(kind_of(one, threshold), kind_of(other, threshold)) for one, other in both]
        return {
            name: _change([float(now == name) - (was == name) for was, now in found], level)
            for name in names
        }

    rises = {context: rise(context) for context in BOOK_CONTEXTS}
    contrast = [gold - hops for gold, hops in zip(rises["gold"], rises["hops"], strict=True)]
    return KnowledgeChange(
        questions=questions,
        count=len(both),
        baseline=old,
        candidate=new,
        changes={context: _change(part, level) for context, part in rises.items()},
        from_memory=kinds(_from_memory, FROM_MEMORY),
        from_text=kinds(_from_text, FROM_TEXT),
        knowledge_over_reasoning=_change(contrast, level, bound=2.0),
    )


def _asked(outcomes: Outcomes, questions: str) -> list[_InContexts]:
    """The questions that have a verdict, and all their hops too, in every context."""
    found = []
    for suite, question_id in outcomes:
        if suite != questions:
            continue
        contexts: dict[BookContext, list[QuestionOutcome]] = {}
        for context in BOOK_CONTEXTS:
            ids = hop_ids(question_id) if context.startswith("hops") else [question_id]
            part = [outcomes.get((suite_in(questions, context), name)) for name in ids]
            contexts[context] = [one for one in part if one is not None and one.count]
            if len(contexts[context]) < max(len(ids), 1):
                break
        else:
            found.append(_InContexts(question_id, contexts))
    return found


def _from_memory(one: _InContexts, threshold: float) -> FromMemory:
    knows = one.passed("hops", threshold)
    if one.passed("closed", threshold):
        return "composed" if knows else "shortcut"
    if knows:
        return "not composed"
    return "not known" if one.passed("gold", threshold) else "neither"


def _from_text(one: _InContexts, threshold: float) -> FromText:
    with_all = one.passed("open", threshold)
    if one.passed("gold", threshold):
        return "composed" if with_all else "distracted"
    if with_all:
        return "open only"
    return "not composed" if one.passed("hops-gold", threshold) else "not read"


def _knowledge(
    asked: Sequence[_InContexts], questions: str, left_out: int, threshold: float, level: float
) -> Knowledge | None:
    if not asked:
        return None

    def shares(
        kind_of: Callable[[_InContexts, float], str], kinds: Sequence[str]
    ) -> tuple[Share, ...]:
        by_kind: dict[str, list[str]] = {kind: [] for kind in kinds}
        for one in asked:
            by_kind[kind_of(one, threshold)].append(one.question_id)
        return tuple(_share(kind, ids, len(asked), level) for kind, ids in by_kind.items())

    def less(context: BookContext) -> Change:
        return _change([one.rate("gold") - one.rate(context) for one in asked], level)

    return Knowledge(
        questions=questions,
        count=len(asked),
        left_out=left_out,
        passed={context: _rate(asked, context, level) for context in BOOK_CONTEXTS},
        from_memory=shares(_from_memory, FROM_MEMORY),
        from_text=shares(_from_text, FROM_TEXT),
        facts=less("closed"),
        distraction=less("open"),
    )


def _rate(asked: Sequence[_InContexts], context: BookContext, level: float) -> Rate:
    counts = [one.counts(context) for one in asked]
    interval = clustered([(float(passes), samples) for passes, samples in counts], level)
    return Rate(sum(passes / samples for passes, samples in counts) / len(counts), interval)


def _share(kind: str, ids: Sequence[str], count: int, level: float) -> Share:
    return Share(kind, tuple(ids), Rate(len(ids) / count, wilson(len(ids), count, level)))


def _change(differences: Sequence[float], level: float, bound: float = 1.0) -> Change:
    mean = sum(differences) / len(differences)
    return Change(mean, mean_interval(differences, bound, level))
