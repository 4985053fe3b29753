"""The traces' file: all of a run's traces, to be read by other models without the run's store.

It begins with a line of magic and a head, one line of JSON: the run, its model and its manifest as
a baseline has them, how many traces there are and how many samples have none. Then each trace
follows on its own: three little-endian numbers of 32 bits (bytes of its row, bytes of its data,
CRC-32 of both), the row (JSON: which sample it is and how it went; of a question's first trace also
the conversation that asked it), and the data (`lrmtest.runs.trace_codec`). A baseline that was
saved with it holds its SHA-256.

It is written and read one trace at a time, and nothing in it is believed.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, get_args

from lrmtest.bounded import DESCRIPTION, parse_json
from lrmtest.counted import counted
from lrmtest.errors import DamagedStoreError, DataError, LrmtestError
from lrmtest.grading.completion import FinishReason
from lrmtest.models.engines.base import Conversation, Message, Sampling
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs.checked_rows import expect_place
from lrmtest.runs.files import replacing
from lrmtest.runs.formats.baseline import (
    kept_manifest,
    sample_from_json,
    sample_to_json,
    score_fault,
)
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import QuestionKey, SampleOutcome
from lrmtest.runs.records import RunHead, RunRecord, TracesMark, primary_metric
from lrmtest.runs.store import Store
from lrmtest.runs.trace_codec import MOST_TOKENS, trace_from_bytes, trace_to_bytes
from lrmtest.suites.registry import request_of

MAGIC = b"lrmtest-traces 1\n"

_PREFIX = struct.Struct("<III")
_MOST_ROW = 1 << 24  # a question's conversation may hold whole documents
_MOST_DATA = 9 * MOST_TOKENS  # nothing that zlib cannot compress grows by more than a thousandth
_HINT = "write it again: lrmtest baseline RUN -o FILE --save-traces FILE"
_FINISH_REASONS = frozenset(get_args(FinishReason))


@dataclass(frozen=True, slots=True)
class TracesHead:
    """What some traces have in common.

    Attributes:
        run: that they are of; its manifest says how they were sampled.
        kept: how many traces there are.
        lacking: how many graded samples of the run have none.
    """

    run: RunHead
    kept: int
    lacking: int

    @property
    def tokenizer(self) -> str:
        """Of the model that wrote them, as `tokenizer_identity` tells it; empty where unknown."""
        return self.run.manifest.chat.tokenizer or ""

    def sampling(self, suite: str) -> Sampling:
        """How a suite's were drawn; a budget of 0 where it is not known.

        Raises:
            DataError: the run does not say it.
        """
        manifest = self.run.manifest
        if manifest.temperature is None or manifest.top_p is None:
            raise DataError(
                f"run {self.run.run_id} does not say how it was sampled",
                hint="traces are of runs that lrmtest generated",
            )
        budget = manifest.suite(suite).max_tokens or 0
        return Sampling(budget, manifest.temperature, manifest.top_p)


@dataclass(frozen=True, slots=True)
class KeptTrace:
    """A trace, with what is known of its completion.

    Attributes:
        place: which sample of which question it is.
        trace: the completion token by token.
        sampling: how it was drawn.
        finish_reason: how it ended.
        outcome: how it went, by its suite's primary metric.
        conversation: what the model was asked with; empty where nobody knows.
    """

    place: Place
    trace: Trace
    sampling: Sampling
    finish_reason: FinishReason
    outcome: SampleOutcome
    conversation: Conversation = ()


def head_of(run: RunRecord, traced: Collection[str]) -> TracesHead:
    """The head of a run's traces, by the keys of the samples that have one."""
    graded = [sample.place.key in traced for sample in run.samples if sample.verdict is not None]
    head = RunHead(run.run_id, run.model, run.created, run.finished, run.manifest)
    return TracesHead(head, kept=sum(graded), lacking=len(graded) - sum(graded))


def no_traces(run_id: str, kind: type[LrmtestError]) -> LrmtestError:
    """What is raised of a run without traces: of a kind that says whose mistake it is."""
    return kind(
        f"run {run_id} has no trace of any graded sample",
        hint="traces are kept of what is generated with --traces; --regenerate generates all of it "
        "anew",
    )


