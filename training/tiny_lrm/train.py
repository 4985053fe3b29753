"""Train tiny-lrm from scratch; resumable, reproducible up to the machine's arithmetic.

    nice -n 19 python training/tiny_lrm/train.py OUT [--steps N] [--families temporal,hops]

OUT gets the tokenizer, ``checkpoint.pt`` every few minutes, from which the same command goes on,
and ``curve.jsonl`` with one line per measurement.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import tokenizer as tokens
import torch
from heads import seed_heads
from step import IGNORE, completion_logits
from torch.nn import functional
from traces import FAMILIES, Chat, chains, chat, drill
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SEED = 20_250_101
"""Of the weights and of the training questions."""
HELD_OUT_SEED = 999
"""Of the 64 questions per family on which progress is measured."""
STEPS = 8000
TOKENS_PER_STEP = 2048
WARM_UP, COOL_DOWN = 100, 2800
"""Steps at the beginning and at the end in which the learning rate rises and falls."""
PEAK_RATE, DECAY = 1e-3, 0.1
"""AdamW's (Loshchilov & Hutter 2019) learning rate and weight decay, the latter of matrices."""
SAVE_EVERY = 120.0
"""Seconds."""
LOG_EVERY, MEASURE_EVERY = 50, 500
"""Steps."""
DRILL = range(3008)
"""Steps in which one of four chats is drill in looking things up."""
BARE = 0.8
"""Share of the prompts that are the question alone, until the rate falls: what stands around it
is the same every time, and takes a third of all tokens."""
WEIGHTS = {"temporal": 1.0, "arithmetic": 1.0, "logic": 1.2, "hops": 1.0}
LATER, LATER_WEIGHTS = 3008, {"temporal": 0.7, "arithmetic": 1.7, "logic": 1.2, "hops": 0.7}
"""Shares of the families in the questions, and from which step on those that are learned last get
more."""


