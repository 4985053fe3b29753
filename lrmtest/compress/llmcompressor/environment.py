"""The Python that has llmcompressor.

It lives in an environment of its own: it wants other versions of transformers and of
compressed-tensors than lrmtest's engines do.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from lrmtest.errors import ModelError
from lrmtest.models.paths import user_path
from lrmtest.models.programs.ask import ask_program

VARIABLE = "LRMTEST_LLMCOMPRESSOR"
"""Names the environment, or the Python in it."""

DEFAULT_PLACE = "~/.lrmtest-llmcompressor"
"""Where it is looked for when nothing else is said."""

_LEAST = (0, 14)
"""Version in which AWQ became a step before the quantization, as it is used here."""

_COMMAND = (
    f"python3 -m venv {DEFAULT_PLACE} && {DEFAULT_PLACE}/bin/pip install "
    "llmcompressor==0.14.0.1 torch==2.13.0"
)
HINT = f"make an environment for it, once:\n     {_COMMAND}"
"""The next step for who has none."""

# Only its metadata is read: an import would take half a minute.
_ASK = "from importlib.metadata import version; print(version('llmcompressor'))"


@dataclass(frozen=True, slots=True)
class Llmcompressor:
    """An installed llmcompressor.

    Attributes:
        python: the interpreter that can import it.
        version: its version.
    """

    python: Path
    version: str


def find_llmcompressor() -> Llmcompressor:
    """The llmcompressor that ``LRMTEST_LLMCOMPRESSOR`` names, else this Python's, else that of
    the default place.

    Raises:
        ModelError: there is none, it is too old, or the variable names something else.
    """
    if named := os.environ.get(VARIABLE):
        python = _python_in(user_path(named))
        if python is None:
            raise ModelError(f"{VARIABLE} names {named}, but no Python is there", hint=HINT)
        if version := _version(python):
            return _new_enough(python, version)
        raise ModelError(
            f"{VARIABLE} names {named}, but llmcompressor is not installed there",
            hint=f"{python} -m pip install llmcompressor",
        )
    places = (Path(sys.executable), _python_in(user_path(DEFAULT_PLACE)))
    for python in places:
        if python is not None and (version := _version(python)):
            return _new_enough(python, version)
    raise ModelError(
        "GPTQ and AWQ are llmcompressor's, and there is none on this machine: it needs other "
        "versions of transformers and compressed-tensors than lrmtest, and so an environment of "
        f"its own, in {DEFAULT_PLACE} or where {VARIABLE} says",
        hint=HINT,
    )


def _python_in(place: Path) -> Path | None:
    """The Python that `place` is, or that of the environment in it."""
    for path in (place, place / "bin" / "python", place / "Scripts" / "python.exe"):
        if path.is_file():
            return path.absolute()  # not resolved: a link to Python is what makes an environment
    return None


def _version(python: Path) -> str | None:
    """The version of llmcompressor that it has; None if it has none.

    Raises:
        ModelError: it does not run.
    """
    done = ask_program([python, "-I", "-c", _ASK], called=str(python), hint=HINT)
    return done.stdout.strip() if done.returncode == 0 else None


def _new_enough(python: Path, version: str) -> Llmcompressor:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _LEAST:
        least = ".".join(map(str, _LEAST))
        raise ModelError(
            f"{python} has llmcompressor {version}, and {least} is the oldest that can be used",
            hint=f"{python} -m pip install --upgrade llmcompressor",
        )
    return Llmcompressor(python, version)
