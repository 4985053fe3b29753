"""A browser, and what a page did in it that it should not have."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from browser import launched

from lrmtest.analysis.compare import compare
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.reports.html import write_report
from lrmtest.runs.reference import load_run


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a window."""
    with launched() as browser:
        yield browser


@dataclass
class Watched:
    """A page with what happened in it.

    Attributes:
        page: Playwright's page.
        events: dialogs, requests for anything but the file, errors and console messages.
    """

    page: object
    events: list = field(default_factory=list)


@pytest.fixture
def watched(browser):
    """Opens pages and watches them; every one must have been quiet at the end."""
    opened = []

    @contextmanager
    def open_page(path, address="", **options):
        context = browser.new_context(viewport={"width": 1280, "height": 860}, **options)
        page = context.new_page()
        page.set_default_timeout(120_000)
        seen = Watched(page)
        opened.append(seen)
        url = path.as_uri()

        def dialog(one):
            seen.events.append(f"dialog: {one.message}")
            one.dismiss()

        page.on("dialog", dialog)
        page.on("console", lambda message: seen.events.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.events.append(f"error: {error}"))
        page.on("popup", lambda popup: seen.events.append(f"popup: {popup.url}"))
        context.on(
            "request",
            lambda request: (
                None if request.url == url else seen.events.append(f"request: {request.url}")
            ),
        )
        page.goto(url + address)
        page.wait_for_selector("main:not(:has(.coming)) h1")
        yield page
        context.close()

    yield open_page
    assert opened, "no page was opened"
    assert [event for seen in opened for event in seen.events] == []


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """The report of the store that `report_store.make_store` makes."""
    from report_store import make_store

    folder = tmp_path_factory.mktemp("report")
    store = make_store(folder / "lrmtest.sqlite")
    baseline, candidate = load_run("full-1", store), load_run("small-1", store)
    compared = compare(baseline, candidate, gate=GateSettings(allow_missing=True))
    write_report(folder / "report.html", [baseline, candidate], {candidate.run_id: compared})
    return folder / "report.html"
