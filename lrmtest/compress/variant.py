"""A variant's folder: put in place whole or not at all, with a card and a record of its making.

The card, ``lrmtest-card.toml``, is what makes ``--model FOLDER`` know the variant. The record,
``lrmtest-compression.json``, says of what and how it was made; it is what tells the very same
variant, made before, from another one.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrmtest.bounded import DOCUMENT, read_json
from lrmtest.errors import DataError, MachineryError, UsageError
from lrmtest.grading.forms import Tags
from lrmtest.models.card import ModelCard
from lrmtest.models.cards import SAFE_NAME
from lrmtest.models.folder_card import CARD_FILE
from lrmtest.unicode import harmless, well_formed

RECORD_FILE = "lrmtest-compression.json"
_FORMAT = "lrmtest-compression/1"

_Json = Mapping[str, Any]


def variant_name(folder: Path) -> str:
    """The name of the variant in `folder`: the folder's, fit to stand in test ids.

    Raises:
        UsageError: nothing of it is.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.absolute().name).strip("-._")
    if not SAFE_NAME.fullmatch(name):
        raise UsageError(
            f"{folder} gives the variant no usable name",
            hint="a folder's name with letters or digits in it is the model's name",
        )
    return name


def write_variant_card(
    folder: Path,
    *,
    parent: ModelCard,
    name: str,
    method: str,
    bits_per_weight: float | None,
    sparsity: float,
    recipe: str,
    note: str,
    engine: str,
    gguf_file: str | None = None,
) -> None:
    """Write the card of a variant into its folder.

    What a variant shares with its parent is written out, so that the card holds wherever the
    parent's is not known: size, context, budget, sampling, tags, system prompt.

    Args:
        folder: the variant's.
        parent: the card of the model that it was made from.
        name: the variant's.
        method, bits_per_weight, sparsity, recipe: as in `lrmtest.models.card.Compression`.
        note: one line for people.
        engine: what it runs on by default.
        gguf_file: name of the GGUF file in `folder` that is the model; None for safetensors.

    Raises:
        OSError: it cannot be written.
    """
    top: dict[str, object] = {
        "name": name,
        "parent": parent.name,
        "engine": engine,
        "parameters": parent.parameters,
        "context_length": parent.context_length,
        "max_tokens": parent.max_tokens,
        "temperature": parent.temperature,
        "top_p": parent.top_p,
        "reasoning_tags": _tags(parent.reasoning_tags),
        "system_prompt": parent.system_prompt,
        "note": harmless(note),
    }
    compression = {
        "method": method,
        "bits_per_weight": bits_per_weight,
        "sparsity": sparsity,
        "recipe": harmless(recipe),
    }
    checkpoint = {} if gguf_file is None else {"path": gguf_file, "gguf": True}
    lines = [*_lines(top), "", "[compression]", *_lines(compression)]
    if checkpoint:
        lines += ["", "[checkpoint]", *_lines(checkpoint)]
    (folder / CARD_FILE).write_text("\n".join([*lines, ""]), encoding="utf-8")


def _tags(tags: Tags) -> str | list[str] | None:
    """Tags as a card has them: a name, a pair, or nothing."""
    return tags[0] if len(tags) == 1 else list(tags) or None


def _lines(table: _Json) -> list[str]:
    """Lines of TOML; what is None is left out."""
    return [f"{key} = {_toml(value)}" for key, value in table.items() if value is not None]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        # JSON's strings are TOML's, but for DEL and for characters beyond 16 bits in escapes.
        return json.dumps(well_formed(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def write_record(
    folder: Path,
    *,
    made_of: _Json,
    recipe: str,
    figures: _Json,
    versions: _Json,
    notes: Sequence[str],
) -> None:
    """Write how a variant was made.

    Args:
        folder: the variant's.
        made_of: everything that the variant depends on; two variants with the same are the same.
        recipe: the same for people.
        figures: what was measured on the way.
        versions: of the packages that made it.
        notes: what people should know.

    Raises:
        OSError: it cannot be written.
    """
    record = {
        "format": _FORMAT,
        "recipe": recipe,
        "made_of": made_of,
        "versions": versions,
        "notes": list(notes),
        "figures": figures,
    }
    text = json.dumps(record, indent=1)
    (folder / RECORD_FILE).write_text(text + "\n", encoding="utf-8")


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record in `folder`; None when there is none that can be read."""
    try:
        record = read_json(folder / RECORD_FILE, DOCUMENT)
    except DataError:
        return None
    usable = isinstance(record, dict) and record.get("format") == _FORMAT
    return record if usable and isinstance(record.get("made_of"), dict) else None


def check_target(folder: Path, *, force: bool) -> None:
    """Refuse a folder that cannot become a variant's, before any work is done.

    Args:
        folder: where the variant is to be.
        force: another variant that is there may be replaced.

    Raises:
        UsageError: it is a file, or has something in it that is no variant.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="give a folder: -o FOLDER")
    if any(folder.iterdir()) and read_record(folder) is None:
        hint = "choose another folder: -o FOLDER"
        if force:
            hint += "; --force replaces a variant that lrmtest made, and nothing else"
        raise UsageError(f"{folder} has something in it that is no variant made here", hint=hint)


def is_made(folder: Path, made_of: _Json, *, force: bool) -> bool:
    """Whether the very same variant is in `folder` already.

    Args:
        folder: one that `check_target` did not refuse.
        made_of: everything that the variant depends on.
        force: it is to be made anew in any case.

    Raises:
        UsageError: another variant is there, and `force` is not set.
    """
    record = read_record(folder)
    if record is None or force:
        return False
    found, wanted = record["made_of"], json.loads(json.dumps(made_of))
    different = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    if not different:
        return True
    changes = "; ".join(_change(found, wanted, key) for key in different)
    raise UsageError(
        f"{folder} holds another variant: {changes}",
        hint="choose another folder, or replace it with --force",
    )


def _change(found: _Json, made_of: _Json, key: str) -> str:
    """How two variants differ in a key: ``sparsity is 0.4 there, 0.5 now``."""
    there, now = (json.dumps(each.get(key), ensure_ascii=False) for each in (found, made_of))
    if max(len(there), len(now)) > 60:
        return f"{key} differs"
    return f"{key} is {there} there, {now} now"


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a variant is built.

    Attributes:
        variant: the folder that will be the variant's; there, and empty.
        scratch: a folder for what is not to stay.
    """

    variant: Path
    scratch: Path


@contextmanager
def building(folder: Path) -> Iterator[Workplace]:
    """A workplace beside `folder`, whose variant takes its place if nothing goes wrong.

    Raises:
        ModelError: something cannot be written; `folder` is as it was.
    """
    # Beside it, since only a rename within one file system is atomic. Not the temporary folder
    # itself becomes the variant's: that is readable to its owner only.
    target = folder.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as beside:
            place = Workplace(Path(beside) / "variant", Path(beside) / "scratch")
            place.variant.mkdir()
            place.scratch.mkdir()
            yield place
            if target.is_dir() and any(target.iterdir()):
                target.replace(Path(beside) / "before")
            place.variant.replace(target)
    except OSError as error:
        raise MachineryError(
            f"cannot write {folder}: {error.strerror or error}",
            hint="free some space or choose another folder",
        ) from error
