"""The rows of `lrmtest suites --sets`: what a set asks here, and what that is expected to take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lrmtest.errors import LrmtestError
from lrmtest.questions.data import DataOptions
from lrmtest.suites.listing import tried
from lrmtest.suites.own import own_suites
from lrmtest.suites.registry import suite_named
from lrmtest.suites.sets import NamedSet, SeenSuite, SetPart, seen_suites
from lrmtest.suites.suite import Suite


@dataclass(frozen=True, slots=True)
class SetPartRow:
    """What a set asks of one suite.

    Attributes:
        suite: its name.
        questions: how many; None where that cannot be told without the data.
        is_counted: whether they were counted, and are not a share of how many there should be.
        max_tokens: budget of one completion; None of a suite that there is not.
        samples: samples per question.
        tokens: expected of all completions; None where nobody has seen the suite.
        rate: the pass rate that was seen; None as before.
        missing: why it cannot be asked here now without a network; empty where it can.
        next_step: what to do about that.
    """

    suite: str
    questions: int | None
    is_counted: bool
    max_tokens: int | None
    samples: int
    tokens: float | None
    rate: float | None
    missing: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class SetRow:
    """One set, as a list shows it.

    Attributes:
        name, title, why: as in the set.
        file: where it is from; empty for lrmtest's own.
        parts: suite by suite.
    """

    name: str
    title: str
    why: str
    file: str
    parts: tuple[SetPartRow, ...]

    @property
    def questions(self) -> int | None:
        """How many it asks; None where that is not known of a suite."""
        counts = [part.questions for part in self.parts if part.questions is not None]
        return sum(counts) if len(counts) == len(self.parts) else None

    @property
    def tokens(self) -> float | None:
        """Expected of all its completions; None where that is not known of a suite."""
        tokens = [part.tokens for part in self.parts if part.tokens is not None]
        return sum(tokens) if len(tokens) == len(self.parts) else None


def set_rows(sets: Iterable[NamedSet], data: DataOptions, project: Path) -> tuple[SetRow, ...]:
    """The rows of some sets. Nothing is fetched.

    Args:
        sets: the sets.
        data: where questions are looked for.
        project: a folder whose test files may make further suites.
    """
    own = {each.suite.name: each.suite for each in own_suites(project)}
    offline, seen = replace(data, is_offline=True), seen_suites()
    ids: dict[str, tuple[str, ...] | LrmtestError] = {}
    return tuple(
        SetRow(
            each.name,
            each.title,
            each.why,
            each.file,
            tuple(_row(part, own, offline, seen, ids) for part in each.parts),
        )
        for each in sets
    )


def _row(
    part: SetPart,
    own: Mapping[str, Suite],
    data: DataOptions,
    seen: Mapping[str, SeenSuite],
    ids: dict[str, tuple[str, ...] | LrmtestError],
) -> SetPartRow:
    samples = part.samples or 1
    try:
        suite = own.get(part.suite) or suite_named(part.suite)
    except LrmtestError as error:
        wrong = error.message, error.hint or ""
        return SetPartRow(part.suite, None, False, part.max_tokens, samples, None, None, *wrong)
    budget = part.max_tokens or int(suite.max_tokens)
    questions, problem = _counted(part, suite, data, ids)
    is_counted = problem is None
    if problem is not None:
        questions = _planned(part, suite)
    known = seen.get(part.suite)
    tokens = None
    if known is not None and questions is not None:
        tokens = questions * samples * min(known.tokens, budget)
    return SetPartRow(
        suite=part.suite,
        questions=questions,
        is_counted=is_counted,
        max_tokens=budget,
        samples=samples,
        tokens=tokens,
        rate=None if known is None else known.rate,
        missing="" if problem is None else problem.message,
        next_step="" if problem is None else problem.hint or "",
    )


def _counted(
    part: SetPart,
    suite: Suite,
    data: DataOptions,
    ids: dict[str, tuple[str, ...] | LrmtestError],
) -> tuple[int | None, LrmtestError | None]:
    """How many questions can be asked here, or why none can."""
    if suite.name not in ids:
        loaded = tried(suite.load, data)
        if isinstance(loaded, LrmtestError):
            ids[suite.name] = loaded
        else:
            ids[suite.name] = tuple(question.id for question in loaded.questions)
    there = ids[suite.name]
    if isinstance(there, LrmtestError):
        return None, there
    try:
        return len(part.chosen(there)), None
    except LrmtestError as error:
        return None, error


def _planned(part: SetPart, suite: Suite) -> int | None:
    """How many questions it should be, where they cannot be counted."""
    if part.questions:
        return len(part.questions)
    described = suite.described
    if described is None:
        return None
    released = [release.rows for release in described.releases]
    whole = described.questions or (released[0] if released else None)
    return None if whole is None else round(part.share * whole)
