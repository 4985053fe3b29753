"""Grading True, False or Uncertain, as in FOLIO, out of format lines and free prose."""

from __future__ import annotations

import re
from functools import lru_cache

from lrmtest.grading.answer_text import bare, clean, sentences_backwards
from lrmtest.grading.commitments import NOTHING, Commitment, last_reading
from lrmtest.grading.cues import CuePattern, Languages, bounded, cue
from lrmtest.grading.surroundings import (
    claimed,
    conditional,
    first_sentence,
    refuted,
    reported,
)
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

TRUE, FALSE, UNCERTAIN = "True", "False", "Uncertain"


@lru_cache(maxsize=1024)
def _label_pattern(languages: Languages) -> str:
    """The labels as predicates, in groups ``uncertain``, ``false`` and ``true``.

    They are tried in this order where several could begin: "not necessarily true" is no "not
    true", and "cannot be determined" takes the rest of its clause with it, so that "cannot be
    determined as true or false" names one label only. A denied label is the other one.
    """
    uncertain = [bounded(cues, "uncertain") for cues in languages]
    false: list[str] = []
    true: list[str] = []
    for cues in languages:
        not_, necessarily = bounded(cues, "not_"), bounded(cues, "necessarily")
        is_ = bounded(cues, "verb")
        is_true, is_false = bounded(cues, "true"), bounded(cues, "false")
        if cues.necessarily:
            uncertain.append(rf"{not_}\s?(?:{is_}\s)?{necessarily}[^.;,]{{0,40}}")
        if cues.not_after:
            false.append(is_true + bounded(cues, "not_after"))
            is_false_not = is_false + bounded(cues, "not_after")
            false.append(f"(?!{is_false_not}){is_false}")
            true.append(is_false_not)
        else:
            false.append(is_false)
        if cues.language != "en":
            be = rf"\s?(?:{is_}\s?)?"
            false.append(not_ + be + is_true)
            true.append(not_ + be + is_false)
        true.append(is_true)
    true.insert(0, r"(?:\b(?:is|are|was|be|it's)\snot|n't|\bcannot\sbe)\s(?:false|incorrect)\b")
    groups = {"uncertain": uncertain, "false": false, "true": true}
    return "|".join(f"(?P<{name}>{'|'.join(parts)})" for name, parts in groups.items())


@lru_cache(maxsize=1024)
def _label(languages: Languages) -> re.Pattern[str]:
    return re.compile(_label_pattern(languages), re.I)


@lru_cache(maxsize=1024)
def _other_label(languages: Languages) -> re.Pattern[str]:
    """A label that follows another in a list, or in parentheses."""
    joint = CuePattern(rf"\s?(?:/|\||,|,?\s?{cue('or_')}|,?\s?{cue('and_')}|\()\s?[\"'*]{{0,3}}")
    return re.compile(f"{joint.of(languages).pattern}(?P<any>{_label_pattern(languages)})", re.I)


