"""Puts a chat completion together from the JSON objects that a server sends for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lrmtest.grading.completion import FinishReason
from lrmtest.unicode import well_formed

if TYPE_CHECKING:
    from lrmtest.grading.loops import LoopDetector

DetectorMaker = Callable[[], "LoopDetector"]
"""Makes one detector per completion."""

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_calls": "stop",
    "function_call": "stop",
    "length": "length",
    "max_tokens": "length",
}
"""What servers call the end of a completion. A tool call ends the model's turn by its own will."""

INTERRUPTED = ("abort", "aborted", "error", "cancelled")
"""Finish reasons of a server that gave the completion up itself; another try may go well."""

_MAX_CHARS_PER_TOKEN = 256  # no vocabulary in use has a longer token
_MAX_PIECES_PER_TOKEN = 8  # gateways cut a token's text into a few pieces, never into many
_MAX_COUNT = 1 << 40
_MOST_CLOSINGS = 1024  # a model that repeats the tag to its budget needs no more of them


class BrokenAnswerError(Exception):
    """The answer is malformed or was broken off; the same request may succeed again.

    Attributes:
        status: the HTTP status that said so; None when the trouble is elsewhere.
        retry_after: seconds the server asked to wait; None when it did not.
        busy: the server is well and merely wants to be asked later.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        busy: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.busy = busy


class RefusedError(Exception):
    """The server will not answer this request, however often it is asked.

    Attributes:
        status: the HTTP status that said so; None when the trouble is elsewhere.
        hint: the next step.
    """

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Closing:
    """What had come when a closing tag was complete.

    Attributes:
        pieces: pieces of text, the one that completed the tag included.
        tokens: completion tokens up to the end of that piece; None when unknown.
        text: ends as that piece does; all closings of a piece have one text in common.
        end: where the tag ends in it.
    """

    pieces: int
    tokens: int | None
    text: str
    end: int

    @property
    def rest(self) -> str:
        """What the piece holds behind the tag."""
        return self.text[self.end :]


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A finished answer, as far as the server described it.

    Attributes:
        text: reasoning and answer in one, tags included; always valid Unicode.
        finish_reason: how it ended.
        prompt_tokens, completion_tokens, reasoning_tokens: None where the server did not say.
        pieces: how many pieces of text came; the number of tokens on most servers.
        closings: the last closing tags, 1,024 at least where there are as many, by their ends in
            `text`.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    pieces: int
    closings: dict[int, Closing]


class ChatStream:
    """Collects one completion; `add` takes each object in the order in which it came.

    Servers with a reasoning parser send the reasoning in a field of its own and drop the tags;
    they are put back, so that every engine's text reads the same.

    Args:
        tags: the model's opening and closing reasoning tag.
        max_tokens: the budget, from which follows how much text can be honest.
        detector: watches for a loop.
        on_tokens: called with the number of tokens that came, as far as it is known: a piece of
            text is at least one.
    """

    def __init__(
        self,
        tags: tuple[str, str],
        max_tokens: int,
        detector: LoopDetector | None = None,
        on_tokens: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.pieces = 0
        self.tokens = 0
        self.ended = False
        self._opening, self._closing = tags
        self._max_chars = 65536 + _MAX_CHARS_PER_TOKEN * max_tokens
        self._max_pieces = 64 + _MAX_PIECES_PER_TOKEN * max_tokens
        self._detector = detector
        self._on_tokens = on_tokens
        self._parts: list[str] = []
        self._length = 0
        self._tail = ""
        self._in_reasoning = False
        self._reason: str | None = None
        self._loop_end: int | None = None
        self._usage: dict[str, Any] = {}
        self._closings: dict[int, Closing] = {}

    @property
    def looped(self) -> bool:
        """The text's tail has become periodic: nothing that follows can matter."""
        return self._loop_end is not None

    def add(self, event: object) -> None:
        """Take one object: a streamed chunk, or a whole answer of a server that does not stream.

        Raises:
            BrokenAnswerError: it is not what the protocol says.
            RefusedError: the server says that it cannot answer, or never stops answering.
        """
        if not isinstance(event, dict):
            raise BrokenAnswerError("malformed answer: not a JSON object")
        usage = event.get("usage")
        if isinstance(usage, dict):
            self._usage = usage
        running = _count(usage, "completion_tokens")
        choices = event.get("choices")
        if choices is None:
            return
        if not isinstance(choices, list):
            raise BrokenAnswerError("malformed answer: 'choices' is not a list")
        for choice in choices[:1]:
            if not isinstance(choice, dict):
                raise BrokenAnswerError("malformed answer: a choice is not an object")
            message = choice.get("delta")
            if message is None:  # a whole answer, whose count is not one up to any tag
                message, running = choice.get("message") or {}, None
            if not isinstance(message, dict):
                raise BrokenAnswerError("malformed answer: a message is not an object")
            reasoning = _text(message, "reasoning_content") or _text(message, "reasoning")
            content = _text(message, "content")
            if reasoning or content:
                self._count_piece(running)
            if reasoning:
                self._append(
                    reasoning if self._in_reasoning else self._opening + reasoning, running
                )
                self._in_reasoning = True
            if content:
                self._append(self._closing + content if self._in_reasoning else content, running)
                self._in_reasoning = False
            reason = choice.get("finish_reason")
            if reason is not None:
                self._reason = str(reason)

    def reply(self) -> ChatReply:
        """The finished answer.

        Raises:
            BrokenAnswerError: the stream broke off before its end.
            RefusedError: the server ended it for a reason that says nothing of the model.
        """
        text = well_formed("".join(self._parts)[: self._loop_end])
        details = self._usage.get("completion_tokens_details")
        completion_tokens = _count(self._usage, "completion_tokens")
        return ChatReply(
            text=text,
            finish_reason="loop" if self.looped else self._finish_reason(),
            prompt_tokens=_count(self._usage, "prompt_tokens"),
            completion_tokens=completion_tokens,
            reasoning_tokens=_count(details, "reasoning_tokens"),
            pieces=self.pieces,
            closings=self._closings,
        )

    def _finish_reason(self) -> FinishReason:
        if self._reason is None:
            if not self.ended:
                raise BrokenAnswerError("the stream ended before the completion did")
            return "stop"
        if self._reason in INTERRUPTED:
            raise BrokenAnswerError(f"the server gave up with finish reason {self._reason!r}")
        if self._reason not in FINISH_REASONS:
            raise RefusedError(
                f"the server ended the completion with finish reason {self._reason[:40]!r}",
                hint="a filtered completion says nothing of the model; turn the filter off"
                if self._reason == "content_filter"
                else None,
            )
        return FINISH_REASONS[self._reason]

    def _count_piece(self, running: int | None) -> None:
        self.pieces += 1
        new = max(self.pieces, running or 0) - self.tokens
        if new > 0:
            self.tokens += new
            self._on_tokens(new)

    def _append(self, piece: str, tokens: int | None) -> None:
        self._parts.append(piece)
        self._length += len(piece)
        if self._length > self._max_chars or self.pieces > self._max_pieces:
            raise RefusedError(
                "the server went on far beyond the tokens it was asked for",
                hint="does it know the parameter max_tokens?",
            )
        self._note_closings(piece, tokens)
        if self._detector is not None and not self.looped:
            loop = self._detector.feed(piece)
            self._loop_end = loop.end if loop else None

    def _note_closings(self, piece: str, tokens: int | None) -> None:
        """Remember what had been generated when a closing tag was complete."""
        window = self._tail + piece
        end = window.find(self._closing)
        while end != -1:
            end += len(self._closing)
            closing = Closing(self.pieces, tokens, window, end)
            self._closings[self._length - len(window) + end] = closing
            if len(self._closings) > 2 * _MOST_CLOSINGS:
                self._closings = dict(list(self._closings.items())[-_MOST_CLOSINGS:])
            end = window.find(self._closing, end)
        self._tail = window[-(len(self._closing) - 1) :] if len(self._closing) > 1 else ""


def _text(message: dict[str, Any], field: str) -> str:
    value = message.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BrokenAnswerError(f"malformed answer: {field!r} is not a string")
    return value


def _count(usage: object, field: str) -> int | None:
    """A token count from foreign JSON; None when it is absent or absurd."""
    value = usage.get(field) if isinstance(usage, dict) else None
    valid = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MAX_COUNT
    return value if valid else None
