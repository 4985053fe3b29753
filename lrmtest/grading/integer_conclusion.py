"""The integer that a text without a commitment concludes with, by its last sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lrmtest.grading.answer_text import sentences_backwards
from lrmtest.grading.cues import CuePattern, Languages, cue, spoken
from lrmtest.grading.declaration import declares
from lrmtest.grading.integer_spelling import UNITS, squeeze
from lrmtest.grading.numerals import NUMBER, integer_of
from lrmtest.grading.surroundings import anothers, conditional, denied, refuted, reported

ASKS = CuePattern(cue("asks") + r"[\s?]{0,3}$")
REFUSAL = CuePattern(cue("refusal"))
_LAST_SENTENCES = 4
_LONGEST = 4000
"""Characters of a text's end that are looked at: more than its last sentences are."""
_THEREFORE_FIRST = CuePattern(r"[\W_]{0,12}" + cue("therefore"))
_THEREFORE = CuePattern(cue("therefore"))
_SOUGHT = CuePattern(cue("sought"))
_COUNTED = CuePattern(cue("counted"))
_COUNTED_LAST = CuePattern(
    cue("counted") + r"有?[\s\"'*_$\\(]{0,8}(?:(?:\\[a-z]{2,6}|[^A-Za-z.;:?,\\]){1,60}=\s?)?$"
)
_EXACTLY = CuePattern(
    rf"\W{{0,8}}{cue('therefore')},?\s(?:there\s(?:are|is)\s|we\shave\s|we\sget\s)?(?:exactly|precisely|genau"
    rf"|exactement|exactamente|exatamente|esattamente|ровно)\s(?P<number>{NUMBER})(?P<unit>\s[a-zа-яà-ÿ]{{2}}[^\n]{{0,200}})$"
)
_LEFT_OUT = re.compile(
    r"\b(?:remain\w*|left|leav\w+|fail\w*|exclud\w*|remov\w*|invalid|not|violat\w*|eliminat\w*|discard\w*"
    r"|undecided|unresolved|unchecked|cases?|candidates?)\b|n't\b",
    re.I,
)
_BOUND = CuePattern(cue("bound") + r"有?[\s\"'*_$\\(]{0,8}$")
_IT_IS = re.compile(
    r"(?:(?:so|thus|also|donc|entonces|então|quindi),?\s)?(?:it(?:'s|\sis)|that(?:'s|\sis)|es\sist"
    r"|das\ssind|c'est|è|это)\s(?=\W{0,4}[-+]?\d)",
    re.I,
)
_MAYBE, _NOT = CuePattern(cue("maybe")), CuePattern(cue("not_"))
_ONE_OR = CuePattern(r"\d[\s$,]{0,4}" + cue("or_"))
_JOINED = CuePattern(f"{cue('or_')}|{cue('and_')}|[,;]")
_STEP = re.compile(
    r"[\W_]{0,8}(?:step|case|part|check|note|hint|example|verification|first|next|now|schritt|fall"
    r"|zuerst|étape|d'abord|paso|primero|шаг|сначала|第.步|步骤|情况|首先|接着|まず|次に|먼저|다음)(?!\w)",
    re.I,
)
_CLAUSE = CuePattern(
    rf"[,;]\s(?:but|aber|mais|pero|ma|mas|но)\s|[,;]\s(?:and\s)?(?={cue('therefore')}|(?:adding|summing|combining|subtracting|removing)\b)"
)
# A check behind the answer, which finds nothing against it.
_VERIFIES = re.compile(
    r"\W*(?:as\sa\s(?:quick\s|sanity\s|final\s)*check|(?:quick\s|sanity\s)*check(?:ing|s)?\b(?!\s(?:the"
    r"|that|all|each|whether)\b)|verif(?:y|ies|ying|ication)\b|to\s(?:double-)?(?:check|verify)|indeed\b"
    r"|probe\b|kontrolle|vérification|comprobación|verificación|verificação|verifica\b|проверка|验证|验算"
    r"|驗證|驗算|検算|確認|검산|확인)",
    re.I,
)
_OBJECTS = re.compile(
    r"≠|\\neq?(?![a-z])|\b(?:wrong|incorrect|mistake|error|contradict\w*|however|but|instead|fehler|falsch"
    r"|erreur|faux|error|mal|erro|errado|errore|sbagliato)\b|[错錯误誤]|неверн|ошибк|間違|誤り|틀렸|틀린|잘못",
    re.I,
)
_NOT_THAT = CuePattern(
    rf"(?:\s?\((?:[^()\d]{{0,12}}?{cue('not_')}[^()]{{0,60}}|[^()]{{1,20}}\b(?:fails?|is\stoo)\b[^()]{{0,40}})\)"
    rf"|,\s?(?:\w{{1,3}}\s)?{cue('not_')}\s?[^(),]{{1,12}})(?=[.!\s]{{0,4}}$)"
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
_OF_A_CASE = re.compile(
    r"\b(?:first|second|third|fourth|last|other|this|that|each|former|latter)\s"
    r"(?:case|step|part|subcase)\b[^,;]{0,60}$|第.{1,2}[种種类類]?(?:情况|情形|步)",
    re.I,
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
    r"\b(?:undecided|unresolved|unchecked|candidates?|minus|plus|times|less|fewer|more|cases?|left|remaining|to\s(?:check|consider|go)|before|after|without|if|unless|when|only|so\sfar|at|or|not|is"
    r"|f[aä]lle|cas|casos|casi|случ\w{1,4}|moins|menos|meno|weniger|минус)\b",
    re.I,
)
_COMPARED = re.compile(
    r"지만|だが|ですが|あるが|以上(?!より)|以下|未満|未满|超过|より|を超|보다|이상|이하|미만|초과"
)
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

_ONLY_NUMBER = re.compile(
    r"(?P<before>[^\W\d_][^\d:=<>≤≥]{0,80}\s)(?<!step\s)(?<!part\s)(?<!problem\s)(?<!question\s)"
    rf"(?<!number\s)(?<!equation\s)(?<!option\s)(?<!case\s)(?P<number>{NUMBER})"
    r"(?P<unit>(?:\s[^\W\d_]{2,20}){1,4})$",
    re.I,
)
_IS_NUMBER = re.compile(
    rf"(?P<before>[^\W\d_][^:=<>≤≥;]{{0,160}}\s(?:is|are|equals)\s)(?P<number>{NUMBER})(?P<unit>)$",
    re.I,
)
_WAYS = re.compile(
    r"(?P<before>[^\W\d_][^\d:=<>≤≥]{0,60}\s(?:there\s(?:are|is)|can\s\w{2,12}|has|have)\s)"
    rf"(?P<number>{NUMBER})(?P<unit>\s(?:different|distinct|possible|unique|ways)\b)",
    re.I,
)
_ANOTHERS = CuePattern(cue("anothers"))
STATED = re.compile(r"(?:\b(?:is|are|was|were|has|have|equals|can\s\w{2,12})|=)\W{0,4}$", re.I)
"""How the words end right behind which a value is stated, whatever follows it."""


_PROVED = re.compile(r"\$?\\(?:blacksquare|square|Box|qed)(?![A-Za-z])\$?|[∎■□]")
# The next line of a formula in lines goes on with the one before.
_GOES_ON = re.compile(r"(?:\\\\\s{0,8})?\n?\s{0,8}&\s?(?==)")
_DISPLAY = re.compile(r":\s{0,4}\n\s{0,8}(?:\$\$|\\\[)\s{0,8}")
_DISPLAY_ENDS = re.compile(r"\s{0,4}\n\s{0,8}(?:\$\$|\\\])\s{0,8}\Z")
_END_OF_FORMULA = re.compile(r"\s{0,8}\\end\s?\{[a-z]{1,12}\*?\}")

_LAST_ROW = re.compile(r"\n\s{0,4}\|([^|\n]{1,80})\|\s{0,4}([^|\n]{1,80})\|?\Z")


def _plain(text: str) -> str:
    """The end of `text` without marks of a proof's end, formulas in lines on one line, and a
    table that it ends with by its last row."""
    text = _DISPLAY_ENDS.sub("$", _DISPLAY.sub(": ", text[-_LONGEST:]))
    text = _END_OF_FORMULA.sub("", _GOES_ON.sub(" ", _PROVED.sub("", text))).strip()
    return _LAST_ROW.sub(r"\n\1 = \2.", text)


def conclude(text: str, languages: Languages) -> str | None:
    """The integer that the last sentence with a number concludes with, if it does.

    It concludes when it begins with "therefore", names what was asked for, or sets its last
    number apart by emphasis. A number that merely stands last is none: it is as likely a step.
    """
    text = _plain(text)
    if len(text) <= 40 and (value := integer_of(squeeze(_IT_IS.sub("", text, 1)))) is not None:
        return str(value)
    spoken_last = True
    sentences = sentences_backwards(text, longest=400)
    for place, sentence in enumerate(sentences[:_LAST_SENTENCES]):
        if refuted(sentence, languages):
            return None
        if _VERIFIES.match(sentence) and not _OBJECTS.search(sentence):
            continue
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
    text = squeeze(_NOT_THAT.of(languages).sub("", sentence.rstrip("!* ")))
    exactly = _EXACTLY.of(languages).match(text)
    if exactly and _LEFT_OUT.search(exactly["unit"]):
        return None
    found = exactly or _TRAILING.search(text)
    if (
        found is None
        or (value := integer_of(found["number"].strip(), _language(sentence))) is None
        or not (exactly or plain_unit(found["unit"]))
        or not re.search(r"[.!$*)\]}]\s*$", sentence)
        or _unfit(sentence, text, languages)
        or denied(text[found.start() :], languages)
    ):
        return None
    lead = text[: found.start("number")]
    clause = _CLAUSE.of(languages).split(lead)[-1]
    if not (
        exactly
        or declares(lead, languages)
        or declares(clause, languages)
        or _counts(lead, text, languages)
    ):
        return None
    if _NOT.of(languages).search(lead[-24:]) or _guessed(lead, languages):
        return None
    if _BOUND.of(languages).search(lead) or _ONE_OR.of(languages).search(lead):
        return None
    for other in before:
        gives_up = REFUSAL.of(languages).search(other) or _UNFINISHED.search(other)
        if gives_up or _SENTENCE_CASE.of(languages).match(other):
            return None
    return None if before and _competes(before[0], text, languages) else str(value)


def _language(sentence: str) -> str:
    """A language of a sentence, another than English if it speaks one: what its marks mean."""
    return spoken(sentence)[-1].language


def _counts(lead: str, sentence: str, languages: Languages) -> bool:
    """Whether a sentence says how many there are, right before a number or of no other one."""
    counted = _COUNTED.of(languages)
    alone = counted.search(sentence) and not re.search(r"[\d=<>≤≥]", lead)
    return bool(alone or _COUNTED_LAST.of(languages).search(lead))


def _competes(sentence: str, last: str, languages: Languages) -> bool:
    """Whether a sentence gives a second quantity its value, which the `last` one does not use."""
    text = squeeze(sentence.rstrip("!* "))
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
        or ASKS.of(languages).search(sentence)
        or _STEP.match(sentence)
        or "\\boxed" in sentence
        or reported(sentence, languages)
        or _SENTENCE_CASE.of(languages).match(text)
        or _STEP_WORD.of(languages).search(text)
        or REFUSAL.of(languages).search(text)
    )


