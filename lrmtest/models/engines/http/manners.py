"""Manners: what turns out, while a server is asked, of how it takes requests and gives answers.

One `Manners` is shared by all requests to a server. It is used from one event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from lrmtest.models.engines.base import Request, Sampling
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.finish_reasons import meaning_of
from lrmtest.models.engines.http.refusals import LIMITS, refused_fields
from lrmtest.models.engines.http.stream import ChatReply
from lrmtest.models.request_fields import (
    LEFT_OUT,
    RENAMED,
    SAMPLING_FIELDS,
    TRACE_FIELDS,
    TRANSPORT_FIELDS,
)
from lrmtest.progress import Tell

UNTOLD_ENDS_NEEDED = 12
"""So many answers of a server, and no other, must have come without a finish reason before it is
taken for one that sends none: at 30 % of broken answers, chance does that once in 2 million."""

_SAME_SHAPES_NEEDED = 5
_HABITS_BELIEVED = 2
_MOST_TOKENS_WITHOUT_TEXT = 2  # the end of the sequence, and half a character
_MOST_WORDS_TOLD = 5

# Fields of lrmtest's own that a request can do without, by what becomes of the run.
_CHANGES_OUTCOMES = ("temperature", "top_p", "seed", *SAMPLING_FIELDS)

_REFUSED_STATUSES = (400, 405, 415, 422)


class Manners:
    """What is known of a server so far.

    Args:
        tell: is told, once each, what the user should know.
        note: is told what belongs into the run's manifest, by name.
        fields: the request fields that are the user's word.
        run: the sampling of the run; values that only a test of the server has are no matter of
            it. None where it is not known.

    Attributes:
        hopeless: what every further request would be refused for; None as long as nothing is known.
    """

    def __init__(
        self,
        tell: Tell,
        note: Callable[[str, object], None],
        *,
        fields: Collection[str] = (),
        run: Sampling | None = None,
    ) -> None:
        self._tell = tell
        self._note = note
        self._fields = fields
        self._run = run
        self.hopeless: RefusedError | None = None
        self._left_out: set[str] = set()
        self._values_left_out: set[tuple[str, str]] = set()
        self._told_left_out: list[str] = []
        self._limit = LIMITS[0]
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
        return "seed" not in self._told_left_out

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
        return {
            name: value
            for name, value in content.items()
            if name not in self._left_out and (name, repr(value)) not in self._values_left_out
        }

    def adapt(self, refusal: RefusedError, content: Mapping[str, Any]) -> RefusedError | None:
        """Adapt further requests to a refusal that was for fields of this one.

        Args:
            refusal: what the server answered.
            content: what it was asked with.

        Returns:
            None when the request may be sent again; what it fails with when it may not.
        """
        if refusal.status not in _REFUSED_STATUSES:
            return refusal
        adapted = False
        for field in refused_fields(refusal.words, content):
            name = field.name
            if name in LIMITS:
                self._rename_limit(name, refusal)
            elif name in (*TRANSPORT_FIELDS, *TRACE_FIELDS) and name not in self._fields:
                self._leave_out(name, None)
            elif name in _CHANGES_OUTCOMES:
                self._leave_out(name, content[name] if field.this_value else None)
            elif name in self._fields:
                self.hopeless = RefusedError(
                    f"the server does not take the request field {name}: {refusal}",
                    status=refusal.status,
                    hint="it is in the model's card or in --request-field; leave it out with "
                    f"--request-field {name}=null",
                )
            else:
                continue
            adapted = True
        return self.hopeless if adapted else refusal

    def _rename_limit(self, name: str, refusal: RefusedError) -> None:
        """Send the budget under its other name, if that was not refused as well."""
        self._limits_refused.add(name)
        left = [limit for limit in LIMITS if limit not in self._limits_refused]
        if not left:
            self.hopeless = RefusedError(
                f"the server takes neither {' nor '.join(LIMITS)}: {refusal}",
                status=refusal.status,
                hint="without a limit a completion could go on without end, so nothing is asked; "
                "put a gateway before it that takes one of them",
            )
        elif self._limit != left[0]:
            self._limit = left[0]
            self._note(RENAMED, {LIMITS[0]: self._limit})

    def _leave_out(self, name: str, value: object) -> None:
        """Send a field no more; with a `value` only where it would have this one."""
        if value is None:
            self._left_out |= {name, "stream_options"} if name == "stream" else {name}
        else:
            self._values_left_out.add((name, repr(value)))
            if self._run is not None and getattr(self._run, name, value) != value:
                return
        if name in self._told_left_out:
            return
        self._told_left_out.append(name)
        own = ": its own counts" if name in _CHANGES_OUTCOMES else ""
        what = name if value is None else f"{name} of {value}"
        self._tell(f"the server takes no {what}, so it is left out{own}")
        self._note(LEFT_OUT, list(self._told_left_out))

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
        words = f"{failure}; it asks to come back in {wait}"
        return RefusedError(words, hint=hint, elsewhere=True)

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
                "repeat them with --regenerate"
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
