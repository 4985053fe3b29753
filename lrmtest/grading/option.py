"""Grading a choice among lettered options, as in BIG-Bench-Hard, by letter or by text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from lrmtest.grading.answer_text import bare, clean, sentences_backwards
from lrmtest.grading.commitments import NOTHING, Commitment, last_reading
from lrmtest.grading.cues import CJK, CuePattern, Languages, cue, spoken
from lrmtest.grading.surroundings import conditional, denied, first_sentence, refuted, reported
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

_TIME = re.compile(r"(\d)(?::00)?\s?([AaPp])\.?\s?[Mm]\b\.?")
_RANGE = re.compile(r"(\d[ap]m)\s?(?:-{1,3}|to|until|till|and|through)\s?(\d)")
_HALF_RANGE = re.compile(r"\b(\d{1,2})\s?(?:-|to)\s?(\d{1,2})([ap]m)\b")


_IN_THE = re.compile(
    r"\b(\d{1,2})(?::00)?\s?(?:-|to|and|until|till)\s?(\d{1,2})(?::00)?\s(?:o'clock\s)?"
    r"in\sthe\s(morning|afternoon|evening)"
)
_CLOCK = re.compile(
    r"(?<![\d:])(\d{1,2}):00\s?(?:-|to|and|until)\s?(\d{1,2}):00(?![\d:]|\s?[ap]\.?m)"
)
_OPTION_TIMES = re.compile(r"(\d{1,2})([ap])m to (\d{1,2})([ap])m")


def _with_halves(times: re.Match[str]) -> str:
    half = "am" if times[3] == "morning" else "pm"
    return f"{times[1]}{half} to {times[2]}{half}"


def _clocks(option: str) -> set[tuple[int, int]]:
    """The hours of an option "7am to 9pm" as clocks of twelve and of 24 hours show them."""
    times = _OPTION_TIMES.fullmatch(_canonical(option))
    if times is None:
        return set()
    twelve = int(times[1]), int(times[3])
    halves = times[2], times[4]
    day = tuple(h % 12 + 12 * (half == "p") for h, half in zip(twelve, halves, strict=True))
    return {twelve, (day[0], day[1])}


def _canonical(text: str) -> str:
    """Lower case, one space, and one spelling of times: ``6 PM - 9 p.m.`` is 6pm to 9pm."""
    text = _IN_THE.sub(_with_halves, " ".join(text.lower().split()))
    text = _TIME.sub(r"\1\2m", text)
    return _RANGE.sub(r"\1 to \2", _HALF_RANGE.sub(r"\1\3 to \2\3", text))


_PART_OF_A_WORD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def _without(text: str, option: str) -> str:
    """A canonical text without an option's, where that is no part of longer words."""
    kept, end, start = [], 0, text.find(option)
    while start != -1:
        behind = start + len(option)
        around = {text[start - 1 : start], text[behind : behind + 1]}
        if option and _PART_OF_A_WORD.isdisjoint(around):
            kept.append(text[end:start])
            end = behind
        start = text.find(option, max(start + 1, end))
    return "".join([*kept, text[end:]]) if kept else text


