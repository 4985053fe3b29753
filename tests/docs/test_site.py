"""The documentation as a site: it builds without a warning and fetches nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
IMPORTED = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="the site's builder: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_it_builds_without_a_warning(site):
    assert (site / "index.html").exists()
    assert (site / "suites" / "index.html").exists()


def test_nothing_is_fetched_from_elsewhere(site):
    for page in site.rglob("*.html"):
        found = LOADED.findall(page.read_text())
        assert not [tag for tag in found if 'rel="canonical"' not in tag], page
    for style in site.rglob("*.css"):
        assert not IMPORTED.search(style.read_text()), style
