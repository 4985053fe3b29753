"""The summary in the terminal: pass rates, failure classes, tokens, speed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from textwrap import wrap
from typing import Protocol

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.summary import Rate, RunSummary, SuiteSummary, TokenStats
from lrmtest.counted import counted
from lrmtest.models.chat_template import NO_TEMPLATE
from lrmtest.models.engines.kinds import can_generate
from lrmtest.reports.classes import shown_classes
from lrmtest.reports.comparison_words import noise_said, run_ends
from lrmtest.reports.drafts import drafts_said
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import UNKNOWN, count, duration, interval_percent, percent
from lrmtest.reports.replicas import replicas_said
from lrmtest.reports.several_samples import MEANING, several_said
from lrmtest.reports.tables import open_table, width_of
from lrmtest.runs.adapted import adapted_said, run_warnings
from lrmtest.runs.reasoning import told_form

_NAME_LIMIT = 60
_WARNING_LIMIT = 400
_LEAST_LABEL = 12
_NARROW = {
    "no-answer": "no\nans.",
    "lost-answer": "lost\nans.",
    "unclosed": "un-\nclosed",
    "truncated": "trun-\ncated",
    "looped": "loop-\ned",
}


def summary_table(summaries: Sequence[RunSummary]) -> RenderableType:
    """Everything a user wants to know at the end, as a rich renderable.

    With one run the rows are its suites; with several they are the models, suite by suite, so
    that what is to be compared stands together. It fits 80 columns: a table that is too wide
    takes two lines a row, or comes in two parts.
    """
    rows = list(_rows(summaries))
    parts: list[RenderableType] = [_Fitting(_results, rows)]
    if any(row.suite.metrics for row in rows if row.suite):
        parts.append(_Fitting(_metrics, rows))
    if any(_token_stats(row.suite) for row in rows if row.suite):
        parts.append(_Fitting(_tokens, rows))
    parts.append(Text("\n").join(_facts(summary) for summary in summaries))
    if several := [line for summary in summaries for line in _several(summary)]:
        parts.append(Text("\n").join(several))
    if replicas := [line for summary in summaries for line in _replicas(summary)]:
        parts.append(Text("\n").join(replicas))
    parts += [
        Text(line, style="yellow")
        for summary in summaries
        for line in run_ends(one_line(summary.model, _NAME_LIMIT), summary)
    ]
    if warnings := [line for summary in summaries for line in _warnings(summary)]:
        parts.append(Text("\n").join(warnings))
    parts.append(_legend(summaries))
    spaced = [part for each in parts for part in (Text(), each)]
    return Group(*spaced[1:])


def render(renderable: RenderableType, width: int, color: bool, *, crop: bool = True) -> str:
    """`renderable` as text for pytest's terminal writer, without trailing spaces.

    Args:
        renderable: anything rich can show.
        width: columns.
        color: with ANSI colours.
        crop: cut off what is wider; False for text that is to be pasted.
    """
    console = Console(
        file=StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        _environ={},
    )
    with console.capture() as capture:
        console.print(renderable, crop=crop)
    return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n"))


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of every table.

    Attributes:
        label: suite or model.
        suite: what the row shows; None for a heading.
        indent: columns before the label.
        section: space goes below this row.
    """

    label: str
    suite: SuiteSummary | None
    indent: int = 0
    section: bool = False


def _rows(summaries: Sequence[RunSummary]) -> Iterator[_Row]:
    if len(summaries) == 1:
        yield from _rows_of_one(summaries[0])
        return
    models = Counter(summary.model for summary in summaries)
    labelled = [
        (f"{run.model} ({run.run_id})" if models[run.model] > 1 else run.model, run)
        for run in summaries
    ]
    groups: dict[str, list[tuple[str, SuiteSummary]]] = {}
    for label, run in labelled:
        for part in run.suites:
            groups.setdefault(part.suite, []).append((label, part))
    if len(groups) > 1:
        groups[summaries[0].total.suite] = [(label, run.total) for label, run in labelled]
    for suite, parts in groups.items():
        yield _Row(suite, None)
        for label, part in parts:
            yield _Row(label, part, indent=2, section=part is parts[-1][1])


def _rows_of_one(summary: RunSummary) -> Iterator[_Row]:
    several = len(summary.suites) > 1
    for part in summary.suites:
        yield _Row(part.suite, part, section=several and part is summary.suites[-1])
    if several or not summary.suites:
        yield _Row(summary.total.suite, summary.total)


class _Build(Protocol):
    """Makes a table: in its wide or its narrow form, labels at most so many columns wide."""

    def __call__(
        self, rows: Sequence[_Row], *, narrow: bool, label_width: int
    ) -> RenderableType: ...


