"""Processes of Python that need not import again what all of them import.

A small session of pytest takes half of its time to import pytest and lrmtest, and a command that
asks a small model to import torch; vLLM's server imports for ten seconds. A process that has
imported them, and done nothing else, is forked for each: the fork takes the folder, environment,
arguments and files of what is to be run, and ends as any process does. What a module finds in the
environment when it is imported must not matter, so only modules are named here for which it does
not; and a test of what is imported, or of how a process is started, starts a process of its own.
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

_SERVER = "vllm.entrypoints.openai.api_server"
VLLM = (_SERVER, "vllm.v1.engine.core", "vllm.v1.worker.cpu_worker")
"""What a server of vLLM's imports, and its engine."""

LLMCOMPRESSOR = (
    *("llmcompressor", "llmcompressor.modifiers.gptq", "llmcompressor.modifiers.quantization"),
    *("llmcompressor.modifiers.transform.awq", "llmcompressor.modeling.moe.linearize"),
    *("transformers.models.llama.modeling_llama", "transformers.generation.utils"),
)
"""What a quantization imports."""

_ENVIRONMENTS = {"LRMTEST_VLLM": VLLM, "LRMTEST_LLMCOMPRESSOR": LLMCOMPRESSOR}
"""Variables that name an environment, or a program in it, and what is imported in its Python."""

_EXECNET = "import sys;exec(eval(sys.stdin.readline()))"
"""What execnet has Python run, which reads the rest from a pipe."""

_SCRIPTS = (Path(__file__).parents[2] / "benchmarks", Path(__file__).parent)

FORKING_VLLM = Path(__file__).with_name("forking_vllm")
"""On `PYTHONPATH` it has vLLM's server fork its engine."""

_VARIABLE = "TESTS_PREPARED"
"""Tells the processes of pytest-xdist where processes are asked for, in the environment."""

_PROGRAM = "program"
"""Has this file be a program that begins a process and ends as that does."""

_PYTHON = "python"
"""Has it be one that stands for that process: one's signals and its end are the other's."""

_CONNECT = socket.socket.connect
"""Tests replace it, to see that no network is asked."""

_MESSAGE = 1 << 20
"""Bytes of a request at the most."""


