"""Commitments to an answer in a text: boxes, answer lines and plain sentences.

What a commitment means is for each grader to say; this only finds them, last first, because
the last committed answer is the one that counts.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from lrmtest.grading.boxes import boxes
from lrmtest.grading.cues import CuePattern, Languages, bounded, cue, spoken
from lrmtest.grading.cues.form import Cues
from lrmtest.grading.cues.needles import folded, found
from lrmtest.grading.remembered import remembered
from lrmtest.grading.surroundings import (
    IF,
    MAYBE,
    NEARLY,
    TURN,
    anothers,
    first_sentence,
    refuted,
    reported,
)

_LONGEST_BOX = 1000
_LONGEST_LINE = 300
_LONGEST_JOINT = 80
_MOST_READ = 200
_MOST_LOOKED_AT = 1000

NOTHING = ""
"""What a reader returns for a commitment to several answers, or to none of those possible."""


@dataclass(frozen=True, slots=True)
class Commitment:
    r"""A place where the text commits itself.

    Attributes:
        form: ``box`` for ``\boxed{...}``; ``line`` for a line that begins with ``Answer:`` or a
            heading ``Final Answer``, an ``<answer>`` tag, or a first line with its reasons behind
            it; ``prose`` for "the answer is ..."; ``behind`` for "... is the answer"; ``restated``
            for "actually, it is ...", which counts only when an answer follows; ``retraction`` for
            "I made a mistake", which takes back all before it.
        text: the content of the box, the rest of the line, or the clause before "is the answer";
            at most some hundred characters.
        end: where `text` ends in the whole text.
        alternative: it was offered as a guess, or as one of several; it is no answer, and if it
            differs from the commitment before it, neither is that.
        behind: what follows a box, some characters of it.
        language: of the words that the commitment is made in; English for a box.
    """

    form: Literal["box", "line", "prose", "behind", "restated", "retraction"]
    text: str
    end: int
    alternative: bool = False
    behind: str = ""
    language: str = "en"


_OR = CuePattern(cue("or_"))
_AND = CuePattern(rf"\}}?[\s$*,\\()\[\]]{{0,16}}{cue('and_')}[\s$*,\\()\[\]]{{0,16}}")
_BREAK = re.compile(r"[!?\n]|\.(?=\s|$)")
_BUT = re.compile(
    r"(?<!\w)(?:but|however|aber|jedoch|mais|cependant|pero|porém|però|но|однако)(?!\w)"
    r"|但是?|不过|然而|しかし|하지만|그러나",
    re.I,
)


def _joined(text: str, before: int, command: int, languages: Languages) -> bool:
    """Whether only a conjunction joins what ends at `before` and the box at `command`."""
    if not 0 <= command - before <= _LONGEST_JOINT:
        return False
    between = text[before:command]
    if _AND.of(languages).fullmatch(between):
        return True
    return (
        "\n\n" not in between
        and not _BREAK.search(between)
        and bool(_OR.of(languages).search(between))
    )


Last = Callable[[re.Pattern[str]], Iterable[re.Match[str]]]
"""The last matches of a pattern in the text at hand."""


@lru_cache(maxsize=1024)
def _noun_pattern(languages: Languages) -> re.Pattern[str]:
    """Nouns for the answer, each language's in a group of its name, and tags."""
    nouns = (f"(?P<{cues.language}>{bounded(cues, 'answer')})" for cues in languages)
    return re.compile("|".join(nouns) + r"|(?P<tag><(?:final_?)?answer>)", re.I)


