"""Tokens per second of five ways to ask one running server the same questions.

    python benchmarks/throughput.py MODEL.gguf [--peers FOLDER] [--questions 64] [--rounds 3]
    python benchmarks/throughput.py MODEL_FOLDER --vllm PYTHON ...

(a) a bare asyncio client, (b) lrmtest, (c) lm-evaluation-harness, (d) inspect_ai, (e) a pytest
loop that asks one test at a time. Same server (llama-server, or vLLM run by PYTHON), same prompts,
temperature 0, the same budget and concurrency, no prompt cache. Tokens are counted by the server's
own /metrics, and so is the time in which it was busy; the seconds of the whole command, imports
and reports included, stand beside it. Each round runs all of them, in another order.

(b) is run without its loop stop, so that it generates what the others do, and once more as users
run it.

--peers names a virtual environment with lm-evaluation-harness and inspect_ai; it is made when it
is not there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from measured_server import NAME, Busy, Server, add_server_options, asked_for
from rich.console import Console
from rich.table import Table

PEERS = ("torch==2.13.0", "lm_eval[api]==0.4.13", "inspect_ai==0.3.285", "openai")

LRMTEST_SUITE = """
import lrmtest

BENCH = lrmtest.suite_from_jsonl("questions.jsonl", name="bench", prompt="{prompt}")

