"""What lrmtest says of the time left during a long run, against what it took.

    python benchmarks/eta.py [--minutes 45] [--earlier] [--every 300] [--seed 0]

A stand-in for a server generates 20 tokens a second for each of 8 completions at once. Lengths are
as those of a reasoning model: from 60 tokens to the budget of 4,096, a median of 600, seven of a
hundred questions in a loop to their budget, and three samples of a question that differ by up to
40 %. The run knows none of this. With --earlier the store has a run of another model on the same
questions, whose lengths are 0.7 times as long, and differ by a third from question to question.

Every so many seconds the range is noted that the session tells those who watch it, the one that
`lrmtest watch` shows. At its end each is compared with what it took from then on, until the last
sample was there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import measured_server

from lrmtest.analysis.time_left import LEVEL
from lrmtest.errors import StoreError, UsageError
from lrmtest.reports.numbers import duration
from lrmtest.runs.live import live_states
from lrmtest.runs.store import STORE_NAME, Store

PLACES = 8
STREAM_RATE = 20.0
BUDGET = 4096
SAMPLES = 3
_MEAN = 1060  # tokens of a completion, on average
_SUITE = """
import lrmtest

def load(options):
    questions = tuple(
        lrmtest.Question(f"q{{n}}", "sums", {{"sum": f"{{n}} + {{n}}"}}, (str(2 * n),), "integer")
        for n in range({questions})
    )
    return lrmtest.QuestionSet(questions, lrmtest.Source("inline", "sums"))

SUMS = lrmtest.Suite("sums", load, "What is {{sum}}?", max_tokens={budget})

@lrmtest.suite(SUMS)
def test_sums(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
"""


def lengths(draw: random.Random) -> list[int]:
    """Lengths of 499 prompts, of which each question has one."""
    return [
        2 * BUDGET if draw.random() < 0.07 else max(60, round(draw.lognormvariate(6.4, 0.8)))
        for _ in range(499)
    ]


def generate(folder: Path, url: str, name: str, places: int) -> subprocess.Popen[bytes]:
    """The session, begun."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no"]
    command += ["--model", f"{name}={url}", "--samples", str(SAMPLES), "test_sums.py"]
    command += ["--concurrency", str(places)]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=folder, env=dict(os.environ), stdout=log, stderr=subprocess.STDOUT
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=45.0, help="about how long it is to take")
    parser.add_argument("--every", type=float, default=300.0, help="seconds between two looks")
    parser.add_argument("--earlier", action="store_true", help="an earlier run is in the store")
    parser.add_argument("--seed", type=int, default=0, help="of the lengths")
    parser.add_argument("--folder", type=Path, help="where it runs; a temporary one if left out")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="lrmtest-eta-"))
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(options.seed)
    of_model = lengths(draw)
    of_other = [max(20, round(0.7 * one * draw.lognormvariate(0, 0.33))) for one in of_model]
    tokens = options.minutes * 60 * PLACES * STREAM_RATE
    questions = max(2, round(tokens / SAMPLES / _MEAN))
    (folder / "test_sums.py").write_text(_SUITE.format(questions=questions, budget=BUDGET))
    if options.earlier:
        (folder / "other.json").write_text(json.dumps(of_other))
        with measured_server.stand_in(
            *("--lengths", str(folder / "other.json"), "--spread", "0.4"),
            *("--rate", "10000", "--max-num-seqs", "32"),
        ) as server:
            generate(folder, server.url, "earlier", 32).wait()
    (folder / "model.json").write_text(json.dumps(of_model))
    with measured_server.stand_in(
        *("--lengths", str(folder / "model.json"), "--spread", "0.4"),
        *("--rate", str(PLACES * STREAM_RATE), "--max-num-seqs", str(PLACES)),
    ) as server:
        began = time.time()
        session = generate(folder, server.url, "model", PLACES)
        looks = watched(session, folder / "reports" / STORE_NAME, options.every)
    show(looks, ended(folder / "reports" / STORE_NAME) - began, began, questions * SAMPLES)


def ended(store: Path) -> float:
    """When the last sample was there: what comes then, tables and files, is in no range."""
    with Store(store, create=False) as opened:
        finished = opened.run("last:model").finished
    if finished is None:
        sys.exit("the run is not complete")
    return datetime.fromisoformat(finished).timestamp()


def watched(
    session: subprocess.Popen[bytes], store: Path, every: float
) -> list[tuple[float, int, tuple[float, float, float]]]:
    """What it told, when, and after how many samples: early, and then at regular times."""
    looks: list[tuple[float, int, tuple[float, float, float]]] = []
    began = time.time()
    due = [2.0, 10.0, 60.0]
    while session.poll() is None:
        time.sleep(0.5)
        if time.time() - began < due[0]:
            continue
        with suppress(StoreError, UsageError), Store(store, create=False) as opened:
            states = live_states(store, opened.run("last:model").run_id)
            for state in states[:1]:
                if state.left is not None:
                    looks.append((time.time(), state.samples_done, state.left))
                    due = due[1:] or [due[0] + every - (due[0] % every)]
                    low, middle, high = (duration(one) for one in state.left)
                    minutes = (looks[-1][0] - began) / 60
                    print(f"{minutes:.1f} min: {middle} ({low} to {high})", flush=True)
    return looks


def show(
    looks: list[tuple[float, int, tuple[float, float, float]]],
    took: float,
    began: float,
    samples: int,
) -> None:
    """The table."""
    print(f"\n{samples} samples, {duration(took)} in all; ranges of {LEVEL:.0%}\n")
    print("| after | samples done | said: left | range | it took | within |")
    print("|---:|---:|---:|---:|---:|---|")
    held = 0
    for at, done, (low, middle, high) in looks:
        left = began + took - at
        within = low <= left <= high
        held += within
        print(
            f"| {duration(at - began)} | {done} | {duration(middle)} | {duration(low)} to "
            f"{duration(high)} | {duration(left)} | {'yes' if within else 'no'} |"
        )
    print(f"\n{held} of {len(looks)} ranges held what it took")


if __name__ == "__main__":
    main()