_SUBJECT = CuePattern(
    r'""(?=\sis\b)'  # a quotation that was taken out
    rf"|(?<!\bin\s)(?<!\ben\s)(?<!\bem\s){cue('statement')}",
)
# What follows gives reasons or weighs alternatives; it no longer says which label it is.
_EITHER = CuePattern(cue("either"))
_NEITHER = re.compile(
    r"\b(?:premises?|facts?|statements?|information)\s(?:\w{1,12}\s){0,2}neither\s"
    r"(?:prov|support|confirm|establish|impl|entail|guarante)\w{0,4}\sn?or\s"
    r"(?:disprov|refut|contradict|den|exclud|rul|disconfirm)\w{0,6}\b",
    re.I,
)
_TURN = CuePattern(rf"{cue('because')}|[,;]\s(?:and\s)?not\b|\(")
_CONDITION = CuePattern(
    r"^\W*(?:at\sfirst|initially|on\sthe\ssurface)\b|^\W*(?:\w+\s){0,2}(?:if|suppose|assum\w+|whether|let's|perhaps|maybe|could)\b"
    r"|\b(?:may|might|could|would)\sbe\b|\bpossib(?:le|ly|ility)\b|\b(?:whether|if)\s(?:the|this)\b"
    rf"|^\W*(?:\w+\s)?{cue('if_', but_english=True)}",
)
_MAYBE = CuePattern(cue("maybe", but_english=True))
_HEDGED = CuePattern(
    r"(?:\b(?:far\sfrom|anything\sbut|hardly|barely|scarcely|probabl[ey]|likely|mostly|partially|partly|supposed|rather|eher|plutôt|más\sbien|скорее|presumably|possibly|perhaps|maybe|looks?|sounds?|seems|seemingly|apparently|leans?"
    rf"|leaning|(?:may|might|could)\sbe)\b|(?<!不){cue('maybe', but_english=True)})"
    rf"\W{{0,4}}(?:(?:to|be|is|towards?)\s){{0,3}}(?:\w{{1,12}}\W{{1,3}}|{cue('verb')})?$",
)
# Behind a label: it does not hold throughout, or is no label at all.
_PARTLY = re.compile(
    r"\W{0,4}(?:or\s(?:fail|not|false)|depend|in\s(?:some|one|certain|most)\b|for\s(?:premise|some|one)\b"
    r"|for\s\w{1,20}\sbut\snot\b|alarm\b|about\s(?:premise|the\spremise)|to\sform\b|(?-i:S)tory\b)",
    re.I,
)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not?|never|cannot|hardly|nothing|without|no\slonger)|n't)\s(?:be\s)?$", re.I
)
_NOT_BEFORE = CuePattern(cue("not_") + r"\s?$")
_SEEMS = re.compile(
    r"\b(?:seems?|appears?|likely|probable|suspect|guess)\s(?:to\sme\s)?(?:that\s)?(?:\w{1,8}\s){0,2}$",
    re.I,
)
_DOUBTED = CuePattern(r"\W{0,4}(?:である|という)?" + cue("doubted"))
_UNSURE = re.compile(
    r"\W{0,4}(?:probabl[ey]|likely|maybe|perhaps|presumably|possibly|i\sguess|not\ssure|tentative)\b"
    r"|\W{0,4}(?:though|but|although|probably|likely|maybe|perhaps|i\sthink|not\s(?:entirely|fully|100"
    r"|certain|sure))[^.\n]{0,30}?(?:\b(?:not|un)\s?(?:\w{1,12}\s)?(?:certain|sure)\b|\bprobably\b"
    r"|\blikely\b|\bmaybe\b|\bperhaps\b|\bthink\b)",
    re.I,
)
_OPPOSITE = CuePattern(
    r"(?:\b(?:negation|opposite|contrary|converse|inverse|denial|verneinung|negation|umkehrung"
    r"|gegenteil|négation|contraire|negación|negação|negazione|отрицание|обратное)\b[^.,;]{0,24}$)",
)
_IN_DOUBT = CuePattern(rf"\b(?:if|may|might|could|would)\b|{cue('if_')}|{cue('maybe')}")
_SO_IT_IS = CuePattern(
    rf"(?:^\W{{0,8}}|[,;:-]\s(?:and\s|but\s)?){cue('therefore')},?\s(?:it|this|that|sie|es|er|elle|il|cela|ella|esta|ela"
    rf"|он[оа]?|это)?\s?(?={cue('verb')})",
)
_IT_ENDS = re.compile(
    r"\b(?:it|this)\s(?:is|must\sbe|has\sto\sbe)\s(?:(?:in\sfact|actually|indeed|therefore|thus|clearly)\s)?"
    r"([^\s.;,]{1,20}[.!\s*]*)$",
    re.I,
)
_WHETHER = re.compile(
    r"\bwhether\b[^.;?]{3,240}\b(?:is|remains|stays)\s(?:therefore\s|still\s|thus\s)?"
    r"(?:unknown|uncertain|unclear|undetermined|indeterminate)\W*$",
    re.I,
)
# "It is not the case that the conclusion is true."
_NOT_THAT = CuePattern(
    r"(?:\bno\sway|(?<!no\s)(?<!beyond\s)(?<!without\s)\bdoubt(?:ful|s)?|\bwrong\sto\s\w{2,8})\b[^.,;]{0,30}$"
    rf"|(?:{cue('not_')}|{cue('false')})"
    + r"[^.,;]{0,30}(?:\b(?:that|dass|que|che)\b|что|说|說)\s?\w{0,5}\s?$"
)
_ASKS = CuePattern(cue("asks") + r"[\s?.]{0,3}$")
_FEW = re.compile(r"\b(?:no|none|only|hardly|barely|scarcely|never|one|some)\b", re.I)
_SO_FIRST = CuePattern(rf"\W{{0,8}}{cue('therefore')}[,:]?\s")
# What a label means, and not which one it is.
_DEFINES = re.compile(
    r"\b(?:true|false|uncertain|unknown)\W{0,3}\s(?:would\s)?(?:means?|stands\sfor|applies|requires)\b",
    re.I,
)
_SEPARATE = re.compile(r"[,;:]|\b(?:so|but|therefore|thus|hence|making|makes)\b", re.I)
_QUOTATION = re.compile(r'"[^"\n]{12,}"')
_QUOTED_ASIDE = re.compile(r'\s?\(\s?"[^"\n]{1,300}"\s?\)')
_HEADING = re.compile(
    r"[\W_]{0,12}(?:final\s)?(?:conclusion|verdict|answer)[\s*_]{0,4}:[\s*_]{0,4}", re.I
)
# "The premises entail the conclusion": the label stands before what it is said of.
_OF_PREMISES = re.compile(
    r"\b(?:premises?|facts?|statements?|information|rules?)\b(?:\s[^\s.;:?!]{1,20}){0,4}?\s"
    r"(?:(?P<uncertain>(?:(?:do|does|did)(?:\snot|n't)|neither|fail\sto)\s[^.;:?!]{0,80}?)"
    r"|(?P<true>(?:entail|impl(?:y|ies)|support|prove|guarantee|establish|confirm|force)s?)"
    r"|(?P<false>(?:contradict|refute|disprove|negate|exclude|rule)(?:s?\sout|s)?))"
    r"\s(?:the|this|our)\s(?:given\s|stated\s)?(?:conclusion|statement|claim|hypothesis)\W*$",
    re.I,
)
_OPENING_LABEL = re.compile(
    r"(?:(?![!¬~≠])[\W_]){0,12}(?:[A-Z](?:[).:]\s?|\s\())?"
    r"(?:option|label|it is|it's|this is)?[\s:]{0,3}"
    r"(?P<label>true|false|uncertain|unknown)(?![A-Za-z0-9_])",
    re.I,
)
_LISTED = CuePattern(rf"[\s\"'*]{{0,4}}(?:/|\||,|,?\s?{cue('or_')})[\s\"'*]{{0,4}}(?:is\s)?")
_LAST_SENTENCES = 500
_NAMED = {"true": TRUE, "false": FALSE, "uncertain": UNCERTAIN, "unknown": UNCERTAIN}