@lrmtest.suite(BENCH)
def test_bench(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
"""

ONE_AT_A_TIME = """
import json, os, pathlib
import httpx, pytest

ROWS = [json.loads(line) for line in pathlib.Path("questions.jsonl").read_text().splitlines()]

@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_one(row):
    body = {"model": os.environ["BENCH_MODEL"], "temperature": 0,
            "max_tokens": int(os.environ["BENCH_TOKENS"]),
            "messages": [{"role": "user", "content": row["prompt"]}]}
    answer = httpx.post(os.environ["BENCH_URL"] + "/chat/completions", json=body, timeout=600)
    assert row["answer"] in answer.json()["choices"][0]["message"]["content"]
"""

LM_EVAL_TASK = """
task: bench
dataset_path: json
dataset_kwargs:
  data_files:
    test: {folder}/questions.jsonl
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs:
  until: []
  do_sample: false
  temperature: 0
  max_gen_toks: {tokens}
metric_list:
  - metric: exact_match
"""

INSPECT_TASK = """
import json
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

@task
def bench():
    rows = [json.loads(line) for line in open("questions.jsonl")]
    samples = [Sample(input=row["prompt"], target=row["answer"], id=row["id"]) for row in rows]
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=includes())
"""


def write_files(folder: Path, options: argparse.Namespace) -> None:
    """The questions, and what each way needs to ask them."""
    with (folder / "questions.jsonl").open("w") as file:
        for number in range(1, options.questions + 1):
            # Answers that run to their budget after short prompts: the time is in the tokens.
            prompt = f"Tell a long story of {number} travellers and of what each of them carries."
            row = {"id": f"q{number}", "prompt": prompt, "answer": str(number), "kind": "integer"}
            file.write(json.dumps(row) + "\n")
    (folder / "test_lrmtest.py").write_text(LRMTEST_SUITE)
    (folder / "test_one.py").write_text(ONE_AT_A_TIME)
    (folder / "bench.yaml").write_text(
        LM_EVAL_TASK.format(folder=folder, tokens=options.max_tokens)
    )
    (folder / "bench_task.py").write_text(INSPECT_TASK)


async def ask_all(server: Server, folder: Path, options: argparse.Namespace) -> None:
    """The bare client: as many requests at a time as the server takes, nothing else."""
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    turn = asyncio.Semaphore(options.concurrency)
    async with httpx.AsyncClient(timeout=None) as client:

        async def ask(row: dict[str, str]) -> None:
            body = {
                "model": NAME,
                "temperature": 0,
                "max_tokens": options.max_tokens,
                "messages": [{"role": "user", "content": row["prompt"]}],
            }
            async with turn:
                answer = await client.post(f"{server.url}/chat/completions", json=body)
                answer.raise_for_status()

        await asyncio.gather(*(ask(row) for row in rows))


def ways(
    server: Server, folder: Path, options: argparse.Namespace
) -> dict[str, Callable[[], None]]:
    """The five ways, and lrmtest as it is run."""
    common = {
        "BENCH_URL": server.url,
        "BENCH_MODEL": NAME,
        "BENCH_TOKENS": str(options.max_tokens),
        "LOCAL_BASE_URL": server.url,
        "LOCAL_API_KEY": "none",
        "OPENAI_API_KEY": "none",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(folder / "datasets"),
    }

    def command(*words: str, ends: tuple[int, ...] = (0,)) -> Callable[[], None]:
        def call() -> None:
            done = subprocess.run(
                words, cwd=folder, env={**os.environ, **common}, capture_output=True, text=True
            )
            if done.returncode not in ends:
                sys.exit(f"{' '.join(words)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")

        return call

    def lrmtest(*more: str) -> Callable[[], None]:
        def call() -> None:
            command(
                *pytest,
                "test_lrmtest.py",
                f"--model={NAME}={server.url}",
                "--temperature=0",
                f"--max-tokens={options.max_tokens}",
                f"--concurrency={options.concurrency}",
                f"--reports-dir=reports-{secrets.token_hex(4)}",
                *more,
                ends=(0, 1),
            )()

        return call

    pytest = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no")
    peers = Path(options.peers).resolve() / "bin"
    found: dict[str, Callable[[], None]] = {
        "(a) bare asyncio client": lambda: asyncio.run(ask_all(server, folder, options)),
        "(b) lrmtest": lrmtest("--no-loop-stop"),
        "(b') lrmtest, loops stopped": lrmtest(),
        "(c) lm-evaluation-harness": command(
            str(peers / "lm_eval"),
            "--model=local-chat-completions",
            f"--model_args=model={NAME},base_url={server.url}/chat/completions,"
            f"num_concurrent={options.concurrency},tokenized_requests=False,max_retries=3",
            "--tasks=bench",
            f"--include_path={folder}",
            "--apply_chat_template",
        ),
        "(d) inspect_ai": command(
            str(peers / "inspect"),
            "eval",
            "bench_task.py",
            f"--model=openai-api/local/{NAME}",
            f"--max-connections={options.concurrency}",
            f"--max-tokens={options.max_tokens}",
            "--temperature=0",
            "--display=none",
            "--log-dir=inspect-logs",
        ),
    }
    if not options.without_serial:
        found["(e) one test at a time"] = command(*pytest, "test_one.py", ends=(0, 1))
    return found


def make_peers(folder: Path) -> None:
    """A virtual environment with the other frameworks, if it is not there."""
    if (folder / "bin" / "inspect").exists() and (folder / "bin" / "lm_eval").exists():
        return
    print(f"installing lm-evaluation-harness and inspect_ai into {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", *PEERS], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_server_options(parser)
    parser.add_argument("--peers", default=".venv-peers", metavar="FOLDER")
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-serial", action="store_true", help="leave (e) out")
    options = parser.parse_args()
    # As Ctrl-C does: the server is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    make_peers(Path(options.peers))

    with tempfile.TemporaryDirectory() as name, asked_for(options) as server:
        folder = Path(name)
        write_files(folder, options)
        rounds: dict[str, list[tuple[int, float, float]]] = {}
        asyncio.run(ask_all(server, folder, options))  # warm
        for number in range(options.rounds):
            contenders = list(ways(server, folder, options).items())
            turned = contenders[number % len(contenders) :] + contenders[: number % len(contenders)]
            for label, ask in turned:
                begun = time.perf_counter()
                with Busy(server) as busy:
                    ask()
                    seconds = time.perf_counter() - begun
                rounds.setdefault(label, []).append((busy.tokens, busy.seconds, seconds))
                print(
                    f"round {number + 1}, {label}: {busy.tokens} tokens, busy {busy.seconds:.1f} s,"
                    f" command {seconds:.1f} s",
                    flush=True,
                )

    bare = rounds["(a) bare asyncio client"]
    title = (
        f"{options.questions} questions, {options.concurrency} at a time, budget "
        f"{options.max_tokens}, median of {options.rounds} rounds"
    )
    table = Table(title=title)
    for column in ("", "tokens", "tokens/s", "against (a)", "command, s"):
        table.add_column(column, justify="right" if column else "left")
    for label in sorted(rounds):
        speeds = [tokens / busy for tokens, busy, _ in rounds[label]]
        ratios = [
            speed / (tokens / busy) for speed, (tokens, busy, _) in zip(speeds, bare, strict=True)
        ]
        table.add_row(
            label,
            f"{statistics.median(tokens for tokens, _, _ in rounds[label]):.0f}",
            f"{statistics.median(speeds):.1f}",
            f"{statistics.median(ratios):.3f}",
            f"{statistics.median(seconds for _, _, seconds in rounds[label]):.1f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