class _Fitting:
    """A table in the widest form that the terminal has room for."""

    def __init__(self, build: _Build, rows: Sequence[_Row]) -> None:
        self.build = build
        self.rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        longest = max(min(len(row.label), _NAME_LIMIT) + row.indent for row in self.rows)
        excess = 0
        for narrow in (False, True):
            table = self.build(self.rows, narrow=narrow, label_width=longest)
            excess = width_of(table, console, options) - options.max_width
            if excess <= 0:
                yield table
                return
        shortest = max(longest - excess, _LEAST_LABEL)
        yield self.build(self.rows, narrow=True, label_width=shortest)


def _results(rows: Sequence[_Row], *, narrow: bool, label_width: int) -> Table:
    """Pass rates, strict and lenient, and what became of the samples that failed."""
    classes = shown_classes(row.suite for row in rows if row.suite)

    untold = any(row.suite.unknown_ends for row in rows if row.suite)

    def cells(part: SuiteSummary) -> list[Text]:
        lenient = percent(part.lenient.value)
        rates = [_rate(part.strict), Text(lenient)]
        if narrow:
            rates = [Text.assemble(_rate(part.strict), (f"\n{lenient} lenient", "dim"))]
        failures = [_failures(part.failures.get(name, 0), "yellow") for name in classes]
        ends = [_failures(part.unknown_ends, "yellow")] if untold else []
        errors = _failures(part.errors, "bold red")
        return [Text(_asked(part)), *rates, *failures, errors, *ends]

    rates = ("pass rate",) if narrow else ("pass rate", "lenient")
    names = [name.replace("-", " ") for name in classes]
    if narrow:
        names = [_NARROW.get(name, name) for name in classes]
    headers = ["n", *rates, *names, "err-\nors" if narrow else "errors"]
    if untold:
        headers.append("end?" if narrow else "end unknown")
    return _table(headers, rows, cells, label_width)


def _metrics(rows: Sequence[_Row], *, narrow: bool, label_width: int) -> Table:
    """The graders' further figures, with their intervals."""
    suites = {row.suite.suite for row in rows if row.suite and row.suite.metrics}
    shown = [row for row in rows if (row.suite.suite if row.suite else row.label) in suites]
    names = list(dict.fromkeys(name for row in shown if row.suite for name in row.suite.metrics))

    def cells(part: SuiteSummary) -> list[Text]:
        return [_rate(part.metrics.get(name), "\n" if narrow else " ") for name in names]

    return _table([one_line(name, 20) for name in names], shown, cells, label_width)


def _tokens(rows: Sequence[_Row], *, narrow: bool, label_width: int) -> RenderableType:
    """Tokens per completion; the narrow form has those of the prompt in a table of their own."""
    known = dict.fromkeys(kind for row in rows if row.suite for kind in _token_stats(row.suite))
    kinds = list(known)
    if narrow and "prompt" in kinds and len(kinds) > 1:
        kinds.remove("prompt")
        return Group(
            _tokens_of(kinds, rows, label_width), "", _tokens_of(["prompt"], rows, label_width)
        )
    return _tokens_of(kinds, rows, label_width)


def _tokens_of(kinds: Sequence[str], rows: Sequence[_Row], label_width: int) -> Table:
    def cells(part: SuiteSummary) -> list[Text]:
        stats = _token_stats(part)
        # Nobody estimates a prompt's tokens: they are counted, or not known.
        return [
            _token_figures(stats.get(kind), part.tokens_estimated and kind != "prompt")
            for kind in kinds
        ]

    # One column for each kind, since rich has no header over several columns.
    figures = " ".join(f"{name:>6}" for name in ("mean", "median", "p95", "total"))
    headers = [f"{kind} tokens\n{figures}" for kind in kinds]
    return _table(headers, rows, cells, label_width)


def _table(
    headers: Sequence[str],
    rows: Sequence[_Row],
    cells: Callable[[SuiteSummary], Sequence[Text]],
    label_width: int,
) -> Table:
    """A table with a column for the labels and one, never wrapped, for each header."""
    table = open_table()
    table.add_column("", no_wrap=True)
    for header in headers:
        table.add_column(Text(header), justify="right", vertical="top", no_wrap=True)
    for row in rows:
        margin = " " * row.indent
        lines = wrap(
            one_line(row.label, _NAME_LIMIT),
            label_width,
            initial_indent=margin,
            subsequent_indent=margin,
        )
        label = Text("\n".join(lines), style="" if row.suite else "bold")
        table.add_row(label, *(cells(row.suite) if row.suite else []), end_section=row.section)
    return table


def _asked(part: SuiteSummary) -> str:
    """Questions times samples asked of each: ``30``, ``30×4``; ``30×3.5`` on average."""
    samples = (part.samples + part.errors) / max(part.questions + part.unanswered, 1)
    if samples <= 1:
        return f"{part.questions}"
    return f"{part.questions}×{samples:.{0 if samples.is_integer() else 1}f}"


