"""The output of ``lrmtest read``: tables for a terminal, as Markdown, CSV and JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, inf
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.divergence import Divergence, Floor, Range, TraceFigures
from lrmtest.analysis.reading_summary import ReadingSummary
from lrmtest.analysis.token_kinds import VariationByKind
from lrmtest.counted import counted
from lrmtest.models.reading import FIGURES, Reading
from lrmtest.models.trace import Trace
from lrmtest.reports.data_text import csv_text
from lrmtest.reports.escape import one_line
from lrmtest.reports.markdown import literal, markdown_table
from lrmtest.reports.numbers import UNKNOWN, count, percent, three_digits
from lrmtest.reports.tables import Widest, open_table
from lrmtest.reports.token_kinds import (
    TEXTS_UNKNOWN,
    kinds_document,
    kinds_markdown,
    kinds_view,
)

_NAME_LIMIT = 60
_WIDEST_EXPONENT = 700.0  # of a perplexity that is a float


@dataclass(frozen=True, slots=True)
class ReadingHeading:
    """What stands above a reading's figures.

    Attributes:
        reader, writer: the models' names.
        run_id: of the run that the traces are of.
        reading_id: of the reading.
        engine: what read, in words.
        limits: what the engine cannot see, in sentences without a full stop.
        greedy: nothing was drawn in the traces.
        reread: the writer's log-probabilities were not kept when the traces were written.
        left: traces of the run that were not read, in words; empty for none.
        kinds: where the total variation lies; None where nothing differs, or `texts` is False.
        texts: what the traces' tokens stand for is known.
    """

    reader: str
    writer: str
    run_id: str
    reading_id: str
    engine: str
    limits: tuple[str, ...]
    greedy: bool
    reread: bool
    left: str = ""
    kinds: VariationByKind | None = None
    texts: bool = True


_Column = tuple[str, Callable[[Divergence], str]]

_COUNTS: tuple[_Column, ...] = (
    ("n", lambda one: str(one.questions)),
    ("traces", lambda one: count(one.traces)),
    ("tokens", lambda one: count(one.tokens)),
)
_FIGURES: tuple[_Column, ...] = (
    ("S", lambda one: _with_interval(one)),
    ("TV/token", lambda one: _ranged(one.variation_per_token, one.exact)),
    ("KL/token", lambda one: _estimate(one.divergence, one.divergence_exact)),
    ("would write", lambda one: _share(one.own_share)),
    ("leaves at", lambda one: UNKNOWN if one.half is None else count(one.half)),
    ("NLL", lambda one: _figure(one.loss)),
    ("writer's", lambda one: _figure(one.writers_loss)),
    ("perplexity", lambda one: _perplexity(one.loss)),
)
_FEWER = ("S", "KL/token", "would write", "leaves at", "NLL")


def reading_view(
    summary: ReadingSummary, heading: ReadingHeading, floor: Floor | None, questions: int
) -> RenderableType:
    """A reading as a rich renderable.

    Args:
        summary: its figures.
        heading: what is above them.
        floor: of the same traces; None where the writer did not read.
        questions: how many of those that diverge most are listed.
    """
    title = f"{one_line(heading.reader, _NAME_LIMIT)} reads {one_line(heading.writer, _NAME_LIMIT)}"
    parts: list[RenderableType] = [
        Text(f"{title} ({one_line(heading.run_id, _NAME_LIMIT)})", style="bold"),
        Text(),
        Widest(*(_suites(summary, names) for names in (None, _FEWER))),
    ]
    if questions and len(summary.questions) > 1:
        parts += [Text(), Widest(*(_worst(summary, questions, n) for n in (None, _FEWER)))]
    if heading.kinds is not None:
        parts += [Text(), *kinds_view(heading.kinds)]
    parts += [Text(), *(Text(line) for line in _notes(summary, heading, floor))]
    return Group(*parts, Text(), Text(_legend(summary, heading), style="dim"))


def reading_markdown(summary: ReadingSummary, heading: ReadingHeading, floor: Floor | None) -> str:
    """A reading as Markdown, ending in a line feed; every question is in it."""
    columns = [*_COUNTS, *_FIGURES]
    headers = [name for name, _ in columns]
    title = f"{literal(heading.reader, _NAME_LIMIT)} reads {literal(heading.writer, _NAME_LIMIT)}"
    suites = [
        [literal(name, _NAME_LIMIT), *(show(one) for _, show in columns)]
        for name, one in _suite_rows(summary)
    ]
    questions = [
        [literal(suite, _NAME_LIMIT), literal(question, _NAME_LIMIT)]
        + [show(one) for _, show in columns[1:]]
        for (suite, question), one in summary.questions.items()
    ]
    parts = [
        f"## {title} ({literal(heading.run_id, _NAME_LIMIT)})",
        markdown_table(["suite", *headers], suites, left=1),
        markdown_table(["suite", "question", *headers[1:]], questions, left=2),
        *(() if heading.kinds is None else kinds_markdown(heading.kinds)),
        *(literal(line, 1000) for line in _notes(summary, heading, floor)),
        literal(_legend(summary, heading), 4000),
    ]
    return "\n\n".join(parts) + "\n"


def reading_csv(summary: ReadingSummary) -> str:
    """A line for each trace, unrounded; an empty field for what is not known."""
    rows = [_trace_document(one) for one in summary.traces]
    return csv_text(list(rows[0]), rows)


def reading_document(
    summary: ReadingSummary, heading: ReadingHeading, floor: Floor | None
) -> dict[str, Any]:
    """A reading as JSON values, unrounded; what is infinite or not known is null."""
    return {
        "reader": heading.reader,
        "writer": heading.writer,
        "run_id": heading.run_id,
        "reading_id": heading.reading_id,
        "engine": heading.engine,
        "limits": list(heading.limits),
        "greedy": heading.greedy,
        "reread": heading.reread,
        "total": _document(summary.total),
        "suites": [{"suite": name, **_document(one)} for name, one in summary.suites.items()],
        "questions": [
            {"suite": suite, "question": question, **_document(one)}
            for (suite, question), one in summary.questions.items()
        ],
        "traces": [_trace_document(one) for one in summary.traces],
        "token_kinds": kinds_document(heading.kinds),
        "floor": None if floor is None else _finite(asdict(floor)),
    }


def variation_said(one: Divergence | None) -> str:
    """S of a question, without an interval: ``0.0146``, ``~1.2``, ``0.1..0.3``."""
    return UNKNOWN if one is None else _ranged(one.variation, one.exact)


def token_document(reading: Reading, trace: Trace) -> dict[str, Any]:
    """Each token's figures, as JSON values; what is infinite is null.

    Lists are as long as the trace; one that is empty is of what is not known.
    """
    lists = {name: getattr(reading, name) for name in FIGURES}
    return {
        "suite": reading.place.suite,
        "question": reading.place.question_id,
        "sample": reading.place.sample,
        "key": reading.place.key,
        "tokens": list(trace.tokens),
        **{name: [None if abs(x) == inf else x for x in each] for name, each in lists.items()},
    }


def _document(one: Divergence) -> dict[str, Any]:
    return {
        "questions": one.questions,
        "traces": one.traces,
        "tokens": one.tokens,
        "s_low": one.variation.low,
        "s_high": one.variation.high,
        "s_exact": one.exact,
        "s_interval": [one.interval.low, one.interval.high],
        "level": one.interval.level,
        "variation_per_token_low": one.variation_per_token.low,
        "variation_per_token_high": one.variation_per_token.high,
        "own_share_low": one.own_share.low,
        "own_share_high": one.own_share.high,
        "kept_low": one.kept.low,
        "kept_high": one.kept.high,
        "leaves": one.leaves,
        "half": one.half,
        "divergence": one.divergence,
        "divergence_exact": one.divergence_exact,
        "loss": one.loss,
        "writers_loss": one.writers_loss,
    }


def _trace_document(one: TraceFigures) -> dict[str, Any]:
    return _finite(
        {
            "suite": one.place.suite,
            "question": one.place.question_id,
            "sample": one.place.sample,
            "key": one.place.key,
            "tokens": one.tokens,
            "s_low": one.variation.low,
            "s_high": one.variation.high,
            "s_exact": one.exact,
            "log_weight_low": one.weight.low,
            "log_weight_high": one.weight.high,
            "own_share_low": one.own_share.low,
            "own_share_high": one.own_share.high,
            "kept_low": one.kept.low,
            "kept_high": one.kept.high,
            "leaves": one.leaves,
            "half": one.half,
            "divergence": one.divergence,
            "loss": one.loss,
            "writers_loss": one.writers_loss,
        }
    )


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and abs(value) == inf else value
        for name, value in values.items()
    }


def _suite_rows(summary: ReadingSummary) -> list[tuple[str, Divergence]]:
    rows = list(summary.suites.items())
    return rows if len(rows) == 1 else [*rows, ("all", summary.total)]


def _suites(summary: ReadingSummary, names: Sequence[str] | None) -> Table:
    columns = [*_COUNTS, *_chosen(names)]
    table = _table(["suite"], columns)
    for name, one in _suite_rows(summary):
        cells = [one_line(name, _NAME_LIMIT), *(show(one) for _, show in columns)]
        table.add_row(*map(Text, cells))
    return table


def _worst(summary: ReadingSummary, most: int, names: Sequence[str] | None) -> Table:
    columns = [*_COUNTS[2:], *_chosen(names)]
    table = _table(["suite", "question"], columns)
    for key, one in list(summary.questions.items())[:most]:
        cells = [
            *(one_line(part, _NAME_LIMIT) for part in key),
            *(show(one) for _, show in columns),
        ]
        table.add_row(*map(Text, cells))
    return table


def _chosen(names: Sequence[str] | None) -> list[_Column]:
    return [column for column in _FIGURES if names is None or column[0] in names]


def _table(left: Sequence[str], columns: Sequence[_Column]) -> Table:
    table = open_table()
    for name in left:
        table.add_column(name)
    for name, _ in columns:
        table.add_column(name, justify="right")
    return table


def _notes(summary: ReadingSummary, heading: ReadingHeading, floor: Floor | None) -> list[str]:
    """What must be known beside the figures, a line each."""
    lines = [f"Read with {one_line(heading.engine, 200)}."]
    lines += [f"{one_line(limit, 400)}." for limit in heading.limits]
    if heading.reread:
        lines.append(
            "The traces do not tell how probable their tokens were when they were drawn: what "
            f"{one_line(heading.writer, _NAME_LIMIT)} says of them now stands for that."
        )
    if floor is not None:
        cut = f", {counted(floor.cut, 'token')} cut off" if floor.cut else ""
        lines.append(
            f"Floor, {one_line(heading.writer, _NAME_LIMIT)} read by itself: S about "
            f"{_figure(floor.variation)}, log W spread {_figure(floor.spread)}, a token's "
            f"log-probability off by {_figure(floor.largest)} at most{cut}."
        )
    if not heading.texts:
        lines.append(TEXTS_UNKNOWN)
    if heading.left:
        lines.append(f"Not read: {one_line(heading.left, 300)}.")
    return lines


def _legend(summary: ReadingSummary, heading: ReadingHeading) -> str:
    total = summary.total
    how = "summed over the whole distributions" if total.exact else "estimated from the tokens"
    span = f"{100 * total.interval.level:g} % interval over questions"
    last = (
        "the token at which most traces differ from what it would say"
        if heading.greedy
        else "the token by which half of the traces are left, kept as often as it allows"
    )
    return (
        f"S: total variation of the next-token distributions, added up along a trace, {how}; "
        f"[{span}]. KL: of the reader's from the writer's, unprocessed, in nats. would write: "
        "share of the traces that the reader would have written as well. leaves at: "
        f"{last}. NLL: -log probability per token, unprocessed, in nats. ~ estimate; a..b bounds."
    )


def _with_interval(one: Divergence) -> str:
    interval = f"[{_figure(one.interval.low)}, {_figure(one.interval.high)}]"
    value = _ranged(one.variation, one.exact)
    return f"{value} {interval}" if one.questions > 1 else value


def _ranged(value: Range, exact: bool) -> str:
    sign = "" if exact else "~"
    low, high = _figure(value.low), _figure(value.high)
    return f"{sign}{low}" if low == high else f"{sign}{low}..{high}"


def _share(value: Range) -> str:
    low, high = percent(value.low), percent(value.high)
    return low if low == high else f"{100 * value.low:.1f}..{high}"


def _estimate(value: float | None, exact: bool) -> str:
    return UNKNOWN if value is None else f"{'' if exact else '~'}{_figure(value)}"


def _perplexity(loss: float | None) -> str:
    if loss is None:
        return UNKNOWN
    value = exp(min(loss, _WIDEST_EXPONENT))
    return f"{value:,.0f}" if value >= 9999.5 else f"{value:.4g}"


def _figure(value: float | None) -> str:
    """Three digits, or as many zeros as it takes: ``0.00412``, ``1.23``, ``456``."""
    if value is None:
        return UNKNOWN
    if abs(value) == inf:
        return "infinite"
    return three_digits(value)
