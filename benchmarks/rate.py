"""Tokens per second of several ways to ask one server the same questions, and what they cost.

    python benchmarks/rate.py [--rates 1000 5000 20000 50000] [--peers FOLDER ...]
    python benchmarks/rate.py --url http://127.0.0.1:8000/v1 --model NAME
    python benchmarks/rate.py --serve MODEL.gguf           (or a folder, with --vllm PYTHON)
    python benchmarks/rate.py --recorded 20000 --chars 8000

Contenders: a bare asyncio client without streaming, which is the ceiling; the same with streaming;
lrmtest without its loop stop, so that it generates what the others do, and as users run it;
lm-evaluation-harness and inspect_ai (--peers); a pytest loop that asks one test at a time (only if
--only names it). Each is a command of its own, imports and reports included, and each round runs
all of them in another order. The server is gpu_stand_in.py at each of the rates, or a real one.

Columns: tokens/s by the server's count, from the moment when nine tenths of --in-flight are
running to the last token; its ratio to the bare client's in the same round; CPU microseconds a
token of the command's processes, from that moment to their end, so that storing, grading, tests and
reports are in it; CPU microseconds that a further token costs, by a second run with answers a
quarter as long to as many questions; CPU seconds before, in and after the time of the tokens, whose
last says on a busy machine what the verdict takes; highest memory of its processes together;
seconds from the server's last token to the end of the command, which is when its verdict is there;
seconds of the whole command. A stand-in tells the time of its last token, a real server is looked
at twice a second.

--recorded asks no server: so many completions of --chars characters go through the store, the
grading and the tests.

--peers names virtual environments with lm-evaluation-harness and inspect_ai; one that does not
exist is made.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contenders import BARE, LABELS, LRMTEST, Asking, contenders, make_peers, write_files
from gpu_stand_in import TEXTS, Text
from measured_server import GoneError, Server, at, serving, stand_in
from rich.console import Console
from rich.table import Table
from watched_command import CommandError, Figures, Nobody, watch

CHARS_PER_TOKEN = 4
"""Of English text with the vocabularies in use, roughly; for recorded completions only."""

_BATCHES = 3
_FEWEST = 16
"""Requests in flight. lrmtest's self-test asks 11 at once, which must not count as a full batch."""

_CONSOLE = Console(width=130)


@dataclass(frozen=True)
class Load:
    """How much is asked.

    Attributes:
        questions: how many.
        tokens: of an answer.
        in_flight: requests at a time.
    """

    questions: int
    tokens: int
    in_flight: int


def load_at(rate: float, options: argparse.Namespace) -> Load:
    """Three full batches or more, for about --seconds; at low rates batches and answers shrink.

    A server makes the tokens of its running requests whether they are read or not. So a client
    that lags keeps it waiting when the next requests are due, and not before.
    """
    answers = rate * options.seconds / options.tokens
    in_flight = min(options.in_flight, max(round(answers / _BATCHES), _FEWEST))
    if options.questions:
        return Load(options.questions, options.tokens, min(in_flight, options.questions))
    questions = max(round(answers / in_flight), _BATCHES) * in_flight
    return Load(
        questions, min(options.tokens, round(rate * options.seconds / questions)), in_flight
    )


def measure(
    server: Server, load: Load, budget: int, options: argparse.Namespace
) -> dict[str, list[Figures]]:
    """All rounds: each contender's figures, one of every round in which it ran.

    A contender that fails in the first round is told of and left out of the others.
    """
    whole = Asking(
        server.url, server.name, load.questions, budget, load.in_flight, options.temperature
    )
    quarter = replace(whole, budget=max(load.tokens // 4, 8))
    peers = [Path(each) for each in options.peers]
    seen: dict[str, list[Figures]] = {}
    failed: set[str] = set()

    def ask(name: str, asking: Asking) -> Figures:
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), asking)
            contender = contenders(Path(folder), asking, peers)[name]
            limits = {"in_flight": load.in_flight, "limit": options.limit}
            return watch(contender, Path(folder), server, **limits)

    for number in range(options.rounds):
        found = contenders(Path(), whole, peers)
        order = [each for each in found if each in options.only and each not in failed]
        random.Random(options.shuffle_seed + number).shuffle(order)
        for each in order:
            try:
                figures = ask(each, whole)
                if not options.no_quarter:
                    figures = figures.against(ask(each, quarter))
            except CommandError as error:
                print(error, file=sys.stderr, flush=True)
                failed.add(each)
                seen.pop(each, None)
                continue
            seen.setdefault(each, []).append(figures)
            print(f"round {number + 1}, {LABELS[each]}: {figures}", flush=True)
    return {each: seen[each] for each in LABELS if each in seen}


