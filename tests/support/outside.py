"""Packages from outside lrmtest, found by their metadata as if pip had installed them."""

import os
import tomllib
from pathlib import Path

OUTSIDE = Path(__file__).parents[1] / "outside"


def write_metadata(site, name, entry_points):
    """The folder that pip would write for a package: its name and its entry points, by group."""
    folder = site / f"{name.replace('-', '_')}-0.1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    lines = [
        line
        for group, points in entry_points.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in points.items()))
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines))


def install(package, site, monkeypatch):
    """Put the package in the folder `package` where Python processes to come find it.

    Args:
        package: with a ``pyproject.toml`` and its modules.
        site: an empty folder for its metadata.
        monkeypatch: pytest's.
    """
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    write_metadata(site, project["name"], project["entry-points"])
    put_on_path(monkeypatch, package, site)


def put_on_path(monkeypatch, *folders):
    """Put folders on the module path of this process and of those that it starts."""
    for folder in folders:
        monkeypatch.syspath_prepend(folder)
    before = os.environ.get("PYTHONPATH")
    parts = [*map(str, folders), *([before] if before else [])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(parts))
