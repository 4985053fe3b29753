"""`lrmtest serve`: keep a model's server up, or a fleet of them, for runs to come."""

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
from lrmtest.counted import counted
from lrmtest.errors import LrmtestError, MachineryError, UsageError
from lrmtest.inherited import inherited_environment
from lrmtest.models.engines.http.keys import key_variable
from lrmtest.models.engines.server.planned_tokens import smallest_context, stand_ins
from lrmtest.models.engines.server.warm_keeper import (
    keep,
    log_file,
    refuse_second,
    served_engine,
    stop,
)
from lrmtest.models.engines.server.warm_records import (
    WarmRecord,
    ask_for_replicas,
    warm_record,
    warm_records,
)
from lrmtest.models.fetch.files import fetch
from lrmtest.models.fleet.cluster import LOCAL, require_ray
from lrmtest.models.fleet.keeper import FleetSize, fleet_key, keep_fleet
from lrmtest.models.local import measure
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec
from lrmtest.options.common import add_model_options, at_least_0, at_least_1, read_cards
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
        "`pytest --model NAME` with the same engine options uses it while it runs. With --ray, "
        "start replicas of it on a Ray cluster, or on this machine.",
    )
    parser.add_argument("model", metavar="NAME", nargs="?", help="as for pytest's --model")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--list", action="store_true", help="list the servers that are kept up")
    which.add_argument("--stop", action="store_true", help="stop NAME's server; without NAME, all")
    which.add_argument(
        "--scale", type=at_least_1, metavar="N", help="let NAME's fleet have N replicas from now on"
    )
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
    _add_fleet_options(parser.add_argument_group("a fleet"))
    parser.set_defaults(run=_serve)


def _add_fleet_options(group: Any) -> None:
    group.add_argument(
        "--ray",
        action="store_true",
        help="have Ray Serve keep replicas up, which runs ask as --model NAME=replicas:FILE",
    )
    group.add_argument(
        "--replicas", type=at_least_1, metavar="N", help="how many of them (default: 1)"
    )
    group.add_argument(
        "--gpus",
        type=at_least_0,
        metavar="N",
        help="GPUs of each replica (default: by the parallel sizes where the cluster has GPUs)",
    )
    group.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="the cluster: HOST:PORT, or auto for the one that this machine is part of (default: "
        "RAY_ADDRESS, else one on this machine that ends with the fleet)",
    )


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.list:
        return _list()
    if arguments.stop:
        return _stop(arguments.model)
    if arguments.model is None:
        raise UsageError("which model is to be served?", hint="lrmtest serve NAME")
    if arguments.scale is not None:
        return _scale(arguments.model, arguments.scale)
    _refuse_fleet_options(arguments)
    if pipe := os.environ.pop(_TOLD_BY, ""):
        return _serve_in_background(arguments, int(pipe))
    if arguments.foreground:
        _keep(_chosen(arguments, say), arguments, say, say)
        return 0
    return _start_in_background(arguments)


def _refuse_fleet_options(arguments: argparse.Namespace) -> None:
    if arguments.ray:
        require_ray()
        fleet_key(_chosen(arguments, lambda _: None).name)
        return
    given = {"--replicas": arguments.replicas, "--gpus": arguments.gpus}
    given["--ray-address"] = arguments.ray_address
    for option, value in given.items():
        if value is not None:
            raise UsageError(f"{option} is of a fleet", hint="add --ray")


def _chosen(arguments: argparse.Namespace, tell: Tell) -> ModelSpec:
    """The model, if its engine has a server to keep up and none is kept up."""
    cards = read_cards(arguments)
    spec = resolve(arguments.model, cards, engine=arguments.engine)
    for notice in spec.notices:
        tell(notice)
    served_engine(spec, read_server_options(arguments))
    refuse_second(spec.name)
    return spec


def _found(spec: ModelSpec, tell: Tell) -> ModelSpec:
    """The model, its files on disk."""
    return replace(spec, location=str(fetch(spec, tell=tell)))


