"""The log of a program that lrmtest runs, bounded, and the lines of it that explain a failure."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

_KEPT_LINES = 2000
_LINE_BYTES = 2000
_CHUNK_BYTES = 64 << 10
_FILE_BYTES = 8 << 20
_SHOWN_LINES = 6
_SHOWN_CHARS = 300

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# What stands before the message: vLLM's "(EngineCore pid=7) ERROR 11-24 08:37:06 [core.py:9]",
# llama-server's "0.00.023.809 E srv    load_model:".
_PREFIX = re.compile(
    r"^(?:\(\w[\w -]* pid=\d+\) )?"
    r"(?:(?:INFO|WARNING|ERROR|CRITICAL|DEBUG) [\d-]+ [\d:.]+ \[[^\]]*\] ?)?"
    r"(?:[\d.]+ [EWI] (?:(?:srv|slot|cmn|que|log) +)?)?"
)
# "ValueError: ...", "torch.OutOfMemoryError: ...": the line of a Python traceback that says it.
_RAISED = re.compile(r"^(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit): \S")
_LOGGED = re.compile(r"^[\d.]+ E |\berror\b|\bfailed\b|\bfatal\b|\bcannot\b|\bunable to\b", re.I)
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
        self._file = _LogFile(file) if file is not None else None
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="lrmtest-program-log", daemon=True)
        self._thread.start()

    def lines(self) -> list[str]:
        """The lines that are kept, oldest first, without colours and control characters."""
        with self._lock:
            return list(self._lines)

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


class _LogFile:
    """A file of at most 8 MB, and the one before it; a full disk stops nothing but the writing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, lines: list[str]) -> None:
        with suppress(OSError):
            if self._path.exists() and self._path.stat().st_size > _FILE_BYTES:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)


def useful_lines(lines: list[str]) -> list[str]:
    """The few lines of a log that say why the program failed; its last ones when none does.

    Exceptions come before lines that merely mention an error; each is given once, without its
    time stamp, shortened.
    """
    messages = [_PREFIX.sub("", line, count=1) for line in lines]
    raised = [text for text in messages if _RAISED.search(text) and not _EMPTY_TALK.search(text)]
    logged = [
        text
        for line, text in zip(lines, messages, strict=True)
        if _LOGGED.search(_after_process(line)) and not _EMPTY_TALK.search(text)
    ]
    chosen = raised or logged or [text for text in messages if not _EMPTY_TALK.search(text)]
    distinct = list(dict.fromkeys(text.strip() for text in chosen))
    return [_shortened(text) for text in distinct[-_SHOWN_LINES:]]


def _after_process(line: str) -> str:
    return re.sub(r"^\([^)]*\) ", "", line, count=1)


def _clean(line: bytes) -> str:
    text = _ESCAPE.sub("", line[:_LINE_BYTES].decode("utf-8", "replace"))
    return "".join(char if char.isprintable() else " " for char in text).rstrip()


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
