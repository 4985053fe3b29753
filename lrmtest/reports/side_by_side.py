"""One question in two runs: both answers, and where the reasoning of each goes its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from lrmtest.analysis.traces import Parting, parting
from lrmtest.counted import counted
from lrmtest.grading.loops import find_loop
from lrmtest.reports.escape import one_line, plain, plain_tail, safe
from lrmtest.reports.fold import collapse_loop
from lrmtest.reports.numbers import percent
from lrmtest.reports.runs_table import SampleView, asked_view, sample_parts
from lrmtest.reports.tables import open_table

_ANSWER_LIMIT = 40
_MOST_PARTINGS = 3


def side_by_side(
    *,
    title: str,
    prompt: Sequence[tuple[str, str]],
    expected: str,
    sides: Mapping[str, Sequence[SampleView]],
    notes: Sequence[str] = (),
    head: int = 1500,
    tail: int = 1500,
) -> RenderableType:
    """One question, all its samples in one run or two, as a rich renderable.

    Samples with the same index are compared: they began with the same seed.

    Args:
        title: which question, of which runs.
        prompt: the conversation as (role, content).
        expected: the reference answer; empty for a test's own prompt.
        sides: each run's samples in order, by what the run is called here.
        notes: what a reader should know, below the title.
        head, tail: characters of each reasoning's and answer's beginning and end to show.
    """
    by_index = {name: {view.sample: view for view in views} for name, views in sides.items()}
    indices = sorted({index for views in by_index.values() for index in views})
    parts: list[RenderableType] = [safe(title, 300, "bold")]
    parts += [Text(one_line(note, 300), style="yellow") for note in notes]
    parts += ["", *asked_view(prompt, expected)]
    partings: list[tuple[int, Parting]] = []
    table = open_table()
    table.add_column(Text("sample"), justify="right")
    for name in sides:
        table.add_column(Text(name), overflow="fold")
    if len(sides) == 2:
        table.add_column(Text("they part"), no_wrap=True)
    for index in indices:
        pair = [views.get(index) for views in by_index.values()]
        cells = [_outcome(view) for view in pair]
        if len(sides) == 2:
            cells.append(Text(_parted(pair, partings, index)))
        table.add_row(Text(str(index)), *cells)
    parts.append(table)
    for index, found in partings[:_MOST_PARTINGS]:
        parts += ["", *_parting_view(index, found, list(sides))]
    if len(partings) > _MOST_PARTINGS:
        parts += ["", Text("... and where further samples part: --full", style="dim")]
    for index in indices:
        for name, views in by_index.items():
            if index in views:
                run = name if len(sides) > 1 else ""
                parts += sample_parts(views[index], head, tail, run=run)
    return Group(*parts)


def _text(view: SampleView) -> str:
    return f"{view.reasoning}\n{view.answer}".strip()


def _parted(
    pair: Sequence[SampleView | None], partings: list[tuple[int, Parting]], index: int
) -> str:
    left, right = pair
    if left is None or right is None or left.error is not None or right.error is not None:
        return ""
    found = parting(_text(left), _text(right))
    if found is None:
        return "nowhere: the same words"
    partings.append((index, found))
    return f"after {counted(found.words, 'word')}"


def _outcome(view: SampleView | None) -> Text:
    """``looped: 33, 8,120 tokens; a loop from 34 % of the text on (113 characters, 290 times)``."""
    if view is None:
        return Text("none", style="dim")
    if view.error is not None:
        return Text("engine error", style="bold red")
    text = Text()
    if view.verdict is None:
        text.append("not graded")
    else:
        style = "green" if view.verdict.correct else "yellow"
        text.append(view.verdict.failure or "correct", style=style)
        said = view.verdict.extracted or view.verdict.provisional
        text.append(f": {one_line(said, _ANSWER_LIMIT)}" if said else "")
    tokens = view.reasoning_tokens + view.answer_tokens
    if tokens:
        text.append(f", {'~' if view.total_estimated else ''}{tokens:,} tokens")
    if view.finish_reason == "length":
        text.append("; cut off at its budget")
    elif view.finish_reason == "unknown":
        text.append("; nothing says how it ended")
    said_all = _text(view).rstrip()
    loop = find_loop(said_all)
    if loop is not None:
        share = percent(loop.start / len(said_all))
        period = counted(loop.period, "character")
        text.append(f"; a loop from {share} of the text on ({period}, {int(loop.repeats):,} times)")
    return text


def _parting_view(index: int, found: Parting, names: Sequence[str]) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Rule(),
        Text(f"sample {index}: where they part, after {counted(found.words, 'word')}", "bold"),
    ]
    if found.shared:
        shared = Text(plain_tail(found.shared, 400), "dim")
        parts += ["", Text("both", style="bold cyan"), shared]
    for name, goes_on in zip(names, (found.left, found.right), strict=True):
        shown = plain(collapse_loop(goes_on), 400) or "(ends here)"
        parts += ["", Text(name, style="bold cyan"), Text(shown)]
    return parts
