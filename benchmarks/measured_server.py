"""A server that benchmarks ask: llama-server or vLLM, with its own counts of tokens and of work."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from lrmtest.models.engines.server.readiness import free_port
from lrmtest.models.programs.llamacpp import find_llama_server

NAME = "bench"
"""The model's name on the server."""


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """What `asked_for` reads."""
    parser.add_argument("model", help="a GGUF file; a folder of safetensors for vLLM")
    parser.add_argument("--vllm", metavar="PYTHON", help="serve with this Python's vLLM")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--threads", type=int, help="of the server; its own choice when left out")


@dataclass
class Server:
    """The server that all of them ask."""

    url: str
    tokens_metric: str
    running_metric: str
    # Kept, since a new one for each question of it takes as long as some tokens do.
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=600))

    def metrics(self) -> tuple[int, float]:
        """Tokens generated since it started, and requests running now."""
        text = self._client.get(f"{self.url.removesuffix('/v1')}/metrics").text
        return int(self._sum(text, self.tokens_metric)), self._sum(text, self.running_metric)

    @staticmethod
    def _sum(text: str, metric: str) -> float:
        return sum(
            float(value) for value in re.findall(rf"^{metric}(?:{{.*}})? (\S+)$", text, re.M)
        )


@dataclass
class Busy:
    """Watches how many tokens a server makes, and from when to when it is busy."""

    server: Server
    tokens: int = 0
    seconds: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Busy:
        self._before = self.server.metrics()[0]
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.tokens = self.server.metrics()[0] - self._before

    def _watch(self) -> None:
        first = last = None
        while not self._stop.wait(0.2):
            if self.server.metrics()[1]:
                last = time.perf_counter()
                first = first or last
        self.seconds = (last - first) if first and last else 0.0


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
        server = Server(f"{url}/v1", "vllm:generation_tokens_total", "vllm:num_requests_running")
    else:
        program = find_llama_server()
        command = [str(program.path), "--model", model, "--alias", NAME]
        command += ["--parallel", str(concurrency), "--metrics"]
        command += [] if prompt_cache else ["--no-cache-prompt"]
        command += ["--threads", str(threads)] if threads else []
        command += ["--ctx-size", str(concurrency * 1024)]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        environment = dict(program.environment)
        server = Server(
            f"{url}/v1", "llamacpp:tokens_predicted_total", "llamacpp:requests_processing"
        )
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
