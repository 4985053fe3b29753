"""Whether a reader means the same by token ids as the model that wrote them."""

from __future__ import annotations

from collections.abc import Sequence

from lrmtest.errors import UsageError
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.reading import Written
from lrmtest.models.spec import ModelSpec
from lrmtest.models.tokenizer_identity import tokenizer_identity
from lrmtest.models.vocabulary import first_other_meaning, vocabulary
from lrmtest.unicode import quote

_HINT = "name the model that wrote the traces, whose files tell: --parent MODEL"


def refuse_other_tokens(
    spec: ModelSpec, written: Sequence[Written], tokenizer: str, writers: Sequence[str]
) -> str:
    """Refuse a reader whose tokens are others than those of the traces.

    Args:
        spec: the reader, its files on disk.
        written: the traces.
        tokenizer: the writer's, as `tokenizer_identity` tells it; empty where it is not known.
        writers: where files of the writer may be.

    Returns:
        What the user should know of it; empty for nothing.

    Raises:
        UsageError: they are others, or nothing here tells that they are the same.
        ModelError: a file cannot be read.
    """
    if not kind_of(spec).has_files:
        return (
            f"{spec.name}: an endpoint's tokenizer is not seen; that it is the writer's is "
            "assumed, but for prompts that are compared"
        )
    own = tokenizer_identity(spec.location)
    same = bool(tokenizer) and own == tokenizer
    # A GGUF file names its tokenizer by its way of cutting; better is to see the tokens.
    if same and not (own.startswith("gguf") and writers):
        return ""
    names = vocabulary(spec.location)
    theirs = next((found for place in writers if (found := vocabulary(place))), {})
    if same and not theirs:
        return ""
    if not names or not theirs:
        told = f"{tokenizer or 'not told'} in the traces, {own or 'not told'} in {spec.name}"
        raise UsageError(
            f"nothing tells whether the traces' tokens are those of {spec.name}: the tokenizer is "
            f"{told}",
            hint=_HINT,
        )
    ids = {i for one in written for i in (*one.trace.prompt, *one.trace.tokens)}
    other = first_other_meaning(ids, theirs, names)
    if other is not None:
        mine, its = (quote(repr(each.get(other)), 60) for each in (names, theirs))
        raise UsageError(
            f"{spec.name} means other tokens: token {other} is {mine}, and {its} in the traces",
            hint="only a model with the writer's tokenizer can read its traces",
        )
    return ""
