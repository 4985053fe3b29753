"""Near-loops: a text whose tail says the same over and over, though not to the letter.

A model that is stuck seldom stays so word for word: "So", "Thus", "Therefore" take turns before the
same statement, a number counts on, a list grows by one, a paragraph comes back in other words.
`lrmtest.grading.loops` proves periods and sees none of these. Here a tail is judged by how much of
it is *new*: the share of the places in the second half of a window at which a string of `_SPAN`
characters begins that had not been there twice before. It is a compressor's question (what can be
written as references to what was said?) with an answer that does not depend on a compressor.
Twice, because an answer may copy its reasoning once, word for word.

Two readings are asked, each over windows of doubling length:

* as it stands: hardly anything new, although it had thousands of characters to say something;
* with every number replaced by one and the same: what only counts on. An honest search through
  many cases looks like this too, for a while, so it wants windows that no such search has filled.

It is a measurement and no proof: it names a completion that ran out and decides nothing else. No
generation is stopped by it, no answer read or left out, no verdict's ``correct`` changed. How
often it is wrong is measured by ``benchmarks/loops.py --near``.
"""

from __future__ import annotations

import re

_SPAN = 12
"""Characters of the strings compared: about two words and a half."""
_DENSE_SPAN = 6
"""The same where a character is a syllable or a word (Chinese, Japanese, Korean)."""

# Window in characters, and the share of new strings at and below which it repeats itself: about
# half of the lowest share that honest texts have, ended or cut off anywhere (benchmarks/loops.py).
_AS_IT_STANDS = ((2048, 0.08), (4096, 0.12), (8192, 0.14), (16384, 0.18), (32768, 0.22))
_NUMBERS_MASKED = ((16384, 0.10), (32768, 0.16))

LONGEST_TAIL = 32768
"""Characters looked at, from the end."""

_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_SPACE = re.compile(r"\s+")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")
_PROSE = 0.6
"""Share of letters among what is no space, below which the shortest window is not judged: tables
of truth values, matrices and rules repeat themselves in honest work."""


def is_near_loop(text: str) -> bool:
    """Whether the end of `text` repeats itself, to the letter or not.

    Time and memory are bounded by `LONGEST_TAIL`, whatever the text.
    """
    tail = _SPACE.sub(" ", text[-LONGEST_TAIL:].casefold())
    span = _DENSE_SPAN if len(_DENSE.findall(tail)) * 3 > len(tail) else _SPAN
    for number, (window, most) in enumerate(_AS_IT_STANDS):
        # White space is joined, so that the longest window may be a little short.
        if window > len(tail) * 1.25:
            break
        end = tail[-window:]
        if _new(end, span) <= most and (number or _is_prose(end)):
            return True
    masked = _NUMBER.sub("0", tail)
    # A number that was masked is shorter: the windows are those of the text as it stood.
    for window, most in _NUMBERS_MASKED:
        if window > len(tail) * 1.25:
            break
        end = masked[-(len(masked) * min(window, len(tail)) // len(tail)) :]
        if _new(end, span) <= most:
            return True
    return False


def _new(window: str, span: int) -> float:
    """The share of places in the second half of `window` at which something new begins."""
    half, last = len(window) // 2, len(window) - span + 1
    said: dict[str, int] = {}
    new = 0
    for start in range(last):
        string = window[start : start + span]
        times = said.get(string, 0)
        new += times < 2 and start >= half
        said[string] = times + 1
    return new / max(1, last - half)


def _is_prose(window: str) -> bool:
    letters = len(_LETTER.findall(window))
    return letters >= _PROSE * max(1, len(window) - window.count(" "))
