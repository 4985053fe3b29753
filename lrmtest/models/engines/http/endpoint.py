"""An endpoint: where an OpenAI-compatible server is, and the key it wants."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lrmtest.errors import UsageError
from lrmtest.masking import hidden, masked_url
from lrmtest.unicode import quote

KEY_VARIABLE = "LRMTEST_API_KEY"
"""The variable of the environment with the key of a session's only host; see `keys`."""

_API_ROOT = re.compile(r"(?:v\d\w*|openai)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's base URL, ending in its API root (``/v1``), and the key for it.

    The key is kept out of `repr` and of every message that passes through `quote`.
    """

    url: str
    key: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, location: str, key: str | None = None) -> Endpoint:
        """The endpoint at `location`, with ``/v1`` added when its path names no API root.

        Raises:
            UsageError: it is no http(s) URL, or it carries credentials or a query.
        """
        expected = "give a base URL such as http://localhost:8000/v1"
        text = location.strip()
        if not text.isascii() or not text.isprintable():
            raise UsageError("the endpoint's URL holds characters that no URL has", hint=expected)
        try:
            parts = urlsplit(text)
            has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            has_host = False
        if not has_host or parts.scheme not in ("http", "https") or " " in text:
            # Not quoted in full: what was pasted here by mistake may be a key.
            shown = quote(masked_url(text), limit=60)
            raise UsageError(f"{shown!r} is not an endpoint's URL", hint=expected)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise UsageError(
                f"the endpoint's URL {quote(masked_url(text), 60)!r} carries credentials, a query "
                "or a fragment",
                hint=f"put the key into the environment variable {KEY_VARIABLE}",
            )
        path = parts.path.rstrip("/").removesuffix("/chat/completions").rstrip("/")
        if not _API_ROOT.fullmatch(path.rpartition("/")[2]):
            path += "/v1"
        return cls(f"{parts.scheme}://{parts.netloc}{path}", key)

    @property
    def root(self) -> str:
        """The URL above the API root, where servers keep what is not OpenAI's."""
        return self.url.rpartition("/")[0]

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, where no proxy may come between."""
        host = urlsplit(self.url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return address.is_loopback or address.is_unspecified

    def hide(self, text: str) -> str:
        """What the server said, with asterisks for the key; all else stays in place."""
        return hidden(text, self.key, length=True) if self.key else text

    def hide_bytes(self, data: bytes) -> bytes:
        """The same of what it sent."""
        return data.replace(self.key.encode(), b"*" * len(self.key)) if self.key else data

    def quote(self, text: str, limit: int = 300) -> str:
        """What the server said, safe to print: one line, bounded, without the key."""
        if self.key:
            text = hidden(text, self.key)
        return quote(text, limit)
