"""Declarations: sentences that give one quantity its value, "the remainder is 73".

A last sentence of this form closes an answer. Its grammar is narrow on purpose: an opening that
concludes ("therefore", "adding both"), then a quantity as the subject, or a sum that is worked
out. "Before removing overlaps, the total is 73" and "an upper bound is 73" are none.
"""

from __future__ import annotations

import re

from lrmtest.grading.cues import CJK, CuePattern, Languages, cue
from lrmtest.grading.numerals import NUMBER

_OPENINGS = rf"(?:{cue('therefore')}[,:]?\s{{0,2}}|{cue('opening')},\s|{cue('follows')}\s){{0,3}}"
_GET = cue("gets") + r"\s"
_ARTICLE = r"(?:(?:the|its|our|their|der|die|das|le|la|les|el|o|a|il|lo)\s|l')?"
_ADJECTIVES = rf"(?:{cue('adjective')}\s){{0,3}}"
_SUBJECT = CuePattern(
    rf"\W{{0,8}}{_OPENINGS}(?:{_GET})?{_ARTICLE}{_ADJECTIVES}{cue('quantity')}"
    r"(?P<of>(?:[^.;:?!,()=]|\([^()]{0,40}\)|,\s(?:which|whose|with)\s[^.;:?!=]{1,60},\s){0,160}?)"
    rf"(?:(?:{cue('verb')})[^A-Za-z.;:?!]{{1,80}}=|(?:[,:]\s)?{cue('verb')}"
    rf"(?:\s(?:{cue('therefore')}|equal\sto|exactly|just|simply|genau|exactement|igual\sa))?"
    r"(?:\s?:)?|(?<![!<>≤≥≠:])=)\s{0,3}(?:[A-Za-z]\s?=\s{0,3})?"
)
_UNSPACED_SUBJECT = CuePattern(
    rf"\W{{0,8}}(?:{cue('therefore', but_english=True)}[,:]?\s{{0,2}}){{0,3}}"
    rf"(?=[^\n]{{0,160}}[{CJK}])[^;:?!,]{{0,160}}{cue('quantity', but_english=True)}"
    rf"\s?{cue('verb', but_english=True)}\s{{0,3}}"
)
# Each character begins one alternative only, or matching would be exponential.
_FORMULA = CuePattern(
    rf"\W{{0,8}}{_OPENINGS}(?P<get>{_GET})?"
    r"(?P<formula>(?:\\[a-z]{2,12}(?![a-z])|\\(?![a-z]{2})|and(?!\w)"
    r"|(?<![^\W\d_])[^\W\d_]{1,2}(?![^\W\d_])|(?![^\W\d_])[^\\;:?!\n]){1,300})"
    r"(?<![!<>≤≥≠:])=\s{0,3}"
)
_CHAIN = re.compile(r"[A-Za-z)}\]|][^=\n]{0,40}=[^=\n]{0,60}\d[^=\n]{0,60}$")
_WORKED_OUT = re.compile(
    r"=[^=,;\n]{0,60}\d[^=,;\n]{0,6}(?:[-+*/^×·]|\\[a-z])[^=,;\n]{0,60}=\s{0,3}$"
)
_SUM = re.compile(r"[A-Za-z](?:_?\d)?(?:\s?\+\s?[A-Za-z](?:_?\d)?){1,5}\s?$")
_TOTALS = CuePattern(
    rf"\W{{0,8}}{_OPENINGS}(?:(?:this|that|which)\s(?:gives|yields|makes|leaves)\s(?:us\s(?:with\s)?)?"
    r"(?:a\s(?:grand\s)?total\sof\s|exactly\s)?|(?:adding|summing|combining|subtracting|removing|excluding"
    r"|discarding|multiplying|doubling|halving)\b[^.;:?!]{0,80}\s"
    r"(?:gives|yields|leaves|makes)\s(?:us\s(?:with\s)?)?(?:[^A-Za-z;:?!]{1,40}=\s?)?)"
)
_GETS = CuePattern(
    rf"\W{{0,8}}(?:{cue('therefore')}[,:]?\s)?(?=[^=]{{0,160}}$)(?:{cue('opening')},?\s)"
    rf"(?:there\sare|{cue('gets')})\s(?:(?:exactly|a\stotal\sof)\s)?"
)
_THE_ONLY = CuePattern(
    rf"\W{{0,8}}{_OPENINGS}(?:the\sonly|d(?:ie|er|as)\seinzige|l[ea']\s?(?:seule?|unique)|el\súnico"
    r"|la\súnica|[oa]\súnic[oa]|l'unic[oa]|唯一的?|единственн\w{2})(?!\w)[^.;:?!,()=\d]{0,60}?"
    r"(?:\b(?:works?|satisf\w+|meet\w*|fulfil\w*|surviv\w*|qualif\w*|fits?|possible|valid|admissible|solutions?"
    r"|possibilit\w+|erfüll\w+|funktioniert|möglich\w*|lösung|convient|posible|solución|cumple|possível"
    r"|solução|possibile|soluzione|подход\w+|решени\w+)\b|[满滿]足|解)[^.;:?!,()=\d]{0,60}?"
    rf"(?:{cue('verb')}|=)\s?(?:[a-z]\s?=)?\s{{0,3}}"
)
_ENDS_UP = re.compile(
    r"\b(?:(?:we|i|you|one|this)\s(?:finally\s|thus\s|therefore\s)?(?:ends?\sup\s(?:with|at)|arrives?\sat|comes?\sto|are\sleft\swith)"
    r"|kommen\swir\s(?:\w+\s)?auf|(?:on|nous)\sarriv\w+\sà|llegamos\sa|chegamos\sa|arriviamo\sa|приходим\sк)"
    r"(?:\s(?:exactly|a\stotal\sof))?\s{1,2}$",
    re.I,
)
_SO = CuePattern(rf"(?:^\W{{0,8}}|[,;:-]\s(?:and\s)?){cue('therefore')},?\s{{1,2}}$")
_ADDS = re.compile(r"\W{0,8}(?:adding|summing)\b[^,.;=]{0,40}:\s[^A-Za-z;:?!]{1,60}=\s{0,3}", re.I)
_NOT_SURE = re.compile(
    r"\b(?:can|may|might|could|should|would|to|not|never)\s(?:be|equal|total)\s{0,3}$", re.I
)
_SINCE = re.compile(r"\W{0,8}(?:since|because|using|with)\b[^;.]{0,120},\s", re.I)
_GIVES_VALUE = CuePattern(rf"(?:=|{cue('verb')})\s?{NUMBER}(?![\d.]?\d|[A-Za-z²³]|\s?[-+*/^!=(\\])")


def declares(lead: str, languages: Languages) -> bool:
    """Whether `lead`, all of a sentence before its last number, gives that number to a quantity.

    Args:
        lead: without math delimiters and emphasis, at most some hundred characters.
        languages: those that the text speaks.
    """
    if _NOT_SURE.search(lead):
        return False
    formula = _FORMULA.of(languages).fullmatch(lead)
    if formula:
        clause = re.split(r"[,;]\s|(?:and|so)\s", formula["formula"])[-1]
        if _CHAIN.search(clause) or _SUM.search(clause):
            return True
    if _GIVES_VALUE.of(languages).search(_SINCE.sub("", lead)):
        return False  # "m is 60 and n is 13"
    return bool(
        (formula and formula["get"])
        or _SUBJECT.of(languages).fullmatch(lead)
        or _TOTALS.of(languages).fullmatch(lead)
        or _GETS.of(languages).fullmatch(lead)
        or _THE_ONLY.of(languages).fullmatch(lead)
        or _SO.of(languages).search(lead)
        or _ENDS_UP.search(lead)
        or _WORKED_OUT.search(lead)
        or _ADDS.fullmatch(lead)
        or (len(languages) > 1 and _UNSPACED_SUBJECT.of(languages).fullmatch(lead))
    )
