"""Making a variant: from what was asked for to a folder that ``--model`` takes.

Common to all methods: the parent and its files, calibration texts, refusing to overwrite, the
variant's place, its card and its record. What is done to the weights is the method's.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lrmtest.compress.calibration import Material, parse_calibration
from lrmtest.compress.figures import Pruned
from lrmtest.compress.method import CompressionMethod, CompressionResult, CompressionTask
from lrmtest.compress.options import TENSOR
from lrmtest.compress.parent import engine_of_variant, parent_of
from lrmtest.compress.protect import parse_protect
from lrmtest.compress.protect_file import Expanded, expand, refuse_other_model
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
from lrmtest.models.engines.transformers.context import context_length
from lrmtest.models.hashes import file_hashes
from lrmtest.models.local import gguf_in, measure
from lrmtest.models.spec import ModelSpec
from lrmtest.progress import LayersDone, Tell, silent
from lrmtest.runs.environment import package_versions


@dataclass(frozen=True, slots=True)
class VariantRequest:
    """A variant that somebody wants.

    Attributes:
        model: its parent, as for ``--model``.
        method: what is to be done.
        options: of the method, by name, as `CompressionMethod.checked` gives them.
        protect: what is to stay at 16 bits, as for ``--protect``; files are read when it is made.
        seed: of what is protected at random.
        calibration: as for ``--calibration``.
        samples: most calibration sequences.
        tokens: most tokens of one.
    """

    model: str
    method: CompressionMethod
    options: Mapping[str, Any] = field(default_factory=dict)
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
    request: VariantRequest,
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
        raise ModelError(
            f"models cannot be compressed here: {error}",
            hint=f"pip install '{request.method.install}'",
        ) from error


def _with_files(request: VariantRequest, expanded: Expanded) -> VariantRequest:
    """The request with what its files name, so that it needs no file any more."""
    options = dict(request.options)
    if expanded.tensors:  # what is protected is, whatever else is said of it
        options[TENSOR.name] = [*expanded.tensors, *(options[TENSOR.name] or ())]
    return replace(request, protect=expanded.protect, options=options)


class _Making:
    """One variant being made."""

    def __init__(
        self,
        request: VariantRequest,
        folder: Path,
        cards: Mapping[str, ModelCard],
        store: Path,
        tell: Tell,
        progress: LayersDone,
    ) -> None:
        self._method = request.method
        self._expanded = expand(
            request.protect, typed=TENSOR.name in {each.name for each in request.method.options}
        )
        self._request = request = _with_files(request, self._expanded)
        self._folder, self._cards, self._store = folder, cards, store
        self._tell, self._progress = tell, progress
        self._name = variant_name(folder)
        self._settings = request.method.settings(request.options)
        self._protection = parse_protect(request.protect, request.seed)
        self._calibration = parse_calibration(request.calibration)

    def make(self, *, force: bool) -> Made:
        check_target(self._folder, force=force)
        source = Path(self._parent.location)
        if self._folder.resolve() in (source.resolve(), source.resolve().parent):
            raise UsageError(
                f"{self._folder} is the folder of the model itself", hint="choose another folder"
            )
        refuse_other_model(source, self._expanded, self._parent.name)
        made_of = self._made_of()
        if is_made(self._folder, made_of, force=force):
            return Made(self._folder, self._name, new=False)
        with building(self._folder) as place:
            result = self._method.maker()(self._task(place))
            bits = result.bits_per_weight
            if bits is None:
                bits = measure(place.variant).compression.bits_per_weight
            notes = (*result.notes, *(self._material.notes if self._material else ()))
            self._write_card(place.variant, result, bits)
            write_record(
                place.variant,
                made_of=made_of,
                recipe=self._recipe,
                figures={
                    "bits_per_weight": bits,
                    **(result.pruned.to_json() if result.pruned else {}),
                },
                versions=package_versions(),
                notes=notes,
            )
        return Made(self._folder, self._name, True, notes, bits, result.pruned)

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
        return ChatTokenizer.load(self._parent.location, self._parent.reasoning_tags)

    @cached_property
    def _material(self) -> Material | None:
        """What to calibrate on; None where nothing is calibrated."""
        if not self._method.reads_texts(self._request.options):
            return None
        return self._calibration.material(
            self._chat,
            self._parent,
            samples=self._request.samples,
            tokens=self._tokens,
            store=self._store,
        )

    def _task(self, place: Workplace) -> CompressionTask:
        material = self._material
        return CompressionTask(
            method=self._method.name,
            parent=self._parent,
            folder=place.variant,
            scratch=place.scratch,
            options=self._request.options,
            protection=self._protection,
            texts=None if material is None else material.texts,
            tokens=0 if material is None else self._tokens,
            tokenizer=None if material is None else self._chat.tokenizer,
            tell=self._tell,
            progress=self._progress,
        )

    def _made_of(self) -> dict[str, Any]:
        """Everything that the variant depends on, JSON values."""
        request, material = self._request, self._material
        return {
            **self._settings,
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
        options: dict[str, Any] = {**self._settings, "protect": list(request.protect)}
        if self._protection.draws:
            options["seed"] = request.seed
        if material is not None:
            options["calibration"] = material.option
            options["calibration-samples"] = request.samples
            options["calibration-tokens"] = request.tokens
        words = ["lrmtest", "compress", request.model, "-o", self._name, *_words(options)]
        calibrated = "" if material is None else f" # calibrated on {material}"
        return shlex.join(words) + calibrated

    def _write_card(self, folder: Path, result: CompressionResult, bits: float | None) -> None:
        method, parent = self._method, self._parent.card
        write_variant_card(
            folder,
            parent=parent,
            name=self._name,
            method=result.label or method.name,
            bits_per_weight=bits,
            sparsity=result.sparsity,
            recipe=self._recipe,
            note=result.note,
            engine=method.engine or engine_of_variant(parent, folder),
            gguf_file=gguf_in(folder).name if method.makes == "gguf" else None,
        )


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
