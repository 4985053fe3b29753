"""Whether traces fit a model: its context and its vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrmtest.errors import UsageError
from lrmtest.models.engines.trace_reader import longest, name_of
from lrmtest.models.engines.transformers.context import context_length
from lrmtest.models.reading import Written

if TYPE_CHECKING:
    from lrmtest.models.spec import ModelSpec


def refuse_too_long(
    spec: ModelSpec, written: Sequence[Written], *, trust_remote_code: bool = False
) -> None:
    """Refuse traces that are longer than a model's context.

    Raises:
        UsageError: names the longest.
    """
    context = context_length(
        spec.location, spec.card.context_length, trust_remote_code=trust_remote_code
    )
    most = longest(written)
    if most.length > context:
        raise UsageError(
            f"{name_of(most)} has {most.length:,} tokens with its prompt, more than the "
            f"context of {spec.name}, {context:,}"
        )


def refuse_foreign_ids(spec: ModelSpec, vocabulary: int, written: Sequence[Written]) -> None:
    """Refuse traces without a prompt, or with tokens that a model does not have.

    Raises:
        UsageError: names the first.
    """
    for one in written:
        if not one.trace.prompt:
            raise UsageError(
                f"the trace of {name_of(one)} has no prompt, so that its first token follows on "
                "nothing"
            )
        most = max((*one.trace.prompt, *one.trace.tokens))
        if most >= vocabulary:
            raise UsageError(
                f"{name_of(one)} has token {most}, and {spec.name} has a vocabulary of "
                f"{vocabulary:,}",
                hint="they are of different tokenizers; name the model that the traces are for",
            )
