"""The commands in the documentation: every line of a shell block, and every step of a workflow.

A comment on the line before a block says what the block is, where its language does not:

    <!-- elsewhere -->   commands with models and files that are the reader's own; of a text,
                         with the reason: <!-- elsewhere: it is another's -->
    <!-- in FOLDER -->   commands for a folder of this repository, which are run there: of a page
                         that has them these are the story, and all others are run one by one
    <!-- output -->      what the last command before it prints
    <!-- output, figures vary -->
                         the same, where another processor's rounding changes a variant's words
    <!-- measured -->    the output of something that cannot run everywhere; the text before it
                         says when it was measured, and that it is not run
    <!-- example -->     the form of an output, with figures of no run; the text before it says
                         "for instance"
    <!-- no output -->   no command's output: a file, a picture
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

OURS = ("pytest", "lrmtest")
ELSEWHERE, OUTPUT, VARYING = "elsewhere", "output", "output, figures vary"
OUTPUTS = (OUTPUT, VARYING)
MEASURED, EXAMPLE, NO_OUTPUT = "measured", "example", "no output"
PROGRAMS = (
    *OURS,
    *(
        "python",
        "python3",
        "pip",
        "export",
        "inspect",
        "lm_eval",
        "mkdocs",
        "wandb",
        "./check",
        ".",
    ),
)
SHELLS = ("", "console", "bash", "sh", "shell")

_IN = "in "
_FENCE = re.compile(r"^\s*```+\s*(\w*)")
_MARK = re.compile(r"^\s*<!-- (.*) -->$")
_PROGRAM = re.compile(r"^(?:[A-Z_]+=\S+ |nice )*(?:\S*/bin/)?(\S+)")


@dataclass(frozen=True)
class Command:
    """One line as a user would paste it.

    Attributes:
        place: file and line, for messages.
        text: the line, without its prompt.
    """

    place: str
    text: str

    @property
    def program(self) -> str:
        """The program that it starts."""
        return program_of(self.text)

    @property
    def bare(self) -> str:
        """Without the comment behind it."""
        return re.sub(r"\s+#.*", "", self.text)


def program_of(line: str) -> str:
    """The program that a line starts, without a virtual environment's folder before it."""
    match = _PROGRAM.match(line.strip())
    return match[1] if match else ""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        name: its file's.
        begin: the number of its first line, from 1.
        language: as the fence says.
        lines: without the fences, and without what all are indented by.
        mark: what the comment before it says; empty without one.
        before: the paragraph before it, and its mark.
    """

    name: str
    begin: int
    language: str
    lines: list[str]
    mark: str
    before: str

    @property
    def folder(self) -> str:
        """The folder of this repository that its commands are for; empty for none."""
        return self.mark.removeprefix(_IN) if self.mark.startswith(_IN) else ""

    @property
    def elsewhere(self) -> bool:
        """Whether it is about something that is not here."""
        return self.mark.partition(":")[0] == ELSEWHERE

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.name}:{self.begin}"


def commands_in(path: Path) -> list[Command]:
    """The commands of a Markdown file, in order.

    Raises:
        AssertionError: a line that might be a command, where it would be passed over in silence.
    """
    return [command for block in blocks_in(path) for command in commands_of(block)]


def blocks_in(path: Path) -> Iterator[Block]:
    """Every fenced block of a Markdown file."""
    language, begin, mark = None, 0, ""
    lines: list[str] = []
    text = [""]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if fence is None and language is None:
            marked = _MARK.match(line)
            mark = marked[1] if marked else ""
            text += [line] if line.strip() and not marked else []
        elif fence is None:
            lines.append(line)
        elif language is None:
            language, begin, lines = fence[1], number + 1, []
        else:
            dedented = textwrap.dedent("\n".join(lines)).splitlines()
            yield Block(path.name, begin, language, dedented, mark, text[-1])
            language, mark = None, ""
    assert language is None, f"{path.name}: a block is not closed"


def commands_of(block: Block) -> list[Command]:
    """The commands of one block.

    Raises:
        AssertionError: as `commands_in`.
    """
    name, begin, language, lines = block.name, block.begin, block.language, block.lines
    if language in ("yaml", "yml"):
        documents = yaml.safe_load_all("\n".join(lines))
        steps = [step for document in documents for step in _run_steps(document)]
        place = f"{name}:{begin}"
        return [
            Command(place, line.strip())
            for step in steps
            for line in step.splitlines()
            if program_of(line) in PROGRAMS
        ]
    joined = _joined(lines, begin)
    first = next((text for _, text in joined if text.strip()), "")
    if language not in SHELLS or program_of(first.removeprefix("$ ")) not in PROGRAMS:
        for number, text in joined:
            bare = text.strip().removeprefix("$ ")
            assert not bare.startswith(tuple(f"{program} " for program in OURS)), (
                f"{name}:{number}: a command in a block that is no shell's: {bare}"
            )
        return []
    found = []
    for number, text in joined:
        if language == "console" and not text.startswith("$ "):
            continue  # what the command printed
        bare = text.removeprefix("$ ").strip()
        if bare and not bare.startswith("#"):
            assert program_of(bare) in PROGRAMS, f"{name}:{number}: not understood: {bare}"
            found.append(Command(f"{name}:{number}", bare))
    return found


def _joined(lines: list[str], begin: int) -> list[tuple[int, str]]:
    """Lines with their numbers; a backslash at the end goes on in the next."""
    found: list[tuple[int, str]] = []
    unfinished = False
    for number, line in enumerate(lines, start=begin):
        if unfinished:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        else:
            found.append((number, line))
        unfinished = line.endswith("\\")
        if unfinished:
            found[-1] = (found[-1][0], found[-1][1][:-1].rstrip())
    return found


def _run_steps(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        if isinstance(content.get("run"), str):
            yield content["run"]
        for value in content.values():
            yield from _run_steps(value)
    elif isinstance(content, list):
        for value in content:
            yield from _run_steps(value)
