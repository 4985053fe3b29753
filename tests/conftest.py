"""What all tests share."""

import gc
import importlib.metadata
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from itertools import count
from pathlib import Path
from pkgutil import walk_packages

import pytest

import lrmtest

# Packages of somebody else's, which tests copy and run.
collect_ignore = ["outside/own_suite"]

# Of whoever runs the tests: sessions that they start have a home of their own.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_VLLM_CACHE = os.environ.get("VLLM_CACHE_ROOT") or str(_CACHE / "vllm")

_IMPORTED_WHEN_USED = [
    *("httpcore", "anyio", "anyio._backends._asyncio"),
    # They register operators, and cannot do that twice in one process.
    *("torch.distributed._functional_collectives", "transformers.modeling_utils"),
]


# pytest loads this file for `pytest suites/typo` and `pytest --markers` too, where it must neither
# take time nor need what only the tests do: so it imports that before the first test, not sooner.


@pytest.hookimpl(tryfirst=True)
def pytest_collection():
    """As in a shell.

    Jobs in the background ignore Ctrl-C, those under nohup that the terminal is closed, and
    whatever they start inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    """Before pytest-xdist begins its processes."""
    from prepared import started

    stack = ExitStack()
    stack.enter_context(started())
    session.config.add_cleanup(stack.close)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule():
    """Before the first test is imported."""
    _prepare()


@cache
def _prepare():
    from hypothesis import HealthCheck, settings
    from kept_distributions import distributions

    importlib.metadata.distributions = distributions
    # A session that pytester runs in this process leaves no module behind that it was the first to
    # import. Imported a second time, a library raises other exceptions than those that are caught.
    modules = [module.name for module in walk_packages(lrmtest.__path__, "lrmtest.")]
    for name in modules + _IMPORTED_WHEN_USED:
        if not name.endswith(("__main__", "_worker", "watchdog")):
            with suppress(ImportError):  # what an extra would install
                import_module(name)

    # How long an example takes says more of the machine than of the code.
    quiet = [HealthCheck.too_slow]
    # Whether a change lands is no matter of luck: examples are the same each time, unless asked.
    explores = bool(os.environ.get("LRMTEST_EXPLORE"))
    settings.register_profile(
        "lrmtest", deadline=None, suppress_health_check=quiet, derandomize=not explores
    )
    settings.load_profile("lrmtest")


@pytest.hookimpl(tryfirst=True)
def pytest_ignore_collect(config):
    """`pytest --fixtures` lists what a suite can use, and imports none of these tests for it."""
    listing = config.option.showfixtures and config.args_source != config.ArgsSource.ARGS
    return True if listing else None


def pytest_collection_modifyitems(items):
    """What takes longest comes first, so that no process is left with it at the end."""
    items.sort(key=lambda item: not _is_long(item))


def _is_long(item):
    from scheduling import LONG

    return (
        item.get_closest_marker("engine") is not None
        or item.path.parent.name == "docs"
        or item.nodeid.partition("::")[0] in LONG
    )


_OFTEN = 50
_started = count()


class _NoCollector:
    """What the sessions that tests begin in this process find in place of the garbage collector.

    They have it take what is garbage at their end, leave alone what there is, and look at it again:
    here that would be millions of objects, and what stays to the end of these tests is left alone
    anyway. Sessions in processes of their own have the real one.
    """

    collect = freeze = unfreeze = staticmethod(lambda: None)
    get_threshold = staticmethod(gc.get_threshold)
    set_threshold = staticmethod(gc.set_threshold)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    """What there is before the first test stays to the end."""
    from lrmtest.plugin import garbage

    garbage.gc = _NoCollector


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logstart():
    """The garbage collector leaves alone what has stayed so far.

    There are millions of objects, of torch, Hypothesis and these tests, and engines that a test
    closes look at every one.
    """
    if next(_started) % _OFTEN == 0:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """In several processes: what shares something slow to start is not taken apart."""
    from scheduling import Together

    return Together(config, log)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the benchmarks' real files."""
    folder = os.environ.get("LRMTEST_DATA_DIR")
    if not folder:
        pytest.skip("LRMTEST_DATA_DIR is not set: no real benchmark files to test with")
    return Path(folder)


@pytest.fixture
def pytester(pytester, monkeypatch):
    """pytest's own; sessions in processes of their own begin with pytest and lrmtest imported.

    Nor do they load Hypothesis' plugin: at the end of every session it imports all of Hypothesis,
    which takes as long as all else that a small session does. Sessions in this process have it.
    """
    import prepared

    run_subprocess, popen = pytester.runpytest_subprocess, pytester.popen

    def without_hypothesis(*args, **options):
        return run_subprocess("-p", "no:hypothesispytest", *args, **options)

    def begin_quickly(cmdargs, stdout, stderr, stdin):
        if tuple(cmdargs[:2]) != (sys.executable, "-mpytest"):
            return popen(cmdargs, stdout, stderr, stdin)
        found = filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
        return prepared.begin(
            *("-m", "pytest", *cmdargs[2:]),
            torch="tiny-lrm" in cmdargs,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(found)},
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
        )  # fmt: skip

    monkeypatch.setattr(pytester, "runpytest_subprocess", without_hypothesis)
    monkeypatch.setattr(pytester, "popen", begin_quickly)
    return pytester


@pytest.fixture
def quick_vllm(monkeypatch, tmp_path_factory):
    """A real vLLM starts in two processes and not in three, neither of which imports all of it.

    Its worker is in one with its engine then, the engine a fork of the server, and the server one
    of a process that has imported it. And it finds what it has noted of the model's class.
    For tests whose matter is not its start: `tests/engines/test_vllm_engine.py` has that.
    """
    import prepared

    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    monkeypatch.setenv("VLLM_CACHE_ROOT", _VLLM_CACHE)
    monkeypatch.setenv("PYTHONPATH", str(prepared.FORKING_VLLM), prepend=os.pathsep)
    found = prepared.environment("LRMTEST_VLLM", tmp_path_factory.mktemp("vllm") / "quick")
    if found:
        monkeypatch.setenv("LRMTEST_VLLM", str(found))


@pytest.fixture(autouse=True)
def not_on_github(monkeypatch):
    """Sessions that tests start say nothing to the service that may run the tests."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def as_wide_as_a_pipe(monkeypatch):
    """Lines break where they do without xdist, which tells its workers of a terminal of its own."""
    monkeypatch.delenv("COLUMNS", raising=False)
