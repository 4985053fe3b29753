"""A model spec: what ``--model`` means, once resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrmtest.grading.forms import Tags

if TYPE_CHECKING:
    from lrmtest.models.card import ModelCard


@dataclass(frozen=True, slots=True)
class KnownTags:
    """What is known of a model's reasoning tags before it has written anything.

    Attributes:
        tags: empty for nothing.
        known_by: ``option``, ``card``, ``chat template`` or ``tokenizer``; empty for by nothing.
        prefilled: the chat template ends a prompt with the opening tag.
    """

    tags: Tags = ()
    known_by: str = ""
    prefilled: bool = False


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
        reasoning: what is known of its reasoning tags, once its files are on disk.
    """

    name: str
    card: ModelCard
    engine: str
    location: str = ""
    given: str = field(default="", compare=False)
    notices: tuple[str, ...] = field(default=(), compare=False)
    reasoning: KnownTags | None = field(default=None, compare=False)

    @property
    def reasoning_tags(self) -> Tags:
        """What is known of its reasoning tags; by its card alone before its files are there."""
        return self.card.reasoning_tags if self.reasoning is None else self.reasoning.tags

    @property
    def opened_by_prompt(self) -> bool:
        """Whether its prompts end in the opening tag, so that its texts have none of their own."""
        return self.reasoning is not None and self.reasoning.prefilled
