"""`lrmtest models`: what there is, what it needs, whether it runs here; all of one card."""

from __future__ import annotations

import argparse
from typing import Any

from lrmtest.cli.output import show
from lrmtest.models.hardware import this_machine
from lrmtest.models.listing import card_named, cards_with, model_rows
from lrmtest.options.common import add_cards_option, read_cards
from lrmtest.reports.models_table import model_view, models_table


def add_commands(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser("models", help="list the model cards, or show all of one")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="list cards in which all of these words are found (name, engine, method of "
        "compression, repository, note); a card's own name shows all of that card",
    )
    add_cards_option(parser.add_argument)
    parser.set_defaults(run=_models)


def _models(arguments: argparse.Namespace) -> int:
    cards = read_cards(arguments)
    machine = this_machine()
    if card := card_named(cards, arguments.words):
        (row,) = model_rows({card.name: card}, machine)
        show(model_view(card, row))
        return 0
    show(models_table(model_rows(cards_with(cards, arguments.words), machine)))
    return 0
