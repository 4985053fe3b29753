"""Puts a chat completion together from the JSON objects that a server sends for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lrmtest.grading.completion import FinishReason
from lrmtest.grading.form_in_text import closing_marks, closings_of
from lrmtest.grading.forms import Tags, pair_of
from lrmtest.grading.sentences import ends_a_sentence
from lrmtest.grading.split import put_together
from lrmtest.models.engines.http.content import texts_of
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.finish_reasons import FinishMeaning, finish_word, meaning_of
from lrmtest.models.engines.http.plain import MAX_COUNT, PlainPieces
from lrmtest.unicode import well_formed

if TYPE_CHECKING:
    from lrmtest.grading.loops import LoopDetector

DetectorMaker = Callable[[], "LoopDetector"]
"""Makes one detector per completion."""

_MAX_CHARS_PER_TOKEN = 256  # no vocabulary in use has a longer token
_MAX_PIECES_PER_TOKEN = 8  # gateways cut a token's text into a few pieces, never into many
_MAX_BYTES_PER_TOKEN = 8192
_LONGEST_CLOSING = 64  # characters of a closing tag that pieces of text may cut in two
_MOST_CLOSINGS = 1024  # a model that repeats the tag to its budget needs no more of them

_PROMPT_TOKENS = ("prompt_tokens", "input_tokens")
_COMPLETION_TOKENS = ("completion_tokens", "output_tokens", "generated_tokens")


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
        finish_word: the server's word for that; empty where it sent none.
        prompt_tokens, completion_tokens, reasoning_tokens: None where the server did not say.
        pieces: how many pieces of text came; the number of tokens on most servers.
        closings: the last closing tags, 1,024 at least where there are as many, by their ends in
            `text`.
    """

    text: str
    finish_reason: FinishReason
    finish_word: str
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    pieces: int
    closings: dict[int, Closing]

    @property
    def left_early(self) -> bool:
        """It was stopped here, in a loop, so that the server could not tell its end."""
        return self.finish_reason == "loop" and not self.finish_word


