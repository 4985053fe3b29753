"""The messages to a continuous integration service: a job summary and annotations."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from lrmtest.analysis.gate_said import gate_said
from lrmtest.errors import StoreError
from lrmtest.plugin.ending.summary import complaining, summaries
from lrmtest.plugin.session import LrmtestSession, session_of
from lrmtest.reports.annotations import (
    Level,
    annotation,
    decision_annotation,
    question_annotations,
)
from lrmtest.reports.failed import FailedQuestion, failed_questions
from lrmtest.reports.log_commands import resume_commands, stop_commands
from lrmtest.reports.markdown import markdown_report
from lrmtest.runs.files import write_whole

_MOST_BYTES = 1_000_000
"""GitHub refuses a step's summary above 1 MiB, whole."""

_LAST_LINES = pytest.StashKey[list[str]]()
"""What is printed at the very end, when the runner obeys again."""


def on_github() -> bool:
    """Whether this process runs in GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def shield_log(config: pytest.Config) -> None:
    """Keep the runner from obeying what a model's output may print, until the session ends."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not on_github() or not session_of(config).models.names:
        return
    word = secrets.token_hex(16)
    config.stash[_LAST_LINES] = [resume_commands(word)]
    reporter.ensure_newline()
    reporter.write_line(stop_commands(word))
    # Cleanups run last first, so that this comes after everything else, whatever happens.
    config.add_cleanup(partial(_print_last_lines, config))


def write_job_summary(pytest_session: pytest.Session) -> None:
    """Write ``--markdown``, add to the job's summary, and annotate what failed."""
    config = pytest_session.config
    session = session_of(config)
    job = os.environ.get("GITHUB_STEP_SUMMARY")
    path = session.settings.markdown
    if not (path or job or on_github()):
        return
    failed = _failed(session)
    with complaining(pytest_session):
        not_tested = {model: str(error) for model, error in session.generations.failures.items()}
        text = markdown_report(summaries(session), session.comparisons.results, failed, not_tested)
        if path is not None:
            write_whole(
                path,
                text,
                what="the summary",
                hint="the run itself is in the store; choose another file with --markdown",
            )
        if job and (session.collector.by_model() or not_tested):
            _append(Path(job), text)
    if _LAST_LINES in config.stash:
        config.stash[_LAST_LINES] += _annotations(config, session, failed)


def _failed(session: LrmtestSession) -> Mapping[str, list[FailedQuestion]]:
    broken = {
        compared.candidate.model: [
            flip.candidate.key for flip in compared.flips if flip.change == "broken"
        ]
        for compared in session.comparisons.results
    }
    return {
        model: failed_questions(
            records,
            session.collector.test_ids(model),
            session.collector.lines,
            threshold=session.settings.pass_threshold,
            broken=broken.get(model, ()),
        )
        for model, records in session.collector.by_model().items()
    }


def _annotations(
    config: pytest.Config, session: LrmtestSession, failed: Mapping[str, list[FailedQuestion]]
) -> list[str]:
    lines = [
        annotation("error", str(error), title=f"{model} could not be tested")
        for model, error in session.generations.failures.items()
    ]
    compared = {each.candidate.model: each for each in session.comparisons.results}
    for model, each in compared.items():
        said = gate_said(each)
        if each.decision is not None and said is not None:
            lines.append(decision_annotation(model, each.decision, said))
    shown: dict[Level, list[tuple[FailedQuestion, str]]] = {"error": [], "warning": []}
    for model, questions in failed.items():
        decision = compared[model].decision if model in compared else None
        for question in questions:
            if decision is not None and not question.broken and question.failure is not None:
                continue  # It failed before, too: the gate judges what has changed.
            calm = decision is not None and decision.result != "regressed"
            shown["warning" if calm else "error"].append(
                (question, _repository_path(config, question.test_id))
            )
    for level, questions_of_level in shown.items():
        lines += question_annotations(questions_of_level, level)
    return lines


def _repository_path(config: pytest.Config, test_id: str) -> str:
    """The test's file as GitHub names it, relative to the repository."""
    path = config.rootpath / test_id.partition("::")[0]
    workspace = os.environ.get("GITHUB_WORKSPACE")
    try:
        return path.relative_to(workspace or config.rootpath).as_posix()
    except ValueError:
        return path.name


def _append(path: Path, text: str) -> None:
    """Add to a step's summary, unless GitHub would refuse it then."""
    try:
        there = path.stat().st_size if path.exists() else 0
        data = text.encode("utf-8", "replace")
        if there + len(data) > _MOST_BYTES:
            data = b"The summary of lrmtest is too long for this page; use --markdown FILE.\n"
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise StoreError(
            f"the job summary cannot be written to {path}: {error.strerror or error}",
            hint="unset GITHUB_STEP_SUMMARY to do without it",
        ) from error


def _print_last_lines(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        for line in config.stash[_LAST_LINES]:
            reporter.write_line(line)
