"""Server-sent events from servers that may be broken or hostile.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from typing import NamedTuple

MAX_EVENT_BYTES = 4 << 20
"""Far above any real event (one token's event is under a kilobyte)."""

_NAME_BYTES = 80


class EventTooLargeError(ValueError):
    """A line or an event is longer than the parser was told to hold."""


class ServerEvent(NamedTuple):
    """What is read of an event: its ``event`` field, mostly empty, and its ``data``."""

    name: str
    data: str


class EventParser:
    """Turns bytes, cut anywhere, into the events that have ``data``; all else is dropped.

    Linear in what it is fed and never holds more than `max_bytes` of it.

    Attributes:
        lines: complete lines seen so far, comments included: a sign that the server is alive.
    """

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self.lines = 0
        self._max_bytes = max_bytes
        self._line: list[bytes] = []
        self._line_bytes = 0
        self._data: list[str] = []
        self._data_bytes = 0
        self._name = ""
        self._after_cr = False

    @property
    def between_events(self) -> bool:
        """Whether nothing of an event, not even a line, is waiting for its end."""
        return not (self._line or self._data or self._name or self._after_cr)

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Every event that `chunk` completes.

        Raises:
            EventTooLargeError: a line or an event exceeds the limit.
        """
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the second half of a CRLF that was cut in two
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        *ended, rest = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        events: list[ServerEvent] = []
        for part in ended:
            self._grow(part)
            line = b"".join(self._line)
            self._line, self._line_bytes = [], 0
            self._end_line(line, events)
        if rest:
            self._grow(rest)
        return events

    def finish(self) -> list[ServerEvent]:
        """The event that the end of the stream cut off before its blank line."""
        events: list[ServerEvent] = []
        if self._line:
            self._end_line(b"".join(self._line), events)
        self._end_line(b"", events)
        self._line, self._line_bytes = [], 0
        return events

    def _grow(self, part: bytes) -> None:
        self._line_bytes += len(part)
        if self._line_bytes + self._data_bytes > self._max_bytes:
            raise EventTooLargeError(f"more than {self._max_bytes} bytes in one event")
        self._line.append(part)

    def _end_line(self, line: bytes, events: list[ServerEvent]) -> None:
        self.lines += 1
        if not line:
            if self._data:
                events.append(ServerEvent(self._name, "\n".join(self._data)))
            self._data, self._data_bytes, self._name = [], 0, ""
            return
        if self.lines == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data_bytes += len(line) + 1
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif field == b"event":
            self._name = value.removeprefix(b" ")[:_NAME_BYTES].decode("utf-8", "replace")
