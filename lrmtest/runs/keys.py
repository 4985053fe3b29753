"""Keys and seeds: what makes a completion *this* completion.

A completion is looked up by a hash over everything that could have changed it. A changed
prompt, setting, seed, model file or question is therefore a different key, and generated anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
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


class CompletionKeys:
    """Makes the keys of one model's completions at one setting.

    A key is the `fingerprint` of all that makes a completion what it is. What many of them have in
    common is encoded once.

    Args:
        model_identity: `fingerprint` of what generates: card, files' hashes, engine, its options.
        temperature: 0 is greedy.
        top_p: nucleus mass.
    """

    def __init__(self, model_identity: str, temperature: float, top_p: float) -> None:
        self._model = _ENCODER.encode(model_identity)
        self._drawn = (
            f'"temperature":{_ENCODER.encode(temperature)},"top_p":{_ENCODER.encode(top_p)}'
        )

    def of_question(
        self, question_digest: str, messages: Sequence[tuple[str, str]], max_tokens: int
    ) -> Callable[[int, int], str]:
        """What gives the key, 64 hex digits, of a question's sample by its seed and its index.

        Args:
            question_digest: `Question.digest`; empty for a test's own prompt.
            messages: the conversation as (role, content).
            max_tokens: the budget.
        """
        encode = _ENCODER.encode
        turns = ",".join(f"[{encode(role)},{encode(content)}]" for role, content in messages)
        # As JSON with sorted names.
        head = (
            f'{{"max_tokens":{encode(max_tokens)},"messages":[{turns}],"model":{self._model},'
            f'"question":{encode(question_digest)},"sample":'
        )

        def key_of(seed: int, sample: int) -> str:
            content = f'{head}{sample},"seed":{seed},{self._drawn}}}'
            return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

        return key_of


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
    """The key of one completion, 64 hex digits; see `CompletionKeys` for what goes into it."""
    keys = CompletionKeys(model_identity, temperature, top_p)
    return keys.of_question(question_digest, messages, max_tokens)(seed, sample)
