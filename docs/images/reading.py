"""Makes the pictures of "Where it breaks", and its figures: python docs/images/reading.py FOLDER

Everything is real: tiny-lrm's traces, what was made of it by pruning and by rounding (the method of
docs/compress.md, `tests/outside/rounding_method`, which must be installed), their runs and their
readings. FOLDER is for them; another call uses it again. Needs a Chromium.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VARIANTS = {
    "tiny-65": ("--method", "magnitude", "--sparsity", "0.65"),
    "tiny-70": ("--method", "magnitude", "--sparsity", "0.70"),
    "tiny-75": ("--method", "magnitude", "--sparsity", "0.75"),
    "tiny-4-bits": ("--method", "rounding", "--bits", "4"),
    "tiny-3-bits": ("--method", "rounding", "--bits", "3"),
}
SHOWN = "tiny-75"
QUESTION = "#/q/fresh-arithmetic/arithmetic-0-12"
ASKED = ("--temperature", "1", "--top-p", "1", "--samples", "4", "--fresh-count", "20",
         "--max-tokens", "512")  # fmt: skip


def main(folder: Path) -> None:
    """Run the commands, print the figures and write the pictures beside this file."""
    folder.mkdir(parents=True, exist_ok=True)
    reports = ("--reports-dir", str(folder / "reports"))
    traces = folder / "tiny.traces"
    if not traces.exists():
        baseline = ("--save-baseline", str(folder / "tiny.json"), "--save-traces", str(traces))
        ask("tiny-lrm", *baseline, *reports)
    for name, how in VARIANTS.items():
        made = folder / name
        if not made.exists():
            lrmtest("compress", "tiny-lrm", "-o", str(made), *how)
            ask(str(made), "--engine", "transformers", *reports)
        figures = folder / f"{name}.json"
        lrmtest("read", str(made), "--engine", "transformers", "--traces", str(traces),
                "--parent", "--json", str(figures), *reports)  # fmt: skip
        told(name, json.loads(figures.read_text()))
        print(lrmtest("compare", f"last:{name}", "last:tiny-lrm", *reports).partition("Does")[2])
    report = folder / "report.html"
    lrmtest("report", f"last:{SHOWN}", "--baseline", "last:tiny-lrm", "-o", str(report), *reports)
    take(report)


def told(name: str, found: dict) -> None:
    """Print a reading's figures, as the page has them."""
    total, kinds = found["total"], found["token_kinds"]
    shares = {one["name"]: f"{100 * one['share']:.0f} %" for one in kinds["kinds"]}
    words = [f"{one['name']} {100 * one['share']:.0f} %" for one in kinds["words"][:4]]
    print(name, f"S {total['s_low']:.3g}", shares, words)


def ask(model: str, *options: str) -> None:
    """Ask the generated suites; that tests fail is no failure here."""
    command = [sys.executable, "-m", "pytest", "suites/fresh", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, "--model", model, *ASKED, *options], cwd=ROOT, check=False)
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)


def lrmtest(*arguments: str) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "lrmtest", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def take(report: Path) -> None:
    """A shaded trace beside what the variant wrote, and divergence against damage."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1600}, color_scheme="light")
        page.goto(report.as_uri() + QUESTION)
        page.wait_for_selector(".shaded mark")
        # The commands name FOLDER, and are beside the point.
        page.evaluate("document.querySelectorAll('.command').forEach((one) => one.remove())")
        panes, shaded = (page.locator(name).bounding_box() for name in (".panes", ".shaded"))
        assert panes is not None
        assert shaded is not None
        height = shaded["y"] + shaded["height"] - panes["y"] + 8
        page.screenshot(
            path=HERE / "reading-trace.png", full_page=True,
            clip={**panes, "height": height},
        )  # fmt: skip
        page.goto(report.as_uri() + "#/reading")
        page.wait_for_selector(".reading")
        page.locator(".reading").first.screenshot(path=HERE / "reading-damage.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
