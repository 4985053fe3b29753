"""The batch job of docs/fleet-slurm.md, without a batch system: what it writes, and when."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from processes import alive, gone, servers, wait_for

from lrmtest.models.cards import load_cards
from lrmtest.models.fetch.files import fetch
from lrmtest.models.resolve import resolve

JOB = Path(__file__).parents[3] / "docs" / "examples" / "fleet" / "replicas.sbatch"


@pytest.mark.engine
@pytest.mark.timeout(600)
def test_a_replica_is_named_while_it_is_up(tmp_path, llama_server):
    model = fetch(resolve("tiny-lrm", load_cards(), engine="llamacpp"))
    urls = tmp_path / "urls.txt"
    urls.write_text("http://another:8000/v1\n")
    job = subprocess.Popen(
        [
            *("bash", str(JOB), str(urls), str(llama_server.path)),
            *("--model", str(model), "--threads", "1", "--ctx-size", "512", "--parallel", "1"),
        ],
        env={**os.environ, **llama_server.environment},
        start_new_session=True,
    )
    try:
        named = wait_for(lambda: urls.read_text().splitlines()[1:])
        (server,) = servers(job.pid)
        port = server.cmdline()[server.cmdline().index("--port") + 1]
        assert named[0].endswith(f":{port}/v1")

        # Its time will soon be up: nothing more is to come, and what it works on may end.
        job.send_signal(signal.SIGTERM)
        wait_for(lambda: urls.read_text() == "http://another:8000/v1\n")
        assert alive(server)
        server.kill()
        job.wait(timeout=300)
        assert gone([server])
        assert urls.read_text() == "http://another:8000/v1\n"
    finally:
        os.killpg(job.pid, signal.SIGKILL) if job.poll() is None else None
