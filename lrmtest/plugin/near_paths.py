"""Near paths: what else is there, when a test's path on the command line is not."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import pytest

from lrmtest.reports.escape import one_line

_MOST = 12
_LONGEST = 100


@contextmanager
def advising(config: pytest.Config) -> Iterator[None]:
    """Add advice to pytest's complaint of a path.

    Under xdist the workers would complain, each of them, and pytest end with an INTERNALERROR:
    there it is said before they are asked.
    """
    folder = config.invocation_params.dir
    if config.option.pyargs:  # names of packages, too
        yield
        return
    if config.pluginmanager.hasplugin("dsession"):
        for argument in config.args:
            if not (folder / argument.partition("::")[0]).exists():
                missing = f"file or directory not found: {one_line(argument, _LONGEST)}"
                raise pytest.UsageError(missing, *advice([argument], folder))
    try:
        yield
    except pytest.UsageError as error:
        raise pytest.UsageError(*error.args, *advice(config.args, folder)) from None


def advice(arguments: Iterable[str], folder: Path) -> Iterator[str]:
    """A line for each argument that names no file, or a test in a folder.

    Args:
        arguments: paths and test ids, as pytest takes them.
        folder: what they are relative to.
    """
    for argument in arguments:
        name, colons, test = argument.partition("::")
        path = folder / name
        if not path.exists():
            beside = [one_line(found, _LONGEST) for found in _beside(Path(name), folder)]
            if beside:
                yield f"there is no {one_line(name, _LONGEST)}; there are {', '.join(beside)}"
        elif colons and path.is_dir() and (files := sorted(path.glob("test_*.py"))):
            told = shlex.quote(f"{name.rstrip('/')}/{files[0].name}::{test}")
            yield f"a test is named by its file: {one_line(told, _LONGEST)}"


def _beside(path: Path, folder: Path) -> list[str]:
    """What pytest could be given in the folder that is there, the most alike first.

    Where the folder itself is mistyped, only what is like it: all else is no answer.
    """
    parent = path.parent
    if (folder / parent).is_dir():
        names = _names(folder / parent)
        near = get_close_matches(path.name, names, n=_MOST, cutoff=0.5)
        near += [name for name in names if name not in near]
        return [str(parent / name) for name in near[:_MOST]]
    first = path.parts[0]
    return [] if path.is_absolute() else get_close_matches(first, _names(folder), n=3)


def _names(folder: Path) -> list[str]:
    """The tests in a folder, and folders with tests."""
    return [
        entry.name
        for entry in sorted(folder.iterdir())
        if entry.match("test_*.py") or any(any(entry.glob(e)) for e in ("test_*.py", "*/test_*.py"))
    ]
