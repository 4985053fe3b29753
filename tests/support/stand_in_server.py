"""A program that takes llama-server's arguments and answers at once: for tests of processes.

How it answers is said by variables whose names programs inherit that lrmtest starts.
"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from fault_server import FaultServer

HELD_AFTER = 8
"""Requests that are answered while the file exists that LRMTEST_STAND_IN_HELD names, if it is set;
the others wait, so that a test does not have to be faster than a run."""

_HELP = "--jinja --parallel --ctx-size --reasoning-format --skip-chat-parsing --cache-ram"


def install(folder):
    """Put it into `folder` under llama-server's name; the program's path."""
    program = Path(folder) / "llama-server"
    here = str(Path(__file__).parent)
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {here!r})\n"
        "from stand_in_server import main\nmain()\n"
    )
    program.chmod(0o755)
    return program


def answer(prompt, seed):
    """Words that depend on the prompt, and one of four options."""
    words = int(os.environ.get("LRMTEST_STAND_IN_WORDS", "8"))
    return " ".join(f"{len(prompt) * n % 97}" for n in range(words)) + " (ABCD)"[: 3 + seed % 4]


def main():
    if "--version" in sys.argv:
        print("version: 1.2.3 (stand-in)", file=sys.stderr)
        return
    if "--help" in sys.argv:
        print(_HELP)
        return
    parser = argparse.ArgumentParser()
    for name in ("--model", "--alias"):
        parser.add_argument(name)
    for name in ("--port", "--parallel", "--ctx-size"):
        parser.add_argument(name, type=int)
    given, _ = parser.parse_known_args()
    print(f"loading {given.model}", flush=True)
    held, ending = os.environ.get("LRMTEST_STAND_IN_HELD"), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    with FaultServer(
        answer=answer,
        models=(given.alias,),
        owner="llamacpp",
        context_length=given.ctx_size // given.parallel,
        slots=given.parallel,
        key=os.environ["LLAMA_API_KEY"],
        port=given.port,
        delay=float(os.environ.get("LRMTEST_STAND_IN_DELAY", "0")),
        enough=HELD_AFTER if held else None,
    ) as server:
        print("ready", flush=True)
        while not ending.wait(0.05):
            if held and not Path(held).exists():
                server.go_on.set()
