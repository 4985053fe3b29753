"""Questions that failed in earlier searches: one JSON file each, asked first the next time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrmtest.bounded import SETTINGS, read_json
from lrmtest.errors import DataError, StoreError
from lrmtest.questions.fresh import VERSION
from lrmtest.questions.fresh.draws import Draws
from lrmtest.questions.fresh.space import DrawnQuestion, Space
from lrmtest.runs.files import write_whole
from lrmtest.runs.rows import question_to_json
from lrmtest.runs.store import utc_now

_FORMAT = "failing-question/1"
_MOST = 8
"""How many of other models' examples are asked."""


class Examples:
    """The examples of one space, of all models.

    Args:
        folder: where the files are.
        space: the questions.
        model: the model under test.
        against: the model that is to pass, if there is one.
    """

    def __init__(self, folder: Path, space: Space, model: str, against: str | None) -> None:
        self._folder = folder
        self._space = space
        self._models = {"model": model, "against": against}
        parts = [space.suite, f"d{space.difficulty}", model]
        parts += [] if against is None else ["against", against]
        self.path = folder / (re.sub(r"[^\w.-]", "_", "-".join(parts)) + ".json")
        self._written: Draws | None = None

    def load(self) -> list[Draws]:
        """What failed before: first here, then with other models, the newest first.

        Raises:
            StoreError: a file cannot be read.
        """
        found = []
        for path in self._folder.glob("*.json"):
            content = _read(path)
            if self._about_the_same(content):
                draws = tuple(int(draw) for draw in content["draws"])
                found.append((path == self.path, str(content["found"]), draws))
        found.sort(reverse=True)
        return list(dict.fromkeys(draws for _, _, draws in found))[:_MOST]

    def _about_the_same(self, content: Mapping[str, Any]) -> bool:
        """Whether an example's draws make the question that they made then."""
        return (content["suite"], content["difficulty"], content["version"]) == (
            self._space.suite,
            self._space.difficulty,
            VERSION,
        )

    def save(self, drawn: DrawnQuestion) -> None:
        """Keep an example in place of the last one.

        Raises:
            StoreError: it cannot be written.
        """
        if drawn.draws == self._written:
            return
        content = {
            "lrmtest": _FORMAT,
            "suite": self._space.suite,
            "difficulty": self._space.difficulty,
            "version": VERSION,
            **self._models,
            "found": utc_now(),
            "draws": list(drawn.draws),
            "question": question_to_json(drawn.question),
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_whole(self.path, text + "\n", what="the failing question", private=False)
        self._written = drawn.draws

    def forget(self) -> None:
        """Nothing fails here any more.

        Raises:
            StoreError: the file cannot be removed.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"the failing question cannot be removed from {self.path}: {error.strerror}",
                hint="check the folder; --reports-dir chooses another one",
            ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path, SETTINGS)
        if content["lrmtest"] != _FORMAT or not all(type(n) is int for n in content["draws"]):
            raise ValueError(f"it is no {_FORMAT}")
        _ = content["suite"], content["difficulty"], content["version"], content["found"]
    except (DataError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"the failing question in {path} cannot be read: {error}",
            hint="move the file away and give the same command again",
        ) from error
    found: dict[str, Any] = content
    return found
