"""A fleet that is really there: Ray Serve, two llama-servers with tiny-lrm, and a run that asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from interrupted import arrived
from processes import descendants, gone, servers, wait_for

from lrmtest.cli import main
from lrmtest.models.engines.server.warm_keeper import stop
from lrmtest.models.engines.server.warm_records import warm_folder, warm_record, warm_records
from lrmtest.runs.store import Store

SUITE = """
import lrmtest

@lrmtest.suite("fresh-{family}")
def test_it(question, model):
    assert model.solve(question).passed
"""
SERVER = ("--engine", "llamacpp", "--concurrency", "1", "--engine-arg=--threads", "--engine-arg=1")
SERVE = ("serve", "tiny-lrm", "--ray", *SERVER)
QUESTIONS, SAMPLES = 12, 2


@pytest.fixture(autouse=True)
def fleet(tmp_path, monkeypatch, llama_server):
    """Records of its own, a key, and no fleet left behind."""
    pytest.importorskip("ray", reason="Ray Serve is not installed")
    monkeypatch.setenv("LRMTEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LRMTEST_API_KEY_TINY_LRM", "the-fleets-key")
    yield
    for record in warm_records():
        stop(record)


def lrmtest(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lrmtest", *arguments], capture_output=True, text=True, timeout=600
    )


def begin(pytester, model, *arguments):
    for family in ("arithmetic", "hops"):
        pytester.makepyfile(**{f"test_{family}": SUITE.format(family=family)})
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", "--model", model),
            *("--fresh-count", str(QUESTIONS), "--samples", str(SAMPLES), "--max-tokens", "256"),
            *("--temperature", "1"),
            # Whatever else a server has seen, it computes the same.
            *("--concurrency", "1", "--request-field", "cache_prompt=false", *arguments),
        ],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def verdicts(folder):
    """What became of each sample of the only run there."""
    with Store(folder / "lrmtest.sqlite", create=False) as store:
        (run,) = store.runs()
        assert not store.lacking(run)
        return {
            (sample.place.suite, sample.place.question_id, sample.place.sample): sample.verdict
            for sample in store.sample_records(run)
        }


def named():
    """The replicas that the fleet's file names."""
    return set(Path(warm_record("tiny-lrm").urls).read_text().split())


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_a_replica_is_killed_and_nothing_is_lost(pytester):
    started = lrmtest(*SERVE, "--replicas", "2")
    assert started.returncode == 0, started.stdout + started.stderr
    record = warm_record("tiny-lrm")
    assert record.location in started.stdout
    assert "the-fleets-key" not in started.stdout
    before = wait_for(lambda: len(named()) == 2 and named())
    family = [psutil.Process(record.pid), *descendants(record.pid)]
    assert len(servers(record.pid)) == 2
    listening = [
        there.laddr.ip
        for process in family
        for there in process.net_connections("inet")
        if there.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 2
    assert {ip.removeprefix("::ffff:") for ip in listening} <= {"127.0.0.1", "::1"}

    process = begin(pytester, f"tiny-lrm={record.location}")
    wait_for(lambda: arrived(pytester) >= 4 or process.poll() is not None)
    descendants(record.pid, "ray::ServeReplica")[0].kill()
    assert arrived(pytester) < 2 * QUESTIONS * SAMPLES
    output, _ = process.communicate(timeout=600)
    assert process.returncode in (0, 1), output

    # The same without Ray.
    alone = begin(pytester, "tiny-lrm", "--reports-dir", "alone", *SERVER)
    output, _ = alone.communicate(timeout=600)
    assert alone.returncode in (0, 1), output
    assert f"that is --model tiny-lrm={record.location}" in output
    found = verdicts(pytester.path / "reports")
    assert len(found) == 2 * QUESTIONS * SAMPLES
    assert found == verdicts(pytester.path / "alone")

    # Another one has come for it.
    after = wait_for(lambda: len(named()) == 2 and named() != before and named())
    assert len(after & before) == 1
    assert main(["serve", "--scale", "1", "tiny-lrm"]) == 0
    assert wait_for(lambda: len(named()) == 1 and named()) <= after

    family += descendants(record.pid)
    assert main(["serve", "--stop", "tiny-lrm"]) == 0
    assert gone(family)
    assert not list(warm_folder().glob("*.urls"))
    assert warm_record("tiny-lrm") is None


CLUSTER = """
import json, os, sys
from lrmtest.models.fleet.cluster import LOCAL, on_cluster

with on_cluster(LOCAL) as ray:
    from ray import serve

    where = {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    ray_s = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
    print(json.dumps(ray_s | where), flush=True)
    while sys.stdin.readline():
        print(len(serve.status().applications), len(ray.nodes()), flush=True)
"""


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_a_cluster_that_was_there_stays_without_the_fleet(monkeypatch):
    command = [sys.executable, "-c", CLUSTER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as cluster:

        def applications_and_nodes():
            cluster.stdin.write("?\n")
            cluster.stdin.flush()
            return cluster.stdout.readline().split()

        for name, value in json.loads(cluster.stdout.readline()).items():
            monkeypatch.setenv(name, value)
        failed = lrmtest(*SERVE, "--engine-arg=--no-such-option")
        assert failed.returncode == 2, failed.stderr
        assert "it does not take the arguments it was given" in failed.stderr
        assert "Traceback" not in failed.stderr
        assert applications_and_nodes() == ["0", "1"]

        # Its keeper is killed: nobody is left to say that it is to end.
        started = lrmtest(*SERVE)
        assert started.returncode == 0, started.stdout + started.stderr
        assert applications_and_nodes() == ["1", "1"]
        replica = servers(cluster.pid)
        assert len(replica) == 1
        psutil.Process(warm_record("tiny-lrm").pid).kill()
        assert wait_for(lambda: applications_and_nodes() == ["0", "1"])
        assert gone(replica)
