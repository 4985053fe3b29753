"""The events of a streamed completion: runs of plain ones at once, all others one by one."""

from __future__ import annotations

import re
from collections.abc import Callable

from lrmtest.models.engines.http.plain import PlainPieces, plain_pieces
from lrmtest.models.engines.http.sse import EventParser, ServerEvent

_MOST_WAITING = 64 << 10
_FEWEST_TRIED = 2
# Comments, and fields that say nothing of an event's data, with the blank lines behind them.
_BESIDE = re.compile(rb"^(?::[^\r\n]*|(?:id|retry):[^\r\n]*|event: ?message)(?:\r?\n)+", re.M)


class ChatEvents:
    """Turns the bytes of a stream, cut anywhere, into pieces and events, in their order.

    What it hands on does not depend on how the bytes were cut, but for the length of the runs.
    `EventParser` says what is an event; runs that have the one form that servers use are cut at
    their blank lines alone.

    Args:
        take_run: is given pieces of plain events.
        take_event: is given any other event.

    Raises:
        EventTooLargeError: in `feed`, as `EventParser`.
    """

    def __init__(
        self,
        take_run: Callable[[PlainPieces], None],
        take_event: Callable[[ServerEvent], None],
    ) -> None:
        self._take_run = take_run
        self._take_event = take_event
        self._parser = EventParser()
        self._rest = b""
        self._reasoning = False

    @property
    def lines(self) -> int:
        """Complete lines seen so far, comments included: a sign that the server is alive."""
        return self._parser.lines

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        data = self._rest + data if self._rest else data
        self._rest = b""
        if not self._parser.between_events:
            end = data.find(b"\n\n") + 2
            if end < 2:
                self._parse(data)
                return
            self._parse(data[:end])
            data = data[end:]
            if not self._parser.between_events:
                self._parse(data)
                return
        end = max(data.rfind(b"\n\n") + 2, data.rfind(b"\n\r\n") + 3)
        if end >= 3:
            self._cut(data[:end])
            data = data[end:]
        if b"\n" in data or b"\r" in data or len(data) > _MOST_WAITING:
            self._parse(data)
        else:
            self._rest = data

    def finish(self) -> None:
        """Take the end of the stream, and with it an event that it cut off."""
        rest, self._rest = self._rest, b""
        self._parse(rest)
        for event in self._parser.finish():
            self._take_event(event)

    def _parse(self, data: bytes) -> None:
        for event in self._parser.feed(data):
            self._take_event(event)

    def _cut(self, events: bytes) -> None:
        """Take whole events."""
        found = _data_of(events) or _data_of(_BESIDE.sub(b"", events))
        if found is None:
            self._parse(events)
            return
        self._parser.lines += events.count(b"\n")
        self._take(found)

    def _take(self, events: list[bytes]) -> None:
        run = plain_pieces(events, self._reasoning) or plain_pieces(events, not self._reasoning)
        if run is not None:
            self._reasoning = run.reasoning
            self._take_run(run)
        elif len(events) <= _FEWEST_TRIED:
            for event in events:
                self._take_event(ServerEvent("", event.decode("utf-8", "replace")))
        else:
            half = len(events) // 2
            self._take(events[:half])
            self._take(events[half:])


def _data_of(events: bytes) -> list[bytes] | None:
    """The data of each event; None unless each is a line of data and a blank one."""
    field = b"data: " if events.startswith(b"data: ") else b"data:"
    line = b"\r\n" if events.endswith(b"\r\n") else b"\n"
    end = line + line
    if not (events.startswith(field) and events.endswith(end)):
        return None
    found = events[len(field) : -len(end)].split(end + field)
    lines = 2 * len(found)
    returns = lines if line == b"\r\n" else 0
    whole = events.count(b"\n") == lines and events.count(b"\r") == returns
    return found if whole else None
