"""A server that benchmarks ask: llama-server, vLLM or a stand-in, with its own count of tokens."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from lrmtest.models.engines.server.readiness import free_port
from lrmtest.models.programs.llamacpp import find_llama_server

NAME = "bench"
"""The model's name on the server."""


_STAND_IN_METRICS = {
    "cpu": "process_cpu_seconds_total",
    "last_token_at": "stand_in:last_token_timestamp_seconds",
    "late_seconds": "stand_in:late_seconds_total",
    "ticks": "stand_in:ticks_total",
}


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """What `asked_for` reads."""
    parser.add_argument("model", help="a GGUF file; a folder of safetensors for vLLM")
    parser.add_argument("--vllm", metavar="PYTHON", help="serve with this Python's vLLM")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--threads", type=int, help="of the server; its own choice when left out")


class GoneError(Exception):
    """The server does not answer."""


@dataclass
class Server:
    """The server that all of them ask.

    Attributes:
        url: with ``/v1``.
        tokens_metric, running_metric: what its /metrics calls the tokens that it has generated,
            and the requests that it works on.
        name: the model's.
        look_seconds: how often it may be asked for its metrics: a real one does nothing else
            meanwhile.
        stand_in: it is gpu_stand_in.py, which tells more of itself.
    """

    url: str
    tokens_metric: str
    running_metric: str
    name: str = NAME
    look_seconds: float = 0.5
    stand_in: bool = False
    # Kept, since a new one for each question of it takes as long as some tokens do.
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=600))

    def metrics(self) -> tuple[int, float]:
        """Tokens generated since it started, and requests running now; GoneError if it is gone."""
        text = self._text()
        return int(self._sum(text, self.tokens_metric)), self._sum(text, self.running_metric)

    def counters(self) -> dict[str, float]:
        """Its ``tokens``; of a stand-in also ``cpu``, its own seconds, and how late it was."""
        text = self._text()
        found = {"tokens": self._sum(text, self.tokens_metric)}
        if self.stand_in:
            for name, metric in _STAND_IN_METRICS.items():
                found[name] = self._sum(text, metric)
        return found

    def _text(self) -> str:
        try:
            return self._client.get(f"{self.url.removesuffix('/v1')}/metrics").text
        except httpx.HTTPError as error:
            raise GoneError(
                f"the server at {self.url} does not tell its metrics: {error}"
            ) from None

    @staticmethod
    def _sum(text: str, metric: str) -> float:
        return sum(
            float(value) for value in re.findall(rf"^{metric}(?:{{.*}})? (\S+)$", text, re.M)
        )


def at(url: str, name: str) -> Server:
    """The server that is running at `url`.

    Raises:
        GoneError: nothing answers there.
        SystemExit: it counts no tokens at /metrics that are known here.
    """
    server = _vllm_at(url, name)
    text = server._text()
    if f"\n{server.tokens_metric}" in text:
        return server
    server = _llama_at(url, name)
    if f"\n{server.tokens_metric}" in text:
        return server
    sys.exit(f"{url} has no /metrics like vLLM's or llama-server's (llama-server --metrics)")


def _vllm_at(url: str, name: str = NAME) -> Server:
    return Server(url, "vllm:generation_tokens_total", "vllm:num_requests_running", name)


def _llama_at(url: str, name: str = NAME) -> Server:
    tokens, running = "llamacpp:tokens_predicted_total", "llamacpp:requests_processing"
    return Server(url, tokens, running, name)


@contextmanager
def stand_in(*arguments: str) -> Iterator[Server]:
    """gpu_stand_in.py with these arguments, in a process of its own."""
    program = Path(__file__).with_name("gpu_stand_in.py")
    command = [sys.executable, str(program), "--name", NAME, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            sys.exit("the stand-in ended")
        yield replace(_vllm_at(url), look_seconds=0.1, stand_in=True)
    finally:
        process.terminate()
        process.wait()


def asked_for(
    options: argparse.Namespace, *, prompt_cache: bool = False
) -> AbstractContextManager[Server]:
    """The server that the options describe; see `serving`."""
    return serving(
        options.model,
        options.concurrency,
        vllm=options.vllm,
        threads=options.threads,
        prompt_cache=prompt_cache,
    )


@contextmanager
def serving(
    model: str,
    concurrency: int,
    *,
    vllm: str | None = None,
    threads: int | None = None,
    prompt_cache: bool = False,
    port: int | None = None,
) -> Iterator[Server]:
    """The server, up, at `port` or a free one; all of its processes are gone afterwards.

    Prompts seen before are computed again unless `prompt_cache` is set.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    if vllm:
        command = [vllm, "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--model", model, "--served-model-name", NAME, "--dtype", "float32"]
        command += ["--max-model-len", "2048", "--max-num-seqs", str(concurrency)]
        command += [] if prompt_cache else ["--no-enable-prefix-caching"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        environment = {"VLLM_CPU_KVCACHE_SPACE": "4"}
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        server = _vllm_at(f"{url}/v1")
    else:
        program = find_llama_server()
        command = [str(program.path), "--model", model, "--alias", NAME]
        command += ["--parallel", str(concurrency), "--metrics"]
        command += [] if prompt_cache else ["--no-cache-prompt"]
        command += ["--threads", str(threads)] if threads else []
        command += ["--ctx-size", str(concurrency * 1024)]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        environment = dict(program.environment)
        server = _llama_at(f"{url}/v1")
    log = Path(tempfile.gettempdir()) / f"benchmark-server-{secrets.token_hex(4)}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(600):
            if process.poll() is not None:
                sys.exit(f"the server ended; its output is in {log}")
            try:
                if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.5)
        yield server
        log.unlink()
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:  # it finishes what was asked of it, however long
            process.kill()
            process.wait()
