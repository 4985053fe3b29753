"""Cues: the words by which a reader knows an answer, for each language that models speak.

One file holds one language's table. A text is read with the tables of the languages that it
speaks, so a further language is one more file and its name here.
"""

from __future__ import annotations

import re

from lrmtest.grading.cues.arabic import ARABIC
from lrmtest.grading.cues.chinese import CHINESE
from lrmtest.grading.cues.english import ENGLISH
from lrmtest.grading.cues.form import Cues
from lrmtest.grading.cues.french import FRENCH
from lrmtest.grading.cues.german import GERMAN
from lrmtest.grading.cues.hindi import HINDI
from lrmtest.grading.cues.italian import ITALIAN
from lrmtest.grading.cues.japanese import JAPANESE
from lrmtest.grading.cues.korean import KOREAN
from lrmtest.grading.cues.portuguese import PORTUGUESE
from lrmtest.grading.cues.russian import RUSSIAN
from lrmtest.grading.cues.spanish import SPANISH
from lrmtest.grading.remembered import remembered

_EMPTY = "(?!)"  # a pattern that never matches

LANGUAGES = (
    ENGLISH, GERMAN, FRENCH, SPANISH, PORTUGUESE, ITALIAN, RUSSIAN, CHINESE, JAPANESE, KOREAN,
    ARABIC, HINDI,
)  # fmt: skip
CJK = r"\u3000-\u303f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Characters of Chinese, Japanese and Korean, for a character class."""


def bounded(cues: Cues, entry: str) -> str:
    """An entry as a group, between word boundaries where its language has words."""
    pattern = getattr(cues, entry)
    if not pattern:
        return _EMPTY
    if not cues.spaced:
        return f"(?:{pattern})"
    return rf"(?:(?<!\w)|(?=n't\b))(?:{pattern})(?!\w)"


Languages = tuple[Cues, ...]


def cue(entry: str, *, but_english: bool = False) -> str:
    """A place in a `CuePattern` for an entry of the languages that a text speaks."""
    return f"«{entry}{'!' if but_english else ''}»"


_PLACE = re.compile(r"«(\w+)(!?)»")


class CuePattern:
    """A regular expression with places for cues, compiled for the languages of a text.

    All languages at once would take a second to compile and as long to search what is nearly
    always English.
    """

    def __init__(self, template: str, flags: int = re.I) -> None:
        self._template, self._flags = template, flags
        self._compiled: dict[Languages, re.Pattern[str]] = {}

    def of(self, languages: Languages) -> re.Pattern[str]:
        """The pattern with the cues of these languages, each entry as one group."""
        pattern = self._compiled.get(languages)
        if pattern is None:

            def entries(place: re.Match[str]) -> str:
                spoken = languages[1:] if place[2] else languages
                return f"(?:{'|'.join(bounded(cues, place[1]) for cues in spoken) or _EMPTY})"

            pattern = re.compile(_PLACE.sub(entries, self._template), self._flags)
            self._compiled[languages] = pattern
        return pattern


_MARKS = {cues: frozenset(cues.marks.split()) for cues in LANGUAGES[1:] if cues.marks}
_SCRIPTS = {cues: re.compile(cues.script) for cues in LANGUAGES[1:] if cues.script}
_WORD = re.compile(r"[^\W\d_]+")
_ASCII_LETTERS = bytes(
    code if code > 127 or chr(code).isalpha() else ord(" ") for code in range(256)
)
_MOST_HEARD = 100_000


def _words(text: str) -> set[str]:
    """The words of a text in lower case, letters only."""
    letters = text.lower().encode("utf-8", "surrogatepass").translate(_ASCII_LETTERS)
    parts = set(letters.decode("utf-8", "surrogatepass").split())
    # Few have other signs than ASCII's in them.
    return {word for part in parts for word in ([part] if part.isalpha() else _WORD.findall(part))}


@remembered
def spoken(text: str) -> Languages:
    """The languages whose marks the end of a text bears, English always and first."""
    text = text[-_MOST_HEARD:]
    words = _words(text)
    return (
        ENGLISH,
        *(cues for cues, marks in _MARKS.items() if not words.isdisjoint(marks)),
        *(cues for cues, script in _SCRIPTS.items() if not text.isascii() and script.search(text)),
    )
