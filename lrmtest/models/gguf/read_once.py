"""GGUF files that transformers reads: each once, where it asks for them again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from struct import Struct
from typing import Any


@contextmanager
def read_once() -> Iterator[None]:
    """Within it, transformers reads the header of a GGUF file once.

    It does so for the configuration, the weights and the tokenizer, some seconds each of a
    vocabulary of 50,000 tokens, and makes the table of all tensors' names for every module of the
    model. Without the gguf package nothing changes.
    """
    try:
        import gguf
    except ImportError:
        yield
        return

    class Reader(gguf.GGUFReader):  # type: ignore[misc, unused-ignore]
        """As it is, but sooner: a slice of the file is a plain array, and arrays are read whole."""

        @property
        def data(self) -> Any:
            return self._plain

        @data.setter
        def data(self, mapped: Any) -> None:
            self._plain = mapped.view(type=gguf.gguf_reader.np.ndarray)

        def _get_field_parts(self, orig_offs: int, raw_type: int) -> tuple[Any, ...]:
            """The same parts; those of an array are not asked for one by one."""
            types = gguf.GGUFValueType
            if raw_type != types.ARRAY or self.byte_order != "I":
                return super()._get_field_parts(orig_offs, raw_type)  # type: ignore[no-any-return, unused-ignore]
            head = [self._get(orig_offs, "uint32"), self._get(orig_offs + 4, "uint64")]
            kind, count, begin = int(head[0][0]), int(head[1][0]), orig_offs + 12
            if kind == types.STRING:
                parts, end = _texts(self._plain, begin, count)
                places = range(3, len(parts) + 2, 2)
            elif kind in self.gguf_scalar_to_np:
                numbers = self._get(begin, self.gguf_scalar_to_np[kind], count)
                parts, end = [*numbers.reshape(-1, 1)], begin + numbers.nbytes
                places = range(2, len(parts) + 2)
            else:
                return super()._get_field_parts(orig_offs, raw_type)  # type: ignore[no-any-return, unused-ignore]
            found = [types.ARRAY, *([types(kind)] if count else [])]
            return end - orig_offs, head + parts, [*places], found

    plain = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    gguf.GGUFReader = cache(Reader)
    gguf.get_tensor_name_map = cache(plain["get_tensor_name_map"])
    try:
        yield
    finally:
        for name, value in plain.items():
            setattr(gguf, name, value)


def _texts(data: Any, begin: int, count: int) -> tuple[list[Any], int]:
    """The lengths and bytes of so many texts from `begin` on, in turn, and where they end."""
    parts: list[Any] = []
    length, buffer, end = Struct("=Q").unpack_from, memoryview(data), begin
    for _ in range(count):
        text = end + 8
        before, end = end, text + length(buffer, end)[0]
        parts += (data[before:text].view("uint64"), data[text:end])
    return parts, end
