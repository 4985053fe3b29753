"""GGUF files that transformers reads: each once, where it asks for them again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
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
        """As it is, but for a slice of the file being a plain array, which is made sooner."""

        @property
        def data(self) -> Any:
            return self._plain

        @data.setter
        def data(self, mapped: Any) -> None:
            self._plain = mapped.view(type=gguf.gguf_reader.np.ndarray)

    plain = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    gguf.GGUFReader = cache(Reader)
    gguf.get_tensor_name_map = cache(plain["get_tensor_name_map"])
    try:
        yield
    finally:
        for name, value in plain.items():
            setattr(gguf, name, value)
