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
_AS_IT_STANDS = ((2048, 0.06), (4096, 0.12), (8192, 0.14), (16384, 0.18), (32768, 0.22))
_NUMBERS_MASKED = ((16384, 0.10), (32768, 0.16))

LONGEST_TAIL = 32768
"""Characters looked at, from the end."""

_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_SPACE = re.compile(r"[^\S\n]+")
_BLANK = re.compile(r"\n\s*")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SENTENCE = re.compile(r"[.!?。！？]\s|[。！？\n]")
_WORD = re.compile(r"\w+")
_FEW_WORDS = 40
_ALL_DIFFER = 0.9
_TELLS_ALL = 16384
"""Characters of a window from which on even a list of all combinations is a loop."""


def is_near_loop(text: str) -> bool:
    """Whether the end of `text` repeats itself, to the letter or not.

    Time and memory are bounded by `LONGEST_TAIL`, whatever the text.
    """
    tail = _BLANK.sub("\n", _SPACE.sub(" ", text[-LONGEST_TAIL:].casefold()))
    span = _DENSE_SPAN if len(_DENSE.findall(tail)) * 3 > len(tail) else _SPAN
    for window, most in _AS_IT_STANDS:
        # White space is joined, so that the longest window may be a little short.
        if window > len(tail) * 1.25:
            break
        end = tail[-window:]
        if _new(end, span) <= most and (
            window >= _TELLS_ALL or not _combines(end[len(end) // 2 :])
        ):
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


def _combines(part: str) -> bool:
    """Whether it goes through the combinations of a few words, as a table of truth values does.

    Then its sentences and lines all differ, though there is nothing new inside them.
    """
    if len(set(_WORD.findall(part))) > _FEW_WORDS:
        return False
    whole = _SENTENCE.split(part)[1:-1]
    return len(set(whole)) >= _ALL_DIFFER * max(1, len(whole))
