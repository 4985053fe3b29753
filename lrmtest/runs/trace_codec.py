"""Traces and readings as bytes: exact, compact, and never larger than their head says.

A trace is a head of 10 bytes (version, flags, how many ids the prompt and the completion have),
and one zlib stream: the low halves of all ids, their high halves, then the log-probabilities, all
little-endian. High halves are zeros but for few ids and cost next to nothing. A reading's head
(11 bytes) says which of its arrays are there, and which only repeat another.

Of these bytes one may come from anywhere. A head that promises more than `MOST_TOKENS` is refused,
and a stream is unpacked up to what the head promises and no further.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from itertools import pairwise
from typing import Any

from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs.readings import FIGURES, Reading

MOST_TOKENS = 1 << 22
"""Of prompt and completion together; so many take 32 MiB in a trace and 80 in a reading."""

_VERSION = 1
_ENDED, _LOGPROBS = 1, 2  # flags of a trace
_TRACE_HEAD = struct.Struct("<BBII")
_READING_HEAD = struct.Struct(f"<BI{len(FIGURES)}sx")
_EMPTY, _OWN = 0, 1  # of a reading's array; above: the same as the array with this number less 2
_LEVEL = 6
_SWAPPED = sys.byteorder == "big"


def trace_to_bytes(trace: Trace) -> bytes:
    """A trace in bytes.

    Raises:
        ValueError: it is none that can be: see `Trace.fault`; or too long.
    """
    if (fault := trace.fault) is not None:
        raise ValueError(fault)
    _check_length(len(trace.prompt) + len(trace.tokens))
    ids = trace.prompt + trace.tokens
    halves = array("H", _little(ids))
    if _SWAPPED:
        halves.byteswap()
    low, high = halves[::2], halves[1::2]
    flags = _ENDED * trace.ended | _LOGPROBS * bool(trace.logprobs)
    head = _TRACE_HEAD.pack(_VERSION, flags, len(trace.prompt), len(trace.tokens))
    body = _little(low) + _little(high) + _little(trace.logprobs)
    return head + zlib.compress(body, _LEVEL)


def trace_from_bytes(data: bytes) -> Trace:
    """The inverse of `trace_to_bytes`; nothing in `data` is believed.

    Raises:
        ValueError: they are no trace.
    """
    flags, prompt, tokens = _head(_TRACE_HEAD, data, "trace")
    if flags & ~(_ENDED | _LOGPROBS):
        raise ValueError(f"a trace with flags {flags}, which are not known here")
    _check_length(prompt + tokens)
    count = prompt + tokens
    figures = tokens if flags & _LOGPROBS else 0
    body = _unpacked(data[_TRACE_HEAD.size :], 4 * count + 4 * figures)
    halves = array("H", bytes(4 * count))
    halves[::2] = _read("H", body[: 2 * count])
    halves[1::2] = _read("H", body[2 * count : 4 * count])
    if _SWAPPED:
        halves.byteswap()
    ids = _read("I", halves.tobytes())
    trace = Trace(
        prompt=ids[:prompt],
        tokens=ids[prompt:],
        logprobs=_read("f", body[4 * count :]),
        ended=bool(flags & _ENDED),
    )
    if (fault := trace.fault) is not None:
        raise ValueError(fault)
    return trace


def reading_to_bytes(reading: Reading) -> bytes:
    """A reading in bytes, without its place.

    Raises:
        ValueError: it is none that can be: see `Reading.fault`; or too long.
    """
    if (fault := reading.fault) is not None:
        raise ValueError(fault)
    _check_length(len(reading.written))
    kept: list[bytes] = []
    codes = bytearray()
    body: list[bytes] = []
    for name in FIGURES:
        values = _little(getattr(reading, name))
        if not values:
            codes.append(_EMPTY)
        elif values in kept:
            codes.append(2 + kept.index(values))
        else:
            codes.append(_OWN)
            body.append(values)
        kept.append(values)
    head = _READING_HEAD.pack(_VERSION, len(reading.written), bytes(codes))
    return head + zlib.compress(b"".join(body), _LEVEL)


def reading_from_bytes(data: bytes, place: Place) -> Reading:
    """The inverse of `reading_to_bytes`; nothing in `data` is believed.

    Raises:
        ValueError: they are no reading.
    """
    count, codes = _head(_READING_HEAD, data, "reading")
    _check_length(count)
    body = _unpacked(data[_READING_HEAD.size :], 4 * count * codes.count(_OWN))
    arrays: list[array[float]] = []
    ends = [4 * count * number for number in range(len(FIGURES) + 1)]
    pieces = iter([body[begin:end] for begin, end in pairwise(ends)])
    for number, code in enumerate(codes):
        if code == _EMPTY:
            arrays.append(array("f"))
        elif code == _OWN:
            arrays.append(_read("f", next(pieces)))
        elif code - 2 < number:
            arrays.append(arrays[code - 2])
        else:
            raise ValueError("a reading's array repeats one that comes later")
    reading = Reading(place, *arrays)
    if len(reading.written) != count:
        raise ValueError("a reading's arrays are not as long as its head says")
    if (fault := reading.fault) is not None:
        raise ValueError(fault)
    return reading


def _head(form: struct.Struct, data: bytes, what: str) -> tuple[Any, ...]:
    """What a head says behind its version."""
    if not isinstance(data, bytes) or len(data) < form.size:
        raise ValueError(f"a {what} is cut off")
    values = form.unpack_from(data)
    if values[0] != _VERSION:
        raise ValueError(f"a {what} of version {values[0]}; this lrmtest reads {_VERSION}")
    return values[1:]


def _check_length(tokens: int) -> None:
    if tokens > MOST_TOKENS:
        raise ValueError(f"{tokens:,} tokens; {MOST_TOKENS:,} are kept at most")


def _unpacked(data: bytes, size: int) -> bytes:
    """The content of a zlib stream that has just `size` bytes.

    Raises:
        ValueError: it has not, or is no such stream.
    """
    stream = zlib.decompressobj()
    try:
        body = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError(f"it cannot be unpacked: {error}") from error
    if len(body) != size or not stream.eof or stream.unused_data:
        raise ValueError("it does not hold what its head says")
    return body


def _little(values: array[int] | array[float]) -> bytes:
    """The values' bytes, little-endian."""
    if _SWAPPED:
        values = values[:]
        values.byteswap()
    return values.tobytes()


def _read(code: str, data: bytes) -> array:  # type: ignore[type-arg]  # by the code
    """The inverse of `_little`."""
    values = array(code, data)
    if _SWAPPED:
        values.byteswap()
    return values
