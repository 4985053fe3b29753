"""What the order and the packing of requests are worth, on a real server.

    python benchmarks/order.py MODEL.gguf --lengths RECORDED.jsonl [--rounds 3]
    python benchmarks/order.py MODEL_FOLDER --vllm PYTHON --lengths RECORDED.jsonl

RECORDED.jsonl has real outputs, one ``output`` a line. Requests run to their lengths, scaled down
so that the longest takes --longest tokens, whatever the model says. Each figure is the time of one
way over that of the other, both in the same round, one after the other:

- longest first, against the order of the file; and against the shortest first, the worst there is;
- the samples of a question together, with the server's prompt cache, against the same samples
  dealt round by round; and, where the server has ``n``, against one request for all of them.

On a CPU a step takes longer the more requests are in it, so that the order matters little. The
last table is computed, not measured: how many steps the whole of RECORDED.jsonl takes where a step
takes as long for any batch, as on a GPU that spends it reading weights, were all lengths known.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from measured_server import NAME, Server, add_server_options, asked_for
from rich.console import Console
from rich.table import Table

from lrmtest.questions import DataOptions, render_prompt
from lrmtest.suites.registry import suite_named

SAMPLES = 4
SAMPLE_TOKENS = 32
SLOTS = (8, 16, 32, 64)
SHUFFLES = 200


async def ask_all(server: Server, bodies: Sequence[dict[str, Any]], at_once: int) -> float:
    """Ask in order, `at_once` at a time; seconds until all are answered."""
    turn = asyncio.Semaphore(at_once)
    async with httpx.AsyncClient(timeout=None) as client:

        async def ask(body: dict[str, Any]) -> None:
            async with turn:
                answer = await client.post(f"{server.url}/chat/completions", json=body)
                answer.raise_for_status()

        begun = time.perf_counter()
        await asyncio.gather(*(ask(body) for body in bodies))
        return time.perf_counter() - begun


def request(prompt: str, tokens: int, seed: int, **more: Any) -> dict[str, Any]:
    return {
        "model": NAME,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0.6,
        "seed": seed,
        "ignore_eos": True,
        **more,
    }


def recorded_lengths(options: argparse.Namespace) -> list[int]:
    """Characters of each recorded output."""
    lines = Path(options.lengths).read_text("utf-8").splitlines()
    return [len(json.loads(line)["output"]) for line in lines]


def by_length(options: argparse.Namespace, _round: int) -> dict[str, list[dict[str, Any]]]:
    """The same requests in three orders."""
    lengths = recorded_lengths(options)[: options.questions]
    tokens = [max(4, length * options.longest // max(lengths)) for length in lengths]
    prompts = [f"Count to {number} and back." for number in range(len(tokens))]
    bodies = [request(p, t, n) for n, (p, t) in enumerate(zip(prompts, tokens, strict=True))]
    longest = sorted(bodies, key=lambda body: -body["max_tokens"])
    return {
        "longest first": longest,
        "as in the file": bodies,
        "shortest first": longest[::-1],
    }


def by_samples(options: argparse.Namespace, number: int) -> dict[str, list[dict[str, Any]]]:
    """Several samples of each question, packed in three ways.

    No two ways and rounds share a question, or the later would find its prompts in the cache.
    """
    fresh = suite_named("fresh-temporal")

    def prompts(way: int) -> list[str]:
        drawn = DataOptions(fresh_count=options.questions // SAMPLES, fresh_seed=3 * number + way)
        return [render_prompt(fresh.prompt, question) for question in fresh.load(drawn).questions]

    samples = range(SAMPLES)
    ways = {
        "samples together": [
            request(prompt, SAMPLE_TOKENS, sample) for prompt in prompts(0) for sample in samples
        ],
        "round by round": [
            request(prompt, SAMPLE_TOKENS, sample)
            for asked in [prompts(1)]
            for sample in samples
            for prompt in asked
        ],
    }
    if options.vllm:
        ways["one request, n = 4"] = [
            request(prompt, SAMPLE_TOKENS, 0, n=SAMPLES) for prompt in prompts(2)
        ]
    return ways


def measure(
    server: Server,
    make: Callable[[argparse.Namespace, int], dict[str, list[dict[str, Any]]]],
    options: argparse.Namespace,
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {}
    for number in range(options.rounds):
        ways = make(options, number)
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            # With n samples a request takes n places.
            at_once = options.concurrency // ways[name][0].get("n", 1)
            took = asyncio.run(ask_all(server, ways[name], at_once))
            seconds.setdefault(name, []).append(took)
            print(f"round {number + 1}, {name}: {took:.1f} s", flush=True)
    return seconds


def show(title: str, seconds: dict[str, list[float]], first: str) -> None:
    table = Table(title=title)
    for column in ("", "seconds", f"against {first}"):
        table.add_column(column, justify="right" if column else "left")
    for name, took in seconds.items():
        ratios = [mine / base for mine, base in zip(took, seconds[first], strict=True)]
        table.add_row(name, f"{statistics.median(took):.1f}", f"{statistics.median(ratios):.3f}")
    Console(width=100).print(table)


def steps(lengths: Sequence[int], slots: int) -> int:
    """Until the last is done, if each slot takes the next when it is free."""
    free_at = [0] * slots
    for length in lengths:
        heapq.heappush(free_at, heapq.heappop(free_at) + length)
    return max(free_at)


def show_steps(lengths: Sequence[int]) -> None:
    table = Table(title=f"steps for {len(lengths)} outputs, against longest first (computed)")
    for column in ("slots", "as in the file", "shuffled, mean", "shortest first"):
        table.add_column(column, justify="right")
    shuffled = [random.Random(seed).sample(lengths, len(lengths)) for seed in range(SHUFFLES)]
    for slots in SLOTS:
        best = steps(sorted(lengths, reverse=True), slots)
        table.add_row(
            str(slots),
            f"{steps(lengths, slots) / best:.3f}",
            f"{statistics.mean(steps(order, slots) for order in shuffled) / best:.3f}",
            f"{steps(sorted(lengths), slots) / best:.3f}",
        )
    Console(width=100).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_server_options(parser)
    parser.add_argument("--lengths", required=True, metavar="FILE", help="recorded outputs")
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--longest", type=int, default=512, help="tokens of the longest")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    parts: tuple[tuple[str, str, Callable[..., dict[str, list[dict[str, Any]]]], bool], ...] = (
        ("Order", "longest first", by_length, False),
        (f"{SAMPLES} samples of each question", "samples together", by_samples, True),
    )
    for title, first, make, prompt_cache in parts:
        with asked_for(options, prompt_cache=prompt_cache) as server:
            show(title, measure(server, make, options), first)
    show_steps(recorded_lengths(options))


if __name__ == "__main__":
    main()
