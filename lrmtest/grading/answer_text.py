"""The text of an answer, hostile as it comes, made plain enough to be read, in linear time."""

from __future__ import annotations

import re
import unicodedata

from lrmtest.grading.remembered import remembered

_ANSI = re.compile(
    r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\x07\x1b\n]{0,512}(?:\x07|\x1b\\)|[@-Z\\^_])"
)
_HTML = re.compile(
    r"</?(?:b|i|u|p|em|br|li|ul|ol|div|span|code|pre|strong|h[1-6])(?:\s[^<>]{0,100})?/?>", re.I
)

_QUOTE_MARKS = re.compile(r"^ {0,3}> (?=\S)", re.M)


class _Plain(dict[int, str | None]):
    """What becomes of each character, worked out the first time it is met."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        category = unicodedata.category(character)
        plain: str | None = character
        if 0xFF01 <= code <= 0xFF5E:  # full-width forms of ASCII
            plain = chr(code - 0xFEE0)
        elif category in ("Cc", "Cf", "Cs"):  # controls, bidi and zero-width marks, surrogates
            plain = None
        elif category == "Zs":
            plain = " "
        elif category in ("Zl", "Zp"):
            plain = "\n"
        elif category == "Pd":
            plain = "-"
        elif category == "Nd":
            plain = str(unicodedata.digit(character))
        self[code] = plain
        return plain


_PLAIN = _Plain(
    {ord("\n"): "\n", ord("\t"): " ", ord("\N{MINUS SIGN}"): "-"}
    | dict.fromkeys(map(ord, "‘’‚′"), "'")
    | dict.fromkeys(map(ord, "“”„″«»「」『』《》〈〉"), '"')
    # Where no spaces are written, a full stop or comma ends its word by itself.
    | dict.fromkeys(map(ord, "。｡．"), ". ")
    | dict.fromkeys(map(ord, "，、､"), ", ")
    | {ord("،"): ",", ord("؟"): "?", ord("؛"): ";", ord("।"): ".", ord("٬"): ",", ord("٫"): "."}
    | {ord("！"): "! ", ord("？"): "? ", ord("；"): "; ", ord("："): ": "}
    | {ord("【"): "[", ord("】"): "]", ord("〔"): "[", ord("〕"): "]", ord("∶"): ":"}
)
_NOT_PLAIN = re.compile(r"[^\n -~]+")
_WIDE_NUMBER = re.compile(r"[，．](?<=[0-9０-９].)(?=[0-9０-９])")


@remembered
def clean(text: str) -> str:
    """`text` without terminal escapes, control characters, bidi marks, HTML and blank ends.

    Line ends, spaces, dashes, quotation marks and digits get their ASCII forms, and a quoted line
    loses its mark. Nothing that carries
    meaning is changed: no Unicode normalization, which would make ``7²`` a 72.
    """
    text = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    text = _WIDE_NUMBER.sub(lambda mark: "," if mark[0] == "，" else ".", text)
    text = _NOT_PLAIN.sub(lambda run: run[0].translate(_PLAIN), text)
    return _QUOTE_MARKS.sub("", _HTML.sub(" ", text)).strip()


_WRAPPER = re.compile(
    r"\\(?:boxed|fbox|framebox|text(?:bf|it|rm|sf|tt|normal|up)?|math(?:bf|it|rm|sf|tt|bb|cal)"
    r"|boldsymbol|bm|mbox|hbox|emph|underline|displaystyle|operatorname\*?|overline)\s{0,4}"
    r"\{([^{}]{0,1000})\}"
)
_BRACES = re.compile(r"\{\s{0,4}\{([^{}]{0,1000})\}\s{0,4}\}")
_SWITCH = re.compile(r"\\(?:displaystyle|textstyle|bfseries|bf|rm|left|right|limits)(?![A-Za-z])")
_SPACE = re.compile(r"\\(?:[,;:! ]|quad(?![A-Za-z])|qquad(?![A-Za-z]))|~")
_DELIMITER = re.compile(r"\\[()\[\]]|\\?\$|[*`]|(?<!\w)_{1,3}(?=\w)|(?<=\w)_{1,3}(?!\w)")


def bare(fragment: str) -> str:
    """A short fragment without Markdown emphasis, math delimiters and LaTeX text commands."""
    fragment = _DELIMITER.sub("", fragment)
    for _ in range(8):  # they nest, but nobody nests them deeper
        before = fragment
        fragment = _WRAPPER.sub(r"\1", _BRACES.sub(r"{\1}", fragment))
        if fragment == before:
            break
    return _SPACE.sub(" ", _SWITCH.sub("", fragment)).strip()


_SENTENCE_END = re.compile(r"[.!?]['\")*]{0,4}(?=\s)|\n")


def sentences_backwards(text: str, longest: int = 1000) -> list[str]:
    """The sentences and lines of `text`, last first, each cut to its last `longest` characters.

    A full stop inside a number, or anything but white space after it, ends no sentence. An
    endmark stays with its sentence.
    """
    sentences: list[str] = []
    start = 0
    for mark in _SENTENCE_END.finditer(text):
        end = mark.end()
        sentence = text[max(start, end - longest) : end].strip()
        if sentence:
            sentences.append(sentence)
        start = end
    rest = text[max(start, len(text) - longest) :].strip()
    if rest:
        sentences.append(rest)
    sentences.reverse()
    return sentences