@cache
def _tail_pattern(cues: Cues) -> re.Pattern[str]:
    """How a noun for the answer goes on to it; in a group where that may make a line of it."""
    about, is_ = bounded(cues, "about"), bounded(cues, "is_")
    return re.compile(
        rf"""
        (?P<colon> [*_"'\])}}]{{0,4}} \s{{0,2}} (?:\([^()\n]{{1,30}}\)\s?)?
            (?:[:=]+>?|-{{1,2}}>|→|⇒) [*_]{{0,4}} )
      | (?P<cell> [*_]{{0,4}} \s{{0,2}} \| \s{{0,4}} (?=[^|\n]{{1,120}}\|\s{{0,4}}$)
            (?!.{{0,130}}\n\s{{0,4}}\|[\s:|-]*-) )
      | [*_"'\])]{{0,4}} \s{{0,2}} (?: {about} \s{{0,2}} (?: : | {is_} ) | {is_} ) [\s:,]{{0,3}}
      | (?P<bracket> \] \s{{0,2}} (?=[^\s(]) )
      | (?P<heading> (?![,;]) [^\w\n]{{0,8}} $ )
      | (?P<bare> [*_]{{0,4}} \s{{1,2}} (?:-\s)?
            (?= \(? (?: (?-i:[A-Z]) | \d{{1,4}} ) \)? \.? \s{{0,8}} $ ) )
        """,
        re.I | re.X | re.M,
    )


_EXAMPLE = re.compile(r"\bexamples?[,:]\s?[\"'`*]{0,3}$", re.I)
_NO_ANSWER = re.compile(r"\((?:wrong|incorrect|old|previous|first|rejected|false)\b", re.I)
_LINE_START = re.compile(r"(?:[^\w\n]|_|\d{1,2}[.)]){0,16}")
# "The wrong answer is" before a box: what makes it another's stands before the noun.
_ANOTHERS_IS = CuePattern(
    cue("anothers")
    + rf"[\s\"'*_]{{0,4}}(?:{cue('answer')}|value|result)\s?(?:is|was|were|would\sbe|:)?"
    + r"[\s\"'*_$\\(\[:]{0,8}$"
)
# "Frank answered \\boxed{56} questions": what is counted stands behind the box.
_COUNTED = re.compile(
    r"[\s}$*_)\]\\]{0,8}(?:\w{2,12}\s)?(?!(?:(?:i|wa|a|ha|doe|hi|it|thi|thu|ye|gue|incl?ude)s|minus|plus|times|was)\b)"
    r"(?:[a-z]{3,20}s|people|children|men|women|feet)(?=[\s.,!*$]|$)"
)
_IS_THE_ANSWER = CuePattern(cue("is_the_answer"))
_THEREFORE = CuePattern(cue("therefore"))
_RETRACTION = CuePattern(cue("retraction"))
_RESTATED = CuePattern(cue("restated"))
_NOT = CuePattern(rf"{cue('not_')}|n't\b|\b(?:nobody|no\sone)\b")
# "We get 73 as the answer", and not "he gave 73 as the answer".
_AS_THE_ANSWER = re.compile(r"(?:as|comme|como|come)\s", re.I)
_GETS = CuePattern(rf"{cue('gets')}|\b(?:gives?|giving|yields?|yielding|leaving)\b")
_CLAUSE_START = re.compile(r"(?:^|[,;:(-])[\W_]{0,6}$")
_INVERTED = CuePattern(rf"{cue('inverted')}\s(?:{cue('therefore')}\s)?$")
_HASHES = re.compile(r"(?:^|\n)\s{0,3}\#{4}[ \t]{0,4}([^\s#][^\n]{0,60})$")
_REASONS = (
    r"explanation|reasoning|rationale|justification|begründung|erklärung|explication"
    r"|justificación|explicación|justificativa|explicação|spiegazione|пояснение|объяснение"
    r"|解析|解释|解釋|理由|説明|解説|설명|해설"
)
_ANSWER_FIRST = re.compile(rf"([^\n]{{1,60}})\n\s{{0,8}}[^\w\n]{{0,8}}(?:{_REASONS})(?!\w)", re.I)
_REST = re.compile(
    rf"\s{{0,64}}(?:(?:\$\$|\\\[|```\w{{0,12}})\s{{0,8}}\n\s{{0,8}})?([^\n<]{{1,{_LONGEST_LINE}}})"
)


def not_meant(sentence: str, languages: Languages) -> bool:
    """Whether a sentence speaks of an answer that is a guess, a condition or another's."""
    for noun in _noun_pattern(languages).finditer(sentence):
        before = sentence[: noun.start()]
        if reported(before, languages) or anothers(before, languages):
            return True
        if MAYBE.of(languages).search(before):
            return True
    return False


