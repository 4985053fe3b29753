"""Readings in the report: shaded traces, figures by question, kinds of tokens and words.

A shaded trace is its text and, for each model that has read it, the lengths of the stretches that
have one figure: neighbouring tokens without a shade are one stretch. So the page makes elements
only for what is shaded, and a close model's reading takes next to no room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

from lrmtest.analysis.divergence import Range
from lrmtest.analysis.run_reading import RunReading, readings_of
from lrmtest.analysis.shaded_trace import ShadedTrace
from lrmtest.reports.escape import one_line, plain
from lrmtest.reports.foretold import foretold_said
from lrmtest.reports.html.table import NAME
from lrmtest.reports.token_kinds import kinds_document
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.read_traces import reading_by
from lrmtest.runs.records import RunRecord
from lrmtest.runs.store import Store

_MOST_TOKENS, _MOST_CHARACTERS = 60_000, 400_000
"""Of one trace that is shaded; the rest is left out, and its size is told."""
_MOST_TEXT = 60_000_000
"""Characters of all shaded traces of a report; further traces are not shaded."""
_MOST_SAMPLES = 16
"""Of one question whose traces are shaded."""
_TOKEN = 2_000


@dataclass(frozen=True, slots=True)
class _Shown:
    """A reading, and the places in the report of its traces' run and of its reader's own."""

    run: int
    reading: RunReading
    reader: int | None


class ReportReadings:
    """The readings of a report's runs. A context manager, that keeps their stores open.

    Args:
        runs: of the report, in order.
    """

    def __init__(self, runs: Sequence[RunRecord]) -> None:
        self._runs = runs
        self._stack = ExitStack()
        self._room = _MOST_TEXT
        self._left_out = False
        stores = {
            path: self._stack.enter_context(Store(path, create=False))
            for path in {run.store for run in runs if run.store is not None}
        }
        self._stores = [None if run.store is None else stores[run.store] for run in runs]
        found = [
            (number, reading)
            for number, (run, store) in enumerate(zip(runs, self._stores, strict=True))
            if store is not None
            for reading in readings_of(store, run)
        ]
        shown = [
            _Shown(number, reading, self._reader(number, reading)) for number, reading in found
        ]
        # In the order of the readers' own runs; those without one come last.
        last = len(runs)
        self._all = sorted(
            shown, key=lambda one: (one.run, last if one.reader is None else one.reader)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def shaded(self, run: int, key: QuestionKey) -> Mapping[int, dict[str, Any]]:
        """A run's traces of a question as the page takes them, by sample; none that is too much.

        Args:
            run: its place in the report.
            key: the question.
        """
        found: dict[int, dict[str, Any]] = {}
        for number, one in enumerate(self._all):
            if one.run != run or not one.reading.read.texts:
                continue
            for sample, trace in one.reading.shaded(key)[:_MOST_SAMPLES]:
                if trace is None:
                    continue
                told = _stretches(trace)
                text = told.pop("text")
                held = found.get(sample)
                if held is None:
                    if self._room < len(text):
                        self._left_out = True
                        continue
                    self._room -= len(text)
                    held = found[sample] = {"text": text, "by": []}
                if held["text"] == text:  # else the two name the tokens differently
                    held["by"].append({"reading": number, **told})
        return found

    def document(self, keys: Sequence[QuestionKey]) -> list[dict[str, Any]]:
        """All but the traces, as JSON values; after `shaded`, which knows what was left out.

        Args:
            keys: the report's questions, in order.
        """
        return [self._document(one, keys) for one in self._all]

    def _document(self, one: _Shown, keys: Sequence[QuestionKey]) -> dict[str, Any]:
        number, reading, reader = one.run, one.reading, one.reader
        summary, parent = reading.summary, self._runs[number]
        found = None if reader is None else reading.foretold(parent, self._runs[reader])
        lost = {} if found is None else {one.key: one.loss for one in found.questions}
        divergences = reading.divergences
        kinds = kinds_document(reading.kinds())
        for part in [] if kinds is None else [*kinds["kinds"], *kinds["words"]]:
            part["name"] = one_line(part["name"], 60)
        return {
            "run": number,
            "reader": one_line(reading.reader, NAME),
            "reading_id": one_line(reading.head.reading_id, NAME),
            "finished": reading.head.finished is not None,
            "candidate": reader,
            "exact": summary is not None and summary.total.exact,
            "questions": 0 if summary is None else summary.total.questions,
            "traces": 0 if summary is None else summary.total.traces,
            "tokens": 0 if summary is None else summary.total.tokens,
            "variation": None if summary is None else _ends(summary.total.variation),
            "interval": None
            if summary is None
            else [_finite(summary.total.interval.low), _finite(summary.total.interval.high)],
            "own_share": None if summary is None else _ends(summary.total.own_share),
            "texts": bool(reading.read.texts),
            "left_out": self._left_out,
            "kinds": kinds,
            "said": [] if found is None else foretold_said(found),
            "by_question": {
                "variation": [
                    _ends(divergences[key].variation) if key in divergences else None
                    for key in keys
                ],
                "unwritten": [
                    _finite(1 - divergences[key].own_share.low) if key in divergences else None
                    for key in keys
                ],
                "loss": [lost.get(key) for key in keys],
            },
        }

    def _reader(self, number: int, reading: RunReading) -> int | None:
        """The place of the reader's own run in the report; None where it has none."""
        store = self._stores[number]
        for place, run in enumerate(self._runs):
            if place == number or store is None:
                continue
            head = reading_by(store, self._runs[number], run)
            if head is not None and head.reading_id == reading.head.reading_id:
                return place
        return None


