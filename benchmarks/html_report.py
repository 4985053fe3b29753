"""How large an HTML report is and how fast it opens, with thousands of long traces.

    python benchmarks/html_report.py [--questions 5000] [--chars 20000] [--runs 1] [--texts DIR]
                                     [--compare]

Makes a store whose every question has a trace of --chars characters in each run, writes its
report, and opens it in Chromium: several times, each in a browser of its own. The traces are
passages of the ``output`` fields of DIR's JSON Lines files, such as recorded outputs of a real
model; without DIR they are random words, which compress less well than reasoning does.

Times to open are from the start of navigation: until the overview can be read, and until the last
byte of the file is parsed, from when on any question can be opened.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from lrmtest.analysis.compare import compare
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.grading import Completion, grade
from lrmtest.grading.loops import find_loop
from lrmtest.questions.place import Place
from lrmtest.questions.question import INTEGER, Question
from lrmtest.reports.html import write_report
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import Store

TAGS = ("<think>", "</think>")


def passages(texts: Path | None, chars: int) -> Iterator[str]:
    """Passages of `chars` characters, without end; of real outputs, what loops is left out."""
    dice = random.Random(0)
    if texts is None:
        words = ["".join(dice.choices("etaoinshrdlu", k=dice.randint(2, 9))) for _ in range(5000)]
        while True:
            yield " ".join(dice.choices(words, k=chars // 5))[:chars]
    outputs = []
    for path in sorted(texts.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            output = json.loads(line).get("output", "")
            loop = find_loop(output)
            outputs.append(output[: loop.start] if loop else output)
    # One after the other in random order, over and over: what comes again is megabytes away.
    pending = ""
    while True:
        while len(pending) < chars:
            pending += dice.choice(outputs)
        yield pending[:chars]
        pending = pending[chars:]


def make_store(path: Path, questions: int, chars: int, runs: int, texts: Path | None) -> None:
    """Write `runs` runs of one suite."""
    dice = random.Random(1)
    traces = passages(texts, chars)
    asked = [
        Question(f"q{n}", "sums", {"text": f"What is {n} plus {n}, modulo 1000?"},
                 (str(2 * n % 1000),), INTEGER)
        for n in range(questions)
    ]  # fmt: skip
    with Store(path) as store:
        for number in range(runs):
            run_id = f"run-{number}"
            manifest = {
                "model": {"name": run_id, "reasoning_tags": list(TAGS)},
                "temperature": 0.6,
                "suites": {"sums": {"max_tokens": 32768, "samples": 1, "questions": questions}},
            }
            store.add_run(run_id, run_id, run_id, Manifest.from_json(manifest))
            store.add_questions(
                run_id, [("sums", one.id, one, [("user", one.material["text"])]) for one in asked]
            )
            verdicts = []
            for one in asked:
                answer = one.expected if dice.random() < 0.7 - 0.05 * number else "0"
                text = f"<think>{next(traces)}</think>\nThe answer is \\boxed{{{answer}}}."
                count = int(len(text) / 3.5 * dice.uniform(0.6, 1.4))
                completion = Completion(text, "stop", 40, count, count - 10)
                key = f"{run_id}/{one.id}"
                store.add_completion(run_id, Place(key, "sums", one.id, 0), completion)
                verdicts.append((key, grade(one, completion, TAGS)))
            store.set_verdicts(run_id, verdicts)
            store.finish_run(run_id)


def open_times(browser: Browser, report: Path) -> tuple[float, float, float, float]:
    """Seconds to the overview, to the whole file, to one question, and back to the table."""
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    begun = time.perf_counter()
    page.goto(report.as_uri(), wait_until="commit")
    page.wait_for_selector("main h1")
    overview = time.perf_counter() - begun
    page.wait_for_load_state("load")
    whole = time.perf_counter() - begun
    begun = time.perf_counter()
    page.evaluate("location.hash = '#/q/sums/q2500'")
    page.wait_for_selector(".question-body[aria-busy=false]")
    question = time.perf_counter() - begun
    begun = time.perf_counter()
    page.evaluate("location.hash = '#/questions'")
    page.wait_for_selector("table.questions tbody tr[aria-selected]")
    listed = time.perf_counter() - begun
    page.close()
    return overview, whole, question, listed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--questions", type=int, default=5000)
    parser.add_argument("--chars", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--compare", action="store_true", help="compare the runs with the first")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=Path, metavar="DIR")
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        store, report = Path(folder) / "lrmtest.sqlite", Path(folder) / "report.html"
        make_store(store, given.questions, given.chars, given.runs, given.texts)
        begun = time.perf_counter()
        runs = [load_run(f"run-{number}", store) for number in range(given.runs)]
        compared = {
            run.run_id: compare(runs[0], run, gate=GateSettings())
            for run in (runs[1:] if given.compare else ())
        }
        figures = time.perf_counter() - begun
        size = write_report(report, runs, compared)
        written = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        times = []
        for _ in range(given.rounds):
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            times.append(open_times(browser, report))
            browser.close()
        text = given.questions * given.chars * given.runs
        table = Table(
            title=f"{given.questions} questions, {given.runs} run(s), {text / 1e6:.0f} MB"
        )
        table.add_column("")
        table.add_column("median", justify="right")
        table.add_column("worst", justify="right")
        table.add_row("size, MB", f"{size / 1e6:.1f}", "")
        table.add_row("comparison, s", f"{figures:.1f}", "")
        table.add_row("written in, s", f"{written:.1f}", "")
        table.add_row("memory to write, MiB", f"{peak:.0f}", "")
        names = ("overview, s", "whole file, s", "a question, s", "the table, s")
        for name, column in zip(names, zip(*times, strict=True), strict=True):
            table.add_row(name, f"{statistics.median(column):.2f}", f"{max(column):.2f}")
        Console().print(table)


if __name__ == "__main__":
    main()
