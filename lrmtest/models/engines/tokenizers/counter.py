"""Counting tokens where the engine does not: ``--tokenizer``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lrmtest.errors import ModelError
from lrmtest.models.engines.tokenizers.checkpoint_files import (
    first_line,
    pretrained_arguments,
    quiet,
)
from lrmtest.unicode import well_formed

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def load_counter(location: str) -> Callable[[str], int]:
    """A function that counts the tokens of a text, special tokens of a prompt not added.

    A megabyte takes about half a second, whatever is in it.

    Args:
        location: a folder with ``tokenizer.json`` (read with the tokenizers library alone,
            in well under a second), any other tokenizer folder, a GGUF file, which may have
            a vocabulary and no weights, or a hub repository.

    Raises:
        ModelError: there is no tokenizer, or it cannot be read.
    """
    path = Path(location)
    if not path.exists() and _REPOSITORY.fullmatch(location):
        return _fast(Path(_from_hub(location)))
    if (path / "tokenizer.json").is_file():
        return _fast(path / "tokenizer.json")
    return _any(location)


def _fast(file: Path) -> Callable[[str], int]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"{file} is not a tokenizer: {first_line(error)}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(well_formed(text), add_special_tokens=False).ids)


def _any(location: str) -> Callable[[str], int]:
    folder, arguments = pretrained_arguments(location)
    with quiet(gguf="gguf_file" in arguments):
        from transformers import AutoTokenizer

        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True, **arguments
            )
        except Exception as error:
            raise ModelError(
                f"no tokenizer can be read from {location}: {first_line(error)}",
                hint="give a folder with tokenizer.json, or a GGUF file of an architecture "
                "that transformers knows",
            ) from error
    return lambda text: len(
        tokenizer(well_formed(text), add_special_tokens=False, verbose=False)["input_ids"]
    )


def _from_hub(repository: str) -> str:
    from huggingface_hub import hf_hub_download

    try:
        return hf_hub_download(repository, "tokenizer.json")
    except Exception as error:
        raise ModelError(
            f"there is no folder {repository}, and the hub gives no tokenizer.json of that "
            f"repository: {first_line(error)}",
            hint="give a local folder or GGUF file",
        ) from error
