"""Using a server that `lrmtest serve` keeps up: does it fit the run, and is it still there?"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.server.launch import Launch
from lrmtest.models.engines.server.warm_records import WarmRecord
from lrmtest.unicode import quote

_POLL_SECONDS = 0.2
_SHOWN_CHARS = 80


class WarmServer:
    """A server that another process keeps up: it can be waited for, but not be stopped.

    Args:
        record: of a server that was alive a moment ago.
    """

    def __init__(self, record: WarmRecord) -> None:
        self.record = record
        self._released = threading.Event()

    def wait(self) -> bool:
        """Wait until the server has ended, or `stop` is called; True."""
        while self.record.alive and not self._released.is_set():
            self._released.wait(_POLL_SECONDS)
        return True

    def stop(self, *, hasty: bool = False) -> None:
        """Leave the server to whoever keeps it, at once, `hasty` or not."""
        self._released.set()

    def failure(self) -> ModelError:
        """The error for its having ended."""
        return MachineryError(
            f"the warm server of model {self.record.model!r} has ended",
            hint=f"see {self.record.log}",
        )


def card_as_json(card: ModelCard) -> dict[str, Any]:
    """The card as JSON values, to be compared, without what is no matter of a server's start."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(card)))
    del values["file"]
    del values["request"]
    return values


def difference(
    record: WarmRecord,
    *,
    engine: str,
    card: ModelCard,
    files: Mapping[str, str],
    launch: Launch,
    concurrency: int | None,
) -> str | None:
    """Why a warm server is not the one that this run would start; None if it is.

    Whether its context is long enough it has to be asked itself, with the real prompts.

    Args:
        record: the warm server.
        engine, card: of the run.
        files: SHA-256 of the model's files as they are now.
        launch: how the run would start a server.
        concurrency: the requests at once that the user asks for; None for any number.
    """
    if record.engine != engine:
        return f"it runs on {record.engine}, not on {engine}"
    changed = [
        name for name in {**files, **record.files} if files.get(name) != record.files.get(name)
    ]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return f"the model's files have changed since: {quote(changed[0])}{more}"
    if record.version != launch.version:
        return f"it is {launch.program} {record.version}, and {launch.version} is installed now"
    if record.card != card_as_json(card):
        return "the model's card has changed since"
    settings = json.loads(json.dumps(dict(launch.settings)))
    for name in {**settings, **record.settings}:
        there, here = record.settings.get(name), settings.get(name)
        if there != here:
            there, here = _parts_that_differ(there, here)
            return f"its {name} are {_shown(there)}, and {_shown(here)} are asked for"
    if concurrency and record.concurrency and concurrency > record.concurrency:
        return f"it takes {record.concurrency} requests at once, and {concurrency} are asked for"
    return None


def welcome(record: WarmRecord) -> str:
    """What the user is told when the server is used."""
    minutes = max(0.0, time.time() - record.since) / 60
    up = f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
    return (
        f"{record.model}: using the warm server at {record.location}, up for {up}; "
        f"the {record.load_seconds:.1f} s that its start took are not part of this run"
    )


def _parts_that_differ(there: object, here: object) -> tuple[object, object]:
    """Two lists from the first word on that is not the same in both; anything else as it is."""
    if not (isinstance(there, list) and isinstance(here, list)):
        return there, here
    same = 0
    while there[same : same + 1] == here[same : same + 1]:
        same += 1
    return there[same:], here[same:]


def _shown(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return quote(text, _SHOWN_CHARS) or "none"
