"""The result of a search for the smallest failing question, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from lrmtest.analysis.failure_bound import highest_rate
from lrmtest.counted import counted
from lrmtest.questions.fresh.search import Findings
from lrmtest.questions.fresh.space import DrawnQuestion
from lrmtest.reports.escape import plain
from lrmtest.reports.numbers import duration, rough_percent

_WIDTH = 96
_PROMPT_LIMIT = 6000
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A search that has ended.

    Attributes:
        model: the model under test.
        against: the model that had to pass; None without one.
        findings: what was found.
        generations: completions asked for.
        generated: those that the store did not have.
        seconds: wall time.
        again: whether the smallest failed once more; None when it had no verdict or was not
            asked again.
        kept: the file that keeps the smallest; None when nothing failed.
    """

    model: str
    against: str | None
    findings: Findings
    generations: int
    generated: int
    seconds: float
    again: bool | None = None
    kept: Path | None = None


def progress_text(name: str, findings: Findings) -> str:
    """Where a search stands: ``temporal: 48 questions asked, 12 fail, ...``."""
    text = f"{name}: {counted(findings.asked, 'question')} asked, {findings.failed} fail"
    if findings.smallest is not None:
        text += f", the smallest has {_size(findings.smallest)}"
    return text


def summary_text(searched: SearchResult) -> str:
    """One line that says what came of a search."""
    findings = searched.findings
    if findings.smallest is None:
        asked = counted(findings.asked - findings.unanswered, "question")
        return f"none of {asked} {_fails(searched)}; {_bound(findings)}{_cost(searched)}"
    least = "the smallest that" if findings.finished else "not the smallest yet that"
    return f"{least} {_fails(searched)}: {_described(findings.smallest)}; {_cost(searched)}"


def details(searched: SearchResult, prompt: str) -> list[str]:
    """What stands below a failure's explanation: the whole prompt, and how it was found."""
    findings = searched.findings
    assert findings.first is not None
    assert findings.smallest is not None
    lines = ["its prompt:"]
    for line in plain(prompt, _PROMPT_LIMIT).split("\n"):
        lines += [f"  | {part}" for part in wrap(line, _WIDTH) or [""]]
    lines += _named("smallest", _described(findings.smallest))
    lines += _named("first", f"{_described(findings.first)}, before it was made smaller")
    lines += _named("search", _cost(searched))
    lines += _named("minimal", " ".join(_minimal(findings)))
    lines += _named("again", _again(searched))
    if searched.kept is not None:
        lines += _named("kept in", f"{searched.kept} (asked first the next time)")
    return lines


def _fails(searched: SearchResult) -> str:
    return "fails" if searched.against is None else f"fails here and passes with {searched.against}"


def _size(drawn: DrawnQuestion) -> str:
    words = len(" ".join(map(str, drawn.question.material.values())).split())
    return f"{counted(len(drawn.draws), 'draw')} of sum {sum(drawn.draws):,}, {words:,} words"


def _described(drawn: DrawnQuestion) -> str:
    return f"{drawn.question.id}: {_size(drawn)}"


def _cost(searched: SearchResult) -> str:
    findings = searched.findings
    text = (
        f"{counted(findings.asked, 'question')} in {counted(findings.rounds, 'round')}, "
        f"{findings.failed:,} failed, {counted(searched.generations, 'completion')}, "
        f"{searched.generated:,} generated now, {duration(searched.seconds)}"
    )
    if findings.unanswered:
        text += f"; {counted(findings.unanswered, 'question')} got no verdict"
    return text


def _bound(findings: Findings) -> str:
    if not findings.independent:
        return ""
    rate = highest_rate(findings.independent, _LEVEL)
    return (
        f"{findings.independent:,} were drawn as the suite draws its own, of which less than "
        f"{rough_percent(rate)} can fail (confidence {_LEVEL:.0%}); "
    )


def _minimal(findings: Findings) -> Iterator[str]:
    if not findings.finished:
        yield "not yet: the completions allowed were used up; the same command goes on"
        return
    yield "it passes when any one draw is made 0, half as large or one less,"
    yield "and hypothesis finds nothing simpler"
    if findings.unanswered:
        yield "among the questions that had a verdict"


def _again(searched: SearchResult) -> str:
    if searched.again is None:
        return "it could not be asked once more"
    if searched.again:
        return "asked once more, it fails again"
    return "asked once more, it does not fail: flaky"


def _named(name: str, text: str) -> list[str]:
    # A path stays whole, to be copied.
    first, *rest = wrap(text, _WIDTH - 11, break_long_words=False, break_on_hyphens=False)
    return [f"{name:<10} {first}", *(f"{'':<10} {line}" for line in rest)]
