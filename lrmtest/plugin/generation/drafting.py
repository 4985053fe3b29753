"""`--drafts` at work: the traces that a session's samples begin with."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.models.engines.base import Request
from lrmtest.models.engines.kinds import kind_of
from lrmtest.options.common import cards_here
from lrmtest.options.gate import BASELINE_DRAFTS
from lrmtest.options.settings import Settings
from lrmtest.plugin.generation.protocol import GenerationPlan
from lrmtest.plugin.generation.turning_drafts import (
    by_rejection,
    find_turning_drafts,
    note_other_tokens,
    without_draft,
)
from lrmtest.progress import Tell
from lrmtest.runs.baseline_traces import files_of_writer
from lrmtest.runs.drafts import Drafts, load_drafts
from lrmtest.runs.records import RunRecord
from lrmtest.runs.reference import is_file
from lrmtest.runs.store import Store


def find_drafts(
    settings: Settings,
    store: Store,
    notice: Tell,
    baseline: RunRecord | None,
    plan: GenerationPlan,
    run_id: str,
    requests: Collection[Request],
) -> Drafts:
    """The traces that samples may begin with.

    Args:
        settings: what the user asked for.
        store: where runs are looked up.
        notice: prints one line that must be seen.
        baseline: the run that the model is compared with; None without one.
        plan: what is generated.
        run_id: the run that it is generated for, which is none to take drafts from.
        requests: the samples that the store lacks.

    Raises:
        UsageError: the traces cannot be found, or not be used by this model or engine.
        ModelError: a file of the model cannot be read.
        DataError, StoreError: the traces are not as they were written.
    """
    name, kind = plan.spec.name, kind_of(plan.spec)
    if by_rejection(plan.spec):
        return find_turning_drafts(settings, store, notice, plan, run_id, requests)
    reference = _reference(settings, store, baseline, run_id)
    drafts = load_drafts(reference, store.path, plan.requests, plan.manifest, kind.drafts)
    writers = files_of_writer(drafts.model, cards_here(settings.cards))
    note_other_tokens(plan.spec, drafts, writers, notice)
    given = [one.draft.trace for one in drafts.given(requests) if one.draft is not None]
    tokens, without = sum(len(trace.tokens) for trace in given), len(requests) - len(given)
    notice(
        f"{name}: {counted(len(given), 'sample')} with a trace of {drafts.run_id} as a draft, "
        f"{counted(tokens, 'token')}, generated from where {name} turns from it"
        + without_draft(without)
    )
    return drafts


def _reference(settings: Settings, store: Store, baseline: RunRecord | None, run_id: str) -> str:
    """What `open_traces` takes for the drafts that are asked for."""
    compared, given = settings.comparison, settings.comparison.drafts
    if given == BASELINE_DRAFTS:
        if baseline is None or compared.baseline is None:
            raise UsageError(
                f"--drafts {BASELINE_DRAFTS}, and this model is compared with no baseline",
                hint="name the run or the file that has the traces",
            )
        return compared.baseline if is_file(compared.baseline) else baseline.run_id
    assert given is not None, "nobody asks for drafts"
    if is_file(given) or Path(given).exists():
        return given
    return store.run(given, other_than={run_id}).run_id
