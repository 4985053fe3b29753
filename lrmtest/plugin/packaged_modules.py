"""The test files in the package as pytest's modules: ``pytest --pyargs lrmtest.suites.aime``.

Their tests have one id wherever pytest is started and whatever of the package it is given, so that
``--lf``, JUnit files and `lrmtest triage` know them again; and the id is what ``--pyargs`` takes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[1] / "suites"
"""Nothing of it is imported here: this is asked of every test file of every project."""


def packaged_module(path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """The collector of a test file in the package, named as it is imported; None for any other.

    Args:
        path: the file.
        parent: the collector of its folder.
    """
    if path.parent.parent != _FOLDER:
        return None
    name = f"lrmtest.suites.{path.parent.name}.{path.stem}"
    # Without it the id would be the path from whatever of the package was named.
    return pytest.Module.from_parent(parent, path=path, nodeid=name)
