"""The description of a model in a manifest: all of it that could change an outcome."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from lrmtest.grading.forms import DEFAULT_TAGS
from lrmtest.models.chat_template import ChatTemplate, chat_template
from lrmtest.models.engines.kinds import carried, kind_of
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.request_fields import TEMPLATE_VARIABLES
from lrmtest.models.spec import ModelSpec
from lrmtest.models.tokenizer_identity import tokenizer_identity

_TEMPLATE_OPTIONS = ("--chat-template", "--chat-template-file")
_MOST_BYTES = 1 << 20  # of a template's file


def describe_model(spec: ModelSpec, options: EngineOptions) -> dict[str, Any]:
    """JSON values that are equal for two models only if both give the same outcomes.

    Args:
        spec: the model, its files on disk.
        options: what the user chose about its engine.

    Raises:
        ModelError: a file of it is missing or cannot be read.
        UsageError: there is no such engine, or the package that offers it is broken.
    """
    card, kind = spec.card, kind_of(spec)
    return {
        "name": spec.name,
        "engine": spec.engine,
        "repo": card.checkpoint.repo,
        "revision": card.checkpoint.revision,
        "files": kind.file_hashes(spec),
        "compression": {
            "method": card.compression.method,
            "bits_per_weight": card.compression.bits_per_weight,
            "sparsity": card.compression.sparsity,
        },
        # Texts do not depend on them. They stay here so that completions keep their keys; what
        # texts are split by, and how it is known, is in the manifest's section `reasoning`.
        "reasoning_tags": list(card.reasoning_tags or DEFAULT_TAGS),
        "system_prompt": card.system_prompt,
        **kind.settings(spec, options),
    }


def describe_chat(spec: ModelSpec, options: EngineOptions) -> dict[str, str]:
    """How the prompts of a model from files are made: chat template and tokenizer, for a manifest.

    It is no part of `describe_model`, where the same files have their hashes.

    Returns:
        The fields of a `ChatSection`; empty where a model has no files here.

    Raises:
        ModelError: a file cannot be read.
    """
    if not kind_of(spec).has_files or not spec.location:
        return {}
    template = template_of(spec, options)
    return {
        "template_sha256": template.sha256,
        "template_source": template.source,
        "tokenizer": tokenizer_identity(spec.location),
    }


def template_notices(spec: ModelSpec, options: EngineOptions) -> list[str]:
    """Variables of a request that the chat template of a model's files does not have, in a line.

    A template cannot be asked for its variables; a name that is not in its text is surely none.

    Raises:
        ModelError: a file cannot be read.
    """
    variables = [*carried(spec, options).get(TEMPLATE_VARIABLES, {})]
    if not (variables and kind_of(spec).has_files and spec.location):
        return []
    text = template_of(spec, options).text
    missing = [name for name in variables if not re.search(rf"\b{re.escape(name)}\b", text)]
    if not missing:
        return []
    return [
        f"{spec.name}: its chat template has no {', '.join(missing)}, so that "
        f"{TEMPLATE_VARIABLES} says nothing to it by that"
    ]


def template_of(spec: ModelSpec, options: EngineOptions) -> ChatTemplate:
    """The template that makes the prompts of a model from files.

    Raises:
        ModelError: a file cannot be read.
    """
    given = _given_template([*spec.card.engine_args, *options.engine_args])
    return given or chat_template(spec.location)


def _given_template(arguments: Sequence[str]) -> ChatTemplate | None:
    """The template that arguments of a server put in place of the files' own."""
    given = []
    for argument, following in pairwise([*arguments, ""]):
        name, equals, value = argument.partition("=")
        if name in _TEMPLATE_OPTIONS:
            given.append(value if equals else following)
    if not given:
        return None
    file = Path(given[-1])
    with suppress(OSError, ValueError):
        if file.is_file() and file.stat().st_size < _MOST_BYTES:
            text = file.read_text(encoding="utf-8")
            return ChatTemplate.of(text, "an engine argument")
    return ChatTemplate.of(given[-1], "an engine argument")
