"""Commands in processes of their own that need not import torch and transformers again.

Importing them takes some seconds of a processor, more than most of what a small model is asked for.
One process imports them for the first, and nothing else: each command is run in a fork of it, which
imports lrmtest, pytest and all else itself, and ends as any process does.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

_IMPORTED = ("torch", "transformers.modeling_utils")


class Prepared:
    """A process that waits for commands, one at a time."""

    def __enter__(self) -> Prepared:
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, module: str, *words: object) -> tuple[int, str]:
        """``python -m module words``, in this process's folder and with its environment.

        Returns:
            Its exit status, negative when a signal ended it, and all that it printed.
        """
        with tempfile.NamedTemporaryFile("r") as printed:
            told = {
                "words": [module, *map(str, words)],
                "folder": str(Path.cwd()),
                "environment": dict(os.environ),
                "output": printed.name,
            }
            print(json.dumps(told), file=self._process.stdin, flush=True)
            status = int(self._process.stdout.readline())
            return status, printed.read()


def _serve() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        for name in _IMPORTED:
            importlib.import_module(name)
        child = os.fork()
        if child == 0:
            _become(command)
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(command: dict) -> None:
    """What `python -m` would be, in this process."""
    module, *words = command["words"]
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    output = os.open(command["output"], os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for theirs, own in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(theirs, own)
    sys.argv = [module, *words]
    sys.path[:0] = [command["folder"], *filter(None, os.environ.get("PYTHONPATH", "").split(":"))]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