def _before(text: str, start: int) -> str:
    """What stands before `start` in its sentence, behind the last "but", some words of it."""
    window = text[max(0, start - 80) : start]
    last = 0
    for mark in _BREAK.finditer(window):
        last = mark.end()
    sentence = window[last:]
    return _BUT.split(sentence)[-1]


def _nouns(text: str, last: Last, languages: Languages) -> Iterator[Commitment]:
    """Answer lines and sentences: a noun for the answer, and how it goes on."""
    for noun in last(_noun_pattern(languages)):
        start = noun.start()
        if noun["tag"]:
            if found := _content(text, noun.end(), "line", alternative=False):
                yield found
            continue
        cues = next(cues for cues in languages if cues.language == noun.lastgroup)
        before = _before(text, start)
        tail = _tail_pattern(cues).match(text, noun.end())
        kind = tail.lastgroup if tail else None
        inverted = _INVERTED.of((cues,)).search(before) is not None
        if tail is None and not inverted:
            continue
        line_start = text.rfind("\n", max(0, start - 20), start) + 1
        begins = line_start > 0 or start <= 20
        begins = begins and _LINE_START.fullmatch(text, line_start, start) is not None
        if not begins and kind in ("heading", "bare", "cell"):
            if not inverted:
                continue
            tail = kind = None
        if kind == "colon" and tail and _NO_ANSWER.search(tail[0]):
            continue
        if kind == "bracket" and text[start - 1 : start] != "[":
            continue
        # A line that merely begins with "The answer is" is prose.
        line = begins and kind is not None
        alternative = False
        if not line:
            quoted = not begins and before.endswith('"') and kind != "colon"
            if (
                quoted
                or _EXAMPLE.search(before)
                or IF.of(languages).search(before)
                or anothers(before, languages)
            ):
                continue
            alternative = bool(
                MAYBE.of(languages).search(before) or NEARLY.of(languages).search(before)
            )
        end = tail.end() if tail else noun.end()
        form: Literal["line", "prose"] = "line" if line else "prose"
        if found := _content(text, end, form, alternative=alternative, language=cues.language):
            yield found


def _content(
    text: str,
    start: int,
    form: Literal["line", "prose"],
    *,
    alternative: bool,
    language: str = "en",
) -> Commitment | None:
    rest = _REST.match(text, start)
    if rest is None:
        return None
    return Commitment(form, rest[1].strip(), start, alternative=alternative, language=language)


def _sentences(text: str, last: Last, languages: Languages) -> Iterator[Commitment]:
    """Answers that stand before "is the answer", and what takes an answer back."""
    for mark in last(_IS_THE_ANSWER.of(languages)):
        before = _before(text, mark.start())
        if before.endswith("'"):  # "c'est la réponse (B)"
            continue
        if IF.of(languages).search(before) or refuted(
            text[mark.end() : mark.end() + 80], languages
        ):
            continue
        clause = re.split(r"[,;:]\s", before)[-1]
        openings = [mark.end() for mark in _THEREFORE.of(languages).finditer(clause)]
        clause = clause[openings[-1] if openings else 0 :].strip()
        gets = _AS_THE_ANSWER.match(text, mark.start()) is None or _GETS.of(languages).search(
            clause
        )
        if clause and gets and not _NOT.of(languages).search(clause):
            alternative = bool(MAYBE.of(languages).search(before))
            yield Commitment("behind", clause, mark.start(), alternative=alternative)
    for form, pattern in (("restated", _RESTATED), ("retraction", _RETRACTION)):
        for mark in last(pattern.of(languages)):
            if form == "restated" and not _CLAUSE_START.search(_before(text, mark.start())):
                continue
            rest = text[mark.end() : mark.end() + _LONGEST_LINE].partition("\n")[0]
            yield Commitment(form, rest.strip(), mark.end())  # type: ignore[arg-type]


