"""The process behind `template_trial`: renders a chat template, or is killed while it does.

Reads one JSON object from standard input: ``template``, ``conversations`` (lists of turns) and
``variables``. Exit status 0 when it came to an end, in whatever manner; `TOO_LARGE` when memory
ran out. Run by its path, as a script: it needs jinja2 only.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

TOO_LARGE = 3
_MEMORY_BYTES = 2 << 30


def _limit(seconds: float) -> None:
    """From here on so much computing, and no more: the signal ends this process."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        import resource
    except ImportError:  # not on Windows; the time limit of who waits still holds
        return
    # Who started it may have less, and only root may take more than that.
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY_BYTES if most == resource.RLIM_INFINITY else min(most, _MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> int:
    """Render every conversation."""
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    task = json.load(sys.stdin)
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )

    def refuse(message: str) -> Any:
        raise ValueError(message)

    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda *_: ""
    environment.filters["tojson"] = lambda value, *_, **__: json.dumps(value)
    _limit(float(sys.argv[1]))
    try:
        template = environment.from_string(task["template"])
        for messages in task["conversations"]:
            template.render(messages=messages, add_generation_prompt=True, **task["variables"])
    except MemoryError:
        return TOO_LARGE
    except Exception:  # whoever renders it in earnest says what is wrong
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
