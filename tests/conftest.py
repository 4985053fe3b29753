"""What all tests share."""

import os
import signal
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
from hypothesis import HealthCheck, settings
from scheduling import Together

import lrmtest

# A session that pytester runs in this process leaves no module behind that it was the first to
# import. Imported a second time, a library raises other exceptions than those that are caught.
_MODULES = [module.name for module in walk_packages(lrmtest.__path__, "lrmtest.")]
_IMPORTED_WHEN_USED = ["httpcore", "anyio", "anyio._backends._asyncio"]
for _name in _MODULES + _IMPORTED_WHEN_USED:
    if not _name.endswith(("__main__", "_worker", "watchdog")):
        with suppress(ImportError):  # what an extra would install
            import_module(_name)

# Jobs in the background ignore Ctrl-C, those under nohup that the terminal is closed, and whatever
# they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long an example takes says more of the machine than of the code.
settings.register_profile("lrmtest", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lrmtest")


# Packages of somebody else's, which tests copy and run.
collect_ignore = ["outside/own_suite"]


def pytest_collection_modifyitems(items):
    """What takes longest comes first, so that no process is left with it at the end."""
    items.sort(
        key=lambda item: (
            item.get_closest_marker("engine") is None and item.path.parent.name != "docs"
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """In several processes: what shares something slow to start is not taken apart."""
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
    """pytest's own; sessions in processes of their own do not load Hypothesis' plugin.

    At the end of every session it imports all of Hypothesis, which takes as long as all else that
    a small session does. Sessions in this process have it loaded.
    """
    run_subprocess = pytester.runpytest_subprocess

    def without_hypothesis(*args, **options):
        return run_subprocess("-p", "no:hypothesispytest", *args, **options)

    monkeypatch.setattr(pytester, "runpytest_subprocess", without_hypothesis)
    return pytester


@pytest.fixture(autouse=True)
def not_on_github(monkeypatch):
    """Sessions that tests start say nothing to the service that may run the tests."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def as_wide_as_a_pipe(monkeypatch):
    """Lines break where they do without xdist, which tells its workers of a terminal of its own."""
    monkeypatch.delenv("COLUMNS", raising=False)
