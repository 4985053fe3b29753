"""The questions that the samples of another tool's log answer, and so how they are graded here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from lrmtest.errors import DataError, UsageError
from lrmtest.grading import Grade, Grader, grader_for
from lrmtest.questions.data import DataOptions, QuestionSet, Source
from lrmtest.questions.lettered_options import OPTION_LETTERS
from lrmtest.questions.matching import QuestionFinder
from lrmtest.questions.question import LABEL, OPTION, Question
from lrmtest.questions.rows import Row
from lrmtest.runs.formats.log import Log, LogSample
from lrmtest.suites.inline import question_of_row
from lrmtest.suites.registry import SUITES
from lrmtest.suites.suite import Suite

DEFAULT_BUDGET = 32768
"""Tokens; of a log that does not say what its budget was, for questions of its own."""

MARKED = "marked"
"""The kind of answers that nothing here can grade, such as programs: the log's own marks count."""

_AS_MARKED = "what the log's own grader calls right"

_OPTION_LINE = re.compile(r"^[ \t]*\(?([A-Z])[).:][ \t]+(\S.*)$", re.MULTILINE)


class LogQuestions(Protocol):
    """Finds the question that a sample answers.

    Attributes:
        suite: name of the suite that the questions are in.
        source: where they came from.
        budget: tokens that a completion may have had, unless the log says it.
    """

    suite: str
    source: Source
    budget: int

    def question(self, sample: LogSample) -> Question | None:
        """The sample's question; None when the suite has no such question."""
        ...

    def unusable(self, sample: LogSample) -> str:
        """Why nothing can be made of the sample, whatever its question; empty if it can."""
        ...


class SuiteQuestions:
    """The questions of a suite, found by their text, or by an id that says something.

    Args:
        suite: the suite.
        loaded: its questions.
    """

    def __init__(self, suite: Suite, loaded: QuestionSet) -> None:
        self.suite = suite.name
        self.source = loaded.source
        self.budget = suite.max_tokens
        self._finder = QuestionFinder(suite.prompt, loaded.questions)

    def question(self, sample: LogSample) -> Question | None:
        """The question whose text the sample contains, else the one of its id and its answer.

        An id alone is no proof: another release may have given it to another question. It counts
        if the log expects the same answer, and one that does not agree by chance.
        """
        found = self._finder.in_text(sample.asked)
        if found is not None:
            return found
        for name in sample.names:
            named = self._finder.named(name)
            if named is not None and _agrees(named, sample.targets):
                return named
        return None

    def unusable(self, sample: LogSample) -> str:
        """Nothing: the suite has the expected answer."""
        return ""


class OwnQuestions:
    """The log's own questions, with the answers that it expects.

    Args:
        log: the log; its task becomes the suite.
        kind: how answers are graded; `MARKED`: not here.

    Raises:
        UsageError: there is no grader for `kind`.
    """

    def __init__(self, log: Log, kind: str) -> None:
        if kind != MARKED:
            grader_for(kind)
        # Another tool's numbering must not be paired with that of a suite of ours.
        self.suite = f"imported-{log.task}" if log.task in SUITES else log.task
        self.source = Source("imported", log.file, log.tool, log.sha256)
        self.budget = DEFAULT_BUDGET
        self._kind = kind

    def question(self, sample: LogSample) -> Question | None:
        """The question as the log has it.

        Raises:
            DataError: the log does not say what a grader of this kind needs.
        """
        values: dict[str, object] = {
            "id": sample.id,
            "question": sample.asked or "\n".join(text for _, text in sample.prompt),
            "answer": [_AS_MARKED] if self._kind == MARKED else list(sample.targets),
        }
        if self._kind == OPTION:
            values["options"] = list(sample.options or _options_in(sample))
        hint = "choose another --kind, or name the suite that has these questions with --suite"
        return question_of_row(self.suite, self._kind, Row(sample.place, values, hint))

    def unusable(self, sample: LogSample) -> str:
        """That the log has nothing by which the sample could be graded."""
        if self._kind == MARKED:
            is_marked = sample.output is None or mark_of(sample) is not None
            return "" if is_marked else "the log calls it neither right nor wrong"
        return "" if sample.targets else "the log has no target for it"


def mark_of(sample: LogSample) -> bool | None:
    """What the log's own grader said of a sample; None when neither right nor wrong."""
    return sample.untargeted if sample.passed is None else sample.passed


def marked_grader(sample: LogSample) -> Grader:
    """A grader that says of any text what the log's own said of the sample."""
    passed = bool(mark_of(sample))
    words = f"{'right' if passed else 'wrong'} by {sample.mark or 'the log'}"
    return lambda _question, _text: Grade(words, correct=passed, score=float(passed))


def choose_suite(log: Log, data: DataOptions) -> SuiteQuestions:
    """The suite that has the most of a log's questions.

    Only what is at hand is tried: files in the data folder and generated questions. Of suites
    with the same questions (MuSiQue's contexts, FOLIO under two names) the first one counts.

    Raises:
        UsageError: none has any.
        DataError: the log is malformed.
    """
    read = (sample for sample in log.samples() if not sample.skipped)
    samples = list({sample.id: sample for sample in read}.values())
    best: SuiteQuestions | None = None
    most = 0
    tried: list[str] = []
    for suite in SUITES.values():
        loaded = _at_hand(suite, data)
        if loaded is None:
            continue
        tried.append(suite.name)
        candidate = SuiteQuestions(suite, loaded)
        matches = sum(candidate.question(sample) is not None for sample in samples)
        if matches > most:
            best, most = candidate, matches
    if best is None:
        raise UsageError(
            f"{log.file}: its questions are in none of the suites that are at hand "
            f"({', '.join(tried)})",
            hint="name the suite with --suite (--data-dir, --fresh-seed and --fresh-count say "
            "where its questions are), or grade by the log's own targets with --kind KIND",
        )
    return best


def _at_hand(suite: Suite, data: DataOptions) -> QuestionSet | None:
    if data.data_dir is None and not suite.name.startswith("fresh-"):
        return None
    try:
        return suite.load(data)
    except DataError:
        return None


def _agrees(question: Question, targets: Sequence[str]) -> bool:
    if question.kind in (LABEL, OPTION):
        return False
    expected = {_bare(reference) for reference in question.references}
    return any(_bare(target) in expected for target in targets)


def _bare(answer: str) -> str:
    text = " ".join(answer.casefold().split())
    return text.lstrip("0") or "0" if text.isdigit() else text


def _options_in(sample: LogSample) -> list[str]:
    """The options in a question's text: the last lines lettered from A on."""
    options: list[str] = []
    for letter, text in _OPTION_LINE.findall(sample.asked):
        if letter == "A":
            options = []
        if letter == OPTION_LETTERS[len(options) % len(OPTION_LETTERS)]:
            options.append(text.strip())
    return options