class Forked(subprocess.Popen):
    """A `subprocess.Popen` whose process is a fork of one that is prepared, where that can be.

    It can be for ``python -m pytest`` and ``python -m lrmtest``, for what execnet begins for
    pytest-xdist, for this project's benchmarks and for scripts beside this file. Anything else is
    begun as usual.
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
            told = {"folder": cwd, "environment": env, "session": start_new_session}
            self._reply = _ask(self._address, args[1:], files, **told)
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


def _ask(address, words, files, *, folder=None, environment=None, session=False, bound=False):
    """Ask for a process; its number and its end will be told at what is returned.

    Args:
        session: whether it has a session of its own.
        bound: whether it and its group end, too, with whoever asks.
    """
    told = {
        "words": [os.fspath(word) for word in words],
        "folder": os.fspath(folder or Path.cwd()),
        "environment": dict(os.environ if environment is None else environment),
        "session": session or bound,
        "bound": bound,
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
    return words[:2] in modules or Path(words[0]).parent in _SCRIPTS


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
            for variable, modules in _ENVIRONMENTS.items():
                python = _python(os.environ.get(variable))
                found += [stack.enter_context(_prepared(modules, python)) if python else "-"]
            os.environ[_VARIABLE] = " ".join(found)
            stack.callback(os.environ.pop, _VARIABLE)
        found = [f"\0{name}" for name in os.environ[_VARIABLE].split()]
        named = zip((False, True, *_ENVIRONMENTS), found, strict=True)
        _ADDRESSES.update({kind: address for kind, address in named if address != "\0-"})
        yield


def _python(place):
    """The Python of an environment, or of that of a program; None where there is none."""
    place = Path(place or os.devnull).expanduser().absolute()
    found = (place / "bin" / "python", place.with_name("python"))
    return next((path for path in found if path.is_file()), None)


@contextmanager
def _prepared(modules, python=sys.executable):
    # One thread, whatever is asked of it later: a pool of threads cannot be forked.
    variables = {"OMP_NUM_THREADS": "1"}
    if python != sys.executable:
        variables |= {"PYTHONPATH": str(FORKING_VLLM), "HF_HUB_OFFLINE": "1"}
    with _listening() as listening:
        address = listening.getsockname()[1:].decode()
        process = subprocess.Popen(
            [python, "-P", __file__, str(listening.fileno()), *modules],
            env=os.environ | variables,
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


def environment(variable, folder):
    """A new folder like the environment that `variable` names, or None where none is named.

    What its Python runs, but for what asks for a version, is a fork that finds imported what it
    needs. It is a process of its own to whoever ends it.
    """
    if not (address := _ADDRESSES.get(variable)):
        return None
    python = _python(os.environ[variable])
    words = [sys.executable, "-I", "-S", __file__, _PYTHON, address[1:]]
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").symlink_to(python.parents[1] / "lib")
    if (program := python.with_name("vllm")).exists():
        (folder / "bin" / "vllm").symlink_to(program)
    (folder / "bin" / "python").write_text(
        "#!/bin/sh\n"
        f'case "$*" in *importlib.metadata*) exec {shlex.quote(str(python))} "$@";; esac\n'
        f'exec {shlex.join(words)} "$@"\n'
    )
    (folder / "bin" / "python").chmod(0o755)
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
    replies, groups = {}, set()
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
            selected = [key for key, _ in selector.select()]
            ready = [key.fileobj for key in selected]
            for key in selected:
                if key.data:  # bound to one that has ended
                    _signal(key.data, signal.SIGKILL)
                    selector.unregister(key.fileobj)
            if waking in ready:
                with suppress(BlockingIOError):
                    waking.recv(4096)
                for child in _tell_ends(replies, selector) & groups:
                    # What it leaves behind ends as under the watchdog, or with this process.
                    if not _signal(child, signal.SIGTERM):
                        groups.remove(child)
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
                if json.loads(told)["bound"]:
                    selector.register(reply, selectors.EVENT_READ, child)
                    groups.add(child)
                _tell(reply, child)
            elif alive in ready:
                for child in groups:
                    _signal(child, signal.SIGKILL)
                return


def _tell_ends(replies, selector):
    """Numbers of those that have ended; it is told whoever asked for them."""
    ended = set()
    while replies:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            break
        ended.add(child)
        with replies.pop(child) as reply:
            if reply in selector.get_map():
                selector.unregister(reply)
            _tell(reply, os.waitstatus_to_exitcode(status))
    return ended


def _signal(child, number):
    """Signal a process that is to have a group of its own, and that group; whether there is one."""
    for send in (os.killpg, os.kill):  # it may not have the group yet
        with suppress(ProcessLookupError):
            send(child, number)
            return True
    return False


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
    isolated = told["words"][0] == "-I"
    words = [word for word in told["words"][isolated:] if word != "-u"]
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED")) or "-u" in told["words"]
    sys.stdin = sys.__stdin__ = _text(0, "r", "strict", False)
    sys.stdout = sys.__stdout__ = _text(1, "w", "strict", unbuffered)
    sys.stderr = sys.__stderr__ = _text(2, "w", "backslashreplace", True)
    sys.orig_argv = [sys.executable, *told["words"]]
    kind, what, *rest = words if words[0].startswith("-") else ["", *words]
    folder = {"-c": "", "-m": told["folder"]}.get(kind, str(Path(what).parent))
    sys.path[:] = path if isolated else [folder, *_of_environment(), *path]
    sys.argv = ["-c" if kind == "-c" else what, *rest]
    if not kind:
        runpy.run_path(what, run_name="__main__")
    elif kind == "-m":
        if what in ("pytest", "lrmtest"):
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
    if modules in _ENVIRONMENTS.values():
        with _hushed():
            for name in modules:
                importlib.import_module(name)
        # Python warns of a module that is there before it is run.
        sys.modules.pop(_SERVER, None)
    else:
        _prepare_sessions(modules)
    # At the end of a session pytest collects garbage several times.
    gc.freeze()


@contextmanager
def _hushed():
    """Nothing is said on standard output and error; who keeps these for later has the real ones."""
    kept = {number: os.dup(number) for number in (1, 2)}
    with Path(os.devnull).open("wb") as nothing:
        for number in kept:
            os.dup2(nothing.fileno(), number)
    try:
        yield
    finally:
        sys.stdout.flush()
        for number, own in kept.items():
            os.dup2(own, number)
            os.close(own)


def _prepare_sessions(modules):
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


def _main(number, *modules):
    own = _of_environment()
    path = [each for each in sys.path if each not in own]
    serve(socket.socket(fileno=int(number)), sys.stdin.buffer, path, modules)
    os._exit(0)  # libraries complain of what is there when they end


def _be_program(address, *words):
    reply = _ask(f"\0{address}", ["-m", *words], [0, 1, 2])
    _told(reply)
    _end_as(reply)


def _be_python(address, *words):
    reply = _ask(f"\0{address}", words, [0, 1, 2], bound=True)
    child = _told(reply)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda sent, _: _signal(child, sent))
    _end_as(reply)


def _end_as(reply):
    status = _told(reply)
    if status < 0:
        with suppress(OSError):  # SIGKILL is as it is
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    begun = {_PROGRAM: _be_program, _PYTHON: _be_python}.get(sys.argv[1], _main)
    begun(*sys.argv[1 if begun is _main else 2 :])
