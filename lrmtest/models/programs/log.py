"""The log of a program that lrmtest runs, bounded, and the lines of it that explain a failure."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, NamedTuple, cast

_KEPT_LINES = 2000
_LINE_BYTES = 2000
_CHUNK_BYTES = 64 << 10
_FILE_BYTES = 8 << 20
_SHOWN_LINES = 6
_SHOWN_CHARS = 300

_MAY_HOLD_KEY = re.compile(r"api.?key", re.I)
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# What stands before the message: vLLM's "(EngineCore pid=7) ERROR 11-24 08:37:06 [core.py:9]",
# llama-server's "0.00.023.809 E srv    load_model:".
_PREFIX = re.compile(
    r"^(?P<process>(?:\(\w[\w =-]* pid=\d+\) ?)*)"
    r"(?:(?P<level>INFO|WARNING|ERROR|CRITICAL|DEBUG) [\d-]+ [\d:.]+ (?P<place>\[[^\]]*\]) ?)?"
    r"(?:[\d.]+ (?P<letter>[DEWI]) (?:(?:srv|slot|cmn|que|log) +)?)?"
)
_HARMLESS_LEVELS = {"INFO", "WARNING", "DEBUG", "I", "W", "D"}
# uvicorn's levels, those of torch and glog, Python's warnings, progress bars.
_HARMLESS = re.compile(
    r"^(?:INFO|WARNING|DEBUG): |^(?:\[rank\d+\]:)?\[?[IW]\d{4} |^\S+:\d+: \w*Warning: |\d%[^|]*\|"
)
_TRACEBACK = "Traceback (most recent call last)"
_CHAINED = re.compile(
    r"^During handling of the above exception|^The above exception was the direct cause"
)
_LAST_WORDS = re.compile(r"^Process \S+:$")  # what multiprocessing writes after an exception
# An exception that only says that another process has failed, or to look elsewhere.
_POINTER = re.compile(
    r"See (?:root cause above|stack trace)|stack trace above|check the logs for more details|"
    r"Engine core initialization failed|EngineCore encountered an issue|"
    r"^(?:BrokenPipe|ConnectionReset|EOF)Error\b"
)
_MESSAGE_LINES = 12
# What pydantic adds to a message.
_ADDED = re.compile(
    r" ?\[type=\w+, input_value=.*|^For further information visit .*|"
    r"^pydantic_core\S+ValidationError: \d+ validation errors? for \w+$"
)
_LOGGED = re.compile(r"\berror\b|\bfailed\b|\bfatal\b|\bcannot\b|\bunable to\b", re.I)
# Parts of a traceback, and sentences that only say that something else failed.
_EMPTY_TALK = re.compile(
    r"^\s|^File \"|Traceback|raise |\^\^|See root cause above|exiting due to|cleaning up|"
    r"EngineCore failed to start|Engine core initialization failed|WorkerProc failed to start|"
    r"failed to load model$|^common_fit_params:"
)


class ProcessLog:
    """Reads a program's output to its end, on a thread of its own, and keeps the last of it.

    At most 2,000 lines of 2,000 bytes are held, however much is written.

    Args:
        stream: what the program writes to.
        file: where all lines go too. At 8 MB it begins anew, and what was there is kept beside it.
    """

    def __init__(self, stream: IO[bytes], file: Path | None = None) -> None:
        self._stream = cast(BufferedReader, stream)
        self._file = LogFile(file) if file is not None else None
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="lrmtest-program-log", daemon=True)
        self._thread.start()

    def lines(self) -> list[str]:
        """The lines that are kept, oldest first, without colours and control characters."""
        with self._lock:
            return list(self._lines)

    @property
    def last_line(self) -> str:
        """The last line, cut, of those that cannot hold the key that the program was given."""
        with self._lock:
            shown = (line for line in reversed(self._lines) if not _MAY_HOLD_KEY.search(line))
            return next(shown, "")[:_SHOWN_CHARS]

    def finish(self, seconds: float) -> None:
        """Wait until everything was read; not longer than given."""
        self._thread.join(seconds)

    def _read(self) -> None:
        # A progress bar ends its lines by a carriage return alone.
        rest = b""
        with self._stream as stream:
            while chunk := stream.read1(_CHUNK_BYTES):
                *ended, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
                self._keep(ended)
                rest = rest[:_LINE_BYTES]
        self._keep([rest])

    def _keep(self, lines: list[bytes]) -> None:
        texts = [text for line in lines if (text := _clean(line)).strip()]
        with self._lock:
            self._lines.extend(texts)
        if self._file is not None:
            self._file.write(texts)


class LogFile:
    """A file of at most 8 MB, and the one before it; a full disk stops nothing but the writing.

    Args:
        path: where; it is readable to this user only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, lines: list[str]) -> None:
        """Add lines, without their ends."""
        with suppress(OSError):
            if self._path.exists() and self._path.stat().st_size > _FILE_BYTES:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)


