"""The shaping of a model's distributions, by how it was asked."""

from __future__ import annotations

from lrmtest.errors import UsageError
from lrmtest.models.engines.base import Sampling
from lrmtest.models.reading import Shaping
from lrmtest.models.request_fields import SAMPLING_FIELDS, RequestFields

_HARMLESS: dict[str, tuple[object, ...]] = {
    "repetition_penalty": (1,),
    "repeat_penalty": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "typical_p": (1,),
    "top_n_sigma": (-1,),
    "top_a": (0,),
    "tfs_z": (1,),
    "no_repeat_ngram_size": (0,),
    "min_tokens": (0,),
    "logit_bias": ({}, []),
    "dynatemp_range": (0,),
    "xtc_probability": (0,),
    "dry_multiplier": (0,),
}
"""Values with which a field does nothing."""
_ADJUSTING = (
    *("repeat_last_n", "dynatemp_exponent", "xtc_threshold", "dry_base", "dry_allowed_length"),
)
"""Fields that only say how those above work, which are refused where they do something."""


def shaping_of(sampling: Sampling, fields: RequestFields | None = None) -> Shaping:
    """What a model's distributions were put through before tokens were drawn.

    Args:
        sampling: of the traces.
        fields: the request fields that they were asked with.

    Raises:
        UsageError: a field changes draws in a way that reading cannot repeat.
    """
    if sampling.greedy:
        # Penalties and biases change which token is the likeliest.
        _refuse(fields or {}, ("top_k", "min_p", "typical_p", "top_n_sigma", "top_a", "tfs_z"))
        return Shaping(0.0)
    fields = fields or {}
    _refuse(fields, ("top_k", "min_p"))
    return Shaping(
        sampling.temperature,
        sampling.top_p,
        top_k=max(0, int(fields.get("top_k") or 0)),
        min_p=float(fields.get("min_p") or 0.0),
    )


def _refuse(fields: RequestFields, heeded: tuple[str, ...]) -> None:
    for name in SAMPLING_FIELDS:
        value = fields.get(name)
        if value is None or name in (*heeded, *_ADJUSTING) or value in _HARMLESS.get(name, ()):
            continue
        raise UsageError(
            f"the traces were drawn with {name}, which reading cannot repeat: what a token's "
            "probability was depends on more than its place",
            hint="generate them anew without it, by temperature, top-p, top_k and min_p alone",
        )
