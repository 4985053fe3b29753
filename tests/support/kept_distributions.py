"""What is installed, read once.

pytest reads two files of each installed package when a session begins, to find its plugins, and
their lists of files again, to rewrite their assertions. For sessions that tests begin in their own
process what was read is kept as long as the folders of `sys.path` stay as they are.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable
from functools import cache, cached_property
from importlib.metadata import Distribution
from pathlib import Path

_READ = importlib.metadata.distributions


class Kept(Distribution):
    """A distribution whose files are read once."""

    def __init__(self, found: Distribution) -> None:
        self._found = found

    def read_text(self, filename):
        return self._found.read_text(filename)

    def locate_file(self, path):
        return self._found.locate_file(path)

    @cached_property
    def entry_points(self):
        return super().entry_points

    @cached_property
    def files(self):
        return super().files

    @cached_property
    def metadata(self):
        return super().metadata


def distributions(**context) -> Iterable[Distribution]:
    """Take the place of `importlib.metadata.distributions`."""
    if context:
        return _READ(**context)
    return [each for folder in sys.path for each in _in_folder(Path(folder).absolute())]


def _in_folder(folder):
    try:
        return _kept(folder, folder.stat().st_mtime_ns)
    except OSError:
        return []


@cache
def _kept(folder, changed):
    return [Kept(found) for found in _READ(path=[str(folder)])]
