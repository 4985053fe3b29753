"""Outputs in the documentation: what its commands print today.

    python tools/shown_outputs.py                 compare, page by page
    python tools/shown_outputs.py --write         bring the pages up to date
    python tools/shown_outputs.py README.md --install
                                                  with what a page says to install

A page that shows an output (`doc_commands` says how it is marked) is a story: its commands run in
order in one shell, in a copy of this checkout, with the programs that are installed beside the
Python that runs this. A line `...` in an output stands for lines that are left out. Times, dates,
rates, the ids of runs and the checkout's path are not compared; everything else is, to the letter,
but for the figures of an output that says that they vary.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, unified_diff
from fnmatch import fnmatch
from pathlib import Path

from doc_commands import OUTPUTS, VARYING, Block, Command, blocks_in, commands_of

from lrmtest.options.exit_codes import CANNOT_TELL, REGRESSED, UNDECIDED

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

COLUMNS = 100
"""Of the terminal that outputs are shown in."""

LEFT_OUT = "..."
_NOT_COPIED = (".git", ".venv*", "/reports", "node_modules", "/build", "*.egg-info", ".*_cache")
_INSTALLS = re.compile(r"python3? -m venv \S+|\. \S+/activate|pip install .*")
_DECIDES = (0, 1, REGRESSED, UNDECIDED, CANNOT_TELL)

_MASKS = (
    (re.compile(r"-\d{8}-\d{6}-[0-9a-f]{4}\b"), "-RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?"), "DATE"),
    (re.compile(r"[\d.,]+k? tok/s"), "N tok/s"),
    (re.compile(r"(\d+ min )?\b[\d.]+ ?s\b( \(\d+:\d\d:\d\d\))?"), "N s"),
    (re.compile(r"={3,}"), "==="),
)
"""What differs from run to run."""

_FIGURES = (
    (re.compile(r"[-+]?\b\d[\d.,]*(e[-+]\d+)?k?"), "N"),
    (re.compile(r" {2,}"), "  "),
    (re.compile(r"─{3,}"), "───"),
)
"""What differs from processor to processor where a variant's words do, and the columns with it."""


@dataclass(frozen=True)
class Step:
    """A command of a story.

    Attributes:
        command: as it stands in the page.
        shown: the output that the page shows of it; None for none.
        folder: where in the checkout it is run; empty where the one before it was.
    """

    command: Command
    shown: Block | None = None
    folder: str = ""


@dataclass(frozen=True)
class Ran:
    """What came of a step: its exit status, and what it printed, errors too."""

    step: Step
    status: int
    output: list[str]

    @property
    def problem(self) -> str:
        """What is wrong, or nothing."""
        command = self.step.command
        decides = command.program == "pytest" or re.search("--(gate|rerun)", command.text)
        if self.status not in (_DECIDES if decides else (0,)):
            printed = "\n".join(self.output[-40:])
            return f"{command.place}: {command.text}\nexit status {self.status}\n{printed}"
        shown = self.step.shown
        if shown is None or shows(shown.lines, self.output, varying=shown.mark == VARYING):
            return ""
        today = refreshed(shown.lines, self.output, varying=shown.mark == VARYING)
        diff = unified_diff(shown.lines, today, "shown", "printed", lineterm="")
        return f"{shown.place}: {command.text}\n" + "\n".join(diff)


def story_of(page: Path) -> list[Step]:
    """The commands that the page's reader runs here, in order; empty where it shows no output.

    Where some are for a folder of the repository, these alone.
    """
    steps: list[Step] = []
    shows_any = False
    placed = is_placed(page)
    for block in blocks_in(page):
        if block.mark in OUTPUTS:
            assert steps, f"{block.place}: an output of no command"
            assert steps[-1].shown is None, f"{block.place}: a second output of one command"
            steps[-1] = replace(steps[-1], shown=block)
            shows_any = True
        elif placed and not block.folder:
            continue
        elif not block.elsewhere and block.language not in ("yaml", "yml"):
            steps += [Step(command, folder=block.folder) for command in commands_of(block)]
    return steps if shows_any else []


def is_placed(page: Path) -> bool:
    """Whether commands of the page are for folders of the repository."""
    return any(block.folder for block in blocks_in(page))


def run_story(
    steps: Sequence[Step], folder: Path, *, install: bool = False, programs: Path | None = None
) -> list[Ran]:
    """Run commands in order in one shell.

    Args:
        steps: the commands.
        folder: an empty folder, which gets the copy of the checkout and a home.
        install: make environments and install packages, too, as the commands say; else what is
            installed beside this Python is used.
        programs: a folder with programs that are used before these.

    Returns:
        What came of each, up to one that ended the shell.
    """
    checkout, home = folder / "lrmtest", folder / "home"
    shutil.copytree(ROOT, checkout, ignore=_not_copied)
    home.mkdir()
    kept = {
        n: v for n, v in os.environ.items() if not n.startswith(("LRMTEST", "GITHUB", "PYTEST"))
    }
    environment = kept | {"HOME": str(home), "COLUMNS": str(COLUMNS), "PYTHONUTF8": "1"}
    environment.pop("XDG_CACHE_HOME", None)
    if not install:
        folders = [*filter(None, [programs]), Path(sys.executable).parent]
        found = [*map(str, folders), environment.get("PATH", os.defpath)]
        environment["PATH"] = os.pathsep.join(found)
    script = ["exec 2>&1"]
    for step in steps:
        script += [f"cd {shlex.quote(str(checkout / step.folder))}"] * bool(step.folder)
        text = step.command.text if install else without_install(step.command.text)
        script += [text or ":", r"printf '\036%d\036' $?"]
    # In a file, which can be looked into while it grows.
    printed = folder / "printed"
    with printed.open("wb") as file:
        subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", "\n".join(script)],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            check=False,
        )
    parts = printed.read_text("utf-8", "replace").split("\x1e")
    return [
        Ran(step, int(status), _lines(output.replace(str(checkout), "/path/to/lrmtest")))
        for step, output, status in zip(steps, parts[::2], parts[1::2], strict=False)
    ]