def _rate(rate: Rate | None, separator: str = " ") -> Text:
    if rate is None or rate.value is None:
        return Text(UNKNOWN)
    return Text.assemble(
        (percent(rate.value), "bold"), separator, (interval_percent(rate.interval), "dim")
    )


def _failures(number: int, style: str) -> Text:
    return Text(count(number), style=style if number else "dim")


def _token_stats(part: SuiteSummary) -> dict[str, TokenStats]:
    """The known token statistics by kind."""
    stats = {
        "prompt": part.prompt_tokens,
        "reasoning": part.reasoning_tokens,
        "answer": part.answer_tokens,
    }
    return {kind: known for kind, known in stats.items() if known is not None}


def _token_figures(stats: TokenStats | None, estimated: bool) -> Text:
    if stats is None:
        return Text(UNKNOWN)
    figures = (stats.mean, stats.median, stats.p95, stats.total)
    return Text(" ".join(f"{count(figure, estimated=estimated):>6}" for figure in figures))


def _facts(summary: RunSummary) -> Text:
    """How fast the run was, and what of it was not generated or not counted."""
    facts = []
    if (named := summary.manifest.named_set.name) is not None:
        facts.append(f"set {one_line(named, _NAME_LIMIT)}")
    if summary.tokens_per_second is not None:
        facts.append(f"{count(summary.timing.generated_tokens)} tokens generated")
        facts.append(f"{count(summary.tokens_per_second)} tok/s")
        startup = summary.timing.startup_seconds
        before = f" (and {duration(startup)} to start the engine)" if startup >= 1 else ""
        facts.append(f"{duration(summary.timing.wall_seconds)}{before}")
    if summary.total.drafts is not None:
        facts.append(drafts_said(summary.total.drafts))
    if summary.total.reused:
        facts.append(f"{summary.total.reused:,} of {summary.total.samples:,} completions reused")
    if summary.total.unanswered:
        facts.append(
            f"{counted(summary.total.unanswered, 'question')} with nothing but errors, not in n"
        )
    if summary.manifest.chat.template_sha256 == NO_TEMPLATE:
        facts.append("no chat template in its files")
    if form := told_form(summary.manifest.reasoning):
        facts.append(one_line(form, _WARNING_LIMIT))
    facts += [one_line(said, _WARNING_LIMIT) for said in adapted_said(summary.manifest)]
    name = one_line(summary.model, _NAME_LIMIT)
    engine = summary.manifest.model.engine
    if summary.manifest.greedy and engine is not None and can_generate(engine):
        noise = summary.manifest.noise
        known = noise_said(noise) if noise.questions else f"not measured, lrmtest noise {name}"
        facts.append(f"temperature 0, the engine's noise: {known}")
    return Text.assemble((name, "bold"), ": ", ", ".join(facts) or "nothing generated")


def _several(summary: RunSummary) -> list[Text]:
    said = several_said(summary)
    name = one_line(summary.model, _NAME_LIMIT)
    return [Text.assemble((name, "bold"), ": ", said)] if said else []


def _replicas(summary: RunSummary) -> list[Text]:
    said = replicas_said(summary.manifest)
    name = one_line(summary.model, _NAME_LIMIT)
    return [Text.assemble((name, "bold"), ": ", said)] if said else []


def _warnings(summary: RunSummary) -> list[Text]:
    """What may make the verdicts of a run wrong."""
    name = one_line(summary.model, _NAME_LIMIT)
    return [
        Text(f"{name}: {one_line(warning, _WARNING_LIMIT)}", style="yellow")
        for warning in run_warnings(summary.manifest)
    ]


def _legend(summaries: Sequence[RunSummary]) -> Text:
    """What the figures assume."""
    totals = [summary.total for summary in summaries]
    clustered = any(total.samples > total.questions for total in totals)
    n = "n: questions × samples" if clustered else "n: questions"
    method = "Wilson, clustered by question" if clustered else "Wilson"
    sentences = [
        f"{n}. Pass rate: mean over questions [{100 * summaries[0].level:g} % interval for "
        f"questions like these, {method}]; strict: the model must have ended by itself.",
        "Lenient: what did not end by itself is graded on what it had said.",
        "Errors are the engine's and in no rate.",
    ]
    if any(total.unknown_ends for total in totals):
        sentences.append(
            "End unknown: nothing says how the text ended; its reasoning must have been closed."
        )
    if any(part.several for summary in summaries for part in summary.suites):
        sentences.append(MEANING)
    if any(total.tokens_estimated for total in totals):
        sentences.append("~: tokens estimated from text length.")
    return Text(" ".join(sentences), style="dim")
