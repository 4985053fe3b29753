"""Recipes: which tensors get more bits than the rest, by name.

In the manner of Unsloth's dynamic quantizations of DeepSeek-R1 (their note of January 2025, "Run
DeepSeek-R1 Dynamic 1.58-bit"): the experts, which are nearly all of such a model, take the fewest
bits; attention, shared experts, the embedding, the head and the dense layers at the beginning keep
4 to 6; and of each expert the matrix that leads back, ``down``, is spared most, above all in the
first layers that have experts. What their tool chose in detail is not published, so the files are
of like size, not equal. A dense model's feed-forward layers are treated as experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from lrmtest.errors import UsageError


@dataclass(frozen=True, slots=True)
class Recipe:
    """Types of tensors, under a name.

    Attributes:
        name: for the command line.
        kind: llama-quantize's type for all that no pattern matches.
        tensors: patterns with their types; the first that matches decides.
    """

    name: str
    kind: str
    tensors: tuple[tuple[str, str], ...]


def _dynamic(name: str, kind: str, *, early_down: str, down: str) -> Recipe:
    return Recipe(
        name,
        kind,
        (
            ("output", "Q6_K"),
            ("token_embd", "Q4_K"),
            ("attn_*", "Q4_K"),
            ("ffn_*_shexp", "Q6_K"),
            ("blk.[:1/20].ffn_down", "Q6_K"),
            ("blk.[:1/20].ffn_*", "Q4_K"),
            ("blk.[-1:].ffn_down", "Q4_K"),
            *(("blk.[1/20:1/10]." + each, early_down) for each in ("ffn_down_exps", "ffn_down")),
            *((each, down) for each in ("ffn_down_exps", "ffn_down")),
            ("ffn_*", kind),
        ),
    )


RECIPES = (
    _dynamic("dynamic-1.58", "IQ1_S", early_down="IQ2_XXS", down="IQ1_S"),
    _dynamic("dynamic-1.73", "IQ1_M", early_down="IQ2_XXS", down="IQ2_XXS"),
    _dynamic("dynamic-2.22", "IQ2_XXS", early_down="IQ2_S", down="IQ2_S"),
    _dynamic("dynamic-2.51", "Q2_K", early_down="Q3_K", down="Q2_K"),
)
"""All of them. The number is the bits of an R1 made so, as Unsloth calls its own."""


def recipe_named(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        UsageError: there is none.
    """
    known = {recipe.name: recipe for recipe in RECIPES}
    if name not in known:
        close = get_close_matches(name, known, n=3) or list(known)
        raise UsageError(f"there is no recipe {name!r}", hint=f"there is {', '.join(close)}")
    return known[name]
