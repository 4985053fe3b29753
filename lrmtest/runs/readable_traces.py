"""The traces that a model is to read: of a run in the store, or of a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.models.reading import Written
from lrmtest.runs.formats.traces_file import KeptTrace
from lrmtest.runs.open_traces import open_traces
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.same_prompts import Conversations


@dataclass(frozen=True)
class ReadableTraces:
    """Traces, and what is known of the model that wrote them.

    Attributes:
        run_id: of their run.
        model: the name of the model that wrote them.
        tokenizer: its own, as `lrmtest.models.tokenizer_identity` tells it; empty if unknown.
        files: SHA-256 of its files, by name; empty if unknown.
        written: the traces.
        asked: what their questions were asked with, as far as it is known.
        ended: of a baseline's, by question and sample, whether it has every token that was drawn.
        left: traces that are not there or not asked for, in words; empty for none.
    """

    run_id: str
    model: str
    tokenizer: str
    written: Sequence[Written]
    files: Mapping[str, str] = field(default_factory=dict)
    asked: Conversations = field(default_factory=dict)
    ended: Mapping[tuple[QuestionKey, int], bool] = field(default_factory=dict)
    left: str = ""

    @cached_property
    def tokens(self) -> int:
        """How many there are in all, without prompts."""
        return sum(len(one.trace.tokens) for one in self.written)

    @cached_property
    def _telling(self) -> frozenset[str]:
        return frozenset(
            one.place.key
            for one in self.written
            if one.shaping.greedy or one.trace.logprobs or not one.trace.tokens
        )

    @property
    def lacks_logprobs(self) -> bool:
        """Whether some do not tell how probable their tokens were."""
        return len(self._telling) < len(self.written)

    def tells(self, key: str) -> bool:
        """Whether the trace with this key tells how probable its tokens were."""
        return key in self._telling


def traces_to_read(
    reference: str,
    store: Path,
    *,
    suites: Collection[str] = (),
    wanted: Callable[[KeptTrace], bool] = lambda trace: True,
    which: str = "traces",
) -> ReadableTraces:
    """The traces of this name.

    Args:
        reference: a run, a file of traces, or a baseline with one beside it.
        store: the SQLite file that runs are looked up in.
        suites: only those of these; all of none.
        wanted: whether one of these is to be read.
        which: what is wanted, in words.

    Raises:
        UsageError: there are none, or they were drawn in a way that reading cannot repeat.
        DataError, StoreError: they cannot be read.
    """
    with open_traces(reference, store) as traces:
        head, manifest = traces.head, traces.head.run.manifest
        found = [each for each in traces.written() if not suites or each[1].place.suite in suites]
        of_suites = len(found)
        found = [each for each in found if wanted(each[0])]
        written = [one for _, one in found]
    if not written:
        named = f" of suite {', '.join(suites)}" if suites else ""
        raise UsageError(
            f"{reference} has no {which if of_suites else 'traces'}{named}",
            hint=None
            if of_suites
            else "they are kept where they are asked for: pytest ... --traces",
        )
    return ReadableTraces(
        run_id=head.run.run_id,
        model=head.run.model,
        tokenizer=head.tokenizer,
        written=written,
        files=manifest.model.files or {},
        asked={kept.place.question: kept.conversation for kept, _ in found if kept.conversation},
        left=f"{counted(head.lacking, 'completion')} without a trace" if head.lacking else "",
    )
