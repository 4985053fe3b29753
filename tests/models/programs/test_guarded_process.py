"""Servers that lrmtest starts: no process is left behind, whatever happens to whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import gone, wait_for

from lrmtest.errors import ModelError
from lrmtest.models.engines.server.readiness import free_port, port_taken, wait_until_ready
from lrmtest.models.programs.failure import KnownFailure, program_failure
from lrmtest.models.programs.log import ProcessLog, useful_lines
from lrmtest.models.programs.process import GuardedProcess

# A server with a child in its group, a child in a session of its own, and one whose parent has
# ended: the shapes of vLLM's engine cores and workers. It writes their numbers, one a line.
FAMILY = textwrap.dedent("""
    import os, signal, subprocess, sys, time
    stubborn = "stubborn" in sys.argv
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep[2] = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + sleep[2]
    mine = subprocess.Popen(sleep)
    apart = subprocess.Popen(sleep, start_new_session=True)
    fork = "import subprocess; print(subprocess.Popen(%r, stdout=-3, start_new_session=True).pid)"
    lost = subprocess.run([sys.executable, "-c", fork % (sleep,)], stdout=-1, text=True)
    print(os.getpid(), mine.pid, apart.pid, lost.stdout.strip(), flush=True)
    time.sleep(600)
""")


def family(*arguments, grace=5.0):
    """A running family and the processes in it."""
    server = GuardedProcess([sys.executable, "-c", FAMILY, *arguments], {}, grace=grace)
    wait_for(server.log.lines)
    return server, [psutil.Process(int(pid)) for pid in server.log.lines()[0].split()]


def test_stopping_ends_the_whole_family():
    server, processes = family()
    assert len(processes) == 4
    assert server.running
    server.stop()
    assert not server.running
    assert gone(processes, 0)
    server.stop()


def test_a_family_that_ignores_sigterm_is_killed_after_the_grace():
    server, processes = family("stubborn", grace=0.5)
    began = time.monotonic()
    server.stop()
    assert gone(processes, 0)
    assert time.monotonic() - began > 0.4


def test_haste_does_not_wait_out_the_grace():
    server, processes = family("stubborn", grace=60.0)
    server.stop(hasty=True)
    assert gone(processes, 0)


def test_the_death_of_the_server_is_noticed_and_its_children_are_ended():
    server, processes = family()
    processes[0].kill()
    assert server.wait(120)
    assert server.exit_status == 128 + signal.SIGKILL
    assert gone(processes, 0)


def test_killing_the_watchdog_ends_the_server():
    server, processes = family()
    watchdog = processes[0].parent()
    watchdog.kill()
    assert server.wait(120)
    assert gone(processes[:1])
    for process in processes:
        if process.is_running():
            process.kill()


def test_stop_from_many_threads_at_once():
    server, processes = family()
    threads = [threading.Thread(target=server.stop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert gone(processes, 0)


PARENT = textwrap.dedent("""
    import os, sys, threading, time
    from lrmtest.models.programs.process import GuardedProcess

    made = []
    def start():
        made.append(GuardedProcess([sys.executable, "-c", sys.argv[1]], {}, grace=5.0))
    thread = threading.Thread(target=start)  # one that ends long before the process does
    thread.start(); thread.join()
    server, = made
    while not server.log.lines():
        time.sleep(0.02)
    if "fork" in sys.argv and os.fork() == 0:
        time.sleep(600)  # holds the pipe to the watchdog open
    print(server.log.lines()[0], flush=True)
    if "return" in sys.argv:
        sys.exit(0)
    if "raise" in sys.argv:
        raise RuntimeError("a test's own mistake")
    try:
        time.sleep(600)
    finally:
        server.stop()
""")


def parent_of_family(*arguments):
    """A Python process that started a family, and the processes in it."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, FAMILY, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    line = parent.stdout.readline()
    processes = []
    for pid in line.split():
        with suppress(psutil.NoSuchProcess):  # a parent that ends at once may have ended it by now
            processes.append(psutil.Process(int(pid)))
    return parent, processes


@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGINT],
        [signal.SIGINT, signal.SIGINT],
        [signal.SIGTERM],
        [signal.SIGHUP],
        [signal.SIGKILL],
        [signal.SIGSEGV],
    ],
    ids=lambda signals: "+".join(number.name for number in signals),
)
def test_no_process_outlives_a_parent_that_is_signalled(signals):
    parent, processes = parent_of_family()
    assert len(processes) == 4
    for number in signals:
        # As a terminal does it: to the whole foreground group.
        os.killpg(parent.pid, number)
        time.sleep(0.05)
    parent.wait(120)
    assert gone(processes)


@pytest.mark.parametrize("ending", ["return", "raise"])
def test_no_process_outlives_a_parent_that_forgets_to_stop(ending):
    parent, processes = parent_of_family(ending)
    parent.wait(120)
    assert gone(processes)


def test_a_forked_process_that_holds_the_pipe_open_does_not_keep_the_server():
    parent, processes = parent_of_family("fork")
    forked = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait(120)
    try:
        assert gone(processes)
    finally:
        for process in forked:
            with suppress(psutil.NoSuchProcess):  # the watchdog has ended, and is a zombie
                process.kill()


def test_a_command_that_is_not_there():
    server = GuardedProcess(["/nowhere/llama-server"], {})
    assert server.wait(120)
    error = program_failure(
        "llama-server", server.exit_status, server.log.lines(), (), out_of_memory=""
    )
    assert "/nowhere/llama-server" in str(error)
    assert "installed" in str(error)


