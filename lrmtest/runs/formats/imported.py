"""A log of another tool becomes a run, graded here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from lrmtest.errors import DataError, UsageError
from lrmtest.grading import Completion, Verdict, grade
from lrmtest.grading.split import DEFAULT_TAGS, Tags
from lrmtest.models.engines.options import COLUMN
from lrmtest.models.engines.recorded.completion import recorded_completion
from lrmtest.models.engines.recorded.end_column import EndColumn
from lrmtest.models.engines.recorded.finish_reason import Ends
from lrmtest.models.spec import KnownTags
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.runs.formats.assign import MARKED, LogQuestions, mark_of, marked_grader
from lrmtest.runs.formats.log import Log, LogSample, Skipped
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.manifest import ImportSection, Manifest, ReasoningSection, SuiteSection
from lrmtest.runs.reasoning import ReasoningSeen, section_of, together, with_seen
from lrmtest.runs.records import RunHead
from lrmtest.runs.store import Store
from lrmtest.suites.stored_graders import own_grader, stored_grader


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
        skipped: samples that nothing became of, by reason.
        compared: completions that the log's own grader calls plainly right or wrong.
        disagreements: those of them that are graded otherwise here.
        marks: by what the log graded them, in the tool's words.
        reasoning: how its texts mark reasoning.
        remarks: what the log's reader found worth telling.
        unknown_ends: completions of which nothing says how they ended.
        end_column: what was read of the column that tells ends, in words; empty without one.
    """

    run: RunHead
    suite: str
    completions: int
    new: int
    errors: int
    left_out: tuple[str, ...]
    compared: int
    disagreements: tuple[Disagreement, ...]
    skipped: tuple[Skipped, ...] = ()
    marks: tuple[str, ...] = ()
    reasoning: ReasoningSection = field(default_factory=ReasoningSection)
    remarks: tuple[str, ...] = ()
    unknown_ends: int = 0
    end_column: str = ""


@dataclass(frozen=True, slots=True)
class _Placed:
    question: Question
    index: int
    sample: LogSample


@dataclass(slots=True)
class _LeftOut:
    """What nothing becomes of: questions that the suite does not have, samples by reason."""

    questions: dict[str, None] = field(default_factory=dict)
    skipped: dict[str, Skipped] = field(default_factory=dict)

    def skip(self, reason: str, id_: str) -> None:
        known = self.skipped.get(reason, Skipped(reason, 0, id_))
        self.skipped[reason] = replace(known, count=known.count + 1)


@dataclass(frozen=True, slots=True)
class CheckedLog:
    """A log that was read and graded as a whole, of which nothing is written yet.

    Attributes:
        log: the log.
        assignment: finds the questions.
        tags: the model's reasoning tags.
        told: what the user says of how its texts ended, where the log does not.
        verdicts: of its samples in their order; None for one without a completion.
        reasoning: how its texts mark reasoning.
        left_out: what nothing becomes of.
        end_column: what was read of the column that tells ends; None without one.
    """

    log: Log
    assignment: LogQuestions
    tags: Tags
    told: Ends
    verdicts: tuple[Verdict | None, ...]
    reasoning: ReasoningSection
    left_out: _LeftOut
    end_column: EndColumn | None = None

    def samples(self) -> Iterator[tuple[_Placed, Completion | None, Verdict | None]]:
        """The samples whose question is known, with completion and verdict, if there are any."""
        column = _column(self.told)
        completions = _completions(
            self.log, self.assignment, self.tags, self.told, column, _LeftOut()
        )
        for (placed, completion), verdict in zip(completions, self.verdicts, strict=True):
            yield placed, completion, verdict


