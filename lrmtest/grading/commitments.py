"""Commitments to an answer in a text: boxes, answer lines and plain sentences.

What a commitment means is for each grader to say; this only finds them, last first, because
the last committed answer is the one that counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

_LONGEST_BOX = 1000
_LONGEST_LINE = 300
_MOST_READ = 200

NOTHING = ""
"""What a reader returns for a commitment to several answers, or to none of those possible."""


@dataclass(frozen=True, slots=True)
class Commitment:
    r"""A place where the text commits itself.

    Attributes:
        form: ``box`` for ``\boxed{...}``; ``line`` for a line that begins with ``Answer:`` or a
            heading ``Final Answer``, or an ``<answer>`` tag; ``prose`` for "the answer is ...".
        text: the content of the box, or the rest of the line, at most some hundred characters.
    """

    form: Literal["box", "line", "prose"]
    text: str


# A box's brace must be told from any other, so all braces are visited, each once.
_BRACES = re.compile(
    r"\\{1,2}(?:boxed|fbox)\s{0,8}(?:(?P<open>\{)|(?P<token>\d[\d,]{0,12}|[A-Z](?![A-Za-z])))"
    r"|\\.|[{}]",
    re.DOTALL,
)

# Two boxes with only this between the first one's content and the second one's command are joined.
_JOINT = re.compile(r"\}?[\s$*,\\()\[\]]{0,16}(?:or|and)[\s$*,\\()\[\]]{0,16}")
_INNER_BOX = re.compile(r"\}?[\s$*]{0,8}\b(or|and)[\s$*]{0,8}\\{1,2}(?:boxed|fbox)\s{0,8}\{?")


def _boxes(text: str) -> list[tuple[int, int]]:
    """Start and end of the content of every complete box, in the order in which they end.

    Boxes joined by "or" or "and" are one commitment, to several things: from the first one's
    content to the last one's.
    """
    boxes: list[tuple[int, int]] = []
    opened: list[tuple[int, int] | None] = []

    def add(command: int, start: int, end: int) -> None:
        if boxes:
            first, before = boxes[-1]
            joined = 0 <= command - before <= 40 and _JOINT.fullmatch(text, before, command)
            same_length = before - first == end - start  # spares slices of a growing chain
            if joined and not (same_length and text[first:before] == text[start:end]):
                start = first
                boxes.pop()
        boxes.append((start, end))

    for mark in _BRACES.finditer(text):
        if mark["open"]:
            opened.append((mark.start(), mark.end()))
        elif mark["token"]:
            add(mark.start(), *mark.span("token"))
        elif mark.group() == "{":
            opened.append(None)
        elif mark.group() == "}" and opened:
            box = opened.pop()
            if box is not None:
                add(*box, mark.start())
    return boxes


_CUE = re.compile(
    r"""(?ix)
    <answer>
    | (?P<line>^[\s>#*_\-\d.)]{0,12})?
      \b(?:(?:the|my|final|correct|right|best|most\ likely)\s){0,3}
      answer\b (?!\s(?:choices|options)\b)
      (?:
        [*_"'\])]{0,4} \s{0,2} : [*_]{0,4}
      | [*_]{0,4} \s{0,2}
        (?:to\s|for\s|of\s|here|must|should|would|will|then|therefore|thus|choice|option)
        [^\n.:?]{0,120}? (?: : | \b(?:is|be)\b )
      | [*_"'\])]{0,4} \s{0,2} (?:=|\b(?:is|are|equals)\b) \s{0,2}
        (?:therefore|thus|then)? [\s:,]{0,3}
      | (?(line) [*_:]{0,4} \s{0,8} $ | (?!))
      | (?(line) [*_]{0,4} \s{1,2} (?:-\s)? (?=\(?(?:[A-Z]|\d{1,4})\)?\.?\s{0,8}$) | (?!))
      )
    """,
    re.MULTILINE,
)
_HEDGE = re.compile(
    r"\b(?:may\s?be|perhaps|possibly|might|could|if|whether|suppose|assum\w+|alternatively|unless"
    r"|unsure|not\s(?:sure|certain|confident)|guess\w*|initial(?:ly)?|previous(?:ly)?|user's)\b"
    r"[^.!?\n]*$",
    re.I,
)
_REST = re.compile(rf"\s{{0,64}}([^\n<]{{1,{_LONGEST_LINE}}})")


def _answers(text: str) -> list[tuple[int, bool]]:
    """Where the content of each answer line or sentence starts, and whether it is a line."""
    answers: list[tuple[int, bool]] = []
    for cue in _CUE.finditer(text):
        matched = cue.group().rstrip().lower()
        # A line that merely begins with "The answer is" is prose.
        line = matched == "<answer>" or (
            cue["line"] is not None and matched.endswith((":", "*", "_", "-", "answer"))
        )
        if not line and _HEDGE.search(text, max(0, cue.start() - 60), cue.start()):
            continue
        answers.append((cue.end(), line))
    return answers


def commitments(text: str) -> Iterator[Commitment]:
    """All commitments of `text`, last first, in time linear in its length.

    A guess ("maybe the answer is 7"), an empty box and a box that was never closed are none.
    """
    found: list[tuple[int, Literal["box", "line", "prose"], int]] = [
        (start, "box", end) for start, end in _boxes(text)
    ]
    found += [(start, "line" if line else "prose", 0) for start, line in _answers(text)]
    found.sort(key=lambda place: max(place[0], place[2]), reverse=True)
    for start, form, end in found:
        if form == "box":
            content = text[start : min(end, start + _LONGEST_BOX)]
            if content.strip():
                yield Commitment("box", _INNER_BOX.sub(r" \1 ", content))
        elif rest := _REST.match(text, start):
            yield Commitment(form, rest[1].strip())


def last_reading(text: str, read: Callable[[Commitment], str | None]) -> str | None:
    """What the last commitment that can be read says.

    Args:
        text: cleaned answer text.
        read: None for a commitment that this kind of answer cannot read, which is passed over;
            `NOTHING` for one that ends the search without an answer.

    Returns:
        The reading, `NOTHING`, or None when there is no readable commitment among the last 200.
    """
    for commitment in islice(commitments(text), _MOST_READ):
        reading = read(commitment)
        if reading is not None:
            return reading
    return None
