r"""Grading an integer, as in AIME: ``\boxed{073}``, "the answer is 73"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lrmtest.grading.answer_text import bare, clean, sentences_backwards
from lrmtest.grading.commitments import NOTHING, Commitment, last_reading
from lrmtest.grading.cues import CuePattern, Languages, cue, spoken
from lrmtest.grading.declaration import declares
from lrmtest.grading.evaluate import integer_value
from lrmtest.grading.numerals import NUMBER, integer_of
from lrmtest.grading.surroundings import denied, first_sentence, refuted, reported
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

_DEGREES = re.compile(
    r"\^\s?\{?\s?\\circ\s?\}?\s?(?:\\(?:text|mathrm|rm)\s?\{\s?[CF]\s?\}|[CF](?![A-Za-z]))?|\\degree(?![A-Za-z])"
    r"|[°℃℉]\s?[CF]?(?![A-Za-z])|\\?%|\\?[$€£¥￥₩₽₹]"
)
_ORDINAL = re.compile(
    r"(?<=\d)\s?\^?\s?\{?\s?(?:\\(?:text|mathrm|textrm)\s?\{\s?)?(?:st|nd|rd|th)(?![A-Za-z])"
    r"(?:\s?\}){0,2}"
)
_BASE_TEN = re.compile(
    r"_\s?(?:\{\s?(?:10|\\text\s?\{\s?ten\s?\}|ten)?\s?\}|10(?!\d))|\(\s?base[\s-](?:ten|10)\s?\)",
    re.I,
)
_OTHER_BASE = re.compile(r"_\s?\{?\s?\d|\bbase[\s-]|\b(?:hex|octal|binary)", re.I)
_LETTERED = re.compile(r"^\(?[A-E]\)\s{0,4}(?=[-+]?\d)")
_ASIDE = re.compile(r"\s?\([^()\d]{1,60}\)$")
# A multiplier is no unit, nor is a symbol that stands for a number.
_MULTIPLIER = (
    r"\s{0,4}(?:(?:pi|sqrt|or|and|to|[xynki])(?![^\W\d_\u3000-\uffff])|[\u0370-\u03ff]|million|billion|thousand"
    r"|hundred|dozen|tausend|mille?(?!\w)|mil(?!\w)|mila(?!\w)|тыс|млн|миллион"
    r"|[万萬亿億千百兆十만억천백])"
)
_UNITS = re.compile(
    rf"(?<=[\d.}}])(?!{_MULTIPLIER})"
    r"(?:\s{1,4}|(?=[^\W\d_]{2})|(?=[^\x00-\u03ff]))[^\W\d_][^\W\d_]*(?:[\s/.-][^\W\d_]+){0,8}\.?"
    r"(?:\s?\^\s?\{?[23]\}?|[²³])?$",
    re.I,
)
_PREFIX = re.compile(
    r"^[^\W\d_][^\W\d_]*(?:\s[^\W\d_]+){0,6}\s?(?::|\bis\b)\s?|^\\approx(?![A-Za-z])\s?"
)
_LAYOUT = re.compile(
    r"\\begin\s?\{(?:array|tabular)\}\s?(?:\[[a-z]\])?\{[^{}]{0,20}\}"
    r"|\\(?:begin|end|color|textcolor|phantom|hphantom|vphantom)\s?\{[^{}]{0,20}\}|\\\\(?=\s|\}|$)"
    r"|\\(?:tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![A-Za-z])"
)
_LEADING = CuePattern(
    # What follows must not make it a larger expression, a choice or a list.
    rf"({NUMBER})(?!\d)(?!\s{{0,4}}(?:[-+*/^_=<>!×·÷\\{{]|(?:or|and|to|times|divided|over|mod|more|minus|plus"
    rf"|less|is\s(?:only\s)?(?:an?|the)\s(?:\w{{1,12}}\s)?bound)\b|{cue('or_')}|[,.]\s?\d|以上(?!より)|以下|未満|未满|より|보다|이상|이하|미만|초과)|{_MULTIPLIER})"
)
_CHOICE = CuePattern(
    r"[-+]?\d[\d,]{0,20}(?:\.\d{1,20})?"
    rf"(?:[^\d\n.;,=]{{0,12}}?(?:{cue('or_')}|{cue('and_')})\s{{0,4}}|,\s{{1,4}})"
    r"[-+]?\d"
)
_SEVERAL = CuePattern(rf"=\s?[-+]?\d[^=\n]{{0,40}}?(?:{cue('or_')}|{cue('and_')}|,)[^=\n]{{0,20}}=")
_EITHER = CuePattern(r"\W{0,4}" + cue("either"))
_REFUSAL = CuePattern(cue("refusal"))
_FORMULA = re.compile(r"[-+*/^!\\|]")
_HUGE = re.compile(
    r"(?:\d{3,}|[3-9]\d|2[1-9])\s?\)?\s?!|[!)}]\s?!|\^\s?\{?\s?-?\d{3,}|\^[^\^]{0,40}\^"
)


def _squeeze(fragment: str) -> str:
    """`fragment` in the plainest spelling: no delimiters, no spacing commands, no degrees."""
    fragment = re.sub(r"\{\s?,\s?\}|,\s?\\[!,]\s?", ",", fragment).replace("\\!", "")
    fragment = re.sub(r"\\pmod\s?\{[^{}]{0,20}\}", "", fragment).replace("\\equiv", "=")
    fragment = _ORDINAL.sub("", _DEGREES.sub("", _BASE_TEN.sub("", _LAYOUT.sub("", fragment))))
    fragment = bare(fragment).replace("\\{", "{").replace("\\}", "}")
    fragment = re.sub(r"\\[lr]?[vV]ert(?![A-Za-z])|\\mid(?![A-Za-z])", "|", fragment)
    fragment = _BASE_TEN.sub("", _ORDINAL.sub("", fragment))
    return " ".join(fragment.split()).strip(" .,;:'\"&")


def _value_of(formula: str) -> int | None:
    """The integer that a formula equals, unless it would be huge or stands in another base."""
    if not re.search(r"\d", formula) or not _FORMULA.search(formula):
        return None
    return None if _HUGE.search(formula) or _OTHER_BASE.search(formula) else integer_value(formula)


def _read_box(content: str, languages: Languages) -> str:
    """A box is a commitment whatever it holds: the integer, else its content as it stands."""
    text = _squeeze(content)
    if not text:
        return NOTHING
    if _CHOICE.of(languages).match(text) or _EITHER.of(languages).match(text):
        return text[:200]
    plain = text if _OTHER_BASE.search(text) else _ASIDE.sub("", text)
    side = _LETTERED.sub("", _PREFIX.sub("", plain.rpartition("=")[2].strip(" .")))
    for candidate in (side, _UNITS.sub("", side).strip(" .,"), plain.partition("=")[0].strip()):
        value = integer_of(candidate)
        if value is not None:
            return str(value)
    value = _value_of(side)
    return text[:200] if value is None else str(value)


def _read(commitment: Commitment, languages: Languages) -> str | None:
    said = commitment.text
    if commitment.form == "box":
        return None if refuted(commitment.behind, languages) else _read_box(said, languages)
    if "boxed" in said or "fbox" in said:
        return None  # the box itself is read
    sentence = first_sentence(said)
    text = _EXACTLY.sub("", _squeeze(sentence.rstrip("!* ")).lstrip("} "))
    if (
        sentence.rstrip("* $\"'").endswith("?")
        or _ASKS.of(languages).search(text)
        or denied(text, languages)
    ):
        return None
    if (
        _CHOICE.of(languages).match(text)
        or _EITHER.of(languages).match(text)
        or _SEVERAL.of(languages).search(text)
    ):
        return NOTHING
    if _REFUSAL.of(languages).search(text[:80]) and not re.match(r"[-+]?\d", text):
        return NOTHING
    if commitment.form == "behind":
        number = re.search(rf"(?<![\d.,/*^=+-])(?<![/*^=+-]\s){NUMBER}$", text)
        value = integer_of(number[0].strip()) if number else integer_of(text)
        return None if value is None else str(value)
    language = commitment.language
    value = integer_of(text, language)
    if value is None and "$" in sentence and text.endswith("!"):
        value = _value_of(text)
    if value is None:
        leading = _LEADING.of(languages).match(text) or _LEADING.of(languages).match(
            text.rpartition("=")[2].strip()
        )
        if leading is None:
            word = re.match(r"[a-z]+(?:-[a-z]+|\s(?:hundred|thousand)(?:\sand)?)*", text.lower())
            return _text_of(integer_of(word[0])) if word else None
        if commitment.form == "retraction" and re.search(r"\d", said[leading.end() :]):
            return None  # it tells what was wrong, and then the answer
        if commitment.form == "restated" and not _ENDS.match(text, leading.end()):
            return None
        if refuted(text[leading.end() :], languages) or refuted(said[len(sentence) :], languages):
            return None
        value = integer_of(leading[1].strip(" ,'"), language)
    elif refuted(said[len(sentence) :], languages):
        return None
    return _text_of(value)


def _text_of(value: int | None) -> str | None:
    return None if value is None else str(value)


_EXACTLY = re.compile(r"^(?:(?:exactly|precisely|approximately)\s|(?:≈|\\approx)\s?)(?=\d)", re.I)
_ASKS = CuePattern(cue("asks") + r"[\s?]{0,3}$")
_ENDS = re.compile(r"(?:\s?[^\W\d_]{1,12}){0,2}\s?(?:[.,;:!)]|$)")
_LAST_SENTENCES = 4
_THEREFORE_FIRST = CuePattern(r"[\W_]{0,12}" + cue("therefore"))
_THEREFORE = CuePattern(cue("therefore"))
_SOUGHT = CuePattern(cue("sought"))
_COUNTED = CuePattern(cue("counted"))
_BOUND = CuePattern(cue("bound") + r"有?[\s\"'*_$\\(]{0,8}$")
_IT_IS = re.compile(
    r"(?:(?:so|thus|also|donc|entonces|então|quindi),?\s)?(?:it(?:'s|\sis)|that(?:'s|\sis)|es\sist"
    r"|das\ssind|c'est|è|это)\s(?=\W{0,4}[-+]?\d)",
    re.I,
)
_MAYBE, _NOT = CuePattern(cue("maybe")), CuePattern(cue("not_"))
_JOINED = CuePattern(f"{cue('or_')}|{cue('and_')}|[,;]")
_STEP = re.compile(
    r"[\W_]{0,8}(?:step|case|part|check|note|hint|example|verification|first|next|now|schritt|fall"
    r"|zuerst|étape|d'abord|paso|primero|шаг|сначала|第.步|步骤|情况|首先|接着|まず|次に|먼저|다음)(?!\w)",
    re.I,
)
_AS_DESIRED = re.compile(r",?\sas\s(?:desired|claimed|required|expected|needed|wanted)\b.*", re.I)
_EMPHASIS = re.compile(
    r"(?:\*\*|__|<strong>|\\math(?:bf|rm)\s?\{|\\textbf\s?\{|\\boldsymbol\s?\{|\\underline\s?\{)"
    r"[^*\n{}]{0,60}[\d}](?:\s?\\?(?:text|mathrm)?\{?[^*\n{}\d]{0,24})?(?:\*\*|__|\})[\s$\\)\]*}]{0,8}"
    r"(?:[^\W\d_]+\s?){0,3}[\s$.)\]*!}]{0,4}$"
)
_SENTENCE_CASE = CuePattern(
    r"[\W_]{0,8}(?:(?:for|with|in|at|if|let|consider)\s[^,=]{0,20}(?:=|(?:even|odd|case)\b)"
    r"|when\b(?![^,]{0,60}\bdivided\b)|case\b|fall\s\w|cas\s\w|caso\s\w|случай|情况|場合|경우)",
)
_POSSIBLE = re.compile(r"\bpossible\s(?!(?:that|to|answer)\b)(?=\w)", re.I)
_STEP_WORD = CuePattern(cue("step"))
_UNFINISHED = re.compile(
    r"\b(?:could|can|did|do|was|were|am|have|has)\s?(?:not|n't)\s(?:\w{1,12}\s){0,2}"
    r"(?:finish|complet|solv|continu|evaluat|verif|able|succeed|manage|see|know|count|carr)|\bcannot\b"
    r"|\bunable\b|\bgive\sup\b|\bstuck\b|\bunfinished\b|\bran\sout\b|nicht\s(?:weiter|fertig|lösen)"
    r"|n'ai\spas\spu|pas\sréussi|no\s(?:pude|puedo|logré)|não\s(?:consegui|consigo|pude)"
    r"|non\s(?:sono\sriuscit|riesco)|не\s(?:смог|удалось|могу|успел)|没有?(?:算|完成|做完)|無法|无法"
    r"|\be\.g\.$|できな(?:い|かった)|못했|못하|수\s없",
    re.I,
)
_NO_UNIT = re.compile(
    r"\b(?:minus|plus|times|less|fewer|more|cases?|left|remaining|to\s(?:check|consider|go)|before|after|without|if|unless|when|only|so\sfar|at|or|not|is"
    r"|moins|menos|meno|weniger|минус)\b",
    re.I,
)
_COMPARED = re.compile(r"以上(?!より)|以下|未満|未满|超过|より|を超|보다|이상|이하|미만|초과")
_POLITE = re.compile(
    r"\W*(?:(?:i\s)?hope\sth|let\sme\sknow|feel\sfree|please\s(?:let|feel)|confidence\b|thank|i(?:\sam|'m)\s"
    r"(?:\w{1,12}\s)?confident|this\s(?:completes|concludes)|q\.?e\.?d|done\b)",
    re.I,
)
_STATES = CuePattern(
    rf"(?:(?:=|:|{cue('verb')})(?:\s(?:{cue('therefore')}|to|us|à|a|exactly|genau|exactement))?"
    rf"|{cue('sought')}|(?:total|sum)\sof)\s{{0,3}}$"
)
_TRAILING = re.compile(
    rf"(?<![\d.,/*^+\\])(?<![/*^+\\]\s)(?P<number>{NUMBER})(?P<unit>[^\d\n=+*/^]{{0,60}})$"
)


def _conclude(text: str, languages: Languages) -> str | None:
    """The integer that the last sentence with a number concludes with, if it does.

    It concludes when it begins with "therefore", names what was asked for, or sets its last
    number apart by emphasis. A number that merely stands last is none: it is as likely a step.
    """
    if len(text) <= 40 and (value := integer_of(_squeeze(_IT_IS.sub("", text, 1)))) is not None:
        return str(value)
    spoken_last = True
    sentences = sentences_backwards(text, longest=400)
    for place, sentence in enumerate(sentences[:_LAST_SENTENCES]):
        if refuted(sentence, languages):
            return None
        if re.search(r"\d", sentence) and not _POLITE.match(sentence):
            concluded = _concluded(sentence, languages, last=spoken_last)
            if concluded is None and spoken_last:
                return _declared(sentence, sentences[place + 1 : place + 3], languages)
            return concluded
        spoken_last = spoken_last and (
            not re.search(r"\w", sentence) or _POLITE.match(sentence) is not None
        )
    return None


def _declared(sentence: str, before: Sequence[str], languages: Languages) -> str | None:
    """The number that a text's last sentence gives as the value of one quantity.

    "The remainder is 73", "m + n = 60 + 13 = 73". Such a sentence closes the answer when nothing
    says that it is a case, a step, given, hypothetical or another's, and when the sentence before
    it neither gives up nor states the same of a second quantity.
    """
    text = _squeeze(sentence.rstrip("!* "))
    found = _TRAILING.search(text)
    if (
        found is None
        or (value := integer_of(found["number"].strip())) is None
        or not _plain_unit(found["unit"])
        or not re.search(r"[.!$*)\]}]\s*$", sentence)
        or _unfit(sentence, text, languages)
        or denied(text[found.start() :], languages)
    ):
        return None
    lead = text[: found.start()]
    if not (declares(lead, languages) or _counts(lead, text, languages)):
        return None
    if _NOT.of(languages).search(lead[-24:]) or _guessed(lead, languages):
        return None
    if _BOUND.of(languages).search(lead):
        return None
    for other in before:
        gives_up = _REFUSAL.of(languages).search(other) or _UNFINISHED.search(other)
        if gives_up or _SENTENCE_CASE.of(languages).match(other):
            return None
    return None if before and _competes(before[0], text, languages) else str(value)


def _counts(lead: str, sentence: str, languages: Languages) -> bool:
    """Whether a sentence says how many there are, and nothing of any other number."""
    return bool(_COUNTED.of(languages).search(sentence)) and not re.search(r"[\d=<>≤≥]", lead)


def _competes(sentence: str, last: str, languages: Languages) -> bool:
    """Whether a sentence gives a second quantity its value, which the `last` one does not use."""
    text = _squeeze(sentence.rstrip("!* "))
    found = _TRAILING.search(text)
    return (
        found is not None
        and found["number"].strip() not in last
        and declares(text[: found.start()], languages)
        and re.match(r"\W*(?:the|der|die|das|le|la|el|o|il)\b|[^A-Za-z=]{0,80}$", text, re.I)
        is not None
    )


def _guessed(lead: str, languages: Languages) -> bool:
    """Whether a value is a guess; "the largest possible value" is none."""
    return bool(_MAYBE.of(languages).search(_POSSIBLE.sub("", lead)))


def _unfit(sentence: str, text: str, languages: Languages) -> bool:
    """Whether a sentence asks, reports, supposes, refuses, or tells a case or a step."""
    return bool(
        re.search(r"[?][\s*\"')]*$", sentence)
        or _ASKS.of(languages).search(sentence)
        or _STEP.match(sentence)
        or "\\boxed" in sentence
        or reported(sentence, languages)
        or _SENTENCE_CASE.of(languages).match(text)
        or _STEP_WORD.of(languages).search(text)
        or _REFUSAL.of(languages).search(text)
    )


def _concluded(sentence: str, languages: Languages, *, last: bool) -> str | None:
    asks = re.search(r"[?][\s*\"')]*$", sentence) or _ASKS.of(languages).search(sentence)
    if asks or _STEP.match(sentence) or "\\boxed" in sentence or reported(sentence, languages):
        return None
    emphasised = bool(_EMPHASIS.search(sentence))
    text = _squeeze(sentence.rstrip("!* "))
    if emphasised and (value := integer_of(_UNITS.sub("", text))) is not None:
        return str(value)
    found = _TRAILING.search(text)
    if found is None or (value := integer_of(found["number"].strip())) is None:
        return None
    lead = text[: found.start()]
    states = _STATES.of(languages).search(lead)
    opens = bool(_THEREFORE_FIRST.of(languages).match(text) or _SOUGHT.of(languages).search(lead))
    if not (opens and (states or emphasised)) and not (last and states and emphasised):
        return None
    if _guessed(lead, languages) or denied(text[found.start() :], languages):
        return None
    if (
        _NOT.of(languages).search(lead[-16:])
        or _BOUND.of(languages).search(lead)
        or _REFUSAL.of(languages).search(lead)
    ):
        return None
    if not _plain_unit(found["unit"]) or _STEP_WORD.of(languages).search(found["unit"]):
        return None
    # "x = 3 and y = 4" answers twice; "x = 3, so x + 1 = 4" once.
    openings = [mark.end() for mark in _THEREFORE.of(languages).finditer(lead)]
    clause = lead[max(openings, default=0) :]
    if re.search(r"\d", clause) and "=" in clause and _JOINED.of(languages).search(clause):
        return None
    return str(value)


def _plain_unit(unit: str) -> bool:
    unit = _AS_DESIRED.sub("", unit)
    if _COMPARED.search(unit) or _NO_UNIT.search(unit):
        return False
    return not unit.strip(" .,)") or bool(_UNITS.fullmatch("0" + unit.rstrip(" .,)"), 1))


def grade_integer(question: Question, answer: str) -> Grade:
    r"""Grade an answer against an integer.

    Only a committed answer counts: the last box, answer line or "the answer is ..." of the text,
    in any language of `lrmtest.grading.cues`; else what its last sentence with a number
    concludes with. A box is a commitment whatever it holds; what is no integer is extracted as
    it stands and wrong. Boxes joined by "or" are no answer, and a number that merely stands last
    in the text is none: it is as likely a step.

    Args:
        question: its reference is an integer, with or without leading zeros.
        answer: the answer text.
    """
    text = clean(answer)
    languages = spoken(text)
    reading = last_reading(
        text,
        languages,
        lambda commitment: _read(commitment, languages),
        lambda rest: _conclude(rest, languages),
    )
    if not reading:
        return Grade(extracted=None, correct=False, score=0.0)
    correct = reading == str(int(question.expected))
    return Grade(extracted=reading, correct=correct, score=float(correct))
