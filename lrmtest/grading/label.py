"""Grading True, False or Uncertain, as in FOLIO, out of format lines and free prose."""

from __future__ import annotations

import re

from lrmtest.grading.answer_text import bare, clean, sentences_backwards
from lrmtest.grading.commitments import NOTHING, Commitment, last_reading
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

TRUE, FALSE, UNCERTAIN = "True", "False", "Uncertain"

# In the order in which they are tried where several could begin: "not necessarily true" is no
# "not true", and "cannot be determined" takes the rest of its clause with it, so that "cannot be
# determined as true or false" names one label only.
_LABEL = re.compile(
    r"""(?ix)
    (?P<uncertain>
        \b(?:uncertain(?:ty)?|unknown|undetermined|indeterminate|inconclusive|undecid(?:ed|able)
           |unclear|unsupported|unprovable)\b
      | \bneither\s(?:be\s)?(?:\w{1,20}ly\s)?
        (?:true|false|proven?|proved|confirmed|supported|implied|entailed|established|affirmed)
        \sn?or\s(?:\w{1,20}ly\s)?
        (?:true|false|disproven?|disproved|denied|contradicted|refuted|opposed)\b
      | (?:\bnot|n't)\s(?:be\s)?
        (?:necessarily|definitively|conclusively|certainly|definitely|strictly|logically
          |directly|explicitly|fully|sufficiently)\s
        (?:be\s)?(?:true|false|correct|follow\w*|implied|entailed|supported|established|proven?
          |confirmed|determined|known|stated|given)\b (?:\sor\s(?:true|false|not)\b)?
      | (?:\bnot|n't)\s(?:be\s)?
        (?:follow|supported|implied|entailed|guaranteed|determined|determinable|established
          |provable|proven|confirmed|certain|deducible|derivable|known)\b
      | (?:\bcannot|\bcan\snot|\bcan't|\bcould\snot|\bcouldn't|\bunable\sto|\bno\sway\sto
          |\b(?:im|not\s)possible\sto)\s
        (?:\w{1,20}ly\s){0,2}(?:be\s)?(?:\w{1,20}ly\s){0,2}
        (?:determin|conclud|confirm|infer|establish|deduc|deriv|verif|prove|ascertain|decid|know
          |said|say|tell|assert|guarantee|assess|evaluat|answer)\w{0,8}\b [^.;]{0,400}
      | \b(?:insufficient|not\s(?:enough|sufficient)|n't\s(?:enough|sufficient)
          |lacks?\s(?:enough|sufficient)|no(?:t\s\w{1,12})?\s(?:direct\s|specific\s|explicit\s
          |enough\s|sufficient\s|any\s){1,2}(?:information|evidence|detail|data|link))
        \w{0,6}\b [^.;]{0,400}
    )
  | (?P<false>
        \b(?:false|untrue|incorrect|wrong|refuted|disproved|disproven|contradicted)\b
      | \b(?:contradicts|inconsistent\swith)\s(?:the\s)?(?:given\s)?premises?\b
      | (?:\bnot|n't|\bcannot(?:\spossibly)?)\s(?:be\s)?
        (?:(?:actually|logically|in\sfact|really)\s)?(?:true|correct|hold)\b
    )
  | (?P<true>
        (?:\b(?:is|are|was|be|it's)\snot|n't|\bcannot\sbe)\s(?:false|incorrect)\b
      | \b(?:true|correct|valid|supported|implied|entailed|proven|confirmed|holds)\b
      | \bfollows\b
    )
    """
)
_SUBJECT = re.compile(
    r'""(?=\sis\b)'  # a quotation that was taken out
    r"|(?<!\bin\s)\b(?:answer|conclusion|statement|claim|hypothesis|assertion|proposition"
    r"|conjecture|deduction|evaluation|assessment|verdict|determination|judge?ment|truth\svalue"
    r"|label|classification)\b",
    re.I,
)
# What follows gives reasons or weighs alternatives; it no longer says which label it is.
_TURN = re.compile(
    r"\b(?:because|since|due\sto|given\sthat|while|although|though|despite|whereas|but|which"
    r"|as\s(?:the|it|there|we|no|they|he|she|this|per|both|all)|rather\sthan|instead\sof)\b"
    r"|[,;]\s(?:and\s)?not\b|\(",
    re.I,
)
_CONDITION = re.compile(
    r"^\W*(?:\w+\s){0,2}(?:if|suppose|assum\w+|whether|let's|perhaps|maybe|could)\b"
    r"|\b(?:may|might|could|would)\sbe\b|\bpossib(?:le|ly|ility)\b|\b(?:whether|if)\s(?:the|this)\b",
    re.I,
)
_SEPARATE = re.compile(r"[,;]|\b(?:so|but|therefore|thus|hence|making|makes)\b", re.I)
_QUOTATION = re.compile(r'"[^"\n]{12,}"')
_OPENING_LABEL = re.compile(
    r"[\W_]{0,12}(?:option|label|it is|it's|this is)?[\s:]{0,3}"
    r"(?P<label>true|false|uncertain|unknown)\b"
    r"(?P<other>\s?(?:/|\||,|,?\sor|,?\sand)\s?[\"'*]{0,3}(?:true|false|uncertain|unknown)\b)?",
    re.I,
)
_LAST_SENTENCES = 500
_NAMED = {"true": TRUE, "false": FALSE, "uncertain": UNCERTAIN, "unknown": UNCERTAIN}


