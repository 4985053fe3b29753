r"""The expression that a text gives as its answer, by the rules of all graders here.

The last commitment counts: a box, an answer line, "the answer is ..." in any language of
`lrmtest.grading.cues`. Boxes with nothing but "and" or a comma between them are one list.
"""

from __future__ import annotations

import re

from lrmtest.grading.answer_text import sentences_backwards
from lrmtest.grading.commitments import NOTHING, Commitment, commitments, last_reading
from lrmtest.grading.cues import CuePattern, Languages, cue, spoken
from lrmtest.grading.emphasis import emphasised
from lrmtest.grading.integer_conclusion import ASKS, REFUSAL, STATED, affirmed, only_number
from lrmtest.grading.integer_conclusion import conclude as conclude_integer
from lrmtest.grading.integer_spelling import squeeze
from lrmtest.grading.surroundings import denied, first_sentence, refuted, reported
from lrmtest.grading.symbolic.equality import decide, undecided
from lrmtest.grading.symbolic.spelling import is_plain, is_text, readable
from lrmtest.grading.symbolic.units import UNIT_OF
from lrmtest.grading.symbolic.words import MULTIPLIERS

_LONGEST_ALONE = 200
_MOST_BOXES = 16
_MOST_SPELLINGS = 4
_MOST_WORDS = 8
_JOINT = CuePattern(rf"[\s$*,\\()\[\]}}]{{0,16}}(?:{cue('and_')})?[\s$*,\\()\[\]]{{0,16}}")
_THEREFORE_FIRST = CuePattern(r"[\W_]{0,12}" + cue("therefore"))
_REGION = re.compile(
    r"\$\$?(?P<dollars>[^$]{1,300})\$\$?|\\\((?P<round>.{1,300}?)\\\)|\\\[(?P<square>.{1,300}?)\\\]"
)
_BETWEEN = re.compile(r"\s{0,2}(?:,\s?)?(?:(and|or|und|oder|et|ou|y|o|e|и|或|和)\s)?\s{0,2}")
_LEAD = re.compile(
    r"^[\s:*_]{0,8}(?:(?:exactly|precisely|simply|just|equal\sto|given\sby|therefore|then|that|the\s"
    r"(?:number|value|expression|point|interval|set|matrix|vector|equation)|an?)\s){0,4}",
    re.I,
)
_REST = re.compile(
    r",?\s(?:because|since|which|where|as|so|when|obtained|by|using|for|after|if|given|but|with"
    r"|hence|thus|note)\b.*$",
    re.I | re.DOTALL,
)
_ASIDE = re.compile(r"\s\((?=[^()]{0,100}[^\W\d_]{3})[^()\\$]{1,200}\)[\s.]{0,4}$")
_FIELD = re.compile(r'"((?:[^"\\]|\\.){1,200})"\s{0,8}[,}]')
_JUDGEMENTS = frozenset(
    [
        "correct",
        "right",
        "wrong",
        "incorrect",
        "verified",
        "confirmed",
        "consistent",
        "valid",
        "reasonable",
        "clear",
        "below",
        "above",
        "obvious",
        "unique",
        "it",
        "this",
        "that",
    ]
)
_OF_ITS_FORM = re.compile(
    r"(?:(?:already|also|now|then|fully|correctly|clearly|usually|typically)\s)?(?:simplified|expressed|written"
    r"|given|rounded|stated|presented|shown|based|reduced|boxed|left|provided|found|obtained|derived"
    r"|consistent|in)\s(?:\w+\s)?(?:to|in|as|for|above|below|by|with|from|on|using|its|simplest|the|exact)\b",
    re.I,
)
"""How a sentence goes on that says of the answer in which form it is, and not what it is."""
_AGREES = re.compile(
    r"[\s:*_]{0,8}(?:also\s|indeed\s|therefore\s)?(?:consistent\swith|based\son|supported\sby|(?:verified|confirmed)\sby"
    r"|in\s(?:agreement|accordance|line)\swith)\b",
    re.I,
)
"""How a sentence goes on that says what speaks for the answer."""
_NEXT_WORD = re.compile(r"\s{0,2}\\?(%|°|[^\W\d_]+)((?:\s[^\W\d_]+){0,2})")
_FUNCTION = re.compile(
    r"a(?:rc)?(?:sin|cos|tan|cot|sec|csc)h?|(?:sin|cos|tan|cot|sec|csc)h?|log|exp|abs|sqrt"
)
_LINE_ENDS = re.compile(r"[.!$*)\]}]\s*$")