def check_log(
    log: Log, assignment: LogQuestions, tags: Tags, told: Ends | None = None
) -> CheckedLog:
    """Read and grade a whole log, before anything is written and anybody kept from writing.

    Args:
        log: the log.
        assignment: finds the questions.
        tags: the model's reasoning tags.
        told: what the user says of how its texts ended, where the log does not.

    Raises:
        DataError: a malformed sample, none that can be placed, or a column that no row has.
    """
    told = told or Ends()
    left_out = _LeftOut()
    column = _column(told)
    first: Any = None
    verdicts: list[Verdict | None] = []
    seen = ReasoningSeen(tags)
    for placed, completion in _completions(log, assignment, tags, told, column, left_out):
        first = first or placed.sample.row
        if completion is None:
            verdicts.append(None)
            continue
        seen.look_at(completion.text)
        verdicts.append(_verdict(assignment.suite, placed, completion, tags))
    if column is not None:
        column.check(log.file, first)
    if verdicts:
        known = KnownTags(tags, "option" if tags else "")
        reasoning = with_seen(section_of(known), seen)
        graded = tuple(verdicts)
        return CheckedLog(log, assignment, tags, told, graded, reasoning, left_out, column)
    if left_out.questions:
        raise DataError(
            f"{log.file}: none of its questions is in suite {assignment.suite}",
            hint="name another with --suite, or grade by the log's own targets with --kind KIND",
        )
    reasons = "; ".join(left_out.skipped) or "no samples"
    raise DataError(
        f"{log.file}: nothing in it can be imported: {reasons}",
        hint="docs/logs.md has what is read of such logs",
    )


def write_log(store: Store, checked: CheckedLog, *, name: str) -> Imported:
    """Write a log into a store as a run, in one transaction.

    The tasks of one invocation of the tool become the suites of one run. A log that is there
    already changes nothing.

    Args:
        store: where to.
        checked: the log.
        name: the model's name in reports.

    Raises:
        UsageError: the run has this suite already, from another log.
        StoreError: the store cannot be written. Whatever is raised, nothing has been written.
    """
    with store.transaction():
        return _write(store, checked, name)


def _write(store: Store, checked: CheckedLog, name: str) -> Imported:
    log, assignment = checked.log, checked.assignment
    run = _open_run(store, checked, name)
    questions: dict[str, tuple[Question, tuple[tuple[str, str], ...]]] = {}
    graded: list[tuple[str, Verdict]] = []
    disagreements: list[Disagreement] = []
    compared = correct_there = new = untold = 0
    marks: dict[str, None] = {}
    for each, completion, verdict in checked.samples():
        question, sample = each.question, each.sample
        questions.setdefault(question.id, (question, sample.prompt))
        place = Place(_key(checked, each), assignment.suite, question.id, each.index)
        if completion is None or verdict is None:
            store.add_error(run.run_id, place, sample.error, 1)
            continue
        new += store.add_completion(run.run_id, place, completion)
        untold += completion.finish_reason == "unknown"
        graded.append((place.key, verdict))
        passed = mark_of(sample) if question.kind == MARKED else sample.passed
        if passed is not None:
            compared += 1
            correct_there += passed
            marks[sample.mark] = None
            if passed != verdict.correct:
                disagreements.append(Disagreement(question.id, each.index, passed, verdict))
    store.add_questions(
        run.run_id,
        [
            (assignment.suite, id_, question, prompt)
            for id_, (question, prompt) in questions.items()
        ],
    )
    store.set_verdicts(run.run_id, graded)
    origin = ImportSection(
        tool=log.tool,
        version=log.version,
        task=log.task,
        file=log.file,
        sha256=log.sha256,
        created=log.created,
        marked_by=", ".join(filter(None, marks)) or None,
        marked=compared or None,
        marked_correct=correct_there if compared else None,
    )
    samples = len(checked.verdicts)
    _describe_suite(store, run, log, assignment, questions, samples, origin)
    _describe_reasoning(store, run.run_id, checked.reasoning, new=bool(new))
    store.finish_run(run.run_id)
    return Imported(
        run=run,
        suite=assignment.suite,
        completions=len(graded),
        new=new,
        errors=samples - len(graded),
        left_out=tuple(checked.left_out.questions),
        compared=compared,
        disagreements=tuple(disagreements),
        skipped=tuple(checked.left_out.skipped.values()),
        marks=tuple(mark for mark in marks if mark),
        reasoning=checked.reasoning,
        remarks=log.remarks,
        unknown_ends=untold,
        end_column="" if checked.end_column is None else checked.end_column.line(),
    )


