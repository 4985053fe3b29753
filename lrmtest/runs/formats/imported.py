"""A log of another tool becomes a run, graded here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lrmtest.errors import DataError, UsageError
from lrmtest.grading import Verdict, grade
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.recorded.completion import recorded_completion
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.runs.formats.assign import LogQuestions
from lrmtest.runs.formats.log import Log, LogSample
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.manifest import ImportSection, Manifest, SuiteSection
from lrmtest.runs.records import RunHead
from lrmtest.runs.store import Store
from lrmtest.suites.stored_graders import stored_grader


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A sample that the log's own grader and the grader here do not agree on.

    Attributes:
        question_id: the question.
        sample: which of its samples, from 0.
        passed: what the log said.
        verdict: what the grader here says.
    """

    question_id: str
    sample: int
    passed: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a log.

    Attributes:
        run: the run that it is in now.
        suite: the suite of its questions.
        completions: how many it had.
        new: how many of them the store did not have.
        errors: samples for which nothing was generated; engine errors here.
        left_out: the log's names of questions that the suite does not have.
        compared: completions that the log's own grader calls plainly right or wrong.
        disagreements: those of them that are graded otherwise here.
    """

    run: RunHead
    suite: str
    completions: int
    new: int
    errors: int
    left_out: tuple[str, ...]
    compared: int
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True, slots=True)
class _Placed:
    question: Question
    index: int
    sample: LogSample


def import_log(
    store: Store, log: Log, assignment: LogQuestions, *, name: str, tags: tuple[str, str]
) -> Imported:
    """Write a log into a store as a run, every completion graded.

    The tasks of one invocation of the tool become the suites of one run. A log that is there
    already changes nothing.

    Args:
        store: where to.
        log: the log.
        assignment: finds the questions.
        name: the model's name in reports.
        tags: the model's reasoning tags.

    Raises:
        DataError: a malformed sample, or none that can be placed.
        UsageError: the run has this suite already, from another log.
        StoreError: the store cannot be written. Whatever is raised, nothing has been written.
    """
    left_out: dict[str, None] = {}
    # A first pass over the whole log checks and grades it, before anybody is kept from writing.
    verdicts = [
        None if completion is None else _verdict(assignment.suite, placed, completion, tags)
        for placed, completion in _completions(log, assignment, tags, left_out)
    ]
    if not verdicts:
        raise DataError(
            f"{log.file}: none of its questions is in suite {assignment.suite}",
            hint="name another with --suite, or grade by the log's own targets with --kind KIND",
        )
    with store.transaction():
        return _write(store, log, assignment, verdicts, name=name, tags=tags, left_out=left_out)


def _write(
    store: Store,
    log: Log,
    assignment: LogQuestions,
    verdicts: Sequence[Verdict | None],
    *,
    name: str,
    tags: tuple[str, str],
    left_out: dict[str, None],
) -> Imported:
    """Write the samples and their verdicts, None for one without a completion."""
    run = _open_run(store, log, assignment, name, tags)
    questions: dict[str, tuple[Question, tuple[tuple[str, str], ...]]] = {}
    graded: list[tuple[str, Verdict]] = []
    disagreements: list[Disagreement] = []
    compared = new = 0
    samples = zip(_completions(log, assignment, tags, left_out), verdicts, strict=True)
    for (each, completion), verdict in samples:
        question, sample = each.question, each.sample
        questions.setdefault(question.id, (question, sample.prompt))
        place = Place(_key(log, assignment.suite, each), assignment.suite, question.id, each.index)
        if completion is None or verdict is None:
            store.add_error(run.run_id, place, sample.error, 1)
            continue
        new += store.add_completion(run.run_id, place, completion)
        graded.append((place.key, verdict))
        if sample.passed is not None:
            compared += 1
            if sample.passed != verdict.correct:
                disagreements.append(Disagreement(question.id, each.index, sample.passed, verdict))
    store.add_questions(
        run.run_id,
        [
            (assignment.suite, id_, question, prompt)
            for id_, (question, prompt) in questions.items()
        ],
    )
    store.set_verdicts(run.run_id, graded)
    _describe_suite(store, run, log, assignment, questions, len(verdicts))
    store.finish_run(run.run_id)
    return Imported(
        run=run,
        suite=assignment.suite,
        completions=len(graded),
        new=new,
        errors=len(verdicts) - len(graded),
        left_out=tuple(left_out),
        compared=compared,
        disagreements=tuple(disagreements),
    )


def _verdict(suite: str, placed: _Placed, completion: Completion, tags: tuple[str, str]) -> Verdict:
    question = placed.question
    return grade(question, completion, tags, stored_grader(suite, question.kind))


def _completions(
    log: Log, assignment: LogQuestions, tags: tuple[str, str], left_out: dict[str, None]
) -> Iterator[tuple[_Placed, Completion | None]]:
    """The samples whose question is known, with their completions; None where there is none.

    Raises:
        DataError: a sample says what no completion can have.
    """
    budget = log.max_tokens or assignment.budget
    for placed in _placed(log, assignment, left_out):
        output = placed.sample.output
        if output is None:
            yield placed, None
            continue
        completion = recorded_completion(output, tags=tags, budget=budget)
        if (fault := completion.fault) is not None:
            raise DataError(
                f"{log.file}: sample {placed.sample.id}: {fault}",
                hint="the log is damaged, or was not written by the tool",
            )
        yield placed, completion


def _placed(log: Log, assignment: LogQuestions, left_out: dict[str, None]) -> Iterator[_Placed]:
    """The samples whose question is known, each question's numbered from 0."""
    seen: Counter[str] = Counter()
    for sample in log.samples():
        question = assignment.question(sample)
        if question is None:
            left_out[sample.id] = None
            continue
        yield _Placed(question, seen[question.id], sample)
        seen[question.id] += 1


