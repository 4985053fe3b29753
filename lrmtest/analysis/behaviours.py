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
from collections.abc import Sequence
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

# All patterns are tried at one place or look for fixed words: linear time, whatever the text.
_END = re.compile(r"\n+|(?<=[.!?])[\"'\u201d\u2019)\]*]{0,3}[ \t]+(?=[^\s])")
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|vs|cf|etc|Mr|Mrs|Ms|Dr|St|No|Fig|Eq|approx|[A-Z])|^\s*\d{1,3})\.$"
)
"""Behind these a full stop ends no sentence."""
_TAG = re.compile(r"</?[A-Za-z][\w|]{0,30}>")

_LEAD = r"(?:(?:oh|hmm+|um|uh|ah|but|and|so|okay|ok|no|well|now|also|yeah)\b[\s,.!\u2026\u2014-]{1,4}){0,4}"
_BACKTRACKING = re.compile(
    _LEAD
    + r"""(?:
      wait\b | hold\ on\b | hang\ on\b | actually\b | alternatively\b | scratch\ that | never\ ?mind
    | on\ second\ thought | instead\b | let(?:'|\u2019)?s?\ (?:me\ )?(?:try|use|take|consider)\ (?:
        another|a\ different|an\ alternative)
    | (?:let\ me|let(?:'|\u2019)s|i\ (?:should|need\ to|must|have\ to))\ (?:just\ )?(?:
        re-?(?:check|think|read|consider|examine|evaluate|visit|calculate|compute|do|start|trace|
        phrase|assess|verify)|double[- ]?check|check\ (?:again|that\ again|my|this\ again)|start\ over
        |go\ back|correct\ (?:that|this|my)|backtrack|look\ (?:at\ (?:it|this)\ )?again|go\ over)
    | (?:maybe|perhaps)\ (?:i|we)\ (?:should|can|could|need\ to)\ (?:try|approach|look|start|use|
        think|consider|re)\w*\ (?:another|a\ different|it\ differently|at\ it\ differently|
        this\ differently|about\ it\ differently|again|an\ alternative)
    | (?:maybe|perhaps)\ (?:there(?:'|\u2019)s|there\ is)\ (?:another|a\ different|a\ better)
    | (?:another|a\ different|a\ better)\ (?:approach|way|idea|method|thought)
    | (?:that|this|it)(?:(?:'|\u2019)s|\ is|\ was)\ (?:not\ right|wrong|incorrect|not\ correct|
        a\ mistake|a\ contradiction|not\ possible|impossible)
    | (?:that|this)\ (?:can(?:'|\u2019)t\ be|cannot\ be|doesn(?:'|\u2019)t\ (?:work|make\ sense|help|
        seem\ right|match|add\ up))
    | i\ (?:made\ a\ mistake|think\ i\ (?:made|messed|misread|misunderstood)|was\ wrong|misread|
        must\ have\ made|misunderstood|overlooked|forgot)
    | no,\ (?:that|this|it|because|wait|the)\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_INSIDE_BACKTRACKING = re.compile(
    r"\b(?:wait, (?:no|but|actually|that|is|maybe|the)|but wait\b|no, wait\b|"
    r"(?:is|was) (?:a mistake|an error|contradict)|"
    r"(?:another|different) (?:approach|way|method)\b|start over\b|step back\b)",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"""\b(?:
      for\ (?:example|instance) | e\.g\. | as\ an\ example | to\ test\b
    | let(?:(?:'|\u2019)s|\ me|\ us)\ (?:also\ |just\ |first\ |now\ )?(?:test|try|plug|verify|
        take|pick|check\ (?:if|whether|with|for|each|the\ (?:case|option|first|next))|
        assume|suppose|imagine|substitute|say|see\ if)\b
    | (?:i(?:(?:'|\u2019)ll|\ will)|we\ can|i\ can)\ (?:test|try|plug|verify|check\ (?:if|each|with))
    | (?:suppose|imagine)\b | if\ (?:we|i)\ (?:try|take|plug|set|test|pick|let|assume|suppose)\b
    | (?:testing|trying|plugging|substituting|checking)\b | case\ [\dIVivA-D]+\b | say,? that\b
    | in\ the\ case\ (?:where|of|that)\b | consider\ the\ case | what\ if\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_UNSURE = re.compile(
    r"""\b(?:
      (?:not|n(?:'|\u2019)t)\ (?:\w+\ ){0,2}(?:sure|certain|clear|confident|know)\b | unsure\b
    | maybe\b | perhaps\b | possibly\b | probably\b | presumably\b | might\b | could\ be\b
    | may\ (?:be|not|have)\b | hmm+\b | i(?:(?:'|\u2019)m|\ am)\ (?:a\ (?:bit|little)\ )?(?:confused|stuck|
        guessing|wondering|trying\ to\ (?:recall|remember))
    | i\ (?:wonder|guess|suppose|doubt|think|assume)\b | it\ seems\b | seems\ (?:like|that)\b
    | (?:is|are|does|do|can|could|would|did|was)\ (?:it|this|that|there|he|she|they|i|we)\ [^.]{0,120}\?
    | unclear\b | uncertain(?:ty)?\b(?!\ (?:because|based|is|as|,|\.|or)) | confus(?:ing|ed)\b
    | i\ (?:hope|could\ be\ wrong|need\ to\ be\ careful) | unless\ i\b | likely\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_KNOWLEDGE = re.compile(
    r"""\b(?:
      i\ (?:also\ )?(?:recall|remember|know|(?:'|\u2019)ve\ (?:heard|read|learned))\b | i(?:'|\u2019)ve\ (?:heard|read|
        learned|seen) | (?:recall|remember|remembering|recalling)\b | as\ (?:we|i)\ know | well[- ]known
    | known\ (?:as|that|for|to)\b | by\ definition | definition\ of | is\ defined\ as
    | (?:theorem|lemma|inequality|axiom|formula|identity|identities|law|rule|property|properties)\b
    | (?:in\ general|generally|typically|usually|in\ (?:logic|geometry|math\w*|algebra|english|fact))\b
    | (?:the|this|that)?\ ?(?:first|second|third|fourth|fifth|sixth|seventh|last|next|other)\ 
        (?:premise|statement|sentence|clue|condition|equation|point|one)\b
    | (?:premise|statement|equation|condition)\ \(?\#?\d+
    | according\ to\b | (?:problem|question|premises?|statement|passage|timeline)\ (?:also\ )?(?:
        says?|states?|tells?|mentions?|gives?|asks?|specif\w+|provides?)\b
    | (?:it|which)\ (?:says|states|mentions)\b | (?:is|was|are|were)\ (?:given|told)\b | we(?:(?:'|\u2019)re|\ are|\ have)\ (?:told|given)
    | given\ (?:that|the)\b | (?:is|was)\ (?:an?|the)\ (?:\w+\ ){0,3}(?:city|country|band|singer|actor|
        actress|film|movie|song|album|author|writer|novel|river|state|capital|company|director|
        american|british|english|french|german|indian)\b
    | (?:was|were)\ (?:born|founded|released|built|established|located)\b | (?:is|are)\ located\b
    | premise\b[^.]{0,20}:
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_INITIALIZING = re.compile(
    _LEAD
    + r"""(?:alright\b[\s,]{1,3}|okay\b[\s,]{1,3}|so\b[\s,]{1,3}|first\b[\s,]{1,3}|now\b[\s,]{1,3}){0,3}(?:
      (?:i|we)(?:(?:'|\u2019)m|(?:'|\u2019)ve|\ have|\ am|(?:'|\u2019)re|\ are)?\ (?:just\ )?(?:need|needs|want|got|have|got|trying|given|
        supposed|tasked|asked|looking)\b.{0,40}?(?:problem|question|figure|find|determine|solve|to\ |conclu)
    | let(?:(?:'|\u2019)s|\ me)\ (?:try\ to\ (?:figure|solve|understand|break|work|see)|start|begin|break|see|
        think|read|understand|look\ at|go\ through|parse|figure|write\ down|list|unpack|work\ through)
    | the\ (?:problem|question|task|conclusion|goal)\ (?:is|asks|here|we|i|says|states|to)\b
    | (?:here|below)(?:(?:'|\u2019)s|\ is|\ are)\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{2}|\d")


def segments_of(text: str) -> list[Segment]:
    """The segments of a completion's reasoning, in order, without blanks at their ends.

    Args:
        text: all of the completion; where its reasoning is closed, only what is before that counts.
    """
    parts = split(text)
    end = parts.closed_at if parts.closed else len(text)
    found: list[Segment] = []
    for begin, stop in _sentences(text, end):
        found.append(Segment(begin, stop, behaviour_of(text[begin:stop], len(found))))
    return found


def behaviour_of(sentence: str, number: int) -> Behaviour:
    """What a sentence does, by its words.

    Args:
        sentence: the segment's text.
        number: of segments before it.
    """
    said = sentence.lstrip(" \t*_#->\"'([")[:_LONGEST]
    if number < _BEGINNING and _INITIALIZING.match(said):
        return "initializing"
    if _BACKTRACKING.match(said) or _INSIDE_BACKTRACKING.search(said):
        return "backtracking"
    if _EXAMPLE.search(said):
        return "example-testing"
    if _UNSURE.search(said):
        return "uncertainty-estimation"
    if _KNOWLEDGE.search(said):
        return "adding-knowledge"
    if _INITIALIZING.match(said):
        return "initializing"
    return "deduction"


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
