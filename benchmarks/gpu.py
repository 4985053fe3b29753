"""A machine with a GPU, measured in one command: start-up, rate, engines, batching, reading.

    python benchmarks/gpu.py --dummy-8b --vllm /path/to/bin/vllm [--minutes 14] [--json gpu.json]
    python benchmarks/gpu.py --model FOLDER --vllm /path/to/bin/vllm --only start rate

Parts, in the order of what they tell; each is given a share of --minutes, and one that fails loses
nothing of the others:

- start: the server that lrmtest starts, cold (with empty compile caches) and warm, seconds to
  ready. --dummy-8b is Llama-3.1-8B's shape with random weights, written here.
- rate: rate.py against the warm one, with one token an event as any endpoint sends them
  (--stream-interval 1): 512 prompts of 512 tokens, 256 in flight.
- questions: tiny-lrm's generated questions on transformers, vLLM and, where it is installed,
  llama-server: the same verdicts?
- batching: transformers_batching.py, the transformers engine's ways at 3M, 135M and 8B.
- reading: reading_devices.py, traces read in float32 and 16 bits beside the CPU's float32, and
  drafts.py, samples from drafts beside plain ones.
- joined: as rate, with the server as lrmtest starts it.
- prune: prune_gpu.py, SparseGPT of a whole 8B; with --only prune --minutes 40, for instance.

Everything is printed and written as JSON after each part. Small numbers try the whole way on a CPU:
--dummy-tiny --questions 8 --tokens 16 --in-flight 4.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from dummy_model import SHAPES, write_dummy_model
from measured_server import NAME

from lrmtest.errors import LrmtestError
from lrmtest.models.cards import load_cards
from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.server.readiness import free_port
from lrmtest.models.engines.vllm_engine import VllmEngine
from lrmtest.models.hardware import this_machine
from lrmtest.models.programs.llamacpp import find_llama_server
from lrmtest.models.programs.vllm import VARIABLE, find_vllm
from lrmtest.models.resolve import resolve
from lrmtest.questions.place import Place

HERE = Path(__file__).parent
FAMILIES = ("temporal", "arithmetic", "hops")
_PROMPT_CHARS = 400
_LOG_LINES = 40


class PartError(Exception):
    """A part that cannot give its figures, and why.

    Attributes:
        printed: what its command had printed until then.
    """

    def __init__(self, why: str, printed: str = "") -> None:
        super().__init__(why)
        self.printed = printed


@dataclass
class Session:
    """What the parts share.

    Attributes:
        options: of the command line.
        folder: for everything that is written on the way.
        model: the folder with the model that vLLM serves.
        until: when the time is over, of `time.monotonic`.
        found: what is written as JSON.
    """

    options: argparse.Namespace
    folder: Path
    model: Path
    until: float
    found: dict[str, Any] = field(default_factory=dict)

    def left(self, most: float) -> float:
        """Seconds that something may take."""
        return max(min(most, self.until - time.monotonic()), 1.0)

    def write(self) -> None:
        """Write what is there."""
        Path(self.options.json).write_text(json.dumps(self.found, indent=1) + "\n")


def run(session: Session, most: float, *command: str) -> str:
    """Run a command, showing what it prints; its output.

    Raises:
        PartError: it failed, or took longer than it may.
    """
    limit = session.left(most)
    print("$", " ".join(Path(word).name if i < 2 else word for i, word in enumerate(command)))
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status: int | None = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end_group(process)
        output.seek(0)
        said = output.read().decode(errors="replace")
    print(said, flush=True)
    if status is None:
        raise PartError(f"not done after {limit:.0f} s", said)
    if status:
        raise PartError(f"ended with {status}", said)
    return said


def _end_group(process: subprocess.Popen[bytes], patience: float = 20) -> None:
    """End a process and all that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            process.poll()
            try:
                os.killpg(process.pid, 0)
            except (ProcessLookupError, PermissionError):
                break
            time.sleep(0.1)
    process.wait()


@contextmanager
def vllm_server(
    session: Session, caches: Path, *more: str
) -> Iterator[tuple[str, float, list[str]]]:
    """The server as lrmtest starts it for this load; its URL, seconds to ready, and arguments.

    Args:
        session: names the model.
        caches: what is compiled is looked for, and kept, there.
        more: further arguments, which win.

    Raises:
        PartError: it does not start, with the end of its log.
    """
    options = session.options
    spec = replace(resolve(f"{NAME}={session.model}", load_cards()), engine="vllm")
    sampling = Sampling(options.tokens, options.temperature, 1.0)
    messages = (Message("user", "x" * _PROMPT_CHARS),)
    request = Request(Place("gpu", "bench", "q", 0), messages, sampling, 0)
    arguments = ("--load-format=dummy",) if options.dummy else ()
    arguments += (*options.engine_arg, *more)
    chosen = EngineOptions(concurrency=options.in_flight, engine_args=arguments)
    launch = VllmEngine(spec, chosen).plan([request])
    port = free_port()
    command = launch.command(port, NAME)
    environment = {
        **os.environ,
        **launch.environment,
        "VLLM_CACHE_ROOT": str(caches / "vllm"),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        "TRITON_CACHE_DIR": str(caches / "triton"),
    }
    log = session.folder / f"server-{port}.log"
    print("$", " ".join(command), flush=True)
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(session, process, f"http://127.0.0.1:{port}", log)
        try:
            yield f"http://127.0.0.1:{port}/v1", time.monotonic() - begun, command
        except PartError as error:
            if process.poll() is None:
                raise
            words = f"{error}; the server had ended with {process.returncode}:\n{_end_of(log)}"
            raise PartError(words, error.printed) from None
    finally:
        _end_group(process)


