"""Graders in a plan: they go along to the process that grades completions as they arrive.

Under xdist that is the controller, which has imported no test file. It gets a reference (module,
file, qualified name) in place of the function, and imports the file where it must.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from lrmtest.errors import UsageError
from lrmtest.grading import Grader


@dataclass(frozen=True, slots=True)
class GraderReference:
    """Where another process finds a grader.

    Attributes:
        module: the module's name, as here.
        file: its file, absolute; empty for a grader that only this process has.
        name: qualified name in the module, as in messages.
        path: this process's ``sys.path``, since pytest adds the folders of test files to it.
    """

    module: str
    file: str
    name: str
    path: tuple[str, ...]

    def load(self) -> Grader:
        """The grader, its module imported if need be.

        Raises:
            UsageError: it cannot be had in another process, or its module cannot be imported.
        """
        if not self.file:
            raise UsageError(
                f"--early-stop under xdist grades outside the tests' processes, and the grader "
                f"{self.name} of {self.module} cannot be found there",
                hint="write it as a function of its own at the top level of a module, no lambda",
            )
        try:
            with _search_path(self.path):
                found: Grader = _member(self._module(), self.name)
        # Importing a test file runs whatever is in it.
        except (Exception, pytest.skip.Exception) as error:
            raise UsageError(
                f"--early-stop under xdist grades outside the tests' processes, and the grader "
                f"{self.name} cannot be imported there from {self.file}: "
                f"{type(error).__name__}: {error}",
                hint="put it into a module of its own that imports without the tests",
            ) from error
        return found

    def _module(self) -> ModuleType:
        known = None
        # pytest gives test files names by which nobody else need find them.
        with suppress(ImportError, ValueError):
            known = find_spec(self.module)
        if known is not None and _resolved(known.origin) == self.file:
            return import_module(self.module)
        name = self.module
        while name in sys.modules:  # of another conftest.py, for example
            name += "_"
        spec = spec_from_file_location(name, self.file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


class PlannedGrader:
    """A grader that a plan carries. In the process that planned it is the function itself.

    Args:
        grader: the suite's.
    """

    def __init__(self, grader: Grader) -> None:
        self._grader: Grader | None = grader
        self._reference: GraderReference | None = None

    @property
    def grader(self) -> Grader:
        """The grader, loaded on first use.

        Raises:
            UsageError: see `GraderReference.load`.
        """
        if self._grader is None:
            assert self._reference is not None
            self._grader = self._reference.load()
        return self._grader

    def __getstate__(self) -> GraderReference:
        if self._reference is None:
            assert self._grader is not None
            self._reference = reference_to(self._grader)
        return self._reference

    def __setstate__(self, reference: GraderReference) -> None:
        self._grader, self._reference = None, reference


def reference_to(grader: Grader) -> GraderReference:
    """The reference to a grader; one without a file if another process could not find it."""
    name = getattr(grader, "__qualname__", "") or repr(grader)
    module_name = getattr(grader, "__module__", "") or ""
    module = sys.modules.get(module_name)
    file = ""
    # A lambda, a function within a function, an object: they have no name in their module.
    with suppress(AttributeError):
        if module is not None and _member(module, name) == grader:
            file = _resolved(getattr(module, "__file__", None))
    return GraderReference(module_name, file, name, tuple(sys.path))


def _member(module: ModuleType, name: str) -> Grader:
    found: Grader = reduce(getattr, name.split("."), module)  # type: ignore[assignment]
    return found


def _resolved(file: str | None) -> str:
    return str(Path(file).resolve()) if file else ""


@contextmanager
def _search_path(path: tuple[str, ...]) -> Iterator[None]:
    """Modules are found where the other process found them, after where this one does."""
    added = [entry for entry in path if entry not in sys.path]
    sys.path += added
    try:
        yield
    finally:
        sys.path = [entry for entry in sys.path if entry not in added]
