"""Suites of one's own, from any dataset on the Hugging Face hub, or a copy of it in a folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrmtest.bounded import DOCUMENT, read_bytes
from lrmtest.errors import DataError, UsageError
from lrmtest.grading import Grader, grade_by_kind
from lrmtest.questions.data import DataOptions, QuestionSet, Source
from lrmtest.questions.dataset_card import CARD, CARD_BYTES, CardFiles, files_told
from lrmtest.questions.dataset_files import Wanted, choose_files, files_in
from lrmtest.questions.hub import HubFile, download, file_names
from lrmtest.questions.prompt import fields_of
from lrmtest.questions.question import EXPRESSION, INTEGER, LABEL, LABELS, OPTION
from lrmtest.questions.rows import Row, parse_rows
from lrmtest.questions.sources import Release, build_all, check_folder
from lrmtest.suites.hub_rows import AnswerColumn, Columns, RowReader, shown_fields
from lrmtest.suites.suite import PASS, DefaultBudget, Suite, SuiteDescription
from lrmtest.unicode import quote

_BUDGET = DefaultBudget(16384)
_REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)

_REASON = "Reason step by step. Then "
_ENDS = {
    INTEGER: r"give the final answer once, as an integer in \boxed{}.",
    EXPRESSION: r"give the final answer once, in \boxed{}.",
    OPTION: "end with one line that names the letter of the right option in parentheses, like "
    "this:\nAnswer: (X)",
    LABEL: "end with one line that is exactly one of these:\n"
    + "\n".join(f"Answer: {label}" for label in LABELS),
}
_END = "end with one line that holds only the answer:\nAnswer: <answer>"


def suite_from_hub(
    dataset: str,
    *,
    question: str,
    answer: AnswerColumn,
    name: str = "",
    revision: str = "main",
    config: str = "",
    split: str = "",
    file: str = "",
    options: str | Sequence[str] = (),
    id: str = "",
    where: Mapping[str, Any] | None = None,
    prompt: str = "",
    kind: str = "",
    max_tokens: int | None = None,
    grader: Grader | None = None,
    primary: str = PASS,
) -> Suite:
    """A suite whose questions are a dataset's on the hub, fetched when they are needed.

    With ``--data-dir DIR`` they are read from a copy of the dataset in ``DIR/OWNER/NAME`` or
    ``DIR/NAME`` and nothing is fetched.

    Args:
        dataset: the dataset's repository: ``openai/gsm8k``.
        question: the column with the question's text, ``{question}`` in the prompt.
        answer: the column with the answer: a text, a number, or a list of an answer and its
            aliases. Of options: a letter, an option's text or label, or its place counted from 0;
            with one column an option, the name of the right one. Or a function of a row, a
            mapping by column, that returns the like.
        name: the suite's name, as in reports; without it the dataset's.
        revision: the commit that is asked. A branch is resolved when it is asked, and the commit
            recorded; another commit is another run.
        config: which of the dataset's files, by a configuration that its card says, or their
            names.
        split: which of them, by a split that the card says, or their names.
        file: or by a file's name. A dataset of one file needs none of the three.
        options: the column with a list of options, or the columns with an option each. Where
            `answer` names one of these, their order is fixed by the question's id.
        id: the column with the ids; without it a hash of what is asked is the id.
        where: by column, the value, or one of several values, of the rows that are asked.
        prompt: template of the user message. ``{column}`` stands for a column, its name in lower
            case with ``_`` for all but letters. Without it, what fits the kind.
        kind: how answers are graded, as in `lrmtest.Question`; ``option`` where there are options,
            with a grader the suite's name, else it must be given.
        max_tokens: as for `lrmtest.suite_from_jsonl`.
        grader: as there.
        primary: as there.

    Raises:
        UsageError: what is given does not fit together.
    """
    if not _REPO.fullmatch(dataset):
        raise UsageError(
            f"{quote(dataset, 80)!r} names no dataset on the hub",
            hint="write its owner and its name: openai/gsm8k",
        )
    name = name or dataset.partition("/")[2]
    kind = kind or (OPTION if options else name if grader else "")
    if not kind:
        raise UsageError(
            f"suite {name!r}: nothing says how its answers are graded",
            hint="give kind='integer' or another one, options= or grader= (docs/suites.md)",
        )
    if kind == OPTION and not options:
        raise UsageError(
            f"suite {name!r}: kind {OPTION!r} needs options=",
            hint="name the column that has the options, or the columns with one each",
        )
    columns = Columns(
        question,
        answer,
        options if isinstance(options, str) else tuple(options),
        id,
        dict(where or {}),
    )
    template = prompt or _prompt(kind, has_options=bool(options))
    if own := [field for field in fields_of(template) if field in ("answer", "id", "kind")]:
        raise UsageError(
            f"suite {name!r}: {{{own[0]}}} in a prompt would be lrmtest's own, and not a column",
            hint="a question must not show its answer",
        )
    wanted = Wanted(config, split, file)
    questions = _HubQuestions(dataset, revision, wanted, columns, name, kind, template)
    return Suite(
        name,
        questions.load,
        template,
        _BUDGET if max_tokens is None else max_tokens,
        grader or grade_by_kind,
        primary=primary,
        described=SuiteDescription(
            title=f"Questions of {dataset}", kinds=(kind,), releases=(questions.release(),)
        ),
    )


def _prompt(kind: str, *, has_options: bool) -> str:
    asked = "{question}\n{options_text}" if has_options else "{question}"
    return f"{asked}\n\n{_REASON}{_ENDS.get(kind, _END)}"


@dataclass(frozen=True, slots=True)
class _HubQuestions:
    """The questions of a dataset.

    Attributes:
        dataset, revision: on the hub.
        wanted: which of its files.
        columns: where in a row a question is.
        suite: the suite's name.
        kind: the answer kind.
        template: the prompt, which says what else of a row is asked.
    """

    dataset: str
    revision: str
    wanted: Wanted
    columns: Columns
    suite: str
    kind: str
    template: str

    def release(self) -> Release:
        """The dataset in words, for `lrmtest suites`."""
        said = [f"{self.wanted.config} {self.wanted.split}".strip(), self.wanted.file]
        return Release(
            name=self.suite,
            title=" ".join(filter(None, [self.dataset, *said])),
            names=self._folders(),
            rows=0,
            licence="see its card on the hub",
            hub=HubFile(self.dataset, self.wanted.file or "a file", self.revision),
            obtain=self._obtain(),
            fingerprinted=False,
        )

    def load(self, data: DataOptions) -> QuestionSet:
        """The questions; see `suite_from_hub`.

        Raises:
            DataError: no dataset, no file, no column, or a bad row.
            UsageError: the prompt shows the answer.
        """
        paths, source = self._from_hub(data) if data.data_dir is None else self._local(data)
        rows: list[Row] = []
        hashes, size = [], 0
        hint = "correct what suite_from_hub is given, or leave such rows out with where="
        for path in paths:
            content = read_bytes(path, DOCUMENT - size, hint="ask for one file of it: file=")
            size += len(content)
            hashes.append(hashlib.sha256(content).hexdigest())
            rows += parse_rows(content, _as_read(path.name, content), hint=hint)
        place = f"{self.dataset} ({', '.join(path.name for path in paths[:3])})"
        there = self.columns.check(rows, place)
        fields = shown_fields(self.columns, there, self.template, self.suite)
        reader = RowReader(self.suite, self.kind, self.columns, fields)
        questions = build_all(self.columns.asked(rows, place), reader.question)
        whole = hashlib.sha256("".join(hashes).encode()).hexdigest()
        sha256 = hashes[0] if len(hashes) == 1 else whole
        return QuestionSet(questions, Source(source.kind, source.name, source.revision, sha256))

    def _from_hub(self, data: DataOptions) -> tuple[list[Path], Source]:
        otherwise = self._obtain()
        told: dict[str, Any] = {
            "title": "dataset",
            "otherwise": otherwise,
            "is_offline": data.is_offline,
        }

        def fetched(name: str) -> tuple[Path, str]:
            return download(HubFile(self.dataset, name, self.revision), **told)

        chosen: Sequence[str] = (self.wanted.file,)
        commits = set()
        if not self.wanted.file:
            names, _ = file_names(self.dataset, self.revision, **told)
            card, commit = fetched(CARD) if CARD in names else (None, "")
            commits |= {commit} - {""}
            chosen = choose_files(names, self.wanted, place=self.dataset, told=_told(card))
        got = [fetched(name) for name in chosen]
        commits |= {commit for _, commit in got}
        if len(commits) > 1:
            raise DataError(
                f"{self.dataset} changed at {self.revision} while it was fetched",
                hint=f"try again, or pin a commit: revision={min(commits)!r}",
            )
        return [path for path, _ in got], Source("hub", self.dataset, commits.pop())

    def _local(self, data: DataOptions) -> tuple[list[Path], Source]:
        assert data.data_dir is not None
        check_folder(data.data_dir)
        folders = [data.data_dir / name for name in self._folders()]
        folder = next((each for each in folders if each.is_dir()), None)
        if folder is None:
            raise DataError(
                f"{data.data_dir} has no folder {' or '.join(self._folders())}",
                hint=f"{self._obtain()}; without --data-dir the hub is asked",
            )
        told = _told(folder / CARD)
        names = choose_files(files_in(folder), self.wanted, place=str(folder), told=told)
        return [folder / name for name in names], Source("local", self.dataset)

    def _folders(self) -> tuple[str, str]:
        return self.dataset, self.dataset.partition("/")[2]

    def _obtain(self) -> str:
        pinned = f" --revision {self.revision}" if self.revision != "main" else ""
        return (
            f"hf download {self.dataset} --repo-type dataset{pinned} "
            f"--local-dir DIR/{self.dataset} makes the copy that --data-dir DIR reads"
        )


def _told(card: Path | None) -> Sequence[CardFiles]:
    """What the card says of files; one that is not there, or cannot be read, says nothing."""
    if card is None or not card.is_file():
        return ()
    try:
        with card.open("rb") as file:
            return files_told(file.read(CARD_BYTES))
    except OSError:
        return ()


def _as_read(name: str, content: bytes) -> str:
    """The name that says how a file is read: many a ``.json`` has one object per line."""
    lines = name.endswith(".json") and content.lstrip()[:1] == b"{"
    first = content.lstrip().partition(b"\n")[0].rstrip() if lines else b""
    return f"{name}l" if first.endswith(b"}") and b"\n{" in content else name
