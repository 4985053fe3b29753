"""Locating: attribution of all traces, then the first ranks really restored, against random ones.

Traces go through the models in portions that bound the hidden states which are held; what was found
of a portion is kept before the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from math import fsum
from pathlib import Path

import torch

from lrmtest.analysis.location import Location, Sets, TraceLocation, gains, locate, shares_of
from lrmtest.analysis.restoring import Passes, pass_rate, passes
from lrmtest.analysis.shaded_trace import text_pieces
from lrmtest.analysis.suggestion import Suggestion, taken_in_turn
from lrmtest.analysis.summary import Rate
from lrmtest.analysis.token_kinds import words_of
from lrmtest.analysis.units import MODULE, ROW, row_name
from lrmtest.counted import counted
from lrmtest.errors import LrmtestError, MachineryError
from lrmtest.locate.attribution.attribute import SIGNS, attribute, refuse_unlike
from lrmtest.locate.attribution.restoring import Form, as_it_is, losses_restored
from lrmtest.locate.attribution.row_terms import row_terms
from lrmtest.locate.facts import ModuleFacts, facts_of
from lrmtest.locate.generating.restored_runs import generate_restored
from lrmtest.locate.kept import Kept
from lrmtest.locate.opening import open_stack
from lrmtest.locate.portions import Done, portions, step_counter
from lrmtest.locate.sets import Units, random_sets, set_name, sets_of, unit_weights
from lrmtest.locate.suggesting.bits import bits_by_weights, bits_of
from lrmtest.locate.suggesting.suggest import Purse, suggest
from lrmtest.locate.task import LocateTask
from lrmtest.models.engines.transformers.stack import Stack
from lrmtest.models.reading import Written
from lrmtest.models.token_texts import token_texts
from lrmtest.runs.same_draws import same_draws

PROMPT, UNKNOWN_KIND = "prompt", "tokens"
"""What tokens are called that were not generated, or of which nothing is known."""
_LOOKS = 3
"""Times that the first ranks are looked at: those that were measured may not be the first."""
_HELD_BYTES = 2 << 30
"""Of hidden states that are held at a time; one trace alone may take more."""


def locate_damage(task: LocateTask, folder: Path, done: Done) -> Location:
    """Rank the variant's modules, going on with what was computed before.

    Args:
        task: what is to be done.
        folder: where what is computed is kept.
        done: is told how far it is.

    Raises:
        UsageError: the models do not correspond, or a trace does not fit them.
        ModelError: a model cannot be read or taken layer by layer.
        MachineryError: memory ran out.
        StoreError, DataError: what is computed cannot be kept, or read again.
    """
    with _room():
        return _Work(task, _kept(task, folder), done).location()


def locate_and_suggest(
    task: LocateTask, folder: Path, done: Done
) -> tuple[Location, Suggestion | None]:
    """As `locate_damage`, and what to protect, if the task has a budget for it.

    Raises:
        UsageError: further, no module has room in the budget, or none would mend anything.
    """
    with _room():
        work = _Work(task, _kept(task, folder), done)
        purse = work.purse()
        location = work.location()
        return location, None if purse is None else work.suggestion(purse)


def _kept(task: LocateTask, folder: Path) -> Kept:
    return Kept.read(folder / f"{task.kept_name}.jsonl", task.written, task.through_layers)


@contextmanager
def _room() -> Iterator[None]:
    """Say what to do where memory runs out meanwhile."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise MachineryError(
            "memory ran out while the models' layers were at work",
            hint="pass --dtype bfloat16, or take fewer traces: --suite; what was found is kept",
        ) from error