def _label_of(match: re.Match[str]) -> str:
    assert match.lastgroup is not None
    return _NAMED[match.lastgroup]


def _opening(text: str) -> str | None:
    """The label that `text` begins with; `NOTHING` when it goes on to list others."""
    match = _OPENING_LABEL.match(text)
    if match is None:
        return None
    return NOTHING if match["other"] else _NAMED[match["label"].lower()]


def _predicate(text: str) -> str | None:
    """The label that a sentence's main clause ends with.

    The last one, because what comes before may belong to the quoted statement: "the statement
    that it is not true that A is false".
    """
    turn = _TURN.search(text, 1)
    labels = list(_LABEL.finditer(text, 0, turn.start() if turn else len(text)))
    if not labels:
        return None
    if len(labels) > 1 and _label_of(labels[-2]) != _label_of(labels[-1]):
        between = text[labels[-2].end() : labels[-1].start()]
        if re.fullmatch(r"[\s\"'*]{0,4}(?:/|\||,|,?\s?or)[\s\"'*]{0,4}(?:is\s)?", between):
            return NOTHING
    return _label_of(labels[-1])


def _read(commitment: Commitment) -> str | None:
    text = _QUOTATION.sub('""', bare(commitment.text))
    reading = _opening(text)
    return _predicate(text) if reading is None else reading


def _read_sentence(sentence: str) -> str | None:
    """The label that a sentence gives to the conclusion, or that stands alone on its line."""
    text = _QUOTATION.sub('""', bare(sentence))
    alone = _OPENING_LABEL.match(text)
    if alone and not re.search(r"\w", text[alone.end() :]):
        return _opening(text)
    subject = _SUBJECT.search(text)
    if subject is None or text.endswith("?"):
        return None
    # "cannot determine whether the conclusion is true", "it is unclear if the claim is true"
    unsure = _LABEL.search(text)
    if unsure and unsure.lastgroup == "uncertain" and unsure.start() < subject.start():
        between = text[unsure.end() : subject.start()]
        if len(between) <= 40 and not _SEPARATE.search(between):
            return UNCERTAIN
    if _CONDITION.search(text):
        return None
    return _predicate(text[subject.start() :])


def grade_label(question: Question, answer: str) -> Grade:
    """Grade an answer against True, False or Uncertain (Unknown is Uncertain).

    The last readable box, answer line or "the answer is ..." counts. Without one, the last
    sentence that says of the conclusion, statement or claim what it is; or the last label that
    stands alone on its line.

    Args:
        question: its reference is one of the labels, in any case.
        answer: the answer text.
    """
    text = clean(answer)
    reading = last_reading(text, _read)
    if reading is None:
        for sentence in sentences_backwards(text)[:_LAST_SENTENCES]:
            reading = _read_sentence(sentence)
            if reading is not None:
                break
    if not reading:
        return Grade(extracted=None, correct=False, score=0.0)
    expected = question.expected.strip().lower()
    correct = reading == _NAMED.get(expected, question.expected)
    return Grade(extracted=reading, correct=correct, score=float(correct))
