"""The extent of a run: the questions, and the samples of each, that are spoken of.

A run holds what all of its sessions have asked: suites that joined it, questions beyond a later
``--limit``, samples of an earlier ``--samples``. What counts is the *selection*: what its last
session asked for, wherever the completions come from. It is in the run's manifest. All else that
is stored is left out, and named; the extent `EVERYTHING` has it, too. A run whose manifest says
nothing of a selection, as one of lrmtest 0.1 or of another tool's log, is taken whole.

A baseline in a store is narrowed for its candidate: to the candidate's suites, and in them to
what either of the two selected. What the baseline's last session selected and the candidate did
not ask is missing there, and is not made up for by leaving it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lrmtest.counted import counted
from lrmtest.questions.place import Place
from lrmtest.runs.manifest import Manifest, SelectionSection
from lrmtest.runs.outcomes import QuestionKey

Extent = Mapping[QuestionKey, int]
"""How many samples of each question, the first so many; empty for everything."""

EVERYTHING: Extent = {}

_MOST_NAMED = 5


def selected(manifest: Manifest) -> Extent:
    """What a run's last session selected; everything where the manifest does not say it."""
    found: dict[QuestionKey, int] = {}
    for suite, section in manifest.selection.items():
        most, fewer = section.samples or 1, section.fewer or {}
        for question in section.questions or ():
            count = fewer.get(question)
            found[suite, question] = count if isinstance(count, int) and count > 0 else most
    return found


def selection_of(extent: Extent) -> dict[str, SelectionSection]:
    """The selection that has an extent, as a manifest says it; the inverse of `selected`."""
    by_suite: dict[str, dict[str, int]] = {}
    for (suite, question), samples in extent.items():
        by_suite.setdefault(suite, {})[question] = samples
    selection = {}
    for suite, samples_of in by_suite.items():
        most = max(samples_of.values())
        fewer = {question: count for question, count in samples_of.items() if count < most}
        selection[suite] = SelectionSection(
            samples=most, questions=tuple(samples_of), fewer=fewer or None
        )
    return selection


def extent_of(places: Iterable[Place]) -> Extent:
    """The extent that has these samples, and those before them."""
    found: dict[QuestionKey, int] = {}
    for place in places:
        found[place.question] = max(found.get(place.question, 0), place.sample + 1)
    return found


def reaches(extent: Extent, place: Place) -> bool:
    """Whether a sample is within an extent. That of a test's own prompt, without a suite, is."""
    return not extent or not place.suite or place.sample < extent.get(place.question, 0)


def beside(own: Extent, asked: Extent) -> Extent:
    """The extent of a baseline for a candidate.

    Args:
        own: what the baseline's last session selected, or everything that it has, by question.
        asked: what the candidate asks.

    Returns:
        Of the candidate's suites what either has; `own` where they have no suite in common.
    """
    suites = {suite for suite, _ in asked}
    if suites.isdisjoint(suite for suite, _ in own):
        return own
    return {key: count for key, count in union(own, asked).items() if key[0] in suites}


def union(one: Extent, other: Extent) -> Extent:
    """What either of two extents has."""
    if not one or not other:
        return EVERYTHING
    keys = dict.fromkeys((*one, *other))
    return {key: max(one.get(key, 0), other.get(key, 0)) for key in keys}


def narrowed_manifest(manifest: Manifest, extent: Extent) -> Manifest:
    """A manifest that speaks of an extent alone: its suites, and the counts in them."""
    if not extent:
        return manifest
    selection = selection_of({key: count for key, count in extent.items() if key[0]})
    suites = {
        name: replace(
            section,
            samples=selection[name].samples,
            questions=len(selection[name].questions or ()),
        )
        for name, section in manifest.suites.items()
        if name in selection
    }
    return replace(manifest, suites=suites, selection=selection)


def left_out(places: Iterable[Place], extent: Extent) -> str:
    """What of some samples an extent leaves out, in words; empty for nothing."""
    if not extent:
        return ""
    suites = {suite for suite, _ in extent}
    others: dict[str, set[str]] = {}
    questions: set[QuestionKey] = set()
    samples = 0
    for place in places:
        if reaches(extent, place):
            continue
        if place.suite not in suites:
            others.setdefault(place.suite, set()).add(place.question_id)
        elif place.question not in extent:
            questions.add(place.question)
        else:
            samples += 1
    named = sorted(others)[:_MOST_NAMED]
    parts = []
    if others:
        more = ", ..." if len(others) > len(named) else ""
        parts.append(
            f"{', '.join(named)}{more} ({counted(sum(map(len, others.values())), 'question')})"
        )
    if questions:
        parts.append(f"{counted(len(questions), 'other question')} of {_listed(questions)}")
    if samples:
        parts.append(f"{samples:,} further sample{'s' * (samples != 1)}")
    return "; ".join(parts)


def _listed(questions: Iterable[QuestionKey]) -> str:
    return ", ".join(sorted({suite for suite, _ in questions}))
