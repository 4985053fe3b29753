"""The context that planned requests need, before there is a tokenizer to count with."""

from __future__ import annotations

from collections.abc import Sequence

from lrmtest.errors import UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.base import Message, Request, Sampling, fits_context
from lrmtest.questions.place import Place

UNPLANNED_TOKENS = 32768 + 4096
"""Context when nothing is planned: R1's usual budget, and a prompt."""

_TEMPLATE_TOKENS = 256  # what a chat template adds: role tags, a default system prompt
_MOST_BYTES_PER_TOKEN = 8  # no prompt has fewer tokens than one in eight bytes
_USUAL_BUDGET = 32768  # R1's, and the largest of the suites'
_STAND_IN_PROMPT = 8192  # bytes


def smallest_context(card: ModelCard, measured: ModelCard) -> int | None:
    """Most tokens of prompt and completion that card and files allow; None if neither says."""
    known = (card.context_length, measured.context_length)
    return min((length for length in known if length), default=None)


def stand_ins(budget: int | None, context: int | None, count: int) -> list[Request]:
    """Requests that stand for those to come, where nothing is planned yet.

    Args:
        budget: tokens generated at most; None for what the suites need at most, or the model's
            context allows.
        context: the model's; None if it is not known.
        count: how many.
    """
    if budget is None:
        budget = _USUAL_BUDGET
        if context is not None:
            prompt = _STAND_IN_PROMPT // _MOST_BYTES_PER_TOKEN + _TEMPLATE_TOKENS
            budget = max(1, min(budget, context - prompt))
    turn = Message("user", "x" * _STAND_IN_PROMPT)
    sampling = Sampling(budget, temperature=0.0, top_p=1.0)
    places = [Place(str(n), "", "", 0) for n in range(count)]
    return [Request(place, (turn,), sampling, seed=0) for place in places]


def tokens_needed(planned: Sequence[Request], bytes_per_token: int) -> int:
    """Tokens of the longest planned request, prompt and budget.

    Args:
        planned: the requests; `UNPLANNED_TOKENS` when there are none.
        bytes_per_token: 1 can never be too little, as every token stands for a byte at least; 2
            is safe for any language and for formulas, if not for pages of digits.
    """
    return max(
        (
            request.sampling.max_tokens + _bytes(request) // bytes_per_token + _TEMPLATE_TOKENS
            for request in planned
        ),
        default=UNPLANNED_TOKENS,
    )


def refuse_misfits(planned: Sequence[Request], context: int | None, model: str) -> None:
    """Refuse requests that cannot fit `context` by any tokenizer, before anything is loaded.

    The server is asked for exact counts once it runs; this only saves the wait for it.

    Raises:
        UsageError: names the budget, the context and a budget that fits.
    """
    if context is None:
        return
    for request in planned:
        budget = request.sampling.max_tokens
        prompt = max(1, _bytes(request) // _MOST_BYTES_PER_TOKEN)
        if fits_context(prompt, budget, context):
            continue
        room = context - _bytes(request) // 2 - _TEMPLATE_TOKENS
        suite = f"suite {request.place.suite!r}" if request.place.suite else "a test"
        raise UsageError(
            f"{suite} has a budget of {budget} tokens, but prompt and completion together may "
            f"take {context} at most with model {model!r}",
            hint=f"pass --max-tokens {room}, or less" if room > 0 else "its prompt is too long",
        )


def _bytes(request: Request) -> int:
    return sum(len(turn.content.encode("utf-8", "replace")) for turn in request.messages)
