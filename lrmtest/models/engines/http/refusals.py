"""Refusals of parameters: which fields of a request a server does not take, by its own words.

Servers say it in an error's ``param``, in pydantic's list of ``extra_forbidden`` places, or in a
sentence; gateways put all of these into one another. A refusal that names no field of the request
is no refusal of a parameter, and nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lrmtest.models.engines.http.failures import BrokenAnswerError
from lrmtest.models.engines.http.told import WORDS, parse

LIMITS = ("max_tokens", "max_completion_tokens")
"""Names of the budget, in the order in which they are tried."""

_NEUTRAL = {"top_p": (1,), "top_k": (-1, 0), "min_p": (0,), "repetition_penalty": (1,)}
"""Values that leave everything as it is: refused as out of range, they can be left out."""

_NOT_FIELDS = ("model", "messages")
_CODES = ("unsupported_parameter", "unsupported_value", "unknown_parameter", "unrecognized")
_NOT_TAKEN = re.compile(
    r"unsupported|not (?:be |yet |currently )?support|n't support|unrecogni[sz]ed|unknown"
    r"|unexpected|no longer|not (?:permitted|allowed|available|accept|recogni[sz]ed|a valid)"
    r"|n't (?:accept|allow|permit)|extra[_ ](?:input|field|param|forbidden)|value_error\.extra"
    r"|extraneous|deprecated|cannot both|cannot find field|additional prop"
    r"|invalid (?:argument|parameter|field|key)",
    re.I,
)
_OUT_OF_RANGE = re.compile(
    r"must be|should be|between|at (?:most|least)|greater|less than|larger|smaller|exceed|maximum"
    r"|minimum|too (?:large|many|high|long|small|low|big)|range|positive",
    re.I,
)
_ONE_VALUE = re.compile(
    r"only the default|(?:may|can) only be|only allowed (?:when|with|if)"
    r"|only \S{1,12} is (?:allowed|supported|permitted|accepted)"
    r"|must be (?:set to |equal to )?-?\d+(?:\.\d+)?\s+(?:for|with|when)\b",
    re.I,
)
_THIS_VALUE = re.compile(r"does(?: not|n't) support -?\d|unsupported[_ ]value", re.I)
_BOTH = re.compile(r"\bboth\b|only one of|use only one", re.I)
_LOCATED = re.compile(
    r"(?:extra_forbidden|value_error\.extra)['\"], ['\"]loc['\"]: [\[(]"
    r"(?:['\"]body['\"], )?['\"](\w{1,64})['\"]"
)
_SENTENCES = re.compile(r"(?<=[.!?;])\s+|\n+(?!\s)|\\n")
_BETWEEN = re.compile(r"[\s,'\"`\[\](){}&:]{0,8}(?:and|or)?[\s'\"`]{0,4}")
_MOST_NESTED = 6
_MOST_TEXTS = 50
_LONGEST = 16_384  # characters of a text that is looked into
_BEFORE = (
    r"(?:['\"`\[(<{]\s*|[:>=#]\s+|\b(?:and|or)\s+|,\s*|\A\s*"
    r"|(?:parameter|argument|field|key|property|option|input|name|support|accept)s?:?\s+)"
)
_BEHIND = (
    r"(?=['\"`\])}>]|\s*[:=,]|\s*\n|\.?\s*\Z"
    r"|\s+(?:is|are|does|do|cannot|may|must|not|parameter|field|option|was|has)\b)"
)


@dataclass(frozen=True, slots=True)
class RefusedField:
    """A field of a request that a server does not take.

    Attributes:
        name: of the field.
        this_value: it may take another value of it.
    """

    name: str
    this_value: bool = False


def refused_fields(words: str, content: Mapping[str, Any]) -> list[RefusedField]:
    """The fields of a request that a refusal is about; empty where it names none.

    Args:
        words: what the server answered, its whole body.
        content: the request's body.
    """
    known = [name for name in content if name not in _NOT_FIELDS]
    found: dict[str, RefusedField] = {}
    texts: list[str] = []
    for named in _read(words, known, texts):
        found.setdefault(named.name, named)
    if found:
        return list(found.values())
    for text in texts[:_MOST_TEXTS]:
        for named in _in_text(text[:_LONGEST], known, content):
            found.setdefault(named.name, named)
    return list(found.values())


def _read(words: str, known: Sequence[str], texts: list[str]) -> Iterator[RefusedField]:
    """Fields that JSON tells in its structure; `texts` gets what people are to read in it."""
    try:
        value = parse(words)
    except BrokenAnswerError:
        texts.append(words)
        return
    yield from _walk(value, known, texts, 0)


def _walk(value: Any, known: Sequence[str], texts: list[str], depth: int) -> Iterator[RefusedField]:
    if depth > _MOST_NESTED:
        return
    if isinstance(value, list):
        for part in value[:_MOST_TEXTS]:
            yield from _walk(part, known, texts, depth + 1)
    elif isinstance(value, str):
        if value.lstrip()[:1] in ("{", "[") and len(value) <= 4 * _LONGEST:
            try:
                inner = parse(value)
            except BrokenAnswerError:
                pass
            else:
                yield from _walk(inner, known, texts, depth + 1)
                return
        texts.append(value)
    elif isinstance(value, dict):
        yield from _of_object(value, known)
        if "loc" in value:
            return  # the rest of such an entry quotes what was sent
        for name, part in value.items():
            if name in (*WORDS, "errors", "details", "fieldViolations", "description", "raw") or (
                name == "metadata"
            ):
                yield from _walk(part, known, texts, depth + 1)


def _of_object(value: Mapping[str, Any], known: Sequence[str]) -> Iterator[RefusedField]:
    """The field that an error is about, by its ``loc`` or its ``param``."""
    place = value.get("loc")
    said = json.dumps([value.get(key) for key in ("type", "code", "msg", "message")])[:_LONGEST]
    if isinstance(place, list):
        path = [part for part in place if part != "body"]
        if path and path[0] in known and _NOT_TAKEN.search(said):
            yield RefusedField(str(path[0]))
        return
    named = value.get("param")
    if not isinstance(named, str):
        return
    name = named.removeprefix("body.").partition(".")[0].partition("[")[0]
    if name not in known:
        return
    coded = str(value.get("code")).lower().startswith(_CODES)
    if coded or (_NOT_TAKEN.search(said) and not _OUT_OF_RANGE.search(said)):
        yield RefusedField(name, _of_value(said))


def _in_text(text: str, known: Sequence[str], content: Mapping[str, Any]) -> Iterator[RefusedField]:
    """The fields that sentences of a server refuse."""
    if located := _LOCATED.findall(text):
        yield from (RefusedField(name) for name in located if name in known)
        return
    if "'loc'" in text or '"loc"' in text:
        return  # of something else than an additional field, which it quotes
    of_value = _of_value(text)
    for sentence in _SENTENCES.split(text, _MOST_TEXTS):
        yield from _in_sentence(sentence, known, content, of_value=of_value)


def _of_value(text: str) -> bool:
    """Whether a refusal is about the value that was sent, and another may be taken."""
    return _THIS_VALUE.search(text) is not None and _ONE_VALUE.search(text) is None


def _in_sentence(
    sentence: str, known: Sequence[str], content: Mapping[str, Any], *, of_value: bool
) -> Iterator[RefusedField]:
    one_value = _ONE_VALUE.search(sentence) is not None
    out_of_range = _OUT_OF_RANGE.search(sentence) is not None
    if not (one_value or out_of_range or _NOT_TAKEN.search(sentence)):
        return
    names = _named(sentence, known)
    if _BOTH.search(sentence) and {"temperature", "top_p"} <= {*names}:
        yield RefusedField("top_p")
        return
    for name in names:
        if out_of_range and (name in LIMITS or not one_value):
            # Another value would be taken, which nobody but the user may choose.
            if content[name] in _NEUTRAL.get(name, ()):
                yield RefusedField(name, this_value=True)
            continue
        yield RefusedField(name, of_value)


def _named(sentence: str, known: Sequence[str]) -> list[str]:
    """The first field that a sentence names as one, and those in a list with it."""
    places = sorted(
        (*match.span(match.lastgroup or 0), name)
        for name in known
        if (match := _pattern(name).search(sentence))
    )
    names: list[str] = []
    end = 0
    for start, stop, name in places:
        if names and not _BETWEEN.fullmatch(sentence, end, start):
            break
        names.append(name)
        end = stop
    return names


@lru_cache(maxsize=256)
def _pattern(name: str) -> re.Pattern[str]:
    """Finds a field's name where it stands for a field: some are ordinary words, too."""
    camel = re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
    spelled = "|".join(map(re.escape, dict.fromkeys((name, camel))))
    if name == "stream":
        spelled += "|streaming"
    begin, end = r"(?<![\w\-/.])(?:body\.)?", r"(?![\w\-/])"
    if "_" in name:
        return re.compile(f"{begin}(?P<name>{spelled}){end}")
    return re.compile(
        f"{begin}(?P<name>{spelled}){end}{_BEHIND}|{_BEFORE}(?:body\\.)?(?P<again>{spelled}){end}",
        re.I,
    )
