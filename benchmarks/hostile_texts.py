"""Time and memory that one model text takes, whatever is in it: graders, splitting, loops, views.

    python benchmarks/hostile_texts.py [--megabytes 1 2 4] [--all] [--only WORD]

Each measurement runs in a process of its own: processor seconds of its thread, and by how much its
resident memory rose at most above the text itself. Shown are the measurements that take more than
the bound, `SECONDS` and `MEMORY` per megabyte, and those that grow faster than the text; ``--all``
shows every one. Exits with 1 when there are such.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from lrmtest.analysis.traces import parting
from lrmtest.grading import Completion, grade, split
from lrmtest.grading.loops import LoopDetector, find_loop
from lrmtest.grading.split import DEFAULT_TAGS
from lrmtest.models.engines.http.stream import ChatStream
from lrmtest.models.engines.recorded.completion import RecordedOutput, recorded_completion
from lrmtest.models.engines.recorded.finish_reason import Ends
from lrmtest.models.engines.token_counts import reasoning_end
from lrmtest.questions.place import Place
from lrmtest.questions.question import EXPRESSION, INTEGER, LABEL, OPTION, SHORT_TEXT, Question
from lrmtest.reports.escape import plain, plain_tail
from lrmtest.reports.html.texts import _sample
from lrmtest.reports.runs_table import SampleView
from lrmtest.reports.side_by_side import side_by_side
from lrmtest.runs.records import StoredCompletion

SECONDS = 0.3
"""The most processor seconds for a megabyte of text."""
MEMORY = 20.0
"""The most bytes for each byte of text, beside the text."""

QUESTIONS = {
    INTEGER: Question("q", "aime", {}, ("73",), INTEGER),
    LABEL: Question("q", "folio", {}, ("True",), LABEL),
    OPTION: Question("q", "t", {"options": ["6pm to 9pm", "7am to 11am"]}, ("A",), OPTION),
    EXPRESSION: Question("q", "math-500", {}, (r"\frac{73}{2}",), EXPRESSION),
    SHORT_TEXT: Question("q", "musique", {}, ("Paris",), SHORT_TEXT),
}

PIECES = {
    "closing tags": "</think>",
    "closing tags, spaced": "</think> \n",
    "opening tags": "<think>",
    "alternating tags": "<think>a</think>",
    "boxed{{{{": r"\boxed{{{{",
    "boxed": r"\boxed",
    "boxed{1} or": r"\boxed{1} or ",
    "boxes": r"\boxed{12} ",
    "braces": "{",
    "brackets": "[",
    "parentheses": "(A) ",
    "dollars": "$",
    "digits": "7",
    "numbers": "1,000 ",
    "one word": "potato ",
    "letters": "x",
    "newlines": "\n",
    "spaces": " ",
    "Answer:": "Answer:",
    "Answer: lines": "Answer: 7\n",
    "the answer is": "the answer is ",
    "combining marks": "e\u0301\u0302\u0303",
    "lone surrogates": "\ud800",
    "emoji": "\U0001f600",
    "options": "(A) 6pm to 9pm\n(B) 7am to 11am\n",
    "JSON": '{"answer": [7, "a", null]}, ',
    "backslashes": "\\",
    "escapes": "\x1b[",
    "OSC": "\x1b]0;",
    "HTML": "<b ",
    "sentences": "The conclusion is true. ",
    "quotes": '"',
    "bold": "**b** ",
    "bidi": "\u202e",
    "fractions": "\\frac{1}{2}",
    "nul": "\x00",
}


def _grader(kind: str, reason: str) -> Callable[[str], object]:
    return lambda text: grade(QUESTIONS[kind], Completion(text, reason))


def _stream(text: str) -> object:
    stream = ChatStream(DEFAULT_TAGS, 1 << 20, LoopDetector())
    stream.add({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
    return stream.reply()


def _pieces(text: str) -> object:
    stream = ChatStream(DEFAULT_TAGS, len(text), None)
    for begin in range(0, len(text), 64):
        stream.add({"choices": [{"delta": {"content": text[begin : begin + 64]}}]})
    stream.ended = True
    return stream.reply()


def _html(text: str) -> object:
    stored = StoredCompletion(Place("k", "s", "q", 0), Completion(text, "stop"), "", None)
    return json.dumps(_sample(stored, DEFAULT_TAGS))


def _view(text: str, length: int = 1500) -> object:
    view = SampleView(sample=0, reasoning=text, answer=text[: len(text) // 2])
    other = SampleView(sample=0, reasoning=text + "!", answer=text[: len(text) // 2])
    shown = side_by_side(
        title="t",
        prompt=[("user", "asked")],
        expected="7",
        sides={"baseline": [view], "candidate": [other]},
        head=length,
        tail=length,
    )
    console = Console(file=io.StringIO(), width=120)
    return console.print(shown)


JOBS: dict[str, Callable[[str], object]] = {
    **{f"grade {kind}": _grader(kind, "stop") for kind in QUESTIONS},
    **{f"grade {kind}, cut off": _grader(kind, "length") for kind in QUESTIONS},
    "split": split,
    "find_loop": find_loop,
    "LoopDetector": lambda text: LoopDetector().feed(text),
    "reasoning_end": lambda text: reasoning_end(text, DEFAULT_TAGS, "stop"),
    "recorded": lambda text: recorded_completion(
        RecordedOutput(text), tags=DEFAULT_TAGS, ends=Ends(budget=1024)
    ),
    "stream, one piece": _stream,
    "stream, 64 a piece": _pieces,
    "parting": lambda text: parting(text, text + "!"),
    "plain": lambda text: plain(text, 1500),
    "plain, all": lambda text: plain(text, 10**9),
    "plain_tail": lambda text: plain_tail(text, 1500),
    "HTML": _html,
    "side by side": _view,
    "side by side, full": lambda text: _view(text, 10**9),
}


def measured(job: Callable[[str], object], text: str) -> tuple[float, float]:
    """Processor seconds, and bytes of memory at most beside the text, in a process of its own."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        Path("/proc/self/clear_refs").write_text("5")
        before = _peak()
        start = time.thread_time()
        try:
            job(text)
        except Exception as error:
            print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr, flush=True)
        os.write(send, f"{time.thread_time() - start} {_peak() - before}".encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        said = pipe.read().split()
    os.waitpid(child, 0)
    return (float(said[0]), float(said[1])) if said else (float("inf"), float("inf"))


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 4])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--piece", default="")
    arguments = parser.parse_args()
    beyond = 0
    worst: dict[str, tuple[float, float]] = {}
    for name, job in JOBS.items():
        if arguments.only not in name:
            continue
        for called, piece in PIECES.items():
            if arguments.piece not in called:
                continue
            rates = []
            for megabytes in arguments.megabytes:
                size = int(megabytes * 1_000_000)
                unit = len(piece.encode("utf-8", "surrogatepass"))
                text = "".join(["<think>x</think>", piece * (size // unit), "y"])
                seconds, memory = measured(job, text)
                rates.append((seconds / megabytes, memory / size))
            bad = any(each[0] > SECONDS or each[1] > MEMORY for each in rates) or (
                rates[-1][0] > 2.5 * rates[0][0] and rates[-1][0] > SECONDS / 5
            )
            beyond += bad
            before = worst.get(name, (0.0, 0.0))
            worst[name] = max(before[0], rates[-1][0]), max(before[1], rates[-1][1])
            if bad or arguments.all:
                told = ", ".join(f"{s:.3f} s {m:.1f} B" for s, m in rates)
                print(f"{'!' if bad else ' '} {name:26} {called:22} {told}", flush=True)
    for name, (seconds, memory) in worst.items():
        print(f"worst of {name:26} {seconds:.3f} s and {memory:5.1f} bytes a byte")
    return min(1, beyond)


if __name__ == "__main__":
    sys.exit(main())
