"""The traces of a baseline, as a candidate reads them for a certificate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from lrmtest.errors import UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.description import describe_chat
from lrmtest.models.engines.base import Conversation
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.fetch.files import fetch, on_disk
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import KnownTags, ModelSpec
from lrmtest.runs.extent import EVERYTHING
from lrmtest.runs.manifest import ChatSection, Manifest
from lrmtest.runs.open_traces import open_traces
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.readable_traces import ReadableTraces
from lrmtest.runs.reasoning import section_of
from lrmtest.runs.records import RunRecord
from lrmtest.runs.reference import is_file


def baseline_traces(
    baseline: RunRecord,
    called: str,
    store: Path,
    asked: Collection[QuestionKey],
    reference: str | None = None,
    *,
    reread: bool = False,
) -> ReadableTraces:
    """The traces that a baseline's verdicts are on.

    Args:
        baseline: the baseline.
        called: its file, or its name.
        store: the SQLite file that runs are looked up in.
        asked: the questions that matter.
        reference: where the traces are, as in `open_traces`; None for those of the baseline itself.
        reread: also those whose tokens' probabilities are not told, since their writer reads, too.

    Raises:
        UsageError: there are none, none tells how probable its tokens were, or they were drawn in a
            way that reading cannot repeat.
        DataError, StoreError: they cannot be read, or are of another run.
    """
    own = called if is_file(called) else baseline.run_id
    written, ended, silent = [], {}, 0
    conversations: dict[QuestionKey, Conversation] = {}
    wanted = set(asked)
    with open_traces(reference or own, store, EVERYTHING) as traces:
        if reference is not None:  # its own are refused where they are opened
            traces.refuse_others(baseline, called)
        head = traces.head
        for one, readable in traces.written():
            question = baseline.outcomes.get(one.place.question)
            if one.place.question not in wanted or question is None:
                continue
            if one.place.sample not in question.samples:
                continue
            if not (one.trace.logprobs or readable.shaping.greedy or reread):
                silent += 1
                continue
            written.append(readable)
            if one.conversation:
                conversations[one.place.question] = one.conversation
            cut = one.finish_reason in ("length", "loop")
            ended[one.place.question, one.place.sample] = one.trace.ended or cut
    if not written:
        raise UsageError(
            f"no trace of {called} tells how probable its tokens were"
            if silent
            else f"{called} has no traces of these questions",
            hint="keep them when the baseline is made: pytest ... --traces --save-baseline FILE "
            "--save-traces FILE, on an engine that tells log-probabilities",
        )
    return ReadableTraces(
        head.run.run_id,
        head.run.model,
        head.tokenizer,
        written,
        asked=conversations,
        ended=ended,
    )


def as_asked(manifest: Manifest, spec: ModelSpec, options: EngineOptions) -> Manifest:
    """A candidate's manifest with what is known of its model before it is started.

    So that a chat template, tokenizer or tags that are not the baseline's are seen.

    Raises:
        ModelError: a file cannot be read.
    """
    if chat := describe_chat(spec, options):
        manifest = replace(manifest, chat=ChatSection.from_json(chat))
    return replace(manifest, reasoning=section_of(spec.reasoning or KnownTags()))


def files_of_writer(name: str, cards: Mapping[str, ModelCard]) -> tuple[str, ...]:
    """Where the files of the model that wrote some traces are, if they are on this machine.

    They tell what its token ids mean, where a reader's own files only tell that of its own.

    Args:
        name: the model's.
        cards: the model cards there are.
    """
    if name not in cards:
        return ()
    spec = resolve(name, cards)
    if not kind_of(spec).has_files or not on_disk(spec.card.checkpoint):
        return ()
    return (str(fetch(spec)),)
