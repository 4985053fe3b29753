"""The header of a GGUF file, read without the gguf package and without its weights.

The layout is that of the GGUF specification, versions 2 and 3, little-endian: magic, version,
counts, key-value metadata, tensor infos, then, aligned, the weights. Only what stands before the
weights is read. The file may be truncated or hostile: every length is checked against what is
left of the file before anything is read or allocated for it.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lrmtest.errors import ModelError
from lrmtest.models.fingerprint import read_once

_MAGIC = b"GGUF"
_MAX_HEADER = 256 << 20  # bytes; a vocabulary of 256,000 tokens with its merges takes about 12 MiB
_MAX_KEPT = 1 << 20  # bytes; longer strings are skipped: no chat template or name is
_MAX_DIMENSIONS = 8
_MAX_TENSORS = 1 << 18  # DeepSeek-R1 has about a thousand
_MAX_NESTING = 4
_MAX_PAIRS = 1 << 16  # files have some dozens
_LEAST_PAIR = 13  # bytes
_MAX_ELEMENTS = 8 << 20  # of all arrays; a vocabulary has four, of 256,000 tokens at most

# Metadata value types by their number: struct format, or None for string (8) and array (9).
_SCALARS = ("B", "b", "H", "h", "I", "i", "f", "?", None, None, "Q", "q", "d")
_STRING, _ARRAY = 8, 9

# ggml tensor types by their number: name, weights per block, bytes per block.
_TENSOR_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
    42: ("Q2_0", 64, 18),
}

TYPE_BLOCKS = {name: (weights, size) for name, weights, size in _TENSOR_TYPES.values()}
"""Tensor type -> weights per block, of which a row holds a whole number, and bytes per block."""


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor of a GGUF file.

    Attributes:
        name: as llama.cpp calls it.
        shape: the length of a row first, the other way round than in torch.
        type: of its weights, ``Q4_K`` for instance.
    """

    name: str
    shape: tuple[int, ...]
    type: str

    @property
    def weights(self) -> int:
        """How many it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The header of one GGUF file.

    Attributes:
        metadata: key -> value; arrays and strings above 1 MiB are left out.
        weights: how many weights the file holds.
        weight_bytes: bytes that they take, scales included.
        types: weights by tensor type, the most frequent first: ``{"Q4_K": ..., "F32": ...}``.
        tensors: all of them, in the file's order.
    """

    metadata: dict[str, str | int | float | bool]
    weights: int
    weight_bytes: int
    types: dict[str, int]
    tensors: tuple[GgufTensor, ...]

    @property
    def context_length(self) -> int | None:
        """Context the model was trained for, None when the file does not say."""
        architecture = self.metadata.get("general.architecture")
        length = self.metadata.get(f"{architecture}.context_length")
        return length if isinstance(length, int) and length > 0 else None


@read_once
def read_gguf_header(path: Path) -> GgufHeader:
    """The header of the GGUF file at `path`; read once while the file stays as it is.

    Raises:
        ModelError: the file cannot be read, is no GGUF file, or is truncated or corrupted;
            also when the weights that the header promises are not all there.
    """
    try:
        with path.open("rb") as file:
            return _Reader(file, path.stat().st_size, path).header()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


_TOKENS = "tokenizer.ggml.tokens"


def read_gguf_tokens(path: Path) -> list[str]:
    """The names of a GGUF file's tokens, by their ids; empty where it has none.

    Raises:
        ModelError: as `read_gguf_header`.
    """
    try:
        with path.open("rb") as file:
            reader = _Reader(file, path.stat().st_size, path, wanted=_TOKENS)
            reader.header()
            return reader.texts
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


