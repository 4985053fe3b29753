"""Questions as they were loaded: the set, its source, and what the user chose of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrmtest.questions.question import Question


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where questions come from, as the user chose it.

    Attributes:
        data_dir: local folder with the benchmarks' files; the hub is asked when it is None.
        fresh_count: how many questions a generated suite has.
        fresh_seed: seed of the generated questions.
        fresh_difficulty: from 1 to 5.
        is_offline: nothing is fetched; what the hub's cache has is read.
    """

    data_dir: Path | None = None
    fresh_count: int = 20
    fresh_seed: int = 0
    fresh_difficulty: int = 1
    is_offline: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where a set of questions came from, for the run's manifest.

    Attributes:
        kind: ``local``, ``hub``, ``generated`` or ``inline`` (given in the test file).
        name: file name, hub repository or generator.
        revision: hub commit, release or generator version; empty when there is none.
        sha256: hash of the bytes that were read, hex; empty for generated questions.
    """

    kind: str
    name: str
    revision: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Loaded questions and their source."""

    questions: tuple[Question, ...]
    source: Source
