"""Keys and seeds: what makes a completion *this* completion.

A completion is looked up by a hash over everything that could have changed it. A changed
prompt, setting, seed, model file or question is therefore a different key, and generated anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

# Made once, for every sample has a key.
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def fingerprint(content: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of JSON content, independent of the order of its keys."""
    return hashlib.sha256(_ENCODER.encode(content).encode("utf-8", "surrogatepass")).hexdigest()


def sample_seed(base_seed: int, suite: str, question_id: str, sample: int) -> int:
    """The seed of one sample: 31 bits, from the run's seed and the question, not from order.

    Selecting fewer questions, or running them in another order or process, leaves every
    sample's seed as it was.
    """
    text = f"{base_seed}\n{suite}\n{question_id}\n{sample}"
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4]) >> 1


def completion_key(
    *,
    model_identity: str,
    question_digest: str,
    messages: Sequence[tuple[str, str]],
    max_tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
    sample: int,
) -> str:
    """The key of one completion, 64 hex digits.

    Args:
        model_identity: `fingerprint` of what generates: card, files' hashes, engine, its options.
        question_digest: `Question.digest`; empty for a test's own prompt.
        messages: the conversation as (role, content).
        max_tokens: the budget.
        temperature: 0 is greedy.
        top_p: nucleus mass.
        seed: the sample's seed.
        sample: its index; greedy samples of one question differ in it alone.
    """
    return fingerprint(
        {
            "model": model_identity,
            "question": question_digest,
            "messages": [list(message) for message in messages],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "seed": seed,
            "sample": sample,
        }
    )
