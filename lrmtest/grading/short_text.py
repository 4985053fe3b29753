"""Grading a short free text with aliases, as in MuSiQue: exact match and F1.

`exact_match` and `f1` are those of the SQuAD evaluation (Rajpurkar et al. 2016), which MuSiQue's
uses (Trivedi et al. 2022): texts are lower-cased, ASCII punctuation and articles removed; F1 is
over the multisets of words; the best reference counts.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import replace

from lrmtest.grading.answer_text import bare, clean, sentences_backwards
from lrmtest.grading.commitments import Commitment, commitments, not_meant
from lrmtest.grading.cues import CJK, CuePattern, Languages, cue, spoken
from lrmtest.grading.surroundings import denied, first_sentence, refuted
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

_MOST_READ = 200
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalize(text: str) -> str:
    """Lower case, without ASCII punctuation, articles and superfluous white space."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, reference: str) -> float:
    """1.0 when both are the same once normalized, else 0.0."""
    return float(normalize(prediction) == normalize(reference))


def f1(prediction: str, reference: str) -> float:
    """Harmonic mean of the words' precision and recall, in [0, 1].

    As in the official scripts, when either has no words left the score is 1.0 if both have
    none, else 0.0.
    """
    predicted, expected = normalize(prediction).split(), normalize(reference).split()
    if not predicted or not expected:
        return float(predicted == expected)
    common = (Counter(predicted) & Counter(expected)).total()
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(expected)
    return 2 * precision * recall / (precision + recall)


_ABSTENTION = CuePattern(cue("refusal"))
_BOLD = re.compile(r"(?:\*\*|__)(?=[^\s*_])([^*\n]{0,119}?[^\s*:])(?:\*\*|__)")
_IS = CuePattern(
    r".*(?:\b(?:is|are|was|were|be|stands\sfor|became|won)\s"
    r"(?:(?:likely|probably|approximately|about|around|held|called|named|known|said)\s){0,2}"
    r"(?:[a-z]{2,12}ed\s|held\s|born\s|built\s)?(?:(?:on|in|at|as|to\sbe)\s)?"
    rf"|{cue('verb', but_english=True)}\s"
    r"|(?<![不非])(?<!可能)(?:是|为|為)(?!否)|(?<=[\w\"])(?:は|은\s|는\s))"
    r"(.{1,120})$",
)
_DENIES = CuePattern(
    rf"{cue('not_', but_english=True)}\s?{cue('verb', but_english=True)}"
    rf"|{cue('not_after')}|{cue('doubted')}"
)
_NEVER = re.compile(
    r"(?:\b(?:not|never|cannot|no\slonger|may|might|could|would)|n't)\s(?:(?:have\s)?be(?:en)?\s)?$",
    re.I,
)
_ASIDE = re.compile(r",\s(?:which|who|whose|where|when)\s[^,]{1,200}$")
_TIME_AND_PLACE = re.compile(
    r"^((?:the\s)?\d{1,2}(?:st|nd|rd|th)\scentury|\d{3,4})\s(?:in|at)\s[A-Z].*$"
)
_IN_THE_YEAR = re.compile(
    r"\s(?:in|since|until|im\sjahre?|en|nel|em)\s(?:the\syear\s)?(\d{3,4})[\s.!\"'*]*$", re.I
)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|neither|nor|instead\sof|rather\sthan)\b|n't\b)(?:(?!\bbut\b)[^.;,\n]){0,40}\Z",
    re.I,
)
_HEADING = CuePattern(rf"^(?:{cue('answer')}|explanation|conclusion|note|why\b.*)\s?:?$")
_COPULA_BEHIND = re.compile(
    r"(?<=[\w\"'*)])\s?(?:です|である|でした|だ|になります|となります|입니다|이다|이에요|예요|이었다|였습니다)$"
)
_ARTICLE_BEFORE = re.compile(
    r"^(?:der|die|das|dem|den|ein|eine|le|la|les|un|une|el|los|las|una|il|lo|gli|o|os|as|um|uma"
    r"|l['’])(?:(?<=['’])|\s)(?=[A-ZÀ-Ý0-9\"*])"
)
_APPOSITION = re.compile(
    r",\s(?:which|who|where|when|a|an|the|whose|\w{1,20}'s|der|die|das|welche[rs]?|qui|que|où|un|une|la|le"
    r"|quien|donde|el|che|dove|котор\w{2,3}|где)\s|\s?[(]|\s-\s"
)
# Not behind an initial or an abbreviation.
_SENTENCE_END = re.compile(
    r"(?:(?<!\W[A-Z])(?<!\b(?:St|Dr|Mr|Ms|Jr|Sr|vs|No))(?<!\bMrs)\.|[!?])[\"'*)]{0,4}(?=\s|$)|\n"
)
_LONGEST_PROSE = 12
_NUMBER_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty"
    "|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion"
)
_QUANTITY = re.compile(
    rf"\b(\d[\d,.]{{0,20}}|{_NUMBER_WORDS})[\s-]"
    r"(second|minute|hour|day|week|month|year|decade|mile|meter|metre|kilometer|kilometre|acre"
    r"|dollar|pound|euro|point|seat|member|game|season|term)s?\b",
    re.I,
)
_PRONOUN = re.compile(
    r"(?:this|that|it|which|das|dies|ce(?:la|ci)?|eso|esto|это|这|那|これ|それ)$", re.I
)


