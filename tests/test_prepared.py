"""Forks that stand for a process of their own end with it, and it with them."""

import os
import signal
import subprocess
import sys

import prepared
import psutil
import pytest
from processes import gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prepared processes are Linux's")

STAYS = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
signal.signal(signal.SIGTERM, lambda *_: (print("asked to end"), sys.exit(7)))
print(os.getpid(), child.pid, *sys.argv[1:], os.environ["WORD"], os.getcwd(), flush=True)
while True:
    signal.pause()
"""
"""Says who it and its child are, and waits; it does not end its child."""


@pytest.fixture(scope="module")
def address():
    with prepared._prepared(("json",)) as address:
        yield address


@pytest.fixture
def begin(address, tmp_path):
    begun = []

    def begin(*words):
        own = [sys.executable, "-I", "-S", prepared.__file__, "python", address]
        process = subprocess.Popen(
            [*own, *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=tmp_path, env={**os.environ, "WORD": "given"}, start_new_session=True,
        )  # fmt: skip
        begun.append(process)
        return process

    yield begin
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def staying(begin, tmp_path):
    process = begin("-c", STAYS, "a", "b c")
    fork, child, *told = process.stdout.readline().split()
    assert " ".join(told) == f"a b c given {tmp_path}"
    return process, [psutil.Process(int(number)) for number in (fork, child)]


def test_it_ends_as_the_fork_does(begin):
    process = begin("-c", "import sys; print('' in sys.path); sys.exit('so it ends')")
    assert sorted(process.communicate()[0].split("\n")) == ["", "True", "so it ends"]
    assert process.returncode == 1
    process = begin("-I", "-c", "import sys; print('' in sys.path)")
    assert (process.communicate()[0], process.returncode) == ("False\n", 0)
    process = begin("-c", "import os, signal; os.kill(os.getpid(), signal.SIGABRT)")
    assert process.wait() == -signal.SIGABRT


def test_what_is_signalled_to_its_group_reaches_the_forks(staying):
    process, forks = staying
    os.killpg(process.pid, signal.SIGTERM)
    assert process.communicate()[0] == "asked to end\n"
    assert process.returncode == 7
    assert gone(forks)


def test_killed_it_takes_the_fork_and_its_child_along(staying):
    process, forks = staying
    process.kill()
    assert gone(forks)


def test_what_the_fork_leaves_behind_ends(staying):
    process, forks = staying
    forks[0].kill()
    assert process.wait() == -signal.SIGKILL
    assert gone(forks)
