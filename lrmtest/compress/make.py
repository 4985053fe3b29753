"""Making a variant: from what was asked for to a folder that ``--model`` takes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lrmtest.compress.calibration import Material, parse_calibration
from lrmtest.compress.gguf_recipes import recipe_named
from lrmtest.compress.protect import parse_protect
from lrmtest.compress.pruning.figures import KindFigures, Pruned
from lrmtest.compress.pruning.sparsity import Sparsity
from lrmtest.compress.variant import (
    Workplace,
    building,
    check_target,
    is_made,
    variant_name,
    write_record,
    write_variant_card,
)
from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer
from lrmtest.models.engines.tokenizers.checkpoint_files import quiet
from lrmtest.models.engines.transformers.context import context_length
from lrmtest.models.fetch.files import fetch
from lrmtest.models.gguf.convert import gguf_to_safetensors
from lrmtest.models.gguf.export import can_export
from lrmtest.models.hashes import file_hashes
from lrmtest.models.local import measure
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec
from lrmtest.progress import LayersDone, Tell, silent
from lrmtest.runs.environment import package_versions

_RUN_SAFETENSORS = ("transformers", "vllm", "llamacpp")
_EXTRA = "pip install 'lrmtest[cpu]'"


@dataclass(frozen=True, slots=True)
class Pruning:
    """Weights become zero.

    Attributes:
        method: ``sparsegpt``, ``wanda`` or ``magnitude``.
        sparsity: how many.
        pattern: as the user called it; empty when the zeros may be anywhere.
    """

    method: str
    sparsity: Sparsity
    pattern: str = ""

    def settings(self) -> dict[str, Any]:
        """By option, JSON values."""
        amount = {"pattern": self.pattern} if self.pattern else {"sparsity": self.sparsity.share}
        return {"method": self.method, **amount}


@dataclass(frozen=True, slots=True)
class GgufQuantization:
    """Weights become blocks of few bits in a GGUF file.

    Attributes:
        kind: llama-quantize's type; empty for the recipe's own.
        tensors: patterns of tensors' names, with the type that each is to have.
        recipe: a named set of such patterns, which come after `tensors`; empty for none.
        imatrix: whether an importance matrix is computed and used.
    """

    kind: str = ""
    tensors: tuple[tuple[str, str], ...] = ()
    recipe: str = ""
    imatrix: bool = True

    def settings(self) -> dict[str, Any]:
        """By option, JSON values."""
        settings: dict[str, Any] = {
            "method": "gguf",
            "type": self.kind,
            "tensor": [f"{pattern}={kind}" for pattern, kind in self.tensors],
            "recipe": self.recipe,
        }
        return {**{key: value for key, value in settings.items() if value}, "imatrix": self.imatrix}


@dataclass(frozen=True, slots=True)
class WeightQuantization:
    """Weights become integers of few bits with a scale for each group.

    Attributes:
        method: ``gptq`` or ``awq``.
        bits: of a weight.
        group_size: weights that share a scale.
    """

    method: str
    bits: int
    group_size: int

    def settings(self) -> dict[str, Any]:
        """By option, JSON values."""
        return {"method": self.method, "bits": self.bits, "group-size": self.group_size}


How = Pruning | GgufQuantization | WeightQuantization


@dataclass(frozen=True, slots=True)
class Request:
    """A variant that somebody wants.

    Attributes:
        model: its parent, as for ``--model``.
        how: what is to be done.
        protect: what is to stay at 16 bits, as for ``--protect``.
        seed: of what is protected at random.
        calibration: as for ``--calibration``.
        samples: most calibration sequences.
        tokens: most tokens of one.
    """

    model: str
    how: How
    protect: tuple[str, ...] = ()
    seed: int = 0
    calibration: str = "fresh"
    samples: int = 128
    tokens: int = 2048


@dataclass(frozen=True, slots=True)
class Made:
    """A variant that is there.

    Attributes:
        folder: where.
        name: what ``--model`` calls it.
        new: it was made now, and was not there before.
        notes: what people should know.
        bits_per_weight: over all weights; None when it is not new.
        pruned: what became of each matrix; None when nothing was pruned, or it is not new.
    """

    folder: Path
    name: str
    new: bool
    notes: tuple[str, ...] = ()
    bits_per_weight: float | None = None
    pruned: Pruned | None = None


def make_variant(
    request: Request,
    folder: Path,
    *,
    cards: Mapping[str, ModelCard],
    store: Path,
    force: bool = False,
    tell: Tell = silent,
    progress: LayersDone = lambda done, total: None,
) -> Made:
    """Make a variant, unless the very same one is there.

    Args:
        request: what is wanted.
        folder: where it is to be; made, or empty, or a variant's.
        cards: the model cards there are.
        store: SQLite file in which runs are looked up.
        force: make it anew, and replace another variant.
        tell: is told what takes long.
        progress: is told after each layer that was pruned.

    Raises:
        UsageError: something in the request cannot be meant, or `folder` has something else in it.
        ModelError: the parent cannot be had or cannot be compressed so, or a tool fails.
        StoreError, DataError: the run to calibrate on cannot be read.
    """
    try:
        return _Making(request, folder, cards, store, tell, progress).make(force=force)
    except ImportError as error:
        raise ModelError(f"models cannot be compressed here: {error}", hint=_EXTRA) from error


def parent_of(model: str, cards: Mapping[str, ModelCard], *, tell: Tell = silent) -> ModelSpec:
    """The model to be compressed, its files on disk as they were published.

    Raises:
        UsageError: there is no such model, or it has no files.
        ModelError: its files cannot be had.
    """
    spec = resolve(model, cards)
    if spec.engine in ("openai", "recorded"):
        try:
            # A card may name files beside its endpoint.
            spec = resolve(model, cards, engine="transformers")
        except UsageError:
            what = "an endpoint" if spec.engine == "openai" else "a recording"
            raise UsageError(
                f"{model} is {what}: there are no weights to compress",
                hint="give a model card, a model's folder or a GGUF file",
            ) from None
    # Not the copy that another engine would get.
    location = fetch(replace(spec, engine="transformers"), tell=tell)
    return replace(spec, location=str(location))


class _Making:
    """One variant being made."""

    def __init__(
        self,
        request: Request,
        folder: Path,
        cards: Mapping[str, ModelCard],
        store: Path,
        tell: Tell,
        progress: LayersDone,
    ) -> None:
        self._request, self._how = request, request.how
        self._folder, self._cards, self._store = folder, cards, store
        self._tell, self._progress = tell, progress
        self._name = variant_name(folder)
        self._protection = parse_protect(request.protect, request.seed)
        self._calibration = parse_calibration(request.calibration)

    def make(self, *, force: bool) -> Made:
        check_target(self._folder, force=force)
        source = Path(self._parent.location)
        if self._folder.resolve() in (source.resolve(), source.resolve().parent):
            raise UsageError(
                f"{self._folder} is the folder of the model itself", hint="choose another folder"
            )
        made_of = self._made_of()
        if is_made(self._folder, made_of, force=force):
            return Made(self._folder, self._name, new=False)
        with building(self._folder) as place:
            made, figures = self._make(place)
            write_record(
                place.variant,
                made_of=made_of,
                recipe=self._recipe,
                figures=figures,
                versions=package_versions(),
                notes=made.notes,
            )
        return made

    def _make(self, place: Workplace) -> tuple[Made, dict[str, Any]]:
        match self._how:
            case Pruning():
                return self._prune(self._how, place)
            case GgufQuantization():
                return self._quantize_gguf(self._how, place)
            case WeightQuantization():
                return self._quantize_weights(self._how, place)

    @cached_property
    def _parent(self) -> ModelSpec:
        return parent_of(self._request.model, self._cards, tell=self._tell)

    @cached_property
    def _tokens(self) -> int:
        """Most tokens of a sequence: what was asked for, if the model's context has room."""
        parent = self._parent
        return min(
            self._request.tokens, context_length(parent.location, parent.card.context_length)
        )

    @cached_property
    def _chat(self) -> ChatTokenizer:
        return ChatTokenizer.load(self._parent.location, self._parent.card.reasoning_tags)

    @cached_property
    def _material(self) -> Material | None:
        """What to calibrate on; None where nothing is calibrated."""
        if isinstance(self._how, GgufQuantization) and not self._how.imatrix:
            return None
        return self._calibration.material(
            self._chat,
            self._parent,
            samples=self._request.samples,
            tokens=self._tokens,
            store=self._store,
        )

    def _made_of(self) -> dict[str, Any]:
        """Everything that the variant depends on, JSON values."""
        request, material = self._request, self._material
        return {
            **self._how.settings(),
            "parent": self._parent.name,
            "files": file_hashes(Path(self._parent.location), tell=self._tell),
            "protect": list(request.protect),
            "seed": request.seed if self._protection.draws else None,
            "calibration": material and material.sha256,
            "calibration-tokens": material and self._tokens,
        }

    @property
    def _recipe(self) -> str:
        """The command that makes it again, and what it was calibrated on."""
        request, material = self._request, self._material
        options: dict[str, Any] = {**self._how.settings(), "protect": list(request.protect)}
        if self._protection.draws:
            options["seed"] = request.seed
        if material is not None:
            options["calibration"] = material.option
            options["calibration-samples"] = request.samples
            options["calibration-tokens"] = request.tokens
        words = ["lrmtest", "compress", request.model, "-o", self._name, *_words(options)]
        calibrated = "" if material is None else f" # calibrated on {material}"
        return shlex.join(words) + calibrated

    def _notes(self, *more: str) -> tuple[str, ...]:
        return (*more, *(self._material.notes if self._material else ()))

    def _safetensors(self, place: Workplace) -> Path:
        """The parent as safetensors: its own folder, or a GGUF file's weights unpacked."""
        source = Path(self._parent.location)
        if source.is_dir():
            return source
        self._tell(f"unpacking {source.name}")
        with quiet():
            return gguf_to_safetensors(source, place.scratch / "parent", dtype="bfloat16")

    def _write_card(self, place: Workplace, **card: Any) -> None:
        write_variant_card(
            place.variant, parent=self._parent.card, name=self._name, recipe=self._recipe, **card
        )

    def _prune(self, how: Pruning, place: Workplace) -> tuple[Made, dict[str, Any]]:
        from lrmtest.compress.pruning.prune import Job, prune

        assert self._material is not None
        tokenizer = self._chat.tokenizer
        sequences = [
            tokenizer(text, add_special_tokens=False, verbose=False).input_ids[: self._tokens]
            for text in self._material.texts
        ]
        pruned = prune(
            self._safetensors(place),
            place.variant,
            Job(how.method, how.sparsity, self._protection),
            sequences,
            self._progress,
        )
        measured = measure(place.variant)
        bits, total = measured.compression.bits_per_weight, pruned.total
        engine = self._parent.card.engine
        if engine == "llamacpp" and not can_export(place.variant):
            engine = "transformers"
        self._write_card(
            place,
            method=how.method,
            bits_per_weight=bits,
            sparsity=total.sparsity,
            note=_note(total, measured.parameters),
            engine=engine if engine in _RUN_SAFETENSORS else "transformers",
        )
        made = Made(self._folder, self._name, True, self._notes(), bits, pruned)
        return made, {"bits_per_weight": bits, **pruned.to_json()}

    def _quantize_gguf(
        self, how: GgufQuantization, place: Workplace
    ) -> tuple[Made, dict[str, Any]]:
        from lrmtest.compress.gguf import quantize_gguf

        recipe = recipe_named(how.recipe) if how.recipe else None
        tensors = (*how.tensors, *(recipe.tensors if recipe else ()))
        variant = quantize_gguf(
            Path(self._parent.location),
            place.variant,
            kind=how.kind or (recipe.kind if recipe else ""),
            tensors=tensors,
            protection=self._protection,
            texts=None if self._material is None else self._material.texts,
            tell=self._tell,
        )
        mixed = bool(tensors or self._request.protect)
        self._write_card(
            place,
            method="dynamic-gguf" if mixed else "gguf",
            bits_per_weight=variant.bits_per_weight,
            sparsity=0.0,
            note="importance matrix" if variant.imatrix else "no importance matrix",
            engine="llamacpp",
            gguf_file=variant.path.name,
        )
        notes, bits = self._notes(*variant.notes), variant.bits_per_weight
        return Made(self._folder, self._name, True, notes, bits), {"bits_per_weight": bits}

    def _quantize_weights(
        self, how: WeightQuantization, place: Workplace
    ) -> tuple[Made, dict[str, Any]]:
        from lrmtest.compress.llmcompressor import quantize_weights

        assert self._material is not None
        variant = quantize_weights(
            self._safetensors(place),
            place.variant,
            method=how.method,
            bits=how.bits,
            group_size=how.group_size,
            protection=self._protection,
            texts=self._material.texts,
            tokens=self._tokens,
            tell=self._tell,
        )
        self._write_card(
            place,
            method=how.method,
            bits_per_weight=variant.bits_per_weight,
            sparsity=variant.sparsity,
            note=f"{how.bits}-bit weights, group size {how.group_size}",
            engine="vllm",
        )
        notes, bits = self._notes(*variant.notes), variant.bits_per_weight
        return Made(self._folder, self._name, True, notes, bits), {"bits_per_weight": bits}


def _words(options: Mapping[str, Any]) -> list[str]:
    """Options as words of a command: lists are repeated, switches have a ``no-`` when off."""
    words = []
    for name, value in options.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
            continue
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{name}", f"{each:g}" if isinstance(each, float) else str(each)]
    return words


def _note(total: KindFigures, parameters: float | None) -> str:
    note = f"{100 * total.sparsity:.3g} % zeros in the layers' matrices"
    if parameters:
        note += f", {100 * total.zeros / (parameters * 1e9):.3g} % of all weights"
    if total.protected:
        note += f"; {100 * total.protected_share:.3g} % of the matrices protected"
    return note
