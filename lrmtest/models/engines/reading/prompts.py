"""The prompts that servers make of conversations, as token ids.

llama-server renders a request's conversation and cuts it with its own tokenizer
(`LlamaCppPrompts`); vLLM tells a prompt's ids with the answer to the very request, of one token.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

from lrmtest.models.engines.base import Conversation, Request, Sampling
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.manners import Manners
from lrmtest.models.engines.http.server_facts import LLAMA_CPP, VLLM, ServerFacts
from lrmtest.models.engines.http.traced import LlamaCppPrompts, prompt_told
from lrmtest.models.engines.options import noted_nowhere
from lrmtest.models.request_fields import RequestFields
from lrmtest.progress import silent
from lrmtest.questions.place import Place

_TRIES = 3  # after a connection broke
_ONE_TOKEN = Sampling(1, temperature=0.0, top_p=1.0)


class ServerPrompts:
    """Asks one server for the prompts that it makes.

    Args:
        facts: what the server is.
        fields: the model's request fields; some are variables of its template.
    """

    def __init__(self, facts: ServerFacts, fields: RequestFields) -> None:
        self._facts = facts
        self._fields = fields
        # What it finds is told by whoever generates.
        self._manners = Manners(silent, noted_nowhere, fields=fields)
        self._llama = LlamaCppPrompts()

    async def ids(self, client: ChatClient, conversation: Conversation) -> array[int] | None:
        """The ids of a prompt; None where the server does not tell them.

        Raises:
            BrokenAnswerError: it does not answer.
        """
        if self._facts.kind not in (LLAMA_CPP, VLLM):
            return None
        body = self._facts.body(_ONE_TOKEN, self._fields)
        for attempt in range(_TRIES):
            content = self._manners.content(
                Request(Place("prompt", "", "prompt", 0), conversation, _ONE_TOKEN, seed=0), body
            )
            try:
                found = await self._asked(client, content)
            except RefusedError as refusal:
                if self._manners.adapt(refusal, content) is not None:
                    return None
            except BrokenAnswerError:
                if attempt == _TRIES - 1:
                    raise
            else:
                return array("I", found) if found else None
        return None

    async def _asked(self, client: ChatClient, content: Mapping[str, Any]) -> list[int]:
        if self._facts.kind == LLAMA_CPP:
            return await self._llama.ids(client, content)
        whole = {**content, "stream": False, "return_token_ids": True}
        whole.pop("stream_options", None)
        return prompt_told(await client.post(f"{client.endpoint.url}/chat/completions", whole))
