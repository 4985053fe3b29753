"""The options of a session, as arguments that could be given again."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from typing import Any

from lrmtest.options.common import AddOption


class _Recorder:
    """Takes options as argparse would, and remembers them."""

    def __init__(self) -> None:
        self.options: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, *names: str, **settings: Any) -> None:
        self.options.append((names[-1], settings))


def repeat_arguments(
    option: argparse.Namespace,
    add_options: Callable[[AddOption], None],
    *,
    but: Collection[str] = (),
) -> tuple[str, ...]:
    """The arguments that say what differs from the defaults.

    Args:
        option: what was parsed.
        add_options: adds the options that count.
        but: names of options to leave out, such as ``--limit``.
    """
    recorder = _Recorder()
    add_options(recorder)
    arguments: list[str] = []
    for name, settings in recorder.options:
        value = getattr(option, settings.get("dest", name.lstrip("-").replace("-", "_")))
        switch = settings.get("action") == "store_true"
        if name in but or value == settings.get("default", False if switch else None):
            continue
        if switch:
            arguments.append(name)
            continue
        values = value if settings.get("action") == "append" else [value]
        # One word each: a value may begin with a dash.
        arguments += [f"{name}={each}" for each in values]
    return tuple(arguments)
