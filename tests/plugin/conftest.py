"""A server that answers some questions rightly, and a small suite of one's own."""

import pytest
from fault_server import FaultServer
from sums import SUITE, add


@pytest.fixture
def server():
    with FaultServer(answer=add) as running:
        yield running


@pytest.fixture
def run(pytester, server):
    """Run the suite against the server, as a user would."""
    pytester.makepyfile(test_sums=SUITE)

    def run_suite(*args, url=None):
        return pytester.runpytest_inprocess(
            "-p",
            "no:cacheprovider" if "--lf" not in args and "cached" not in args else "no:x",
            "--model",
            f"m={url or server.url}",
            *(arg for arg in args if arg != "cached"),
        )

    return run_suite