def rows(seen: dict[str, list[Figures]]) -> list[dict[str, Any]]:
    """Medians over rounds; the ratio's too, of each round's."""
    found = []
    for name, several in seen.items():
        row: dict[str, Any] = {"contender": name, **Figures.median(several).to_json()}
        bare = seen.get(BARE, [])
        if len(bare) == len(several) and all(each.rate for each in bare):
            ratios = (one.rate / other.rate for one, other in zip(several, bare, strict=True))
            row["ratio"] = statistics.median(ratios)
        found.append(row)
    return found


def table_of(title: str, found: Sequence[dict[str, Any]]) -> Table:
    """The rows, as they are printed."""
    table = Table(title=title)
    for column in (
        *("", "tokens/s", "of bare", "us/token", "us/further", "CPU s", "peak MiB"),
        *("verdict, s", "command, s"),
    ):
        table.add_column(column, justify="right" if column else "left")
    for row in found:
        table.add_row(
            LABELS[row["contender"]],
            f"{row['rate']:,.0f}",
            f"{row['ratio']:.3f}" if "ratio" in row else "",
            f"{row['cpu_per_token']:.1f}",
            f"{row['cpu_per_further']:.1f}" if row["cpu_per_further"] is not None else "",
            f"{row['cpu_start']:.1f} + {row['cpu_tokens']:.1f} + {row['cpu_verdict']:.1f}",
            f"{row['memory']:.0f}",
            f"{row['verdict']:.1f}",
            f"{row['seconds']:.1f}",
        )
    return table


def servers(options: argparse.Namespace) -> Iterator[tuple[AbstractContextManager[Server], Load]]:
    """Each server that is asked for, not yet started, and how much it is asked."""
    if not (options.url or options.serve):
        for rate in options.rates:
            load = load_at(rate, options)
            length = f"--length={load.tokens}"
            yield (
                stand_in(
                    *(f"--rate={rate}", f"--max-num-seqs={load.in_flight}", length),
                    *(f"--spread={options.spread}", f"--loops={options.loops}"),
                    f"--stream-interval={options.stream_interval}",
                ),
                load,
            )
        return
    in_flight = min(options.in_flight, options.questions or options.in_flight)
    load = Load(options.questions or 2 * in_flight, options.tokens, in_flight)
    if options.url:
        yield _running(options), load
    else:
        yield (
            serving(options.serve, load.in_flight, vllm=options.vllm, threads=options.threads),
            load,
        )


@contextmanager
def _running(options: argparse.Namespace) -> Iterator[Server]:
    if not options.model:
        sys.exit("--url needs --model, the model's name there")
    yield at(options.url.rstrip("/"), options.model)