def traces_of(
    store: Store, run: RunRecord, traced: Collection[str], but: Collection[str] = ()
) -> Iterator[KeptTrace]:
    """The traces of a run's graded samples, one at a time, in the order of its samples.

    Args:
        store: where they are.
        run: the run, as far as it is wanted.
        traced: the keys of its samples that have one.
        but: keys that are passed over.

    Raises:
        StoreError: one cannot be read.
    """
    head = head_of(run, traced)
    conversations: dict[QuestionKey, Conversation] = {}
    for sample in run.samples:
        key, suite = sample.place.key, sample.place.suite
        if sample.verdict is None or key not in traced or key in but:
            continue
        outcome = sample.outcome_by(primary_metric(run.manifest, suite))
        trace = store.trace(run.run_id, key)
        if trace is None or outcome is None:
            raise DamagedStoreError(f"the trace of {suite} {sample.place.question_id} is gone")
        question = sample.place.question
        if question not in conversations:
            asked = store.question(run.run_id, *question)
            turns = () if asked is None else asked.prompt
            conversations[question] = tuple(Message(*turn) for turn in turns)
        yield KeptTrace(
            sample.place,
            trace,
            head.sampling(suite),
            sample.finish_reason or "unknown",
            outcome,
            conversations[question],
        )


def write_traces(path: Path, store: Store, run: RunRecord) -> TracesMark:
    """Write the traces of a run's graded samples to a file, whole or not at all.

    Args:
        path: the file.
        store: where they are.
        run: the run, as far as it is wanted.

    Returns:
        By what a baseline knows the file.

    Raises:
        DataError: there is none to write.
        StoreError: one cannot be read, or the file cannot be written.
    """
    traced = store.traced(run.run_id)
    head = head_of(run, traced)
    if not head.kept:
        raise no_traces(run.run_id, DataError)
    digest = hashlib.sha256()
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        for part in _parts(head, traces_of(store, run, traced)):
            digest.update(part)
            file.write(part)
    return TracesMark(path.name, digest.hexdigest(), head.kept)


def traces_written(mark: TracesMark, run: RunRecord, path: Path) -> list[str]:
    """What is said of a file that was written, line by line."""
    graded = sum(sample.verdict is not None for sample in run.samples)
    lacking = f"; {graded - mark.kept:,} of {graded:,} samples have none"
    said = counted(mark.kept, "trace") + lacking * (graded > mark.kept)
    requests = {suite: request_of(suite) for suite in run.suites}
    return [
        f"traces written to {path}: {said}",
        *(
            f"they hold questions of {suite}, whose authors ask: {request}"
            for suite, request in requests.items()
            if request
        ),
    ]


def _parts(head: TracesHead, traces: Iterator[KeptTrace]) -> Iterator[bytes]:
    """The file's content, piece by piece."""
    run = head.run
    line = {
        "run": run.run_id,
        "model": run.model,
        "created": run.created,
        "finished": run.finished,
        "kept": head.kept,
        "lacking": head.lacking,
        "manifest": kept_manifest(run.manifest),
    }
    yield MAGIC + json.dumps(line, sort_keys=True).encode("ascii") + b"\n"
    told: set[QuestionKey] = set()
    for one in traces:
        place, outcome = one.place, one.outcome
        about: dict[str, Any] = {
            "key": place.key,
            "suite": place.suite,
            "question": place.question_id,
            "sample": place.sample,
            "finish_reason": one.finish_reason,
            "outcome": sample_to_json(outcome),
            "score": outcome.score,
            "unknown_end": outcome.unknown_end,
        }
        if one.conversation and place.question not in told:
            told.add(place.question)
            about["conversation"] = [[turn.role, turn.content] for turn in one.conversation]
        row, data = json.dumps(about).encode("ascii"), trace_to_bytes(one.trace)
        yield _PREFIX.pack(len(row), len(data), zlib.crc32(data, zlib.crc32(row))) + row + data


