"""A model spec: what ``--model`` means, once resolved."""

from __future__ import annotations

from collections import Counter
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
class Placing:
    """Which question of which suite each output of a recording answers.

    Attributes:
        keys: suite and question id of every output, in the recording's order; None for one that
            answers nothing that is asked.
        notes: what the user should know of it, one line each.
        moved: some question's outputs are others than its id alone would give.
    """

    keys: tuple[tuple[str, str] | None, ...]
    notes: tuple[str, ...] = ()
    moved: bool = False

    def samples(self) -> Counter[tuple[str, str]]:
        """How many outputs each question has."""
        return Counter(key for key in self.keys if key is not None)


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
        recorded_suite: the suite of a recording's outputs, by the user's word; empty for none.
        placing: of a recording's outputs, once it is known what is asked.
    """

    name: str
    card: ModelCard
    engine: str
    location: str = ""
    given: str = field(default="", compare=False)
    notices: tuple[str, ...] = field(default=(), compare=False)
    reasoning: KnownTags | None = field(default=None, compare=False)
    recorded_suite: str = ""
    placing: Placing | None = field(default=None, compare=False, repr=False)

    @property
    def reasoning_tags(self) -> Tags:
        """What is known of its reasoning tags; by its card alone before its files are there."""
        return self.card.reasoning_tags if self.reasoning is None else self.reasoning.tags

    @property
    def opened_by_prompt(self) -> bool:
        """Whether its prompts end in the opening tag, so that its texts have none of their own."""
        return self.reasoning is not None and self.reasoning.prefilled