def _concluded(sentence: str, languages: Languages, *, last: bool) -> str | None:
    asks = re.search(r"[?][\s*\"')]*$", sentence) or ASKS.of(languages).search(sentence)
    if asks or _STEP.match(sentence) or "\\boxed" in sentence or reported(sentence, languages):
        return None
    emphasised = bool(_EMPHASIS.search(sentence))
    text = squeeze(sentence.rstrip("!* "))
    if emphasised and (value := integer_of(UNITS.sub("", text))) is not None:
        return str(value)
    found = _TRAILING.search(text)
    if found is None:
        return None
    if (value := integer_of(found["number"].strip(), _language(sentence))) is None:
        return None
    lead = text[: found.start()]
    states = _STATES.of(languages).search(lead)
    opens = bool(_THEREFORE_FIRST.of(languages).match(text) or _SOUGHT.of(languages).search(lead))
    if not (opens and (states or emphasised)) and not (last and states and emphasised):
        return None
    if (
        _OF_A_CASE.search(lead)
        or _guessed(lead, languages)
        or denied(text[found.start() :], languages)
    ):
        return None
    if (
        _NOT.of(languages).search(lead[-16:])
        or _BOUND.of(languages).search(lead)
        or REFUSAL.of(languages).search(lead)
    ):
        return None
    if not plain_unit(found["unit"]) or _STEP_WORD.of(languages).search(found["unit"]):
        return None
    # "x = 3 and y = 4" answers twice; "x = 3, so x + 1 = 4" once.
    openings = [mark.end() for mark in _THEREFORE.of(languages).finditer(lead)]
    clause = lead[max(openings, default=0) :]
    if re.search(r"\d", clause) and "=" in clause and _JOINED.of(languages).search(clause):
        return None
    return str(value)


