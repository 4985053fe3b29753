"""Patterns of tensors of a GGUF file, and the type that each tensor gets by them.

A pattern is a name of GGUF or of transformers, or a run of its parts, with the wildcards of file
names: ``attn_v``, ``blk.*.ffn_down``, ``model.layers.3.mlp``. Layers can be chosen as Python slices
a list: ``blk.[:3].attn_*`` the first three, ``blk.[-1:]`` the last, ``blk.[:1/20]`` the first
twentieth, at least one. ``first:`` and ``last:`` are short for one layer at either end.

The first pattern that matches a tensor decides. llama-quantize goes by the same rule, but matches
by regular expressions, which differ from release to release in what they are applied to; it is
therefore given names, each with one type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrmtest.compress.dotted_names import matches
from lrmtest.compress.gguf.names import is_tied, layer_of, names_of
from lrmtest.errors import UsageError
from lrmtest.models.gguf_header import GgufTensor

_SLICE = re.compile(r"\[([^\[\]:]*):([^\[\]:]*)\]")
_BOUND = re.compile(r"-?\d+|\d+/[1-9]\d*")
_END = re.compile(r"(first|last):(.+)")
_END_SLICES = {"first": "[:1]", "last": "[-1:]"}


@dataclass(frozen=True, slots=True)
class TypeAssignment:
    """What patterns say of a file's tensors.

    Attributes:
        types: tensor name -> type, of those that a pattern matches.
        idle: patterns that match no tensor.
    """

    types: Mapping[str, str]
    idle: tuple[str, ...]


def assign(tensors: Sequence[GgufTensor], wanted: Sequence[tuple[str, str]]) -> TypeAssignment:
    """The type that each tensor is to have: that of the first pattern that matches it.

    Args:
        tensors: those that can be given a type.
        wanted: patterns with their types.

    Raises:
        UsageError: a pattern has a slice that is none.
    """
    layers = 1 + max((layer_of(tensor.name) or 0 for tensor in tensors), default=0)
    tied = is_tied(tensors)
    types: dict[str, str] = {}
    idle = []
    for pattern, type_ in wanted:
        matched = [t.name for t in tensors if _matches(pattern, t.name, layers, tied)]
        if not matched:
            idle.append(pattern)
        for name in matched:
            types.setdefault(name, type_)
    return TypeAssignment(types, tuple(idle))


def options(types: Mapping[str, str]) -> list[str]:
    """The same as llama-quantize's options: one for each kind of tensor and type."""
    layers: dict[tuple[str, str], list[int]] = {}
    outer = []
    for name, type_ in types.items():
        number = layer_of(name)
        if number is None:
            outer.append(f"^{re.escape(name)}$={type_.lower()}")
        else:
            layers.setdefault((name.split(".", 2)[2], type_), []).append(number)
    inner = [
        rf"^blk\.({'|'.join(map(str, sorted(numbers)))})\.{re.escape(rest)}$={type_.lower()}"
        for (rest, type_), numbers in layers.items()
    ]
    return [word for text in (*outer, *inner) for word in ("--tensor-type", text)]


def _matches(pattern: str, tensor: str, layers: int, tied: bool) -> bool:
    if match := _END.fullmatch(pattern):
        where = _END_SLICES[match[1]]
        spelt = (f"{root}.{where}.{match[2]}" for root in ("blk", "layers"))
        return any(_matches(each, tensor, layers, tied) for each in spelt)
    plain = pattern.removesuffix(".weight")
    if match := _SLICE.search(plain):
        chosen = range(layers)[
            _bound(match[1], layers, pattern) : _bound(match[2], layers, pattern)
        ]
        number = layer_of(tensor)
        if number not in chosen:
            return False
        plain = f"{plain[: match.start()]}{number}{plain[match.end() :]}"
    return any(matches(plain, name) for name in names_of(tensor, tied=tied))


def _bound(text: str, layers: int, pattern: str) -> int | None:
    if not text:
        return None
    if not _BOUND.fullmatch(text):
        raise UsageError(
            f"tensor pattern {pattern!r}: {text!r} is no number of a layer",
            hint="write [:3], [-2:], [4:8] or, for shares of the layers, [:1/8]",
        )
    part, _, whole = text.partition("/")
    return max(1, layers * int(part) // int(whole)) if whole else int(part)
