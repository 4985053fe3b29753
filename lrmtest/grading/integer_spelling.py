r"""The spelling of an integer: what may be around its digits and does not change its value."""

from __future__ import annotations

import re

from lrmtest.grading.answer_text import bare

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
OTHER_BASE = re.compile(r"_\s?\{?\s?\d|\bbase[\s-]|\b(?:hex|octal|binary)", re.I)
# A multiplier is no unit, nor is a symbol that stands for a number.
MULTIPLIER = (
    r"\s{0,4}(?:(?:pi|sqrt|or|and|to|[xynki])(?![^\W\d_\u3000-\uffff])|[\u0370-\u03ff]|million|billion|thousand"
    r"|hundred|dozen|tausend|mille?(?!\w)|mil(?!\w)|mila(?!\w)|тыс|млн|миллион"
    r"|[万萬亿億千百兆十만억천백])"
)
UNITS = re.compile(
    rf"(?<=[\d.}}])(?!{MULTIPLIER})"
    r"(?:\s{1,4}|(?=[^\W\d_]{2})|(?=[^\x00-\u03ff]))[^\W\d_][^\W\d_]*(?:[\s/.-][^\W\d_]+){0,8}\.?"
    r"(?:\s?\^\s?\{?[23]\}?|[²³])?$",
    re.I,
)
_LAYOUT = re.compile(
    r"\\begin\s?\{(?:array|tabular)\}\s?(?:\[[a-z]\])?\{[^{}]{0,20}\}"
    r"|\\(?:begin|end|color|textcolor|phantom|hphantom|vphantom)\s?\{[^{}]{0,20}\}|\\\\(?=\s|\}|$)"
    r"|\\(?:tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![A-Za-z])"
)


def squeeze(fragment: str) -> str:
    """`fragment` in the plainest spelling: no delimiters, no spacing commands, no degrees."""
    fragment = re.sub(r"\{\s?,\s?\}|,\s?\\[!,]\s?", ",", fragment).replace("\\!", "")
    fragment = re.sub(r"\\pmod\s?\{[^{}]{0,20}\}", "", fragment).replace("\\equiv", "=")
    fragment = _ORDINAL.sub("", _DEGREES.sub("", _BASE_TEN.sub("", _LAYOUT.sub("", fragment))))
    fragment = bare(fragment).replace("\\{", "{").replace("\\}", "}")
    fragment = re.sub(r"\\[lr]?[vV]ert(?![A-Za-z])|\\mid(?![A-Za-z])", "|", fragment)
    fragment = _BASE_TEN.sub("", _ORDINAL.sub("", fragment))
    return " ".join(fragment.split()).strip(" .,;:'\"&")
