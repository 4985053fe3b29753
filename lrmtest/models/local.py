"""Model cards that are measured, not written: from the files of a model on disk."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lrmtest.bounded import DESCRIPTION, parse_json, read_json
from lrmtest.errors import ModelError
from lrmtest.models.card import Checkpoint, Compression, ModelCard
from lrmtest.models.fingerprint import read_once
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.unicode import quote

_MOST_DIMENSIONS = 8
_MOST = 1 << 48  # no tensor, file or context is as large
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")

# Tensors of a quantized checkpoint that describe weights and are none themselves.
_NOT_WEIGHTS = re.compile(
    r"[._](qzeros|scales?|weight_scale(_inv)?|weight_zero_point|weight_shape|weight_g_idx|g_idx"
    r"|input_scale|zeros|absmax|quant_map|nested_absmax|nested_quant_map|quant_state\..*)$"
)
_MOST_TOKENS = 1 << 30
_MOST_BITS = 64
_HOTTEST = 100.0
_POINTER = b"version https://git-lfs.github.com/spec/"
_ADAPTER = "adapter_config.json"
_INTEGER_BITS = {"I8": 8, "U8": 8, "I16": 16, "I32": 32, "I64": 64}


def measure(path: Path) -> ModelCard:
    """A nameless card with all that the files at `path` tell.

    Context length and sampling defaults come from the checkpoint's configuration, parameters
    and bits per weight from the headers of its weight files, the compression method from its
    ``quantization_config``. Weights themselves are not read, so sparsity is not measured.

    Args:
        path: a ``.gguf`` file (of a split one any part), or a folder with either
            ``config.json`` and safetensors, or one GGUF model.

    Raises:
        ModelError: there is no such model, or a file of it is missing, truncated or corrupted.
    """
    refuse_adapter(path)
    if path.is_dir() and not (path / "config.json").is_file():
        path = gguf_in(path)
    if path.is_dir():
        return _measure_folder(path)
    if path.suffix == ".gguf":
        return _measure_gguf(path)
    raise ModelError(
        f"{path} is not a model", hint="give a .gguf file or a folder with config.json in it"
    )


def refuse_adapter(folder: Path) -> None:
    """Refuse a folder with an adapter in it: another model's files, which it names, go with it.

    Raises:
        ModelError: it is one.
    """
    if (folder / _ADAPTER).is_file():
        raise ModelError(
            f"{folder} holds an adapter ({_ADAPTER}), which is a model only together with the one "
            "that it was trained on",
            hint="merge them, model.merge_and_unload().save_pretrained(FOLDER), and give FOLDER; "
            f"if FOLDER is merged already, delete {_ADAPTER} in it",
        )


def refuse_pointer(path: Path) -> None:
    """Refuse what git left in place of a large file.

    Raises:
        ModelError: the file at `path` is a git-LFS pointer.
    """
    pointer = False
    with suppress(OSError), path.open("rb") as file:  # who reads the file will say what is wrong
        pointer = file.read(len(_POINTER)) == _POINTER
    if pointer:
        raise ModelError(
            f"{path} is a git-LFS pointer: the file itself was not fetched",
            hint=f"git lfs pull, in {path.parent}",
        )


def gguf_or_folder(location: str) -> Path:
    """Where a model's tokenizer and template are: its GGUF file, or else what `location` names.

    Raises:
        ModelError: a folder holds several GGUF models and no config.json.
    """
    path = Path(location)
    if path.is_dir() and not (path / "config.json").is_file() and any(path.glob("*.gguf")):
        return gguf_in(path)
    return path


def gguf_in(folder: Path) -> Path:
    """The one GGUF model in `folder`: its file, or the first file of a split one.

    Raises:
        ModelError: there is none, or more than one.
    """
    found = sorted(folder.glob("*.gguf"))
    if not found:
        raise ModelError(
            f"{folder} holds no model: neither config.json nor a .gguf file is in it",
            hint="give the folder that the model was saved to, or a .gguf file",
        )
    first = gguf_parts(found[0])
    if set(found) - set(first):
        names = ", ".join(path.name for path in found[:5])
        raise ModelError(f"{folder} holds several GGUF models: {names}", hint="give one file")
    return first[0]


def gguf_parts(path: Path) -> list[Path]:
    """All files of the GGUF model that `path` is a part of, in order; mostly just itself.

    Raises:
        ModelError: it is split and a part is missing.
    """
    match = _SPLIT.search(path.name)
    if match is None:
        return [path]
    count = int(match.group(2))
    stem = path.name[: match.start()]
    parts = [path.with_name(f"{stem}-{n:05}-of-{count:05}.gguf") for n in range(1, count + 1)]
    missing = [part.name for part in parts if not part.is_file()]
    if missing or not parts:
        raise ModelError(
            f"{path.parent}: parts of the model are missing: {', '.join(missing[:5])}",
            hint="copy or download them again; all parts belong in one folder",
        )
    return parts


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of the checkpoint in `folder`, sorted.

    Raises:
        ModelError: its index names a file that is not there, or there is none at all.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = _read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(s, str) for s in shards.values()):
            raise ModelError(f"{index} is corrupted: it has no weight_map of file names")
        names = sorted(set(shards.values()))
        for name in names:
            # Loaders would follow it, to a file that is not this model's and is not hashed.
            if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
                raise ModelError(
                    f"{index} names a weight file outside of its folder, or of another kind: "
                    f"{quote(name, 80)!r}",
                    hint="copy or download the model again, from who made it",
                )
        found = [folder / name for name in names]
    else:
        found = sorted(folder.glob("*.safetensors"))
    missing = [path.name[:200] for path in found if not _is_file(path)]
    if missing:
        raise ModelError(
            f"{folder}: weight files are missing: {', '.join(missing[:5])}",
            hint="copy or download them again",
        )
    if not found:
        raise ModelError(
            f"{folder} has config.json but no *.safetensors file",
            hint="save the model with save_pretrained(folder, safe_serialization=True)",
        )
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape, from the header of a safetensors file.

    Raises:
        ModelError: the file cannot be read, or is truncated or corrupted.
    """
    return {name: tuple(entry["shape"]) for name, entry in safetensors_header(path)[1].items()}