class _Line(NamedTuple):
    """A line of a log: who wrote it, from where, how grave it is, and what it says."""

    process: str
    place: str
    level: str
    text: str


class _Raised(NamedTuple):
    """An exception in a log: the process, the lines of its message, what it was chained to."""

    process: str
    message: list[str]
    chained: bool


def told_errors(lines: list[str]) -> list[str]:
    """The texts of a log in which a failure's cause may be looked for, the most telling first.

    The last exception of the innermost process, then those during whose handling it was raised,
    then the lines that are logged as errors. Where no exception says more than that something
    else failed, the lines without a level too, and those exceptions last. Never what is logged
    as information or warning, nor the frames of a traceback.
    """
    raised, rest = _read(lines)
    if chain := _last_chain(raised):
        texts = ["\n".join(error.message) for error in chain]
        return [*texts, "\n".join(line.text for line in rest if line.level)]
    return ["\n".join(line.text for line in rest), *("\n".join(e.message) for e in raised)]


def useful_lines(lines: list[str]) -> list[str]:
    """The few lines of a log that say why the program failed; its last ones when none does.

    The last exception of the innermost process comes before lines that merely mention an error;
    each is given once, without its time stamp, shortened.
    """
    raised, rest = _read(lines)
    if chain := _last_chain(raised):
        # Where it came from in a line each: a broken file's position, for instance.
        texts = [*(error.message[0] for error in chain[2:0:-1]), *chain[0].message]
        texts = [text for text in (_ADDED.sub("", text) for text in texts) if text] or texts
        return [_shortened(text) for text in dict.fromkeys(texts)][:_SHOWN_LINES]
    logged = [line.text for line in rest if line.level or _LOGGED.search(line.text)]
    plain = [line.text for line in rest], [_PREFIX.sub("", line) for line in lines]
    for texts in (
        [text for text in logged if not _EMPTY_TALK.search(text)],
        [error.message[0] for error in raised],
        *([text for text in texts if not _EMPTY_TALK.search(text)] for texts in plain),
    ):
        if texts:
            distinct = list(dict.fromkeys(text.strip() for text in texts))
            return [_shortened(text) for text in distinct[-_SHOWN_LINES:]]
    return []


def _read(lines: list[str]) -> tuple[list[_Raised], list[_Line]]:
    """The exceptions of a log, and its other lines that are neither information nor warning."""
    # Processes write in turns, and a record of vLLM's has its prefix on each of its lines.
    streams: dict[tuple[str, str], list[tuple[int, _Line]]] = {}
    for number, line in enumerate(lines):
        match = _PREFIX.match(line)
        assert match is not None  # every part of it is optional
        level = match["level"] or match["letter"] or ""
        text = line[match.end() :]
        if level not in _HARMLESS_LEVELS and not _HARMLESS.search(text):
            read = _Line(match["process"], match["place"] or "", level, text)
            streams.setdefault((read.process, read.place), []).append((number, read))
    raised: list[tuple[int, _Raised]] = []
    rest: list[tuple[int, _Line]] = []
    for stream in streams.values():
        _read_stream(stream, raised, rest)
    return [error for _, error in sorted(raised)], [line for _, line in sorted(rest)]


def _read_stream(
    stream: list[tuple[int, _Line]],
    raised: list[tuple[int, _Raised]],
    rest: list[tuple[int, _Line]],
) -> None:
    """Add one stream's exceptions, and what is no part of a traceback, with their places."""
    where, chained = "outside", False
    for number, line in stream:
        text = line.text.strip()
        if _TRACEBACK in text:
            where = "frames"
        elif _CHAINED.search(text):
            where, chained = "outside", True
        elif where == "frames" and text and not line.text.startswith(" "):
            raised.append((number, _Raised(line.process, [text], chained)))
            where, chained = "message", False
        elif where == "message" and _LAST_WORDS.search(text):
            where = "outside"
        elif where == "message" and text and len(raised[-1][1].message) < _MESSAGE_LINES:
            raised[-1][1].message.append(text)
        elif where == "outside" and text:
            rest.append((number, line))


def _last_chain(raised: list[_Raised]) -> list[_Raised]:
    """The last exception of the innermost process, before it those that it was chained to."""
    telling = [error for error in raised if not _POINTER.search("\n".join(error.message))]
    if not telling:
        return []
    innermost = max(telling, key=lambda error: _depth(error.process)).process
    chain: list[_Raised] = []
    for error in reversed([error for error in telling if error.process == innermost]):
        chain.append(error)
        if not error.chained:
            break
    return chain


def _depth(process: str) -> int:
    return 2 if "Worker" in process else 1 if "Engine" in process else 0


def _clean(line: bytes) -> str:
    text = _ESCAPE.sub("", line[:_LINE_BYTES].decode("utf-8", "replace"))
    return "".join(char if char.isprintable() else " " for char in text).rstrip()


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
