"""Slots against what transformers brings: its continuous batching manager and padded generate.

    python benchmarks/transformers_batching.py MODEL [--requests 32] [--prompt 50] [--tokens 256]
        [--threads N]

MODEL is a GGUF file or a folder. Budgets are spread from an eighth of --tokens to all of it, as
lengths of reasoning are; nothing ends earlier, greedy. Prints tokens per second over all requests
and the mean time at which a completion was there. Padded generate gives everything at the end.
"""

from __future__ import annotations

import argparse
import time

import torch
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

from lrmtest.models.engines.base import Request, Sampling
from lrmtest.models.engines.tokenizers.checkpoint_files import pretrained_arguments, quiet
from lrmtest.models.engines.transformers.batcher import Batcher, Running
from lrmtest.models.engines.transformers.slots import Slots
from lrmtest.questions.place import Place


def slots(model, prompts, budgets):
    batcher = Batcher(Slots(model), frozenset(), limit=len(prompts), memory=1 << 34)
    sampling = [Sampling(budget, 0.0, 1.0) for budget in budgets]
    batcher.add(
        Running(Request(Place(str(i), "", "", 0), (), sampling[i], i), 0.0, prompt)
        for i, prompt in enumerate(prompts)
    )
    while batcher.unfinished():
        for _ in batcher.step():
            yield


def manager(model, prompts, budgets):
    page = 64
    pages = sum((len(p) + b) // page + 2 for p, b in zip(prompts, budgets, strict=True))
    config = ContinuousBatchingConfig(
        page_size=page, num_blocks=pages, max_batch_tokens=1024, safety_margin=0.0
    )
    greedy = GenerationConfig(do_sample=False, eos_token_id=-1)
    batching = model.init_continuous_batching(greedy, config)
    batching.start()
    for prompt, budget in zip(prompts, budgets, strict=True):
        batching.add_request(prompt, max_new_tokens=budget)
    left = len(prompts)
    while left:
        result = batching.get_result(timeout=1)
        if result is not None and result.is_finished():
            left -= 1
            yield
    batching.stop()


def padded(model, prompts, budgets):
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    seen = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    model.generate(
        ids,
        attention_mask=seen,
        max_new_tokens=max(budgets),
        min_new_tokens=max(budgets),
        do_sample=False,
        pad_token_id=0,
    )
    yield from budgets


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--requests", type=int, default=32)
    parser.add_argument("--prompt", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--threads", type=int, help="with 1, CPU seconds hold on a busy machine")
    parser.add_argument("--ways", default="slots,padded,manager")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)

    folder, arguments = pretrained_arguments(args.model)
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa", **arguments
        ).eval()
        generator = torch.Generator().manual_seed(0)
        shape = (args.requests, args.prompt)
        prompts = torch.randint(5, model.config.vocab_size, shape, generator=generator).tolist()
        budgets = [args.tokens * (1 + i % 8) // 8 for i in range(args.requests)]
        for way in (globals()[name] for name in args.ways.split(",")):
            begun, cpu = time.perf_counter(), time.process_time()
            with torch.inference_mode():
                ends = [time.perf_counter() - begun for _ in way(model, prompts, budgets)]
            cpu = time.process_time() - cpu
            print(
                f"{way.__name__:8} {sum(budgets) / ends[-1]:7.1f} tok/s, "
                f"{sum(budgets) / cpu:7.1f} per CPU s; mean completion after "
                f"{sum(ends) / len(ends):6.1f} s of {ends[-1]:6.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