def own_sampling(folder: Path) -> tuple[float | None, float | None]:
    """Temperature and top-p from the folder's ``generation_config.json``, None where it has none.

    Raises:
        ModelError: the file is there but is no JSON object.
    """
    generation = _read_json(folder / "generation_config.json", missing_ok=True)
    return (
        _number(generation, "temperature", lowest=0.0, highest=_HOTTEST),
        _number(generation, "top_p", lowest=1e-6, highest=1.0),
    )


def _measure_gguf(path: Path) -> ModelCard:
    parts = gguf_parts(path)
    for part in parts:
        refuse_pointer(part)
    headers = [read_gguf_header(part) for part in parts]
    weights = sum(header.weights for header in headers)
    if not weights:
        raise ModelError(f"{path} holds no weights, only a vocabulary")
    stored = sum(header.weight_bytes for header in headers)
    return ModelCard(
        name="",
        checkpoint=Checkpoint(path=str(parts[0]), gguf=True),
        parameters=weights / 1e9,
        compression=Compression(method="gguf", bits_per_weight=stored * 8 / weights),
        context_length=headers[0].context_length,
    )


def _measure_folder(folder: Path) -> ModelCard:
    _refuse_pointers(folder)
    config = _read_json(folder / "config.json")
    _refuse_other_weights(folder, config)
    quantization = config.get("quantization_config")
    if not isinstance(quantization, dict):
        quantization = {}
    bits = _quantized_bits(quantization)
    weights, stored = 0, 0
    for path in weight_files(folder):
        file_weights, file_bytes = _count_safetensors(path, bits)
        weights += file_weights
        stored += file_bytes
    text_config = config.get("text_config")
    length = _positive_int(config, "max_position_embeddings", _MOST_TOKENS) or (
        _positive_int(text_config, "max_position_embeddings", _MOST_TOKENS)
        if isinstance(text_config, dict)
        else None
    )
    temperature, top_p = own_sampling(folder)
    return ModelCard(
        name="",
        checkpoint=Checkpoint(path=str(folder)),
        parameters=weights / 1e9 or None,
        compression=Compression(
            method=quote(str(quantization.get("quant_method", "none")), 40),
            bits_per_weight=stored * 8 / weights if weights else None,
        ),
        context_length=length,
        temperature=temperature,
        top_p=top_p,
    )