def _trim(text: str) -> str:
    return bare(text).strip(" .,;:!\"'}]")


def _said(commitment: Commitment) -> str:
    """The answer that a commitment hands in, without the words of its sentence."""
    if commitment.form == "box":
        return _trim(commitment.text)
    text = _trim(commitment.text)
    if commitment.form != "line":
        sentence = _SENTENCE_END.split(commitment.text, maxsplit=1)[0]
        text = _trim(_APPOSITION.split(sentence, maxsplit=1)[0])
    text = _trim(_COPULA_BEHIND.sub("", text))
    if commitment.language != "en":
        text = _trim(_ARTICLE_BEFORE.sub("", text))
    return text


def _handed_in(text: str, languages: Languages) -> tuple[Commitment | None, str]:
    r"""The last ``Answer: X`` line, ``\boxed{X}`` or "the answer is X" that says something.

    Returns:
        It or None, and the text that counts: what follows the last retraction.
    """
    alternatives: set[str] = set()
    for commitment in commitments(text, languages)[:_MOST_READ]:
        if commitment.form == "retraction":
            return None, text[commitment.end :]
        if commitment.form == "restated" or not _said(commitment):
            continue
        if commitment.form == "behind" and _PRONOUN.search(commitment.text):
            continue
        if commitment.form != "box" and "\\boxed" in commitment.text:
            continue
        if (
            commitment.form in ("prose", "behind")
            and len(_said(commitment).split()) > _LONGEST_PROSE
        ):
            continue  # a sentence of its own, not an answer
        said = _said(commitment)
        behind = commitment.behind or commitment.text.partition(said)[2]
        if refuted(behind, languages) or first_sentence(commitment.text).endswith("?"):
            continue
        if commitment.alternative:
            alternatives.add(normalize(said))
        elif alternatives <= {normalize(said)}:
            return commitment, text
        else:
            return replace(commitment, text="unknown"), text
    return None, text


def _bold(text: str, languages: Languages) -> str | None:
    """The last bold span that is no heading, and that nothing before it denies."""
    spans = [
        span[1]
        for span in _BOLD.finditer(text)
        if not _HEADING.of(languages).match(span[1].strip())
        and not _DENIED_BEFORE.search(text, max(0, span.start() - 80), span.start())
    ]
    return _trim(spans[-1]) if spans else None


