"""Take the pictures of the report that are in the documentation.

    python docs/images/take.py

Makes a store of made-up runs, writes its report with `lrmtest report`, and opens it in Chromium.
Needs the extra ``dev`` and a Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from demo_runs import MODELS, make_store
from playwright.sync_api import Page, sync_playwright

from lrmtest.cli import main

HERE = Path(__file__).parent
VIEWS = {
    "overview": "#/",
    "plots": "#/plots",
    "runs": "#/runs",
    "questions": "#/questions?run=demo-7b-q2-20260301-120000&flip=broken",
    "question": "#/q/remainders/remainder-47",
}
WIDTH = 1280


def reports(folder: Path) -> tuple[Path, Path]:
    """The report of the made-up runs, and that of one of them alone."""
    store = folder / "reports" / "lrmtest.sqlite"
    make_store(store)
    baseline, *others = (f"{model.name}-20260301-120000" for model in MODELS)
    asked = {"report": [*others, "--baseline", baseline], "one": [others[-2]]}
    for name, arguments in asked.items():
        file = ["-o", str(folder / f"{name}.html"), f"--reports-dir={store.parent}"]
        if code := main(["report", *arguments, *file]):
            sys.exit(code)
    return folder / "report.html", folder / "one.html"


def take(page: Page, file: Path, scheme: str) -> None:
    """One picture of each view."""
    for name, address in VIEWS.items():
        # The question is shown as one comes to it: from the table, filtered by model.
        if name == "question":
            page.goto(file.as_uri() + VIEWS["questions"])
            page.wait_for_selector("table.questions")
        page.goto(file.as_uri() + address)
        page.wait_for_selector(".pane" if name == "question" else "main:not(:has(.coming)) h1")
        page.wait_for_timeout(300)
        picture = HERE / f"report-{name}-{scheme}.png"
        page.screenshot(path=picture, full_page=name != "questions")
        print(picture)


def take_one(page: Page, file: Path, scheme: str) -> None:
    """The overview of one run."""
    page.goto(file.as_uri())
    page.wait_for_selector("main:not(:has(.coming)) h1")
    page.wait_for_timeout(300)
    picture = HERE / f"report-one-{scheme}.png"
    page.screenshot(path=picture, full_page=True)
    print(picture)


def pictures() -> None:
    """All of them, light and dark."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("there is no Chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file, one = reports(Path(folder))
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": WIDTH, "height": 860},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            take(page, file, scheme)
            take_one(page, one, scheme)
        browser.close()


if __name__ == "__main__":
    pictures()
