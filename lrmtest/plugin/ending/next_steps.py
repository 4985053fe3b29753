"""The last lines of a session: where its report is, and the command to go on with."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from lrmtest.errors import LrmtestError
from lrmtest.options.exit_codes import CANNOT_TELL, UNDECIDED
from lrmtest.plugin.ending.finish import session_runs
from lrmtest.plugin.ending.guard import is_refused
from lrmtest.plugin.session import LrmtestSession
from lrmtest.reports.escape import one_line
from lrmtest.runs.records import RunRecord
from lrmtest.runs.reference import is_file

_LONGEST = 1000
_MOST_NAMED = 3
_DEFAULT_FOLDER = Path("reports")


_GOES_ON = "the same command, which generates only what is missing"
_ENDED = (
    *(pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR),
    *(UNDECIDED, CANNOT_TELL),
)
"""Exit statuses of sessions that came to their end; of the others the same command is to go on."""
_PRINTED = pytest.StashKey[bool]()


def print_next_steps(config: pytest.Config, session: LrmtestSession) -> None:
    """Print two lines, once, however the session has ended.

    None where they are switched off, with ``-qq``, or where no run was opened.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or _PRINTED in config.stash:
        return
    config.stash[_PRINTED] = True
    if not session.settings.next_steps or reporter.verbosity < -1:
        return
    if runs := _runs(session):
        ended = config.pluginmanager.get_plugin("session")
        broke = ended is None or ended.exitstatus not in _ENDED
        steps = _GOES_ON if broke else _next(session, runs)
        reporter.ensure_newline()
        reporter.write_line(one_line(_where(session, runs), _LONGEST))
        reporter.write_line(one_line(f"next: {steps}", _LONGEST))


def _runs(session: LrmtestSession) -> list[RunRecord]:
    """The runs that were opened, with what was graded of them.

    Not those of models that were refused, whose error says what to do.
    """
    graded = {run.model: run for run in session_runs(session)}
    failures = session.generations.failures
    return [
        graded.get(name) or generation.head.with_samples((), store=session.store.path)
        for name, generation in session.generations.begun.items()
        if name not in failures or not is_refused(failures[name])
    ]


def _where(session: LrmtestSession, runs: list[RunRecord]) -> str:
    settings = session.settings
    named = ", ".join(run.run_id for run in runs[:_MOST_NAMED])
    if len(runs) > _MOST_NAMED:
        named += f" and {len(runs) - _MOST_NAMED} more"
    where = f"run{'s' if len(runs) > 1 else ''} {named} in {_short(session.store.path)}"
    written = [settings.html, settings.markdown, settings.summary_json]
    where += "".join(f", {_short(path)}" for path in written if path is not None and path.exists())
    if settings.html is not None or not any(run.samples for run in runs):
        return where
    if session.comparisons.results:  # which a report of its own would not decide by as many options
        return f"{where}; as HTML: the same command with --html report.html"
    html = _command(session, "report", *(_name(session, run) for run in runs))
    return f"{where}; as HTML: {html} -o report.html"


def _next(session: LrmtestSession, runs: list[RunRecord]) -> str:
    """What most wants doing."""
    for run in runs:
        generation = session.generations.of(run.model)
        if not generation.complete and not generation.dropped:
            return _GOES_ON
    if (search := session.settings.search) is not None:
        for run in runs:
            for model, question in session.collector.smallest:
                if model == run.model:
                    return _command(session, "show", _name(session, run), question)
        return f"the same command with --generations {2 * search.generations}, which asks on"
    comparisons, options = session.comparisons, session.settings.comparison
    if any(comparisons.certified(run.model) for run in runs):
        return "the same command without --read, which generates what was only certified"
    for compared in comparisons.results:
        decision = compared.decision
        against = options.baseline or ""
        if not is_file(against):  # `last` is another run by now
            against = compared.baseline.run_id
        if decision is not None and decision.result in ("undecided", "cannot-tell"):
            return f"{_command(session, 'plan', '--baseline', against)} # what would decide it"
        if any(flip.kind == "broken" for flip in compared.flips):
            name = _name(session, compared.candidate)
            return _command(session, "triage", name, "--baseline", against)
    threshold = session.settings.pass_threshold
    for run in runs:
        if not all(outcome.passed(threshold) for outcome in run.outcomes.values()):
            return _command(session, "triage", _name(session, run))
    if comparisons.saved is not None:
        return _command(session, "plan", "--baseline", str(comparisons.saved))
    return _command(session, "show", _name(session, runs[0]))


def _name(session: LrmtestSession, run: RunRecord) -> str:
    """`last` where that is this run, else its id."""
    try:
        newest = session.store.run("last").run_id
    except LrmtestError:
        return run.run_id
    return "last" if newest == run.run_id else run.run_id


def _command(session: LrmtestSession, *words: str) -> str:
    """A command of lrmtest's that can be pasted where pytest was started."""
    folder = _short(session.store.path.parent)
    where = [] if folder == _DEFAULT_FOLDER else ["--reports-dir", str(folder)]
    return shlex.join(["lrmtest", *words, *where])


def _short(path: Path) -> Path:
    """Relative to the working directory, where it is inside."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
