"""The options of a session, as arguments that could be given again."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection

from lrmtest.options.common import AddOption
from lrmtest.options.declared import declared


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
    arguments: list[str] = []
    for each in declared([add_options]):
        value = getattr(option, each.dest)
        if each.short in but or value == each.default:
            continue
        if each.shape == "switch":
            arguments.append(each.short)
            continue
        values = value if each.shape == "list" else [value]
        # One word each: a value may begin with a dash.
        arguments += [f"{each.short}={one}" for one in values]
    return tuple(arguments)
