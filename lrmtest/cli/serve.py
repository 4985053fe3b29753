"""`lrmtest serve`: keep a model's server up, so that runs need not load it each time."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrmtest.cli.output import say
from lrmtest.errors import LrmtestError, MachineryError, UsageError
from lrmtest.inherited import inherited_environment
from lrmtest.models.engines.server.planned_tokens import smallest_context, stand_ins
from lrmtest.models.engines.server.warm_keeper import keep, log_file, served_engine, stop
from lrmtest.models.engines.server.warm_records import WarmRecord, warm_record, warm_records
from lrmtest.models.fetch.files import fetch
from lrmtest.models.local import measure
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec
from lrmtest.options.common import add_model_options, at_least_1, read_cards
from lrmtest.options.engine import add_server_options, read_server_options
from lrmtest.options.exit_codes import is_mistake
from lrmtest.progress import Tell

_MOST_AT_ONCE = 64  # more than any engine's default
_TOLD_BY = "LRMTEST_SERVE_PIPE"
"""Names the pipe through which the keeping process tells how its start went."""


def add_commands(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "serve",
        help="keep a model's server up for runs to come",
        description="Start the server of a vllm or llamacpp model in the background. "
        "`pytest --model NAME` with the same engine options uses it while it runs.",
    )
    parser.add_argument("model", metavar="NAME", nargs="?", help="as for pytest's --model")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--list", action="store_true", help="list the servers that are kept up")
    which.add_argument("--stop", action="store_true", help="stop NAME's server; without NAME, all")
    which.add_argument(
        "--foreground",
        action="store_true",
        help="stay in the foreground until Ctrl-C, for a service manager or a container",
    )
    add_model_options(parser.add_argument)
    parser.add_argument(
        "--max-tokens",
        type=at_least_1,
        metavar="N",
        help="largest token budget that runs will ask for (default: the model card's, else 32768 "
        "or what the model's context allows)",
    )
    add_server_options(parser.add_argument)
    parser.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.list:
        return _list()
    if arguments.stop:
        return _stop(arguments.model)
    if arguments.model is None:
        raise UsageError("which model is to be served?", hint="lrmtest serve NAME")
    if pipe := os.environ.pop(_TOLD_BY, ""):
        return _serve_in_background(arguments, int(pipe))
    if arguments.foreground:
        spec = _found(arguments, say)
        _keep(spec, arguments, lambda record: say(_ready_text(record)))
        return 0
    return _start_in_background(arguments)


def _found(arguments: argparse.Namespace, tell: Tell) -> ModelSpec:
    """The model, its files on disk, if its engine has a server to keep up."""
    cards = read_cards(arguments)
    spec = resolve(arguments.model, cards, engine=arguments.engine)
    for notice in spec.notices:
        tell(notice)
    served_engine(spec, read_server_options(arguments))
    return replace(spec, location=str(fetch(spec, tell=tell)))


def _keep(
    spec: ModelSpec, arguments: argparse.Namespace, ready: Callable[[WarmRecord], None]
) -> None:
    planned = stand_ins(
        arguments.max_tokens or spec.card.max_tokens,
        smallest_context(spec.card, measure(Path(spec.location))),
        arguments.concurrency or _MOST_AT_ONCE,
    )
    keep(spec, read_server_options(arguments), planned, ready)


def _ready_text(record: WarmRecord) -> str:
    return (
        f"{record.model}: served at {record.address.url} ({_sizes(record)}), "
        f"ready after {record.load_seconds:.1f} s\n"
        f"  use it:  pytest ... --model {record.model}, with the same engine options\n"
        f"  stop it: lrmtest serve --stop {record.model}\n"
        f"  its log: {record.log}"
    )


def _sizes(record: WarmRecord) -> str:
    at_once = f"{record.concurrency} at once, " if record.concurrency else ""
    return f"{record.engine}, {at_once}{record.context} tokens each"


# The command that the user gives waits for the one that it starts, which lives on.


def _start_in_background(arguments: argparse.Namespace) -> int:
    spec = _found(arguments, say)  # what takes long or goes wrong here is seen at once
    say(f"{spec.name}: starting the {spec.engine} engine (log: {log_file(spec.name)})")
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "lrmtest", *arguments.words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # It lives on, and has no use for the keys of other services.
        env={
            **inherited_environment((*arguments.engine_env, "HF_TOKEN", "PIP_*")),
            _TOLD_BY: str(write),
        },
        pass_fds=(write,),
        start_new_session=True,
    )
    os.close(write)
    try:
        with os.fdopen(read, encoding="utf-8") as pipe:
            told = json.loads(pipe.read() or "{}")
    except BaseException:  # Ctrl-C above all: nobody waits for the server any more
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait()
        raise
    if text := told.get("ready"):
        say(text)
        return 0
    process.wait()
    kind = UsageError if told.get("usage") else MachineryError
    raise kind(
        told.get("error", f"the process that keeps the server ended, exit {process.returncode}"),
        hint=told.get("hint"),
    )


def _serve_in_background(arguments: argparse.Namespace, pipe: int) -> int:
    os.set_inheritable(pipe, False)  # the server must not hold it open
    with os.fdopen(pipe, "w", encoding="utf-8") as waiting:

        def tell(**what: object) -> None:
            with suppress(OSError, ValueError):  # closed before, or nobody waits any more
                json.dump(what, waiting)
                waiting.close()

        try:
            _keep(
                _found(arguments, lambda _: None),
                arguments,
                lambda record: tell(ready=_ready_text(record)),
            )
        except LrmtestError as error:
            tell(error=error.message, hint=error.hint, usage=is_mistake(error))
            return 1
    return 0


def _list() -> int:
    records = warm_records()
    for record in records:
        hours = (time.time() - record.since) / 3600
        say(
            f"{record.model}: {record.address.url}, {_sizes(record)}, up for {hours:.1f} h, "
            f"process {record.pid}, log {record.log}"
        )
    if not records:
        say("no server is kept up")
    return 0


def _stop(model: str | None) -> int:
    records = warm_records()
    if model is not None:
        record = warm_record(model)
        if record is None:
            names = ", ".join(each.model for each in records)
            raise UsageError(
                f"no server is kept up for model {model!r}",
                hint=f"there is one for: {names}" if names else "lrmtest serve --list lists them",
            )
        records = [record]
    for each in records:
        stop(each)
        say(f"{each.model}: stopped")
    if not records:
        say("no server is kept up")
    return 0
