"""A completion that goes on from given tokens: vLLM's way, by the ids of prompt and beginning.

The server is asked without its chat API, for that takes no ids. What it answers is put into the
chat API's form, its counts with the beginning in them, and then is an answer like any other: loop
stop, budget, counts and trace know no difference.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any

from lrmtest.models.draft import DraftTurn, TraceDraft
from lrmtest.models.engines.base import Sampling
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.failures import BrokenAnswerError
from lrmtest.models.engines.http.server_facts import ServerFacts
from lrmtest.models.engines.http.stream import ChatReply, ChatStream
from lrmtest.models.rejection import seed_behind
from lrmtest.models.request_fields import TEMPLATE_VARIABLES, RequestFields

_OF_A_CHAT = (TEMPLATE_VARIABLES, "reasoning_effort", "top_logprobs")
_HALF = "\ufffd"
"""What a part of a character is shown as."""


class ContinuedStream(ChatStream):
    """An answer that has a beginning already.

    Args:
        prompt: tokens of the prompt.
        on_tokens: as of a `ChatStream`; of what is generated alone.
        how: a `ChatStream`'s other arguments.
    """

    def __init__(
        self, prompt: int, *how: Any, on_tokens: Callable[[int], None], **named: Any
    ) -> None:
        super().__init__(*how, **named)
        self._prompt = prompt
        self._given = 0
        self._tell_tokens = on_tokens

    @property
    def takes_runs(self) -> bool:
        """See `ChatStream.takes_runs`: each event is put into another form."""
        return False

    def begin(self, text: str, prompt: array[int], turning: DraftTurn) -> None:
        """Take the beginning, as if it had been generated."""
        self._given = len(turning.tokens)
        told = [{"logprob": value} for value in turning.logprobs]
        super().add(
            {
                "prompt_token_ids": prompt.tolist(),
                "choices": [
                    {
                        "delta": {"content": text},
                        "token_ids": turning.tokens.tolist(),
                        "logprobs": {"content": told},
                    }
                ],
                "usage": self._counts(0),
            }
        )
        self._on_tokens = self._tell_tokens

    def end(self, word: str) -> None:
        """End it: there is nothing to generate."""
        choice = {"delta": {}, "finish_reason": word}
        super().add({"choices": [choice], "usage": self._counts(0)})
        self.ended = True

    def add(self, event: object) -> None:
        """Take an event of the server's; raises as `ChatStream.add`."""
        super().add(self._as_of_a_chat(event) if isinstance(event, dict) else event)

    def _as_of_a_chat(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The event as the chat API would have sent it, of the whole completion."""
        changed = {
            name: value
            for name, value in event.items()
            if name not in ("prompt_token_ids", "usage")
        }
        usage = event.get("usage")
        if isinstance(usage, Mapping):
            count = usage.get("completion_tokens")
            if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
                changed["usage"] = self._counts(count)
        choices = event.get("choices")
        if isinstance(choices, list):
            changed["choices"] = [_as_delta(one) for one in choices]
        return changed

    def _counts(self, generated: int) -> dict[str, int]:
        total = self._given + generated
        counts = {"prompt_tokens": self._prompt, "total_tokens": self._prompt + total}
        return {**counts, **({"completion_tokens": total} if total else {})}


def _as_delta(choice: object) -> object:
    """A choice of the protocol before chats in the form of a chat's."""
    if not isinstance(choice, Mapping):
        return choice
    changed = {name: value for name, value in choice.items() if name != "prompt_token_ids"}
    changed["delta"] = {"content": choice.get("text")}
    told = choice.get("logprobs")
    if isinstance(told, Mapping):
        values = told.get("token_logprobs")
        listed = values if isinstance(values, list) else []
        changed["logprobs"] = {"content": [{"logprob": value} for value in listed]}
    return changed


class Continuing:
    """Asks one server for completions that go on from what drafts have left.

    Args:
        facts: of the server, a vLLM.
        fields: the model's request fields.
    """

    def __init__(self, facts: ServerFacts, fields: RequestFields) -> None:
        self._facts = facts
        self._fields = fields

    async def reply(
        self,
        client: ChatClient,
        draft: TraceDraft,
        sampling: Sampling,
        content: Mapping[str, Any],
        stream: ContinuedStream,
    ) -> ChatReply:
        """The finished answer of one try; raises as `ChatClient.chat`.

        Args:
            client: asks the server.
            draft: with its turning.
            sampling: of the whole completion.
            content: the chat's body, from which the sampling's other fields are taken.
            stream: collects the answer, and has nothing yet.
        """
        turning = draft.turning
        assert turning is not None
        left = sampling.max_tokens - len(turning.tokens)
        assert left >= 0
        text = await self._text(client, draft, turning)
        ends = turning.may_end and await self._ends(client, draft, turning)
        stream.begin(text, draft.trace.prompt, turning)
        if stream.looped or ends or not left:
            stream.end("stop" if ends else "length")
            return client.replied(stream)
        return await client.chat(self._body(draft, turning, left, content), stream, "completions")

    def _body(
        self, draft: TraceDraft, turning: DraftTurn, left: int, content: Mapping[str, Any]
    ) -> dict[str, Any]:
        body = {
            name: value
            for name, value in content.items()
            if name not in (*_OF_A_CHAT, "messages", "max_completion_tokens")
        }
        if "logprobs" in body:
            body["logprobs"] = 0
        if "seed" in body:
            body["seed"] = seed_behind(body["seed"])
        return {**body, "prompt": _ids(draft, turning.tokens), "max_tokens": left}

    async def _text(self, client: ChatClient, draft: TraceDraft, turning: DraftTurn) -> str:
        """The text of the beginning, as far as it is whole characters: the server sends the rest.

        It is what the text of prompt and beginning has behind that of the prompt: some tokenizers
        drop a space at the start of a text.
        """
        shown = array("I", [each for each in turning.tokens if each not in turning.silent])
        if not shown:
            return ""
        before = await self._detokenized(client, draft.trace.prompt.tolist())
        whole = await self._detokenized(client, _ids(draft, shown))
        if not whole.startswith(before):
            raise BrokenAnswerError(
                "the text of a prompt is another once it goes on", shape="detokenize"
            )
        return whole[len(before) :].rstrip(_HALF)

    async def _detokenized(self, client: ChatClient, ids: list[int]) -> str:
        url = f"{client.endpoint.root}/detokenize"
        answer = await client.post(url, {"model": self._facts.model, "tokens": ids})
        text = answer.get("prompt") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            raise BrokenAnswerError("no text of given tokens", shape="detokenize")
        return text

    async def _ends(self, client: ChatClient, draft: TraceDraft, turning: DraftTurn) -> bool:
        """Whether the last token of the beginning ends a text: the server knows.

        It is asked for one token, which can be no other.
        """
        last = turning.tokens[-1]
        answer = await client.post(
            f"{client.endpoint.url}/completions",
            {
                "model": self._facts.model,
                "prompt": _ids(draft, turning.tokens[:-1]),
                "max_tokens": 1,
                "temperature": 0,
                "allowed_token_ids": [last],
                "return_token_ids": True,
            },
        )
        try:
            [choice] = answer["choices"]
            told, word = choice["token_ids"], choice["finish_reason"]
        except (KeyError, TypeError, ValueError):
            told, word = None, None
        if told != [last] or word not in ("stop", "length"):
            raise BrokenAnswerError("nothing of the one token asked for", shape="token_ids")
        return bool(word == "stop")


def _ids(draft: TraceDraft, tokens: array[int]) -> list[int]:
    return [*draft.trace.prompt, *tokens]