def _label_of(match: re.Match[str]) -> str:
    assert match.lastgroup is not None
    return _NAMED[match.lastgroup]


def _opening(text: str, languages: Languages) -> str | None:
    """The label that `text` begins with; `NOTHING` when it goes on to list others."""
    if re.match(r"[\s\"'*]{0,4}[!¬~≠]\s?(?:true|false|uncertain)", text, re.I):
        return NOTHING
    match = _OPENING_LABEL.match(text)
    if match is None:
        return None
    label, end = _NAMED[match["label"].lower()], match.end()
    while other := _other_label(languages).match(text, end):
        name = next(name for name in ("uncertain", "false", "true") if other[name] is not None)
        if _NAMED[name] != label:
            return NOTHING if "(" not in text[end : other.start("any")] else label
        end = other.end()
    return label


def _predicate(text: str, languages: Languages) -> str | None:
    """The label that a sentence's main clause ends with.

    The last one, because what comes before may belong to the quoted statement: "the statement
    that it is not true that A is false".
    """
    turn = _TURN.of(languages).search(text, 1)
    labels = list(_label(languages).finditer(text, 0, turn.start() if turn else len(text)))
    if not labels:
        return None
    before = text[max(0, labels[-1].start() - 60) : labels[-1].start()]
    if _label_of(labels[-1]) != UNCERTAIN and (
        _HEDGED.of(languages).search(before) or _DOUBTED.of(languages).match(text, labels[-1].end())
    ):
        return NOTHING
    behind = text[labels[-1].end() :]
    if conditional(behind) or _PARTLY.match(behind) or refuted(behind, languages):
        return NOTHING
    if _label_of(labels[-1]) == FALSE and _DENIED_BEFORE.search(before):
        return NOTHING
    if _label_of(labels[-1]) == UNCERTAIN and _NOT_BEFORE.of(languages).search(before):
        return NOTHING
    if len(labels) > 1 and _label_of(labels[-2]) != _label_of(labels[-1]):
        between = text[labels[-2].end() : labels[-1].start()]
        if _LISTED.of(languages).fullmatch(between):
            return NOTHING
        if len(between) <= 12 and _EITHER.of(languages).search(text, 0, labels[-2].start()):
            return NOTHING
    return _label_of(labels[-1])


def _unquoted(text: str) -> str:
    """`text` without its markup, and without what it quotes."""
    return _QUOTATION.sub('""', _QUOTED_ASIDE.sub("", bare(text)))


