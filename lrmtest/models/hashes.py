"""SHA-256 of a model's files, each computed once.

The hashes stand in a run's manifest and in its completions' keys: a changed model file means
that its completions are generated anew. Hashing 400 GB takes a quarter of an hour, so a hash is
kept until the file's size, time of change or inode differs.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lrmtest.bounded import DOCUMENT, read_json
from lrmtest.errors import DataError, LrmtestError, MachineryError, ModelError
from lrmtest.models.cache import cache_dir, write_atomically
from lrmtest.models.fingerprint import fingerprint, settled
from lrmtest.models.local import gguf_parts
from lrmtest.progress import Tell, silent

_THREADS = 4  # hashlib works without the GIL; more than a few readers only make a disk seek
_TOLD_BYTES = 4 << 30
_BYTES_PER_SECOND = 500e6  # SHA-256 of one core, for the estimate that the user is given

WEIGHT_FILES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5")
"""Ends of the names of files with weights, of any library."""

# What changes completions: weights, configuration, tokenizer, chat template, code that comes
# with the checkpoint. Not: readmes, trainer states, results that somebody saved beside.
_MATTERS = re.compile(
    r".*\.(safetensors|gguf|jinja|py)|.*\.safetensors\.index\.json|pytorch_model.*\.bin"
    r"|(config|generation_config|quantize_config|tokenizer|tokenizer_config|special_tokens_map"
    r"|added_tokens|vocab|chat_template)\.json|merges\.txt|vocab\.txt|.*\.(model|tiktoken)"
)


def file_hashes(path: Path, *, tell: Tell = silent) -> dict[str, str]:
    """SHA-256, in hex, of every file that makes the model at `path`, by file name.

    Args:
        path: a ``.gguf`` file, which stands for all parts of a split one, or a model's folder.
        tell: is told when hashing will take long.

    Raises:
        ModelError: a file is missing, cannot be read, or changes while it is read.
    """
    return hash_files(_files_of(path), tell=tell)


def hash_files(files: Sequence[Path], *, tell: Tell = silent) -> dict[str, str]:
    """SHA-256, in hex, of every one of `files`, by file name.

    Raises:
        ModelError: one is missing, cannot be read, or changes while it is read.
    """
    fingerprints = {file: fingerprint(file) for file in files}
    hashes = _known(fingerprints)
    if len(hashes) < len(fingerprints):
        with _one_at_a_time():
            # Another process, a worker of the same session for instance, may have done it by now.
            hashes = _known(fingerprints)
            stale = {file: mark for file, mark in fingerprints.items() if file not in hashes}
            hashes |= _computed(stale, tell)
    return {file.name: hashes[file] for file in files}


def _known(fingerprints: Mapping[Path, str]) -> dict[Path, str]:
    """The hashes in the cache of files that are still as they were."""
    cached = _load()
    return {
        file: cached[str(file.resolve())][1]
        for file, mark in fingerprints.items()
        if cached.get(str(file.resolve()), ("", ""))[0] == mark
    }


def _computed(fingerprints: Mapping[Path, str], tell: Tell) -> dict[Path, str]:
    """The hashes of files, computed now; the cache knows them afterwards."""
    stale = list(fingerprints)
    todo_bytes = sum(file.stat().st_size for file in stale)
    if todo_bytes > _TOLD_BYTES:
        minutes = todo_bytes / _BYTES_PER_SECOND / min(_THREADS, len(stale)) / 60
        tell(
            f"hashing {todo_bytes / 1e9:.0f} GB of model files for the manifest, once "
            f"(about {max(1, round(minutes))} min)"
        )
    with ThreadPoolExecutor(_THREADS) as pool:
        hashes = dict(zip(stale, pool.map(sha256_of, stale), strict=True))

    for file in stale:
        if fingerprint(file) != fingerprints[file]:
            raise MachineryError(
                f"{file} changed while it was being read", hint="wait until it is complete"
            )
    _remember({file: (fingerprints[file], hashes[file]) for file in stale})
    return hashes


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait until no other process or thread is in here; a folder that takes no lock has none."""
    with ExitStack() as held:
        with suppress(OSError):
            cache_dir().mkdir(parents=True, exist_ok=True)
            lock = held.enter_context((cache_dir() / "hashes.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        files = [file for file in path.iterdir() if _MATTERS.fullmatch(file.name)]
        files = sorted(file for file in files if file.is_file())
    elif path.is_file():
        files = gguf_parts(path)
    else:
        raise ModelError(f"there is no model at {path}")
    if not files:
        raise ModelError(f"{path} holds no model files")
    return files


def sha256_of(file: Path, failure: type[LrmtestError] = ModelError) -> str:
    """SHA-256 of `file`, in hex, computed anew.

    Raises:
        LrmtestError: of the kind `failure`: it cannot be read.
    """
    try:
        with file.open("rb") as data:
            return hashlib.file_digest(data, "sha256").hexdigest()
    except OSError as error:
        raise failure(f"cannot read {file}: {error.strerror or error}") from error


def _cache_file() -> Path:
    return cache_dir() / "hashes.json"


def _load() -> dict[str, tuple[str, str]]:
    """Real path -> fingerprint and hash; empty when the cache is absent or unreadable."""
    try:
        raw = read_json(_cache_file(), DOCUMENT)
        return {str(path): (str(mark), str(digest)) for path, (mark, digest) in raw.items()}
    except (DataError, ValueError, TypeError, AttributeError):
        return {}


def _remember(fresh: dict[Path, tuple[str, str]]) -> None:
    entries = {str(file.resolve()): entry for file, entry in fresh.items() if settled(file)}
    if not entries:
        return
    # Read again: another process may have added to it meanwhile. What a race still loses is
    # hashed once more some day. A cache that cannot be written must not stop a run.
    kept = {path: entry for path, entry in _load().items() if Path(path).exists()}
    with suppress(OSError):
        write_atomically(_cache_file(), json.dumps(kept | entries, indent=0))
