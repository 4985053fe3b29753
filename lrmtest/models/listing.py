"""The rows of ``lrmtest models``: what there is, what it needs, whether it runs here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from lrmtest.counted import three_digits
from lrmtest.errors import UsageError
from lrmtest.models.card import Checkpoint, ModelCard
from lrmtest.models.engines.kinds import engine_kind
from lrmtest.models.fetch.files import on_disk
from lrmtest.models.hardware import Machine
from lrmtest.models.sizes import Fit, can_run, disk_gb, memory_needed_gb

Origin = Literal["hub", "wheel", "path", "endpoint", "recipe", "unknown"]
"""Where a model comes from. ``recipe``: not published, it has to be made first."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model, as a list shows it.

    Attributes:
        name, engine, parent, note: as in its card.
        parameters: in billions; None when not known.
        method, bits_per_weight, sparsity: how it was compressed.
        disk_gb, memory_gb: size of its files and memory it needs, 1e9 bytes; None: not known.
        origin: where its files come from.
        recipe: how to make it, when it is not published.
        fit: whether it runs on the machine in question.
    """

    name: str
    engine: str
    parent: str
    note: str
    parameters: float | None
    method: str
    bits_per_weight: float | None
    sparsity: float
    disk_gb: float | None
    memory_gb: float | None
    origin: Origin
    recipe: str
    fit: Fit


def cards_with(cards: Mapping[str, ModelCard], words: Sequence[str]) -> dict[str, ModelCard]:
    """The cards in which every word is found, in any case; all where there are no words.

    Args:
        cards: by name.
        words: parts of a card's name, an alias, its parent, engine, method of compression,
            repository or note.

    Raises:
        UsageError: no card has them all.
    """
    wanted = [word.casefold() for word in words]
    found = {
        name: card
        for name, card in cards.items()
        if all(any(word in text for text in _texts(card)) for word in wanted)
    }
    if not found:
        close = get_close_matches(" ".join(words), list(cards), n=3)
        raise UsageError(
            f"no model card has {' and '.join(map(repr, words))} in it",
            hint=f"did you mean {' or '.join(close)}?" if close else "'lrmtest models' lists all",
        )
    return found


def card_named(cards: Mapping[str, ModelCard], words: Sequence[str]) -> ModelCard | None:
    """The card whose name or alias the one word is; None for any other words."""
    if len(words) != 1:
        return None
    aliases = (card for card in cards.values() if words[0] in card.aliases)
    return cards.get(words[0]) or next(aliases, None)


def model_rows(cards: Mapping[str, ModelCard], machine: Machine) -> tuple[ModelRow, ...]:
    """A row for every card, in the order of the cards."""
    return tuple(_row(card, machine) for card in cards.values())


def runs_here(card: ModelCard, machine: Machine) -> Fit:
    """Whether a model runs on the machine as it is: engine, GPU, memory and files.

    Raises:
        UsageError: its engine is not known, or the package that offers it is broken.
    """
    kind = engine_kind(card.engine, where=f"model {card.name!r}")
    fit = can_run(card, machine)
    if not kind.has_files:
        return fit
    checkpoint = card.checkpoint
    published = any((checkpoint.path, checkpoint.repo, checkpoint.wheel))
    here = published and on_disk(checkpoint)
    missing = [kind.lacks(card, machine)]
    if not published:
        missing.append("not published, to be made first")
    elif checkpoint.path and not here:
        missing.append("nothing at its path")
    told = "; ".join([*filter(None, missing), fit.why])
    if any(missing) or fit.verdict == "no":
        return Fit("no", told)
    if not here:
        size = disk_gb(card)
        what = f"{three_digits(size)} GB" if size is not None else "its files"
        return Fit("fetch", f"{what} to be fetched; {told}")
    return fit


def _texts(card: ModelCard) -> list[str]:
    texts = [card.name, card.parent, card.engine, card.compression.method, card.note]
    return [text.casefold() for text in [*texts, card.checkpoint.repo, *card.aliases]]


def _row(card: ModelCard, machine: Machine) -> ModelRow:
    compression = card.compression
    try:
        memory_gb, fit = memory_needed_gb(card), runs_here(card, machine)
    except UsageError as error:  # its engine's package is broken: of no concern to other models
        memory_gb, fit = card.memory_gb, Fit("no", error.message)
    return ModelRow(
        name=card.name,
        engine=card.engine,
        parent=card.parent,
        note=card.note,
        parameters=card.parameters,
        method=compression.method,
        bits_per_weight=compression.bits_per_weight,
        sparsity=compression.sparsity,
        disk_gb=disk_gb(card),
        memory_gb=memory_gb,
        origin=_origin(card.checkpoint, compression.recipe),
        recipe=compression.recipe,
        fit=fit,
    )


def _origin(checkpoint: Checkpoint, recipe: str) -> Origin:
    if checkpoint.path:
        return "path"
    if checkpoint.repo:
        return "hub"
    if checkpoint.wheel:
        return "wheel"
    if checkpoint.url:
        return "endpoint"
    return "recipe" if recipe else "unknown"
