"""A process may have as many sockets as the system lets it, and says so where these are too few."""

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")

MANY = """
import resource, socket
from lrmtest.models.engines.http.background import BackgroundLoop

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
loop = BackgroundLoop("many")
loop.start()
sockets = [socket.socket() for _ in range(200)]
loop.close()
print(len(sockets))
"""

NO_MORE = """
import asyncio, resource, socket
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError

async def ask():
    client, sockets = ChatClient(Endpoint("http://127.0.0.1:9/v1"), timeout=60), []
    try:
        while True:
            sockets.append(socket.socket())
    except OSError:
        pass
    try:
        await client.get("http://127.0.0.1:9/v1/models")
    except BrokenAnswerError as error:
        print(error)

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
asyncio.run(ask())
"""


def said(script):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 300, reason="too few allowed")
def test_what_the_system_allows_is_asked_for():
    assert said(MANY) == "200\n"


def test_where_there_are_no_more_it_is_said_with_the_next_step():
    words = said(NO_MORE)
    assert "may open no more files" in words
    assert "--concurrency" in words
