"""The surroundings of an answer: words that deny it, take it back, or make it another's or a guess.

What is before an answer is handed in from the start of its sentence, what is behind it from its end
on, some hundred characters of each.
"""

from __future__ import annotations

import re

from lrmtest.grading.cues import CuePattern, Languages, cue

IF, MAYBE = CuePattern(cue("if_")), CuePattern(cue("maybe"))
_THAT = r"(?:,?\s?(?:that|the|so|dass|die|que|la|le|el|che|что|と)(?!\w)){0,2}"
_NEAR = rf"[\s\"'*_]{{0,4}}{_THAT}[\s\"'*_$\\(\[]{{0,8}}$"
_ANOTHERS = CuePattern(f"(?:{cue('anothers')}|{cue('says')}[,:]?)" + _NEAR)
NEARLY = CuePattern(f"(?:{cue('maybe')}|{cue('or_')})" + r"(?:\sbe)?[,:]?" + _NEAR)
_SAYS = CuePattern(cue("says"))
_SAYS_THAT = CuePattern(cue("says") + "[,:]?" + _NEAR)
_REFUTED = CuePattern(r"[\s.,;:$*()}\]\\\"'-]{0,8}" + cue("refuted"))
_NOT_AFTER = CuePattern(f"{cue('not_after')}|{cue('doubted')}")
_NOT_BEFORE = CuePattern(r"[\s\"'*_$\\(]{0,4}" + cue("not_"))
_CONDITIONAL = re.compile(
    r"[\s,$*()}\]\\\"'-]{0,8}(?:(?:only|nur|seulement|solo|só|apenas|только)\s)?"
    r"(?:(?:if|unless|provided|assuming|wenn|falls|sofern|si|s'il|se|если|إذا|لو|यदि)\s|only\swhen\b|depending\b)"
    r"|[,\s]{0,3}(?:如果|若)(?!干)",
    re.I,
)
TURN = re.compile(
    r"[.!?$*)\n]\s{1,4}[^\w\s]{0,4}(?:but|however|actually|wait|hmm+|hold\son|let\sme\s(?:re|double)"
    r"|on\s(?:second|reflection)|oops|no,|aber|jedoch|moment|mais|attend|pero|espera|porém|però"
    r"|aspetta|но(?!\w)|однако|подожд|但|不过|等等|しかし|ただし|待って|하지만|그러나|잠깐)"
    r"(?:[^.:,;!?\n]{0,24}[:,])?",
    re.I,
)
"""How a sentence begins that turns away from what was said."""
_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\bvs)[.!?][\"'*)\]$]{0,4}(?=\s|$)|\n"
)


def first_sentence(text: str) -> str:
    """`text` up to the end of its first sentence, with the mark."""
    end = _SENTENCE_END.search(text, 1)
    return text[: end.end()] if end else text


def denied(text: str, languages: Languages) -> bool:
    """Whether the sentence that `text` begins with denies what it names ("not 73")."""
    sentence = first_sentence(text)
    return bool(
        _NOT_BEFORE.of(languages).match(sentence) or _NOT_AFTER.of(languages).search(sentence[:80])
    )


def refuted(behind: str, languages: Languages) -> bool:
    """Whether what follows an answer takes it back at once ("73, which is wrong")."""
    return bool(_REFUTED.of(languages).match(behind))


def conditional(behind: str) -> bool:
    """Whether what follows an answer makes it hold in some cases only ("73 if n is even")."""
    return _CONDITIONAL.match(behind) is not None


def anothers(before: str, languages: Languages) -> bool:
    """Whether what stands before an answer makes it another's, an earlier or a denied one."""
    return bool(_ANOTHERS.of(languages).search(before))


def claimed(before: str, languages: Languages) -> bool:
    """Whether what stands before a statement makes it another's claim."""
    return bool(_SAYS_THAT.of(languages).search(before))


def reported(sentence: str, languages: Languages) -> bool:
    """Whether a sentence tells what another claims, or what would be under a condition."""
    return bool(_SAYS.of(languages).search(sentence) or IF.of(languages).search(sentence))
