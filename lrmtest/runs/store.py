"""The store: one SQLite file per reports folder, one row per completion.

Write-ahead logging lets many processes read and write at once; a completion is committed before
anything else happens to it, so that a run killed at any point loses nothing that had arrived.
Texts are zlib-compressed: looping outputs shrink a hundredfold.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from lrmtest.errors import StoreError, UsageError
from lrmtest.grading.completion import Completion, count_fault
from lrmtest.grading.verdict import Verdict
from lrmtest.models.trace import Trace
from lrmtest.progress import Tell, silent
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.runs.checked_rows import (
    ARRIVED,
    COMPLETION_COLUMNS,
    ERROR_COLUMNS,
    QUESTION_COLUMNS,
    RUN_COLUMNS,
    TRACE_COLUMNS,
    Reader,
    arrived_row,
    error_row,
    question_row,
    run_row,
    trace_row,
    verdict_values,
)
from lrmtest.runs.database import PATIENCE, Database
from lrmtest.runs.extent import EVERYTHING, Extent, reaches, selected
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.reading_table import ReadingTable
from lrmtest.runs.records import (
    RunHead,
    RunRecord,
    SampleRecord,
    StoredCompletion,
    StoredError,
    StoredQuestion,
)

STORE_NAME = "lrmtest.sqlite"

_INSERT_COMPLETION = (
    f"INSERT INTO completion (run_id, {', '.join(ARRIVED)}, checksum) "
    f"VALUES (?{', ?' * len(ARRIVED)}, ?) ON CONFLICT (run_id, key) DO NOTHING"
)
_INSERT_ERROR = (
    f"INSERT OR REPLACE INTO engine_error (run_id, {', '.join(ERROR_COLUMNS)}) "
    f"VALUES (?{', ?' * len(ERROR_COLUMNS)})"
)
# A key keeps its first completion, and so the trace of that one alone.
_INSERT_TRACE = (
    f"INSERT INTO trace ({', '.join(TRACE_COLUMNS)}) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (run_id, key) DO NOTHING"
)
_DELETE_ERROR = "DELETE FROM engine_error WHERE run_id = ? AND key = ?"
_COMPLETIONS = f"SELECT {', '.join(COMPLETION_COLUMNS)} FROM completion"
_HAS_TRACE = (
    "EXISTS (SELECT 1 FROM trace WHERE trace.run_id = completion.run_id "
    "AND trace.key = completion.key)"
)
_MOST_RATES = 500
_TRACES = f"SELECT {', '.join(TRACE_COLUMNS)} FROM trace"


def utc_now() -> str:
    """The time now, UTC, ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _trace_rows(
    run_id: str, arrived: Iterable[StoredCompletion | StoredError]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The rows of the first trace of each key.

    Raises:
        StoreError: one is none that can be stored.
    """
    seen: set[str] = set()
    for one in arrived:
        if isinstance(one, StoredError) or one.place.key in seen:
            continue
        seen.add(one.place.key)
        if one.trace is None:
            continue
        try:
            yield one.place.key, trace_row(run_id, one.place.key, one.trace)
        except ValueError as error:
            raise StoreError(
                f"the trace of {' '.join(one.place.question)} sample {one.place.sample} "
                f"cannot be stored: {error}"
            ) from error


def _rows(run_id: str, arrived: Iterable[StoredCompletion | StoredError]) -> list[tuple[Any, ...]]:
    """The rows of completions, or of engine errors.

    Raises:
        StoreError: a completion is none that can be stored.
    """
    rows = []
    for one in arrived:
        if isinstance(one, StoredError):
            rows.append((run_id, *error_row(one, utc_now())))
            continue
        fault, place = one.completion.fault, one.place
        if fault is None and (wrong := count_fault(place.sample)) is not None:
            fault = f"sample {wrong}"
        if fault is not None:
            raise StoreError(
                f"the completion of {' '.join(place.question)} sample {place.sample!r:.40} "
                f"cannot be stored: {fault}"
            )
        rows.append((run_id, *arrived_row(one)))
    return rows


class Store:
    """The completions of all runs of one reports folder.

    Safe to use from several threads (one connection behind a lock) and several processes.

    Args:
        path: the SQLite file; made with its folder when `create` is set.
        create: whether a missing store is made; reading commands leave it False.
        patience: seconds that it is waited for when another program has locked it.
        tell: told when that takes long.
        read_only: nothing is written, but for what makes an older lrmtest's store this one's.

    Raises:
        StoreError: it cannot be opened, is not a store, or was written by a newer lrmtest. Every
            method raises it where the file cannot be read or written, and `DamagedStoreError`
            where something in it is not as it was written.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        patience: float = PATIENCE,
        tell: Tell = silent,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self._db = Database(path, create=create, patience=patience, tell=tell)
        if read_only:
            self._db.refuse_writing()
        self._read = Reader(path)
        self.readings = ReadingTable(self._db, self._read)
        """What models have read of traces."""

    def close(self) -> None:
        """Close the file; further calls fail."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All that is written inside is there together, or not at all."""
        return self._db.transaction()

    def version(self) -> int:
        """A number that changes when another connection has written to the file."""
        (number,) = self._db.one("PRAGMA data_version")
        return int(number)

    # Runs

    def add_run(
        self,
        run_id: str,
        model: str,
        identity: str,
        manifest: Manifest,
        *,
        created: str | None = None,
    ) -> RunHead:
        """Begin a run.

        Raises:
            StoreError: the file cannot be written, or the id is taken.
        """
        head = RunHead(run_id, model, created or utc_now(), None, manifest, identity)
        with self._db.transaction(), self._db.errors("write"):
            self._db.execute(
                f"INSERT INTO run ({', '.join(RUN_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                run_row(head),
            )
        return head

    def update_manifest(self, run_id: str, manifest: Manifest) -> None:
        """Replace a run's manifest, and mark the run as not finished."""
        self._update_run(run_id, lambda head: replace(head, manifest=manifest, finished=None))

    def note(self, run_id: str, manifest: Manifest) -> None:
        """Replace a run's manifest by one that says nothing new of its completions."""
        self._update_run(run_id, lambda head: replace(head, manifest=manifest))

    def finish_run(self, run_id: str) -> str:
        """Note that everything planned for a run is there; returns the time that is noted."""
        now = utc_now()
        self._update_run(run_id, lambda head: replace(head, finished=now))
        return now

    def _update_run(self, run_id: str, change: Callable[[RunHead], RunHead]) -> None:
        with self._db.transaction():
            head = self.head(run_id)
            if head is None:
                raise StoreError(
                    f"run {run_id} is gone from {self.path}",
                    hint="do not change the store while a run is using it",
                )
            with self._db.errors("write"):
                self._db.execute(
                    f"UPDATE run SET {', '.join(f'{name} = ?' for name in RUN_COLUMNS[1:])} "
                    "WHERE run_id = ?",
                    (*run_row(change(head))[1:], run_id),
                )

    def head(self, run_id: str) -> RunHead | None:
        """The run with just this id."""
        row = self._db.one(f"SELECT {', '.join(RUN_COLUMNS)} FROM run WHERE run_id = ?", (run_id,))
        return None if row is None else self._read.run(row)

    def runs(self, *, identity: str | None = None) -> list[RunHead]:
        """All runs, or those with this identity, newest first."""
        query = f"SELECT {', '.join(RUN_COLUMNS)} FROM run"
        values: tuple[str, ...] = ()
        if identity is not None:
            query += " WHERE identity = ?"
            values = (identity,)
        rows = self._db.all(query + " ORDER BY created DESC, rowid DESC", values)
        return [self._read.run(row) for row in rows]

    def run(self, name: str, *, other_than: Collection[str] = ()) -> RunHead:
        """The run with this id, or the only one whose id begins so.

        ``last`` is the newest run, ``last:MODEL`` the newest of a model.

        Args:
            name: as above.
            other_than: ids of runs that do not count.

        Raises:
            UsageError: no run or several runs answer to the name.
        """
        runs = [run for run in self.runs() if run.run_id not in other_than]
        if name == "last" and runs:
            return runs[0]
        if name.startswith("last:"):
            of_model = [run for run in runs if run.model == name.removeprefix("last:")]
            if of_model:
                return of_model[0]
        exact = [run for run in runs if run.run_id == name]
        matches = exact or [run for run in runs if run.run_id.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise UsageError(
                f"no{' other' * bool(other_than)} run is called {name!r} in {self.path}",
                hint="`lrmtest runs` lists them; `last` is the newest, `last:MODEL` the newest "
                "of a model",
            )
        raise UsageError(
            f"{name!r} is the beginning of {len(matches)} runs",
            hint="one of: " + ", ".join(run.run_id for run in matches[:5]),
        )

    # Questions

    def add_questions(
        self,
        run_id: str,
        questions: Iterable[tuple[str, str, Question | None, Sequence[tuple[str, str]]]],
    ) -> None:
        """Remember what was asked: (suite, question id, question, messages).

        The question is None for a test's own prompt. A question already there is replaced.
        """
        rows = [(run_id, *question_row(*each)) for each in questions]
        with self._db.transaction(), self._db.errors("write"):
            self._db.many(
                f"INSERT OR REPLACE INTO question (run_id, {', '.join(QUESTION_COLUMNS)}) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def question(self, run_id: str, suite: str, question_id: str) -> StoredQuestion | None:
        """One question as it was asked in a run; None when the run does not have it."""
        row = self._db.one(
            f"SELECT {', '.join(QUESTION_COLUMNS)} FROM question "
            "WHERE run_id = ? AND suite = ? AND question_id = ?",
            (run_id, suite, question_id),
        )
        return None if row is None else self._read.question(run_id, row)

    def questions(
        self, run_id: str, *, extent: Extent = EVERYTHING
    ) -> Iterator[tuple[str, str, StoredQuestion]]:
        """A run's questions, or an extent's, as (suite, question id, question), one at a time."""
        query = (
            f"SELECT {', '.join(QUESTION_COLUMNS)} FROM question "
            "WHERE run_id = ? ORDER BY suite, question_id"
        )
        for row in self._db.rows(query, (run_id,)):
            if reaches(extent, Place("", row[0], row[1], 0)):
                yield row[0], row[1], self._read.question(run_id, row)

    # Completions

    def add_completion(
        self,
        run_id: str,
        place: Place,
        completion: Completion,
        *,
        created: str | None = None,
        patience: float | None = None,
        trace: Trace | None = None,
    ) -> bool:
        """Write one completion, committed on return. An engine error it repairs is removed.

        A key that the run has already keeps its first completion.

        Args:
            run_id: the run.
            place: which sample it is.
            completion: what was generated.
            created: when, ISO 8601; None for now.
            patience: seconds to wait for a locked store, if not as long as usual.
            trace: its tokens, kept with it; None where the engine has not told them.

        Returns:
            Whether the run did not have it yet.

        Raises:
            StoreError: it could not be written: the disk is full, or a value cannot be stored.
        """
        arrived = StoredCompletion(place, completion, created or utc_now(), None, trace)
        return self.add_arrived(run_id, [arrived], patience=patience)

    def add_error(
        self,
        run_id: str,
        place: Place,
        message: str,
        attempts: int,
        *,
        patience: float | None = None,
    ) -> None:
        """Remember that the engine failed to produce a completion."""
        self.add_arrived(run_id, [StoredError(place, message, attempts)], patience=patience)

    def add_arrived(
        self,
        run_id: str,
        arrived: Sequence[StoredCompletion | StoredError],
        *,
        patience: float | None = None,
    ) -> bool:
        """Write completions and engine errors in one transaction, committed on return.

        What holds of each is in `add_completion` and `add_error`; all of them are written or none.

        Args:
            run_id: the run.
            arrived: in their order. Verdicts are not written.
            patience: seconds to wait for a locked store, if not as long as usual.

        Returns:
            Whether the run had none of the completions yet.

        Raises:
            StoreError: one could not be written.
        """
        # What takes long is done before others are kept out of the store.
        groups = [(kind, _rows(run_id, group)) for kind, group in groupby(arrived, type)]
        traces = dict(_trace_rows(run_id, arrived))
        every = True
        with self._db.transaction(patience), self._db.errors("write"):
            for kind, rows in groups:
                if kind is StoredError:
                    self._db.many(_INSERT_ERROR, rows)
                    continue
                every = self._insert_completions(rows, traces) and every
                self._db.many(_DELETE_ERROR, ((run_id, row[1]) for row in rows))
        return every

    def _insert_completions(
        self, rows: Sequence[tuple[Any, ...]], traces: Mapping[str, tuple[Any, ...]]
    ) -> bool:
        """Write completions and their traces, by key; whether all of them were new."""
        if not traces:
            return self._db.many(_INSERT_COMPLETION, rows) == len(rows)
        new = [row for row in rows if self._db.many(_INSERT_COMPLETION, [row])]
        self._db.many(_INSERT_TRACE, [traces[row[1]] for row in new if row[1] in traces])
        return len(new) == len(rows)

    def keys(self, run_id: str) -> set[str]:
        """The keys of the completions a run has."""
        return self.keys_since(run_id, 0)[0]

    def completion_count(self, run_id: str | None = None) -> int:
        """How many completions a run has; without one, all runs together."""
        where, values = ("", ()) if run_id is None else (" WHERE run_id = ?", (run_id,))
        (count,) = self._db.one(f"SELECT COUNT(*) FROM completion{where}", values)
        return int(count)

    def keys_since(self, run_id: str, last: int) -> tuple[set[str], int]:
        """The keys of the completions that came after a row, and the last row's number."""
        rows = self._db.all(
            "SELECT key, id FROM completion WHERE run_id = ? AND id > ?", (run_id, last)
        )
        return {key for key, _ in rows}, max((last, *(number for _, number in rows)))

    def adopt(
        self, run_id: str, keys: Iterable[str], *, of: Collection[str] | None = None
    ) -> set[str]:
        """Copy completions with these keys from other runs into this one.

        Equal keys mean equal model, prompt, settings and seed, so another run's completion is
        this one's too: after a changed prompt in one suite the others need no new generation. One
        whose trace is kept comes before others, and brings it along.

        Args:
            run_id: this run.
            keys: what it lacks.
            of: ids of the runs to take them from; None for all.

        Returns:
            The keys that were found.
        """
        found: set[str] = set()
        runs = "" if of is None else " AND run_id IN (SELECT value FROM json_each(?))"
        sources = () if of is None else (json.dumps(list(of)),)
        with self._db.transaction():
            # Of most runs no other has any: one question for all keys.
            there = self._db.all(
                "SELECT DISTINCT key FROM completion "
                f"WHERE key IN (SELECT value FROM json_each(?)){runs}",
                (json.dumps(list(keys)), *sources),
            )
            for (key,) in there:
                row = self._db.one(
                    f"SELECT run_id, {', '.join(COMPLETION_COLUMNS)} FROM completion "
                    f"WHERE key = ?{runs} ORDER BY {_HAS_TRACE} DESC, id LIMIT 1",
                    (key, *sources),
                )
                if row is not None:
                    stored = self._read.completion(row[0], row[1:])
                    traced = replace(stored, verdict=None, trace=self.trace(row[0], key))
                    self.add_arrived(run_id, [traced])
                    found.add(key)
        return found

    def completion(self, run_id: str, key: str) -> StoredCompletion | None:
        """One completion with its text; None when the run does not have it."""
        row = self._db.one(f"{_COMPLETIONS} WHERE run_id = ? AND key = ?", (run_id, key))
        return None if row is None else self._read.completion(run_id, row)

    def completions(
        self, run_id: str, *, question_id: str | None = None, extent: Extent = EVERYTHING
    ) -> Iterator[StoredCompletion]:
        """A run's completions, or one question's, in order of suite, question and sample.

        Those beyond `extent` are passed over.

        They are read one at a time: a run's texts together may not fit in memory.
        """
        self._db.refuse_lost_rows("completion", "run_id", run_id)
        query, values = f"{_COMPLETIONS} WHERE run_id = ?", [run_id]
        if question_id is not None:
            query += " AND question_id = ?"
            values.append(question_id)
        for row in self._db.rows(query + " ORDER BY suite, question_id, sample", values):
            stored = self._read.completion(run_id, row)
            if reaches(extent, stored.place):
                yield stored

    # Traces

    def add_trace(self, run_id: str, key: str, trace: Trace) -> bool:
        """Add its trace to a completion that has none.

        Returns:
            Whether there is such a completion.

        Raises:
            StoreError: it is no trace that can be kept.
        """
        try:
            row = trace_row(run_id, key, trace)
        except ValueError as error:
            raise StoreError(f"a trace of run {run_id} cannot be stored: {error}") from error
        with self._db.transaction(), self._db.errors("write"):
            there = "SELECT 1 FROM completion WHERE run_id = ? AND key = ?"
            if self._db.one(there, (run_id, key)) is None:
                return False
            return self._db.many(_INSERT_TRACE, [row]) == 1

    def trace(self, run_id: str, key: str) -> Trace | None:
        """The trace of a completion; None where none is kept."""
        row = self._db.one(f"{_TRACES} WHERE run_id = ? AND key = ?", (run_id, key))
        return None if row is None else self._read.trace(row)

    def traced(self, run_id: str) -> set[str]:
        """The keys of a run's completions whose traces are kept."""
        self._db.refuse_lost_rows("trace", "run_id", run_id)
        return {key for (key,) in self._db.all("SELECT key FROM trace WHERE run_id = ?", (run_id,))}

    def expected_tokens(self, model: str) -> dict[tuple[str, str], float]:
        """Mean completion tokens by (suite, question id), of a model's completions so far.

        Of all models' when the store has none of this one's: hard questions are long for all.
        """
        query = (
            "SELECT c.suite, c.question_id, AVG(c.completion_tokens) FROM completion c "
            "JOIN run r USING (run_id) WHERE r.model = ? OR ? = '' GROUP BY 1, 2"
        )
        for name in (model, ""):
            if rows := self._db.all(query, (name, name)):
                return {(suite, question_id): mean for suite, question_id, mean in rows}
        return {}

    def stream_rates(self, model: str) -> list[float]:
        """Tokens per second of a model's last completions, each by itself; of all for ``""``."""
        query = (
            "SELECT c.completion_tokens / c.seconds FROM completion c JOIN run r USING (run_id) "
            "WHERE (r.model = ? OR ? = '') AND c.seconds > 0.05 AND c.completion_tokens > 0 "
            f"ORDER BY c.id DESC LIMIT {_MOST_RATES}"
        )
        return [rate for (rate,) in self._db.all(query, (model, model))]

    def record(self, run: RunHead, extent: Extent | None = None) -> RunRecord:
        """A run with its samples, and what it lacks to be a baseline.

        Args:
            run: the run.
            extent: what of it; None for what its last session selected.
        """
        extent = selected(run.manifest) if extent is None else extent
        with self._db.reading():
            samples, lacking = self.sample_records(run), self.lacking(run, extent)
        return run.with_samples(samples, store=self.path, lacking=lacking).within(extent)

    def sample_records(self, run: RunHead) -> list[SampleRecord]:
        """A record of every sample of a run, engine errors included, without reading texts.

        A completion that was never graded, because its test did not run, is left out.
        """
        self._db.refuse_lost_rows("completion", "run_id", run.run_id)
        columns = ["'' AS text" if name == "text" else name for name in COMPLETION_COLUMNS]
        rows = self._db.all(
            f"SELECT {', '.join(columns)} FROM completion "
            "WHERE run_id = ? AND verdict IS NOT NULL ORDER BY suite, question_id, sample",
            (run.run_id,),
        )
        records = []
        for row in rows:
            stored = self._read.completion(run.run_id, row, with_text=False)
            assert stored.verdict is not None
            records.append(
                SampleRecord.of(
                    run.model, stored.place, stored.completion, stored.verdict, reused=True
                )
            )
        return records + [
            SampleRecord(run.model, error.place, error=error.message)
            for error in self.errors(run.run_id)
        ]

    def lacking(self, run: RunHead, extent: Extent = EVERYTHING) -> list[str]:
        """What of an extent of a run is lacking to make it a baseline, in words."""
        lacking = []
        failed = [one.place for one in self.errors(run.run_id, extent=extent)]
        there = dict(self._places(run.run_id))
        if not self._has_all(run, extent, {*there, *failed}):
            lacking.append("not everything that was planned has been generated")
        if errors := len(failed):
            lacking.append(f"{errors} sample{'s' * (errors > 1)} ended in an engine error")
        ungraded = sum(
            not graded and place.suite != "" and reaches(extent, place)
            for place, graded in there.items()
        )
        if ungraded:
            tests = "its test" if ungraded == 1 else "their tests"
            lacking.append(
                f"{ungraded} completion{'s' * (ungraded > 1)} without a verdict, because {tests} "
                "did not run"
            )
        return lacking

    def _has_all(self, run: RunHead, extent: Extent, there: Collection[Place]) -> bool:
        """Whether a run has all of an extent; of everything, a sample of each question at least."""
        if extent:
            samples = Counter(place.question for place in there if reaches(extent, place))
            return all(samples[question] >= count for question, count in extent.items())
        rows = self._db.all(
            "SELECT suite, question_id FROM question WHERE run_id = ? AND suite != ''",
            (run.run_id,),
        )
        return run.finished is not None and {place.question for place in there}.issuperset(rows)

    def places(self, run_id: str) -> list[Place]:
        """The places of a run's completions, in the order in which they came."""
        return [place for place, _ in self._places(run_id)]

    def _places(self, run_id: str) -> list[tuple[Place, bool]]:
        """The places of a run's completions, and whether each has a verdict."""
        return [(place, graded) for place, _, graded in self.arrived(run_id)]

    def arrived(self, run_id: str) -> list[tuple[Place, int, bool]]:
        """The place of each of a run's completions, its tokens, and whether it has a verdict.

        In the order in which they came. Nothing is checked, so that it takes no time.
        """
        query = (
            "SELECT key, suite, question_id, sample, completion_tokens, verdict IS NOT NULL "
            "FROM completion WHERE run_id = ? ORDER BY id"
        )
        # What damage has made of another type counts as no sample of a question.
        return [
            (
                Place(key, suite, id_, sample if isinstance(sample, int) else -1),
                tokens if isinstance(tokens, int) else 0,
                bool(graded),
            )
            for key, suite, id_, sample, tokens, graded in self._db.all(query, (run_id,))
        ]

    def errors(self, run_id: str, *, extent: Extent = EVERYTHING) -> list[StoredError]:
        """The engine errors of a run, or of an extent, that no completion has repaired."""
        rows = self._db.all(
            f"SELECT {', '.join(ERROR_COLUMNS)} FROM engine_error "
            "WHERE run_id = ? ORDER BY suite, question_id, sample",
            (run_id,),
        )
        errors = [self._read.error(run_id, row) for row in rows]
        return [error for error in errors if reaches(extent, error.place)]

    def set_verdicts(self, run_id: str, verdicts: Iterable[tuple[str, Verdict]]) -> None:
        """Write verdicts by completion key, replacing earlier ones, in one transaction."""
        rows = [(*verdict_values(key, verdict), run_id, key) for key, verdict in verdicts]
        with self._db.transaction(), self._db.errors("write"):
            self._db.many(
                "UPDATE completion SET verdict = ?, verdict_checksum = ? "
                "WHERE run_id = ? AND key = ?",
                rows,
            )