def _not_copied(folder: str, names: list[str]) -> set[str]:
    """What git has not, of one folder; patterns with a slash are of the checkout's own."""
    patterns = [
        each.removeprefix("/") for each in _NOT_COPIED if each[0] != "/" or folder == str(ROOT)
    ]
    return {name for name in names if any(fnmatch(name, each) for each in patterns)}


def without_install(command: str) -> str:
    """A line without what makes an environment and installs packages there."""
    parts = re.sub(r"\s+#.*", "", command).split(" && ")
    return " && ".join(part for part in parts if not _INSTALLS.fullmatch(part.strip()))


def _lines(output: str) -> list[str]:
    return [line.rstrip() for line in output.strip("\n").splitlines()]


def masked(line: str, *, varying: bool = False) -> str:
    """A line without what differs from run to run; where figures vary, without them."""
    for pattern, word in (*_MASKS, *(_FIGURES if varying else ())):
        line = pattern.sub(word, line)
    return line.strip() if varying else line.rstrip()


def shows(shown: Sequence[str], printed: Sequence[str], *, varying: bool = False) -> bool:
    """Whether `shown` is what was printed, but for lines that are left out."""
    return _equal(refreshed(shown, printed, varying=varying), shown, varying)


def refreshed(shown: Sequence[str], printed: Sequence[str], *, varying: bool = False) -> list[str]:
    """`shown` as it is today: the same parts, chosen for being the most like those shown.

    A part at an end of the output stays there. Lines that differ in nothing but what is masked
    stay as they are.
    """
    parts = list(_parts(shown))
    if len(parts) == 1:
        return list(shown) if _equal(shown, printed, varying) else list(printed)
    found: list[str] = []
    at = 0
    for number, part in enumerate(parts):
        if number:
            found.append(LEFT_OUT)
        if not part:
            continue
        last = max(at, len(printed) - len(part))
        places = [0] if number == 0 else [last] if part is parts[-1] else range(at, last + 1)
        at = max(places, key=lambda at: _likeness(part, printed[at : at + len(part)], varying))
        today = printed[at : at + len(part)]
        found += part if _equal(part, today, varying) else today
        at += len(part)
    return found


def _parts(shown: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for line in shown:
        if line.strip() == LEFT_OUT:
            yield part
            part = []
        else:
            part.append(line)
    yield part


def _equal(one: Sequence[str], other: Sequence[str], varying: bool) -> bool:
    return _masked(one, varying) == _masked(other, varying)


def _masked(lines: Sequence[str], varying: bool) -> list[str]:
    return [masked(line, varying=varying) for line in lines]


def _likeness(one: Sequence[str], other: Sequence[str], varying: bool) -> float:
    """From 0 to 2: equal lines count for most, then equal characters."""
    first, second = _masked(one, varying), _masked(other, varying)
    if first == second:
        return 2.0
    characters = SequenceMatcher(None, "\n".join(first), "\n".join(second), autojunk=False)
    same = sum(a == b for a, b in zip(first, second, strict=False))
    return same / max(1, len(first)) + characters.quick_ratio() / 2


def write(page: Path, ran: Sequence[Ran]) -> None:
    """Put what was printed into the page."""
    lines = page.read_text(encoding="utf-8").split("\n")
    for each in reversed(ran):  # from below, so that line numbers above stay true
        if (shown := each.step.shown) is not None:
            begin = shown.begin - 1
            lines[begin : begin + len(shown.lines)] = refreshed(
                shown.lines, each.output, varying=shown.mark == VARYING
            )
    page.write_text("\n".join(lines), encoding="utf-8")


def problems_of(steps: Sequence[Step], ran: Sequence[Ran]) -> list[str]:
    """What is wrong with a story."""
    found = [each.problem for each in ran if each.problem]
    if len(ran) < len(steps):
        found.append(f"the shell ended at {steps[len(ran)].command.place}")
    return found


def main() -> int:
    """Compare or refresh; the exit status is 1 where something differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="default: all")
    parser.add_argument("--write", action="store_true", help="bring the pages up to date")
    parser.add_argument("--install", action="store_true", help="run what installs, too")
    arguments = parser.parse_args()
    status = 0
    for page in arguments.pages or PAGES:
        steps = story_of(page)
        if not steps:
            continue
        with tempfile.TemporaryDirectory(prefix="lrmtest-docs-") as folder:
            ran = run_story(steps, Path(folder), install=arguments.install)
        problems = problems_of(steps, ran)
        print(f"{page.name}: {len(ran)} of {len(steps)} commands ran, {len(problems)} differ")
        print("\n\n".join(problems))
        if arguments.write:
            write(page, ran)
        status |= bool(problems)
    return status


if __name__ == "__main__":
    sys.exit(main())
