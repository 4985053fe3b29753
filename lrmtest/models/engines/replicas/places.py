"""Places of a model's replicas: a list of URLs, or a file of them that changes meanwhile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from lrmtest.bounded import read_text
from lrmtest.errors import DataError, UsageError
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.paths import user_path
from lrmtest.unicode import quote

if TYPE_CHECKING:
    from lrmtest.models.spec import ModelSpec

FILE = "replicas:"
"""Begins a location that is a file of URLs, one a line."""

_BETWEEN = re.compile(r"\s*,\s*(?=https?://)")
_MOST_BYTES = 1 << 20
_MOST_PLACES = 1024
_HINT = "it has one endpoint's URL a line; what follows a # is a remark"


def are_several(location: str) -> bool:
    """Whether a location names several endpoints, or a file of them."""
    return location.startswith(FILE) or _BETWEEN.search(location) is not None


def endpoints_of(spec: ModelSpec) -> tuple[tuple[str, str], ...]:
    """Name and base URL of each endpoint that a model is asked at; of one of files, none.

    Raises:
        DataError: the file of replicas cannot be read.
    """
    kind = kind_of(spec)
    if kind.source != "endpoint":
        return ()
    urls = ReplicaPlaces(spec.location).now() if kind.several else (spec.location,)
    return tuple((spec.name, url) for url in urls)


class ReplicaPlaces:
    """The URLs of a model's replicas.

    Args:
        location: one URL, several with commas between them, or ``replicas:FILE``.

    Attributes:
        file: the file that names them; None where they stay as they are.
        skipped: lines of the file that are no URLs, as they were last read, in a few words each.

    Raises:
        UsageError: what is no URL stands among several, one stands there twice, or a file has no
            name.
    """

    def __init__(self, location: str) -> None:
        self.file: Path | None = None
        self.skipped: tuple[str, ...] = ()
        self._fixed: tuple[str, ...] = ()
        if location.startswith(FILE):
            name = location.removeprefix(FILE)
            if not name:
                raise UsageError(f"--model {FILE} names no file", hint=f"write {FILE}PATH")
            self.file = user_path(name)
            return
        urls = [Endpoint.parse(part).url for part in _BETWEEN.split(location)]
        for number, url in enumerate(urls):
            if url in urls[:number]:
                raise UsageError(
                    f"the endpoint {quote(url, 80)} is given twice for one model",
                    hint="leave one of them out: --concurrency says how much each is asked at once",
                )
        self._fixed = tuple(urls)

    @property
    def location(self) -> str:
        """The location, each URL in full."""
        return ",".join(self._fixed) if self.file is None else f"{FILE}{self.file}"

    def now(self) -> tuple[str, ...]:
        """The URLs there are now, each once.

        A file that is missing names none: whoever starts the replicas may not have begun it.

        Raises:
            DataError: the file cannot be read, or is too large to be one of URLs.
        """
        if self.file is None:
            return self._fixed
        if not self.file.exists():
            return ()
        urls: dict[str, None] = {}
        skipped: list[str] = []
        text = read_text(self.file, _MOST_BYTES, hint=_HINT)
        for number, line in enumerate(text.splitlines(), 1):
            if not (words := line.partition("#")[0].strip()):
                continue
            try:
                urls[Endpoint.parse(words).url] = None
            except UsageError as error:
                skipped.append(f"{self.file}:{number}: {error.message}")
        if len(urls) > _MOST_PLACES:
            raise DataError(
                f"{self.file} names {len(urls):,} endpoints; at most {_MOST_PLACES:,} are asked",
                hint="put a router in front of some of them",
            )
        self.skipped = tuple(skipped)
        return tuple(urls)
