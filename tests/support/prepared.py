"""Processes of Python that need not import again what all of them import.

A small session of pytest takes half of its time to import pytest and lrmtest, and a command that
asks a small model to import torch. A process that has imported them, and done nothing else, is
forked for each: the fork takes the folder, environment, arguments and files of what is to be run,
and ends as any process does. What a module finds in the environment when it is imported must not
matter, so only modules are named here for which it does not; and a test of what is imported, or
of how a process is started, starts a process of its own.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import runpy
import secrets
import selectors
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import types
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

SESSION = (
    *("xdist.remote", "execnet"),
    *("anyio._backends._asyncio", "httpcore", "httptools", "msgspec", "sqlite3"),
    *("lrmtest", "lrmtest.plugin.session_hooks", "lrmtest.plugin.ending.finish"),
    *("lrmtest.analysis.compare", "lrmtest.reports.comparison"),
)
"""What a session of pytest with a model imports, beside pytest and its plugins."""

TORCH = (
    *(*SESSION, "torch", "transformers.modeling_utils", "psutil", "tqdm.contrib.logging"),
    *("transformers.generation.utils", "transformers.models.llama.modeling_llama"),
    *("transformers.convert_slow_tokenizer", "transformers.modeling_gguf_pytorch_utils"),
    *("lrmtest.cli.main", "lrmtest.models.engines.transformers.engine"),
    *("lrmtest.compress.pruning.prune", "lrmtest.locate.job"),
)
"""What a command imports that makes a model of transformers, asks it or looks into it."""

_EXECNET = "import sys;exec(eval(sys.stdin.readline()))"
"""What execnet has Python run, which reads the rest from a pipe."""

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

_VARIABLE = "TESTS_PREPARED"
"""Tells the processes of pytest-xdist where processes are asked for, in the environment."""

_PROGRAM = "program"
"""Has this file be a program that begins a process and ends as that does."""

_CONNECT = socket.socket.connect
"""Tests replace it, to see that no network is asked."""

_MESSAGE = 1 << 20
"""Bytes of a request at the most."""


class Forked(subprocess.Popen):
    """A `subprocess.Popen` whose process is a fork of one that is prepared, where that can be.

    It can be for ``python -m pytest`` and ``python -m lrmtest``, for what execnet begins for
    pytest-xdist, and for this project's benchmarks. Anything else is begun as usual.
    """

    address = ""
    """Where forks are asked for, unless one is given."""

    def __init__(self, args, *more, address="", **options):
        self._reply = None
        self._address = address or self.address
        super().__init__(args, *more, **options)

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env,
                       startupinfo, creationflags, shell, p2cread, p2cwrite, c2pread, c2pwrite,
                       errread, errwrite, *more):  # fmt: skip
        *_, start_new_session, process_group = more
        special = (pass_fds, shell, executable, process_group != -1, _sets(preexec_fn))
        if any(special) or not _is_prepared(args):
            return super()._execute_child(
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo,
                creationflags, shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite,
                *more,
            )  # fmt: skip
        given = (p2cread, c2pwrite, errwrite)
        files = [own if file == -1 else file for own, file in enumerate(given)]
        try:
            self._reply = _ask(self._address, args[1:], cwd, env, start_new_session, files)
            self.pid = _told(self._reply)
            self._child_created = True
        finally:
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)

    def wait(self, timeout=None):
        if self._reply is None:
            return super().wait(timeout)
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._reply, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = _told(self._reply)
            self._reply.close()
        return self.returncode

    def __del__(self, **named):
        # Whoever forked it waits for it; and what it is told by may be gone before this.
        if self._reply is None:
            super().__del__(**named)

    def _internal_poll(self, *given, **named):
        if self._reply is None:
            return super()._internal_poll(*given, **named)
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode


def _ask(address, words, folder, environment, session, files):
    """Ask for a process; its number and its end will be told at what is returned."""
    told = {
        "words": [os.fspath(word) for word in words],
        "folder": os.fspath(folder or Path.cwd()),
        "environment": dict(os.environ if environment is None else environment),
        "session": session,
    }
    reply = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _CONNECT(reply, address)
    socket.send_fds(reply, [json.dumps(told).encode()], files)
    return reply


def _told(reply):
    if not (told := reply.recv(32)):
        raise RuntimeError("the process that is forked for others has ended")
    return int(told)


def _sets(preexec_fn):
    """Whether something must be set up in the process, but for its end with its parent's.

    `run_in_foreground` sets that, which has tests of its own.
    """
    if preexec_fn is None:
        return False
    from lrmtest.models.programs.foreground import end_with_parent

    return getattr(preexec_fn, "func", None) is not end_with_parent


def _is_prepared(args):
    if isinstance(args, str | bytes) or len(args) < 3 or args[0] != sys.executable:
        return False
    words = [word for word in args[1:] if word != "-u"]
    modules = (["-m", "pytest"], ["-m", "lrmtest"], ["-c", _EXECNET])
    return words[:2] in modules or Path(words[0]).parent == _BENCHMARKS


_ADDRESSES = {}

PREPARED = set()
"""Numbers of the processes that this one has begun to be forked for others."""


@contextmanager
def started():
    """Have processes that are prepared, one for all processes of the tests; they import later.

    To be entered before pytest-xdist begins its processes, and in each of them. What this takes is
    Linux's; elsewhere processes begin as usual.
    """
    if sys.platform != "linux":
        yield
        return
    with ExitStack() as stack:
        if _VARIABLE not in os.environ:
            found = [stack.enter_context(_prepared(modules)) for modules in (SESSION, TORCH)]
            os.environ[_VARIABLE] = " ".join(found)
            stack.callback(os.environ.pop, _VARIABLE)
        found = [f"\0{name}" for name in os.environ[_VARIABLE].split()]
        _ADDRESSES.update(zip((False, True), found, strict=True))
        yield


@contextmanager
def _prepared(modules):
    with _listening() as listening:
        address = listening.getsockname()[1:].decode()
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(listening.fileno()), *modules],
            # One thread, whatever is asked of it later: a pool of threads cannot be forked.
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE, pass_fds=[listening.fileno()],
        )  # fmt: skip
    PREPARED.add(process.pid)
    try:
        yield address
    finally:
        process.communicate()


def begin(*words, torch=False, **options):
    """Begin ``python words``, with the options of `subprocess.Popen`; the process.

    Args:
        torch: whether it finds torch imported, too.
    """
    if not _ADDRESSES:
        return subprocess.Popen([sys.executable, *words], **options)
    return Forked([sys.executable, *words], address=_ADDRESSES[torch], **options)


def run(program, *words):
    """What a program does that finds torch imported, in this folder and environment.

    Args:
        program: a module, as in ``python -m``, or the path of a benchmark.
        words: those behind it.

    Returns:
        Its exit status, negative when a signal ended it, and all that it printed.
    """
    module = () if isinstance(program, Path) else ("-m",)
    with begin(
        *map(str, (*module, program, *words)), torch=True, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        printed, _ = process.communicate()
    return process.returncode, printed


def forks(monkeypatch, *, torch=False):
    """Have commands and sessions that this process begins be forks.

    Args:
        torch: whether they find torch imported, too.
    """
    if _ADDRESSES:
        monkeypatch.setattr(Forked, "address", _ADDRESSES[torch])
        monkeypatch.setattr(subprocess, "Popen", Forked)


def programs(folder):
    """A new folder with programs `pytest` and `lrmtest` that find torch imported."""
    folder.mkdir()
    for name in ("pytest", "lrmtest") if _ADDRESSES else ():
        words = [sys.executable, "-I", "-S", __file__, _PROGRAM, _ADDRESSES[True][1:], name]
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


def _listening():
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # A name of Linux's own, which is gone with whoever listens.
    listening.bind(f"\0lrmtest-{secrets.token_hex(16)}")
    listening.listen()
    return listening


def _is_of_this_user(connection):
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", told)[1] == os.getuid()


def serve(listening, alive, path, modules=()):
    """Fork for each that connects, and tell it the fork's number, and how the fork ended.

    Args:
        listening: the socket that is connected to.
        alive: a file that ends when no more is asked for.
        modules: what is imported before the first fork.
        path: `sys.path` without what is of a process's own folder and environment.
    """
    replies = {}
    waking, wakes = socket.socketpair()
    for end in (waking, wakes):
        end.setblocking(False)
    # Ctrl-C is for those that are forked.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        for each in (listening, waking, alive):
            selector.register(each, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if waking in ready:
                with suppress(BlockingIOError):
                    waking.recv(4096)
                _tell_ends(replies)
            if listening in ready:
                reply, _ = listening.accept()
                told, files, *_ = socket.recv_fds(reply, _MESSAGE, 3)
                if not told or not _is_of_this_user(reply):
                    reply.close()
                    continue
                if modules:
                    _prepare(modules)
                    modules = ()
                child = os.fork()
                if child == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (listening, alive, waking, wakes, reply, *replies.values()):
                        each.close()
                    selector.close()
                    _become(json.loads(told), files, path)
                for file in files:
                    os.close(file)
                replies[child] = reply
                _tell(reply, child)
            elif alive in ready:
                return


def _tell_ends(replies):
    while replies:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        with replies.pop(child) as reply:
            _tell(reply, os.waitstatus_to_exitcode(status))


def _tell(reply, number):
    with suppress(ConnectionError):  # whoever asked has ended
        reply.send(str(number).encode())


def _become(told, files, path):
    """What `python` would be with these words, in this process."""
    if told["session"]:
        os.setsid()
    for theirs, own in zip(files[:3], range(3), strict=True):
        os.dup2(theirs, own)
    for file in files:
        os.close(file)
    # As in a shell, see `pytest_collection` in tests/conftest.py.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    words = [word for word in told["words"] if word != "-u"]
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED")) or "-u" in told["words"]
    sys.stdin = sys.__stdin__ = _text(0, "r", "strict", False)
    sys.stdout = sys.__stdout__ = _text(1, "w", "strict", unbuffered)
    sys.stderr = sys.__stderr__ = _text(2, "w", "backslashreplace", True)
    sys.orig_argv = [sys.executable, *told["words"]]
    kind, what, *rest = words if words[0].startswith("-") else ["", *words]
    folder = {"-c": "", "-m": told["folder"]}.get(kind, str(Path(what).parent))
    sys.path[:] = [folder, *_of_environment(), *path]
    sys.argv = ["-c" if kind == "-c" else what, *rest]
    if not kind:
        runpy.run_path(what, run_name="__main__")
    elif kind == "-m":
        _fork_further(path)
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(what, main.__dict__)
    sys.exit()


def _fork_further(path):
    """Have what this process begins be forks of one that has done nothing else."""
    reading, writing = os.pipe()
    with _listening() as listening, os.fdopen(reading, "rb", 0) as alive:
        if os.fork() == 0:
            os.close(writing)
            serve(listening, alive, path)
            os._exit(0)
        Forked.address = listening.getsockname().decode()
    subprocess.Popen = Forked


def _of_environment():
    return list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))


def _text(number, mode, errors, unbuffered):
    raw = os.fdopen(number, mode + "b", 0 if unbuffered else -1, closefd=False)
    encoding = os.environ.get("PYTHONIOENCODING") or "utf-8"
    return io.TextIOWrapper(
        raw, encoding, errors, line_buffering=os.isatty(number), write_through=unbuffered
    )


def _prepare(modules):
    # pytest's hook must have imported pytest's plugins, or each session warns that it did not.
    import pytest

    nothing = ["-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-p", "no:terminal"]
    with tempfile.TemporaryDirectory() as folder:
        pytest.main([*nothing, "--rootdir", folder, folder])
    for name in modules:
        importlib.import_module(name)
    # An editable lrmtest is not imported by pytest's hook; pytest has this word for such a module.
    lrmtest = importlib.import_module("lrmtest")
    lrmtest.__doc__ = f"{lrmtest.__doc__}\n\nPYTEST_DONT_REWRITE"
    # It keeps the path for modules that it finds, for the processes that pytest-xdist begins.
    del sys.modules["xdist.plugin"]
    # At the end of a session pytest collects garbage several times.
    gc.freeze()


def _main(number, *modules):
    own = _of_environment()
    path = [each for each in sys.path if each not in own]
    serve(socket.socket(fileno=int(number)), sys.stdin.buffer, path, modules)


def _be_program(address, *words):
    reply = _ask(f"\0{address}", ["-m", *words], None, None, False, [0, 1, 2])
    _told(reply)
    status = _told(reply)
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    if sys.argv[1] == _PROGRAM:
        _be_program(*sys.argv[2:])
    else:
        _main(*sys.argv[1:])