# A letter in parentheses, or a bare capital that is no word of the sentence.
_LETTER = CuePattern(
    r"\((?P<round>[A-Za-z])\)|\[(?P<square>[A-Za-z])\]"
    r"|(?<![A-Za-z0-9'])(?P<capital>[A-Z])(?![A-Za-z0-9'])"
    rf"(?=[).:,;\-/|&\"'\]]|\s{{0,4}}$|\s?[{CJK}]"
    r"|\s(?:\d|\(|or\b|and\b|because\b|since\b|as\b|is\b|which\b|(?i:"
    rf"{cue('or_')}|{cue('and_')}|{cue('because')}|{cue('verb')})))",
    flags=0,
)
_OPTION, _CHOSEN = cue("option"), cue("chosen")
_OR_AND = f"(?:{cue('or_')}|{cue('and_')})"
_LEAD = CuePattern(
    r"(?:[\s:\-\"'}]|\b(?:clearly|indeed|that|the|correct|option|choice|letter|answer|index|is"
    r"|between|from|la|le|l'|die|der|das|el|o|zwischen|von|entre|de|tra|da)\b"
    rf"|{_OPTION}|第){{0,12}}",
)
_MORE = CuePattern(
    rf"[\s\"')\].]{{0,4}}(?:/|\||,?\s?{_OR_AND}|,|&|(?=\())\s{{0,4}}(?:{_OPTION}\s?)?"
)
_DENIED = CuePattern(
    # That nobody saw him speaks for a time.
    r"\b(?:(?:not|never)(?!\s(?:\w{2,12}ly\s)?(?:seen|observed|spotted|accounted|sighted|busy|occupied|covered))"
    r"|no(?!\s(?:sightings?|one|activit|conflict|commitment|record|overlap|report|witness|account|observ"
    r"|mention|event|alibi|appointment|other|known))|cannot|neither|none|closed|wrong|incorrect|excluded|eliminated|if|may\s?be"
    r"|perhaps|might|whether|unless|impossible)\b"
    r"|n't\b(?!\s(?:seen|observed|spotted|accounted|busy|occupied|covered))|\?\s*$"
    rf"|{cue('not_', but_english=True)}|{cue('false', but_english=True)}"
    rf"|{cue('not_after')}|{cue('doubted')}|^\W{{0,8}}{cue('if_', but_english=True)}"
    r"|scheide[nt]\b[^.;]{0,30}\baus\b|entf[aä]ll(?:t|en)\b|écart|exclure|élimin|à\sexclure|(?<!by\s)(?<!of\s)elimin"
    r"|исключ|отпада|될\s수\s없|できない|あり得ない|ありえない|不可能|ruled\sout"
    r"|\b(?:during\swhich|when)\s\w{1,12}\s(?:was|were)\s(?:at|in|seen|busy)\b"
    r"|\b(?:as|since|because|where)\s\w{1,12}\ssaw\b|overlaps?\b|\b(?:is|are)\sout\b|\b(?:except|besides)\b|\b(?:other\sthan|apart\sfrom)\b"
    r"|(?:\b(?:is|are|was|were)|-|:)\s(?:taken|accounted|busy|occupied|unavailable|blocked|booked|too\s\w{3,6})\b"
    r"|\b(?:nobody|no\sone)\s(?:could|can|was\sable|may|might)\b"
    r"|conflicts?\b|contradicts?\b|fails?\b|cross(?:ed)?\sout|矛盾|不適"
    r"|排除|被占|占用|ausgeschlossen|exclue?s?|descartad|исключ|除外|제외",
)
_CONCLUDES = CuePattern(_CHOSEN)
_ALONE = CuePattern(rf"\W*{_OPTION}\W{{0,4}}[A-Z]\W*")
_NAMED = CuePattern(
    rf"\(([A-Za-z])\)|(?i:{_OPTION})\s?(?:is\s)?([A-Z])(?![A-Za-z0-9'])"
    r"|\b([A-Z])\sis\s(?:the\s|also\s)?(?:correct|right|best|out|ruled\sout|excluded|impossible|wrong|incorrect)\b",
    flags=0,
)
_REFUSED = CuePattern(
    r"\W{0,4}(?:(?:is|was)(?:n't\b|\s(?:not|wrong|incorrect|false|out|impossible)\b)"
    rf"|(?:{cue('verb', but_english=True)})?\s?(?:{cue('not_', but_english=True)}"
    rf"|{cue('false', but_english=True)})|{cue('not_after')}|{cue('doubted')})",
)
_OUT = re.compile(
    r"[)\s]{0,3}(?:scheide[nt]\b[^.;]{0,30}\baus\b|entf[aä]ll(?:t|en)\b|(?:conflicts?|contradicts?|fails?)\b|(?:is|are|was)\s(?:\w{1,12}\s)?"
    r"(?:ruled\sout|excluded|eliminated|impossible)|(?:est|sont)\s(?:\w{1,12}\s)?"
    r"(?:à\sexclure|exclue?s?|éliminée?s?|écartée?s?|impossibles?)"
    r"|(?:queda|está|es|fica|è)\s(?:\w{1,12}\s)?(?:descartad|eliminad|excluíd|excluid|esclus|imposible)"
    r"|(?:исключ|отпада|не\sподход)|[는은이가]?\s?(?:정답|답)?[이은]?\s?될\s수\s없|[는은이가]?\s?(?:제외|불가능)"
    r"|[はが]?(?:除外|不可能|あり得な|ありえな)|(?:被|可以|可)?(?:排除|不可能))",
    re.I,
)
_LEAVES = re.compile(
    r"(?:\bleav(?:es|ing)|\bleft\swith|\bremains)\s(?:us\s|only\s|just\s|with\s|option\s|choice\s){0,4}"
    r"\(?([A-Z])\)?\s?(?:as\s(?:the|our)\s[^.;,]{1,40})?[\s.!*]*$"
    r"|\b([A-Z]),?\sis\s(?:therefore\s|thus\s)?(?![^.]{0,60}(?:n't|\bnot\b|closed|fail|busy|taken|excluded))the\sonly\s(?:one|option|choice|possibility|time\sslot|slot"
    r"|possible|remaining|available|viable|valid)\b[^.;,]{0,40}[\s.!*]*$"
    r"|(?:只剩下?|剩下的?(?:只有|是)|残るのは|남은\s?것은|оста[её]тся\s(?:только\s)?(?:вариант\s)?|bleibt\s(?:nur\s)?(?:option\s)?"
    r"|reste\s(?:que\s)?(?:la\s|l'option\s)?|queda\s(?:solo\s)?(?:la\s)?(?:opción\s)?)\s?\(?([A-Z])\)?[\s.!*]*$"
    r"|\b[Nn]ot\s\(?[A-Z]\)?,?\s(?:but|rather)\s\(?([A-Z])\)?[\s.!*]*$"
    r"|\b(?:only|just)\s(?:option\s|choice\s)?\(?([A-Z])\)?\s(?:is\sleft|remains|survives)[\s.!*]*$"
)
# In the clause that names an option: that somebody was elsewhere at that time.
_ELSEWHERE = re.compile(
    r"\b(?:was|were|been)\s(?:(?:already|also|still)\s)?(?:at|in)\s(?!the\s(?:only|one|remaining))"
    r"|\b(?:was|were)\s(?:seen|spotted|observed|busy|occupied|working|sleeping|asleep)\b"
    r"|(?<!nobody\s)(?<!no\sone\s)\bsaw\b|\b(?:go|went|gone)\sto\s(?:work|bed|sleep|school)\b|\b(?:got|woke)\sup\b",
    re.I,
)
_SO_CLAUSE = CuePattern(rf"[,;]\s(?:and\s)?(?={cue('therefore')})")
_CLAUSE = CuePattern(rf"[,;]|{cue('therefore')}")
_SO_IT_IS = CuePattern(
    rf"\W*{cue('therefore')},?\s(?:it(?:'s|\sis|\smust\sbe)\s|we\s(?:choose|pick|select)\s)?([A-Z])[\s.!]*",
)
_ELIMINATED = re.compile(
    r"\W*(?:so|thus|therefore|hence|this\smeans|which\smeans)?,?\s?(?:that\s)?"
    r"(?P<list>(?:options?\s|choices?\s)?\([A-Z]\)(?:(?:,\s(?:and\s)?|\sand\s)\([A-Z]\)){1,24})\s"
    r"(?:are|can)\s(?:all\s|now\s|thus\s|therefore\s|be\s){0,3}"
    r"(?:ruled\sout|excluded|eliminated|impossible|not\spossible)[\s.!]*",
    re.I,
)
_JOINED = CuePattern(rf"(?:{_OR_AND}|/|&)\s{{0,2}}(?:(?i:{_OPTION})\s)?\(([A-Za-z])\)")
_CLAUSE_END = CuePattern(rf"[.;]|{cue('because')}")
_PART_END = CuePattern(rf"[.;,(]|{cue('because')}")
_REFUSAL = CuePattern(r"(?:\w{1,12}\s){0,3}" + cue("refusal"))
_EITHER = CuePattern(r"\W{0,4}" + cue("either") + r"\W")
_ASKS = CuePattern(cue("asks") + r"[\s?.]{0,3}$")
# Letters that look the same; in a text that has options Б or Г, В is the third of them.
_LATIN = str.maketrans("АВС", "ABC")
_CYRILLIC = re.compile(r"(?<=\()[АВС](?=\))|^[\s\"*]{0,4}[АВС](?=[\s\"*.)]{0,4}$)")
_RUSSIAN_LETTERS = re.compile(r"\([БГДЕ]\)|(?<!\w)[БГД]\)")
_LAST_SENTENCES = 8


