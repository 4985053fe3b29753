"""Sources of questions: a local folder, or the Hugging Face hub at a pinned revision."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrmtest.bounded import DOCUMENT, read_bytes
from lrmtest.errors import DataError, MissingDataError
from lrmtest.questions.data import DataOptions, QuestionSet, Source
from lrmtest.questions.hub import HubFile, download
from lrmtest.questions.question import Question
from lrmtest.questions.released import closest_list, in_released_order
from lrmtest.questions.rows import Row, parse_rows

_OTHER_VERSION = (
    "get a fresh copy (docs/data.md); questions of your own belong in a suite of your own: "
    "lrmtest.suite_from_jsonl"
)


@dataclass(frozen=True, slots=True)
class Release:
    """A benchmark as it was released: what its files are called and what must be in them.

    Attributes:
        name: short and unique, as in the run's manifest; names its list in ``released/``.
        title: the benchmark, for people.
        names: what the file may be called in a local folder; the first one there is read.
        rows: how many questions it has.
        licence: what its questions may be used under.
        hub: the file on the hub; None when the hub does not have it.
        obtain: where the file comes from, for somebody without it.
        fingerprinted: whether its questions are listed in ``released/`` and must match.
        sha256: of the file as published, hex; for a release without fingerprints.
        transcriptions: further lists in ``released/``, where others have published the same
            questions in other words or symbols. A file has to be one of them as a whole.
        request: what its authors ask of whoever has it, as in "its authors ask: ..."; mostly
            nothing. Said where its questions are shown, reported or written to a file.
    """

    name: str
    title: str
    names: tuple[str, ...]
    rows: int
    licence: str
    hub: HubFile | None
    obtain: str
    fingerprinted: bool = True
    sha256: str = ""
    transcriptions: tuple[str, ...] = ()
    request: str = ""

    def local_file(self, data_dir: Path) -> Path | None:
        """The release's file in `data_dir`; None when there is none."""
        return next((data_dir / name for name in self.names if (data_dir / name).is_file()), None)


def load_release(
    release: Release,
    options: DataOptions,
    build: Callable[[Row, int], Question],
    *,
    belongs: Callable[[Row], bool] | None = None,
) -> QuestionSet:
    """Reads a release and checks that it is complete and unchanged.

    Args:
        release: what to read.
        options: where from: the hub is asked when there is no ``data_dir``.
        build: makes the question of a row; the second argument counts the rows from 0.
        belongs: whether a row is the release's, where the file has others', too.

    Raises:
        DataError: no file, no access, or a file that is damaged or not the released one.
    """
    path, source = find_file(release, options)
    data = _read(path)
    sha256 = hashlib.sha256(data).hexdigest()
    published = release.hub.sha256 if source.kind == "hub" and release.hub else ""
    expected = release.sha256 or published
    if expected and sha256 != expected:
        raise DataError(
            f"{path}: not the released file of {release.title}\n"
            f"  expected sha256 {expected}\n  found    sha256 {sha256}",
            hint=_repair(path, source),
        )
    # Files of several parts may be called alike, each in a folder of its own.
    named = path.name if options.data_dir is None else path.relative_to(options.data_dir).as_posix()
    rows = parse_rows(data, named, hint=_repair(path, source))
    if belongs is not None:
        rows = [row for row in rows if belongs(row)]
    if not rows:
        raise DataError(f"{path}: no question of {release.title}", hint=_repair(path, source))
    questions = build_all(rows, build)
    revision = source.revision
    if release.fingerprinted:
        name = release.name
        if release.transcriptions:
            name = closest_list((name, *release.transcriptions), questions)
            revision = name if source.kind == "local" else revision
        questions = in_released_order(
            name,
            questions,
            [row.place for row in rows],
            file=str(path),
            hint=_repair(path, source),
        )
    elif len(questions) != release.rows:
        raise DataError(
            f"{path}: {len(questions)} questions, but {release.title} has {release.rows}",
            hint=_repair(path, source),
        )
    return QuestionSet(questions, Source(source.kind, source.name, revision, sha256))