def _wait_until_ready(
    session: Session, process: subprocess.Popen[bytes], url: str, log: Path
) -> None:
    deadline = time.monotonic() + session.left(session.options.start_limit)
    while True:
        if process.poll() is not None:
            raise PartError(f"the server ended with {process.returncode}:\n{_end_of(log)}")
        if time.monotonic() > deadline:
            raise PartError(f"the server was not ready in time:\n{_end_of(log)}")
        try:
            if httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def start(session: Session) -> Mapping[str, Any]:
    """Seconds to ready, cold and warm."""
    figures: dict[str, Any] = {}
    caches = session.folder / "caches"
    for name in ("cold", "warm"):
        with vllm_server(session, caches) as (_, seconds, command):
            figures[name] = round(seconds, 1)
            figures["command"] = command
        print(f"start, {name}: {seconds:.1f} s", flush=True)
    return figures


def rate(session: Session) -> Mapping[str, Any]:
    """The figures of rate.py, with one token an event."""
    return _rate(session, "--stream-interval=1")


def joined(session: Session) -> Mapping[str, Any]:
    """The figures of rate.py, with the server as lrmtest starts it."""
    return _rate(session)


def _rate(session: Session, *more: str) -> Mapping[str, Any]:
    options = session.options
    with vllm_server(session, session.folder / "caches", *more) as (url, seconds, command):
        print(f"ready after {seconds:.1f} s", flush=True)
        path = session.folder / "rate.json"
        peers = ("--peers", *options.peers) if options.peers else ()
        run(
            *(session, options.rate_limit, sys.executable, str(HERE / "rate.py")),
            *("--url", url, "--model", NAME, f"--questions={options.questions}"),
            *(f"--tokens={options.tokens}", f"--in-flight={options.in_flight}"),
            *(f"--temperature={options.temperature}", f"--rounds={options.rounds}"),
            *("--limit=300", "--json", str(path), *peers),
        )
        (figures,) = json.loads(path.read_text())
        return {"start": round(seconds, 1), "command": command, **figures}


def questions(session: Session) -> Mapping[str, Any]:
    """tiny-lrm's questions on every engine that is here."""
    engines = ["transformers"]
    for name, find in (("vllm", find_vllm), ("llamacpp", find_llama_server)):
        try:
            find()
            engines.append(name)
        except LrmtestError as error:
            print(f"without {name}: {error}")
    path = session.folder / "engines.json"
    run(
        *(session, session.options.part_limit, sys.executable, str(HERE / "engines.py")),
        *("--model", "tiny-lrm", "--suites", *FAMILIES, "--max-tokens", "512"),
        *("--questions", str(session.options.each_family), "--dtype", "bfloat16"),
        *("--concurrency", "64", "--no-workers", "--engines", *engines, "--json", str(path)),
    )
    figures = json.loads(path.read_text())
    if missing := [name for name in engines if name not in figures["engines"]]:
        figures["error"] = f"no figures of {', '.join(missing)}: see above"
    return figures


def batching(session: Session) -> Mapping[str, Any]:
    """Ways to batch with transformers."""
    small = ("--quick",) if session.options.device == "cpu" else ()
    options = ("--device", session.options.device, *small)
    return _script(session, session.options.part_limit, "transformers_batching.py", *options)


def reading(session: Session) -> Mapping[str, Any]:
    """Traces read, and gone on from, where the samples are computed."""
    device = ("--device", session.options.device)
    most = session.options.part_limit
    small = ("--questions", "2") if session.options.device == "cpu" else ()
    read = _script(session, most, "reading_devices.py", *device, *small)
    few = ("--samples", "25", "--sparsities", "0.75", *device, *small)
    return {"read": read["printed"], "drafts": _script(session, most, "drafts.py", *few)["printed"]}


def prune(session: Session) -> Mapping[str, Any]:
    """SparseGPT of a whole 8B, which may take all the time that is left."""
    on_cpu = ("--shape", "tiny", "--samples", "8", "--tokens", "64")
    small = on_cpu if session.options.device == "cpu" else ()
    return _script(session, math.inf, "prune_gpu.py", *small)


