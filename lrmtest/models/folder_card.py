"""The card that came with a model's folder: data, whoever wrote it.

Its numbers, texts and tags count, and of its request fields those that only say how tokens are
drawn and how the model thinks. What would run code, open the network, read other files or
choose a program of another package needs the user's own word: an option, or a card of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

from lrmtest.masking import masked
from lrmtest.models.card import Checkpoint, ModelCard
from lrmtest.models.cards import read_card
from lrmtest.models.engines.kinds import DEFAULT_ENGINE, is_own
from lrmtest.models.request_fields import HARMLESS_FIELDS
from lrmtest.unicode import quote

CARD_FILE = "lrmtest-card.toml"
"""A model folder's own card, if it has one."""

_SHOWN = 120


def read_folder_card(
    folder: Path, known: Mapping[str, ModelCard]
) -> tuple[ModelCard, tuple[str, ...]]:
    """The card in `folder`, as far as it is data, and a line on what was left out of it.

    Args:
        folder: a model's, with a `CARD_FILE` in it.
        known: cards that its ``parent`` may name: packaged ones and the user's own.

    Raises:
        UsageError: it is no card; as `lrmtest.models.cards.read_card`.
    """
    file = folder / CARD_FILE
    card = read_card(file, known)
    left_out = []
    if card.engine_args:
        left_out.append(f"engine_args {quote(' '.join(card.engine_args), _SHOWN)}")
    engine = card.engine
    parent = known.get(card.parent)
    # An engine from outside is a package that may do anything. The parent's is known already.
    if not is_own(engine) and (parent is None or parent.engine != engine):
        left_out.append(f"engine {engine}")
        engine = parent.engine if parent is not None else DEFAULT_ENGINE
    if elsewhere := _elsewhere(card.checkpoint, folder):
        left_out.append(f"checkpoint.{', checkpoint.'.join(elsewhere)}")
    request = card.request
    if parent is None or request != parent.request:
        request = {name: value for name, value in request.items() if name in HARMLESS_FIELDS}
    if more := [name for name in card.request if name not in request]:
        left_out.append(f"request.{', request.'.join(more)}")
    data = replace(card, engine=engine, engine_args=(), checkpoint=Checkpoint(), request=request)
    if not left_out:
        return data, ()
    return data, (
        masked(
            f"{card.name}: {file} came with the model, so it is read as data; left out: "
            f"{'; '.join(left_out)}. To allow it, say it yourself: with --engine-arg, --engine "
            f"and --request-field, or by a card of your own in pyproject.toml, "
            f'[tool.lrmtest.models."{card.name}"]'
        ),
    )


def _elsewhere(checkpoint: Checkpoint, folder: Path) -> list[str]:
    """The fields of `checkpoint` that lead out of `folder`."""
    blank = Checkpoint()
    given = [
        each.name
        for each in fields(checkpoint)
        if getattr(checkpoint, each.name) != getattr(blank, each.name)
    ]
    inside = Path(checkpoint.path).resolve().is_relative_to(folder.resolve())
    return [name for name in given if name != "gguf" and not (name == "path" and inside)]
