"""Makes the pictures of docs/triage.md: python docs/images/triage.py TOKENIZER FOLDER

They are of real commands. It wants LRMTEST_DATA_DIR, with the released outputs of arXiv 2504.02010
in its folder ``recorded``; the tokenizer that counts their tokens; and a folder for the runs, which
another call uses again. No benchmark's text gets into
a picture: of benchmark questions there are ids only, and answers are blanked out; the one question
that is shown was generated, and SmolLM2 answers it.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WIDTH = 100


def main(tokenizer: str, folder: Path) -> None:
    """Run the commands and write the pictures beside this file."""
    recorded = Path(os.environ["LRMTEST_DATA_DIR"]) / "recorded"
    model = f"r1-distill-llama-8b-awq=recorded:{recorded}"
    all_suites, aime, fresh = (folder / name for name in ("all", "aime", "fresh"))
    options = ("--model", model, "--tokenizer", tokenizer)
    ask(all_suites, "suites/aime", "suites/folio", "suites/temporal", "suites/musique", *options)
    ask(aime, "suites/aime", *options)
    for seed in ("0", "1"):
        ask(
            fresh, "suites/fresh/test_fresh_temporal.py", "--model", "smollm2-135m",
            "--fresh-count", "4", "--max-tokens", "200", "--seed", seed,
        )  # fmt: skip
    picture("triage", all_suites, "triage", "last")
    picture("show", aime, "show", "last", blank=("expected", "failures"))
    first = oldest_run(fresh)
    picture("triage-question", fresh, "triage", "last", "temporal-0-3", "--baseline", first)


def ask(reports: Path, *arguments: str) -> None:
    """Run suites; that tests fail is no failure here."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run([*command, "--reports-dir", str(reports)], cwd=ROOT, check=False)
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)


def oldest_run(reports: Path) -> str:
    """The id of the first run in a store."""
    from lrmtest.runs.store import STORE_NAME, Store

    with Store(reports / STORE_NAME, create=False) as store:
        return store.runs()[-1].run_id


def picture(
    name: str,
    reports: Path,
    *arguments: str,
    blank: tuple[str, str] | None = None,
) -> None:
    """Write what a command prints on a terminal as an SVG file.

    Args:
        name: of the file.
        reports: folder of the store.
        arguments: of ``lrmtest``.
        blank: two columns of a table; from the first up to the second all is blanked out.
    """
    printed = on_a_terminal(*arguments, "--reports-dir", str(reports))
    printed = printed.replace(f" --reports-dir {reports}", "")
    text = Text.from_ansi(printed)
    rows = list(text.split("\n", allow_blank=True))
    if blank is not None:
        rows = blanked(rows, *blank)
    console = Console(
        record=True, width=WIDTH, file=StringIO(), force_terminal=True, highlight=False
    )
    console.print(Text(f"$ lrmtest {' '.join(arguments)}", "bold"))
    for row in rows:
        console.print(row, no_wrap=True, crop=True, overflow="crop")
    svg = console.export_svg(title="lrmtest", unique_id=name)
    # Readers' browsers are not sent elsewhere for a font.
    svg = re.sub(r"@font-face \{.*?\n    \}\n", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "Fira Code, DejaVu Sans Mono, Menlo, Consolas")
    (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")


def on_a_terminal(*command: str) -> str:
    """What a command of ``lrmtest`` prints when it writes to a terminal, colours included."""
    ours, its = pty.openpty()
    environment = os.environ | {"COLUMNS": str(WIDTH), "LINES": "50", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-c", "from lrmtest.cli import main; raise SystemExit(main())", *command],
        stdout=its,
        cwd=ROOT,
        env=environment,
    )
    os.close(its)
    printed = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed.
            break
        if not part:
            break
        printed += part
    os.close(ours)
    if process.wait():
        sys.exit(f"{' '.join(command)} failed")
    return printed.decode().replace("\r\n", "\n").rstrip("\n")


def blanked(rows: list[Text], first: str, after: str) -> list[Text]:
    """The rows of a table, its columns from `first` up to `after` blanked out."""
    header = next(row.plain for row in rows if first in row.plain and after in row.plain)
    left, right = header.index(first), header.index(after)
    result = []
    inside = False
    for row in rows:
        if row.plain == header:
            inside = True
        elif not row.plain.strip():
            inside = False
        elif inside and not row.plain.startswith("─"):
            middle = re.sub(r"\S", "·", row.plain[left:right])
            row = Text.assemble(row[:left], middle, row[right:])
        result.append(row)
    return result


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