def _stretches(trace: ShadedTrace) -> dict[str, Any]:
    """A shaded trace by columns: of each stretch its length, its tokens, its figure in percent.

    ``n`` lengths as JavaScript counts, ``c`` tokens, ``v`` total variation, ``w`` its lower bound
    where it is bounded, ``t`` and ``m`` the stretches at which the reader would and may turn.
    """
    texts: list[str] = []
    columns: dict[str, list[int]] = {name: [] for name in ("n", "c", "v", "w", "t", "m")}
    characters = 0
    quiet = False
    shown = 0
    for token in trace.tokens:
        text = plain(token.text, _TOKEN)
        characters += len(text)
        if shown >= _MOST_TOKENS or characters > _MOST_CHARACTERS:
            break
        shown += 1
        texts.append(text)
        length = len(text.encode("utf-16-le")) // 2
        low, high = _percent(token.low), _percent(token.high)
        if quiet and not high and not token.turn:
            columns["n"][-1] += length
            columns["c"][-1] += 1
            continue
        quiet = not high and not token.turn
        if token.turn:
            columns["t" if token.turn == "would" else "m"].append(len(columns["n"]))
        for name, value in (("n", length), ("c", 1), ("v", high), ("w", low)):
            columns[name].append(value)
    if trace.figure != "bounded":
        del columns["w"]
    starts = [token.place for token in trace.tokens[: shown + 1]] + [trace.figures.tokens]
    _count_tokens(columns["c"], starts)
    half = trace.figures.half
    return {
        "text": "".join(texts),
        "figure": trace.figure,
        "tokens": trace.figures.tokens,
        "left": len(trace.tokens) - shown,
        "s": _ends(trace.figures.variation),
        "half": None if half is None else half + 1,
        **{name: column for name, column in columns.items() if column or name not in "tm"},
    }


def _count_tokens(counts: list[int], starts: Sequence[int]) -> None:
    """Let counts of what is shown become counts of tokens: some show several as one."""
    place = 0
    for number, count in enumerate(counts):
        counts[number] = starts[place + count] - starts[place]
        place += count


def _percent(value: float) -> int:
    return round(100 * min(1.0, max(0.0, value))) if isfinite(value) else 100


def _ends(value: Range) -> list[float | None]:
    return [_finite(value.low), _finite(value.high)]


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
