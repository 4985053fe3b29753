"""Behaviours: the segments of a reasoning trace, and what each of them does, told by rules.

The six kinds are those of Venhoff et al. (2025), "Understanding reasoning in thinking language
models via steering vectors" (arXiv 2506.18167), which Zhang et al. (arXiv 2504.02010, later
versions) follow. Four of them are behaviours that are scored; `initializing` and `deduction` are
what the rest of a trace does.

A segment is a sentence, or a line where a line ends without one. Rules are of English words and
are tried in an order: a change of approach first, then an example, a doubt, a recalled fact, and
the beginning; what is none of these is a deduction. How far they agree with other labels is in
docs/behaviours.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from lrmtest.grading.split import split

Behaviour = Literal[
    "backtracking",
    "uncertainty-estimation",
    "example-testing",
    "adding-knowledge",
    "initializing",
    "deduction",
]
"""What a segment can do: change the approach, say how unsure it is, try an example, recall or
restate a fact, say what the task is, or go one step on."""

BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)
SCORED: tuple[Behaviour, ...] = BEHAVIOURS[:4]
"""Those that modules are scored for."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A part of a text, and what it does.

    Attributes:
        begin, end: characters of the text, from 0; the end is behind the last one.
        behaviour: what it does.
    """

    begin: int
    end: int
    behaviour: Behaviour


_LONGEST = 600
"""Characters of a segment that rules look at: what it does is said at its beginning."""
_BEGINNING = 2
"""Segments that may begin a trace."""
_RUN, _REPEATED = 3, 0.5
"""Words in a row that repeat a question, and the share of a sentence's runs that do."""

# All patterns are tried at one place or look for fixed words: linear time, whatever the text.
_END = re.compile(r"\n+|(?<=[.!?])[\"'\u201d\u2019)\]*]{0,3}[ \t]+(?=[^\s])")
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|vs|cf|etc|Mr|Mrs|Ms|Dr|St|No|Fig|Eq|approx|[A-Z])|^\s*\d{1,3})\.$"
)
"""Behind these a full stop ends no sentence."""
_TAG = re.compile(r"</?[A-Za-z][\w|]{0,30}>")


def _any_of(*lines: str, before: str = r"\b") -> re.Pattern[str]:
    """Any of some phrases, in any case; they are patterns, separated by two spaces."""
    phrases = [phrase for line in lines for phrase in re.split(r" {2,}", line.strip())]
    return re.compile(f"{before}(?:{'|'.join(phrases)})", re.IGNORECASE)


_LEAD = (
    r"(?:(?:oh|hmm+|um|uh|ah|but|and|so|okay|ok|no|well|now|also|yeah)\b"
    r"[\s,.!\u2026\u2014-]{1,4}){0,4}"
)
_OPENERS = r"(?:(?:alright|okay|so|first|now)\b[\s,]{1,3}){0,3}"

