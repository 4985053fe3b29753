"""Plain events: many pieces of a completion at once, decoded in C.

A stream is, but for its beginning and its end, a run of events of one form: one choice, in it
text or reasoning, and no end. What servers put beside (names, times, `timings`) is passed over.
`plain_pieces` takes such a run or nothing: whatever differs in a point that could matter, and
log-probabilities, is for `ChatStream.add`, which takes any event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

MAX_COUNT = 1 << 40
"""Of tokens; no server has counted more."""

_Empty = Literal["", None]
_Count = Annotated[int, msgspec.Meta(gt=0, lt=MAX_COUNT)]


class _Answering(msgspec.Struct, gc=False):
    """A piece of the answer."""

    content: str | None = None
    refusal: _Empty = None
    reasoning_content: _Empty = None
    reasoning: _Empty = None
    thinking: _Empty = None
    reasoning_text: _Empty = None
    reasoning_details: tuple[()] | None = None


class _Reasoning(msgspec.Struct, gc=False):
    """A piece of reasoning in the first of the fields that count; others say the same again."""

    reasoning_content: str | None = None
    reasoning: str | None = None
    content: _Empty = None
    refusal: _Empty = None


class _Usage(msgspec.Struct, gc=False):
    completion_tokens: _Count


_Delta = TypeVar("_Delta")


class _Choice(msgspec.Struct, Generic[_Delta], gc=False):
    delta: _Delta
    finish_reason: _Empty = None
    native_finish_reason: _Empty = None
    error: _Empty = None
    usage: None = None
    logprobs: None = None  # whoever asks for them looks at each event


class _Event(msgspec.Struct, Generic[_Delta], gc=False):
    choices: tuple[_Choice[_Delta]]
    usage: _Usage | None = None
    error: _Empty = None
    object: Literal["chat.completion.chunk", "chat.completion", "text_completion", "", None] = None
    type: _Empty = None


_decode_answering = msgspec.json.Decoder(_Event[_Answering]).decode
_decode_reasoning = msgspec.json.Decoder(_Event[_Reasoning]).decode


@dataclass(frozen=True, slots=True)
class PlainPieces:
    """Some pieces in a row, of the answer or of the reasoning.

    Attributes:
        texts: none of them empty.
        counts: the server's running count of tokens with each; empty where it has none.
        reasoning: whether they are reasoning.
        usage: the last counts in full, JSON; empty where there are none.
    """

    texts: list[str]
    counts: list[int]
    reasoning: bool
    usage: bytes

    @property
    def most_tokens(self) -> int:
        """The highest running count; 0 where there is none."""
        return max(self.counts, default=0)


def plain_pieces(events: list[bytes], reasoning: bool) -> PlainPieces | None:
    """The pieces in the data of some events; None where not all of them are plain and of one kind.

    Args:
        events: at least one, JSON each.
        reasoning: the kind that is looked for.
    """
    try:
        if reasoning:
            thought = list(map(_decode_reasoning, events))
            deltas = [event.choices[0].delta for event in thought]
            texts = [delta.reasoning_content or delta.reasoning or "" for delta in deltas]
            if not all(texts):
                return None  # another field may hold it
            usages = [event.usage for event in thought]
        else:
            answered = list(map(_decode_answering, events))
            texts = [event.choices[0].delta.content or "" for event in answered]
            usages = [event.usage for event in answered]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    counts: list[int] = []
    usage = b""
    if usages[-1] is not None:
        if None in usages:
            return None
        counts = [one.completion_tokens for one in usages if one is not None]
        usage = events[-1]
    elif usages.count(None) != len(usages):
        return None
    if not all(texts):
        if counts:
            counts = [count for count, text in zip(counts, texts, strict=True) if text]
        texts = [text for text in texts if text]
    return PlainPieces(texts, counts, reasoning, usage)
