"""A real browser for the tests of pages."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

NAMES = (
    "chromium-headless-shell",
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
)
"""Programs that are looked for; the first is Chromium without all that a window needs."""


_OPEN = []
"""Its library can be started once at a time in a process."""


@contextmanager
def launched():
    """Chromium, without a window, the one that is open if there is one.

    The test is skipped where there is none.
    """
    if _OPEN:
        yield _OPEN[0]
        return
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        # A container's root has no user namespaces for the sandbox.
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        _OPEN.append(browser)
        try:
            yield browser
        finally:
            _OPEN.clear()
            browser.close()
