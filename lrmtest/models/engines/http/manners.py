"""Manners: what turns out, while a server is asked, of how it takes requests and gives answers.

One `Manners` is shared by all requests to a server. It is used from one event loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lrmtest.models.engines.base import Request
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.finish_reasons import meaning_of
from lrmtest.models.engines.http.stream import ChatReply
from lrmtest.progress import Tell

UNTOLD_ENDS_NEEDED = 12
"""So many answers of a server, and no other, must have come without a finish reason before it is
taken for one that sends none: at 30 % of broken answers, chance does that once in 2 million."""

_SAME_SHAPES_NEEDED = 5
_HABITS_BELIEVED = 2
_MOST_TOKENS_WITHOUT_TEXT = 2  # the end of the sequence, and half a character
_MOST_WORDS_TOLD = 5

# What a request can do without. Those that change what is drawn are told and noted.
_CHANGES_OUTCOMES = (
    *("temperature", "top_p", "seed"),
    *("top_k", "min_p", "repetition_penalty", "samplers"),
)
_CHANGES_NOTHING = ("stream_options", "stream_interval", "stream")
_LIMITS = ("max_tokens", "max_completion_tokens")

_REFUSED_STATUSES = (400, 405, 415, 422)
_IS_NOT_TAKEN = re.compile(
    r"unsupported|not (?:be )?support|n't support|unrecogni[sz]ed|unknown|unexpected|no longer"
    r"|not permitted|not allowed|not available|not accept|extra (?:input|field|param)"
    r"|extra_forbidden|deprecated|cannot both|invalid (?:argument|parameter|field|key)"
    r"|additional prop",
    re.I,
)


class Manners:
    """What is known of a server so far.

    Args:
        tell: is told, once each, what the user should know.
        note: is told what belongs into the run's manifest, by name.
    """

    def __init__(self, tell: Tell, note: Callable[[str, object], None]) -> None:
        self._tell = tell
        self._note = note
        self._left_out: list[str] = []
        self._limit = _LIMITS[0]
        self._limits_refused: set[str] = set()
        self._ends_told = False
        self._ends_untold = 0
        self._usage_sent = False
        self._habits: dict[str, int] = {}
        self._understood = False
        self._shape, self._same_shapes = "", 0
        self._words_told: set[str] = set()
        self._put_off_told = False

    # Requests

    @property
    def seeds(self) -> bool:
        """Whether the server takes a seed."""
        return "seed" not in self._left_out

    def content(self, request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        """A request's JSON body.

        Args:
            request: whose conversation and sampling to send.
            body: further fields: the model, parameters of this kind of server.
        """
        content = {
            "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
            self._limit: request.sampling.max_tokens,
            "temperature": request.sampling.temperature,
            "top_p": request.sampling.top_p,
            "seed": request.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
            **body,
        }
        return {name: value for name, value in content.items() if name not in self._left_out}

    def adapt(self, refusal: RefusedError, content: Mapping[str, Any]) -> bool:
        """Whether a refused request may be sent again, since it was for a parameter.

        Args:
            refusal: what the server answered.
            content: what it was asked with; each parameter is left out once.
        """
        if refusal.status not in _REFUSED_STATUSES:
            return False
        name = _refused_parameter(refusal.words, content)
        if name is None:
            return False
        if name in _LIMITS:
            self._limits_refused.add(name)
            left = [limit for limit in _LIMITS if limit not in self._limits_refused]
            self._limit = left[0] if left else name
            return bool(left)
        if name in self._left_out:
            return True
        self._left_out.append(name)
        if name == "stream":
            self._left_out.append("stream_options")
        if name in _CHANGES_OUTCOMES:
            self._tell(f"the server takes no {name}, so it is left out: its own counts")
            self._note("left_out", [one for one in self._left_out if one in _CHANGES_OUTCOMES])
        else:
            self._tell(f"the server takes no {name}, so it is left out")
        return True

    # Answers

    def malformed(self, failure: BrokenAnswerError) -> RefusedError | None:
        """Note an answer that could not be used; a refusal when no other kind ever comes."""
        if not failure.shape or self._understood:
            return None
        if failure.shape != self._shape:
            self._shape, self._same_shapes = failure.shape, 0
        self._same_shapes += 1
        if self._same_shapes < _SAME_SHAPES_NEEDED:
            return None
        if self._same_shapes == _SAME_SHAPES_NEEDED:
            self._tell(f"its answers cannot be read, nor any so far: {failure}")
        hint = "so is its every answer: is this the URL of an OpenAI-compatible API?"
        return RefusedError(str(failure), hint=hint)

    def put_off(self, failure: BrokenAnswerError, seconds: float) -> RefusedError:
        """A server that asks to come back later than anybody waits, as the refusal that it is."""
        wait = f"{seconds:,.0f} s"
        if not self._put_off_told:
            self._put_off_told = True
            self._tell(f"the server asks to come back in {wait}, which is not waited for")
        hint = f"repeat the command in {wait}; completions that arrived are kept"
        return RefusedError(f"{failure}; it asks to come back in {wait}", hint=hint)

    def doubt(self, reply: ChatReply) -> str | None:
        """Note a finished answer; what is doubtful about it, if anything is.

        An answer without the token counts that were asked for and that others have was cut off by
        something that ended it politely on its way; one with tokens and without a text has lost
        it. A server may have such habits, though, so they are believed once they come again and
        again, as `believe` is told.
        """
        self._understood = True
        if reply.left_early:
            return None
        if reply.finish_word:
            self._end_was_told(reply.finish_word)
        counted = reply.completion_tokens is not None
        self._usage_sent = self._usage_sent or counted
        doubt = None
        if not counted and self._usage_sent:
            doubt = "an end without the token counts that others have"
        elif not reply.text and counted and not reply.reasoning_tokens:
            several = (reply.completion_tokens or 0) > _MOST_TOKENS_WITHOUT_TEXT
            doubt = "no text, although tokens were counted" if several else None
        habit = doubt is not None and self._habits.get(doubt, 0) >= _HABITS_BELIEVED
        return None if habit else doubt

    def believe(self, doubt: str) -> None:
        """Note that a request had an answer with this doubt however often it was sent."""
        self._habits[doubt] = self._habits.get(doubt, 0) + 1

    @property
    def sends_no_ends(self) -> bool | None:
        """Whether the server sends no finish reasons at all; None while that is not known."""
        if self._ends_told:
            return False
        return True if self._ends_untold >= UNTOLD_ENDS_NEEDED else None

    def end_was_untold(self) -> None:
        """Note an answer with text and an end, but without a finish reason."""
        self._ends_untold += 1
        if self._ends_untold == UNTOLD_ENDS_NEEDED and not self._ends_told:
            self._tell("the server never says how a completion ended; what came counts as whole")

    def _end_was_told(self, word: str) -> None:
        if not self._ends_told and self._ends_untold >= UNTOLD_ENDS_NEEDED:
            self._tell(
                "the server says how a completion ended after all: those before may be cut off; "
                "repeat them with --fresh-run"
            )
        self._ends_told = True
        if meaning_of(word) != "unknown" or len(self._words_told) >= _MOST_WORDS_TOLD:
            return
        if word not in self._words_told:
            self._words_told.add(word)
            self._tell(
                f"finish reason {word!r} is not known here; such completions are kept, their end "
                "as unknown"
            )


def _refused_parameter(words: str, content: Mapping[str, Any]) -> str | None:
    """The parameter of a request that a refusal is about, if it can do without; else None."""
    if not _IS_NOT_TAKEN.search(words):
        return None
    named = re.search(r'"param"\s*:\s*"(\w+)', words)
    known = [name for name in (*_CHANGES_NOTHING, *_CHANGES_OUTCOMES, *_LIMITS) if name in content]
    if named and named[1] in known:
        return named[1]
    if re.search(r"cannot both", words, re.I) and "top_p" in known and "top_p" in words:
        return "top_p"
    places = {
        name: place.start()
        for name in known
        if (place := re.search(rf"(?<![A-Za-z0-9_]){name}(?![A-Za-z0-9_])", words))
    }
    return min(places, key=places.__getitem__) if places else None
