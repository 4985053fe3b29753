"""A trial of a chat template: does it come to an end?

A chat template is a program that came with a model. Its sandbox keeps it from the machine, but
not from computing for ever or filling the memory, and neither can be interrupted from within. So
it renders the prompts once in a process of its own, in bounded time and memory, before it does in
this one.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.engines.base import Message
from lrmtest.models.engines.tokenizers import template_worker

SECONDS = 10.0
"""Of computing, for the first prompts of a run together; a template takes about a millisecond."""
MOST_PROMPTS = 200
_PATIENCE = 300.0
"""Seconds on the clock, for a machine that has much else to do."""
_ended: set[str] = set()
"""Hashes of what was rendered to its end in this process's trials: an engine that is started again,
with the same template and prompts, needs none."""


def try_template(
    template: str,
    conversations: Iterable[tuple[Message, ...]],
    variables: Mapping[str, Any],
    *,
    seconds: float = SECONDS,
) -> None:
    """Render the first `MOST_PROMPTS` conversations in a process of its own.

    Args:
        template: the chat template.
        conversations: what it will be given.
        variables: what else it may use, its special tokens among them.
        seconds: of computing.

    Raises:
        ModelError: it did not come to an end, or took too much memory.
    """
    turns = [
        [{"role": turn.role, "content": turn.content} for turn in conversation]
        for conversation in [*conversations][:MOST_PROMPTS]
    ]
    task = json.dumps(
        {"template": template, "conversations": turns, "variables": dict(variables)}
    ).encode()
    if (which := hashlib.sha256(task).hexdigest()) in _ended:
        return
    hint = "the template is in the model's folder (chat_template.jinja, tokenizer_config.json)"
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(Path(template_worker.__file__)), str(seconds)],
            input=task,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
        ).returncode
    except subprocess.TimeoutExpired:
        done = -signal.SIGPROF
    except OSError as error:
        raise MachineryError(f"no process can be started: {error}") from error
    if done == -signal.SIGPROF:
        raise ModelError(
            f"the model's chat template does not come to an end: {seconds:g} s of computing were "
            "not enough for the first prompts",
            hint=hint,
        )
    if done == template_worker.TOO_LARGE:
        raise ModelError("the model's chat template takes more than 2 GB of memory", hint=hint)
    if done == 0:
        _ended.add(which)
