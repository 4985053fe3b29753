"""What all tests share."""

import os
import signal
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
from hypothesis import settings

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
settings.register_profile("lrmtest", deadline=None)
settings.load_profile("lrmtest")


# Packages of somebody else's, which tests copy and run.
collect_ignore = ["outside"]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the benchmarks' real files."""
    folder = os.environ.get("LRMTEST_DATA_DIR")
    if not folder:
        pytest.skip("LRMTEST_DATA_DIR is not set: no real benchmark files to test with")
    return Path(folder)


@pytest.fixture(autouse=True)
def not_on_github(monkeypatch):
    """Sessions that tests start say nothing to the service that may run the tests."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
