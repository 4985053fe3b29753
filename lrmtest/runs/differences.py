"""Settings in which two runs differ that should not, if their outcomes are to be compared.

Model, engine, hardware and seed may differ: they are what is compared, or what a comparison
allows for. A difference in what was asked, or how, would be mistaken for one between the models.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrmtest.errors import UsageError
from lrmtest.runs.manifest import Manifest, Section

_OF_THE_RUN = {"temperature": "temperature", "top-p": "top_p"}
_OF_THE_MODEL = {"system-prompt": "system_prompt", "loop-stop": "stop_loops"}
_OF_A_SUITE = {
    "prompt": "prompt_sha256",
    "budget": "max_tokens",
    "dataset": "source",
    "grader": "answer_kinds",
}

COMPARED_SETTINGS = (*_OF_A_SUITE, *_OF_THE_RUN, *_OF_THE_MODEL)
"""The names of the settings that must be equal."""

ALLOW_ALL = "all"


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that differs.

    Attributes:
        name: one of `COMPARED_SETTINGS`.
        suite: where; empty for a setting of the whole run.
        baseline, candidate: its values.
    """

    name: str
    suite: str
    baseline: Any
    candidate: Any

    def __str__(self) -> str:
        where = f" of {self.suite}" if self.suite else ""
        return f"{self.name}{where}: {_shown(self.baseline)} against {_shown(self.candidate)}"


def differences(baseline: Manifest, candidate: Manifest) -> list[Difference]:
    """The settings that must be equal and are not, from two runs' manifests.

    A setting that one of the manifests does not know, as that of a recording, is no difference;
    nor is a suite that only one of them has: its questions will be missing.
    """
    found = list(_differing("", baseline, candidate, _OF_THE_RUN))
    found += _differing("", baseline.model, candidate.model, _OF_THE_MODEL)
    for name, suite in baseline.suites.items():
        if name in candidate.suites:
            found += _differing(name, suite, candidate.suites[name], _OF_A_SUITE)
    return found


def refuse_differences(
    found: Sequence[Difference], allowed: Collection[str], baseline: str
) -> list[Difference]:
    """Refuse a comparison over settings that differ, unless they are allowed to.

    Args:
        found: from `differences`.
        allowed: names of settings, or `ALLOW_ALL`.
        baseline: its name, for the message.

    Returns:
        The differences that were allowed.

    Raises:
        UsageError: a difference that is not allowed; all of these are named.
    """
    refused = [
        difference
        for difference in found
        if difference.name not in allowed and ALLOW_ALL not in allowed
    ]
    if refused:
        names = dict.fromkeys(difference.name for difference in refused)
        raise UsageError(
            f"settings differ from those of the baseline {baseline}: "
            + "; ".join(map(str, refused)),
            hint="use the baseline's settings, or accept what the difference does: "
            + " ".join(f"--allow-different {name}" for name in names),
        )
    return list(found)


def _differing(
    suite: str, before: Section, after: Section, names: Mapping[str, str]
) -> Iterator[Difference]:
    old, new = before.to_json(), after.to_json()
    for name, field in names.items():
        if field in old and field in new and old[field] != new[field]:
            yield Difference(name, suite, old[field], new[field])


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = [str(part) for part in value.values() if part]
        return " ".join(_short(part) for part in parts)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return _short(str(value))


def _short(text: str) -> str:
    """Hashes by their beginning, as git shows them."""
    is_hash = len(text) == 64 and all(character in "0123456789abcdef" for character in text)
    return text[:12] if is_hash else repr(text[:60]) if " " in text else text[:60]
