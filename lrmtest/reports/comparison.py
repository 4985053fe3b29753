"""A run beside its baseline: rates, tokens, what broke, and what the gate decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isinf

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.compare import ComparedRuns, EarlyStop
from lrmtest.analysis.flips import CHANGES, ChangeKind, Flip, by_size
from lrmtest.analysis.gate import Decision, GateResult
from lrmtest.analysis.gate_said import GateSaid, gate_said
from lrmtest.analysis.intervals import Interval
from lrmtest.analysis.paired_comparison import Comparison, RateChange, SuiteComparison
from lrmtest.counted import counted
from lrmtest.reports.certificate import certificate_notes
from lrmtest.reports.changes import counts_said, directions_said, size_said
from lrmtest.reports.comparison_words import (
    TOKENS_NOT_COMPARED,
    change_said,
    compared_by_passes,
    could_tell,
    ends_notes,
    gate_promise,
    given_said,
    greedy_said,
    in_words,
    interval_said,
    look_said,
    reasoning_warnings,
    told,
    would_decide,
)
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import (
    UNKNOWN,
    count,
    p_value,
    percent,
)
from lrmtest.reports.tables import Widest, open_table
from lrmtest.runs.outcomes import QuestionKey

_NAME_LIMIT = 60
_MOST_IDS = 20
_CHANGE_STYLES: Mapping[ChangeKind, str] = {
    "broken": "bold red",
    "worse": "bold red",
    "better": "bold green",
    "fixed": "bold green",
}
_STYLES: Mapping[GateResult, str] = {
    "ok": "bold green",
    "regressed": "bold red",
    "undecided": "bold yellow",
    "cannot-tell": "bold yellow",
}


def comparison_view(
    compared: ComparedRuns, test_ids: Mapping[QuestionKey, str] | None = None
) -> RenderableType:
    """Everything a comparison has to say, as a rich renderable.

    Args:
        compared: the two runs.
        test_ids: what to paste into a command to run a question; its suite and id when absent.
    """
    baseline, candidate = compared.baseline, compared.candidate
    parts: list[RenderableType] = [
        Text.assemble(
            (one_line(candidate.model, _NAME_LIMIT), "bold"),
            f" ({one_line(candidate.run_id, _NAME_LIMIT)}) against the baseline ",
            (one_line(baseline.model, _NAME_LIMIT), "bold"),
            f" ({one_line(baseline.run_id, _NAME_LIMIT)})",
        )
    ]
    notes = [one_line(told(each), 300) for each in compared.told]
    notes += [one_line(each, 500) for each in reasoning_warnings(compared)]
    notes += [f"allowed to differ: {one_line(str(each), 200)}" for each in compared.differences]
    if not compared.tokens_comparable:
        notes.append(TOKENS_NOT_COMPARED)
    notes += [one_line(each, 400) for each in greedy_said(compared)]
    notes += ends_notes(compared)
    notes += [one_line(each, 300) for each in compared_by_passes(compared)]
    parts += [Text(note, style="yellow") for note in notes]
    parts += [Text(one_line(each, 500)) for each in certificate_notes(compared.certificate)]
    if compared.certified:
        # What is not there was not to be generated.
        pass
    elif compared.early is not None:
        parts += ["", _early_view(compared.early)]
    else:
        if compared.comparison.total.questions:
            parts += ["", *_changes_view(compared)]
            parts += ["", *_tables(compared.comparison)]
        parts += _missing_view(compared.comparison)
        parts += _changed_questions(compared, test_ids or {})
    said = gate_said(compared)
    if compared.decision is not None and said is not None:
        parts += [
            "",
            *_decision_view(compared.decision, said, by_index=compared.comparison.by_index),
        ]
    if compared.given is not None:
        parts.append(
            Text(given_said(compared.given, by_index=compared.comparison.by_index), style="dim")
        )
    return Group(*parts)


def _tables(comparison: Comparison) -> list[RenderableType]:
    rows = [*comparison.suites, comparison.total]
    if len(comparison.suites) == 1:
        rows = rows[:1]
    failures = Widest(_failures(rows, narrow=False), _failures(rows, narrow=True))
    parts: list[RenderableType] = [_rates(rows), ""]
    if any(row.score is not None for row in rows):
        parts += [_scores(rows), ""]
    parts.append(failures)
    if any(row.tokens is not None for row in rows):
        parts += ["", Widest(_tokens(rows, narrow=False), _tokens(rows, narrow=True))]
    return [*parts, "", _legend(comparison)]


def _rates(rows: Sequence[SuiteComparison]) -> Table:
    table = _table(("n", "baseline", "candidate", "change, points", "p"))
    for row in rows:
        change = row.failed
        table.add_row(
            one_line(row.suite, _NAME_LIMIT),
            _asked(row),
            percent(1 - change.baseline),
            percent(1 - change.candidate),
            change_said(-change.worsening, change.interval, falling=True),
            p_value(row.p_adjusted),
        )
    return table


def _scores(rows: Sequence[SuiteComparison]) -> Table:
    """What a gate decides by where it is not the pass rate."""
    table = _table(("metric", "baseline", "candidate", "change, points", "p"))
    for row in rows:
        change = row.score
        if change is not None:
            table.add_row(
                one_line(row.suite, _NAME_LIMIT),
                one_line(row.metric, 20),
                percent(1 - change.baseline),
                percent(1 - change.candidate),
                change_said(-change.worsening, change.interval, falling=True),
                p_value(change.pairs.p_different()),
            )
    return table


def _failures(rows: Sequence[SuiteComparison], *, narrow: bool) -> Table:
    table = _table(("truncated, change in points", "looped, change in points"))
    separator = "\n" if narrow else "  "
    for row in rows:
        cells = [_failure(change, separator) for change in (row.truncated, row.looped)]
        table.add_row(one_line(row.suite, _NAME_LIMIT), *cells)
    return table


def _failure(change: RateChange, separator: str) -> str:
    rates = f"{percent(change.baseline)} -> {percent(change.candidate)}"
    return f"{rates}{separator}{change_said(change.worsening, change.interval)}"


def _tokens(rows: Sequence[SuiteComparison], *, narrow: bool) -> Table:
    table = _table(("tokens, mean", "ratio of means", "ratio of medians"))
    separator = "\n" if narrow else " "
    for row in rows:
        tokens = row.tokens
        if tokens is None:
            table.add_row(one_line(row.suite, _NAME_LIMIT), UNKNOWN, UNKNOWN, UNKNOWN)
            continue
        table.add_row(
            one_line(row.suite, _NAME_LIMIT),
            f"{count(tokens.baseline_mean)} -> {count(tokens.candidate_mean)}",
            _ratio(tokens.ratio, tokens.interval, separator),
            _ratio(tokens.median_ratio, tokens.median_interval, separator),
        )
    return table


def _table(headers: Sequence[str]) -> Table:
    table = open_table()
    table.add_column("", overflow="fold")
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    return table


def _asked(row: SuiteComparison) -> str:
    """Questions times samples of baseline and candidate: ``30``, ``30×4``, ``30×1/4``."""
    numbers = [
        f"{samples / row.questions:.3g}" if row.questions else "0"
        for samples in (row.baseline_samples, row.candidate_samples)
    ]
    if numbers == ["1", "1"]:
        return f"{row.questions}"
    return f"{row.questions}×{'/'.join(dict.fromkeys(numbers))}"


def _ratio(ratio: float, interval: Interval, separator: str) -> str:
    ends = ", ".join("∞" if isinf(end) else f"{end:.2f}" for end in (interval.low, interval.high))
    return f"{'∞' if isinf(ratio) else f'{ratio:.2f}'}{separator}[{ends}]"


def _legend(comparison: Comparison) -> Text:
    total = comparison.total
    single = total.baseline_samples == total.candidate_samples == total.questions
    method = "McNemar's test, unconditional" if single else "pairs of samples, weighted"
    sentences = [
        f"Change: candidate minus baseline {interval_said(total.failed.interval)}, paired by "
        "question."
    ]
    adjusted = ", adjusted for the number of suites" if len(comparison.suites) > 1 else ""
    sentences.append(f"p: of no change in the pass rate, two-sided ({method}{adjusted}).")
    if total.score is not None:
        sentences.append("Metric: the primary one, by which a gate decides; mean over questions.")
    if total.tokens is not None:
        sentences.append(
            "Ratios: of means, on these questions, with the budget as bound; of medians, on "
            "questions like these, by bootstrap."
        )
    return Text(" ".join(sentences), style="dim")


def _missing_view(comparison: Comparison) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for side, other in (("candidate", "baseline"), ("baseline", "candidate")):
        keys = [gap.key for gap in comparison.missing if gap.side == side]
        if keys:
            text = (
                f"{counted(len(keys), 'question')} of the {other} without a verdict in the {side}: "
                + ", ".join(f"{suite} {question}" for suite, question in keys[:3])
                + (", ..." if len(keys) > 3 else "")
            )
            parts += ["", Text(one_line(text, 300), style="yellow")]
    return parts


def _changes_view(compared: ComparedRuns) -> list[RenderableType]:
    """How many questions changed, before any mean: a mean says nothing of which."""
    parts: list[RenderableType] = [
        Text(f"questions: {directions_said(compared.changed)}"),
        Text(f"by change: {counts_said(compared.changed)}"),
    ]
    suites = list(dict.fromkeys(flip.candidate.suite for flip in compared.flips))
    if len(suites) > 1:
        table = _table(CHANGES)
        for suite in suites:
            kinds = Counter(flip.change for flip in compared.flips if flip.candidate.suite == suite)
            numbers = [f"{kinds[kind]:,}" for kind in CHANGES]
            table.add_row(one_line(suite, _NAME_LIMIT), *numbers)
        parts += ["", table]
    return parts


def _changed_questions(
    compared: ComparedRuns, test_ids: Mapping[QuestionKey, str]
) -> list[RenderableType]:
    """The questions whose change can be told, the largest first, with ids to paste."""
    parts: list[RenderableType] = []
    sampled = any(max(flip.baseline.count, flip.candidate.count) > 1 for flip in compared.flips)
    found: dict[ChangeKind, list[Flip]] = {kind: [] for kind in CHANGES}
    for flip in by_size(compared.flips):
        found[flip.change].append(flip)
    for kind, style in _CHANGE_STYLES.items():
        if not found[kind]:
            continue
        parts += ["", Text(f"{kind}:", style=style)]
        for flip in found[kind][:_MOST_IDS]:
            key = flip.candidate.key
            told = [size_said(flip)] if sampled else []
            told += [str(flip.failure)] if kind in ("broken", "worse") and flip.failure else []
            why = f"  ({', '.join(told)})" if told else ""
            name = one_line(test_ids.get(key, f"{key[0]} {key[1]}"), 300)
            # A name that is wrapped could not be pasted.
            parts.append(Text(f"  {name}{why}", no_wrap=True, overflow="ignore"))
        if len(found[kind]) > _MOST_IDS:
            parts.append(Text(f"  ... and {len(found[kind]) - _MOST_IDS:,} more"))
    return parts


def _early_view(early: EarlyStop) -> Text:
    text = (
        f"stopped when decided: {early.looked_at:,} of {counted(early.samples, 'sample')} counted, "
        f"{early.not_generated:,} not generated"
    )
    if early.tokens_saved is not None and early.tokens_full:
        share = early.tokens_saved / early.tokens_full
        text += (
            f"; about {count(early.tokens_saved)} of {count(early.tokens_full)} tokens saved "
            f"({percent(share)}), by the baseline's"
        )
    if early.tokens_drafted:
        text += f"; {count(early.tokens_drafted)} tokens of those counted are of drafts"
    if early.table is not None:
        text += f". Told against all {early.table:,} samples of the baseline"
    if early.foreseen is not None:
        text += f". Stakes by reading {counted(early.foreseen, 'trace')}"
    if early.baseline_rate is not None:
        text += (
            f". Pass rate on those counted: {percent(early.baseline_rate)} -> "
            f"{percent(early.candidate_rate)}"
        )
    return Text(
        text + ". Rates in the table above are of what had arrived, short completions first."
    )


def _decision_view(decision: Decision, said: GateSaid, *, by_index: bool) -> list[RenderableType]:
    style = "bold yellow" if said.warnings else _STYLES[decision.result]
    meaning = said.badge.partition(": ")[2]
    parts: list[RenderableType] = [
        Text.assemble("gate: ", (in_words(decision.result).upper(), style)),
        Text(f"  {one_line(meaning, 400)}", style=style),
    ]
    parts += [Text(f"  warning: {one_line(each, 500)}", style="yellow") for each in said.texts]
    parts += [Text(f"  {one_line(reason, 400)}") for reason in decision.reasons]
    if needed := would_decide(decision):
        parts.append(Text(f"  {needed}"))
    if decision.result == "cannot-tell":
        parts.append(Text(f"  {could_tell(decision)}"))
    settings = decision.settings
    promise = gate_promise(settings, by_index=by_index)
    told_below = (one_line(said.meaning, 1000), look_said(settings), promise)
    parts.append(Text(" ".join(filter(None, told_below)), style="dim"))
    return parts
