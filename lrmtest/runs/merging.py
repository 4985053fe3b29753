"""Merging: runs that were made in several places, with the same manifest, become one.

What a run's completions share is its identity. Of files it is the same wherever they are asked. Of
an endpoint it holds a mark of how the model's probe was answered, which is another one each time
that it is measured first; such runs are of one model when their servers tell the same of it and
what the two probes were answered lies as close together as a server's own answers do.

A sample belongs to its place by its key. One that both have with the same text is there once; one
of which they have different texts is a conflict: the run that is merged into keeps its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lrmtest.errors import DataError
from lrmtest.models.engines.http.model_probe import ProbeReference
from lrmtest.questions.place import Place
from lrmtest.runs.extent import selected, selection_of, union
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.records import RunHead
from lrmtest.runs.run import merged_suite, suites_conflict
from lrmtest.runs.seen_model import PROBE
from lrmtest.runs.store import Store


@dataclass(frozen=True, slots=True)
class MergedRun:
    """What became of one run.

    Attributes:
        run: as it was where it came from.
        into: the id of the run that it is part of now; its own where none was like it.
        added: completions that were not there.
        known: completions that were there with the same text.
        conflicts: samples of which the two have different texts.
        apart: why it is a run of its own although there is one of its model, in words; empty where
            it is not, or there is none.
    """

    run: RunHead
    into: str
    added: int
    known: int
    conflicts: tuple[Place, ...]
    apart: str = ""

    @property
    def joined(self) -> bool:
        """Whether it became part of another run."""
        return self.into != self.run.run_id


def merge_run(into: Store, source: Store, run: RunHead) -> MergedRun:
    """Take a run over into another store: into the newest run there that is like it, or by itself.

    All of it is there afterwards, or nothing. What is there stays; it may be done again.

    Args:
        into: the store that it is written to.
        source: the store that it is in.
        run: the run.

    Raises:
        StoreError: a store cannot be read or written.
        DataError: another run is called the same.
    """
    with into.transaction():
        target, apart = _target(into, run)
        known = into.head(target)
        if known is None:
            into.add_run(run.run_id, run.model, run.identity, run.manifest, created=run.created)
        else:
            into.update_manifest(target, _joined(known.manifest, run.manifest))
        asked_there = {(suite, name) for suite, name, _ in into.questions(target)}
        into.add_questions(
            target,
            (
                (suite, question_id, asked.question, asked.prompt)
                for suite, question_id, asked in source.questions(run.run_id)
                if (suite, question_id) not in asked_there
            ),
        )
        added = same = 0
        conflicts = []
        there_before, traced_there = into.keys(target), into.traced(target)
        traced = source.traced(run.run_id)
        for stored in source.completions(run.run_id):
            place, trace = stored.place, None
            if place.key in traced and place.key not in traced_there:
                trace = source.trace(run.run_id, place.key)
            there = into.completion(target, place.key) if place.key in there_before else None
            if there is None:
                added += 1
                into.add_completion(
                    target, place, stored.completion, created=stored.created, trace=trace
                )
                if stored.verdict is not None:
                    into.set_verdicts(target, [(place.key, stored.verdict)])
            elif there.completion.text != stored.completion.text:
                conflicts.append(place)
            else:
                same += 1
                if trace is not None:
                    into.add_trace(target, place.key, trace)
        there_now = into.keys(target)
        for error in source.errors(run.run_id):
            if error.place.key not in there_now:
                into.add_error(target, error.place, error.message, error.attempts)
        head = into.head(target)
        assert head is not None
        if not into.lacking(replace(head, finished=run.finished), selected(head.manifest)):
            into.finish_run(target)
    return MergedRun(run, target, added, same, tuple(conflicts), apart)


def _target(into: Store, run: RunHead) -> tuple[str, str]:
    """The id of the run to join, or its own; and why it joins none of its model's.

    Raises:
        DataError: another run is called the same.
    """
    of_model = [one for one in into.runs() if one.model == run.model]
    apart = ""
    for one in sorted(of_model, key=lambda one: one.run_id != run.run_id):
        why = _unlike(one.manifest, run.manifest)
        if not why:
            return one.run_id, ""
        apart = apart or why
    if into.head(run.run_id) is not None:
        raise DataError(
            f"{into.path} has another run called {run.run_id}: {apart or 'of another model'}",
            hint="runs get their own ids when they are made; one of the two stores was changed",
        )
    return run.run_id, apart


def _unlike(one: Manifest, other: Manifest) -> str:
    """In what two runs of a model differ that makes them two; empty for nothing."""
    for name, section in other.suites.items():
        if name in one.suites and suites_conflict(one.suites[name], section):
            return f"{name} is asked with another prompt, budget or dataset"
    if one.identity == other.identity:
        return ""
    if fingerprint(_beside_probe(one)) != fingerprint(_beside_probe(other)):
        return "its settings, files or server are others"
    before, after = (ProbeReference.from_json(each.probe or {}) for each in (one, other))
    if before is None or after is None or not before.alike(after):
        return "its probe was answered differently"
    return ""


def _beside_probe(manifest: Manifest) -> dict[str, object]:
    """What identifies a run, without the mark of how its probe was answered."""
    served = {name: fact for name, fact in (manifest.model.served or {}).items() if name != PROBE}
    model = replace(manifest.model, served=served or None)
    return {"identity": replace(manifest, model=model).identity}


def _joined(own: Manifest, its: Manifest) -> Manifest:
    """A run's manifest with what another run of the same identity has asked."""
    suites = {name: merged_suite(own.suites.get(name), one) for name, one in its.suites.items()}
    extent = union(selected(own), selected(its))
    return replace(
        own,
        suites={**own.suites, **suites},
        selection=selection_of(extent) if extent else own.selection,
    )