def _read(commitment: Commitment, languages: Languages) -> str | None:
    text = _unquoted(commitment.text)
    if commitment.form == "retraction" or text.rstrip().endswith("?"):
        return None
    reading = _opening(text, languages)
    if commitment.form == "restated":
        match = _OPENING_LABEL.match(text)
        return reading if match and not re.match(r"\s?\w", text[match.end() :]) else None
    if commitment.language != "en":
        text = first_sentence(text)
    if _ASKS.of(languages).search(text):
        return None
    if reading:
        label = _OPENING_LABEL.match(text)
        assert label is not None
        unsure = _UNSURE.match(text, label.end()) or conditional(text[label.end() :])
        if _PARTLY.match(text, label.end()) or (unsure and reading != UNCERTAIN):
            return NOTHING
        return reading
    return _predicate(text, languages) if reading is None else reading


def _whole_predicate(text: str, languages: Languages) -> str | None:
    """The label that is all that "it is" or "it must be" leaves to say."""
    label = _label(languages).search(text)
    short = label is not None and len(text) <= 40 and not re.search(r"\w", text[label.end() :])
    return _predicate(text, languages) if short else None


def _read_sentence(sentence: str, languages: Languages) -> str | None:
    """The label that a sentence gives to the conclusion, or that stands alone on its line."""
    text = _unquoted(sentence)
    head = _HEADING.match(text)
    if head and _SUBJECT.of(languages).search(text, head.end()):
        text = text[head.end() :]
    so = _SO_FIRST.of(languages).match(text)
    said = text[so.end() :] if so else text
    alone = _OPENING_LABEL.match(said)
    if alone and not re.search(r"[\w?]", said[alone.end() :]):
        return _opening(said, languages)
    plain = text.strip(" .!\"'*_#")
    if (whole := _label(languages).fullmatch(plain)) and len(plain) <= 20:
        return _label_of(whole)
    subject = _SUBJECT.of(languages).search(text)
    if subject is None and so and (it := _SO_IT_IS.of(languages).match(text)):
        rest = text[it.end() :]
        return None if _IN_DOUBT.of(languages).search(rest) else _whole_predicate(rest, languages)
    if _DEFINES.search(text):
        return None
    if subject is None or text.endswith("?") or _ASKS.of(languages).search(text):
        return None
    # "cannot determine whether the conclusion is true", "it is unclear if the claim is true"
    unsure = _label(languages).search(text)
    if unsure and unsure.lastgroup == "uncertain" and unsure.start() < subject.start():
        between = text[unsure.end() : subject.start()]
        sure = _DENIED_BEFORE.search(text, 0, unsure.start()) or _SEPARATE.search(between)
        if len(between) <= 40 and not sure:
            return UNCERTAIN
    before = text[: subject.start()]
    if claimed(before, languages) or _NOT_THAT.of(languages).search(before):
        return None
    if _OPPOSITE.of(languages).search(before) or _SEEMS.search(before):
        return None
    # "It would be true if he were tall, but he is not; so it is false."
    ends = list(_SO_IT_IS.of(languages).finditer(text, subject.end()))
    if (
        ends
        and len(rest := text[ends[-1].end() :]) <= 40
        and not _IN_DOUBT.of(languages).search(rest)
    ):
        return _predicate(rest, languages)
    label = _label(languages).search(text, subject.start())
    if _CONDITION.of(languages).search(text) or (
        label and _MAYBE.of(languages).search(text, 0, label.start())
    ):
        return None
    return _predicate(text[subject.start() :], languages)


def _conclude(text: str, languages: Languages) -> str | None:
    for place, sentence in enumerate(sentences_backwards(text)[:_LAST_SENTENCES]):
        reading = _read_sentence(sentence, languages)
        if reading is None and place == 0:
            plain = bare(sentence)
            doubted = _IN_DOUBT.of(languages).search(plain) or reported(plain, languages)
            if (it := _IT_ENDS.search(plain)) and not doubted:
                return _whole_predicate(it[1], languages)
            if _WHETHER.search(plain) or _NEITHER.search(plain):
                return UNCERTAIN
            said = _OF_PREMISES.search(plain)
            if said and not (doubted or _FEW.search(plain, 0, said.end())):
                return _label_of(said)
        if reading is not None:
            return reading
    return None


def grade_label(question: Question, answer: str) -> Grade:
    """Grade an answer against True, False or Uncertain (Unknown is Uncertain).

    The last readable box, answer line or "the answer is ..." counts, in any language of
    `lrmtest.grading.cues`. Without one, the last
    sentence that says of the conclusion, statement or claim what it is; or the last label that
    stands alone on its line.

    Args:
        question: its reference is one of the labels, in any case.
        answer: the answer text.
    """
    reading = last_reading(clean(answer), _read, _conclude)
    if not reading:
        return Grade(extracted=None, correct=False, score=0.0)
    expected = question.expected.strip().lower()
    correct = reading == _NAMED.get(expected, question.expected)
    return Grade(extracted=reading, correct=correct, score=float(correct))
