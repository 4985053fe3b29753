"""Files of a dataset on the Hugging Face hub, through the hub's own library and cache.

HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE mean what they mean to that library.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrmtest.errors import DataError, MissingDataError
from lrmtest.unicode import quote


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a dataset on the hub.

    Attributes:
        repo: the dataset's repository, ``owner/name``.
        path: the file in it.
        revision: the commit; ``main`` only where no commit could be verified.
        is_gated: whether its owners let nobody have it who has not asked them.
        sha256: of the file at that commit, hex; empty where it could not be verified.
    """

    repo: str
    path: str
    revision: str
    is_gated: bool = False
    sha256: str = ""


def download(
    file: HubFile, *, title: str, otherwise: str, is_offline: bool = False
) -> tuple[Path, str]:
    """The file in the hub's cache, fetched if need be, and the commit it belongs to.

    Args:
        file: what to fetch.
        title: what it is, for messages.
        otherwise: what a reader without access to the hub can do, for hints.
        is_offline: look in the cache only.

    Raises:
        DataError: offline, no access, or no such file; the hint says what to do.
    """
    # Imported here because it takes half a second and most commands never need it.
    from huggingface_hub import hf_hub_download

    try:
        path = Path(
            hf_hub_download(
                file.repo,
                file.path,
                repo_type="dataset",
                revision=file.revision,
                library_name="lrmtest",
                local_files_only=is_offline,
            )
        )
    # What a broken transfer raises depends on the HTTP library that this release of
    # huggingface_hub is built on, so that no list of classes would be complete.
    except Exception as error:
        raise _explained(error, file, title, otherwise, is_offline=is_offline) from error
    return path, _commit(path) or file.revision


def file_names(
    repo: str, revision: str, *, title: str, otherwise: str, is_offline: bool = False
) -> tuple[tuple[str, ...], str]:
    """The names of a dataset's files, and the commit that they belong to.

    Where the hub cannot be asked, those that its cache has of the revision.

    Args:
        repo: the dataset's repository, ``owner/name``.
        revision: a commit, a branch or a tag.
        title, otherwise, is_offline: as for `download`.

    Raises:
        DataError: as for `download`.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    file = HubFile(repo, "", revision)
    if not (is_offline or constants.HF_HUB_OFFLINE):
        try:
            info = HfApi(library_name="lrmtest").dataset_info(
                repo, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
            )
        except Exception as error:
            # What the hub said counts; where it did not answer, its cache does.
            answered = isinstance(error, HfHubHTTPError)
            if answered or (cached := _cached(repo, revision)) is None:
                raise _explained(error, file, title, otherwise, is_offline=False) from error
            return cached
        return tuple(each.rfilename for each in info.siblings or ()), info.sha or revision
    if (cached := _cached(repo, revision)) is None:
        raise _not_cached(_named(title, repo), otherwise, is_offline=is_offline)
    return cached


def _cached(repo: str, revision: str) -> tuple[tuple[str, ...], str] | None:
    """As `file_names`, of the cache alone; None where it has nothing of the revision."""
    folder = cache_folder() / f"datasets--{repo.replace('/', '--')}"
    try:
        commit = (folder / "refs" / revision).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        commit = revision
    snapshot = folder / "snapshots" / commit
    names = sorted(
        path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()
    )
    return (tuple(names), commit) if names else None


def cache_folder() -> Path:
    """Where the hub's library keeps what it has fetched."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _explained(
    error: Exception, file: HubFile, title: str, otherwise: str, *, is_offline: bool
) -> DataError:
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # When the hub answers with an error, the library looks in its cache first and then says
    # that the file is not there; what the hub had answered is the cause.
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, HfHubHTTPError):
        error = error.__cause__
    what = _named(title, file.repo)
    access = (
        f"sign in at {constants.ENDPOINT}/datasets/{file.repo}, ask for access if it says so, and "
        f"set HF_TOKEN to a token of that account; or {otherwise}"
    )
    if isinstance(error, GatedRepoError):
        words = quote(error.server_message or "", 200)
        said = f" ({words})" if words else ""
        return MissingDataError(f"no access to {what}: the dataset is gated{said}", hint=access)
    if isinstance(error, RepositoryNotFoundError):
        # The hub answers alike for a repository that is not there and one that is not shown.
        return DataError(f"{what}: not found, or not without a token", hint=access)
    if isinstance(error, LocalEntryNotFoundError):
        return _not_cached(what, otherwise, is_offline=is_offline)
    if isinstance(error, RevisionNotFoundError | EntryNotFoundError):
        lacks = f"no file {file.path} at revision" if file.path else "there is no revision"
        problem = f"{lacks} {file.revision}"
        return DataError(f"{what}: {problem}", hint=otherwise)
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status in (401, 403):
        return MissingDataError(f"no access to {what}: HTTP {status}", hint=access)
    reason = f"HTTP {status}" if status else str(error).strip().split("\n", 1)[0]
    return DataError(
        f"{what} could not be downloaded: {reason or type(error).__name__}",
        hint=f"try again; or {otherwise}",
    )


def _named(title: str, repo: str) -> str:
    from huggingface_hub import constants

    return f"{title} ({repo} on {constants.ENDPOINT})"


def _not_cached(what: str, otherwise: str, *, is_offline: bool) -> DataError:
    from huggingface_hub import constants

    missing = f"{what} is not in the hub's cache"
    if is_offline and not constants.HF_HUB_OFFLINE:
        return DataError(missing, hint=otherwise)
    state = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
    return DataError(f"{missing} and {state}", hint=otherwise)


def _commit(path: Path) -> str:
    """The commit in the layout of the hub's cache: ``.../snapshots/COMMIT/path/of/file``."""
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts else ""
