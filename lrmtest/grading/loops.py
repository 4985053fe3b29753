"""Loops: a text whose tail repeats itself exactly, over and over, until its budget is gone.

Two questions are asked of a text, and stopping must be surer than naming:

* `LoopDetector` says, while a completion streams, that it may be stopped. Every token saved is
  worth less than one changed verdict, so it wants at least `STOP_REPEATS` repeats and at least
  `STOP_WINDOWS[0]` characters.
* `find_loop` says whether a finished text ends in a loop, for its failure class. It wants
  `NAME_REPEATS` repeats and `NAME_WINDOWS[0]` characters, and agrees wherever the detector fired.

Both ask the same of windows of doubling length: is the window, the last ``w`` characters, periodic
with a period of at most ``w / repeats``? The thresholds are far from anything seen in 292 outputs
of a 4-bit R1-Distill-Llama-8B that may have 32,768 tokens (``benchmarks/loops.py --survey``):

* 17 ran out of tokens. 16 of them are in a loop that is exact, with a period of 113 to 1,467
  characters, and does not end: four change its wording at some time, and loop on.
* No other output has a stretch of more than 273 characters that repeats 3 times or more.
* What those 16 repeated and left again before their loop had at most 7.0 repeats, in 783
  characters, or at most 4,572 characters, with 4.2 repeats: never both at once.

Only exact repetition counts. With numbers masked, so that "Step 101, Step 102" would repeat, no
further loop is found, and honest work begins to look like one: the 17th output, which tries case
after case, repeats itself up to 12 times then.

Repeats count, and not length alone, because the more often a text has repeated itself the likelier
it does so again (Xu et al. 2022, "Learning to Break the Loop", arXiv 2206.02369). It is not
certain: with sampling any loop can be left. What is stopped had 8 rounds to do so.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

STOP_WINDOWS = (4096, 8192, 16384, 32768)
STOP_REPEATS = 8
NAME_WINDOWS = (1024, 2048, 4096, 8192, 16384)
NAME_REPEATS = 4
MAX_PERIOD = STOP_WINDOWS[-1] // STOP_REPEATS
"""Characters; a longer period is not seen as a loop."""

_CHECKS_PER_WINDOW = 4
_STEP = STOP_WINDOWS[0] // _CHECKS_PER_WINDOW
# The check before the one that fires found no loop, so a loop began at most one window and one
# step ago: this much text is enough to know its start.
_KEPT = STOP_WINDOWS[-1] + STOP_WINDOWS[-1] // _CHECKS_PER_WINDOW


@dataclass(frozen=True, slots=True)
class Loop:
    """A periodic tail. All offsets and lengths are in characters.

    Attributes:
        start: where the periodic tail begins.
        end: where it was seen to reach; a stopped completion is cut here.
        period: the smallest period of ``text[start:end]``.
    """

    start: int
    end: int
    period: int

    @property
    def repeats(self) -> float:
        """How often the period fits into the tail, the first time included."""
        return (self.end - self.start) / self.period


class LoopDetector:
    """Watches one streamed completion; not for use from several threads at once.

    A window of ``w`` characters is looked at whenever the text has grown by ``w / 4``, at offsets
    that do not depend on how the text is chunked. A loop of period ``p`` is therefore seen at the
    latest ``5/4 w`` characters after it began, for the smallest window ``w >= 8 p``.

    Time is linear in the text and memory constant: each look compares at most a constant number of
    characters (see `_smallest_period`), there are 4 looks for every ``w`` characters in each of
    4 windows, and only the last 40,960 characters are kept. Between looks a chunk is only stored.
    """

    def __init__(self) -> None:
        self._tail = ""
        self._pending: list[str] = []
        self._pending_length = 0
        self._length = 0
        self._loop: Loop | None = None

    def feed(self, chunk: str) -> Loop | None:
        """Take the next piece of text.

        Returns:
            The loop as soon as there is one, and the same loop from then on. Cut the completion
            at its `end`, which can lie before the end of `chunk`.
        """
        if self._loop is not None:
            return self._loop
        self._pending.append(chunk)
        self._pending_length += len(chunk)
        if self._pending_length < _STEP:
            return None
        text = "".join(self._pending)
        whole = len(text) - len(text) % _STEP
        for begin in range(0, whole, _STEP):
            self._loop = self._advance(text[begin : begin + _STEP])
            if self._loop is not None:
                self._pending.clear()
                return self._loop
        self._pending = [text[whole:]]
        self._pending_length = len(text) - whole
        return None

    def _advance(self, step: str) -> Loop | None:
        """Add exactly one step of text and look at the windows that are due."""
        self._tail = (self._tail + step)[-_KEPT:]
        self._length += len(step)
        due = [w for w in STOP_WINDOWS if self._length % (w // _CHECKS_PER_WINDOW) == 0]
        return _periodic_tail(self._tail, due, STOP_REPEATS, offset=self._length - len(self._tail))


_BLOCK = 1 << 16


def find_loop(text: str) -> Loop | None:
    """The loop that `text` ends in; None when there is none or the text left it again."""
    return _periodic_tail(text, NAME_WINDOWS, NAME_REPEATS)


def _periodic_tail(
    text: str, windows: Sequence[int], repeats: int, *, offset: int = 0
) -> Loop | None:
    """The loop at the end of `text`, by the widest window that is periodic.

    Args:
        text: what is known of the whole text, up to its end.
        windows: lengths to look at, ascending.
        repeats: how often the period must fit into the window.
        offset: where `text` begins in the whole text.
    """
    for window in reversed(windows):
        if window > len(text):
            continue
        period = _smallest_period(text[-window:], window // repeats)
        if period is not None:
            return Loop(
                start=offset + _start(text, len(text) - window, period),
                end=offset + len(text),
                period=period,
            )
    return None


def _smallest_period(window: str, longest: int) -> int | None:
    """The smallest period of `window` if it is at most `longest`, which is at most half of it.

    The candidate ``d`` is the smallest shift at which the first `longest` characters occur again.
    No smaller period exists, because a period is such a shift. And if there is a period
    ``p <= longest`` then ``d`` is one too: the first ``longest + d >= p + d`` characters have both
    periods, so by Fine and Wilf's theorem they have ``gcd(p, d)``, which then is a period of
    everything and, ``d`` being smallest, equals ``d``. So one candidate has to be verified.

    A search costs at most ``longest ** 2`` comparisons, a constant; `str.find` makes it about
    ``2 * longest`` (Crochemore and Perrin's two-way algorithm for long strings, CPython 3.10).
    """
    shift = window.find(window[:longest], 1, 2 * longest)
    if shift == -1 or not window.startswith(window[shift:]):
        return None
    return shift


def _start(text: str, known: int, period: int) -> int:
    """Smallest offset from which `text` has `period`, given that it has from `known` on."""
    # Block by block from the end: each character is compared once.
    while known:
        before = max(0, known - _BLOCK)
        if text[before:known] != text[before + period : known + period]:
            end = known
            return before + bisect_left(
                range(before, end),
                True,
                key=lambda start: text[start:end] == text[start + period : end + period],
            )
        known = before
    return 0
