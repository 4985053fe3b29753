"""README as the package index shows it: no link that leads nowhere."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lrmtest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
LINKS = re.compile(r"\]\(([^)]*)\)")
BUILD = """
import sys
from setuptools.build_meta import prepare_metadata_for_build_wheel
print(prepare_metadata_for_build_wheel(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def description():
    pytest.importorskip("setuptools")
    return runpy.run_path(str(ROOT / "setup.py"))["description"]


@pytest.fixture
def checkout(tmp_path):
    """What metadata is made of."""
    pytest.importorskip("setuptools")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "lrmtest").mkdir()
    shutil.copy(ROOT / "lrmtest" / "__init__.py", tmp_path / "lrmtest")
    return tmp_path


def built(checkout):
    """The page of the package that is made there."""
    target = checkout / "metadata"
    target.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, target], cwd=checkout, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (metadata,) = target.glob("*.dist-info/METADATA")
    headers, _, page = metadata.read_text().partition("\n\n")
    assert "Description-Content-Type: text/markdown" in headers
    return page


def test_without_a_known_repository_there_is_no_relative_link(checkout):
    text = (checkout / "pyproject.toml").read_text()
    assert "[project.urls]" not in text, "with a Source, the next test says what is so"
    page = built(checkout)
    assert page.startswith("# lrmtest")
    assert [link for link in LINKS.findall(page) if not link.startswith("https://")] == []
    assert "<!--" not in page
    assert "pip install" in page


def test_with_one_links_lead_there(checkout):
    path = checkout / "pyproject.toml"
    urls = '[project.urls]\nSource = "https://example.org/lrmtest/"\n\n[project.scripts]'
    path.write_text(path.read_text().replace("[project.scripts]", urls))
    links = [link for link in LINKS.findall(built(checkout)) if "example.org" in link]
    assert len(links) == len(LINKS.findall(README))
    version = f"https://example.org/lrmtest/blob/v{lrmtest.__version__}"
    assert f"{version}/docs/gate.md" in links
    assert all(
        (ROOT / link.split(f"/v{lrmtest.__version__}/")[1].partition("#")[0]).exists()
        for link in links
    )


@pytest.mark.parametrize(
    ("text", "plain", "linked"),
    [
        ("[a](docs/a.md#b)", "a", "[a](S/blob/v1/docs/a.md#b)"),
        ("![a](docs/a.png)", "", "![a](S/raw/v1/docs/a.png)"),
        ("[a](https://x.org)", "[a](https://x.org)", "[a](https://x.org)"),
        ("[a](#b)", "[a](#b)", "[a](#b)"),
        ("<!-- c -->\n```\n`x[1](2)`", "```\n`x1`", "```\n`x[1](S/blob/v1/2)`"),
    ],
)
def test_links(description, text, plain, linked):
    assert description(text, None, "1") == plain
    assert description(text, "S", "1") == linked


def test_every_link_of_readme_leads_somewhere_here():
    for link in LINKS.findall(README):
        assert link.startswith("https://") or (ROOT / link.partition("#")[0]).exists(), link
