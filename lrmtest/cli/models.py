"""`lrmtest models`: what there is, what it needs, whether it runs here."""

from __future__ import annotations

import argparse
from typing import Any

from lrmtest.cli.output import show
from lrmtest.models.hardware import this_machine
from lrmtest.models.listing import model_rows
from lrmtest.options.common import add_cards_option, read_cards
from lrmtest.reports.models_table import models_table


def add_commands(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser("models", help="list the model cards")
    add_cards_option(parser.add_argument)
    parser.set_defaults(run=_models)


def _models(arguments: argparse.Namespace) -> int:
    cards = read_cards(arguments)
    show(models_table(model_rows(cards, this_machine())))
    return 0