def _keep(
    chosen: ModelSpec, arguments: argparse.Namespace, tell: Tell, ready: Callable[[str], None]
) -> None:
    """Keep it up until it is told to stop; `ready` is given what is said of it then."""
    spec = _found(chosen, tell)
    options = read_server_options(arguments)
    planned = stand_ins(
        arguments.max_tokens or spec.card.max_tokens,
        smallest_context(spec.card, measure(Path(spec.location))),
        arguments.concurrency or _MOST_AT_ONCE,
    )
    if arguments.ray:
        size = FleetSize(
            arguments.replicas or 1,
            arguments.gpus,
            arguments.ray_address or os.environ.get("RAY_ADDRESS") or LOCAL,
        )
        keep_fleet(
            # Each machine looks for the model's files itself.
            *(chosen, options, planned, size),
            lambda record, up: ready(_fleet_text(record, up)),
        )
    else:
        keep(spec, options, planned, lambda record: ready(_ready_text(record)))


def _fleet_text(record: WarmRecord, up: int) -> str:
    there = counted(record.replicas, "replica")
    there = there if up >= record.replicas else f"{up} of {there}"
    return (
        f"{record.model}: {there} on Ray ({_sizes(record)}), "
        f"ready after {record.load_seconds:.1f} s\n"
        f"  ask them:     pytest ... --model {record.model}={record.location}\n"
        f"  have N:       lrmtest serve --scale N {record.model}\n"
        f"  stop them:    lrmtest serve --stop {record.model}\n"
        f"  what came up: {record.log}"
    )


def _ready_text(record: WarmRecord) -> str:
    return (
        f"{record.model}: served at {record.location} ({_sizes(record)}), "
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
    # What takes long or goes wrong here is seen at once.
    spec = _found(_chosen(arguments, say), say)
    say(f"{spec.name}: starting the {spec.engine} engine (log: {log_file(spec.name)})")
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "lrmtest", *arguments.words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # It lives on, and has no use for the keys of other services.
        env={
            **inherited_environment((*arguments.engine_env, *_keys(arguments, spec))),
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


def _keys(arguments: argparse.Namespace, spec: ModelSpec) -> tuple[str, ...]:
    """Further variables for the process that keeps it up, which servers do not get."""
    fetching = ("HF_TOKEN", "PIP_*")
    if not arguments.ray:
        return fetching
    return (*fetching, key_variable(spec.name), "RAY_AUTH_*")


def _serve_in_background(arguments: argparse.Namespace, pipe: int) -> int:
    os.set_inheritable(pipe, False)  # the server must not hold it open
    with os.fdopen(pipe, "w", encoding="utf-8") as waiting:

        def tell(**what: object) -> None:
            with suppress(OSError, ValueError):  # closed before, or nobody waits any more
                json.dump(what, waiting)
                waiting.close()

        try:
            _keep(
                *(_chosen(arguments, lambda _: None), arguments, lambda _: None),
                lambda text: tell(ready=text),
            )
        except LrmtestError as error:
            tell(error=error.message, hint=error.hint, usage=is_mistake(error))
            return 1
    return 0


def _list() -> int:
    records = warm_records()
    for record in records:
        hours = (time.time() - record.since) / 3600
        several = f"{counted(record.replicas, 'replica')}, " if record.replicas else ""
        say(
            f"{record.model}: {record.location}, {several}{_sizes(record)}, up for {hours:.1f} h, "
            f"process {record.pid}, log {record.log}"
        )
    if not records:
        say("no server is kept up")
    return 0


def _scale(model: str, count: int) -> int:
    record = _kept(model)
    if not record.replicas:
        raise UsageError(
            f"{model} has one server, which is no fleet",
            hint=f"lrmtest serve --stop {model}, then serve it with --ray",
        )
    ask_for_replicas(record, count)
    say(f"{model}: {counted(count, 'replica')} from now on; runs ask them as they come")
    return 0


def _kept(model: str) -> WarmRecord:
    if record := warm_record(model):
        return record
    names = ", ".join(each.model for each in warm_records())
    raise UsageError(
        f"no server is kept up for model {model!r}",
        hint=f"there is one for: {names}" if names else "lrmtest serve --list lists them",
    )


def _stop(model: str | None) -> int:
    records = warm_records() if model is None else [_kept(model)]
    for each in records:
        stop(each)
        say(f"{each.model}: stopped")
    if not records:
        say("no server is kept up")
    return 0
