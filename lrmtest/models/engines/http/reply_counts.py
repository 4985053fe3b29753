"""Token counts of a server's reply, and the completion that it makes with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lrmtest.grading.completion import Completion
from lrmtest.grading.split import Tags
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.server_facts import ServerFacts, count_tokens
from lrmtest.models.engines.http.stream import ChatReply
from lrmtest.models.engines.token_counts import estimate_tokens, proportional, reasoning_end


async def completion_of(
    reply: ChatReply,
    client: ChatClient,
    facts: ServerFacts,
    *,
    tags: Tags,
    count: Callable[[str], int] | None,
) -> Completion:
    """The completion that `reply` is, with every token count that can be had.

    Reasoning tokens come from, best first: the server's own figure, its running count at the
    closing tag less what the same piece of text has behind it, the pieces of text up to the
    tag (where each is one token), a tokenizer here or at the server, the share of characters.

    Args:
        reply: the answer.
        client: asks the server's tokenizer.
        facts: what the server is.
        tags: what is known of the model's reasoning tags.
        count: the tokenizer here, if there is one.
    """

    async def tokens(text: str) -> int | None:
        """Exact number of tokens in `text`; None without a tokenizer."""
        if count is not None:
            return await asyncio.to_thread(count, text)
        return await count_tokens(client, facts, text)

    text, pieces = reply.text, reply.pieces
    estimated = False
    total = reply.completion_tokens
    if total is None:
        total = await tokens(text)
    if total is None:
        # A server that does not stream sends one piece, however long the answer.
        total, estimated = max(pieces, estimate_tokens(text) if pieces < 2 else 0), True

    end = reasoning_end(text, tags, reply.finish_reason)
    at_close = reply.closings.get(end)
    one_token_each = pieces > 1 and total - pieces in (0, 1)  # the last token has no text
    if end in (0, len(text)):  # some servers count reasoning that they do not show
        reasoning: int | None = total if end else reply.reasoning_tokens or 0
    elif reply.reasoning_tokens is not None:
        reasoning = reply.reasoning_tokens
    elif at_close and at_close.tokens is not None:
        behind = await tokens(at_close.rest) if at_close.rest else 0
        estimated = estimated or behind is None
        behind = estimate_tokens(at_close.rest) if behind is None else behind
        # The token that ends a completion is counted, and has no text.
        behind += reply.finish_reason == "stop" and at_close.tokens == total
        reasoning = max(1, at_close.tokens - behind)
    elif at_close and one_token_each:
        reasoning = at_close.pieces
    else:
        reasoning = await tokens(text[:end])
    if reasoning is None:
        reasoning, estimated = proportional(total, end, len(text)), True
    return Completion(
        text=text,
        finish_reason=reply.finish_reason,
        prompt_tokens=reply.prompt_tokens or 0,
        completion_tokens=total,
        finish_word=reply.finish_word,
    ).with_reasoning_tokens(reasoning, estimated=estimated)
