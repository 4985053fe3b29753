"""Turning places that were found, kept beside the store until their samples are there.

To find them two models read all traces. A session that is interrupted after that goes on with what
it had found; a file that is not as it was written is as good as none.
"""

from __future__ import annotations

import json
import zlib
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrmtest.bounded import read_bytes
from lrmtest.errors import DataError
from lrmtest.models.draft import DraftTurn
from lrmtest.runs.files import replacing
from lrmtest.runs.session_files import mark_of

_FORMAT = "turnings/1"
_MOST_BYTES = 512 << 20


class KeptTurnings:
    """The turning places of one run's samples.

    Args:
        store: the store's file.
        run_id: the run; what it is made of fixes each sample's place.
    """

    def __init__(self, store: Path, run_id: str) -> None:
        self._run_id = run_id
        self._path = store.with_name(f"{store.name}-turnings") / f"{mark_of(run_id)}.json"

    def read(self) -> dict[str, DraftTurn]:
        """What was found, by the samples' keys; nothing of a file that is not there, or damaged."""
        if not self._path.exists():
            return {}
        try:
            head, _, body = read_bytes(self._path, _MOST_BYTES).partition(b"\n")
            if int(head, 16) != zlib.crc32(body):
                return {}
            document = json.loads(body)
            if (document["lrmtest"], document["run"]) != (_FORMAT, self._run_id):
                return {}
            return {str(key): _turn(raw) for key, raw in document["turnings"].items()}
        except (DataError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return {}

    def add(self, turnings: Mapping[str, DraftTurn]) -> None:
        """Keep some more.

        Raises:
            StoreError: the file cannot be written.
        """
        kept = {key: _raw(turn) for key, turn in {**self.read(), **turnings}.items()}
        document = {"lrmtest": _FORMAT, "run": self._run_id, "turnings": kept}
        body = json.dumps(document).encode("ascii")
        if len(body) + 16 > _MOST_BYTES:
            return
        self._path.parent.mkdir(exist_ok=True)
        with replacing(self._path) as unfinished:
            unfinished.write_bytes(b"%08x\n" % zlib.crc32(body) + body)

    def forget(self) -> None:
        """All samples are there."""
        self._path.unlink(missing_ok=True)
        if self._path.parent.is_dir() and not any(self._path.parent.iterdir()):
            self._path.parent.rmdir()


def _raw(turn: DraftTurn) -> list[Any]:
    arrays = (b64encode(part.tobytes()).decode("ascii") for part in (turn.tokens, turn.logprobs))
    return [*arrays, turn.taken, turn.may_end, sorted(turn.silent)]


def _turn(raw: Any) -> DraftTurn:
    told, probable, taken, may_end, silent = raw
    tokens, logprobs = array("I"), array("f")
    tokens.frombytes(b64decode(told, validate=True))
    logprobs.frombytes(b64decode(probable, validate=True))
    if not 0 <= taken <= len(tokens) or len(logprobs) not in (0, len(tokens)):
        raise ValueError("figures that do not go together")
    return DraftTurn(tokens, int(taken), logprobs, bool(may_end), frozenset(map(int, silent)))
