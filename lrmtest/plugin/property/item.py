"""One test in property mode: the search, and what its report says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from lrmtest.plugin.items import model_of
from lrmtest.plugin.lines import line_writer
from lrmtest.plugin.model import Model
from lrmtest.plugin.property.examples import Examples
from lrmtest.plugin.property.result import SEARCHED, SmallestFailure
from lrmtest.plugin.property.trial import Trial, TriedModel
from lrmtest.plugin.session import LrmtestSession, session_of
from lrmtest.plugin.suites import Searched
from lrmtest.progress import Tell
from lrmtest.questions import Question
from lrmtest.questions.fresh.search import Findings, Search
from lrmtest.reports import smallest as words

_FOLDER = "failing"
_AT_ONCE = 16
"""Questions in a round, where ``--concurrency`` does not say how many the engine takes."""
_SECONDS_BETWEEN_LINES = 30.0


def search(item: pytest.Function, searched: Searched) -> None:
    """Search for the smallest question that fails a test.

    Raises:
        SmallestFailure: there is one.
        LrmtestError: a model could not be started, or no question of a round could be asked.
    """
    session = session_of(item.config)
    begun = time.monotonic()
    trial = _trial(item, searched, session)
    examples = Examples(
        session.settings.reports_dir / _FOLDER,
        searched.space,
        trial.model.name,
        session.models.against,
    )
    say = _teller(item.config)

    def told(findings: Findings) -> None:
        # At once, so that nothing is lost when the session is interrupted.
        if findings.smallest is not None:
            examples.save(findings.smallest)
        say(words.progress_text(searched.space.name, findings))

    findings = Search(
        searched.space,
        trial,
        room=lambda: trial.room,
        at_once=session.settings.engine_options.concurrency or _AT_ONCE,
        seed=session.settings.data.fresh_seed,
        examples=examples.load(),
        told=told,
    ).run()
    found = findings.smallest
    if found is None and not findings.unanswered:
        examples.forget()
    again = None if found is None else trial.again(found.question)
    result = words.SearchResult(
        model=trial.model.name,
        against=session.models.against,
        findings=findings,
        generations=trial.requested,
        generated=trial.generated,
        seconds=time.monotonic() - begun,
        again=again,
        kept=None if found is None else examples.path,
    )
    smallest = None if found is None else found.question.id
    item.stash[SEARCHED] = words.summary_text(result), smallest
    if found is not None:
        explanation = trial.explain(found.question)
        more = words.details(result, trial.model.prompt_of(found.question))
        raise SmallestFailure("\n".join([explanation, *more]))


def _trial(item: pytest.Function, searched: Searched, session: LrmtestSession) -> Trial:
    name = model_of(item)
    assert name is not None
    options = session.settings.search
    assert options is not None
    suite = searched.suite
    model = TriedModel(session.schedule(name), session.sources.source_of(name), item, suite)
    against = None
    if session.models.against is not None:
        say = line_writer(item.config)
        plan = session.schedule(session.models.against, say).plan([])
        source = session.sources.opened(session.models.against, plan, say)
        against = TriedModel(session.schedule(session.models.against), source, item, suite)
    return Trial(
        _caller(item),
        model,
        against,
        samples=session.settings.samples,
        generations=options.generations,
    )


def _caller(item: pytest.Function) -> Callable[[Question, Model], None]:
    """What calls the test's function with a question and a model in place of its fixtures'."""
    wanted = item._fixtureinfo.argnames
    fixtures = {name: item.funcargs[name] for name in wanted}

    def call(question: Question, model: Model) -> None:
        own: dict[str, Any] = {"question": question, "model": model}
        item.obj(**{name: own.get(name, value) for name, value in fixtures.items()})

    return call


def _teller(config: pytest.Config) -> Tell:
    """What prints a line now and then."""
    write = line_writer(config)
    last = time.monotonic()

    def say(line: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            write(line)

    return say
