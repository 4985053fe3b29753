"""Spellings: an answer's text as a tree, as words, or as letters without layout."""

from __future__ import annotations

import re
from functools import lru_cache

from lrmtest.grading.symbolic.node import Node
from lrmtest.grading.symbolic.parse import parse
from lrmtest.grading.symbolic.tokens import UnreadableError


@lru_cache(maxsize=1024)
def tree_of(text: str) -> Node | None:
    """The tree of a cleaned text; None where it is no expression."""
    try:
        return parse(text)
    except (UnreadableError, RecursionError):
        return None


def readable(text: str) -> bool:
    """Whether a text is an expression of those that are read here."""
    return tree_of(text) is not None


def is_plain(text: str) -> bool:
    """Whether a text is an expression without words in it, but for units."""
    tree = tree_of(text)
    return tree is not None and not has_words(tree)


def has_words(node: Node) -> bool:
    """Whether there is a text in a tree."""
    return node.head == "text" or any(map(has_words, node.parts))


def is_text(text: str) -> bool:
    """Whether a text is an answer in words: a name, "even", or the letter of an option."""
    tree = tree_of(text)
    return tree is None or tree.head == "text" or OPTION_LETTER.fullmatch(text) is not None


LAYOUT = re.compile(
    r"\\(?:left|right|[bB]ig{1,2}[lrm]?|displaystyle)(?![A-Za-z])|\$|\\[()\[\]](?!\w)"
)
_BLANK = re.compile(r"(?:\s|~|\\[,;:! ]|\\q?quad(?![A-Za-z]))+")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
IN_TEXT = re.compile(r"\\(?:text(?:bf|it|rm|normal)?|mathrm|mbox|mathbf|boldsymbol)\s?\{([^{}]*)\}")
OPTION_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:]?")
CHOSEN_LETTER = re.compile(r"\(([A-Za-z])\)[.:]?(?:\s(?!.{0,400}\([A-Za-z]\)).*)?", re.DOTALL)
ONLY_WORDS = re.compile(r"[\s$*\"']{0,8}([^\W\d_][^\d_{}\\^$=+*/()]{0,200}?)[\s$*.\"']{0,8}")
LONGEST_SPELLING = 4000


def spelled(text: str) -> str:
    """A spelling without layout, for comparing what is not read as an expression."""
    text = _FRACTION.sub(r"\\frac", IN_TEXT.sub(r"\1", text[:LONGEST_SPELLING]))
    text = _BLANK.sub(" ", LAYOUT.sub("", text))
    # "1 4/5" is not "14/5".
    return re.sub(r"(?<!\w) | (?!\w)", "", text).strip(".,;: ")


ONE_SIGN = re.compile(r"\{(\w)\}")