def is_traces_file(path: Path) -> bool:
    """Whether a file begins as one."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


class TracesReader:
    """Reads a traces' file, one trace at a time.

    Args:
        path: the file.

    Raises:
        DataError: it cannot be read, or is none; says what is wrong.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as file:
            self.head = self._read_head(file)
            self._begin = file.tell()

    def each(self, but: Collection[str] = ()) -> Iterator[KeptTrace]:
        """All traces in their order, but for those with these keys.

        Raises:
            DataError: one is not as it was written, or the file does not hold what its head says.
        """
        seen: set[tuple[str, str, int]] = set()
        conversations: dict[QuestionKey, Conversation] = {}
        with self._opened() as file:
            file.seek(self._begin)
            for number in range(1, self.head.kept + 1):
                row, data = self._read_one(file, number)
                try:
                    one = self._kept(row, None if row.get("key") in but else data)
                except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
                    words = str(error)[:200] or type(error).__name__
                    raise self._wrong(f"trace {number} cannot be read: {words}") from error
                place = one.place
                if (where := (*place.question, place.sample)) in seen:
                    raise self._wrong(
                        f"trace {number}: sample {place.sample} of {place.suite} "
                        f"{place.question_id} is there twice"
                    )
                seen.add(where)
                told = conversations.setdefault(place.question, one.conversation)
                if place.key not in but:
                    yield replace(one, conversation=told)
            if file.read(1):
                raise self._wrong(f"it goes on behind its {self.head.kept:,} traces")

    def _opened(self) -> IO[bytes]:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise DataError(
                f"cannot read the traces {self.path}: {error.strerror or error}",
                hint="name a file that --save-traces has written, or a run",
            ) from error

    def _read_head(self, file: IO[bytes]) -> TracesHead:
        if file.read(len(MAGIC)) != MAGIC:
            raise self._wrong("it is no file of traces, or one of another version")
        line = file.readline(DESCRIPTION + 1)
        if not line.endswith(b"\n"):
            raise self._wrong("its head is cut off")
        raw = parse_json(line, f"{self.path}: its head", strict=True, hint=_HINT)
        try:
            run_id, model, created = raw["run"], raw["model"], raw["created"]
            finished, kept, lacking = raw["finished"], raw["kept"], raw["lacking"]
            texts = (run_id, model, created, "" if finished is None else finished)
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a name or time is no text")
            for count in (kept, lacking):
                if type(count) is not int or count < 0:
                    raise TypeError("a number of traces is none")
            manifest = Manifest.from_json(raw["manifest"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._wrong(f"its head cannot be read: {error}") from error
        return TracesHead(RunHead(run_id, model, created, finished, manifest), kept, lacking)

    def _read_one(self, file: IO[bytes], number: int) -> tuple[dict[str, Any], bytes]:
        """A trace's row and its data, unchanged since they were written."""
        prefix = file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            raise self._cut_off(number)
        row_size, data_size, written = _PREFIX.unpack(prefix)
        if row_size > _MOST_ROW or data_size > _MOST_DATA:
            raise self._wrong(f"trace {number} is larger than any can be")
        row, data = file.read(row_size), file.read(data_size)
        if len(row) < row_size or len(data) < data_size:
            raise self._cut_off(number)
        if zlib.crc32(data, zlib.crc32(row)) != written:
            raise self._wrong(f"trace {number} is not as it was written: its checksum differs")
        found = parse_json(row, f"{self.path}: trace {number}", strict=True, hint=_HINT)
        if not isinstance(found, dict):
            raise self._wrong(f"trace {number} has no row")
        return found, data

    def _kept(self, row: dict[str, Any], data: bytes | None) -> KeptTrace:
        """A trace of a row and its data; an empty one without data, which is passed over."""
        place = Place(row["key"], row["suite"], row["question"], row["sample"])
        expect_place(place)
        reason = row["finish_reason"]
        if reason not in _FINISH_REASONS:
            raise ValueError(f"finish_reason is {reason!r:.40}")
        outcome = sample_from_json(row["outcome"], str(self.path))
        if (fault := score_fault(row["score"])) is not None:
            raise ValueError(fault)
        if not isinstance(row["unknown_end"], bool):
            raise TypeError("unknown_end is neither true nor false")
        outcome = replace(outcome, score=row["score"], unknown_end=row["unknown_end"])
        trace = trace_from_bytes(data if data is not None else _NO_TRACE)
        sampling = self.head.sampling(place.suite)
        turns = _conversation(row.get("conversation", []))
        return KeptTrace(place, trace, sampling, reason, outcome, turns)

    def _cut_off(self, number: int) -> DataError:
        return self._wrong(f"it is cut off at trace {number} of {self.head.kept:,}")

    def _wrong(self, words: str) -> DataError:
        return DataError(f"the traces {self.path}: {words}", hint=_HINT)


def _conversation(raw: object) -> Conversation:
    """A conversation of foreign JSON.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(raw, list):
        raise TypeError("a conversation is no list")
    turns = []
    for role, content in raw:
        if not (isinstance(role, str) and isinstance(content, str)):
            raise TypeError("a turn of a conversation is no text")
        turns.append(Message(role, content))
    return tuple(turns)


_NO_TRACE = struct.pack("<BBII", 1, 0, 0, 0) + zlib.compress(b"")
