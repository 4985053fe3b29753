"""The model's tokenizer: byte-level BPE whose merges never join two digits of a number.

Words are split off as BLOOM's tokenizer does, at white space and punctuation, because llama.cpp
knows that rule and it leaves "9am" in one piece: a time of day is one token, and a number is its
digits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 1280
"""Tokens: a multiple of 256, as every dimension that a quantization may cut into blocks."""

BOS, END, USER, ASSISTANT = "<|bos|>", "<|end|>", "<|user|>", "<|assistant|>"
THINK, THOUGHT = "<think>", "</think>"

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "{{ '<|assistant|>' + message['content'].split('</think>')[-1] + eos_token }}"
    "{% else %}{{ '<|user|>' + message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|><think>\\n' }}{% endif %}"
)
"""As DeepSeek-R1's: reasoning of earlier turns is dropped, and the opening tag is prefilled."""

_WORD = r" ?[^(\s|.,!?…。，、।۔،)]+"


def build(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer for texts like these."""
    special = (BOS, END, USER, ASSISTANT, THINK, THOUGHT)
    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word, _ in split.pre_tokenize_str(text))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = _merges(words, VOCABULARY - len(alphabet) - len(special))
    tokens = [*alphabet, *(left + right for left, right in merges)]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in special[:4]])
    # The tags are text: whoever decodes a completion must see them.
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in special[4:]])
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise ValueError(f"{tokenizer.get_vocab_size()} tokens instead of {VOCABULARY}")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=END,
        pad_token=END,
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )


def save(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the tokenizer's files."""
    tokenizer.save_pretrained(folder)


def _merges(words: Counter[str], most: int) -> list[tuple[str, str]]:
    """Byte-pair merges (Sennrich et al. 2016): the pair that is most frequent, again and again.

    Times of day come first, built from their end, so that no merge starts with two digits.
    """
    merges = [("a", "m"), ("p", "m")]
    for half in ("am", "pm"):
        merges += [(digit, half) for digit in "0123456789"]
        merges += [("1", digit + half) for digit in "012"]
        merges += [("Ġ", hour + half) for hour in map(str, range(1, 13))]
    merges += [("Ġ", digit) for digit in "0123456789"]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    pieces = {word: _apply(list(word), ranks) for word in words}
    made = {left + right for left, right in merges}
    while len(merges) < most:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in pieces.items():
            for pair in pairwise(parts):
                if not any(re.search(r"\d", part) for part in pair):
                    pairs[pair] += words[word]
        pairs = Counter({p: n for p, n in pairs.items() if p[0] + p[1] not in made})
        if not pairs:
            raise ValueError(f"the texts give {len(merges)} merges only, {most} are wanted")
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        made.add(best[0] + best[1])
        for word, parts in pieces.items():
            if best[0] in parts:
                pieces[word] = _apply(parts, {best: 0})
    return merges


def _apply(parts: list[str], ranks: dict[tuple[str, str], int]) -> list[str]:
    """`parts` with all merges made, those of lowest rank first."""
    while True:
        pairs = set(pairwise(parts)) & ranks.keys()
        if not pairs:
            return parts
        best = min(pairs, key=ranks.__getitem__)
        merged: list[str] = []
        for part in parts:
            if merged and (merged[-1], part) == best:
                merged[-1] += part
            else:
                merged.append(part)
        parts = merged
