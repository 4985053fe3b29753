"""The noise file: what `lrmtest noise` has measured, beside the store, by what generates.

It is JSON, so that it can be copied to another reports folder; runs at temperature 0 take what is
said of their model into their manifest, and so do the baselines that are made of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from lrmtest.bounded import SETTINGS, parse_json, read_bytes
from lrmtest.errors import DataError
from lrmtest.runs.files import write_whole
from lrmtest.runs.manifest import ModelSection, NoiseSection
from lrmtest.runs.records import RunRecord

NOISE_NAME = "noise.json"
_FORMAT = "lrmtest-noise"
_HINT = "remove the file and measure again: lrmtest noise MODEL"


def noise_of(run: RunRecord) -> NoiseSection | None:
    """What was measured of a run's model, before the run or since; None for nothing.

    Raises:
        DataError: the noise file is malformed.
    """
    if run.manifest.noise.questions:
        return run.manifest.noise
    return None if run.store is None else known_noise(run.store.parent, run.manifest.model)


def known_noise(folder: Path, model: ModelSection) -> NoiseSection | None:
    """What was measured of a model, by the noise file in a reports folder; None for nothing.

    Raises:
        DataError: the file is malformed.
    """
    path = folder / NOISE_NAME
    return read_noise(path).get(model.generator) if path.is_file() else None


def read_noise(path: Path) -> dict[str, NoiseSection]:
    """All that a noise file holds, by what generates.

    Raises:
        DataError: it is not there or malformed.
    """
    data = read_bytes(path, SETTINGS, what="the noise file ", hint=_HINT)
    document = parse_json(data, str(path), strict=True, hint=_HINT)
    models = document.get("models") if isinstance(document, dict) else None
    if not isinstance(models, dict) or document.get("format") != _FORMAT:
        raise DataError(f"{path}: not a noise file", hint=_HINT)
    return {
        name: NoiseSection.from_json(part)
        for name, part in models.items()
        if isinstance(part, dict)
    }


def add_noise(path: Path, model: ModelSection, noise: NoiseSection) -> None:
    """Write a measurement into a noise file, in place of an earlier one of the same model.

    Raises:
        DataError: the file is malformed.
        StoreError: it cannot be written.
    """
    models: Mapping[str, NoiseSection] = read_noise(path) if path.is_file() else {}
    document = {
        "format": _FORMAT,
        "version": 1,
        "models": {
            name: part.to_json()
            for name, part in sorted({**models, model.generator: noise}.items())
        },
    }
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
    write_whole(path, text, what="the noise file", private=False)