def configuration(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """Llama's architecture, every dimension a multiple of 256."""
    return LlamaConfig(
        vocab_size=tokens.VOCABULARY,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        rope_theta=10000.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def encode(
    tokenizer: PreTrainedTokenizerFast, family: str, seed: int, index: int, *, bare: bool = False
) -> tuple[list[int], int]:
    """A chat as tokens, and how many of them are the prompt."""
    return _encoded(tokenizer, chat(family, seed, index, bare=bare))


def _encoded(tokenizer: PreTrainedTokenizerFast, example: Chat) -> tuple[list[int], int]:
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": example.prompt}], tokenize=False, add_generation_prompt=True
    )
    completion = f"{example.reasoning}\n{tokens.THOUGHT}\n\n{example.answer}{tokens.END}"
    head = tokenizer(prompt, add_special_tokens=False).input_ids
    tail = tokenizer(completion, add_special_tokens=False).input_ids
    return head + tail, len(head)


def batches(
    tokenizer: PreTrainedTokenizerFast, families: list[str], start: int, steps: int = STEPS
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Steps from `start` on: step, tokens and targets, of one length as nearly as possible.

    Each step's questions follow from its number alone, so that a resumed training goes on as if
    it had never stopped.
    """
    cools = steps - COOL_DOWN
    pool = 16  # steps whose questions are drawn together and sorted by length
    block = start // pool
    while True:
        draws = random.Random(f"{SEED}/{block}")
        rows: list[tuple[list[int], int]] = []
        held, wanted = 0, pool * TOKENS_PER_STEP
        shares = WEIGHTS if block * pool < LATER else LATER_WEIGHTS
        weights = [shares[family] for family in families]
        while held < wanted:
            if block * pool in DRILL and draws.random() < 0.25:
                row = _encoded(tokenizer, draws.choice((drill, chains))(draws))
            else:
                family = draws.choices(families, weights)[0]
                bare = block * pool < cools and draws.random() < BARE
                row = encode(tokenizer, family, SEED, draws.randrange(1 << 40), bare=bare)
            rows.append(row)
            held += len(row[0])
        rows.sort(key=lambda row: len(row[0]))
        cuts, size, part = [], 0, wanted / pool
        for number, row in enumerate(rows):
            if size >= part * (len(cuts) + 1) and len(cuts) < pool - 1:
                cuts.append(number)
            size += len(row[0])
        edges = [0, *cuts, len(rows)]
        spans = list(pairwise(edges))
        draws.shuffle(spans)
        for number, (low, high) in enumerate(spans):
            step = block * pool + number
            if step >= start and high > low:
                yield step, *_tensors(rows[low:high], tokenizer.pad_token_id)
        block += 1


def _tensors(rows: list[tuple[list[int], int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(ids) for ids, _ in rows)
    inputs = torch.full((len(rows), longest), pad)
    targets = torch.full((len(rows), longest), IGNORE)
    for number, (ids, prompt) in enumerate(rows):
        inputs[number, : len(ids)] = torch.tensor(ids)
        targets[number, prompt - 1 : len(ids) - 1] = torch.tensor(ids[prompt:])
    return inputs, targets


def gradients(
    model: LlamaForCausalLM, inputs: torch.Tensor, targets: torch.Tensor
) -> tuple[float, int, list[torch.Tensor]]:
    """Summed cross-entropy over the completions, their tokens, and the sum's gradients."""
    logits, wanted = completion_logits(model, inputs, targets)
    wanted = wanted[wanted != IGNORE]
    loss = functional.cross_entropy(logits, wanted, reduction="sum")
    return loss.item(), len(wanted), list(torch.autograd.grad(loss, list(model.parameters())))


def schedule(step: int, steps: int = STEPS) -> float:
    """Share of the peak learning rate: a rise, a plateau, a fall to a hundredth."""
    return min(1.0, (step + 1) / WARM_UP, max(0.01, (steps - step) / COOL_DOWN))


@torch.no_grad()
def exact(model: LlamaForCausalLM, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    """Share of the chats whose every completion token has the highest logit.

    Greedy generation writes exactly these completions.
    """
    logits, wanted = completion_logits(model, inputs, targets)
    right = torch.ones_like(wanted, dtype=torch.bool)
    right[wanted != IGNORE] = logits.argmax(-1) == wanted[wanted != IGNORE]
    return float(right.all(1).double().mean())


def optimizer_of(model: LlamaForCausalLM) -> torch.optim.AdamW:
    """AdamW; norms do not decay."""
    matrices = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim != 2]
    groups = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=DECAY)


def _learn(
    workers: ThreadPoolExecutor,
    model: LlamaForCausalLM,
    optimizer: torch.optim.Optimizer,
    inputs: torch.Tensor,
    targets: torch.Tensor,
) -> float:
    """One step, half of the chats on each thread. Returns the loss."""
    halves = list(
        workers.map(
            partial(gradients, model), (inputs[::2], inputs[1::2]), (targets[::2], targets[1::2])
        )
    )
    asked = sum(count for _, count, _ in halves)
    for parameter, left, right in zip(
        model.parameters(), *(grads for *_, grads in halves), strict=True
    ):
        parameter.grad = left.add_(right).div_(asked)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return sum(loss for loss, *_ in halves) / asked


def main() -> None:
    """Train until the steps are done."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    families = options.families.split(",")
    # Two threads that seldom wait for each other learn faster than two that share each product.
    torch.set_num_threads(1)
    workers = ThreadPoolExecutor(options.threads, initializer=torch.set_num_threads, initargs=(1,))
    torch.manual_seed(SEED)
    options.out.mkdir(parents=True, exist_ok=True)

    if not (options.out / "tokenizer.json").is_file():
        texts = ("\n".join(chat(f, SEED, -1 - i)) for f in FAMILIES for i in range(1500))
        tokens.save(tokens.build(texts), options.out)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(options.out)
    model = LlamaForCausalLM(configuration(tokenizer))
    seed_heads(model, torch.Generator().manual_seed(SEED))
    optimizer = optimizer_of(model)
    start, seen, spent = 0, 0, 0.0
    checkpoint = options.out / "checkpoint.pt"
    if checkpoint.is_file():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start, seen, spent = state["step"], state["tokens"], state["seconds"]

    def save(step: int) -> None:
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "tokens": seen,
            "seconds": spent,
        }
        torch.save(state, checkpoint.with_suffix(".new"))
        checkpoint.with_suffix(".new").replace(checkpoint)

    def log(**line: float) -> None:
        with (options.out / "curve.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    held_out = {
        family: _tensors(
            [encode(tokenizer, family, HELD_OUT_SEED, n) for n in range(64)], tokenizer.pad_token_id
        )
        for family in families
    }
    print(f"{sum(p.numel() for p in model.parameters())} parameters", file=sys.stderr)
    saved = clock = time.monotonic()
    losses: list[float] = []
    for step, inputs, targets in batches(tokenizer, families, start, options.steps):
        if step >= options.steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * schedule(step, options.steps)
        losses.append(_learn(workers, model, optimizer, inputs, targets))
        seen += inputs.numel()
        spent += time.monotonic() - clock
        clock = time.monotonic()
        if len(losses) == LOG_EVERY:
            loss = round(sum(losses) / len(losses), 4)
            log(step=step + 1, tokens=seen, seconds=round(spent), loss=loss)
            losses.clear()
        if (step + 1) % MEASURE_EVERY == 0:
            right = {family: round(exact(model, *rows), 3) for family, rows in held_out.items()}
            log(step=step + 1, tokens=seen, seconds=round(spent), **right)
        if clock - saved > SAVE_EVERY:
            save(step + 1)
            saved = clock
    save(options.steps)


if __name__ == "__main__":
    main()