def of_sentence(sentence: str) -> str | None:
    """The expression in the sentence that a commitment begins with; None without one."""
    if field := _FIELD.match(sentence):
        return field[1].replace("\\\\", "\\").strip()
    if _AGREES.match(sentence):
        return None
    first = _REGION.search(sentence)
    if first is None:
        text = _ASIDE.sub("", _REST.sub("", _LEAD.sub("", sentence))).strip(" .,;:*_`\"'")
        if (
            not text
            or text.casefold() in _JUDGEMENTS
            or _OF_ITS_FORM.match(text)
            or (len(text.split()) > _MOST_WORDS and not readable(text))
        ):
            return None
        return text
    before = _LEAD.sub("", sentence[: first.start()]).strip(" *_\"'(")
    if re.search(r"\d|[=<>]", before):
        return None  # what is committed to is not the formula alone
    found, end = _content(first), first.end()
    while True:
        between = _BETWEEN.match(sentence, end)
        following = _REGION.match(sentence, between.end()) if between else None
        if between is None or following is None or not between[0].strip(" "):
            break
        found += (
            rf" \text{{ {between[1]} }} {_content(following)}"
            if between[1]
            else f", {_content(following)}"
        )
        end = following.end()
    return found + _unit_behind(sentence[end : end + 60])


def _unit_behind(rest: str) -> str:
    """What follows a formula and belongs to its value: a unit, a multiplier, or "or more"."""
    word = _NEXT_WORD.match(rest)
    if word is None:
        return ""
    name = word[1].casefold()
    if name in ("%", "percent"):
        return r"\%"
    if name in UNIT_OF and name not in ("in", "h", "m", "s", "g", "l", "times", "per"):
        return rf" \text{{ {word[1]} }}"
    if name in MULTIPLIERS or name in ("or", "plus", "minus", "times", "over", "more", "less"):
        return rf" \text{{ {word[1]}{word[2]} }}"
    return ""


def _content(region: re.Match[str]) -> str:
    return (region["dollars"] or region["round"] or region["square"]).strip()


def _read(commitment: Commitment, languages: Languages) -> str | None:
    said = commitment.text
    if commitment.form == "box":
        return None if refuted(commitment.behind, languages) else said.strip()
    if commitment.form == "retraction" or "boxed" in said or "fbox" in said:
        return None  # the box itself is read
    sentence = first_sentence(said)
    if (
        sentence.rstrip("* $\"'").endswith("?")
        or ASKS.of(languages).search(sentence)
        or denied(sentence, languages)
        or refuted(said[len(sentence) :], languages)
    ):
        return None
    if REFUSAL.of(languages).search(sentence[:80]) and not re.match(r"[\W_]{0,4}\d", sentence):
        return NOTHING
    if commitment.form == "behind":
        region = _REGION.search(sentence.rstrip(" ,"))
        if region is None:
            last = sentence.split()[-1:]
            said = last[0].strip(" .,*") if last else ""
            return said if re.search(r"\d", said) and readable(said) else None
        return _content(region) if region.end() >= len(sentence.rstrip(" ,")) else None
    apart = emphasised(sentence)
    if (
        apart is not None
        and readable(apart.text)
        and (STATED.search(apart.before) or not re.search(r"[\d$]", apart.behind))
        and affirmed(apart.before, apart.behind, languages)
    ):
        return apart.text
    if commitment.form == "line" and (number := only_number(squeeze(sentence), languages)):
        return number
    found = of_sentence(sentence)
    if found is not None and commitment.form == "restated" and not readable(found):
        return None
    return found


