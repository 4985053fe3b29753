"""The output of ``lrmtest knowledge``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.knowledge import (
    BOOK_CONTEXTS,
    BookContext,
    Change,
    Knowledge,
    KnowledgeChange,
    Share,
)
from lrmtest.analysis.summary import Rate
from lrmtest.counted import counted
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import interval_percent, percent, points
from lrmtest.reports.tables import open_table

_NAME_LIMIT = 60

_CONTEXTS: Mapping[BookContext, str] = {
    "closed": "the question alone",
    "open": "with all its paragraphs",
    "gold": "with the supporting ones only",
    "hops": "single hops alone",
    "hops-gold": "single hops, each with its paragraph",
}

_FROM_MEMORY: Mapping[str, str] = {
    "composed": "passed, and knows every hop",
    "shortcut": "passed, though a hop fails",
    "not composed": "failed, though it knows every hop",
    "not known": "failed; a hop fails; given the facts it passes",
    "neither": "failed; a hop fails; given the facts it fails too",
}

_FROM_TEXT: Mapping[str, str] = {
    "composed": "passed with all paragraphs and with gold ones",
    "distracted": "passed with gold paragraphs, failed with all",
    "not composed": "failed both, though it reads every single hop",
    "not read": "failed both, and a single hop with its paragraph",
    "open only": "failed with gold paragraphs, passed with all",
}


def knowledge_report(result: Knowledge, model: str, *, ids: bool = False) -> RenderableType:
    """One model, as a rich renderable.

    Args:
        result: what analysis says.
        model: its name.
        ids: list every kind's questions.
    """
    contexts = open_table()
    _columns(contexts, ("context",), ("pass rate",))
    for context in BOOK_CONTEXTS:
        contexts.add_row(Text(_CONTEXTS[context]), _rate(result.passed[context]))
    parts: list[RenderableType] = [
        _title(result.questions, model, result.count, result.left_out),
        Text(),
        contexts,
        Text(),
        _kinds("from memory", result.from_memory, _FROM_MEMORY),
        Text(),
        _kinds("from text", result.from_text, _FROM_TEXT),
        Text(),
        _sentence("The facts bring", result.facts, "from closed-book to gold paragraphs"),
        _sentence("The other paragraphs cost", result.distraction, "from gold to all"),
    ]
    if ids:
        parts += [Text(), *_ids(result)]
    return Group(*parts, Text(), _legend(result.facts.interval.level))


def knowledge_change_report(
    result: KnowledgeChange, baseline: str, candidate: str
) -> RenderableType:
    """Two models on the same questions, as a rich renderable.

    Args:
        result: what analysis says.
        baseline, candidate: the models' names.
    """
    contexts = open_table()
    _columns(contexts, ("context",), ("baseline", "candidate", "change"))
    for context in BOOK_CONTEXTS:
        before, after = result.baseline.passed[context], result.candidate.passed[context]
        contexts.add_row(
            Text(_CONTEXTS[context]),
            Text(percent(before.value)),
            Text(percent(after.value)),
            _change(result.changes[context]),
        )
    against = f"{candidate} against {baseline}"
    shares = (
        ("from memory", result.baseline.from_memory, result.candidate.from_memory,
         result.from_memory, _FROM_MEMORY),
        ("from text", result.baseline.from_text, result.candidate.from_text,
         result.from_text, _FROM_TEXT),
    )  # fmt: skip
    parts: list[RenderableType] = [
        _title(result.questions, against, result.count, result.baseline.left_out),
        Text(),
        contexts,
    ]
    for title, before_shares, after_shares, changes, meanings in shares:
        table = open_table()
        _columns(table, (title, ""), ("baseline", "candidate", "change"))
        for old, new in zip(before_shares, after_shares, strict=True):
            table.add_row(
                Text(new.kind, "bold"),
                Text(meanings[new.kind]),
                Text(str(len(old.questions))),
                Text(str(len(new.questions))),
                _change(changes[new.kind]),
            )
        parts += [Text(), table]
    contrast = result.knowledge_over_reasoning
    parts += [
        Text(),
        Text.assemble(
            "Change with gold paragraphs less change of single hops alone: ",
            _change(contrast),
            " points: ",
            (_reading(contrast), "bold"),
            ".",
        ),
        Text(),
        _legend(contrast.interval.level),
    ]
    return Group(*parts)


def _reading(contrast: Change) -> str:
    if contrast.interval.low > 0:
        return "more knowledge was lost than reasoning"
    if contrast.interval.high < 0:
        return "more reasoning was lost than knowledge"
    return "which of the two was lost more is not established"


def _title(questions: str, models: str, count: int, left_out: int) -> Text:
    title = Text.assemble(
        (one_line(questions, _NAME_LIMIT), "bold"),
        f": {one_line(models, 3 * _NAME_LIMIT)}, {counted(count, 'question')}",
    )
    if left_out:
        title.append(f", {left_out} left out for want of a verdict in every context", "yellow")
    return title


def _kinds(title: str, shares: Sequence[Share], meanings: Mapping[str, str]) -> Table:
    table = open_table()
    _columns(table, (title, ""), ("n", "share"))
    for share in shares:
        table.add_row(
            Text(share.kind, "bold"),
            Text(meanings[share.kind]),
            Text(str(len(share.questions))),
            _rate(share.rate),
        )
    return table


def _columns(table: Table, texts: Sequence[str], figures: Sequence[str]) -> None:
    for header in texts:
        table.add_column(Text(header))
    for header in figures:
        table.add_column(Text(header), justify="right", no_wrap=True)


def _ids(result: Knowledge) -> list[Text]:
    lines = []
    for title, shares in (("from memory", result.from_memory), ("from text", result.from_text)):
        for share in shares:
            if share.questions:
                ids = " ".join(one_line(name, _NAME_LIMIT) for name in share.questions)
                lines.append(Text.assemble((f"{title}, {share.kind}: ", "bold"), ids))
    return lines


def _rate(rate: Rate) -> Text:
    return Text.assemble(
        (percent(rate.value), "bold"), (f" {interval_percent(rate.interval)}", "dim")
    )


def _change(change: Change) -> Text:
    return Text.assemble(
        (points(change.value), "bold"), (f" {interval_percent(change.interval)}", "dim")
    )


def _sentence(what: str, change: Change, between: str) -> Text:
    return Text.assemble(f"{what} ", _change(change), f" points, {between}.")


def _legend(level: float) -> Text:
    return Text(
        f"[{100 * level:g} % intervals for questions like these; differences are paired by "
        "question, Gaffke's method]. A question counts when it and all its hops have a verdict "
        "in all five contexts.",
        style="dim",
    )