_BACKTRACKING = _any_of(
    r"wait\b  hold on\b  hang on\b  actually\b  alternatively\b  scratch that  never ?mind",
    r"on second thought  instead\b",
    r"let'?s? (?:me )?(?:try|use|take|consider) (?:another|a different|an alternative)",
    r"(?:let me|let's|i (?:should|need to|must|have to)) (?:just )?(?:"
    r"re-?(?:check|think|read|consider|examine|evaluate|visit|calculate|compute|do|start|trace"
    r"|phrase|assess|verify)|double[- ]?check|check (?:again|that again|my|this again)|start over"
    r"|go back|correct (?:that|this|my)|backtrack|look (?:at (?:it|this) )?again|go over)",
    r"(?:maybe|perhaps) (?:i|we) (?:should|can|could|need to) (?:try|approach|look|start|use|think"
    r"|consider|re)\w* (?:another|a different|it differently|at it differently|this differently"
    r"|about it differently|again|an alternative)",
    r"(?:maybe|perhaps) (?:there's|there is) (?:another|a different|a better)",
    r"(?:another|a different|a better) (?:approach|way|idea|method|thought)",
    r"(?:that|this|it)(?:'s| is| was) (?:not right|wrong|incorrect|not correct|a mistake"
    r"|a contradiction|not possible|impossible)",
    r"(?:that|this) (?:can't be|cannot be)",
    r"(?:that|this) doesn't (?:work|make sense|help|seem right|match|add up)",
    r"i (?:made a mistake|think i (?:made|messed|misread|misunderstood)|was wrong|misread"
    r"|must have made|misunderstood|overlooked|forgot)",
    r"no, (?:that|this|it|because|wait|the)\b",
    before=_LEAD,
)
_INSIDE_BACKTRACKING = _any_of(
    r"wait, (?:no|but|actually|that|is|maybe|the)  but wait\b  no, wait\b",
    r"(?:is|was) (?:a mistake|an error|contradict)  start over\b  step back\b",
    r"(?:another|different) (?:approach|way|method)\b",
)
_EXAMPLE = _any_of(
    r"for (?:example|instance)  e\.g\.  as an example  to test\b",
    r"let(?:'s| me| us) (?:also |just |first |now )?(?:test|try|plug|verify|take|pick"
    r"|check (?:if|whether|with|for|each|the (?:case|option|first|next))"
    r"|assume|suppose|imagine|substitute|say|see if)\b",
    r"(?:i(?:'ll| will)|we can|i can) (?:test|try|plug|verify|check (?:if|each|with))",
    r"(?:suppose|imagine)\b  if (?:we|i) (?:try|take|plug|set|test|pick|let|assume|suppose)\b",
    r"(?:testing|trying|plugging|substituting|checking)\b  case [\dIVivA-D]+\b",
    r"in the case (?:where|of|that)\b  consider the case  what if\b",
)
_UNSURE = _any_of(
    r"(?:not|n't) (?:\w+ ){0,2}(?:sure|certain|clear|confident|know)\b  unsure\b  maybe\b",
    r"perhaps\b  possibly\b  probably\b  presumably\b  might\b  could be\b  hmm+\b",
    r"may (?:be|not|have)\b  it seems\b  seems (?:like|that)\b  unclear\b  unless i\b",
    r"likely\b",
    r"i(?:'m| am) (?:a (?:bit|little) )?(?:confused|stuck|guessing|wondering"
    r"|trying to (?:recall|remember))",
    r"i (?:wonder|guess|suppose|doubt|think|assume)\b",
    r"(?:is|are|does|do|can|could|would|did|was) (?:it|this|that|there|he|she|they|i|we) "
    r"[^.]{0,120}\?",
    r"uncertain(?:ty)?\b(?! (?:because|based|is|as|,|\.|or))  confus(?:ing|ed)\b",
    r"i (?:hope|could be wrong|need to be careful)",
)
_KNOWLEDGE = _any_of(
    r"i (?:also )?(?:recall|remember|know)\b  i've (?:heard|read|learned|seen)",
    r"(?:recall|remember|remembering|recalling)\b  as (?:we|i) know  well[- ]known",
    r"known (?:as|that|for|to)\b  by definition  definition of  is defined as",
    r"(?:theorem|lemma|inequality|axiom|formula|identity|identities|law|rule|property"
    r"|properties)\b",
    r"(?:in general|generally|typically|usually)\b",
    r"in (?:logic|geometry|math\w*|algebra|english|fact)\b",
    r"(?:first|second|third|fourth|fifth|sixth|seventh|last|next|other) "
    r"(?:premise|statement|sentence|clue|condition|equation|point|one)\b",
    r"(?:premise|statement|equation|condition) \(?\#?\d+  according to\b",
    r"(?:problem|question|premises?|statement|passage|timeline) (?:also )?(?:says?|states?|tells?"
    r"|mentions?|gives?|asks?|specif\w+|provides?)\b",
    r"(?:it|which) (?:says|states|mentions)\b  (?:is|was|are|were) (?:given|told)\b",
    r"we(?:'re| are| have) (?:told|given)  given (?:that|the)\b  premise\b[^.]{0,20}:",
    r"(?:is|was) (?:an?|the) (?:\w+ ){0,3}(?:city|country|band|singer|actor|actress|film|movie|song"
    r"|album|author|writer|novel|river|state|capital|company|director|american|british|english"
    r"|french|german|indian)\b",
    r"(?:was|were) (?:born|founded|released|built|established|located)\b  (?:is|are) located\b",
)
_INITIALIZING = _any_of(
    r"(?:i|we)(?:'m|'ve| have| am|'re| are)? (?:just )?(?:needs?|want|got|have|trying|given"
    r"|supposed|tasked|asked|looking)\b.{0,40}?"
    r"(?:problem|question|figure|find|determine|solve|to |conclu)",
    r"let(?:'s| me) (?:try to (?:figure|solve|understand|break|work|see)|start|begin|break|see"
    r"|think|read|understand|look at|go through|parse|figure|write down|list|unpack|work through)",
    r"the (?:problem|question|task|conclusion|goal) (?:is|asks|here|we|i|says|states|to)\b",
    r"(?:here|below)(?:'s| is| are)\b",
    before=_LEAD + _OPENERS,
)
_WORD = re.compile(r"[^\W\d_]{2}|\d")
_WORDS = re.compile(r"\w+")


