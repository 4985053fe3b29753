"""One small model through four engines, and under any number of workers, at temperature 0.

    python benchmarks/engines.py [--questions 40] [--max-tokens 128] [--engines llamacpp vllm ...]
    python benchmarks/engines.py --model tiny-lrm --suites temporal arithmetic logic hops

The model is a card: smollm2-135m, a 4-bit GGUF, or one with safetensors that can be written as
GGUF. llamacpp and openai (asking a llama-server that is started here) compute with the GGUF file.
Safetensors are what transformers and vllm read; of a GGUF file transformers unpacks the weights,
and vllm reads a copy in safetensors, unpacked to float32. Each engine answers the same generated
questions through suites/fresh, one after the other.

Agreement is the share of questions with the same extracted answer, and with the same text. Then
the llamacpp engine answers them with -n 0, -n 2 and -n 4, one request at a time, and the three
summaries are compared.

vLLM is found as the engine finds it: LRMTEST_VLLM names the environment that it is in.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from measured_server import serving
from rich.console import Console
from rich.table import Table

from lrmtest.errors import ModelError
from lrmtest.models.cards import load_cards
from lrmtest.models.fetch.files import fetch
from lrmtest.models.gguf.from_safetensors import converted
from lrmtest.models.gguf.to_safetensors import gguf_to_safetensors
from lrmtest.models.programs.vllm import find_vllm
from lrmtest.models.resolve import resolve
from lrmtest.runs.store import STORE_NAME, Store

FRESH = Path(__file__).parent.parent / "suites" / "fresh"
FAMILIES = ("temporal", "arithmetic", "hops", "logic")
ENGINES = ("vllm", "llamacpp", "transformers", "openai")


@dataclass
class Answers:
    """What one run gave.

    Attributes:
        summary: its part of the summary's file.
        extracted: by question, the answer that grading found.
        correct: by question, its verdict.
        texts: by question, the whole text.
    """

    summary: dict[str, Any]
    extracted: dict[str, str]
    correct: dict[str, bool]
    texts: dict[str, str]

    @property
    def figures(self) -> dict[str, Any]:
        """The figures over all questions, without what tells how they were come by."""
        return {name: value for name, value in self.summary["total"].items() if name != "reused"}


def ask(options: argparse.Namespace, folder: Path, name: str, *arguments: str) -> Answers:
    """Run the suites with these arguments, in a store of its own."""
    reports = folder / name
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no"]
    command += [str(FRESH / f"test_fresh_{family}.py") for family in options.suites]
    command += ["-p", "no:cacheprovider", "--reports-dir", str(reports), "--temperature", "0"]
    command += ["--fresh-count", str(options.questions), "--max-tokens", str(options.max_tokens)]
    command += ["--summary-json", str(folder / f"{name}.json"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{name}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    (summary,) = json.loads((folder / f"{name}.json").read_text())["runs"]
    with Store(reports / STORE_NAME, create=False) as store:
        stored = list(store.completions(summary["run_id"]))
    return Answers(
        summary,
        {each.place.question_id: each.verdict.extracted if each.verdict else "" for each in stored},
        {each.place.question_id: bool(each.verdict and each.verdict.correct) for each in stored},
        {each.place.question_id: each.completion.text for each in stored},
    )


@dataclass(frozen=True)
class Files:
    """The model: what llama.cpp, transformers and vLLM read of it."""

    gguf: Path
    transformers: Path
    vllm: Path


def files_of(options: argparse.Namespace, folder: Path) -> Files:
    """The model's files; copies that are needed go into `folder`, or into lrmtest's cache."""
    own = fetch(resolve(options.model, load_cards()))
    if own.suffix != ".gguf":
        return Files(converted(own), own, own)
    needed = "vllm" in options.engines
    return Files(own, own, gguf_to_safetensors(own, folder / "unpacked") if needed else own)


def arguments_of(engine: str, options: argparse.Namespace, files: Files) -> list[str]:
    """What names the model and the engine."""
    path = {"vllm": files.vllm, "transformers": files.transformers}.get(engine, files.gguf)
    common = ["--engine", engine, "--concurrency", str(options.concurrency)]
    if engine in ("vllm", "transformers"):
        common += ["--dtype", options.dtype]
    return ["--model", f"{options.model}={path}", *common]


def compare_engines(options: argparse.Namespace, files: Files, folder: Path) -> dict[str, Answers]:
    """Ask each engine, and say what each gave."""
    runs: dict[str, Answers] = {}
    for engine in options.engines:
        if engine == "openai":
            with serving(str(files.gguf), options.concurrency) as server:
                runs[engine] = ask(
                    *(options, folder, engine, "--model", f"{options.model}={server.url}"),
                    *("--concurrency", str(options.concurrency)),
                )
        else:
            try:
                runs[engine] = ask(options, folder, engine, *arguments_of(engine, options, files))
            except SystemExit as error:  # the others' figures stand
                print(error, file=sys.stderr)
                continue
        print(f"{engine} done", file=sys.stderr)
    return runs


def engines_table(runs: dict[str, Answers]) -> Table:
    """Accuracy, speed and start-up time of each engine."""
    titles = ("engine", "passed", "95 % interval", "tokens", "tok/s", "start-up")
    table = Table(*titles, title="the same questions at temperature 0")
    for engine, run in runs.items():
        rate, timing = run.figures["pass_rate"], run.summary["timing"]
        table.add_row(
            engine,
            f"{rate['value']:.1%}",
            f"{rate['low']:.1%} to {rate['high']:.1%}",
            str(timing["generated_tokens"]),
            f"{timing['tokens_per_second']:.0f}",
            f"{timing['startup_seconds']:.1f} s",
        )
    return table


def agreement(runs: dict[str, Answers]) -> list[dict[str, Any]]:
    """For each two engines, how many questions have the same verdict, answer and text."""
    found = []
    for (one, first), (other, second) in combinations(runs.items(), 2):
        both = sorted(first.texts.keys() & second.texts.keys())
        pairs = {
            "verdicts": (first.correct, second.correct),
            "answers": (first.extracted, second.extracted),
            "texts": (first.texts, second.texts),
        }
        same = {
            name: sum(before[each] == after[each] for each in both)
            for name, (before, after) in pairs.items()
        }
        found.append({"engines": [one, other], "questions": len(both), **same})
    return found


def agreement_table(rows: list[dict[str, Any]]) -> Table:
    """The same as a table."""
    titles = ("engines", "same verdict", "same answer", "same text")
    table = Table(*titles, title="agreement by question")
    for row in rows:
        counts = (f"{row[name]}/{row['questions']}" for name in ("verdicts", "answers", "texts"))
        table.add_row(", ".join(row["engines"]), *counts)
    return table


def to_json(runs: dict[str, Answers]) -> dict[str, Any]:
    """All figures of both tables."""
    engines = {
        engine: {
            "questions": len(run.correct),
            "passed": sum(run.correct.values()),
            "timing": run.summary["timing"],
        }
        for engine, run in runs.items()
    }
    return {"engines": engines, "agreement": agreement(runs)}


def compare_workers(options: argparse.Namespace, gguf: Path, folder: Path) -> bool:
    """Whether -n 0, -n 2 and -n 4 give the same summary and the same texts."""
    runs = [
        ask(
            *(options, folder, f"workers-{workers}", "--model", f"{options.model}={gguf}"),
            *("--engine", "llamacpp", "--concurrency", "1", "-n", str(workers)),
        )
        for workers in (0, 2, 4)
    ]
    return all(run.figures == runs[0].figures and run.texts == runs[0].texts for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="smollm2-135m", metavar="CARD")
    parser.add_argument("--suites", nargs="+", choices=FAMILIES, default=["temporal"])
    parser.add_argument("--questions", type=int, default=40, help="of each suite")
    parser.add_argument("--dtype", default="float32", help="of transformers and vllm")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--json", metavar="FILE", help="write the figures of both tables there")
    parser.add_argument("--no-workers", action="store_true", help="leave -n 0, 2 and 4 out")
    options = parser.parse_args()
    if "vllm" in options.engines:
        try:
            find_vllm()
        except ModelError as error:
            sys.exit(f"{error}\n     or leave it out: --engines llamacpp transformers openai")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    console = Console(width=100)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = files_of(options, folder)
        if options.engines:
            runs = compare_engines(options, files, folder)
            console.print(engines_table(runs))
            console.print(agreement_table(agreement(runs)))
            if options.json:
                Path(options.json).write_text(json.dumps(to_json(runs), indent=1))
        if not options.no_workers:
            same = compare_workers(options, files.gguf, folder)
            console.print(
                f"-n 0, 2 and 4: {'the same' if same else 'DIFFERENT'} summaries and texts"
            )
            sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
