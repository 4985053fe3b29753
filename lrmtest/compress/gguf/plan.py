"""The plan of a quantized GGUF file: which tensor gets which type, before anything is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrmtest.compress.gguf.kinds import WHOLE
from lrmtest.compress.gguf.names import is_matrix, module_of
from lrmtest.compress.gguf.patterns import assign
from lrmtest.compress.gguf.recipes import RECIPES
from lrmtest.compress.protect import Protection
from lrmtest.errors import ModelError, UsageError
from lrmtest.models.gguf_header import GgufTensor, read_gguf_header
from lrmtest.models.local import gguf_parts


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """What the quantized file is to be.

    Attributes:
        kind: llama-quantize's type for the rest.
        types: tensor name -> the type that it must have.
        protected: names of the tensors among them that stay as they are.
        matrices: the source's tensors that can be quantized, by name.
        notes: what is known before anything is done.
    """

    kind: str
    types: Mapping[str, str]
    protected: frozenset[str]
    matrices: Mapping[str, GgufTensor]
    notes: tuple[str, ...]

    @property
    def quantized_source(self) -> bool:
        """Whether the source is not whole."""
        return any(tensor.type not in WHOLE for tensor in self.matrices.values())


def make_plan(
    file: Path, kind: str, wanted: Sequence[tuple[str, str]], protection: Protection
) -> TensorPlan:
    """The plan for the GGUF model at `file`.

    Args:
        file: of a split model the first part.
        kind: llama-quantize's type for what nothing else is said of.
        wanted: patterns with types; the first that matches decides.
        protection: modules that stay as they are, whatever the patterns say.

    Raises:
        UsageError: none of the patterns matches anything, or the protection cannot be had.
        ModelError: the file cannot be read, or has no matrices.
    """
    headers = [read_gguf_header(part) for part in gguf_parts(file)]
    matrices = {t.name: t for header in headers for t in header.tensors if is_matrix(t)}
    if not matrices:
        raise ModelError(f"{file} holds no matrices that could be quantized")
    given = assign(list(matrices.values()), wanted)
    if wanted and not given.types:
        raise UsageError(
            f"no tensor of {file.name} matches {' or '.join(map(repr, given.idle))}",
            hint=f"its tensors are called {', '.join(list(matrices)[:3])}, ...",
        )
    protected = _protected(matrices.values(), protection)
    notes = []
    # A recipe is for models with experts and without: some of its patterns always match nothing.
    recipes = {pattern for recipe in RECIPES for pattern, _ in recipe.tensors}
    if idle := [pattern for pattern in given.idle if pattern not in recipes]:
        notes.append(f"no tensor matches {', '.join(idle)}")
    quantized = Counter(t.type for t in matrices.values() if t.type not in WHOLE)
    if quantized:
        notes.append(
            f"the source was quantized already ({', '.join(quantized)}), and its errors stay in it"
        )
        if any(matrices[name].type not in WHOLE for name in protected):
            notes.append("protected modules stay at the source's types, which are not 16 bits")
    if kind in WHOLE and protected:
        notes.append(f"{kind} quantizes nothing, so there was nothing to protect")
        protected = frozenset()
    types = dict(given.types) | {name: matrices[name].type for name in protected}
    return TensorPlan(kind, types, protected, matrices, tuple(notes))


def _protected(matrices: Collection[GgufTensor], protection: Protection) -> frozenset[str]:
    """Names of the tensors of the modules that stay as they are."""
    sizes: Counter[str] = Counter()
    for tensor in matrices:
        sizes[module_of(tensor.name)] += tensor.weights
    chosen = protection.chosen(sizes)
    return frozenset(tensor.name for tensor in matrices if module_of(tensor.name) in chosen)