def segments_of(text: str, asked: str = "") -> list[Segment]:
    """The segments of a completion's reasoning, in order, without blanks at their ends.

    Args:
        text: all of the completion; where its reasoning is closed, only what is before that counts.
        asked: what was asked, so that what repeats it can be told; empty if unknown.
    """
    parts = split(text)
    end = parts.closed_at if parts.closed else len(text)
    known = frozenset(_runs(asked))
    found: list[Segment] = []
    for begin, stop in _sentences(text, end):
        found.append(Segment(begin, stop, behaviour_of(text[begin:stop], len(found), known)))
    return found


def behaviour_of(
    sentence: str, number: int, asked: Collection[tuple[str, ...]] = frozenset()
) -> Behaviour:
    """What a sentence does, by its words.

    Args:
        sentence: the segment's text.
        number: of segments before it.
        asked: runs of words of what was asked.
    """
    said = sentence.lstrip(" \t*_#->\"'([")[:_LONGEST].replace("\u2019", "'")
    if number < _BEGINNING and _INITIALIZING.match(said):
        return "initializing"
    if _BACKTRACKING.match(said) or _INSIDE_BACKTRACKING.search(said):
        return "backtracking"
    if _EXAMPLE.search(said):
        return "example-testing"
    if _UNSURE.search(said):
        return "uncertainty-estimation"
    if _KNOWLEDGE.search(said) or _repeats(said, asked):
        return "adding-knowledge"
    if _INITIALIZING.match(said):
        return "initializing"
    return "deduction"


def _repeats(said: str, asked: Collection[tuple[str, ...]]) -> bool:
    """Whether most of a sentence is in what was asked, to the word."""
    runs = _runs(said) if asked else []
    return bool(runs) and sum(run in asked for run in runs) >= _REPEATED * len(runs)


def _runs(text: str) -> list[tuple[str, ...]]:
    """All runs of so many words in a row, in small letters."""
    words = [word.lower() for word in _WORDS.findall(text)]
    return [tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)]


def _sentences(text: str, end: int) -> list[tuple[int, int]]:
    """Where sentences and lines begin and end, up to a place; without blanks and tags."""
    found: list[tuple[int, int]] = []
    begin = 0
    ends = [(match.start(), match.end(), "\n" in match[0]) for match in _END.finditer(text, 0, end)]
    for stop, after, hard in [*ends, (end, end, True)]:
        if not hard and _NO_END.search(text[max(begin, stop - 12) : stop]):
            continue
        for first, last in _without_tags(text, begin, stop):
            if _WORD.search(text, first, last):
                found.append((first, last))
        begin = after
    return found


def _without_tags(text: str, begin: int, end: int) -> Sequence[tuple[int, int]]:
    """Parts of a stretch between tags, without blanks at their ends."""
    parts, at = [], begin
    for match in [*_TAG.finditer(text, begin, end), None]:
        last = end if match is None else match.start()
        piece = text[at:last]
        if stripped := piece.strip():
            first = at + len(piece) - len(piece.lstrip())
            parts.append((first, first + len(stripped)))
        at = last if match is None else match.end()
    return parts
