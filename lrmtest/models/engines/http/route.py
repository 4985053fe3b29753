"""The route to a server: its address, the proxy before it, and TLS with whom."""

from __future__ import annotations

import asyncio
import base64
import functools
import ipaddress
import os
import socket
import ssl
import urllib.request
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

import certifi

from lrmtest.masking import masked_url

_PORTS = {"http": 80, "https": 443}


class RouteError(ValueError):
    """A URL or a proxy that nothing can be sent to."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A host on the way.

    Attributes:
        host: its name or address.
        port: where it listens.
        tls: whether it speaks TLS.
        authorization: the header's value that it wants to see as a proxy; empty for none.
    """

    host: str
    port: int
    tls: bool
    authorization: str = ""

    @property
    def name(self) -> str:
        """Host and port, as they stand in a URL and in a request for a tunnel."""
        return f"{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """How a URL is reached.

    Attributes:
        server: the last hop.
        proxy: the hop before it, if there is one.
        origin: scheme, host and port: connections of one origin can be used again.
    """

    server: Hop
    proxy: Hop | None
    origin: str

    @property
    def tunnelled(self) -> bool:
        """Whether the proxy only passes bytes on, and is asked for that first."""
        return self.proxy is not None and self.server.tls


@functools.lru_cache(maxsize=64)
def target_of(url: str) -> tuple[SplitResult, Hop]:
    """The parts of a URL and the server that it names.

    Raises:
        RouteError: it is no http(s) URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise RouteError("no URL") from error
    if parts.scheme not in _PORTS or not host:
        raise RouteError("no http(s) URL")
    return parts, Hop(host, port or _PORTS[parts.scheme], parts.scheme == "https")


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL.

    Raises:
        RouteError: it is no http(s) URL.
    """
    parts, server = target_of(url)
    return f"{parts.scheme}://{server.name}"


def route_to(url: str, trust_env: bool) -> Route:
    """The way to a URL's server, through the proxy that the environment names for it.

    Proxies are what `urllib.request.getproxies` finds (``HTTP_PROXY``, ``HTTPS_PROXY``,
    ``ALL_PROXY``, and the system's settings on Windows and macOS), ``NO_PROXY`` what it excepts.

    Raises:
        RouteError: it is no http(s) URL, or the proxy is none that HTTP goes through.
    """
    parts, server = target_of(url)
    origin = origin_of(url)
    if not trust_env:
        return Route(server, None, origin)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or any(map(urllib.request.proxy_bypass, (server.name, server.host))):
        return Route(server, None, origin)
    return Route(server, _proxy(proxy), origin)


@functools.lru_cache(maxsize=64)
def _proxy(location: str) -> Hop:
    shown = masked_url(location)
    try:
        parts = urlsplit(location if "://" in location else f"http://{location}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise RouteError(f"the proxy {shown!r} in the environment is no URL") from error
    if parts.scheme not in _PORTS or not host:
        raise RouteError(f"the proxy {shown!r} in the environment is no http(s) proxy")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Hop(host, port or _PORTS[parts.scheme], parts.scheme == "https", authorization)


@functools.cache
def tls_context(trust_env: bool) -> ssl.SSLContext:
    """Verifies certificates by ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``, else by certifi's.

    Shared by all connections: reading the certificates takes longer than many a request.
    """
    file = os.environ.get("SSL_CERT_FILE") if trust_env else None
    folder = os.environ.get("SSL_CERT_DIR") if trust_env else None
    if file or folder:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
    else:
        context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


async def connected_socket(hop: Hop) -> socket.socket:
    """A socket that is connected to the first address of a hop that answers.

    Raises:
        OSError: none does.
    """
    loop = asyncio.get_running_loop()
    refusal: OSError | None = None
    for family, address in await _addresses(hop, loop):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, address)
        except OSError as error:
            connection.close()
            refusal = refusal or error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise refusal or OSError("the name has no address")


async def _addresses(
    hop: Hop, loop: asyncio.AbstractEventLoop
) -> list[tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]]:
    try:
        numeric = ipaddress.ip_address(hop.host)
    except ValueError:
        try:
            found = await loop.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError("no name of a host") from error
        return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]
    family = socket.AF_INET if numeric.version == 4 else socket.AF_INET6
    return [(family, (hop.host, hop.port))]


def bracketed(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
