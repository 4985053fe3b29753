"""The longest prompt and completion together, asked before any weight is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lrmtest.errors import ModelError, UsageError
from lrmtest.models.engines.base import Request, fits_context
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer
from lrmtest.models.engines.tokenizers.checkpoint_files import (
    pretrained_arguments,
    quiet,
    unreadable,
)
from lrmtest.models.gguf_header import read_gguf_header

_KNOWN_LAYERS = {"full_attention", "sliding_attention"}


def context_length(
    location: str, card_length: int | None, *, trust_remote_code: bool = False
) -> int:
    """Most tokens of prompt and completion together: the card's or the checkpoint's, the lesser.

    A sliding window counts as the end of the context: a slot attends to everything in it, so
    that beyond the window the model would see more than it was trained to.

    Raises:
        ModelError: the configuration cannot be read or says nothing of it, or the model is of a
            kind that cannot be run.
    """
    folder, arguments = pretrained_arguments(location)
    if "gguf_file" in arguments:
        declared = _from_gguf(Path(folder) / arguments["gguf_file"])
    else:
        declared = _from_config(folder, trust_remote_code)
    known = [length for length in (card_length, *declared) if isinstance(length, int) and length]
    if not known:
        raise ModelError(
            f"the context length of the model at {location} is not known",
            hint="set context_length in its card",
        )
    return min(known)


def _from_gguf(file: Path) -> tuple[Any, ...]:
    # transformers takes seconds to read the same header, once more for its vocabulary.
    header = read_gguf_header(file)
    architecture = header.metadata.get("general.architecture")
    window = header.metadata.get(f"{architecture}.attention.sliding_window")
    return header.context_length, window


def _from_config(folder: str, trust_remote_code: bool) -> tuple[Any, ...]:
    with quiet():
        from transformers import AutoConfig

        try:
            config = AutoConfig.from_pretrained(
                folder, trust_remote_code=trust_remote_code, local_files_only=True
            ).get_text_config()
        except Exception as error:
            raise unreadable(
                f"the model configuration in {folder} cannot be read",
                error,
                "is config.json complete, and of an architecture that transformers knows?",
            ) from error
    check_layers(config)
    window = getattr(config, "sliding_window", None)
    if not getattr(config, "use_sliding_window", True):
        window = None
    return getattr(config, "max_position_embeddings", None), window


def check_layers(config: Any) -> None:
    """Refuse what is no stack of attention layers: its state does not fit into slots.

    Raises:
        ModelError: names the layers.
    """
    unknown = set(getattr(config, "layer_types", None) or ()) - _KNOWN_LAYERS
    if unknown:
        raise ModelError(
            "the transformers engine cannot batch a model with layers of this kind: "
            + ", ".join(sorted(unknown)),
            hint="run it with --engine vllm or --engine llamacpp",
        )


def check_budgets(requests: Sequence[Request], chat: ChatTokenizer, context: int) -> None:
    """Refuse requests whose prompt and budget together exceed the context.

    Raises:
        UsageError: names the longest prompt of those that do not fit.
        ModelError: a prompt cannot be rendered.
    """
    sized = [(len(chat.encode(r.messages)), r) for r in requests]
    over = [
        (tokens, r)
        for tokens, r in sized
        if not fits_context(tokens, r.sampling.max_tokens, context)
    ]
    if not over:
        return
    tokens, request = max(over, key=lambda pair: pair[0])
    name = request.place.question_id
    what = f"question {name!r}" if name else "the prompt"
    message = (
        f"{what} takes {tokens} tokens and the budget is {request.sampling.max_tokens}; "
        f"together they exceed the model's context of {context}"
    )
    if len(over) > 1:
        message += f" ({len(over)} of {len(requests)} requests do not fit)"
    room = context - tokens
    raise UsageError(
        message,
        hint=f"pass --max-tokens {room}, or less" if room > 0 else "the prompt alone is too long",
    )