def _conclude(text: str, languages: Languages, *, words: bool) -> str | None:
    """What a text without a commitment concludes with, if it does."""
    alone = text.strip()
    if len(alone) <= _LONGEST_ALONE and "\n" not in alone:
        if "\\boxed" in alone:
            return None
        region = _REGION.fullmatch(alone.rstrip(" ."))
        inner = _content(region) if region else alone.strip(" .*`\"'")
        equation = "=" in inner and not _LINE_ENDS.search(alone)
        whole = is_plain(inner) or (words and is_text(inner) and readable(inner))
        if whole and not equation and not REFUSAL.of(languages).search(inner):
            return inner
    integer = conclude_integer(text, languages)
    if integer:
        return integer
    for sentence in sentences_backwards(text, longest=400)[:2]:
        if not re.search(r"[\d$\\]", sentence):
            continue
        if (
            sentence.rstrip("* $\"'").endswith("?")
            or ASKS.of(languages).search(sentence)
            or reported(sentence, languages)
            or refuted(sentence, languages)
            or "\\boxed" in sentence
            or not _THEREFORE_FIRST.of(languages).match(sentence)
        ):
            return None
        regions = list(_REGION.finditer(sentence))
        if len(regions) != 1 or sentence[regions[0].end() :].strip(" .*!"):
            return None
        return _content(regions[0])
    return None


def _boxes_in_a_row(text: str, languages: Languages) -> str | None:
    """The contents of the last boxes as one list, if nothing but "and" stands between them."""
    found: list[str] = []
    for commitment in commitments(text, languages)[:_MOST_BOXES]:
        if commitment.form != "box":
            break
        if found:
            joint = re.split(r"\\{1,2}(?:boxed|fbox)", commitment.behind, maxsplit=1)[0]
            if not _JOINT.of(languages).fullmatch(joint):
                break
        elif refuted(commitment.behind, languages):
            return None
        found.append(commitment.text.strip())
        if not commitment.alternative and len(found) > 1:
            break
        if not commitment.alternative:
            return None
    if len(found) < 2 or len(set(found)) < len(found):
        return None
    return ", ".join(reversed(found))


def _prose(text: str) -> bool:
    """Whether a text without a digit or a command is words: letters in a row are no product."""
    return not re.search(r"[\d\\=]", text) and any(
        not _FUNCTION.fullmatch(word) for word in re.findall(r"[^\W\d_]{3,}", text)
    )


class _Readings:
    """The readings of one text, each in the spelling in which its value was met first.

    Args:
        words: whether an answer may be in words, as a name is; else a sentence without a formula
            says nothing.
    """

    def __init__(self, *, words: bool) -> None:
        self._words = words
        self._met: list[str] = []

    def conclude(self, text: str, languages: Languages) -> str | None:
        """Reads the end of a text, as `last_reading` takes it."""
        return _conclude(text, languages, words=self._words)

    def read(self, commitment: Commitment, languages: Languages) -> str | None:
        """A reader of commitments, as `last_reading` takes it."""
        found = _read(commitment, languages)
        if not found:
            return found
        if commitment.form != "box" and not self._words and (is_text(found) or _prose(found)):
            return None
        for one in self._met:
            if decide(one, found, ask=undecided):
                return one
        if len(self._met) < _MOST_SPELLINGS:
            self._met.append(found)
        return found


def answer_in(text: str, *, words: bool = True) -> str | None:
    """The expression that a cleaned answer text commits itself to, as it stands there.

    Args:
        text: cleaned (`lrmtest.grading.answer_text.clean`).
        words: whether the answer may be in words.

    Returns:
        None or an empty text where it commits itself to none, or to several that differ.
    """
    languages = spoken(text)
    readings = _Readings(words=words)
    return _boxes_in_a_row(text, languages) or last_reading(text, readings.read, readings.conclude)
