"""The contenders of rate.py: commands that ask one server the same questions.

`write_files` writes what they read into a folder, in which they are run.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PEERS = ("torch==2.13.0", "lm_eval[api]==0.4.13", "inspect_ai==0.3.285", "openai")

BARE = "bare"
LRMTEST = "lrmtest"
LABELS = {
    BARE: "bare client",
    "bare-streamed": "bare client, streamed",
    "lrmtest-no-loop-stop": "lrmtest --no-loop-stop",
    LRMTEST: "lrmtest",
    "lm-eval": "lm-evaluation-harness",
    "inspect": "inspect_ai",
    "serial": "a pytest loop, one test at a time",
}
"""Every contender's name on the command line, and in tables."""

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
    body = {"model": os.environ["BENCH_MODEL"],
            "temperature": float(os.environ["BENCH_TEMPERATURE"]),
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
  do_sample: {sample}
  temperature: {temperature}
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


@dataclass(frozen=True)
class Asking:
    """What is asked, and of whom.

    Attributes:
        url: the server's, ``/v1`` included.
        model: its name there.
        questions: how many.
        budget: tokens of an answer, at most.
        in_flight: requests at a time.
        temperature: of all requests.
    """

    url: str
    model: str
    questions: int
    budget: int
    in_flight: int
    temperature: float


@dataclass(frozen=True)
class Contender:
    """One command.

    Attributes:
        command: its words.
        good_ends: exit statuses that are no failure.
        environment: variables beside this process's.
    """

    command: tuple[str, ...]
    good_ends: tuple[int, ...] = (0,)
    environment: Mapping[str, str] | None = None


def write_files(folder: Path, asking: Asking) -> None:
    """The questions, and what each contender needs to ask them.

    An answer that ends with the prompt's last word, as those of gpu_stand_in.py do, is right for
    every second question.
    """
    with (folder / "questions.jsonl").open("w") as file:
        for number in range(1, asking.questions + 1):
            # Short prompts with long answers: the time is in the tokens.
            asked = number % 1000  # what the kind "integer" takes
            prompt = (
                f"Tell a long story of {number} travellers, and of what each carries. "
                f"The last three digits of their number are: {asked}"
            )
            answer = str(asked - asked % 2)
            row = {"id": f"q{number}", "prompt": prompt, "answer": answer, "kind": "integer"}
            file.write(json.dumps(row) + "\n")
    (folder / "test_lrmtest.py").write_text(LRMTEST_SUITE)
    (folder / "test_one.py").write_text(ONE_AT_A_TIME)
    (folder / "bench.yaml").write_text(
        LM_EVAL_TASK.format(
            folder=folder,
            tokens=asking.budget,
            temperature=asking.temperature,
            sample=str(asking.temperature > 0).lower(),
        )
    )
    (folder / "bench_task.py").write_text(INSPECT_TASK)


def contenders(folder: Path, asking: Asking, peers: Sequence[Path]) -> dict[str, Contender]:
    """All that can run here, by name.

    Args:
        folder: with the files of `write_files`.
        asking: what they ask.
        peers: environments in which the other frameworks are looked for.
    """
    python = sys.executable
    bare = (
        *(python, str(Path(__file__).with_name("bare_client.py")), asking.url, asking.model),
        *("questions.jsonl", f"--tokens={asking.budget}", f"--in-flight={asking.in_flight}"),
        f"--temperature={asking.temperature}",
    )
    # Hypothesis, which is here for lrmtest's own tests, imports itself whole at a session's end.
    pytest = (
        python,
        "-m",
        "pytest",
        "-q",
        *("-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
    )
    lrmtest = (
        *(*pytest, "test_lrmtest.py", f"--model={asking.model}={asking.url}"),
        *(f"--temperature={asking.temperature}", f"--max-tokens={asking.budget}"),
        *(f"--concurrency={asking.in_flight}", f"--reports-dir=reports-{secrets.token_hex(4)}"),
    )
    serial = {
        "BENCH_URL": asking.url,
        "BENCH_MODEL": asking.model,
        "BENCH_TOKENS": str(asking.budget),
        "BENCH_TEMPERATURE": str(asking.temperature),
    }
    found = {
        BARE: Contender(bare),
        "bare-streamed": Contender((*bare, "--stream")),
        "lrmtest-no-loop-stop": Contender((*lrmtest, "--no-loop-stop", "--tb=no"), (0, 1)),
        LRMTEST: Contender(lrmtest, (0, 1)),
        "serial": Contender(
            (*pytest, "-p", "no:lrmtest", "--tb=no", "test_one.py"), (0, 1), serial
        ),
    }
    if program := _program(peers, "lm_eval"):
        found["lm-eval"] = Contender(
            (
                *(program, "run", "--model=local-chat-completions"),
                f"--model_args=model={asking.model},base_url={asking.url}/chat/completions,"
                f"num_concurrent={asking.in_flight},tokenized_requests=False,max_retries=3,"
                "timeout=86400",
                *("--tasks=bench", f"--include_path={folder}", "--apply_chat_template"),
            ),
            environment={
                "OPENAI_API_KEY": "none",
                "HF_HUB_OFFLINE": "1",
                "HF_DATASETS_CACHE": str(folder / "datasets"),
            },
        )
    if program := _program(peers, "inspect"):
        found["inspect"] = Contender(
            (
                *(program, "eval", "bench_task.py", f"--model=openai-api/local/{asking.model}"),
                *(f"--max-connections={asking.in_flight}", f"--max-tokens={asking.budget}"),
                *(f"--temperature={asking.temperature}", "--display=none"),
                "--log-dir=inspect-logs",
            ),
            environment={"LOCAL_BASE_URL": asking.url, "LOCAL_API_KEY": "none"},
        )
    return {name: found[name] for name in LABELS if name in found}


def _program(peers: Sequence[Path], name: str) -> str | None:
    """The program of that name in one of the environments."""
    paths = (folder.resolve() / "bin" / name for folder in peers)
    return next((str(path) for path in paths if path.exists()), None)


def make_peers(folder: Path) -> None:
    """A virtual environment with the other frameworks, if there is no such folder."""
    if folder.exists():
        return
    print(f"installing lm-evaluation-harness and inspect_ai into {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", *PEERS], check=True)


def environment_of(contender: Contender) -> dict[str, str]:
    """The whole environment of its command."""
    return {**os.environ, **(contender.environment or {})}