class _Options:
    """The options of one question."""

    def __init__(self, texts: Sequence[str], languages: Languages) -> None:
        self._languages = languages
        self._clocks = [_clocks(text) for text in texts]
        self._letters = [chr(ord("A") + index) for index in range(len(texts))]
        self._texts = [_canonical(text) for text in texts]

    def letter_at(self, text: str, start: int) -> tuple[str, int] | None:
        """The option letter that stands at `start`, and where it ends."""
        match = _LETTER.of(self._languages).match(text, start)
        if match is None:
            return None
        letter = match[match.lastgroup or 0].upper()
        return (letter, match.end()) if letter in self._letters else None

    def by_text(self, text: str) -> set[str]:
        """Letters of the options whose text occurs in `text`."""
        canonical = _canonical(text)
        pairs = zip(self._letters, self._texts, strict=True)
        named = {letter for letter, option in pairs if _without(canonical, option) != canonical}
        shown = {(int(one), int(two)) for one, two in _CLOCK.findall(text.lower()[-400:])}
        return named | {
            letter
            for letter, clocks in zip(self._letters, self._clocks, strict=True)
            if shown and clocks & shown
        }

    def by_letter(self, text: str) -> set[str]:
        """Letters that occur in `text` as ``(A)``, ``option A`` or ``A is the correct``."""
        named = (
            next(filter(None, groups)).upper()
            for groups in _NAMED.of(self._languages).findall(text)
        )
        return set(named) & set(self._letters)

    def chosen(self, text: str) -> str | None:
        """The option that `text` begins with; `NOTHING` if it names two different ones."""
        text = _TIME.sub(r"\1\2m", text)
        lead = _LEAD.of(self._languages).match(text)
        assert lead is not None
        start = lead.end()
        first = self.letter_at(text, start)
        if first is None:
            whole = text[start:].strip(" .\"'")
            if len(whole) == 1 and whole.upper() in self._letters:
                return whole.upper()
            clause = re.split(r"[.;]\s|,\s|\(", text[start:], maxsplit=1)[0]
            named = self.by_text(clause)
            if _DENIED.of(self._languages).search(clause) or not named:
                return None
            named |= self.by_letter(re.split(r"[.;]\s|,\s", text[start:], maxsplit=1)[0])
            return named.pop() if len(named) == 1 else NOTHING
        letter, end = first
        if _REFUSED.of(self._languages).match(text, end) or refuted(
            text[end : end + 80], self._languages
        ):
            return None
        if conditional(text[end : end + 80]):
            return NOTHING
        letters = {letter}
        while more := _MORE.of(self._languages).match(text, end):
            following = self.letter_at(text, more.end())
            if following is None:
                break
            letters.add(following[0])
            end = following[1]
        # The text right behind the letter, "(A) 6pm to 9pm", must not be another option's.
        behind = _PART_END.of(self._languages).split(text[end : end + 120], maxsplit=1)[0]
        named = self.by_text(behind)
        if _OUT.match(behind):
            return None
        clause = _CLAUSE_END.of(self._languages).split(text[end : end + 120], maxsplit=1)[0]
        letters.update(
            self.by_letter(" ".join(f"({a})" for a in _JOINED.of(self._languages).findall(clause)))
        )
        if len(letters) > 1 or (named and letter not in named):
            return NOTHING
        return letter

    def left_over(self, last: Sequence[str]) -> str | None:
        """The one option that the last sentence does not rule out, unless another one did."""
        ruled_out = _ELIMINATED.fullmatch(last[0]) if last else None
        if ruled_out is None:
            return None
        left = set(self._letters) - self.by_letter(ruled_out["list"])
        if len(left) != 1 or any(left & self.by_letter(sentence) for sentence in last[1:]):
            return NOTHING
        return left.pop()

    def concluded(self, sentence: str) -> str | None:
        """The option that a concluding sentence names, by letter or text."""
        if len(letter := sentence.strip(" .()\"'")) == 1 and letter in self._letters:
            return letter
        if not reported(sentence, self._languages) and (left := _LEAVES.search(sentence)):
            letter = next(filter(None, left.groups()))
            return letter if letter in self._letters else NOTHING
        if so := _SO_IT_IS.of(self._languages).fullmatch(sentence):
            return so[1].upper() if so[1].upper() in self._letters else NOTHING
        # "He was at work until 4pm, so he could only have gone from 4pm to 8pm."
        last = _SO_CLAUSE.of(self._languages).split(sentence)[-1]
        if self.by_letter(last) | self.by_text(last):
            sentence = last
        named = self.by_letter(sentence) | self.by_text(sentence)
        if not named:
            return None
        if _DENIED.of(self._languages).search(sentence) or reported(sentence, self._languages):
            return NOTHING
        for clause in _CLAUSE.of(self._languages).split(sentence):
            if _ELSEWHERE.search(clause) and (self.by_letter(clause) | self.by_text(clause)):
                return NOTHING
        rest = _canonical(sentence)
        for option in self._texts:
            rest = _without(rest, option)
        alone = bool(_ALONE.of(self._languages).fullmatch(sentence)) or not re.search(
            r"\w", re.sub(rf"\([a-z]\)|\b(?:between|from)\b|{_OPTION}", "", rest)
        )
        if len(named) > 1 or not (alone or _CONCLUDES.of(self._languages).search(sentence)):
            return NOTHING
        return named.pop()


