"""API keys from the environment: each goes only to the host that it was given for."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lrmtest.errors import UsageError
from lrmtest.models.engines.http.endpoint import KEY_VARIABLE, Endpoint

OPENAI_VARIABLE, OPENAI_URL_VARIABLE = "OPENAI_API_KEY", "OPENAI_BASE_URL"

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class FoundKey:
    """The key for an endpoint, and what its user should know.

    Attributes:
        value: the key; None when there is none for it.
        notices: one line each: a key that is withheld, or that travels unencrypted.
    """

    value: str | None = field(default=None, repr=False)
    notices: tuple[str, ...] = ()


def key_variable(name: str) -> str:
    """The variable for the key of the model called `name` alone: ``LRMTEST_API_KEY_R1_AWQ``."""
    return f"{KEY_VARIABLE}_{re.sub(r'[^A-Z0-9]+', '_', name.upper()).strip('_')}"


def own_key(name: str) -> str | None:
    """The key of the model called `name` alone, from its `key_variable`; None without one.

    Raises:
        UsageError: it holds what no header can carry.
    """
    return _read(key_variable(name))


def find_key(name: str, url: str, endpoints: Sequence[tuple[str, str]] = ()) -> FoundKey:
    """The key for an endpoint from the environment.

    `key_variable` comes first. ``LRMTEST_API_KEY`` is for the session's only host, or the only one
    that has no key of its own. ``OPENAI_API_KEY`` is for api.openai.com, or for the host that
    ``OPENAI_BASE_URL`` names.

    Args:
        name: the model's.
        url: the endpoint's base URL.
        endpoints: name and base URL of all endpoints that the session asks; those of one model are
            its replicas, which share its own key.

    Raises:
        UsageError: a key holds what no header can carry, or one variable is meant by two models
            on different hosts.
    """
    host = _origin(url)
    own = key_variable(name)
    others = [(other, at) for other, at in endpoints if _origin(at) != host]
    if key := own_key(name):
        for other, _ in others:
            if other != name and key_variable(other) == own:
                raise UsageError(
                    f"{own} could be the key of model {name!r} and that of model {other!r}, "
                    "which are on different hosts",
                    hint="give one of them another name: --model NAME=URL",
                )
        return _found(key, url)
    notices = []
    if key := _read(KEY_VARIABLE):
        without = [other for other, _ in others if not _read(key_variable(other))]
        if not without:
            return _found(key, url)
        if name in without:
            means = f"To give it to all of {name}: {own}"
        else:
            means = f"To give each its own: {own}, {key_variable(without[0])}"
        notices.append(
            f"{KEY_VARIABLE} is not sent to {_shown(url)}: this session asks several hosts, and "
            f"it was given for one. {means}"
        )
    if key := _read(OPENAI_VARIABLE):
        if host == _openai_origin() or (_is_openai(host) and not _openai_origin()):
            return _found(key, url)
        if not notices:
            notices.append(
                f"{OPENAI_VARIABLE} is not sent to {_shown(url)}: it is {_openai_host()}'s. "
                f"If this server wants a key, put it into {KEY_VARIABLE}"
            )
    return FoundKey(None, tuple(notices))


def _found(key: str, url: str) -> FoundKey:
    if url.startswith("https:") or Endpoint(url).is_loopback:
        return FoundKey(key)
    notice = f"the API key travels to {_shown(url)} unencrypted, where others can read it"
    return FoundKey(key, (f"{notice}; prefer https://",))


def _read(variable: str) -> str | None:
    key = os.environ.get(variable, "").strip()
    # An HTTP library would quote the illegal header, key and all, in its own error.
    if not (key.isascii() and all(char.isprintable() for char in key)):
        raise UsageError(
            f"{variable} holds characters that no HTTP header can carry",
            hint="paste the key again, in one line",
        )
    return key or None


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a key is given for."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return url, "", None
    return parts.scheme, (parts.hostname or "").rstrip("."), port


def _is_openai(origin: tuple[str, str, int | None]) -> bool:
    scheme, host, port = origin
    known = host == "api.openai.com" or host.endswith(".api.openai.com")
    return scheme == "https" and port == _DEFAULT_PORTS["https"] and known


def _openai_origin() -> tuple[str, str, int | None] | None:
    base = os.environ.get(OPENAI_URL_VARIABLE, "").strip()
    return _origin(base) if base else None


def _openai_host() -> str:
    origin = _openai_origin()
    return origin[1] if origin else "api.openai.com"


def _shown(url: str) -> str:
    return urlsplit(url).netloc
