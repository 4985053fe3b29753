"""The output of ``lrmtest runs`` and ``lrmtest show``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.summary import Rate
from lrmtest.counted import counted
from lrmtest.grading.completion import FinishReason
from lrmtest.grading.verdict import FailureClass, Verdict, classes_of
from lrmtest.reports.escape import one_line, safe
from lrmtest.reports.fold import fold, how_graded
from lrmtest.reports.numbers import UNKNOWN, count, duration, interval_percent, percent
from lrmtest.reports.tables import Widest, open_table
from lrmtest.runs.so_far import RunState

_NAME_LIMIT = 60
_ANSWER_LIMIT = 40
_PROMPT_LIMIT = 4000


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list of runs.

    Attributes:
        run_id, model: its names.
        created: UTC, ISO 8601.
        suites: names of the suites that its last session asked.
        others: it has more than that, of other sessions.
        questions: questions with at least one verdict.
        samples: samples with a verdict.
        errors: samples that ended in an engine error.
        pass_rate: strict, over all its questions.
        state: ``running``, ``interrupted`` or ``complete``, as in `lrmtest.runs.so_far`.
        done: samples with a completion, graded or not.
        wanted: samples that its last session selected; None where that is not known.
        tokens: of all completions.
    """

    run_id: str
    model: str
    created: str
    suites: tuple[str, ...]
    questions: int
    samples: int
    errors: int
    pass_rate: Rate
    state: RunState
    done: int = 0
    wanted: int | None = None
    tokens: int = 0
    others: bool = False

    @property
    def complete(self) -> bool:
        """Everything planned is there."""
        return self.state == "complete"


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question in a run.

    Attributes:
        suite, question_id: which.
        passes: correct samples.
        samples: samples with a verdict.
        errors: samples that ended in an engine error.
        expected: the reference answer; empty for a test's own prompt.
        extracted: the extracted answer of each sample with a verdict, None without one.
        failures: samples by failure class; classes may be missing.
        tokens: mean tokens of a completion, reasoning and answer; None when not known.
        tokens_estimated: they come from text length.
    """

    suite: str
    question_id: str
    passes: int
    samples: int
    errors: int
    expected: str
    extracted: tuple[str | None, ...]
    failures: Mapping[FailureClass, int]
    tokens: float | None
    tokens_estimated: bool = False


@dataclass(frozen=True, slots=True)
class SampleView:
    """One sample of a question, with its texts.

    Attributes:
        sample: its index, from 0.
        verdict: None without one.
        error: what the engine said, when there is no completion.
        reasoning, answer: the two parts of the completion's text.
        finish_reason: how generation ended; None without a completion.
        reasoning_tokens, answer_tokens: 0 when not known.
        tokens_estimated: they come from text length.
        seconds: wall time; 0 when not known.
        seed: None when the engine took none.
        finish_word: the server's own word for the end; empty without one.
        total_estimated: both together come from text length, and not their shares alone.
    """

    sample: int
    verdict: Verdict | None = None
    error: str | None = None
    reasoning: str = ""
    answer: str = ""
    finish_reason: FinishReason | None = None
    reasoning_tokens: int = 0
    answer_tokens: int = 0
    tokens_estimated: bool = False
    seconds: float = 0.0
    seed: int | None = None
    finish_word: str = ""
    total_estimated: bool = False


_STATES = {"running": "cyan", "interrupted": "yellow", "complete": "green"}


def done_words(done: int, wanted: int | None) -> str:
    """How many samples are there: ``64 of 200 samples``."""
    return counted(done, "sample") if wanted is None else f"{done:,} of {counted(wanted, 'sample')}"


def runs_table(rows: Sequence[RunRow]) -> RenderableType:
    """The list of runs, as a rich renderable."""
    return Widest(_runs(rows, narrow=False), _runs(rows, narrow=True))


def run_table(rows: Sequence[QuestionRow]) -> RenderableType:
    """The questions of one run, as a rich renderable."""
    several = len({row.suite for row in rows}) > 1
    table = open_table()
    if several:
        table.add_column(Text("suite"), no_wrap=True)
    table.add_column(Text("question"), overflow="fold", min_width=8)
    table.add_column(Text("passed"), justify="right", no_wrap=True)
    table.add_column(Text("expected"), overflow="fold")
    table.add_column(Text("answered"), overflow="fold")
    table.add_column(Text("failures"), overflow="fold")
    table.add_column(Text("tokens"), justify="right", no_wrap=True)
    for row in rows:
        suite = [Text(one_line(row.suite, _NAME_LIMIT))] if several else []
        passed = Text(f"{row.passes}/{row.samples}")
        passed.stylize("green" if row.samples and row.passes == row.samples else "red")
        table.add_row(
            *suite,
            Text(one_line(row.question_id, _NAME_LIMIT)),
            passed,
            Text(one_line(row.expected, _ANSWER_LIMIT)),
            Text(_answers(row.extracted)),
            _failures(row),
            Text(count(row.tokens, estimated=row.tokens_estimated)),
        )
    return table


def question_view(
    *,
    title: str,
    prompt: Sequence[tuple[str, str]],
    expected: str,
    samples: Sequence[SampleView],
    head: int = 1500,
    tail: int = 1500,
) -> RenderableType:
    """One question with everything the model said, as a rich renderable.

    Args:
        title: which question of which run.
        prompt: the conversation as (role, content).
        expected: the reference answer; empty for a test's own prompt.
        samples: in order.
        head, tail: characters of each reasoning's and answer's beginning and end to show; what
            lies between is left out, and a loop is shown once.
    """
    parts: list[RenderableType] = [Rule(safe(title, 200, "bold")), *asked_view(prompt, expected)]
    for view in samples:
        parts += sample_parts(view, head, tail)
    return Group(*parts)


def asked_view(prompt: Sequence[tuple[str, str]], expected: str) -> list[RenderableType]:
    """What was asked and expected, as in `question_view`."""
    parts: list[RenderableType] = []
    for role, content in prompt:
        parts += [Text(one_line(role, 20), style="bold cyan"), safe(content, _PROMPT_LIMIT), ""]
    if expected:
        parts += [Text("expected", style="bold cyan"), safe(expected, _PROMPT_LIMIT), ""]
    return parts


def sample_parts(view: SampleView, head: int, tail: int, *, run: str = "") -> list[RenderableType]:
    """One sample with its texts, as in `question_view`; `run` names its run if need be."""
    title = Text(f"{run}, " if run else "", style="bold").append_text(_sample_title(view))
    parts: list[RenderableType] = [Rule(), title]
    if view.error is not None:
        return [*parts, safe(view.error, _PROMPT_LIMIT, "red"), ""]
    if view.reasoning.strip():
        parts += [Text("reasoning", style="bold cyan")]
        parts += [Text(fold(view.reasoning.strip(), head, tail), style="dim"), ""]
    answer = how_graded(view.answer) + fold(view.answer.strip(), head, tail) or "(none)"
    return [*parts, Text("answer", style="bold cyan"), Text(answer), ""]


def _runs(rows: Sequence[RunRow], *, narrow: bool) -> Table:
    """The narrow form names the model only in the run's id and has two lines a row."""
    table = open_table()
    table.add_column(Text("run"), overflow="fold")
    if not narrow:
        for header in ("model", "begun (UTC)", "suites"):
            table.add_column(Text(header), overflow="fold")
    for header in ("questions", "samples", "errors", "pass rate"):
        table.add_column(Text(header), justify="right", no_wrap=True)
    if not narrow:
        table.add_column("", no_wrap=True)
    for row in rows:
        run = Text(one_line(row.run_id, 2 * _NAME_LIMIT), style="bold")
        names = [*row.suites, *(["and others"] if row.others else [])]
        suites = Text(one_line(", ".join(names) or UNKNOWN, 2 * _NAME_LIMIT))
        state = Text(row.state, _STATES[row.state])
        if not row.complete:
            state.append(f": {done_words(row.done, row.wanted)}, {count(row.tokens)} tokens")
        rate = percent(row.pass_rate.value)
        if row.pass_rate.value is not None:
            rate += ("\n" if narrow else " ") + interval_percent(row.pass_rate.interval)
        figures = [
            Text(f"{row.questions:,}"),
            Text(f"{row.samples:,}"),
            Text(f"{row.errors:,}", style="bold red" if row.errors else "dim"),
            Text(rate),
        ]
        if narrow:
            first = Text.assemble(run, "\n  ", suites, ", ", state)
            table.add_row(first, *figures)
        else:
            model = Text(one_line(row.model, _NAME_LIMIT))
            begun = Text(one_line(row.created[:16].replace("T", " "), 16))
            table.add_row(run, model, begun, suites, *figures, state)
    return table


