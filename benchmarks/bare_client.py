"""The bare client: the questions asked over HTTP, as many at a time as the server takes.

    python benchmarks/bare_client.py URL MODEL QUESTIONS.jsonl --tokens N --in-flight N [--stream]

Nothing is stored and nothing graded. With --stream each event is parsed and its text kept, with
httpx' lines and json, as most clients do. Every request at a time has a client of its own: httpx'
pool takes time quadratic in its connections.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import deque
from pathlib import Path
from typing import Any

import httpx


async def whole(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> str:
    """The answer in one piece."""
    answer = await client.post(url, json=body)
    answer.raise_for_status()
    return answer.json()["choices"][0]["message"]["content"]


async def streamed(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> str:
    """The answer put together from its events."""
    pieces = []
    async with client.stream("POST", url, json={**body, "stream": True}) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    pieces.append(choice["delta"].get("content") or "")
    return "".join(pieces)


async def ask_all(options: argparse.Namespace) -> None:
    lines = Path(options.questions).read_text().splitlines()
    waiting = deque(json.loads(line)["prompt"] for line in lines)
    ask = streamed if options.stream else whole

    async def work() -> None:
        # Kept alive no longer than any server does: one that hangs up on an idle connection does
        # so just when it is used again.
        limits = httpx.Limits(max_connections=1, keepalive_expiry=4)
        async with httpx.AsyncClient(timeout=None, limits=limits, trust_env=False) as client:
            while waiting:
                body = {
                    "model": options.model,
                    "temperature": options.temperature,
                    "max_tokens": options.tokens,
                    "messages": [{"role": "user", "content": waiting.popleft()}],
                }
                await ask(client, f"{options.url}/chat/completions", body)

    await asyncio.gather(*(work() for _ in range(min(options.in_flight, len(waiting)))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("model")
    parser.add_argument("questions")
    parser.add_argument("--tokens", type=int, required=True, help="the budget of an answer")
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--stream", action="store_true")
    asyncio.run(ask_all(parser.parse_args()))


if __name__ == "__main__":
    main()