def _box_commitments(text: str, languages: Languages) -> Iterator[Commitment]:
    last_end = len(text)
    for command, start, end in boxes(text):
        joined = _joined(text, last_end, command, languages)
        last_end = end
        content = text[start : min(end, start + _LONGEST_BOX)]
        if not content.strip():
            continue
        before = _before(text, command)
        if (anothers(before, languages) and not _COUNTED.match(text, end)) or _ANOTHERS_IS.of(
            languages
        ).search(before):
            continue
        alternative = joined or bool(NEARLY.of(languages).search(before))
        yield Commitment("box", content, end, alternative, text[end + 1 : end + 81])


@remembered
def commitments(text: str, languages: Languages) -> tuple[Commitment, ...]:
    """All commitments of `text`, last first, in time linear in its length.

    An empty box is none, nor is what a condition, another's claim or an earlier attempt says
    ("if the answer is 7", "Tom says that the answer is 7", "the previous answer was 7").
    """
    haystack = folded(text)
    words = all(cues.spaced for cues in languages)

    def last(pattern: re.Pattern[str]) -> Iterable[re.Match[str]]:
        """The last matches, which bounds what is done with each."""
        return deque(found(pattern, text, haystack, words=words), maxlen=_MOST_LOOKED_AT)

    places = [
        *_box_commitments(text, languages),
        *_nouns(text, last, languages),
        *_sentences(text, last, languages),
    ]
    stripped = text.rstrip()
    if hashes := _HASHES.search(stripped, max(0, len(stripped) - 80)):
        places.append(Commitment("line", hashes[1], len(stripped)))
    if first := _ANSWER_FIRST.match(text):
        places.append(Commitment("line", first[1].strip(), 0))
    # What ends at the same place was found in another's text, and the box comes first.
    places.sort(key=lambda place: place.end, reverse=True)
    return tuple(places)


def _behind(commitment: Commitment) -> int:
    """Where what follows a commitment begins: behind its box, or its first sentence."""
    sentence = "" if commitment.form == "box" else first_sentence(commitment.text)
    return commitment.end + len(sentence)


def _listed(text: str, earlier: Commitment, later: Commitment) -> bool:
    """Whether two lines, one behind the other, begin with the same words for the answer."""
    if not earlier.form == later.form == "line":
        return False
    starts = [text.rfind("\n", max(0, line.end - 80), line.end) + 1 for line in (earlier, later)]
    heads = [text[start : line.end] for start, line in zip(starts, (earlier, later), strict=True)]
    between = text[earlier.end : starts[1]]
    return heads[0] == heads[1] and between.count("\n") == 1 and between.strip() == earlier.text


def last_reading(
    text: str,
    read: Callable[[Commitment, Languages], str | None],
    conclude: Callable[[str, Languages], str | None],
    turned: Callable[[str, Languages], str | None] = lambda _text, _languages: None,
) -> str | None:
    """What the last commitment that can be read says.

    Where something took back what had been said before it, only what follows counts.

    Args:
        text: cleaned answer text.
        read: reads a commitment in the languages of the text. None for one that this kind of
            answer cannot read, which is passed over;
            `NOTHING` for one that ends the search without an answer.
        conclude: reads a text without a readable commitment, by its last sentences.
        turned: reads what stands behind the last commitment, from a "but" or "wait" on.

    Returns:
        The reading; `NOTHING` or None when there is none among the last 200 commitments, or when
        the last one stands beside an alternative that differs, or is the last line of a list.
    """
    alternatives: set[str] = set()
    languages = spoken(text)
    found = commitments(text, languages)[:_MOST_READ]
    for place, commitment in enumerate(found):
        reading = read(commitment, languages)
        if commitment.form == "retraction":
            return reading or conclude(text[commitment.end :], languages) or NOTHING
        if reading is None:
            continue
        if commitment.alternative:
            alternatives.add(reading)
        elif not alternatives <= {reading}:
            return NOTHING
        else:
            listed = place + 1 < len(found) and _listed(text, found[place + 1], commitment)
            before = read(found[place + 1], languages) if listed else None
            if before not in (None, reading):
                return NOTHING
            turn = TURN.search(text, _behind(commitment))
            return (turned(text[turn.end() :], languages) if turn else None) or reading
    return conclude(text, languages)
