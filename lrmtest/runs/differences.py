"""Settings in which two runs differ that should not, if their outcomes are to be compared.

Model, engine, hardware and seed may differ: they are what is compared, or what a comparison
allows for. A difference in what was asked, or how, would be mistaken for one between the models.

What comes with a model (chat template, tokenizer, reasoning tags) and the engine's family are not
refused: a compressed model that lost its template *is* worse, and a GGUF file runs on another
engine than its parent. But they explain outcomes that the compression did not cause, so they are
told before anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrmtest.errors import UsageError
from lrmtest.grading.forms import form_of
from lrmtest.models.engines.kinds import can_generate, engine_family
from lrmtest.runs.adapted import changes_left_out
from lrmtest.runs.manifest import Manifest, Section
from lrmtest.runs.reasoning import form_seen

_OF_THE_RUN = {"temperature": "temperature", "top-p": "top_p"}
_OF_THE_MODEL = {"system-prompt": "system_prompt", "loop-stop": "stop_loops"}
_OF_A_SUITE = {
    "prompt": "prompt_sha256",
    "budget": "max_tokens",
    "dataset": "source",
    "grader": "answer_kinds",
    "metric": "metric",
}

COMPARED_SETTINGS = (*_OF_A_SUITE, *_OF_THE_RUN, *_OF_THE_MODEL)
"""The names of the settings that must be equal."""

ALLOW_ALL = "all"

_HASH = re.compile(r"\b[0-9a-f]{64}\b")


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
        return f"{self.name}{where}: {self.values}"

    @property
    def values(self) -> str:
        """Both values, in short."""
        return f"{_shown(self.baseline)} against {_shown(self.candidate)}"


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


def told_differences(baseline: Manifest, candidate: Manifest) -> list[Difference]:
    """What differs around the two models and is told, not refused; nothing where one is unknown.

    Returns:
        Differences named ``request-fields``, ``left-out``, ``chat-template``, ``tokenizer``,
        ``engine-family``, ``reasoning-tags``.
    """
    sides = (baseline, candidate)
    found = []
    if all(_generated_here(side) for side in sides):
        before_fields, after_fields = (side.model.request or {} for side in sides)
        if before_fields != after_fields:
            names = [
                name
                for name in sorted({*before_fields, *after_fields})
                if before_fields.get(name) != after_fields.get(name)
            ]
            shown = [_fields(fields, names) for fields in (before_fields, after_fields)]
            found.append(Difference("request-fields", "", *shown))
        adapted = [", ".join(changes_left_out(side)) or "nothing" for side in sides]
        if adapted[0] != adapted[1]:
            found.append(Difference("left-out", "", *adapted))
    before, after = (_template(side) for side in sides)
    if before and after and before[0] != after[0]:
        found.append(Difference("chat-template", "", " ".join(before), " ".join(after)))
    old, new = (_tokenizer(side) for side in sides)
    if old != new and old.partition(" ")[0] == new.partition(" ")[0]:
        found.append(Difference("tokenizer", "", old, new))
    families = [family_of(side) for side in sides]
    if all(families) and families[0] != families[1]:
        found.append(Difference("engine-family", "", *families))
    tags = [_tags(side) for side in sides]
    if tags[0] and tags[1] and tags[0] != tags[1]:
        found.append(Difference("reasoning-tags", "", *tags))
    return found


def _generated_here(manifest: Manifest) -> bool:
    """Whether it is known what a run's requests carried: not of recordings and imports."""
    engine = manifest.model.engine
    return engine is not None and can_generate(engine) and not manifest.imported


def _fields(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    """Those of `names` that there are."""
    shown = [f"{name}={json.dumps(fields[name])}" for name in names if name in fields]
    return ", ".join(shown) or "none"


def _template(manifest: Manifest) -> tuple[str, ...] | None:
    """Hash and source of a run's chat template; None when not known."""
    if manifest.chat.template_sha256:
        source = manifest.chat.template_source
        return manifest.chat.template_sha256, *([f"({source})"] if source else [])
    served = (manifest.model.served or {}).get("chat_template_sha256")
    return (served, "(as served)") if isinstance(served, str) else None


def _tags(manifest: Manifest) -> str:
    """The tags of a run; what its texts have shown comes before what was known."""
    if seen := form_seen(manifest.reasoning):
        return seen
    known = form_of(manifest.reasoning_tags) or form_of(manifest.model.reasoning_tags or ())
    return known.label if known is not None else ""


def _tokenizer(manifest: Manifest) -> str:
    if manifest.chat.tokenizer:
        return manifest.chat.tokenizer
    served = manifest.model.served or {}
    size = served.get("n_vocab")
    return f"served {size} tokens" if size else ""


def family_of(manifest: Manifest) -> str:
    """What computed a run's answers, as `engine_family` tells it; empty when not known."""
    served, details = manifest.model.served or {}, manifest.engine.details or {}
    server = served.get("server") or details.get("server")
    return engine_family(manifest.model.engine, server if isinstance(server, str) else None)


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
    words = _HASH.sub(lambda match: match.group()[:12], text)
    if words != text:
        return words[:60]
    return repr(text[:60]) if " " in text else text[:60]