def _quantized_bits(quantization: Mapping[str, Any]) -> int | None:
    """Bits of one packed weight, from the dialects of ``quantization_config`` in use."""
    if bits := _positive_int(quantization, "bits", _MOST_BITS):  # AWQ, GPTQ
        return bits
    if quantization.get("load_in_4bit") or quantization.get("quant_method") == "mxfp4":
        return 4
    groups = quantization.get("config_groups")  # compressed-tensors
    for group in groups.values() if isinstance(groups, dict) else ():
        arguments = group.get("weights") if isinstance(group, dict) else None
        if isinstance(arguments, dict) and (
            bits := _positive_int(arguments, "num_bits", _MOST_BITS)
        ):
            return bits
    return None


@read_once
def _count_safetensors(path: Path, packed_bits: int | None) -> tuple[int, int]:
    """Weights in a safetensors file and the bytes they take, scales included.

    Integer tensors of a quantized checkpoint hold several weights per element.
    """
    weights, stored = 0, 0
    for name, entry in safetensors_header(path)[1].items():
        begin, end = entry["data_offsets"]
        count = math.prod(entry["shape"])
        stored += end - begin
        if not _NOT_WEIGHTS.search(name):
            packed = _INTEGER_BITS.get(entry["dtype"]) if packed_bits else None
            weights += count * packed // packed_bits if packed and packed_bits else count
    return weights, stored


def safetensors_header(path: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """The header of a safetensors file: 8 bytes of length, then that much JSON.

    Returns:
        Its length, and tensor name -> ``dtype``, ``shape`` and ``data_offsets``, whose weights
        are all there.

    Raises:
        ModelError: the file cannot be read, or is truncated or corrupted.
    """
    refuse_pointer(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(size - 8, DESCRIPTION):
                raise ModelError(
                    f"{path} is truncated or no safetensors file", hint="copy or download it again"
                )
            data = file.read(length)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    place = f"{path} is corrupted: its header"
    header = parse_json(data, place, error=ModelError, hint="copy or download it again")
    if not isinstance(header, dict):
        raise ModelError(f"{place} is not a table of tensors")
    header.pop("__metadata__", None)
    for name, entry in header.items():
        if not _describes_tensor(entry):
            raise ModelError(f"{path} is corrupted: tensor {name[:80]!r} is not described")
    if 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0) > size:
        raise ModelError(
            f"{path} is truncated: its weights end beyond the end of the file",
            hint="copy or download it again",
        )
    return length, header


def _describes_tensor(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        return False
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    return (
        isinstance(shape, list)
        and len(shape) <= _MOST_DIMENSIONS
        and all(type(size) is int and 0 <= size < _MOST for size in shape)
        and isinstance(offsets, list)
        and len(offsets) == 2
        and all(type(offset) is int and 0 <= offset < _MOST for offset in offsets)
        and offsets[0] <= offsets[1]
    )


def _read_json(path: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    if missing_ok and not path.is_file():
        return {}
    value = read_json(path, DESCRIPTION, error=ModelError)
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a JSON object")
    return value


def _refuse_other_weights(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a configuration with which an engine would load other files than those beside it."""
    named = config.get("transformers_weights")
    if named is not None and not (isinstance(named, str) and Path(named).name == named):
        raise ModelError(
            f"{folder / 'config.json'} names weights outside of its folder (transformers_weights)",
            hint="copy or download the model again, from who made it",
        )
    if "speculators_config" in config:
        raise ModelError(
            f"{folder} drafts for another model, which its config.json names (speculators_config)",
            hint="give that model; its draft goes to the server by --engine-arg",
        )


def _refuse_pointers(folder: Path) -> None:
    """Refuse a folder whose configuration or tokenizer is a git-LFS pointer."""
    for pattern in ("*.json", "*.model", "*.jinja", "*.safetensors"):
        for path in folder.glob(pattern):
            if path.is_file():
                refuse_pointer(path)


def _positive_int(table: Mapping[str, Any], key: str, most: int) -> int | None:
    value = table.get(key)
    if type(value) is not int:
        return None
    return value if 0 < value <= most else None


def _number(table: Mapping[str, Any], key: str, *, lowest: float, highest: float) -> float | None:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if lowest <= value <= highest else None
