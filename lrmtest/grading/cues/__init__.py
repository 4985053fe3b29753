"""Cues: the words by which a reader knows an answer, for each language that models speak.

One file holds one language's table. A text is read with the tables of the languages that it
speaks, so a further language is one more file and its name here.
"""

from __future__ import annotations

import re

from lrmtest.grading.cues.chinese import CHINESE
from lrmtest.grading.cues.english import ENGLISH
from lrmtest.grading.cues.form import Cues
from lrmtest.grading.cues.french import FRENCH
from lrmtest.grading.cues.german import GERMAN
from lrmtest.grading.cues.italian import ITALIAN
from lrmtest.grading.cues.japanese import JAPANESE
from lrmtest.grading.cues.korean import KOREAN
from lrmtest.grading.cues.portuguese import PORTUGUESE
from lrmtest.grading.cues.russian import RUSSIAN
from lrmtest.grading.cues.spanish import SPANISH

_EMPTY = "(?!)"  # a pattern that never matches

LANGUAGES = (
    ENGLISH, GERMAN, FRENCH, SPANISH, PORTUGUESE, ITALIAN, RUSSIAN, CHINESE, JAPANESE, KOREAN,
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
_MOST_HEARD = 100_000


def spoken(text: str) -> Languages:
    """The languages whose marks the end of a text bears, English always and first."""
    text = text[-_MOST_HEARD:]
    words = {word[0].lower() for word in _WORD.finditer(text)}
    return (
        ENGLISH,
        *(cues for cues, marks in _MARKS.items() if not words.isdisjoint(marks)),
        *(cues for cues, script in _SCRIPTS.items() if script.search(text)),
    )
