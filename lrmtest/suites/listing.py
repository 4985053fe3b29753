"""The rows of `lrmtest suites`: each suite in figures and words, and whether it is here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from lrmtest.entry_points import offers_of
from lrmtest.errors import LrmtestError, UsageError
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.question import (
    EXPRESSION,
    INTEGER,
    LABEL,
    LABELS,
    OPTION,
    SEQUENCE,
    SHORT_TEXT,
)
from lrmtest.questions.sources import Release
from lrmtest.suites.own import OwnSuite, own_suites
from lrmtest.suites.registry import ALIASES, SUITE_GROUP, SUITES, offered_suite, suite_named
from lrmtest.suites.suite import Suite, SuiteDescription

Access = Literal["hub", "gated hub", "folder", "generated", "package", "project"]
"""How questions are had: fetched from the hub, after its owners were asked or without; read from
a folder of one's own; made on the spot; as a package brings them; or beside a project's tests."""

ANSWERS = {
    INTEGER: "integer",
    LABEL: ", ".join(LABELS),
    OPTION: "option letter",
    EXPRESSION: "expression",
    SEQUENCE: "words or numbers in order",
    SHORT_TEXT: "short text",
}
"""What an answer is, by answer kind."""


@dataclass(frozen=True, slots=True)
class SuiteSource:
    """One release that a suite can be read from.

    Attributes:
        name: the release's, as in manifests.
        title: the benchmark and its release.
        dataset: its repository on the hub; empty where the hub does not have it.
        revision: the commit there.
        hub_file: the file in the repository; empty where there is none.
        local_files: what the file may be called in a folder of one's own.
        licence: what its questions may be used under.
        gated: whether the hub wants to be asked for access.
        obtain: where the file comes from.
        request: what its authors ask of whoever has it; mostly nothing.
    """

    name: str
    title: str
    dataset: str
    revision: str
    hub_file: str
    local_files: tuple[str, ...]
    licence: str
    gated: bool
    obtain: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """One suite, as a list shows it.

    Attributes:
        name, title, kinds, max_tokens, primary: as in the suite.
        aliases: its other names.
        questions: how many there are, a number for each release that it may be; none where as
            many are made as are asked for, or only the data say.
        readable: how many can be had here now without a network.
        missing: why none can; empty where they can.
        next_step: what to do about it.
        access: the ways to its questions, the first one that is tried first.
        sources: the releases; none for generated and own questions.
        package: the package that offers it; empty for lrmtest's own.
        place: the test file that makes it, and the line; empty for suites that have a name.
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    kinds: tuple[str, ...]
    questions: tuple[int, ...]
    readable: int
    missing: str
    next_step: str
    access: tuple[Access, ...]
    sources: tuple[SuiteSource, ...]
    max_tokens: int
    primary: str
    package: str = ""
    place: str = ""

    @property
    def answer(self) -> str:
        """What an answer is, in words."""
        return " or ".join(ANSWERS.get(kind, kind) for kind in self.kinds)


def suite_rows(
    data: DataOptions, names: Iterable[str] = (), project: Path | None = None
) -> tuple[SuiteRow, ...]:
    """The rows of the suites called `names`; without any, of all, other packages' among them.

    Nothing is fetched. What a package offers and cannot be used has a row that says so.

    Args:
        data: where questions are looked for.
        names: suites or aliases.
        project: a folder whose test files may make further suites.

    Raises:
        UsageError: there is no suite of a name, or it cannot be used.
    """
    reader = _Reader(replace(data, is_offline=True))
    own = {} if project is None else {each.suite.name: each for each in own_suites(project)}
    if chosen := tuple(
        _own_row(own[name], reader) if name in own else _row(suite_named(name), reader)
        for name in names
    ):
        return chosen
    rows = [_row(suite, reader) for suite in SUITES.values()]
    rows += [_own_row(each, reader) for each in own.values()]
    for name in sorted(offers_of(SUITE_GROUP)):
        try:
            offered = offered_suite(name)
        except UsageError as error:
            wrong = _Readable(0, error.message, error.hint or "")
            rows.append(_unusable(name, wrong))
        else:
            assert offered is not None
            rows.append(_row(offered, reader))
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class _Readable:
    """How many questions can be read, else why none and what to do; the questions if they were."""

    count: int
    missing: str = ""
    next_step: str = ""
    loaded: QuestionSet | None = None


