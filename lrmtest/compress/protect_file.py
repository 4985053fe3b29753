"""Files of what to protect: modules by name, as `lrmtest locate --suggest` writes them.

TOML, for people to read and to change::

    format = "lrmtest-protect/1"

    [[module]]
    name = "model.layers.0.self_attn.q_proj"
    weights = 65536

Of a GGUF variant each module also has a ``type``, which its tensor is to have. ``--protect @FILE``
stands for all modules in it. How many weights each has is checked, so that a file of another model
is no protection of whatever happens to be called so here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from lrmtest.bounded import read_toml
from lrmtest.compress.gguf.names import is_matrix, module_of
from lrmtest.errors import UsageError
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.models.local import gguf_in, gguf_parts, tensor_shapes, weight_files
from lrmtest.unicode import harmless, quote

FORMAT = "lrmtest-protect/1"
_MARK = "@"
_LIKE = "random:like:"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,300}")
_TYPE = re.compile(r"[A-Za-z0-9_]{1,20}")
_MOST_MODULES = 100_000
_MOST_WEIGHTS = 1 << 48
_HINT = "write it anew: lrmtest locate VARIANT --traces RUN --suggest 2%"


@dataclass(frozen=True, slots=True)
class ListedModule:
    """A module that is to be protected.

    Attributes:
        name: dotted, in the model.
        weights: how many it has.
        type: the type of GGUF that it is to have; empty to stay as it is.
        remark: for whoever reads the file; it is not read again.
    """

    name: str
    weights: int
    type: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Expanded:
    """What ``--protect`` says, with modules in place of files.

    Attributes:
        protect: as for ``--protect``, no file among them.
        tensors: as for ``--tensor``.
        expected: by module that a file names, how many weights it must have.
        files: the files, as they were given.
    """

    protect: tuple[str, ...]
    tensors: tuple[str, ...] = ()
    expected: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()


def protect_file_text(modules: Sequence[ListedModule], remarks: Sequence[str]) -> str:
    """The text of such a file.

    Args:
        modules: what it protects.
        remarks: lines for its head.
    """
    lines = [f"# {harmless(' '.join(remark.split()))}" for remark in remarks]
    lines += [f'format = "{FORMAT}"']
    for one in modules:
        lines += ["", "[[module]]", f"name = {json.dumps(one.name)}", f"weights = {one.weights}"]
        if one.type:
            lines.append(f"type = {json.dumps(one.type)}")
        if one.remark:
            lines[-1] += f"  # {harmless(' '.join(one.remark.split()))}"
    return "\n".join([*lines, ""])


def read_protect_file(path: Path) -> list[ListedModule]:
    """The modules in a file.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    table = read_toml(path, what="what to protect, ", error=UsageError)
    if table.get("format") != FORMAT:
        raise UsageError(
            f"{path} is no file of what to protect: its format is not {FORMAT!r}", hint=_HINT
        )
    entries = table.get("module")
    if not isinstance(entries, list) or not 0 < len(entries) <= _MOST_MODULES:
        raise UsageError(f"{path} protects nothing: it has no [[module]]", hint=_HINT)
    modules = [_module(path, number, entry) for number, entry in enumerate(entries, start=1)]
    twice = [name for name, count in Counter(one.name for one in modules).items() if count > 1]
    if twice:
        raise UsageError(f"{path}: {twice[0]} is in it twice", hint="take one of them out")
    return modules


def _module(path: Path, number: int, entry: object) -> ListedModule:
    if isinstance(entry, dict):
        name, weights, type_ = (entry.get(key, "") for key in ("name", "weights", "type"))
        named = isinstance(name, str) and _NAME.fullmatch(name)
        counted = type(weights) is int and 0 < weights < _MOST_WEIGHTS
        typed = isinstance(type_, str) and (not type_ or _TYPE.fullmatch(type_))
        if named and counted and typed:
            return ListedModule(name, weights, type_)
    raise UsageError(
        f"{path}: its module {number} is not described: {quote(repr(entry), 80)}",
        hint='name = "model.layers.0.mlp.up_proj", weights = 65536',
    )


def expand(texts: Sequence[str], *, typed: bool) -> Expanded:
    """What ``--protect`` says, files read.

    Args:
        texts: patterns, ``@FILE``, ``random:...``, ``random:like:@FILE``.
        typed: tensors can have types; else a module of a file stays as it is, whatever type the
            file gives it.

    Raises:
        UsageError: a file cannot be read, is none, or is empty.
    """
    protect: list[str] = []
    tensors: list[str] = []
    expected: dict[str, int] = {}
    files = []
    for text in texts:
        rest = text.removeprefix(_LIKE)
        if not rest.startswith(_MARK):
            protect.append(text)
            continue
        file = rest.removeprefix(_MARK)
        files.append(file)
        for one in read_protect_file(Path(file)):
            expected[one.name] = one.weights
            if rest is not text:
                protect.append(f"{_LIKE}{one.name}")
            elif one.type and typed:
                tensors.append(f"{one.name}={one.type}")
            else:
                protect.append(one.name)
    return Expanded(tuple(protect), tuple(tensors), expected, tuple(files))


def refuse_other_model(location: Path, expanded: Expanded, name: str) -> None:
    """Refuse files of what to protect that are another model's.

    Args:
        location: the model to be compressed: a GGUF file, or a folder.
        expanded: with what its modules must have.
        name: the model's.

    Raises:
        UsageError: a module is not there, or has more or fewer weights.
        ModelError: the model's files cannot be read.
    """
    if not expanded.expected:
        return
    sizes = module_sizes(location)
    for module, weights in expanded.expected.items():
        if sizes.get(module) != weights:
            has = f"has {sizes[module]:,}" if module in sizes else "has no such module"
            raise UsageError(
                f"{' and '.join(expanded.files)} is of another model: {module} has {weights:,} "
                f"weights there, and {quote(name, 80)} {has}",
                hint="locate in a variant of this model: lrmtest locate VARIANT --suggest 2%",
            )


def module_sizes(location: Path) -> dict[str, int]:
    """How many weights each matrix of a model has, by its module's name.

    Args:
        location: a GGUF file, or a folder.

    Raises:
        ModelError: the model's files cannot be read.
    """
    if location.is_dir() and (location / "config.json").is_file():
        return {
            name.removesuffix(".weight"): prod(shape)
            for path in weight_files(location)
            for name, shape in tensor_shapes(path).items()
            if name.endswith(".weight") and len(shape) > 1
        }
    sizes: Counter[str] = Counter()
    for part in gguf_parts(gguf_in(location) if location.is_dir() else location):
        for tensor in read_gguf_header(part).tensors:
            if is_matrix(tensor):
                sizes[module_of(tensor.name)] += tensor.weights
    return dict(sizes)