def test_the_key_is_on_no_command_line():
    server, processes = family()
    secret = GuardedProcess(
        [sys.executable, "-c", "import os, time; print(os.environ['K']); time.sleep(600)"],
        {"K": "the-secret-key"},
    )
    try:
        wait_for(secret.log.lines)
        assert secret.log.lines() == ["the-secret-key"]
        lines = []
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # one that has ended, a zombie among them
                lines.append(" ".join(process.cmdline()))
        assert lines
        assert not any("the-secret-key" in line for line in lines)
    finally:
        secret.stop(hasty=True)
        server.stop(hasty=True)
    assert gone(processes, 0)


def test_waiting_ends_when_the_server_does_or_time_is_up_or_somebody_closes():
    waits = {"key": "k", "model": "m", "seconds": 0.2, "given_up": threading.Event()}
    root = f"http://127.0.0.1:{free_port()}"
    ended = GuardedProcess([sys.executable, "-c", "raise SystemExit(3)"], {})
    assert not wait_until_ready(ended, root, **{**waits, "seconds": 120.0})
    assert ended.exit_status == 3
    slow = GuardedProcess([sys.executable, "-c", "import time; time.sleep(600)"], {})
    try:
        with pytest.raises(ModelError, match="not ready after"):
            wait_until_ready(slow, root, **waits)
        waits["given_up"].set()
        with pytest.raises(ModelError, match="closed"):
            wait_until_ready(slow, root, **{**waits, "seconds": 600.0})
    finally:
        slow.stop(hasty=True)


# The log


def log_of(data: bytes) -> list[str]:
    read, write = os.pipe()
    log = ProcessLog(os.fdopen(read, "rb"))
    with os.fdopen(write, "wb") as pipe:
        pipe.write(data)
    log.finish(120)
    return log.lines()


@given(st.binary(max_size=5000))
@settings(max_examples=50)
def test_any_output_can_be_read_and_shown(data):
    lines = log_of(data)
    assert all(line.isprintable() and line.strip() for line in lines)
    for line in useful_lines(lines):
        assert len(line) <= 300


def test_a_log_is_bounded():
    lines = log_of(b"x" * 5_000_000 + b"\n" + b"a line\n" * 100_000 + b"the last")
    assert len(lines) <= 2000
    assert max(map(len, lines)) <= 2000
    assert lines[-1] == "the last"


def test_progress_bars_and_colours_are_plain_lines():
    assert log_of(b"\x1b[32mload\x1b[0m 1%\rload 100%\r\ndone\n") == [
        "load 1%",
        "load 100%",
        "done",
    ]


VLLM_LOG = """\
(APIServer pid=27971) INFO 11-24 08:37:06 [model.py:733] Resolved architecture: LlamaForCausalLM
(EngineCore pid=28677) ERROR 11-24 08:37:06 [core.py:1] EngineCore failed to start.
(EngineCore pid=28677) ERROR 11-24 08:37:06 [core.py:1] Traceback (most recent call last):
(EngineCore pid=28677) ERROR 11-24 08:37:06 [core.py:1]   File "core.py", line 1, in run
(EngineCore pid=28677) ERROR 11-24 08:37:06 [core.py:1]     raise ValueError("x")
(EngineCore pid=28677) ERROR 11-24 08:37:06 [core.py:1] ValueError: No available memory
(APIServer pid=27971) RuntimeError: Engine core initialization failed. See root cause above.
"""


def test_the_useful_lines_of_a_python_server():
    assert useful_lines(VLLM_LOG.splitlines()) == ["ValueError: No available memory"]


LLAMA_LOG = """\
0.00.004.274 I srv    load_model: loading model 'trunc.gguf'
0.00.014.783 E llama_model_load: error loading model: tensor 'x' data is not within the file bounds
0.00.014.803 E llama_model_load_from_file_impl: failed to load model
0.00.023.782 E llama_model_load: error loading model: tensor 'x' data is not within the file bounds
0.00.024.355 E srv  llama_server: exiting due to model loading error
"""


def test_the_useful_lines_of_llama_server():
    wanted = "llama_model_load: error loading model: tensor 'x' data is not within the file bounds"
    assert useful_lines(LLAMA_LOG.splitlines()) == [wanted]


def test_a_log_without_any_error_shows_its_end():
    assert useful_lines(["one", "two"]) == ["one", "two"]
    assert useful_lines([]) == []


def test_failures_have_a_word_and_a_next_step():
    known = (KnownFailure("out of memory", "memory is short", "lower the context"),)
    told = program_failure("S", 1, ["CUDA error: Out Of Memory"], known, out_of_memory="lower it")
    assert "memory is short" in told.message
    assert told.hint == "lower the context"
    killed = program_failure("S", 137, ["loading"], known, out_of_memory="lower it")
    assert "out of memory" in killed.message
    assert killed.hint == "lower it"
    crashed = program_failure("S", 139, [], known, out_of_memory="")
    assert "SIGSEGV" in crashed.message
    assert "built for this processor" in crashed.hint
    ended = program_failure("S", 129, [], known, out_of_memory="")
    assert "signal 1" in ended.message


def test_a_taken_port_is_recognized():
    assert port_taken(["E srv start: couldn't bind HTTP server socket, hostname: 127.0.0.1"])
    assert port_taken(["OSError: [Errno 98] Address already in use"])
    assert not port_taken(["listening on http://127.0.0.1:98"])