class _Work:
    """A task being done."""

    def __init__(self, task: LocateTask, kept: Kept, done: Done) -> None:
        self._task, self._kept, self._done = task, kept, done
        self._kinds = _kinds_of(task)

    @cached_property
    def _models(self) -> tuple[Stack, Stack]:
        """Variant and parent; opened where something is left to compute, and only there."""
        variant, parent = (
            open_stack(spec, self._task.options, self._task.written)
            for spec in (self._task.variant, self._task.parent)
        )
        refuse_unlike(variant, parent)
        return variant, parent

    @property
    def _facts(self) -> Mapping[str, ModuleFacts]:
        """Of every module, in the model's order."""
        if not self._kept.modules:
            self._kept.keep_modules(facts_of(*self._models))
        return self._kept.modules

    @cached_property
    def _weights(self) -> Mapping[str, int]:
        """How many weights each module has, in the model's order."""
        return unit_weights(MODULE, self._facts)

    def location(self) -> Location:
        """Everything, as far as it is not there yet."""
        self._attribute()
        sets, units = self._sets
        if sets is not None:
            self._restore(units)
        passing, rates = self._generate(sets, units)
        return locate(
            self._traces(),
            self._weights,
            sets,
            passes=passing,
            rates=rates,
        )

    def purse(self) -> Purse | None:
        """What a suggestion may spend; None where none is asked for.

        Raises:
            UsageError: no module has room in it.
        """
        task = self._task
        if task.budget is None or not self._weights:
            return None
        facts = self._kept.modules
        if task.by_weights:
            total = 16.0 * sum(self._weights.values())
            purse = Purse(bits_by_weights(facts), task.budget, total)
        else:
            purse = Purse(bits_of(task.variant, task.parent, facts), task.budget)
        purse.refuse_too_little()
        return purse

    def suggestion(self, purse: Purse) -> Suggestion:
        """What to protect, after `location`."""
        sets, _ = self._sets
        order = [*gains(self._traces(), {} if sets is None else sets.alone)]
        drawn = partial(random_sets, weights=self._weights)
        return suggest(
            *(purse, self._weights, sets, order, self._traces, drawn, self._restore),
            self._beside,
        )

    @cached_property
    def _sets(self) -> tuple[Sets | None, Units]:
        """What is to be restored, after `_attribute`."""
        alone: dict[str, str] = {}
        for _ in range(_LOOKS):
            first = [*gains(self._traces(), alone)][: self._task.confirm]
            if not (new := {name: set_name([name]) for name in first if name not in alone}):
                break
            self._restore({own: frozenset([name]) for name, own in new.items()})
            alone |= new
        if not (alone or self._task.asked or self._task.curve or self._task.unit == ROW):
            return None, {}
        return sets_of(self._task, [*alone], self._in_turn(alone), self._facts)

    def _in_turn(self, alone: Mapping[str, str]) -> list[str]:
        """All units that are restored together, in this order; `alone` as for `gains`."""
        rows = self._task.unit == ROW
        weights = unit_weights(self._task.unit, self._facts)
        found = self._rows_beside(frozenset()) if rows else gains(self._traces(), alone)
        together = taken_in_turn(
            found,
            weights,
            max(self._task.share, *self._task.curve, 0.0) * sum(weights.values()),
            lambda taken: (
                self._rows_beside(taken) if rows else self._beside(taken, set_name(taken), as_it_is)
            ),
            by_cost=rows,
        )
        taken = set(together)
        return [*together, *(name for name in found if name not in taken)]

    def _rows_beside(self, taken: frozenset[str]) -> dict[str, float]:
        """What each row would mend beside these, most by the weight first."""
        facts, name = self._facts, set_name(taken)
        kept = self._kept.rows_beside.get(name, {})
        if {module: len(terms) for module, terms in kept.items()} != {
            module: each.rows for module, each in facts.items()
        }:
            self._kept.add_rows_beside(name, self._row_terms(taken))
            kept = self._kept.rows_beside[name]
        terms = {
            row_name(module, row): term for module in facts for row, term in enumerate(kept[module])
        }
        weights = unit_weights(ROW, facts)
        return dict(sorted(terms.items(), key=lambda each: (-each[1] / weights[each[0]], each[0])))

    def _row_terms(self, taken: frozenset[str]) -> dict[str, list[float]]:
        """The same by module, computed."""
        written, layers = self._task.written, len(self._models[0].layers)
        shares = shares_of(one.place.question for one in written)
        counts = {one.place.key: share for one, share in zip(written, shares, strict=True)}
        parts = list(self._portions(written, layers + 2))
        what = f"attribution beside {counted(len(taken), 'row')}, layer by layer"
        passed = step_counter(self._done, what, 2 * layers * len(parts))
        found = [row_terms(*self._models, each, counts, passed, taken) for each in parts]
        return {
            module: torch.stack([each[module] for each in found]).sum(0).tolist()
            for module in self._facts
        }

    def _beside(self, taken: frozenset[str], name: str, form: Form) -> dict[str, float]:
        """What each module mends beside these, whose set is called so."""
        kept, names = self._kept.beside, self._weights.keys()
        left = [
            one
            for one in self._task.written
            if kept.get(one.place.key, {}).get(name, {}).keys() != names
        ]
        if left:
            layers = len(self._models[0].layers)
            parts = list(self._portions(left, self._held))
            what = f"attribution beside {counted(len(taken), 'module')}, layer by layer"
            passed = step_counter(self._done, what, 3 * layers * len(parts))
            for portion in parts:
                groups = {one.place.key: self._groups(one) for one in portion}
                found = attribute(
                    *(*self._models, portion, groups, passed, taken, form),
                    through_layers=self._task.through_layers,
                )
                self._kept.add_beside(name, found)
        return gains(
            [
                replace(self._trace(one), mends=kept[one.place.key][name])
                for one in self._task.written
            ]
        )

    def _traces(self) -> list[TraceLocation]:
        return [self._trace(one) for one in self._task.written]

    def _attribute(self) -> None:
        names = self._weights.keys()
        left = [
            one
            for one in self._task.written
            if (found := self._kept.mends.get(one.place.key)) is None
            or found.mends.keys() != names
            or found.slopes.keys() != names
            or not len(found.losses) == len(found.parents_losses) == len(one.trace.tokens)
        ]
        if not left:
            return
        layers = len(self._models[0].layers)
        parts = list(self._portions(left, self._held))
        passed = step_counter(self._done, "attribution, layer by layer", 3 * layers * len(parts))
        for portion in parts:
            groups = {one.place.key: self._groups(one) for one in portion}
            through = self._task.through_layers
            self._kept.add_mends(
                attribute(*self._models, portion, groups, passed, through_layers=through)
            )

    @property
    def _held(self) -> int:
        """How many hidden states attribution holds at once: in front of every layer and behind the
        last, and with further layers run the gradients behind each of them."""
        return len(self._models[0].layers) + 1 + (self._task.through_layers - 1) * (1 + SIGNS)

    def _generate(
        self, sets: Sets | None, units: Mapping[str, frozenset[str]]
    ) -> tuple[Passes | None, dict[str, Rate]]:
        """What passes with the first ranks restored, and with each set; nothing if not asked."""
        asked = self._task.asked
        if sets is None or asked is None:
            return None, {}
        none = "as-it-is"
        wanted = {none: frozenset[str](), sets.top_set: units[sets.top_set]}
        wanted |= {name: units[name] for name in sets.random}
        if sets.curve is not None:
            wanted |= {
                one.name: units[one.name]
                for one in sets.curve.every
                if one.name != sets.curve.none.name
            }
        runs = generate_restored(
            self._task.variant,
            self._task.parent,
            self._task.options,
            asked,
            lambda: self._models,
            wanted,
            self._kept.path.with_suffix(""),
            partial(self._done, "generating"),
        )
        if sets.curve is not None:
            runs[sets.curve.none.name] = runs[none]
        variant, restored = runs[none], runs[sets.top_set]
        passing = passes(
            asked.outcomes,
            variant.outcomes,
            restored.outcomes,
            [runs[name].outcomes for name in sets.random],
            by_index=same_draws(variant.manifest, restored.manifest),
        )
        return passing, {name: pass_rate(run.outcomes) for name, run in runs.items()}

    def _restore(self, modules: Mapping[str, frozenset[str]], form: Form = as_it_is) -> None:
        """Compute the losses with these sets restored, as far as traces lack some."""
        there = {
            one.place.key: self._kept.restored.get(one.place.key, {}).keys()
            for one in self._task.written
        }
        modules = {
            name: each
            for name, each in modules.items()
            if any(name not in names for names in there.values())
        }
        left = [one for one in self._task.written if modules.keys() - there[one.place.key]]
        if not left:
            return
        parts = list(self._portions(left, len(modules) + 1))
        layers = len(self._models[0].layers)
        passed = step_counter(self._done, "restoring, layer by layer", layers * len(parts))
        for portion in parts:
            losses = losses_restored(*self._models, portion, list(modules.values()), passed, form)
            self._kept.add_restored(
                {
                    one.place.key: dict(zip(modules, each, strict=True))
                    for one, each in zip(portion, zip(*losses, strict=True), strict=True)
                }
            )

    def _portions(self, written: Sequence[Written], times: int) -> Iterator[list[Written]]:
        """Traces whose hidden states may be held so many times together."""
        width = self._models[0].model.config.get_text_config().hidden_size
        return portions(written, lambda one: one.length, _HELD_BYTES // (width * 4 * times))

    def _groups(self, one: Written) -> list[int]:
        """The numbers of a trace's tokens' kinds, the prompt's first."""
        names, kinds = self._names(one), self._kinds[one.place.key]
        numbers = {name: number for number, name in enumerate(names)}
        return [0] * len(one.trace.prompt) + [numbers[kind] for kind in kinds]

    def _names(self, one: Written) -> list[str]:
        return [PROMPT, *dict.fromkeys(self._kinds[one.place.key])]

    def _trace(self, one: Written) -> TraceLocation:
        found = self._kept.mends[one.place.key]
        names, kinds = self._names(one), self._kinds[one.place.key]
        return TraceLocation(
            question=one.place.question,
            losses=_by_kind(kinds, found.losses),
            parents_losses=_by_kind(kinds, found.parents_losses),
            mends={name: found.mends[name] for name in self._weights},
            slopes={
                name: dict(zip(names, found.slopes[name], strict=False)) for name in self._weights
            },
            restored=self._kept.restored.get(one.place.key, {}),
        )


def _by_kind(kinds: Sequence[str], losses: Sequence[float]) -> dict[str, float]:
    pairs = list(zip(kinds, losses, strict=True))
    return {kind: fsum(loss for its, loss in pairs if its == kind) for kind in dict.fromkeys(kinds)}


def _kinds_of(task: LocateTask) -> dict[str, list[str]]:
    """By key, the kind of each generated token."""
    ids = {token for one in task.written for token in one.trace.tokens}
    for spec in (task.parent, task.variant):
        try:
            texts = token_texts(spec.location, ids)
        except LrmtestError:  # figures do not depend on it
            continue
        if texts:
            return {
                one.place.key: [kind for kind, _ in words_of(text_pieces(one.trace.tokens, texts))]
                for one in task.written
            }
    return {one.place.key: [UNKNOWN_KIND] * len(one.trace.tokens) for one in task.written}
