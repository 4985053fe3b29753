"""In which order requests go to the engine."""

from __future__ import annotations

from collections.abc import Sequence

from lrmtest.models.engines.base import Request
from lrmtest.plugin.generation.expected import ExpectedTokens


def longest_first(requests: Sequence[Request], expected: ExpectedTokens) -> list[Request]:
    """Requests with the longest expected completion first, a question's samples together.

    The longest job decides when a batch ends, so it must not begin last (Graham 1969, longest
    processing time first). Samples of one question share their prompt, which engines with a
    prefix cache compute once when they come together.

    Args:
        requests: to be ordered.
        expected: how long each will be; one of which nothing is known is expected to take its
            budget.
    """

    def length(request: Request) -> float:
        return expected.of(request.place.question) or float(request.sampling.max_tokens)

    return sorted(
        requests,
        key=lambda request: (-length(request), request.place.question, request.place.sample),
    )