class _Reader:
    """Tries to read suites; what several of them share is read once."""

    def __init__(self, data: DataOptions) -> None:
        self._data = data
        self._read: dict[int, _Readable] = {}

    def read(self, suite: Suite, described: SuiteDescription) -> _Readable:
        """How much of a suite can be read."""
        if described.module:
            if find_spec(described.module) is not None:
                return _Readable(self._data.fresh_count)
            step = f"pip install 'lrmtest[{described.extra}]'"
            return _Readable(0, f"{described.module} is not installed", step)
        if described.base is not None and described.questions is not None:
            base = self._load(described.base)
            return replace(base, count=described.questions, loaded=None) if base.count else base
        return self._load(suite.load)

    def _load(self, load: Callable[[DataOptions], QuestionSet]) -> _Readable:
        if id(load) not in self._read:
            self._read[id(load)] = self._try(load)
        return self._read[id(load)]

    def _try(self, load: Callable[[DataOptions], QuestionSet]) -> _Readable:
        loaded = tried(load, self._data)
        if isinstance(loaded, LrmtestError):
            return _Readable(0, loaded.message, loaded.hint or "")
        return _Readable(len(loaded.questions), loaded=loaded)


def tried(
    load: Callable[[DataOptions], QuestionSet], data: DataOptions
) -> QuestionSet | LrmtestError:
    """A suite's questions, or why they cannot be had."""
    try:
        return load(data)
    except LrmtestError as error:
        return error
    except Exception as error:  # whatever a foreign package's loader does
        return LrmtestError(f"{type(error).__name__}: {error}".partition("\n")[0])


def _row(suite: Suite, reader: _Reader) -> SuiteRow:
    described = suite.described or SuiteDescription("")
    readable = reader.read(suite, described)
    kinds = described.kinds
    if not kinds and readable.loaded is not None:
        kinds = tuple(dict.fromkeys(question.kind for question in readable.loaded.questions))
    offers = [] if suite.name in SUITES else offers_of(SUITE_GROUP).get(suite.name, ())
    package = next((each.dist.name for each in offers if each.dist is not None), "")
    access = _access(suite, described)
    return SuiteRow(
        name=suite.name,
        title=described.title,
        aliases=tuple(alias for alias, name in ALIASES.items() if name == suite.name),
        kinds=kinds,
        questions=_questions(described, readable, access),
        readable=readable.count,
        missing=readable.missing,
        next_step=readable.next_step,
        access=access,
        sources=tuple(map(_source, described.releases)),
        max_tokens=suite.max_tokens,
        primary=suite.primary,
        package=package,
    )


def _own_row(own: OwnSuite, reader: _Reader) -> SuiteRow:
    row = _row(own.suite, reader)
    place = f"{own.file.as_posix()}:{own.line}"
    # A file beside the tests is nowhere else; a dataset is had as any other.
    access: tuple[Access, ...] = row.access if row.sources else ("project",)
    return replace(row, access=access, place=place, package="")


def _unusable(name: str, readable: _Readable) -> SuiteRow:
    """The row of a suite that a package offers and that cannot be used."""
    return SuiteRow(
        name=name,
        title="",
        aliases=(),
        kinds=(),
        questions=(),
        readable=0,
        missing=readable.missing,
        next_step=readable.next_step,
        access=("package",),
        sources=(),
        max_tokens=0,
        primary="",
    )


def _access(suite: Suite, described: SuiteDescription) -> tuple[Access, ...]:
    if suite.family is not None or described.module:
        return ("generated",)
    if not described.releases:
        return ("package",)
    hubs = [release.hub for release in described.releases if release.hub is not None]
    found: list[Access] = ["gated hub" if hub.is_gated else "hub" for hub in hubs]
    return ("folder", *dict.fromkeys(found))


def _questions(
    described: SuiteDescription, readable: _Readable, access: tuple[Access, ...]
) -> tuple[int, ...]:
    if described.questions is not None:
        return (described.questions,)
    if len(described.releases) > 1:
        return tuple(release.rows for release in described.releases)
    return (readable.count,) if readable.count and access != ("generated",) else ()


def _source(release: Release) -> SuiteSource:
    hub = release.hub
    return SuiteSource(
        name=release.name,
        title=release.title,
        dataset="" if hub is None else hub.repo,
        revision="" if hub is None else hub.revision,
        hub_file="" if hub is None else hub.path,
        local_files=release.names,
        licence=release.licence,
        gated=hub is not None and hub.is_gated,
        obtain=release.obtain,
        request=release.request,
    )