def _key(log: Log, suite: str, placed: _Placed) -> str:
    return fingerprint(
        {
            "imported": log.sha256,
            "suite": suite,
            "question": placed.question.id,
            "sample": placed.index,
        }
    )


def _open_run(
    store: Store, log: Log, assignment: LogQuestions, name: str, tags: tuple[str, str]
) -> RunHead:
    identity = fingerprint({"tool": log.tool, "invocation": log.invocation, "model": name})
    for run in store.runs(identity=identity):
        known = run.manifest.imported.get(assignment.suite)
        if known is not None and known.sha256 != log.sha256:
            raise UsageError(
                f"run {run.run_id} has suite {assignment.suite} already, from {known.file}",
                hint="give one of the two another name with --name",
            )
        return run
    manifest = Manifest.from_json(
        {
            "model": {
                "name": name,
                "engine": log.tool,
                "served_model": log.model,
                "reasoning_tags": list(tags),
            },
            **log.settings,
            "suites": {},
            "imported": {},
        }
    )
    return store.add_run(
        f"{name}-{_timestamp(log.created)}-{identity[:4]}", name, identity, manifest
    )


def _describe_suite(
    store: Store,
    run: RunHead,
    log: Log,
    assignment: LogQuestions,
    questions: Mapping[str, tuple[Question, Any]],
    samples: int,
) -> None:
    kinds = sorted({question.kind for question, _ in questions.values()})
    suite = SuiteSection(
        samples=-(-samples // len(questions)),
        questions=len(questions),
        source=assignment.source,
        answer_kinds=tuple(kinds),
        max_tokens=log.max_tokens,
    )
    origin = ImportSection(
        tool=log.tool,
        version=log.version,
        task=log.task,
        file=log.file,
        sha256=log.sha256,
        created=log.created,
    )
    name, manifest = assignment.suite, run.manifest
    store.update_manifest(
        run.run_id,
        replace(
            manifest,
            suites={**manifest.suites, name: suite},
            imported={**manifest.imported, name: origin},
        ),
    )


def _timestamp(created: str) -> str:
    try:
        time = datetime.fromisoformat(created)
    except ValueError:
        time = datetime.now(UTC)
    return f"{time:%Y%m%d-%H%M%S}"
