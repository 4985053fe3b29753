"""A model spec: what ``--model`` means, once resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrmtest.models.card import ModelCard


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that was chosen: its card, the engine it runs on and where it is.

    Attributes:
        name: the model's name, safe for test ids, file names and reports:
            letters, digits, ``.``, ``_`` and ``-`` only.
        card: everything known of it.
        engine: the engine it runs on; the user's choice, else the card's.
        location: a local file or folder, an endpoint's base URL or a recording's path;
            empty until `lrmtest.models.fetch.files.fetch` has put the card's checkpoint on disk,
            and where the engine knows the model by its card alone.
        given: what the user called it.
        notices: what the user should know of how it was understood, one line each.
    """

    name: str
    card: ModelCard
    engine: str
    location: str = ""
    given: str = field(default="", compare=False)
    notices: tuple[str, ...] = field(default=(), compare=False)