def _script(session: Session, most: float, name: str, *arguments: str) -> Mapping[str, Any]:
    """What another benchmark prints."""
    path = HERE / name
    if not path.exists():
        raise PartError(f"there is no benchmarks/{name}")
    said = run(session, most, sys.executable, str(path), *arguments)
    return {"printed": said.splitlines()}


PARTS: dict[str, Callable[[Session], Mapping[str, Any]]] = {
    "start": start,
    "rate": rate,
    "questions": questions,
    "batching": batching,
    "reading": reading,
    "joined": joined,
    "prune": prune,
}


def machine() -> dict[str, Any]:
    """What was measured on."""
    found = this_machine().to_json()
    try:
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        found["driver"] = subprocess.run(query, capture_output=True, text=True).stdout.strip()
    except OSError:
        pass
    try:
        found["vllm"] = find_vllm().version
    except LrmtestError as error:
        found["vllm"] = f"none: {error}"
    return {**found, "date": time.strftime("%Y-%m-%d")}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", metavar="FOLDER", help="with safetensors, for vLLM")
    which.add_argument("--dummy-8b", dest="dummy", action="store_const", const="8b")
    which.add_argument("--dummy-tiny", dest="dummy", action="store_const", const="tiny")
    parser.add_argument("--vllm", metavar="PATH", help=f"the program; else {VARIABLE}, or PATH")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--minutes", type=float, default=14, help="for all parts together")
    parser.add_argument("--json", default="gpu.json", metavar="FILE")
    parser.add_argument("--questions", type=int, default=512, help="of the rate")
    parser.add_argument("--tokens", type=int, default=512, help="of an answer")
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--each-family", type=int, default=20, help="questions for tiny-lrm")
    parser.add_argument("--peers", nargs="+", default=(), metavar="FOLDER", help="as of rate.py")
    parser.add_argument("--device", default="cuda", help="of the scripts that compute here")
    parser.add_argument(
        "--engine-arg", action="append", default=[], metavar="ARG", help="for vLLM, further ones"
    )
    parser.add_argument("--start-limit", type=float, default=240, help="seconds of one start")
    parser.add_argument("--rate-limit", type=float, default=300, help="seconds of one table")
    parser.add_argument("--part-limit", type=float, default=150, help="seconds of another part")
    return parser


def main() -> None:
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C does: servers are stopped
    if options.vllm:
        os.environ[VARIABLE] = options.vllm
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = Path(options.model or folder / "model")
        session = Session(options, folder, model, time.monotonic() + 60 * options.minutes)
        session.found = {"machine": machine(), "options": vars(options), "parts": {}}
        print(json.dumps(session.found["machine"]), flush=True)
        if options.dummy:
            write_dummy_model(model, SHAPES[options.dummy])
        for part in (part for part in PARTS if part in options.only):
            print(f"\n== {part}", flush=True)
            begun = time.monotonic()
            result: dict[str, Any] = {}
            try:
                if time.monotonic() > session.until:
                    raise PartError("no time was left")
                result = dict(PARTS[part](session))
            except PartError as error:
                result = {"error": str(error), "printed": error.printed.splitlines()}
            except LrmtestError as error:
                result = {"error": str(error)}
            except Exception:
                result = {"error": traceback.format_exc()}
            if "error" in result:
                print(f"{part} failed: {result['error']}", flush=True)
            result["part_seconds"] = round(time.monotonic() - begun, 1)
            session.found["parts"][part] = result
            session.write()
        summary(session.found)
    sys.exit(any("error" in result for result in session.found["parts"].values()))


def summary(found: Mapping[str, Any]) -> None:
    """The figures that matter, a line each."""
    print("\n== summary")
    for part, result in found["parts"].items():
        seconds = f"({result['part_seconds']:.0f} s)"
        if "error" in result:
            lines = result["error"].strip().splitlines() or [""]
            print(f"{part}: FAILED {seconds}: {re.sub(chr(10), ' ', lines[0])}")
        elif part == "start":
            print(f"start: cold {result['cold']} s, warm {result['warm']} s {seconds}")
        elif "rows" in result:
            for row in result["rows"]:
                print(
                    f"{part}: {row['contender']}: {row['rate']:.0f} tokens/s, "
                    f"{row.get('ratio', 1):.3f} of bare, {row['cpu_per_token']:.1f} us a token"
                )
        elif part == "questions":
            for engine, row in result["engines"].items():
                timing = row["timing"]
                print(
                    f"questions: {engine}: {row['passed']} of {row['questions']} passed, "
                    f"{timing['tokens_per_second']:.0f} tokens/s, start-up "
                    f"{timing['startup_seconds']:.1f} s"
                )
            for pair in result["agreement"]:
                print(
                    f"questions: {' and '.join(pair['engines'])}: {pair['verdicts']} of "
                    f"{pair['questions']} verdicts the same, {pair['texts']} texts"
                )
        else:
            print(f"{part}: done {seconds}")


if __name__ == "__main__":
    main()
