"""Fetching a checkpoint from the Hugging Face hub, or from the mirror that HF_ENDPOINT names.

Files land in the hub's own cache, shared with every other tool that uses it. A pinned commit
that is complete there is used without asking the network.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import urllib.request
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from lrmtest.counted import three_digits
from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.card import Checkpoint
from lrmtest.models.local import gguf_parts, weight_files
from lrmtest.progress import Tell

_DEFAULT_ENDPOINT = "https://huggingface.co"
_CONNECT_SECONDS = 5.0
# When a card names no files: weights in formats that no engine here reads.
_UNREAD = ["*.bin", "*.pt", "*.pth", "*.h5", "*.msgpack", "*.onnx", "*.tflite", "original/*"]


class HubUnreachableError(MachineryError):
    """The hub does not answer; what is asked of it may still exist there."""


def download(checkpoint: Checkpoint, *, size_gb: float | None, tell: Tell) -> Path:
    """The local path of the checkpoint's files: a GGUF file, or a folder.

    Args:
        checkpoint: with a `repo`.
        size_gb: about how much there is to fetch, in 1e9 bytes, if known: refuses early when
            the disk has no room for it.
        tell: is told before a download begins.

    Raises:
        HubUnreachableError: no connection.
        ModelError: no such repository or revision, no permission, no room, an incomplete
            download, or none of the files that the card wants.
    """
    if checkpoint.is_pinned and (cached := in_cache(checkpoint)) is not None:
        return cached
    _check_reachable(checkpoint.repo)
    _check_room(checkpoint.repo, size_gb)
    size = f" ({three_digits(size_gb)} GB)" if size_gb else ""
    tell(f"fetching {checkpoint.repo}{size} from the hub")
    return _model_in(_snapshot(checkpoint, local_only=False), checkpoint)


def in_cache(checkpoint: Checkpoint) -> Path | None:
    """The complete model in the hub's cache; None where it is not, or only in part.

    Of a revision that is not pinned it is what the hub's client saw last.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalEntryNotFoundError

    folder = f"models--{checkpoint.repo.replace('/', '--')}"
    if not (Path(constants.HF_HUB_CACHE) / folder).is_dir():
        return None
    try:
        return _model_in(_snapshot(checkpoint, local_only=True), checkpoint)
    except (LocalEntryNotFoundError, ModelError):
        return None


def commit_of(location: str) -> str:
    """The commit that a snapshot in the hub's cache is of; empty for any other place."""
    parts = Path(location).parts
    for folder, commit in pairwise(parts):
        if folder == "snapshots" and Checkpoint(revision=commit).is_pinned:
            return commit
    return ""


def _snapshot(checkpoint: Checkpoint, *, local_only: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    what = f"{checkpoint.repo} at {checkpoint.revision}"
    try:
        folder = snapshot_download(
            checkpoint.repo,
            revision=checkpoint.revision,
            allow_patterns=list(checkpoint.files) or None,
            ignore_patterns=None if checkpoint.files else _UNREAD,
            endpoint=_endpoint(),
            local_files_only=local_only,
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{checkpoint.repo} is gated: its owner grants access",
            hint="ask for it on the model's page, then run 'hf auth login' or set HF_TOKEN",
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"the hub has no revision {what}") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"the hub has no model {checkpoint.repo}, or it is private",
            hint="check the name; for a private one run 'hf auth login' or set HF_TOKEN",
        ) from error
    except LocalEntryNotFoundError as error:
        if local_only:
            raise
        raise _unreachable(checkpoint.repo, error) from error
    except HFValidationError as error:
        raise ModelError(f"{checkpoint.repo!r} cannot be a hub repository: {error}") from error
    except HfHubHTTPError as error:
        raise MachineryError(f"fetching {what} failed: {_first_line(error)}") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _no_room(checkpoint.repo, "") from error
        raise MachineryError(f"fetching {what} failed: {_first_line(error)}") from error
    return Path(folder)


def _model_in(folder: Path, checkpoint: Checkpoint) -> Path:
    """The model in a snapshot, checked to be complete."""
    if not checkpoint.gguf:
        if not (folder / "config.json").is_file():
            raise ModelError(f"{checkpoint.repo} has no config.json among the fetched files")
        weight_files(folder)
        return folder
    # As the hub's client matches them, and no other part of the folder than it was asked for.
    patterns = checkpoint.files or ("*.gguf",)
    found = [
        path
        for path in sorted(folder.rglob("*.gguf"))
        if any(fnmatch(path.relative_to(folder).as_posix(), pattern) for pattern in patterns)
    ]
    if not found:
        wanted = ", ".join(patterns)
        raise ModelError(f"{checkpoint.repo} has no GGUF file that matches {wanted}")
    parts = gguf_parts(found[0])
    if set(found) != set(parts):
        names = ", ".join(path.name for path in found[:5])
        raise ModelError(
            f"{checkpoint.repo} has several GGUF models: {names}",
            hint="name one in checkpoint.files",
        )
    return parts[0]


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT


def _check_reachable(repo: str) -> None:
    """Fail in seconds; the hub's client retries for half a minute before it gives up."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise HubUnreachableError(
            f"{repo} is not in the hub's cache, and HF_HUB_OFFLINE forbids to fetch it",
            hint="unset HF_HUB_OFFLINE, or fetch it elsewhere and give its path",
        )
    url = urlsplit(_endpoint())
    if url.scheme in urllib.request.getproxies():
        return  # only the proxy can tell
    try:
        port = url.port or (80 if url.scheme == "http" else 443)
        socket.create_connection((url.hostname or "", port), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise _unreachable(repo, error) from error


def _check_room(repo: str, size_gb: float | None) -> None:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    if size_gb is not None and size_gb > free_gb:
        raise _no_room(
            repo, f": it takes {three_digits(size_gb)} GB, {three_digits(free_gb)} GB are free"
        )


def _no_room(repo: str, figures: str) -> ModelError:
    from huggingface_hub import constants

    return MachineryError(
        f"no room for {repo} in {constants.HF_HUB_CACHE}{figures}",
        hint="make room there, or set HF_HUB_CACHE to a folder on a larger disk",
    )


def _unreachable(repo: str, error: Exception) -> HubUnreachableError:
    return HubUnreachableError(
        f"{repo} is not in the hub's cache, and {_endpoint()} cannot be reached: "
        f"{_first_line(error)}",
        hint="check the connection, or fetch it elsewhere and give its path to --model",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
