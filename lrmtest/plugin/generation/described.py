"""A run's manifest with what its model and its texts show, which no setting says."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from lrmtest.models.description import describe_chat
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.fetch.hub import commit_of
from lrmtest.models.sizes import known_sizes
from lrmtest.models.spec import KnownTags, ModelSpec
from lrmtest.options.settings import Settings
from lrmtest.runs.manifest import ChatSection, FetchedSection, Manifest, SizeSection
from lrmtest.runs.noise import known_noise
from lrmtest.runs.reasoning import FIRST_TEXTS, ReasoningSeen, section_of, with_seen
from lrmtest.runs.records import RunHead
from lrmtest.runs.store import Store


def with_model_known(
    manifest: Manifest, spec: ModelSpec, settings: Settings, store: Store
) -> Manifest:
    """What is known of a run's model before it is started.

    Args:
        manifest: of the run, as it is.
        spec: the model.
        settings: what the user asked for.
        store: the run's; what was measured of noise lies beside it.
    """
    if sizes := known_sizes(spec.card, spec.engine):
        manifest = replace(manifest, size=SizeSection.from_json(sizes))
    if kind_of(spec).has_files and (commit := commit_of(spec.location)):
        repo = spec.card.checkpoint.repo or None
        manifest = replace(manifest, fetched=FetchedSection(repo=repo, commit=commit))
    if chat := describe_chat(spec, settings.engine_options):
        manifest = replace(manifest, chat=ChatSection.from_json(chat))
    if manifest.greedy and (noise := known_noise(store.path.parent, manifest.model)):
        manifest = replace(manifest, noise=noise)
    reasoning = section_of(spec.reasoning or KnownTags())
    if manifest.reasoning.known_by != reasoning.known_by:
        manifest = replace(manifest, reasoning=reasoning)
    return manifest


def with_texts_seen(
    run: RunHead, spec: ModelSpec, store: Store, seen: ReasoningSeen | None
) -> Manifest:
    """What a run's texts show of its reasoning's form.

    Args:
        run: as it is in the store.
        spec: its model.
        store: holds its texts; all are read where that costs nothing else, else the first.
        seen: what the texts show that were graded in this session; None where none were.

    Raises:
        StoreError: the store cannot be read.
    """
    known = spec.reasoning or KnownTags()
    if seen is not None and seen.texts == store.completion_count(run.run_id):
        reasoning = with_seen(section_of(known), seen)
    else:
        most = FIRST_TEXTS if kind_of(spec).generates else None
        stored = islice(store.completions(run.run_id), most)
        reasoning = section_of(known, (one.completion.text for one in stored))
    return replace(run.manifest, reasoning=reasoning)