class _Reader:
    """A position in the header, never past the end of the file.

    Args:
        file, size, path: what is read.
        wanted: the key of an array of texts that is kept, as `texts`.
    """

    def __init__(self, file: BinaryIO, size: int, path: Path, wanted: str = "") -> None:
        self.wanted = wanted
        self.texts: list[str] = []
        self.file = file
        self.size = size
        self.left = min(size, _MAX_HEADER)
        self.path = path
        self.elements = 0
        self.keeping = False

    def header(self) -> GgufHeader:
        if self.take(4) != _MAGIC:
            raise ModelError(f"{self.path} is not a GGUF file: it does not begin with GGUF")
        (version,) = self.unpack("I")
        if version not in (2, 3):
            raise ModelError(
                f"{self.path}: GGUF version {version} cannot be read",
                hint="convert it with a current llama.cpp; versions 2 and 3 are known",
            )
        tensor_count, pair_count = self.unpack("QQ")
        self.check(_LEAST_PAIR * pair_count)
        if pair_count > _MAX_PAIRS:
            raise self.corrupted(f"{pair_count} pairs of metadata")
        metadata: dict[str, str | int | float | bool] = {}
        for _ in range(pair_count):
            key = self.string()
            (kind,) = self.unpack("I")
            self.keeping = bool(self.wanted) and key == self.wanted
            value = self.value(kind)
            if key is not None and value is not None:
                metadata[key] = value
        return self.tensors(tensor_count, metadata)

    def tensors(self, count: int, metadata: dict[str, str | int | float | bool]) -> GgufHeader:
        if count > _MAX_TENSORS:
            raise self.corrupted(f"{count} tensors")
        types: dict[str, int] = {}
        tensors: list[GgufTensor] = []
        weight_bytes = 0
        data_end = 0  # of the furthest tensor, counted from the start of the weights
        for _ in range(count):
            tensor = self.string()
            (dimensions,) = self.unpack("I")
            if dimensions > _MAX_DIMENSIONS:
                raise self.corrupted(f"a tensor of {dimensions} dimensions")
            shape = self.unpack(f"{dimensions}Q")
            weights = math.prod(shape)
            kind, offset = self.unpack("IQ")
            if kind not in _TENSOR_TYPES:
                raise ModelError(
                    f"{self.path}: tensor type {kind} is not known",
                    hint="it is newer than this version of lrmtest, or the file is corrupted",
                )
            name, block_weights, block_bytes = _TENSOR_TYPES[kind]
            stored = -(-weights // block_weights) * block_bytes
            types[name] = types.get(name, 0) + weights
            tensors.append(GgufTensor(tensor or "", shape, name))
            weight_bytes += stored
            data_end = max(data_end, offset + stored)

        # A file with a vocabulary only has no weights, and nothing is aligned behind its header.
        if data_end and self.data_start(metadata) + data_end > self.size:
            raise ModelError(
                f"{self.path} is truncated: its weights end beyond the end of the file",
                hint="copy or download it again",
            )
        by_share = dict(sorted(types.items(), key=lambda item: -item[1]))
        weights = sum(types.values())
        return GgufHeader(metadata, weights, weight_bytes, by_share, tuple(tensors))

    def data_start(self, metadata: dict[str, str | int | float | bool]) -> int:
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= _MAX_KEPT:
            raise self.corrupted(f"an alignment of {alignment!r}")
        return -(-self.file.tell() // alignment) * alignment

    def value(self, kind: int, nesting: int = 0) -> str | int | float | bool | None:
        """The next metadata value; None for what is passed over."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            self.skip_array(nesting)
            return None
        if kind >= len(_SCALARS):
            raise self.corrupted(f"a metadata value of type {kind}")
        scalar: int | float | bool = self.unpack(str(_SCALARS[kind]))[0]
        return scalar

    def skip_array(self, nesting: int) -> None:
        kind, length = self.unpack("IQ")
        scalar = _SCALARS[kind] if kind < len(_SCALARS) else None
        least = struct.calcsize(f"<{scalar}" if scalar else "<Q") * length
        self.check(least)
        self.elements += length
        if self.elements > _MAX_ELEMENTS:
            raise self.corrupted(f"arrays of {self.elements} elements")
        if scalar:
            self.skip(least)
            return
        if nesting == _MAX_NESTING:
            raise self.corrupted("arrays nested too deeply")
        for _ in range(length):
            if kind == _STRING and self.keeping:
                self.texts.append(self.string() or "")
            elif kind == _STRING:
                self.skip(self.unpack("Q")[0])
            else:
                self.value(kind, nesting + 1)

    def string(self) -> str | None:
        (length,) = self.unpack("Q")
        if length > _MAX_KEPT:
            self.skip(length)
            return None
        return self.take(length).decode("utf-8", errors="replace")

    def unpack(self, layout: str) -> tuple[int, ...]:
        layout = f"<{layout}"
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def take(self, length: int) -> bytes:
        self.reserve(length)
        data = self.file.read(length)
        if len(data) != length:
            raise self.corrupted("an end that came while it was being read")
        return data

    def skip(self, length: int) -> None:
        self.reserve(length)
        self.file.seek(length, 1)

    def reserve(self, length: int) -> None:
        self.check(length)
        self.left -= length

    def check(self, length: int) -> None:
        if length > self.left:
            if self.size <= _MAX_HEADER:
                raise ModelError(
                    f"{self.path} is truncated: its header ends beyond the end of the file",
                    hint="copy or download it again",
                )
            raise self.corrupted(f"a header of more than {_MAX_HEADER >> 20} MiB")

    def corrupted(self, what: str) -> ModelError:
        return ModelError(f"{self.path} is corrupted: it has {what}")