def _verdict(suite: str, placed: _Placed, completion: Completion, tags: Tags) -> Verdict:
    question = placed.question
    if question.kind == MARKED:
        grader = marked_grader(placed.sample)
    else:
        grader = stored_grader(suite, question.kind)
    return grade(question, completion, tags, grader)


def _column(told: Ends) -> EndColumn | None:
    return EndColumn(told.column) if told.column else None


def _completions(
    log: Log,
    assignment: LogQuestions,
    tags: Tags,
    told: Ends,
    column: EndColumn | None,
    left_out: _LeftOut,
) -> Iterator[tuple[_Placed, Completion | None]]:
    """The samples whose question is known, with their completions; None where there is none.

    Raises:
        DataError: a sample says what no completion can have.
    """
    ends = replace(told, budget=log.max_tokens or told.budget, assumed=assignment.budget)
    for placed in _placed(log, assignment, left_out):
        output = placed.sample.output
        if output is None:
            yield placed, None
            continue
        if column is not None:
            reason, word = column.end_of(placed.sample.row, placed.sample.index)
            output = replace(
                output,
                finish_reason=reason or output.finish_reason,
                finish_word=word or output.finish_word,
            )
        completion = recorded_completion(output, tags=tags, ends=ends)
        if (fault := completion.fault) is not None:
            raise DataError(
                f"{log.file}: sample {placed.sample.id}: {fault}",
                hint="the log is damaged, or was not written by the tool",
            )
        yield placed, completion


def _placed(log: Log, assignment: LogQuestions, left_out: _LeftOut) -> Iterator[_Placed]:
    """The samples whose question is known, each question's numbered from 0."""
    seen: Counter[str] = Counter()
    for sample in log.samples():
        reason = sample.skipped or assignment.unusable(sample)
        if reason:
            left_out.skip(reason, sample.id)
            continue
        question = assignment.question(sample)
        if question is None:
            left_out.questions[sample.id] = None
            continue
        yield _Placed(question, seen[question.id], sample)
        seen[question.id] += 1


def _key(checked: CheckedLog, placed: _Placed) -> str:
    return fingerprint(
        {
            "imported": checked.log.sha256,
            "ends": _said(checked),
            "suite": checked.assignment.suite,
            "question": placed.question.id,
            "sample": placed.index,
        }
    )


def _said(checked: CheckedLog) -> dict[str, Any]:
    """What the user says of how the texts ended: with other words they are other completions."""
    told = f"{COLUMN}{checked.told.column}" if checked.told.column else checked.told.told
    return {"budget": checked.told.budget, "told": told}


def _open_run(store: Store, checked: CheckedLog, name: str) -> RunHead:
    log, assignment = checked.log, checked.assignment
    ends = _said(checked)
    identity = fingerprint(
        {"tool": log.tool, "invocation": log.invocation, "model": name, "ends": ends}
    )
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
                "reasoning_tags": list(checked.tags or DEFAULT_TAGS),
                "ends": ends,
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
    origin: ImportSection,
) -> None:
    kinds = sorted({question.kind for question, _ in questions.values()})
    if kinds == [MARKED]:
        kinds = [own_grader(f"{origin.marked_by or 'marks'} of {log.tool}")]
    suite = SuiteSection(
        samples=-(-samples // len(questions)),
        questions=len(questions),
        source=assignment.source,
        answer_kinds=tuple(kinds),
        max_tokens=log.max_tokens,
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


def _describe_reasoning(store: Store, run_id: str, section: ReasoningSection, *, new: bool) -> None:
    """Put what a log's texts show to what those of the run's other suites did."""
    head = store.head(run_id)
    if head is None or (head.manifest.reasoning.texts and not new):
        return  # the log was imported before
    reasoning = together(head.manifest.reasoning, section)
    store.update_manifest(run_id, replace(head.manifest, reasoning=reasoning))


def _timestamp(created: str) -> str:
    try:
        time = datetime.fromisoformat(created)
    except ValueError:
        time = datetime.now(UTC)
    return f"{time:%Y%m%d-%H%M%S}"
