"""A shaded trace: a trace's text token by token, and how much its reader disagrees at each place.

A token that ends inside a character has no text of its own: it is shown with the token that ends
the character, by the larger figure of both.
"""

from __future__ import annotations

import codecs
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log
from typing import Literal

from lrmtest.analysis.divergence import TraceFigures, token_variations, trace_figures
from lrmtest.models.reading import Reading, Shaping

Turning = Literal["", "may", "would"]
"""Whether the reader would turn at a token: it keeps it with a chance below one half (would), or
the bounds on that chance leave it open (may)."""

Figure = Literal["exact", "estimated", "bounded"]
"""What a token's figure is: the total variation of the whole distributions; its estimate from the
token, (1 - w)+; or bounds on that estimate."""

SHADES = (0.01, 0.1, 0.3, 0.6)
"""Total variation from which on a token has the first, second, ... shade; below it has none."""

_LOG_HALF = log(0.5)


@dataclass(frozen=True, slots=True)
class ShadedToken:
    """A token, or the few that make up a character together.

    Attributes:
        text: what it says, as it is: not made safe to show.
        place: of its first token in the trace, from 0.
        low, high: total variation at its place, in [0, 1]; the same where it is not bounded.
        turn: whether the reader would turn here.
    """

    text: str
    place: int
    low: float
    high: float
    turn: Turning

    @property
    def shade(self) -> int:
        """How dark it is, by its upper figure: 0 to 4, see `SHADES`."""
        return bisect_right(SHADES, self.high)


@dataclass(frozen=True, slots=True)
class ShadedTrace:
    """A trace as its reader sees it.

    Attributes:
        tokens: all of it, in order.
        figure: what the tokens' figures are.
        figures: of the trace as a whole.
        named: whether every token's text is known; others are shown as ``[token 123]``.
    """

    tokens: tuple[ShadedToken, ...]
    figure: Figure
    figures: TraceFigures
    named: bool

    @property
    def turns(self) -> list[ShadedToken]:
        """The tokens at which the reader would turn, or may; in order."""
        return [token for token in self.tokens if token.turn]


def shaded_trace(
    reading: Reading, ids: Sequence[int], texts: Mapping[int, bytes], shaping: Shaping
) -> ShadedTrace:
    """A reading beside its trace.

    Args:
        reading: what was read.
        ids: the trace's tokens.
        texts: what they stand for.
        shaping: how they were drawn.

    Raises:
        ValueError: the reading is of a trace of another length.
    """
    if len(ids) != len(reading.written):
        raise ValueError(f"{len(reading.written)} figures for {len(ids)} tokens")
    variations = token_variations(reading)
    figures = trace_figures(reading, shaping)
    pieces = text_pieces(ids, texts)
    tokens: list[ShadedToken] = []
    begun: list[int] = []
    for place, piece in enumerate(pieces):
        begun.append(place)
        if not piece and place + 1 < len(pieces):
            continue
        turns = [_turn(reading, at) for at in begun]
        tokens.append(
            ShadedToken(
                piece,
                begun[0],
                max(variations[at].low for at in begun),
                max(variations[at].high for at in begun),
                max(turns, key=("", "may", "would").index),
            )
        )
        begun = []
    return ShadedTrace(
        tuple(tokens), figure_of(reading), figures, all(token in texts for token in ids)
    )


def figure_of(reading: Reading) -> Figure:
    """What the figures of a reading's tokens are."""
    if reading.variation or not reading.written:
        return "exact"
    return "estimated" if reading.lowest == reading.highest else "bounded"


def text_pieces(ids: Sequence[int], texts: Mapping[int, bytes]) -> list[str]:
    """The text of each token, as long as `ids`; empty where it ends inside a character.

    Put together they are the trace's text; bytes that are no UTF-8 are U+FFFD in it. A token
    whose text is not known is ``[token 123]``.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pieces = [
        decoder.decode(texts[token])
        if token in texts
        else decoder.decode(b"", final=True) + f"[token {token}]"
        for token in ids
    ]
    if pieces:
        pieces[-1] += decoder.decode(b"", final=True)
    return pieces


def _turn(reading: Reading, place: int) -> Turning:
    written = reading.written[place]
    if written == -inf:  # a token that its writer could not have drawn says nothing of the reader
        return ""
    if reading.highest[place] - written < _LOG_HALF:
        return "would"
    return "may" if reading.lowest[place] - written < _LOG_HALF else ""
