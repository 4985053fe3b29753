"""The page's script and style are what its sources build, byte for byte."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FRONTEND = ROOT / "frontend"
ASSETS = ROOT / "lrmtest" / "reports" / "html" / "assets"
BUILT = ("LICENSES.txt", "report.css", "report.js", "sources.sha256")
_MOST_BYTES = 1_000_000


def test_the_package_was_built_from_the_sources_as_they_are():
    names = [path.relative_to(FRONTEND).as_posix() for path in (FRONTEND / "src").rglob("*.*")]
    digest = hashlib.sha256()
    for name in sorted([*names, "build.mjs", "package-lock.json"]):
        digest.update(f"{name}\n".encode() + (FRONTEND / name).read_bytes() + b"\n")
    built = (ASSETS / "sources.sha256").read_text().strip()
    assert built == digest.hexdigest(), "give: cd frontend && npm ci && npm run build"


def test_versions_are_pinned_and_no_host_is_named():
    packages = json.loads((FRONTEND / "package.json").read_text())
    for version in {**packages["dependencies"], **packages["devDependencies"]}.values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    lock = json.loads((FRONTEND / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert not name or "integrity" in package, name


def test_every_package_in_the_script_has_its_licence():
    licences = (ASSETS / "LICENSES.txt").read_text()
    for name in json.loads((FRONTEND / "package.json").read_text())["dependencies"]:
        assert f"\n{name} " in licences
    assert "MIT" in licences
    assert sum((ASSETS / name).stat().st_size for name in BUILT) < _MOST_BYTES


@pytest.mark.browser
@pytest.mark.timeout(1800)
def test_building_again_gives_the_same_bytes(tmp_path):
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path / "frontend"
    shutil.copytree(FRONTEND, folder, ignore=shutil.ignore_patterns("node_modules"))
    fetched = subprocess.run(["npm", "ci"], cwd=folder, capture_output=True, text=True)
    if fetched.returncode and re.search("ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT", fetched.stderr):
        pytest.skip("npm cannot reach a registry")
    assert fetched.returncode == 0, fetched.stderr
    subprocess.run(["npx", "tsc", "--noEmit"], cwd=folder, check=True)
    subprocess.run(["node", "build.mjs", str(tmp_path / "built")], cwd=folder, check=True)
    for name in BUILT:
        assert (tmp_path / "built" / name).read_bytes() == (ASSETS / name).read_bytes(), name
