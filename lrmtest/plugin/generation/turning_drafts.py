"""Drafts by rejection: traces whose turning places are found before anything is generated.

The samples depend on them, so that the traces are part of what a run is, and the model that wrote
them is needed once more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lrmtest.counted import counted
from lrmtest.errors import DataError, UsageError
from lrmtest.models.draft import DraftTurn
from lrmtest.models.engines.base import Request
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.fetch.files import fetch
from lrmtest.models.hashes import WEIGHT_FILES, sha256_of
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec
from lrmtest.models.vocabulary import silent_tokens
from lrmtest.options.common import cards_here
from lrmtest.options.gate import BASELINE_DRAFTS
from lrmtest.options.settings import Settings
from lrmtest.plugin.generation.protocol import GenerationPlan
from lrmtest.progress import Tell
from lrmtest.runs.drafts import Drafts, load_drafts, refuse_other_draws
from lrmtest.runs.extent import EVERYTHING
from lrmtest.runs.kept_turnings import KeptTurnings
from lrmtest.runs.open_traces import open_traces
from lrmtest.runs.reference import is_file
from lrmtest.runs.same_tokens import refuse_other_tokens
from lrmtest.runs.store import Store
from lrmtest.runs.trace_reading import ReadingModel
from lrmtest.runs.turnings import Followed, find_turnings


def by_rejection(spec: ModelSpec) -> bool:
    """Whether a model's samples turn from drafts by rejection alone, and so depend on these."""
    return kind_of(spec).drafts == ("rejection",)


def drafts_identity(settings: Settings, store: Store, spec: ModelSpec) -> dict[str, str]:
    """What of the drafts belongs to the identity of a model's samples; empty for nothing.

    By rejection another trace gives another sample. Of a run in the store the traces stay what they
    are; a file is known by its hash.

    Raises:
        UsageError, DataError, StoreError: the traces cannot be found.
    """
    if settings.comparison.drafts is None or not by_rejection(spec):
        return {}
    reference = _fixed_reference(settings, store, spec)
    with open_traces(reference, store.path, EVERYTHING) as traces:
        told = {"run": traces.head.run.run_id, "way": "rejection"}
        return told | ({} if traces.path is None else {"sha256": sha256_of(traces.path, DataError)})


def find_turning_drafts(
    settings: Settings,
    store: Store,
    notice: Tell,
    plan: GenerationPlan,
    run_id: str,
    requests: Collection[Request],
) -> Drafts:
    """Drafts whose turning places are found now, of all that the run lacks.

    Of what another session generates at this time, too: it may be left to this one.

    Args and raised errors are those of `lrmtest.plugin.generation.drafting.find_drafts`.
    """
    spec, options = plan.spec, settings.engine_options
    reference = _fixed_reference(settings, store, spec)
    ways = kind_of(spec).drafts
    drafts = load_drafts(reference, store.path, plan.requests, plan.manifest, ways)
    parent = _parent(settings, drafts, spec, notice)
    note_other_tokens(spec, drafts, (parent.location,), notice)
    refuse_other_draws(drafts, plan.manifest, drafts.run_id)
    there, asked = store.keys(run_id), {request.key for request in requests}
    lacking = [one for one in plan.requests if one.key in asked or one.key not in there]
    followed = [
        Followed(one, trace) for one in lacking if (trace := drafts.trace_of(one)) is not None
    ]
    kept = KeptTurnings(store.path, run_id)
    known = kept.read()
    keys = [one.request.key for one in followed]
    before = {key: known[key] for key in keys if key in known}
    followed = [one for one in followed if one.request.key not in before]
    silent = silent_tokens(spec.location)
    if silent is None:
        raise UsageError(
            f"{spec.name}: which tokens stand for no text is not told: it has no tokenizer.json",
            hint="generate without --drafts, or add its tokenizer.json",
        )
    tokens = sum(len(one.written.trace.tokens) for one in followed)
    if before:
        notice(
            f"{spec.name}: where {counted(len(before), 'sample')} turn from their traces was found "
            "in an earlier session"
        )
    if followed or not before:
        notice(
            f"{spec.name}: reads {counted(len(followed), 'trace')} of {drafts.run_id}, "
            f"{counted(tokens, 'token')}, to begin as many samples with them"
            + without_draft(len(lacking) - len(followed) - len(before))
        )
    turnings: Mapping[str, DraftTurn] = {}
    if followed:
        turnings = find_turnings(
            followed, ReadingModel(spec, options), ReadingModel(parent, options), silent, notice
        )
        kept.add(turnings)
    if other := len(followed) - len(turnings):
        notice(
            f"{spec.name}: {counted(other, 'sample')} generated from the start, since the model is "
            "asked with other prompt tokens than the trace begins with"
        )
    every = {**before, **turnings}
    taken = sum(one.taken for one in every.values())
    notice(f"{spec.name}: takes {counted(taken, 'token')} from the traces")
    return replace(drafts, turnings=every)


def note_other_tokens(
    spec: ModelSpec, drafts: Drafts, writers: Sequence[str], notice: Tell
) -> None:
    """Refuse traces of another tokenizer, and tell where it is not certain that it is the same.

    Raises:
        UsageError: the tokens are others.
    """
    written = tuple(drafts.written.values())
    if note := refuse_other_tokens(spec, written, drafts.tokenizer, writers):
        notice(note)


def without_draft(count: int) -> str:
    """What is said of so many samples that have none; nothing of none."""
    return f"; {count:,} without one, generated from the start" if count else ""


def _fixed_reference(settings: Settings, store: Store, spec: ModelSpec) -> str:
    """What `open_traces` takes, whichever runs the session begins: none of the model's own name."""
    compared, given = settings.comparison, settings.comparison.drafts
    named = compared.baseline if given == BASELINE_DRAFTS else given
    assert named is not None, "options are checked before"
    if is_file(named) or Path(named).exists():
        return named
    own = {run.run_id for run in store.runs() if run.model == spec.name and named != run.run_id}
    return store.run(named, other_than=own).run_id


def _parent(settings: Settings, drafts: Drafts, spec: ModelSpec, notice: Tell) -> ModelSpec:
    """The model that wrote the traces, its files on disk, on the engine of the one that follows.

    Raises:
        UsageError: there is no such model here, or it has other files.
        ModelError: its files cannot be read.
    """
    given = settings.comparison.drafts_parent
    cards = cards_here(settings.cards)
    name = given or drafts.model
    try:
        parent = resolve(name, cards, engine=spec.engine)
    except UsageError as error:
        if given is not None:
            raise
        raise UsageError(
            f"the model that wrote the drafts is needed beside {spec.name}, and is not known here: "
            f"{error.message}",
            hint="name its folder: --drafts-parent MODEL",
        ) from None
    parent = replace(parent, location=str(fetch(parent, tell=notice)))
    own, theirs = kind_of(parent).file_hashes(parent), drafts.drawn_by.model.files or {}
    weights = {name for name in {*own, *theirs} if name.endswith(WEIGHT_FILES)}
    if not weights or any(own.get(one) != theirs.get(one) for one in weights):
        raise UsageError(
            f"{parent.name}: its weights are not those that wrote the traces of {drafts.run_id}",
            hint="name the model that did: --drafts-parent MODEL; or generate the traces anew",
        )
    return parent