class ChatStream:
    """Collects one completion; `add` takes each object in the order in which it came, `add_run`
    a run of pieces.

    A loop is seen once the run that completes it is added, so it is stopped late by the tokens of
    one pause at most: `pace.LONGEST_PAUSE` times the stream's rate, 15 at 60 tokens a second.

    Servers with a reasoning parser send the reasoning apart and drop the tags; they are put back,
    so that every engine's text reads the same: opening tag, reasoning, closing tag, answer. Where
    reasoning or answer have tags in them, others are put around, see `put_together`.

    Attributes:
        pieces: pieces of text so far.
        tokens: tokens so far, as far as they are known.
        ended: the server said that nothing more comes; set by whoever reads the wire.
        altered: the reply was not given on as it came, for it held a secret; set by the same.
        max_tokens: the budget.
        max_bytes: what an answer within the budget can take on the wire at most.

    Args:
        tags: what is known of the model's reasoning tags.
        max_tokens: the budget, from which follows how much text can be honest.
        detector: watches for a loop.
        on_tokens: called with the number of tokens that came, as far as it is known: a piece of
            text is at least one.
        on_event: called with each event that `add` takes; then all of them go that way.
    """

    def __init__(
        self,
        tags: Tags,
        max_tokens: int,
        detector: LoopDetector | None = None,
        on_tokens: Callable[[int], None] = lambda count: None,
        on_event: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.pieces = 0
        self.tokens = 0
        self.ended = False
        self.altered = False
        self.max_bytes = (32 << 20) + max_tokens * _MAX_BYTES_PER_TOKEN
        self.max_tokens = max_tokens
        self._tags = tags
        self._opening, self._closing = pair_of(tags)
        # Where reasoning may end: by the tag that is put in here, or by one of the model's own.
        self._ends = closings_of(tags)
        self._marks = closing_marks(tags)
        self._noted = 0
        self._max_chars = 65536 + _MAX_CHARS_PER_TOKEN * max_tokens
        self._max_pieces = 64 + _MAX_PIECES_PER_TOKEN * max_tokens
        self._detector = detector
        self._on_tokens = on_tokens
        self._on_event = on_event
        self._parts: list[str] = []
        self._length = 0
        self._tail = ""
        self._in_reasoning = False
        self._apart: tuple[list[str], list[str]] = ([], [])  # reasoning and answer, as sent
        self._begun = False  # the answer has
        self._reordered = False
        self._word = ""
        self._meaning: FinishMeaning = "unknown"
        self._loop_end: int | None = None
        self._usage: dict[str, Any] = {}
        self._usage_event = b""  # has a later one
        self._closings: dict[int, Closing] = {}

    @property
    def looped(self) -> bool:
        """The text's tail has become periodic: nothing that follows can matter."""
        return self._loop_end is not None

    @property
    def takes_runs(self) -> bool:
        """Whether text is all that is wanted, so that `add_run` will do."""
        return self._on_event is None

    @property
    def end_told(self) -> bool:
        """A finish reason has come: what may follow is the usage."""
        return bool(self._word)

    def add(self, event: object) -> None:
        """Take one object: a streamed chunk, or a whole answer of a server that does not stream.

        Raises:
            BrokenAnswerError: it is not what the protocol says.
            RefusedError: the server says that it cannot answer, or never stops answering.
        """
        if not isinstance(event, dict):
            raise _malformed("not a JSON object")
        if self._on_event is not None:
            self._on_event(event)
        usage = event.get("usage")
        self._note_usage(usage)
        choices = event.get("choices")
        if choices is None:
            return
        if not isinstance(choices, list):
            raise _malformed("'choices' is not a list")
        for choice in choices[:1]:
            if not isinstance(choice, dict):
                raise _malformed("a choice is not an object")
            self._note_usage(choice.get("usage"))
            self._choose(choice, _count(usage, _COMPLETION_TOKENS))

    def _choose(self, choice: dict[str, Any], running: int | None) -> None:
        """Take a choice; `running` is the server's count of tokens up to it."""
        message = choice.get("delta")
        if message is None:  # a whole answer, whose count is not one up to any tag
            message, running = choice.get("message"), None
        if message is None:  # of the protocol before chats
            message = {"content": choice.get("text")}
        if not isinstance(message, dict):
            raise _malformed("a message is not an object")
        reasoning, content = texts_of(message)
        if reasoning or content:
            self.pieces += 1
            self._count_tokens(running or 0)
        if reasoning:
            self._reordered = self._reordered or self._begun
            self._apart[0].append(reasoning)
            self._append(reasoning if self._in_reasoning else self._opening + reasoning, running)
            self._in_reasoning = True
        if content:
            self._begun = self._begun or not content.isspace()
            self._apart[1].append(content)
            self._append(self._closing + content if self._in_reasoning else content, running)
            self._in_reasoning = False
        # Gateways translate the word of the server behind them, and may tell it beside.
        for field in ("finish_reason", "native_finish_reason"):
            if word := finish_word(choice.get(field)):
                self._note_end(word)

    def add_run(self, run: PlainPieces) -> None:
        """Take many pieces at once; all is as if `add` had been given each event.

        Raises:
            RefusedError: the server never stops answering.
        """
        if run.usage:
            self._usage_event = run.usage
        if not run.texts:
            return
        before = self.pieces
        self.pieces += len(run.texts)
        self._count_tokens(run.most_tokens)
        text = "".join(run.texts)
        tag = ""
        if run.reasoning:
            self._reordered = self._reordered or self._begun
            self._apart[0].append(text)
            if not self._in_reasoning:
                tag = self._opening
        else:
            self._begun = self._begun or not text.isspace()
            self._apart[1].append(text)
            if self._in_reasoning:
                tag = self._closing
        self._in_reasoning = run.reasoning
        text = tag + text
        self._grow(text)
        if self._marks is not None and self._marks.search(self._tail + text) is None:
            self._tail = (self._tail + text)[-_LONGEST_CLOSING:]
        else:
            length = self._length - len(text)
            for number, piece in enumerate(run.texts):
                piece, tag = tag + piece, ""
                length += len(piece)
                tokens = run.counts[number] if run.counts else None
                self._note_closings(piece, Closing(before + number + 1, tokens, "", 0), length)
        self._watch(text)

    def _note_usage(self, usage: object) -> None:
        if isinstance(usage, dict) and usage:
            self._usage, self._usage_event = usage, b""

    def _note_end(self, word: str) -> None:
        """Keep the first word whose meaning is known; one of trouble counts before any other."""
        meaning = meaning_of(word)
        known, worse = meaning != "unknown", meaning not in ("stop", "unknown", "idle")
        better = (known and self._meaning == "unknown") or (worse and self._meaning == "stop")
        if better or not self._word:
            self._word, self._meaning = word, meaning

    def reply(self) -> ChatReply:
        """The finished answer.

        Raises:
            BrokenAnswerError: nothing says that the answer is one, or that it had ended.
            RefusedError: the server ended it for a reason that says nothing of the model.
        """
        text = well_formed(self._text())
        if self._usage_event:
            self._note_usage(json.loads(self._usage_event)["usage"])
        reasoning_tokens = _reasoning_tokens(self._usage)
        completion_tokens = _completion_tokens(self._usage, reasoning_tokens or 0)
        return ChatReply(
            text=text,
            finish_reason=self._finish_reason(text, completion_tokens),
            finish_word="" if self.looped else self._word,
            prompt_tokens=_count(self._usage, _PROMPT_TOKENS),
            completion_tokens=completion_tokens,
            reasoning_tokens=reasoning_tokens,
            pieces=self.pieces,
            closings=self._closings,
        )

    def _text(self) -> str:
        """Everything, in the order in which all models write it."""
        if self.looped or not self._apart[0]:
            return "".join(self._parts)[: self._loop_end]
        reasoning, answer = ("".join(part) for part in self._apart)
        # A parser that took the end of the reasoning for the answer's beginning left its tag there.
        before, _, behind = answer.partition(self._closing)
        misparsed = bool(behind.strip()) and self._opening not in before
        if misparsed:
            self._closings = {}  # of a text in another order
            return self._opening + reasoning + answer
        text = put_together(reasoning, answer, self._tags, closed=bool(answer))
        if self._reordered or text != "".join(self._parts):
            self._closings = {}
        return text

    def _finish_reason(self, text: str, completion_tokens: int | None) -> FinishReason:
        if self.looped:
            return "loop"
        meaning = self._meaning
        if meaning == "interrupted" or (meaning == "idle" and not text):
            raise BrokenAnswerError(f"the server gave up with finish reason {self._word!r}")
        if meaning == "filtered":
            if not self._answer_stands(text):
                raise RefusedError(
                    f"the server ended the completion with finish reason {self._word!r}",
                    hint="a filtered completion says nothing of the model; turn the filter off",
                )
            return "unknown"
        if not self._word and not self.ended:
            raise BrokenAnswerError("the stream ended before the completion did")
        told = meaning in ("stop", "length", "loop")
        if not text and not (told and completion_tokens):
            # A model may end at once, or with a token that has no text. A server that generated
            # nothing says the same, but for the count.
            raise BrokenAnswerError(
                f"finish reason {self._word!r} without any text, and no tokens counted"
                if self._word
                else "an end without a finish reason and without any text"
            )
        if meaning == "stop" or meaning == "length" or meaning == "loop":
            return meaning
        spent = completion_tokens is not None and completion_tokens >= self.max_tokens
        return "length" if spent else "unknown"

    def _answer_stands(self, text: str) -> bool:
        """Whether a filtered text had come to the end of a sentence of its answer.

        What a filter cuts off in its reasoning, or in the middle of a sentence, would be graded
        as the model's mistake.
        """
        behind = text.rpartition(self._closing)[2] if self._closings else ""
        return bool(behind.strip()) and ends_a_sentence(behind)

    def _count_tokens(self, running: int) -> None:
        """Note how many tokens there are now, by the pieces and by the server's own count."""
        new = max(self.pieces, running) - self.tokens
        if new > 0:
            self.tokens += new
            self._on_tokens(new)

    def _append(self, piece: str, tokens: int | None) -> None:
        self._grow(piece)
        self._note_closings(piece, Closing(self.pieces, tokens, "", 0), self._length)
        self._watch(piece)

    def _grow(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
        if self._length > self._max_chars or self.pieces > self._max_pieces:
            raise RefusedError(
                "the server went on far beyond the tokens it was asked for",
                hint="does it know the parameter max_tokens?",
            )

    def _watch(self, text: str) -> None:
        if self._detector is not None and not self.looped:
            loop = self._detector.feed(text)
            self._loop_end = loop.end if loop else None

    def _note_closings(self, piece: str, so_far: Closing, length: int) -> None:
        """Remember what had been generated when a closing tag was complete.

        Args:
            piece: of text.
            so_far: pieces and tokens, this one included.
            length: characters, this piece included.
        """
        window = self._tail + piece
        self._tail = window[-_LONGEST_CLOSING:]
        if self._marks is not None and self._marks.search(window) is None:
            return
        for found in self._ends.finditer(window):
            end = found.end()
            place = length - len(window) + end
            if place <= self._noted:
                continue
            self._noted = place
            self._closings[place] = replace(so_far, text=window, end=end)
            if len(self._closings) > 2 * _MOST_CLOSINGS:
                self._closings = dict(list(self._closings.items())[-_MOST_CLOSINGS:])


def _count(usage: object, fields: tuple[str, ...]) -> int | None:
    """A token count from foreign JSON, in the first of its fields; None if absent or absurd."""
    if not isinstance(usage, dict):
        return None
    for field in fields:
        value = usage.get(field)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < MAX_COUNT:
            return value
    return None


def _reasoning_tokens(usage: Mapping[str, Any]) -> int | None:
    """Tokens of the reasoning: in the details, or beside the completion's."""
    for place in ("completion_tokens_details", "output_tokens_details"):
        if found := _count(usage.get(place), ("reasoning_tokens",)):
            return found
    return _count(usage, ("reasoning_tokens",))


def _completion_tokens(usage: Mapping[str, Any], reasoning: int) -> int | None:
    """Tokens of reasoning and answer together; some servers count the reasoning beside."""
    completion = _count(usage, _COMPLETION_TOKENS)
    if completion is None:
        return None
    parts = (_count(usage, _PROMPT_TOKENS) or 0) + completion + reasoning
    beside = reasoning > completion or _count(usage, ("total_tokens",)) == parts
    return completion + reasoning if beside else completion


def _malformed(words: str) -> BrokenAnswerError:
    return BrokenAnswerError(f"malformed answer: {words}", shape=words)
