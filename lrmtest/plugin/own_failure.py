"""A test's own failure: what it says beside its model's verdict, and how both are shown.

`assert attempt.passed, attempt.explain()` says nothing that the verdict does not: its report is the
explanation alone. Whatever else fails in a test, an assertion of its own, ``pytest.fail``, an
exception in its code, a fixture, a subtest, keeps pytest's report, introspection and ``--tb``
included, and the explanation stands below it.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import pytest
from _pytest._code.code import (
    ExceptionChainRepr,
    ExceptionRepr,
    ReprFileLocation,
    ReprTraceback,
)

from lrmtest.plugin.attempt import Attempt
from lrmtest.reports.escape import one_line, plain

SECTION = "what the model did"
"""The heading of the explanation below a test's own report."""

_LINE_LIMIT = 100_000
_MESSAGE_LIMIT = 300
_VERDICTS = ("passed", "pass_rate", "score", "verdict", "verdicts")


@dataclass(frozen=True, slots=True)
class OwnFailure:
    """What a test says itself of why it failed.

    Attributes:
        words: its message and pytest's introspection, without lrmtest's explanation; empty where
            nothing is left but that the answer did not pass.
        about_verdict: it asserts something of the attempt's verdict: that it passed, its pass rate
            or score.
        explained: lrmtest's explanation is in its message already.
    """

    words: str
    about_verdict: bool
    explained: bool


def own_failure(
    raised: pytest.ExceptionInfo[BaseException], failed: Sequence[Attempt]
) -> OwnFailure:
    """Tell a test's own words from those that the explanation of its attempts says as well.

    Args:
        raised: what came out of the test.
        failed: its attempts that did not pass; at least one.
    """
    error = raised.value
    if not isinstance(error, AssertionError | pytest.fail.Exception):
        return OwnFailure(type(error).__name__, False, False)
    words, explained = _without_explanation(_message(error), failed)
    of_verdict = False
    if isinstance(error, AssertionError):
        if not words.strip():  # pytest does not rewrite the assertions of this module
            found = _asserted(raised)
            of_verdict = found in _VERDICTS
            if found == "passed" or (found is None and explained):
                return OwnFailure("", True, explained)
            words = str(raised.traceback[-1].statement).strip()
        else:
            lines = words.strip().split("\n")
            of_verdict = any(map(_is_verdict, lines))
            if lines[0] == "assert False" and len(lines) > 1 and _is_passed(lines[1:]):
                words = ""
    elif not words.strip():
        return OwnFailure("", True, explained)
    return OwnFailure(words.strip(), of_verdict, explained)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a subclass can do anything in its own
        return ""


def _without_explanation(text: str, failed: Sequence[Attempt]) -> tuple[str, bool]:
    """`text` without the explanation it begins with, however pytest has indented that."""
    lines = text.split("\n")
    for attempt in failed:
        for own in (attempt.explain(), attempt.headline()):
            # Of a message's lines pytest indents all but the first.
            told = [line.strip() for line in own.split("\n")]
            if [line.strip() for line in lines[: len(told)]] == told:
                return "\n".join(lines[len(told) :]), True
    return text, False


def _is_verdict(line: str) -> bool:
    """Whether a line of pytest's introspection takes a figure from an attempt's verdicts."""
    _, where, rest = line.partition(" = Attempt(")
    return bool(where) and line.lstrip().startswith("+") and rest.rpartition(").")[2] in _VERDICTS


def _is_passed(lines: Sequence[str]) -> bool:
    """Whether introspection says no more than that an attempt did not pass, and where it is from"""
    first, *others = (line.lstrip() for line in lines)
    said = first.startswith("+  where False = Attempt(") and first.endswith(").passed")
    return said and all(line.startswith("+ ") for line in others)


def _asserted(raised: pytest.ExceptionInfo[BaseException]) -> str | None:
    """The attribute that an assertion asks for and nothing else; None for any other statement."""
    try:
        parsed = ast.parse(dedent(str(raised.traceback[-1].statement)))
    except (SyntaxError, ValueError, RecursionError, OSError, IndexError):
        return None
    match parsed.body:
        case [ast.Assert(test=ast.Attribute(attr=name))]:
            return name
        case [ast.Assert()]:
            return ""
    return None


def show_beside(report: pytest.TestReport, own: OwnFailure, failed: Sequence[Attempt]) -> None:
    """Leave a test's own report as pytest makes it, and put what the model did below it.

    The one line that pytest's summary shows says both. A test's message may repeat what a model
    wrote, so what a terminal would obey is written out.
    """
    text = "\n".join(attempt.explain() for attempt in failed)
    headline = one_line(failed[0].headline(), _MESSAGE_LIMIT)
    shown = report.longrepr
    if not isinstance(shown, ExceptionRepr):
        if isinstance(shown, str):
            report.longrepr = plain(shown, _LINE_LIMIT)
        if not own.explained:
            report.sections.append((SECTION, text))
        return
    _make_harmless(shown)
    if not own.explained:
        shown.addsection(SECTION, text)
    crash = shown.reprcrash
    if crash is not None:
        first, newline, rest = crash.message.partition("\n")
        said = own.words.partition("\n")[0] if own.explained else first
        message = f"{one_line(said, _MESSAGE_LIMIT)}; {headline}{newline}{rest}"
        _put_crash(shown, ReprFileLocation(crash.path, crash.lineno, message))


def _put_crash(shown: ExceptionRepr, crash: ReprFileLocation) -> None:
    shown.reprcrash = crash
    if isinstance(shown, ExceptionChainRepr):
        # What goes to another process is put together from the chain.
        traceback, _, description = shown.chain[-1]
        shown.chain = [*shown.chain[:-1], (traceback, crash, description)]


def _make_harmless(shown: ExceptionRepr) -> None:
    """Write out what a terminal would obey, and bound every line."""
    for traceback in _tracebacks(shown):
        for entry in traceback.reprentries:
            whole: Any = entry
            whole.lines = [plain(line, _LINE_LIMIT) for line in entry.lines]
    if shown.reprcrash is not None:
        crash = shown.reprcrash
        message = plain(crash.message, _LINE_LIMIT)
        _put_crash(shown, ReprFileLocation(crash.path, crash.lineno, message))


def _tracebacks(shown: ExceptionRepr) -> list[ReprTraceback]:
    if isinstance(shown, ExceptionChainRepr):
        return [traceback for traceback, _, _ in shown.chain]
    return [shown.reprtraceback]