def ask_servers(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A table for each server; all of them as JSON values."""
    found = []
    for opened, load in servers(options):
        with opened as server:
            # A stand-in's answers end by themselves, so that their tests can pass.
            budget = 2 * load.tokens if server.stand_in else load.tokens
            if not server.stand_in:
                once = {"only": (BARE,), "rounds": 1, "no_quarter": True}
                warm = argparse.Namespace(**{**vars(options), **once})
                print("once to warm it up:", flush=True)
                measure(server, load, budget, warm)
            seen = measure(server, load, budget, options)
        table = rows(seen)
        what = (
            f"{load.questions} questions, {load.in_flight} in flight, {load.tokens} tokens each, "
            f"median of {options.rounds} rounds"
        )
        _CONSOLE.print(table_of(what, table))
        if server.stand_in and seen:
            several = [each for figures in seen.values() for each in figures]
            all_of_them = Figures.median(several)
            late = max(each.late or 0.0 for each in several)
            print(
                f"the stand-in took {all_of_them.server_cpu:.2f} of a core; its steps came "
                f"{all_of_them.late:.1f} ms late, in the worst run {late:.1f} ms"
            )
        found.append(
            {
                "load": vars(load),
                "rows": table,
                "rounds": {
                    name: [each.to_json() for each in several] for name, several in seen.items()
                },
            }
        )
    return found


def ask_recording(options: argparse.Namespace) -> list[dict[str, Any]]:
    """lrmtest on recorded completions, every second one right: no server, no network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asking = Asking("recorded", "recorded", options.recorded, 4096, 1, 0.0)
        write_files(folder, asking)
        write_recording(folder / "outputs.jsonl", options.recorded, options.chars)
        several = []
        for number in range(options.rounds):
            found = contenders(folder, asking, ())[LRMTEST]
            command = tuple(
                "--model=recorded:outputs.jsonl" if word.startswith("--model=") else word
                for word in found.command
            )
            contender = replace(found, command=command)
            figures = watch(contender, folder, Nobody(), in_flight=1, limit=options.limit)
            several.append(figures)
            print(
                f"round {number + 1}: {figures.cpu:.1f} CPU s, {figures.seconds:.1f} s", flush=True
            )
    median = Figures.median(several)
    tokens = options.recorded * options.chars / CHARS_PER_TOKEN
    print(
        f"{options.recorded:,} completions of {options.chars:,} characters: "
        f"{median.cpu:.1f} CPU s, "
        f"{1e3 * median.cpu / options.recorded:.2f} ms each, {1e6 * median.cpu / tokens:.2f} us a "
        f"token of {CHARS_PER_TOKEN} characters; {median.seconds:.1f} s, peak "
        f"{median.memory:.0f} MiB"
    )
    return [{"completions": options.recorded, "chars": options.chars, **median.to_json()}]


def write_recording(path: Path, count: int, chars: int) -> None:
    """Outputs of about `chars` characters in the stand-in's words, ending with the number."""
    texts = [Text(number, loops=False) for number in range(TEXTS)]
    for text in texts:
        text.extend(chars // 4)
    bodies = ["".join(text.tokens)[:chars] for text in texts]
    with path.open("w") as file:
        for number in range(1, count + 1):
            body = bodies[number % TEXTS]
            output = f"{body}\n\nAnswer: {number % 1000}"
            row = {"question": f"q{number}", "output": output, "finish_reason": "stop"}
            file.write(json.dumps(row) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    which = parser.add_argument_group("the server")
    which.add_argument("--rates", type=float, nargs="+", default=[1000, 5000, 20_000, 50_000])
    which.add_argument("--url", help="of a running server with /metrics, ending in /v1")
    which.add_argument("--model", help="its name at --url")
    which.add_argument("--serve", metavar="MODEL", help="a GGUF file or a folder, served here")
    which.add_argument("--vllm", metavar="PYTHON", help="serve it with this Python's vLLM")
    which.add_argument("--threads", type=int, help="of the server started here")
    which.add_argument("--spread", type=float, default=0.1, help="of the stand-in's lengths")
    which.add_argument("--loops", type=float, default=0.0, help="share of its texts that loop")
    which.add_argument("--stream-interval", type=int, default=1, help="tokens in its events")
    parser.add_argument("--seconds", type=float, default=20, help="that a full batch is to last")
    parser.add_argument("--questions", type=int, help="so many, however long that takes")
    parser.add_argument("--tokens", type=int, default=512, help="of an answer")
    parser.add_argument("--in-flight", type=int, default=256, help="requests at a time")
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, help="seconds after which a command has failed")
    usual = tuple(name for name in LABELS if name != "serial")
    parser.add_argument("--only", nargs="+", choices=LABELS, default=usual, metavar="CONTENDER")
    parser.add_argument("--no-quarter", action="store_true", help="leave the second runs out")
    parser.add_argument("--peers", nargs="+", default=(), metavar="FOLDER")
    parser.add_argument("--shuffle-seed", type=int, default=0)
    parser.add_argument("--recorded", type=int, metavar="N", help="completions, without a server")
    parser.add_argument("--chars", type=int, default=8000, help="of a recorded completion")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    # As Ctrl-C does: the server is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for folder in options.peers:
        make_peers(Path(folder))
    try:
        found = ask_recording(options) if options.recorded else ask_servers(options)
    except (CommandError, GoneError) as error:
        sys.exit(str(error))
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + os.linesep)


if __name__ == "__main__":
    main()
