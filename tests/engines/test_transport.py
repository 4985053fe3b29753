"""The transport against real sockets: framing, connections that are kept, proxies, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from lrmtest.models.engines.http import route as routes
from lrmtest.models.engines.http.pace import READ_ON, Pace
from lrmtest.models.engines.http.route import RouteError, route_to
from lrmtest.models.engines.http.transport import SilenceError, Transport
from lrmtest.models.engines.http.wire import Wire, WireError

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\nhi"


class Answering:
    """A server that answers each request on a connection with the next of its answers, then ends.

    Args:
        answers: bytes; None keeps silent.
        wrap: turns a connection into another, of TLS.
        family: of its address.
    """

    def __init__(self, *answers, wrap=None, family=socket.AF_INET):
        self.answers = answers
        self.requests = []
        self.connections = 0
        self._wrap = wrap
        self._listening = socket.create_server(
            ("127.0.0.1" if family == socket.AF_INET else "::1", 0), family=family
        )
        self.port = self._listening.getsockname()[1]
        self._open = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        for each in [self._listening, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError):
            if self._wrap:
                connection = self._wrap(connection)
                self._open.append(connection)
            for answer in self.answers:
                request = b""
                while b"\r\n\r\n" not in request:
                    received = connection.recv(65536)
                    if not received:
                        return
                    request += received
                self.requests.append(request)
                if answer is None:
                    return
                if answer == "tls":
                    connection.sendall(OK + b"\r\n")
                    connection = self.tls.wrap_socket(connection, server_side=True)
                    self._open.append(connection)
                else:
                    connection.sendall(answer)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def ask(*urls, trust_env=False, timeout=30.0, headers=None, content=None):
    """Status and body of each, all asked by one transport."""

    async def main():
        transport = Transport(trust_env=trust_env, timeout=timeout, pace=Pace())
        answers = []
        for url in urls:
            parts = []

            def take(data, parts=parts):
                parts.append(data)
                return READ_ON

            async with transport.request("POST", url, headers or {}, content) as answer:
                await answer.deliver(take)
            answers.append((answer.status, b"".join(parts)))
        transport.close()
        return answers

    return asyncio.run(main())


def url_of(server, scheme="http", host="127.0.0.1"):
    return f"{scheme}://{host}:{server.port}/v1/x?y=1"


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE,
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nTrailer: t\r\n\r\n",
        OK + b"\r\nhi",
        b"HTTP/1.0 200 OK\r\n\r\nhi",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + WHOLE,
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
        OK + b"Content-Length: 2\r\n\r\nhi and more",
    ],
)
def test_every_framing_is_read(answer):
    with Answering(answer) as server:
        assert ask(url_of(server)) == [(200, b"hi")]
    assert server.requests[0].startswith(b"POST /v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "without an answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
        (OK + b"Content-Length: 3\r\n\r\nhi", "in the middle"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "in the middle"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n", "not HTTP"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "protocol"),
        (OK + b"X: " + b"y" * 300_000, "does not end"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * 600_000, "does not end"),
    ],
)
def test_what_breaks_on_the_wire_is_named(answer, words):
    with Answering(answer) as server, pytest.raises(WireError, match=words):
        ask(url_of(server))


def test_nobody_there_is_named():
    with Answering() as server:
        pass
    with pytest.raises(WireError, match=f"127.0.0.1:{server.port}"):
        ask(url_of(server))
    with pytest.raises(WireError):
        ask("http://nobody.invalid/v1")
    for url in ("ftp://h/", "http://", "http://h:99999/"):
        with pytest.raises(RouteError):
            ask(url)
    with Answering(WHOLE) as server, pytest.raises(RouteError, match="header"):
        ask(url_of(server), headers={"X": "\u2026"})


def test_silence_is_named():
    class Silent(Answering):
        def _serve(self, connection):
            connection.recv(1)

    with Silent() as server, pytest.raises(SilenceError, match=r"not a byte within 0\.2 s"):
        ask(url_of(server), timeout=0.2)


def test_a_connection_is_kept_and_left_when_the_server_ended_it():
    with Answering(*[WHOLE] * 3) as server:
        assert ask(*[url_of(server)] * 3) == [(200, b"hi")] * 3
        assert server.connections == 1
    closing = OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nhi"
    with Answering(closing) as server:
        assert ask(*[url_of(server)] * 3) == [(200, b"hi")] * 3
        assert server.connections == 3

    async def twice(server):
        transport = Transport(trust_env=False, timeout=30.0, pace=Pace())
        for _ in range(2):
            async with transport.request("GET", url_of(server), {}, None) as answer:
                await answer.deliver(lambda data: READ_ON)
            # The end of the connection has arrived once the server has closed it.
            kept = transport._kept
            while kept is not None and kept[1].receive() is None:
                await asyncio.sleep(0.01)
        transport.close()

    with Answering(WHOLE) as server:
        asyncio.run(twice(server))
        assert server.connections == 2


def test_an_answer_that_is_left_early_closes_its_connection():
    async def main(server):
        transport = Transport(trust_env=False, timeout=30.0, pace=Pace())
        async with transport.request("GET", url_of(server), {}, None) as answer:
            await answer.deliver(lambda data: None)
        assert transport._kept is None

    part = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"
    with Answering(part, None) as server:
        asyncio.run(main(server))


def test_a_large_request_is_sent_whole():
    with Answering(WHOLE) as server:
        assert ask(url_of(server), content=b"x" * (4 << 20)) == [(200, b"hi")]


def test_ipv6():
    try:
        server = Answering(WHOLE, family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        assert ask(url_of(server, host="[::1]")) == [(200, b"hi")]
        assert f"Host: [::1]:{server.port}".encode() in server.requests[0]


# Proxies


@pytest.fixture
def environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    routes.tls_context.cache_clear()
    yield monkeypatch
    routes.tls_context.cache_clear()


def test_a_proxy_of_the_environment_is_asked(environment):
    with Answering(WHOLE) as proxy:
        environment.setenv("http_proxy", f"http://us%40er:p%3Aw@127.0.0.1:{proxy.port}")
        assert ask("http://far.invalid:81/v1", trust_env=True) == [(200, b"hi")]
        (request,) = proxy.requests
        assert request.startswith(b"POST http://far.invalid:81/v1 HTTP/1.1\r\nHost: far.invalid:81")
        assert b"Proxy-Authorization: Basic dXNAZXI6cDp3\r\n" in request
    environment.setenv("no_proxy", "other, .invalid")
    assert route_to("http://far.invalid:81/v1", True).proxy is None
    assert route_to("http://far.example:81/v1", True).proxy is not None
    assert route_to("http://far.example:81/v1", False).proxy is None
    environment.setenv("all_proxy", "socks5://user:geheim@h:1")
    with pytest.raises(RouteError, match="no http") as caught:
        route_to("https://far.example/v1", True)
    assert "geheim" not in str(caught.value)


def test_a_proxy_that_refuses_a_tunnel_is_named(environment):
    with Answering(b"HTTP/1.1 407 No\r\n\r\n") as proxy:
        environment.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        with pytest.raises(WireError, match="407"):
            ask("https://far.invalid/v1", trust_env=True)
        assert proxy.requests[0].startswith(b"CONNECT far.invalid:443 HTTP/1.1\r\n")


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost, of its own authority, and a context that shows it."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl here to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:far.invalid"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


def test_only_a_certificate_that_is_trusted_is_taken(environment, certificate):
    path, context = certificate

    def wrap(connection):
        return context.wrap_socket(connection, server_side=True)

    big = OK + b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000
    with Answering(WHOLE, big, wrap=wrap) as server:
        url = url_of(server, "https", "localhost")
        with pytest.raises(WireError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(url, trust_env=True)
        environment.setenv("SSL_CERT_FILE", str(path))
        routes.tls_context.cache_clear()
        connections = server.connections
        assert ask(url, url, trust_env=True) == [(200, b"hi"), (200, b"x" * 300_000)]
        assert server.connections == connections + 1
        with pytest.raises(WireError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(url, trust_env=False)  # the environment has no say there
        with pytest.raises(WireError, match=r"CERTIFICATE_VERIFY_FAILED.*127\.0\.0\.1"):
            ask(url_of(server, "https"), trust_env=True)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_tunnel_through_a_proxy_is_encrypted_to_its_end(environment, certificate, scheme):
    path, context = certificate
    environment.setenv("SSL_CERT_FILE", str(path))
    routes.tls_context.cache_clear()

    with Answering(WHOLE, wrap=lambda c: context.wrap_socket(c, server_side=True)) as server:

        def pass_on(connection):
            """Of a proxy: after the request for a tunnel, every byte in both directions."""
            if scheme == "https":
                connection = context.wrap_socket(connection, server_side=True)
            while b"\r\n\r\n" not in (asked := connection.recv(65536)):
                pass
            proxy.requests.append(asked)
            connection.sendall(OK + b"\r\n")
            behind = socket.create_connection(("127.0.0.1", server.port))
            proxy._open.append(behind)

            def copy(source, target):
                with contextlib.suppress(OSError):
                    while data := source.recv(65536):
                        target.sendall(data)

            threading.Thread(target=copy, args=(connection, behind), daemon=True).start()
            copy(behind, connection)
            raise OSError("done")

        with Answering(wrap=pass_on) as proxy:
            environment.setenv("https_proxy", f"{scheme}://localhost:{proxy.port}")
            assert ask("https://far.invalid/v1", trust_env=True) == [(200, b"hi")]
            assert proxy.requests[0].startswith(b"CONNECT far.invalid:443 ")
            assert server.requests[0].startswith(b"POST /v1 HTTP/1.1\r\n")


def test_what_has_come_is_counted_and_left():
    async def main():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        wire = Wire(ours)
        assert wire.unread() == 0
        theirs.sendall(b"x" * 300)
        assert wire.unread() == wire.unread() == 300
        assert wire.receive() == b"x" * 300
        assert wire.unread() == 0
        wire.close()
        assert wire.unread() == -1  # a stream that was left in a pause
        theirs.close()

    asyncio.run(main())
