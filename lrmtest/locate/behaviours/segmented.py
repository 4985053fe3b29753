"""Traces cut into segments: characters of their texts, and the tokens that say them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lrmtest.analysis.behaviours import SCORED, Segment
from lrmtest.analysis.shaded_trace import text_pieces
from lrmtest.models.reading import Written


@dataclass(frozen=True, slots=True, order=True)
class TokenSegment:
    """Tokens of a trace, those of its prompt counted, and which behaviour they are.

    Attributes:
        begin, end: the first token, and the one behind the last; `begin` is at least 1.
        behaviour: its number in `SCORED`.
    """

    begin: int
    end: int
    behaviour: int


@dataclass(frozen=True, slots=True)
class SegmentedTrace:
    """A trace with its segments of scored behaviours."""

    written: Written
    segments: Sequence[TokenSegment]

    @property
    def tokens(self) -> list[int]:
        """Of prompt and completion."""
        return [*self.written.trace.prompt, *self.written.trace.tokens]


@dataclass(frozen=True, slots=True)
class TraceText:
    """The text of a trace.

    Attributes:
        asked: of its prompt.
        pieces: of each of its own tokens.
    """

    asked: str
    pieces: Sequence[str]

    @property
    def text(self) -> str:
        """What was generated."""
        return "".join(self.pieces)


def text_of(written: Written, texts: Mapping[int, bytes]) -> TraceText:
    """The text of a trace, by the texts of its tokens."""
    asked = "".join(text_pieces(written.trace.prompt, texts))
    return TraceText(asked, text_pieces(written.trace.tokens, texts))


def segmented(
    written: Written, pieces: Sequence[str], segments: Iterable[Segment]
) -> SegmentedTrace:
    """A trace with the tokens of its segments.

    A token is in a segment if the first of its characters that is no blank is in there. Segments
    without a token, and those that are not scored, are left out.

    Args:
        written: the trace.
        pieces: the text of each of its own tokens.
        segments: of what they say together.
    """
    starts = _starts(pieces)
    prompt = len(written.trace.prompt)
    found = []
    for each in sorted(segments):
        if each.behaviour not in SCORED:
            continue
        begin = max(1, prompt + bisect_left(starts, each.begin))
        end = prompt + bisect_left(starts, each.end)
        if begin < end:
            found.append(TokenSegment(begin, end, SCORED.index(each.behaviour)))
    return SegmentedTrace(written, found)


def labels_of_tokens(pieces: Sequence[str], segments: Iterable[Segment]) -> list[str]:
    """What the segment of each token does; empty where it is in none."""
    starts = _starts(pieces)
    found = [""] * len(pieces)
    for each in segments:
        for place in range(bisect_left(starts, each.begin), bisect_left(starts, each.end)):
            found[place] = each.behaviour
    return found


def _starts(pieces: Sequence[str]) -> list[int]:
    """Where the first character of each token stands that is no blank; else its end."""
    starts: list[int] = []
    at = 0
    for piece in pieces:
        starts.append(at + len(piece) - len(piece.lstrip()))
        at += len(piece)
    return starts