def load_parts(
    name: str,
    parts: Sequence[tuple[Release, Callable[[Row, int], Question]]],
    options: DataOptions,
) -> QuestionSet:
    """Reads a benchmark that is released in several files, each a release, as one set.

    Args:
        name: the benchmark's, for the source of local files.
        parts: the files in their order, each with what makes the question of a row. No id may
            be in two of them.
        options: as for `load_release`.

    Returns:
        The questions of all parts. The source has the revisions of all, each once, and the
        SHA-256 over the files' own, in their order.

    Raises:
        DataError: as for `load_release`, for the first part that cannot be had.
    """
    loaded = [load_release(release, options, build) for release, build in parts]
    sources = [each.source for each in loaded]
    sha256 = hashlib.sha256("".join(source.sha256 for source in sources).encode()).hexdigest()
    questions = tuple(question for each in loaded for question in each.questions)
    if sources[0].kind == "local":
        return QuestionSet(questions, Source("local", name, name, sha256))
    repos, revisions = (
        ", ".join(dict.fromkeys(getattr(source, field) for source in sources))
        for field in ("name", "revision")
    )
    return QuestionSet(questions, Source(sources[0].kind, repos, revisions, sha256))


def build_all(rows: list[Row], build: Callable[[Row, int], Question]) -> tuple[Question, ...]:
    """One question per row, no id twice.

    Raises:
        DataError: a bad row, or one that repeats an earlier one's id.
    """
    first_place: dict[str, str] = {}
    questions = []
    for number, row in enumerate(rows):
        question = build(row, number)
        if question.id in first_place:
            raise DataError(
                f"{row.place}: question {question.id!r} is there already "
                f"({first_place[question.id]})",
                hint=row.hint,
            )
        first_place[question.id] = row.place
        questions.append(question)
    return tuple(questions)


def find_file(release: Release, options: DataOptions) -> tuple[Path, Source]:
    """The release's file and where it came from, its hash not filled in yet.

    Raises:
        MissingDataError: it is not in the local folder, not on the hub, or not for everybody.
        DataError: there is no such folder, or the hub cannot be asked.
    """
    if options.data_dir is None:
        return _from_hub(release, is_offline=options.is_offline)
    check_folder(options.data_dir)
    path = release.local_file(options.data_dir)
    if path is None:
        raise MissingDataError(
            f"{options.data_dir} has no {' or '.join(release.names)} ({release.title})",
            hint=release.obtain,
        )
    return path, Source("local", path.name, release.name)


def check_folder(data_dir: Path) -> None:
    """Refuse a data folder that does not exist.

    Raises:
        DataError: it is none.
    """
    if not data_dir.is_dir():
        raise DataError(
            f"the data folder {data_dir} does not exist",
            hint="correct --data-dir or LRMTEST_DATA_DIR; without either the hub is asked",
        )


def _from_hub(release: Release, *, is_offline: bool) -> tuple[Path, Source]:
    if release.hub is None:
        raise MissingDataError(
            f"{release.title} is not on the hub",
            hint=f"{release.obtain}; then {_use_local(release)}",
        )
    path, commit = download(
        release.hub, title=release.title, otherwise=_use_local(release), is_offline=is_offline
    )
    return path, Source("hub", release.hub.repo, commit)


def _read(path: Path) -> bytes:
    return read_bytes(path, DOCUMENT, hint="check its permissions")


def _use_local(release: Release) -> str:
    name = release.names[0]
    return f"give the folder that has {name} with --data-dir or LRMTEST_DATA_DIR (docs/data.md)"


def _repair(path: Path, source: Source) -> str:
    if source.kind == "hub":
        return f"delete {path.resolve()} and try again; it comes from the hub's cache"
    return _OTHER_VERSION