def _predicate(sentence: str, languages: Languages) -> str | None:
    """What follows the sentence's last "is"; a bare participle ("is located") says nothing."""
    aside = _ASIDE.search(sentence)
    if aside and refuted(aside[0], languages):
        return None
    predicate = _IS.of(languages).match(sentence[: aside.start()] if aside else sentence)
    spaced = not re.search(f"[{CJK}]", sentence)
    if _DENIES.of(languages).search(sentence):
        return None
    if predicate is None:
        year = _IN_THE_YEAR.search(sentence)
        return year[1] if year else None
    if (spaced and len(sentence.split()) <= 3) or _NEVER.search(sentence, 0, predicate.start(1)):
        return None
    said = re.split(r",\s(?:which|who|where|when|a|an|the)\s", predicate[1], maxsplit=1)[0]
    said = _TIME_AND_PLACE.sub(r"\1", said)
    said = _COPULA_BEHIND.sub("", _trim(said))
    return None if re.fullmatch(r"[\w-]{2,20}(?:ed|ing)\W*", said) else _trim(said)


def _short_answer(text: str, handed_in: Commitment | None, languages: Languages) -> str | None:
    """The short answer that a cleaned answer text gives; None when it gives none or abstains.

    Out of the format line if there is one, else of the last few sentences: the last bold span,
    else what follows the last "is", else the shortest thing that can be quoted whole.
    """
    if handed_in is not None and handed_in.form != "line":
        said = _said(handed_in)
        return None if _abstains(said, languages) or denied(handed_in.text, languages) else said
    sentences = sentences_backwards(text, longest=400)
    if handed_in is not None:
        sentences = [_COPULA_BEHIND.sub("", handed_in.text.rstrip(" ."))]
        if denied(handed_in.text, languages):
            return None
    spoken = [sentence for sentence in sentences if re.search(r"\w\w|\d|[^\W\d_a-zA-Z]", sentence)]
    spoken = spoken[:4]
    if handed_in is None:
        spoken = [sentence for sentence in spoken if not not_meant(sentence, languages)]
    if any(_abstains(sentence, languages) for sentence in (*spoken[:1], *spoken[-1:])):
        return None
    for sentence in spoken:
        if found := _bold(sentence, languages):
            return found
    for sentence in spoken:
        if found := _predicate(sentence, languages):
            return found
        if re.search(r"\d", sentence):
            break  # a fact of its own, and no remark on the one before
    return min(map(_trim, spoken), key=len, default=None)


def _abstains(sentence: str, languages: Languages) -> bool:
    return bool(_ABSTENTION.of(languages).search(sentence))


def plain_quantity(text: str) -> str:
    """`text` with its quantities in one form: "four-year", "four years" and "four year" are one."""
    return _QUANTITY.sub(r"\1 \2", text)


def grade_short_text(question: Question, answer: str) -> Grade:
    r"""Grade an answer by exact match and F1, the best over all references.

    The official figures judge what the model handed in: the last ``Answer: X`` line, box or "the
    answer is X", in any language of `lrmtest.grading.cues`; without one, the whole answer text.
    The ``_short`` figures judge the short answer found in it, which tells a wrong answer from a
    right one wrapped in a sentence.

    Args:
        question: its references are the answer and its aliases.
        answer: the answer text.

    Returns:
        Correct when the official exact match is 1; the score is the official F1; the metrics
        are ``em``, ``f1``, ``em_short``, ``f1_short``.
    """
    text = clean(answer)
    languages = spoken(text)
    handed_in, rest = _handed_in(text, languages)
    prediction = rest.strip() if handed_in is None else _said(handed_in)
    short = _short_answer(rest, handed_in, languages)
    references = [clean(reference) for reference in question.references]
    em = max(exact_match(prediction, reference) for reference in references) if text else 0.0
    score = max(f1(prediction, reference) for reference in references) if text else 0.0
    if em == 1.0:  # whatever a part of it would say
        short = prediction
    metrics = {"em": em, "f1": score, "em_short": 0.0, "f1_short": 0.0}
    if short is not None:
        found, wanted = plain_quantity(short), [plain_quantity(each) for each in references]
        metrics["em_short"] = max(exact_match(found, each) for each in wanted)
        metrics["f1_short"] = max(f1(found, each) for each in wanted)
    return Grade(extracted=short, correct=em == 1.0, score=score, metrics=metrics)