def affirmed(before: str, behind: str, languages: Languages) -> bool:
    """Whether a value is stated as it is: no bound, no guess, not denied, not for some cases only.

    Args:
        before, behind: what stands on its both sides in its sentence, none of which may say that
            it is what is left, fails or is excluded.
    """
    return not (
        _NOT.of(languages).search(before[-24:])
        or _BOUND.of(languages).search(before)
        or _guessed(before, languages)
        or reported(before, languages)
        or anothers(before, languages)
        or conditional(behind)
        or refuted(behind, languages)
        or _LEFT_OUT.search(behind)
    )


def only_number(text: str, languages: Languages) -> str | None:
    """The number of an answer line in words, "You can make 240 different outfits".

    It is the only one and counts something, or is said to be what there is, or the line ends with
    it: "The difference between the roots of 64 is 4".

    Args:
        text: the line's sentence, squeezed (`lrmtest.grading.integer_spelling.squeeze`).
    """
    found = _ONLY_NUMBER.match(text) or _IS_NUMBER.match(text) or _WAYS.match(text)
    if (
        found is None
        or _STEP_WORD.of(languages).search(text)
        or not affirmed(found["before"], found["unit"], languages)
        or not (plain_unit(found["unit"]) or found.re is _WAYS)
        or (found.re is _IS_NUMBER and _ANOTHERS.of(languages).search(found["before"]))
    ):
        return None
    value = integer_of(found["number"].strip())
    return None if value is None else str(value)


def plain_unit(unit: str) -> bool:
    """Whether what follows a number are only the things that it counts or measures."""
    unit = _AS_DESIRED.sub("", unit)
    if _COMPARED.search(unit) or _NO_UNIT.search(unit):
        return False
    return not unit.strip(" .,)") or bool(UNITS.fullmatch("0" + unit.rstrip(" .,)"), 1))
