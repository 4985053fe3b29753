"""In which order requests go to the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lrmtest.models.engines.base import Request


def longest_first(
    requests: Sequence[Request], expected_tokens: Mapping[tuple[str, str], float]
) -> list[Request]:
    """Requests with the longest expected completion first, a question's samples together.

    The longest job decides when a batch ends, so it must not begin last (Graham 1969, longest
    processing time first). Samples of one question share their prompt, which engines with a
    prefix cache compute once when they come together.

    Args:
        requests: to be ordered.
        expected_tokens: mean completion tokens of a (suite, question id) in earlier runs. A
            question without any is expected to take its suite's mean, and one of an unknown
            suite its budget.
    """
    by_suite: dict[str, list[float]] = {}
    for (suite, _), tokens in expected_tokens.items():
        by_suite.setdefault(suite, []).append(tokens)
    means = {suite: sum(tokens) / len(tokens) for suite, tokens in by_suite.items()}

    def expected(request: Request) -> float:
        of_suite = means.get(request.place.suite, float(request.sampling.max_tokens))
        return expected_tokens.get(request.place.question, of_suite)

    return sorted(
        requests,
        key=lambda request: (-expected(request), request.place.question, request.place.sample),
    )
