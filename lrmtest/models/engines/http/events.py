"""The events of a streamed completion: runs of plain ones at once, all others one by one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from lrmtest.models.engines.http.plain import PlainPieces, plain_pieces
from lrmtest.models.engines.http.sse import EventParser, ServerEvent

_MOST_WAITING = 64 << 10
_FEWEST_TRIED = 2
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ChatEvents:
    """Turns the bytes of a stream, cut anywhere, into pieces and events, in their order.

    What it hands on does not depend on how the bytes were cut, but for the length of the runs.
    `EventParser` says what is an event; runs that have the one form that servers use are cut at
    their blank lines alone.

    Args:
        take_run: is given pieces of plain events.
        take_event: is given any other event.
        runs: look for plain events; otherwise each goes to `take_event`.

    Raises:
        EventTooLargeError: in `feed`, as `EventParser`.
    """

    def __init__(
        self,
        take_run: Callable[[PlainPieces], None],
        take_event: Callable[[ServerEvent], None],
        *,
        runs: bool = True,
    ) -> None:
        self._take_run = take_run
        self._take_event = take_event
        self._parser = EventParser()
        self._rest = b""
        self._reasoning = False
        self._runs = runs

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
        if data.endswith((b"\n\n", b"\n\r\n")):
            self._cut(data)
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
        found = _bare_data(events)
        if found is not None:
            self._parser.lines += 2 * len(found)
        elif (found := _data_beside_others(events)) is not None:
            self._parser.lines += events.count(b"\n")
        if found is None:
            self._parse(events)
        elif found:
            self._take(found)

    def _take(self, events: list[bytes]) -> None:
        run = None
        if self._runs:
            run = plain_pieces(events, self._reasoning)
            run = run or plain_pieces(events, not self._reasoning)
        if run is not None:
            self._reasoning = run.reasoning
            self._take_run(run)
        elif len(events) <= _FEWEST_TRIED or not self._runs:
            for event in events:
                self._take_event(ServerEvent("", event.decode("utf-8", "replace")))
        else:
            half = len(events) // 2
            self._take(events[:half])
            self._take(events[half:])


def _bare_data(events: bytes) -> list[bytes] | None:
    """The data of events each of which is a line of data and a blank one; None if any is not."""
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


def _data_beside_others(events: bytes) -> list[bytes] | None:
    """The same where comments and other fields stand before the data."""
    events = events.replace(b"\r\n", b"\n")
    if b"\r" in events or events.startswith(_BYTE_ORDER_MARK):
        return None
    lines = events.split(b"\n")
    found = [line for line in lines if line.startswith(b"data:")]
    others = [line for line in lines if line and not line.startswith(b"data:")]
    if any(line == b"data" or _is_error(line) for line in others):
        return None
    behind = [after for line, after in pairwise(lines) if line.startswith(b"data:")]
    return None if any(behind) else [line[5:] for line in found]


def _is_error(line: bytes) -> bool:
    return line.startswith(b"event") and b"error" in line.lower()
