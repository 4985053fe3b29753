"""The types of GGUF: of a whole file, called its kind here, and of one tensor."""

from __future__ import annotations

import re
from difflib import get_close_matches

from lrmtest.compress.gguf.tools import Tool
from lrmtest.errors import ModelError, UsageError
from lrmtest.models.gguf_header import TYPE_BLOCKS

WHOLE = ("F32", "F16", "BF16")
"""Types that are no quantization."""

_NOT_FOR_WEIGHTS = {"Q8_1", "Q8_K", "I8", "I16", "I32", "I64", "F64"}
_FEWEST_BITS = ("IQ1_", "IQ2_")
_MEDLEY = re.compile(r"_(XXS|XS|S|M|L|XL)$")


def known_kind(kind: str, tool: Tool) -> str:
    """`kind` as the tool spells it.

    Raises:
        UsageError: the tool makes no such files.
        ModelError: its help does not say which it makes.
    """
    kinds = tool.kinds
    if not kinds:
        raise ModelError(f"{tool.program.path} does not say which types it can make")
    if kind.upper() not in kinds:
        close = get_close_matches(kind.upper(), kinds, n=4, cutoff=0.5)
        raise UsageError(
            f"llama-quantize makes no {kind!r}",
            hint=f"did you mean {' or '.join(close)}?" if close else f"it makes {', '.join(kinds)}",
        )
    return kind.upper()


def known_type(pattern: str, type_: str) -> str:
    """`type_` as GGUF spells it.

    Args:
        pattern: what it was given for.
        type_: of one tensor.

    Raises:
        UsageError: no tensor can have it.
    """
    name = type_.upper()
    known = [each for each in TYPE_BLOCKS if each not in _NOT_FOR_WEIGHTS]
    if name in known:
        return name
    single = _MEDLEY.sub("", name)
    if single in known:
        raise UsageError(
            f"{type_!r} for {pattern!r} is a mixture of types, and a tensor has one",
            hint=f"did you mean {single}?",
        )
    close = get_close_matches(name, known, n=4, cutoff=0.5) or known
    raise UsageError(
        f"no tensor can have the type {type_!r} given for {pattern!r}",
        hint=f"there is {', '.join(close)}",
    )


def needs_matrix(kind: str) -> bool:
    """Whether a file of this kind is garbage without an importance matrix."""
    return kind.startswith(_FEWEST_BITS)


def block_of(kind: str) -> int:
    """Weights per block of the type that a kind gives most tensors; 1 if there are none."""
    if kind in TYPE_BLOCKS:
        return TYPE_BLOCKS[kind][0]
    # Q4_K_M is a mixture about Q4_K, and IQ2_M one of types of the family IQ2.
    family = _MEDLEY.sub("", kind)
    related = (type_ for type_ in TYPE_BLOCKS if f"{type_}_".startswith(f"{family}_"))
    return TYPE_BLOCKS.get(next(related, kind.partition("_")[0]), (1, 1))[0]