def grade_option(question: Question, answer: str) -> Grade:
    """Grade an answer against a letter.

    The last readable box, answer line or "the answer is ..." counts; it may name the letter or
    the option's text, and two different options there are no answer. Without one, the last
    sentence that names an option counts, if it concludes (``could have gone``, ``therefore``,
    ``only``) or is nothing but an option, denies nothing and names one option only.

    Args:
        question: its reference is a letter; ``material["options"]`` are the options' texts in
            the order of their letters.
        answer: the answer text.
    """
    text = clean(answer)
    languages = spoken(text)
    options = _Options(question.material["options"], languages)

    russian = _RUSSIAN_LETTERS.search(text) is not None

    def read(commitment: Commitment, languages: Languages) -> str | None:
        said = bare(commitment.text)
        if not russian:
            said = _CYRILLIC.sub(lambda letter: letter[0].translate(_LATIN), said)
        if commitment.form == "retraction":
            return None
        if commitment.form == "box":
            if refuted(commitment.behind, languages):
                return None
            return options.chosen(said) or NOTHING
        if first_sentence(said).endswith("?") or _ASKS.of(languages).search(first_sentence(said)):
            return None
        if _EITHER.of(languages).match(said) or _REFUSAL.of(languages).match(said):
            return NOTHING
        if denied(said, languages):
            return None
        return options.chosen(said)

    def conclude(text: str, _languages: Languages) -> str | None:
        # Without the full stops of "p.m.", which would end a sentence.
        last = sentences_backwards(_TIME.sub(r"\1\2m", text))[:_LAST_SENTENCES]
        if (left := options.left_over([bare(sentence) for sentence in last])) is not None:
            return left
        readings = [options.concluded(bare(sentence)) for sentence in last]
        for reading, before in pairwise([*readings, None]):
            if reading is not None:
                # One line behind another, each an option: they are listed, not chosen.
                return NOTHING if before and before != reading else reading
        return None

    reading = last_reading(text, read, conclude)
    if not reading:
        return Grade(extracted=None, correct=False, score=0.0)
    correct = reading == question.expected.strip(" ()").upper()
    return Grade(extracted=reading, correct=correct, score=float(correct))
