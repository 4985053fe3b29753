"""What stopping in a loop saves on recorded outputs, and that it changes no verdict.

    python benchmarks/loops.py --data-dir DIR [--tokenizer FILE_OR_FOLDER] [--survey] [--near N]

Every recorded output is fed to the detector in pieces of 4 characters, cut where the detector
fires, and graded both whole and cut. Exits with 1 if a strict or lenient verdict changed, or if an
output was stopped that ended by itself.

``--near N`` measures instead how well near-loops are told from honest texts: N texts of each kind
that goes round without repeating itself to the letter, and honest ones that ended by themselves or
were cut off anywhere. Exits with 1 if more than 1 in 1,000 honest texts of a kind is called a loop.

DIR has the suites' question files and ``recorded/*.<suite>.jsonl`` with a ``question`` (the
question's id) and an ``output`` on each line.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from loop_texts import NEAR_LOOPS, long_reasoning, near_loops, paragraphs_of, with_lists
from rich.console import Console
from rich.table import Table

from lrmtest.analysis.intervals import wilson
from lrmtest.errors import DataError, LrmtestError
from lrmtest.grading import Completion, Verdict, grade
from lrmtest.grading.loops import MAX_PERIOD, Loop, LoopDetector, find_loop
from lrmtest.grading.near_loops import is_near_loop
from lrmtest.questions import DataOptions
from lrmtest.suites import suite_named

CHUNK = 4
BUDGET = 32768
"""Tokens the recorded outputs were given."""
RAN_OUT_CHARACTERS = 2 * BUDGET
"""Without a tokenizer, an output ran out if its reasoning was never closed and it is longer than
this: no recorded output has less than 2 characters per token. Agrees with the tokens counted."""


@dataclass(frozen=True, slots=True)
class Output:
    """One recorded output, watched and graded. Lengths are in characters."""

    suite: str
    question: str
    text: str
    tokens: int
    tokens_if_stopped: int
    ran_out: bool
    loop: Loop | None
    tail: Loop | None
    seconds: float
    whole: Verdict
    stopped: Verdict

    @property
    def saved(self) -> int:
        """Characters that would not have been generated."""
        return len(self.text) - self.loop.end if self.loop else 0

    @property
    def left_again(self) -> bool:
        """Whether the loop changed its wording after it would have been stopped."""
        return self.loop is not None and (self.tail is None or self.tail.start > self.loop.end)


def watch(text: str) -> tuple[Loop | None, float]:
    """The loop that a detector stops `text` in, and the seconds it took to look."""
    detector = LoopDetector()
    chunks = [text[begin : begin + CHUNK] for begin in range(0, len(text), CHUNK)]
    began = time.perf_counter()
    for chunk in chunks:
        loop = detector.feed(chunk)
        if loop is not None:
            break
    return loop, time.perf_counter() - began


def outputs(data_dir: Path, count_tokens: Callable[[str], int] | None) -> Iterator[Output]:
    files = sorted(data_dir.glob("recorded/*.jsonl"))
    if not files:
        raise DataError(f"there is no recorded/*.jsonl in {data_dir}", hint="give --data-dir")
    for file in files:
        suite = suite_named(file.stem.rsplit(".", 1)[-1])
        questions = {q.id: q for q in suite.load(DataOptions(data_dir=data_dir)).questions}
        for line in file.read_text("utf-8").splitlines():
            row = json.loads(line)
            question, text = questions[str(row["question"])], row["output"]
            loop, seconds = watch(text)
            cut = text[: loop.end] if loop else text
            if count_tokens:
                tokens = count_tokens(text)
                tokens_if_stopped = count_tokens(cut) if loop else tokens
                ran_out = tokens >= BUDGET
            else:
                tokens = tokens_if_stopped = 0
                ran_out = "</think>" not in text and len(text) > RAN_OUT_CHARACTERS
            full = Completion(text, "length" if ran_out else "stop")
            whole = grade(question, full)
            yield Output(
                suite=suite.name,
                question=question.id,
                text=text,
                tokens=tokens,
                tokens_if_stopped=tokens_if_stopped,
                ran_out=ran_out,
                loop=loop,
                tail=find_loop(text),
                seconds=seconds,
                whole=whole,
                stopped=grade(question, replace(full, text=cut, finish_reason="loop"))
                if loop
                else whole,
            )


def suites_table(by_suite: dict[str, list[Output]], *, tokens: bool) -> Table:
    table = Table(title="Stopping in a loop, by suite (shares of characters unless stated)")
    table.add_column("suite")
    columns = ["outputs", "ran out", "stopped", "wrongly", "characters", "in periodic tail"]
    columns += ["saved", *(["tokens", "tokens saved"] if tokens else [])]
    columns += ["strict changed", "lenient changed", "class changed", "seconds"]
    for column in columns:
        table.add_column(column, justify="right")
    for name, group in by_suite.items():
        if name == "all":
            table.add_section()
        characters = sum(len(o.text) for o in group)
        tail = sum(o.tail.end - o.tail.start for o in group if o.tail)
        cells = [
            f"{len(group)}",
            f"{sum(o.ran_out for o in group)}",
            f"{sum(o.loop is not None for o in group)}",
            f"{len(wrongly_stopped(group))}",
            f"{characters:,}",
            f"{tail / characters:.1%}",
            f"{sum(o.saved for o in group) / characters:.1%}",
        ]
        if tokens:
            total = sum(o.tokens for o in group)
            spared = total - sum(o.tokens_if_stopped for o in group)
            cells += [f"{total:,}", f"{spared / total:.1%}"]
        cells += [
            f"{sum(o.whole.correct != o.stopped.correct for o in group)}",
            f"{sum(o.whole.lenient_correct != o.stopped.lenient_correct for o in group)}",
            f"{sum(o.whole.failure != o.stopped.failure for o in group)}",
            f"{sum(o.seconds for o in group):.3f}",
        ]
        table.add_row(name, *cells)
    return table


def loops_table(group: list[Output]) -> Table:
    table = Table(title="Outputs that were stopped or ran out (lengths in characters)")
    table.add_column("suite")
    table.add_column("question", no_wrap=True, max_width=16)
    for column in ["length", "loop begins", "period", "stopped at", "saved", "left it later"]:
        table.add_column(column, justify="right")
    for column in ["answer whole", "answer cut", "class whole", "class cut"]:
        table.add_column(column, no_wrap=True, max_width=16)
    for o in group:
        if o.loop is None and not o.ran_out:
            continue
        loop = o.loop
        table.add_row(
            o.suite,
            o.question,
            f"{len(o.text):,}",
            f"{loop.start:,}" if loop else "",
            f"{loop.period:,}" if loop else "no loop",
            f"{loop.end:,}" if loop else "",
            f"{o.saved / len(o.text):.0%}",
            "for another" if o.left_again and o.tail else "yes" if o.left_again else "",
            o.whole.provisional or "-",
            o.stopped.provisional or "-",
            o.whole.failure or "",
            o.stopped.failure or "",
        )
    return table


def wrongly_stopped(group: list[Output]) -> list[Output]:
    return [o for o in group if o.loop is not None and not o.ran_out]


def stretches(text: str, repeats: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Start, end and period of every exactly repeating stretch of at least this size."""
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    seen: set[tuple[int, int]] = set()
    for period in range(1, min(MAX_PERIOD, len(text) // repeats) + 1):
        breaks = np.flatnonzero(codes[period:] != codes[:-period])
        edges = np.concatenate(([-1], breaks, [len(codes) - period]))
        matched = np.diff(edges) - 1
        least = max(period * (repeats - 1), length - period)
        for index in np.flatnonzero(matched >= least):
            start = int(edges[index]) + 1
            end = start + int(matched[index]) + period
            if (start, end) not in seen:  # else a multiple of a period met before
                seen.add((start, end))
                yield start, end, period


def survey_table(group: list[Output]) -> Table:
    """How far honest text is from the detector's thresholds."""
    table = Table(title="Repeating stretches of at least 60 characters and 3 repeats")
    table.add_column("where")
    for column in ("stretches", "longest", "its repeats", "most repeats", "its length"):
        table.add_column(column, justify="right")
    unstopped = [o for o in group if o.loop is None]
    rows = {
        "outputs that were not stopped": [
            found for o in unstopped for found in stretches(o.text, 3, 60)
        ],
        "the same with every number masked": [
            found for o in unstopped for found in stretches(re.sub(r"\d+", "0", o.text), 3, 60)
        ],
        "stopped outputs, before their loop": [
            (start, end, period)
            for o in group
            if o.loop is not None
            for start, end, period in stretches(o.text[: o.loop.end], 3, 60)
            if end < o.loop.end
        ],
    }
    for name, found in rows.items():
        if not found:
            table.add_row(name, "0")
            continue
        longest = max(found, key=lambda s: s[1] - s[0])
        most = max(found, key=lambda s: (s[1] - s[0]) / s[2])
        table.add_row(
            name,
            f"{len(found)}",
            f"{longest[1] - longest[0]:,}",
            f"{(longest[1] - longest[0]) / longest[2]:.1f}",
            f"{(most[1] - most[0]) / most[2]:.1f}",
            f"{most[1] - most[0]:,}",
        )
    return table


SEED = 12
MOST_FALSE = 1 / 1000
SHORTEST_CUT = 2048
"""Characters; nothing shorter is ever a near-loop."""


def honest_texts(everything: list[Output], each: int) -> Iterator[tuple[str, str]]:
    """Kind and text of what is no loop."""
    ended = [output.text for output in everything if not output.ran_out]
    paragraphs = paragraphs_of(ended)
    for text in ended:
        yield "recorded, ended by itself", text
    for number, text in enumerate(text for text in ended if len(text) > SHORTEST_CUT):
        rng = random.Random(f"{SEED} cut {number}")
        for _ in range(each):
            cut = rng.randrange(SHORTEST_CUT, len(text))
            yield "the same, cut off anywhere", text[:cut]
    for number in range(10 * each):
        rng = random.Random(f"{SEED} long {number}")
        yield "long reasoning, of their paragraphs", long_reasoning(rng, paragraphs)
    for number in range(60 * each):
        text, _ = with_lists(random.Random(f"{SEED} lists {number}"), paragraphs)
        yield "with tables, cases, code, cut off in one", text


def near_table(found: dict[str, list[bool]], title: str, called: str) -> Table:
    table = Table(title=title)
    table.add_column("texts")
    for column in ("number", called, "per cent [95 % interval]"):
        table.add_column(column, justify="right")
    everything = [loop for part in found.values() for loop in part]
    for name, part in [*found.items(), ("all", everything)]:
        interval = wilson(sum(part), len(part))
        share = f"{100 * sum(part) / len(part):.2f}"
        ends = f"[{100 * interval.low:.2f}, {100 * interval.high:.2f}]"
        table.add_row(name, f"{len(part):,}", f"{sum(part):,}", f"{share} {ends}")
    return table


def measure_near_loops(console: Console, everything: list[Output], each: int) -> int:
    """Print how many honest texts are called loops, and how many near-loops; the exit status."""
    false: dict[str, list[bool]] = {}
    for kind, text in honest_texts(everything, max(1, each // 5)):
        false.setdefault(kind, []).append(is_near_loop(text))
    console.print(near_table(false, "Honest texts that are called near-loops", "called loops"))
    paragraphs = paragraphs_of([output.text for output in everything if not output.ran_out])
    seen: dict[str, list[bool]] = {kind: [] for kind in NEAR_LOOPS}
    for kind, text in near_loops(SEED, each, paragraphs):
        seen[kind].append(is_near_loop(text))
    exact = [output for output in everything if output.ran_out and output.tail is not None]
    seen["recorded, ran out in an exact loop"] = [is_near_loop(one.text) for one in exact]
    console.print(near_table(seen, "Near-loops that are seen", "seen"))
    return int(any(sum(part) > MOST_FALSE * len(part) for part in false.values()))


def token_counter(tokenizer: Path) -> Callable[[str], int]:
    from transformers import AutoTokenizer

    if tokenizer.is_file():
        loaded = AutoTokenizer.from_pretrained(tokenizer.parent, gguf_file=tokenizer.name)
    else:
        loaded = AutoTokenizer.from_pretrained(tokenizer)
    return lambda text: len(loaded(text, add_special_tokens=False)["input_ids"])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="questions and recorded/")
    parser.add_argument("--tokenizer", type=Path, help="GGUF file or folder; counts tokens too")
    parser.add_argument("--survey", action="store_true", help="margins (half a minute, numpy)")
    parser.add_argument("--near", type=int, metavar="N", help="measure near-loops instead")
    options = parser.parse_args()
    try:
        counter = token_counter(options.tokenizer) if options.tokenizer else None
        everything = list(outputs(options.data_dir, counter))
    except LrmtestError as error:
        print(error, file=sys.stderr)
        return 2
    by_suite: dict[str, list[Output]] = {}
    for output in everything:
        by_suite.setdefault(output.suite, []).append(output)
    by_suite["all"] = everything

    console = Console(width=None if sys.stdout.isatty() else 180)
    if options.near:
        return measure_near_loops(console, everything, options.near)
    console.print(suites_table(by_suite, tokens=counter is not None))
    console.print(loops_table(everything))
    if options.survey:
        console.print(survey_table(everything))
    changed = [
        o
        for o in everything
        if (o.whole.correct, o.whole.lenient_correct)
        != (o.stopped.correct, o.stopped.lenient_correct)
    ]
    for o in {id(o): o for o in [*changed, *wrongly_stopped(everything)]}.values():
        console.print(f"[red]not safe to stop:[/red] {o.suite} {o.question}")
    return 1 if changed or wrongly_stopped(everything) else 0


if __name__ == "__main__":
    sys.exit(main())