def _answers(extracted: Sequence[str | None]) -> str:
    """The different answers, the most frequent first: ``33 ×3, 34``."""
    tally: dict[str, int] = {}
    for answer in extracted:
        shown = UNKNOWN if answer is None else one_line(answer, _ANSWER_LIMIT)
        tally[shown] = tally.get(shown, 0) + 1
    ranked = sorted(tally.items(), key=lambda item: -item[1])
    first = [f"{answer} ×{times}" if times > 1 else answer for answer, times in ranked[:4]]
    return ", ".join(first) + (f", {len(ranked) - 4} more" if len(ranked) > 4 else "")


def _failures(row: QuestionRow) -> Text:
    """The failure classes: ``wrong``, or ``wrong ×2, looped`` with several samples."""
    counts = [(name, row.failures.get(name, 0)) for name in classes_of(row.failures)]
    shown = [name if number == 1 else f"{name} ×{number}" for name, number in counts if number]
    text = Text(", ".join(shown), style="yellow")
    if row.errors:
        text.append(", " if shown else "").append(counted(row.errors, "error"), style="bold red")
    return text


def _sample_title(view: SampleView) -> Text:
    """``sample 0: wrong, answered 34, 8,120 + 312 tokens, 61 s``."""
    title = Text(f"sample {view.sample}: ", style="bold")
    if view.error is not None:
        return title.append("engine error", style="red")
    facts = []
    if view.verdict is not None:
        style = "green" if view.verdict.correct else "yellow"
        title.append(view.verdict.failure or "correct", style=style)
        if view.verdict.extracted is not None:
            facts.append(f"answered {one_line(view.verdict.extracted, _ANSWER_LIMIT)}")
        if view.verdict.provisional is not None:
            facts.append(f"would have answered {one_line(view.verdict.provisional, _ANSWER_LIMIT)}")
        facts += [f"{one_line(name, 20)} {figure:.2f}" for name, figure in _metrics(view.verdict)]
    else:
        title.append("not graded")
    if view.reasoning_tokens or view.answer_tokens:
        mark = "~" if view.tokens_estimated else ""
        facts.append(f"{mark}{view.reasoning_tokens:,} + {mark}{view.answer_tokens:,} tokens")
    if view.seconds:
        facts.append(duration(view.seconds))
    if view.finish_reason is not None:
        other = view.finish_word not in ("", view.finish_reason)
        word = f" ({one_line(view.finish_word, _ANSWER_LIMIT)})" if other else ""
        facts.append(f"finish reason {view.finish_reason}{word}")
    if view.seed is not None:
        facts.append(f"seed {view.seed}")
    return title.append("".join(f", {fact}" for fact in facts), style="not bold")


def _metrics(verdict: Verdict) -> list[tuple[str, float]]:
    return list(verdict.metrics.items())[:8]
