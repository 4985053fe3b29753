"""A checkpoint's files as transformers wants to be told of them, and its quiet."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from lrmtest.bounded import SETTINGS, read_json
from lrmtest.errors import ModelError
from lrmtest.models.gguf.read_once import read_once
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.models.local import gguf_in, refuse_adapter

# What transformers and safetensors say of a checkpoint, and the next step.
_HINTS = (
    (
        r"contains custom code which must be executed",
        "read that code; if you trust it, pass --trust-remote-code",
    ),
    (
        r"not recognize this architecture|Unrecognized configuration class",
        "install a newer transformers, or choose another --engine",
    ),
    (
        r"not a valid JSON file|JSONDecodeError",
        "a JSON file there is cut off or broken: copy or download it again",
    ),
    (r"SafetensorError", "a weight file is truncated or corrupted: copy or download it again"),
    (r"no file named .*model\.safetensors", "the weights are missing: copy or download them again"),
    (
        r"ignore_mismatched_sizes",
        "weights have other shapes than config.json describes: do both belong to the same "
        "checkpoint? Copy or download it again",
    ),
)


def pretrained_arguments(location: str) -> tuple[str, dict[str, str]]:
    """What ``from_pretrained`` takes for a local checkpoint: its folder and keyword arguments.

    Args:
        location: a ``.gguf`` file, a folder with ``config.json`` or ``tokenizer.json``, or a
            folder with one GGUF model.

    Raises:
        ModelError: there is no such file or folder, or no model in it, or an adapter.
    """
    path = Path(location)
    if not path.exists():
        raise ModelError(f"there is no model at {location}")
    refuse_adapter(path)  # transformers would load the model that it names instead
    if path.is_dir():
        if any((path / name).is_file() for name in ("config.json", "tokenizer.json")):
            return str(path), {}
        path = gguf_in(path)
    if path.suffix != ".gguf":
        raise ModelError(
            f"{location} is neither a folder nor a .gguf file",
            hint="give the folder that holds config.json and the safetensors files",
        )
    read_gguf_header(path)  # which has limits, other than what reads the whole of it
    return str(path.parent), {"gguf_file": path.name}


def unpacking(location: str) -> dict[str, Any]:
    """Keyword arguments with which ``from_pretrained`` unpacks the weights while it loads them.

    Packed by compressed-tensors, they are unpacked when the model first runs, at the latest. Left
    to that, transformers refuses those that have zero points, as AWQ's do.
    """
    config = Path(location) / "config.json"
    if not config.is_file():
        return {}
    content = read_json(config, SETTINGS, error=ModelError)
    found = content.get("quantization_config") if isinstance(content, dict) else None
    if not isinstance(found, dict) or found.get("quant_method") != "compressed-tensors":
        return {}
    from transformers import CompressedTensorsConfig

    return {"quantization_config": CompressedTensorsConfig(dequantize=True)}


@contextmanager
def quiet(*, gguf: bool = False) -> Iterator[None]:
    """Keep transformers' progress bars and warnings off the terminal; errors still show.

    Args:
        gguf: it reads a GGUF file.
    """
    from transformers import modeling_gguf_pytorch_utils as gguf_loading
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    # The bar over a GGUF file's tensors is tqdm's own and heeds no setting of transformers.
    tqdm = gguf_loading.tqdm
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    gguf_loading.tqdm = _no_bar
    try:
        with warnings.catch_warnings(), read_once() if gguf else nullcontext():
            warnings.simplefilter("ignore")
            yield
    finally:
        gguf_loading.tqdm = tqdm
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _no_bar(items: Iterable[Any], **_: Any) -> Iterable[Any]:
    return items


def first_line(error: BaseException) -> str:
    """An exception as one line for people: its type and the first line of what it says."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:500]}" if text else type(error).__name__


def unreadable(what: str, error: Exception, otherwise: str) -> ModelError:
    """The error for a part of a checkpoint that transformers cannot load.

    Args:
        what: the part and that it cannot be read.
        error: what transformers raised.
        otherwise: the hint where what it says tells no known cause.
    """
    text = f"{type(error).__name__}: {error}"
    known = (hint for pattern, hint in _HINTS if re.search(pattern, text))
    return ModelError(f"{what}: {first_line(error)}", hint=next(known, otherwise))
