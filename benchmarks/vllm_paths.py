"""vLLM's server against AsyncLLM in a process of its own, as ways for lrmtest to run vLLM.

    python benchmarks/vllm_paths.py MODEL_FOLDER --vllm PYTHON [--rounds 3]

Both get the same chats at temperature 0, as many at a time, and both hand over the text piece by
piece, as loops can only be stopped that way: the server as events over HTTP on loopback, AsyncLLM
as lines of JSON over a pipe, from a worker that PYTHON runs. Both are up all the time, and take
turns. Printed are the seconds until each could take its first request, the time of each round,
and how it compares with that of the other in the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from measured_server import NAME, Server, add_server_options, asked_for
from rich.console import Console
from rich.table import Table

WORKER = """
import asyncio, json, sys
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM

def tell(**line):
    sys.__stdout__.write(json.dumps(line) + chr(10))
    sys.__stdout__.flush()

async def main():
    settings = json.loads(sys.stdin.readline())
    engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**settings))
    renderer = engine.get_tokenizer()
    renderer = await renderer if asyncio.iscoroutine(renderer) else renderer
    tell(ready=True)
    loop = asyncio.get_running_loop()
    turn = asyncio.Semaphore(settings["max_num_seqs"])

    async def answer(number, row):
        prompt = renderer.apply_chat_template(
            [{"role": "user", "content": row["prompt"]}], tokenize=False,
            add_generation_prompt=True)
        sampling = SamplingParams(
            temperature=0.0, max_tokens=row["max_tokens"], ignore_eos=True,
            stream_interval=row["joined"],
            output_kind=RequestOutputKind.DELTA)
        async with turn:
            async for output in engine.generate(prompt, sampling, f"{row['id']}-{number}"):
                (one,) = output.outputs
                tell(id=row["id"], text=one.text, tokens=len(one.token_ids))

    number = 0
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        number += 1
        await asyncio.gather(*(answer(number, row) for row in json.loads(line)))
        tell(done=True)
    engine.shutdown()

if __name__ == "__main__":
    asyncio.run(main())
"""
"""Reads its settings, then a list of chats a line; writes a line for every piece of text."""


def chats(number: int, options: argparse.Namespace) -> list[dict[str, object]]:
    """What a round asks; no two rounds share a prompt."""
    return [
        {
            "id": f"q{each}",
            "prompt": f"Tell a long story of {each} travellers who met {number} years ago.",
            "max_tokens": options.max_tokens,
            "joined": options.joined,
        }
        for each in range(1, options.questions + 1)
    ]


async def stream_all(server: Server, rows: list[dict[str, object]], at_once: int) -> int:
    """Ask the server, and read the events; the tokens that it made."""
    turn = asyncio.Semaphore(at_once)

    async def ask(row: dict[str, object]) -> int:
        body = {
            "model": NAME,
            "messages": [{"role": "user", "content": row["prompt"]}],
            "max_tokens": row["max_tokens"],
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_interval": row["joined"],
            "stream_options": {"include_usage": True},
        }
        tokens = 0
        # A client each: the connection pool of httpx is slow when it is shared. To make the context
        # for TLS, which is not used here, would take longer than some tokens do.
        async with (
            turn,
            httpx.AsyncClient(timeout=None, verify=False) as client,
            client.stream("POST", f"{server.url}/chat/completions", json=body) as answer,
        ):
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    event = json.loads(line.removeprefix("data: "))
                    tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
        return tokens

    return sum(await asyncio.gather(*(ask(row) for row in rows)))


class Worker:
    """AsyncLLM in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _told(self) -> dict[str, object]:
        line = self._process.stdout.readline()
        while line and not line.startswith("{"):  # what vLLM itself prints
            line = self._process.stdout.readline()
        if not line:
            sys.exit("the AsyncLLM worker ended; see above")
        return json.loads(line)

    def wait_until_ready(self) -> None:
        """Return when its model is loaded."""
        while not self._told().get("ready"):
            pass

    def ask(self, rows: list[dict[str, object]]) -> int:
        """Ask it all; the tokens that it made."""
        self._process.stdin.write(json.dumps(rows) + "\n")
        self._process.stdin.flush()
        tokens = 0
        while not (told := self._told()).get("done"):
            tokens += told.get("tokens", 0)
        return tokens


@contextmanager
def working(options: argparse.Namespace) -> Iterator[Worker]:
    """A worker, ready."""
    settings = {
        "model": options.model,
        "dtype": "float32",
        "max_model_len": 2048,
        "max_num_seqs": options.concurrency,
        "enable_prefix_caching": False,
    }
    environment = {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "4",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    if options.threads:
        environment["OMP_NUM_THREADS"] = str(options.threads)
    process = subprocess.Popen(
        [options.vllm, "-c", WORKER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        worker = Worker(process)
        worker.wait_until_ready()
        yield worker
    finally:
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_server_options(parser)
    parser.add_argument("--questions", type=int, default=32)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--joined", type=int, default=10, help="tokens in a piece of text")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not options.vllm:
        parser.error("--vllm names the Python of the environment that vLLM is in")
    # As Ctrl-C does: both are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    begun = time.perf_counter()
    with asked_for(options) as server:
        server_up = time.perf_counter() - begun
        begun = time.perf_counter()
        with working(options) as worker:
            worker_up = time.perf_counter() - begun
            ways: dict[str, Callable[[list[dict[str, object]]], int]] = {
                "server": lambda rows: asyncio.run(stream_all(server, rows, options.concurrency)),
                "AsyncLLM": worker.ask,
            }
            for ask in ways.values():
                ask(chats(0, options))  # warm
            took: dict[str, list[tuple[float, int]]] = {name: [] for name in ways}
            for number in range(1, options.rounds + 1):
                for name in sorted(ways, reverse=bool(number % 2)):
                    begun = time.perf_counter()
                    tokens = ways[name](chats(number, options))
                    took[name].append((time.perf_counter() - begun, tokens))
                    print(f"round {number}, {name}: {took[name][-1][0]:.1f} s", flush=True)

    title = f"{options.questions} chats, {options.concurrency} at a time"
    table = Table(title=f"{title}, {options.joined} tokens joined")
    for column in ("", "start-up, s", "tokens", "tokens/s", "time against server"):
        table.add_column(column, justify="right" if column else "left")
    for name, up in (("server", server_up), ("AsyncLLM", worker_up)):
        ratios = [
            mine / base for (mine, _), (base, _) in zip(took[name], took["server"], strict=True)
        ]
        table.add_row(
            name,
            f"{up:.1f}",
            f"{statistics.median(tokens for _, tokens in took[name]):.0f}",
            f"{statistics.median(tokens / seconds for seconds, tokens in took[name]):.1f}",
            f"{statistics.median(ratios):.3f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
