"""Running the programs of llama.cpp that make files: llama-quantize and llama-imatrix."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrmtest.compress.programs import run_program
from lrmtest.errors import ModelError
from lrmtest.models.programs.failure import KnownFailure
from lrmtest.models.programs.llamacpp import LlamaProgram, find_llama_program
from lrmtest.progress import Tell

_KIND = re.compile(r"^\s*\d+\s+or\s+(\w+)\s*:", re.M)

_FAILURES = (
    KnownFailure(
        r"requires an (imatrix|importance matrix)|Missing importance matrix for tensor",
        "a type of so few bits needs an importance matrix of every tensor that it is used for",
        "give calibration texts, more of them if the tensor is that of an expert",
    ),
    KnownFailure(
        r"you need at least \d+ tokens",
        "the calibration texts are too short",
        "give more calibration texts",
    ),
    KnownFailure(
        r"iostream error|no space left on device",
        "its output cannot be written; the disk is full, most probably",
        "make room, or choose another folder",
        broke=True,
    ),
    KnownFailure(
        r"no tensor type fallback is defined",
        "a matrix has rows that are no multiple of the type's block, and this type has no stand-in",
        "choose a K kind such as Q4_K_M, which has, or give that tensor another type",
    ),
    KnownFailure(
        r"unknown model architecture",
        "it does not know this architecture",
        "install a newer llama.cpp",
    ),
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of llama.cpp, with what it says of itself.

    Attributes:
        name: ``llama-quantize`` for instance.
        program: where it is.
        usage: its help text.
    """

    name: str
    program: LlamaProgram
    usage: str

    def require(self, *wanted: str) -> None:
        """Check that it has these command-line options.

        Raises:
            ModelError: it lacks one.
        """
        known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", self.usage))
        if missing := [option for option in wanted if option not in known]:
            raise ModelError(
                f"{self.program.path} has no option {missing[0]}",
                hint="install a newer llama.cpp",
            )

    def run(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        tell: Tell,
        progress: Callable[[str], str | None],
    ) -> list[str]:
        """Run it to its end, with `run_program`.

        Raises:
            ModelError: it failed.
        """
        return run_program(
            self.name,
            [str(self.program.path), *arguments],
            self.program.environment,
            folder=folder,
            tell=tell,
            progress=progress,
            failures=_FAILURES,
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types that llama-quantize can make, from its help."""
        return tuple(dict.fromkeys(_KIND.findall(self.usage)))


def find_tool(name: str) -> Tool:
    """The program `name` of the llama.cpp that lrmtest uses.

    Raises:
        ModelError: there is none, or it does not run.
    """
    program = find_llama_program(name)
    return Tool(name, program, program.answer("--help"))
