"""Importance matrices: which weights matter, measured by llama-imatrix on calibration texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lrmtest.compress.gguf.tools import find_tool
from lrmtest.errors import MachineryError, UsageError
from lrmtest.progress import Tell

NAME, TEXTS_NAME = "imatrix.gguf", "calibration.txt"
"""The files' names: llama-quantize writes both into its result."""

_CHUNK_TOKENS = 512  # what matrices are commonly computed with
_MOST_BYTES_PER_TOKEN = 8  # of ordinary text; the English mean is 4
_LEAST_CHUNK = 16
_ETA = re.compile(r"seconds per pass - ETA (.+?)\s*$")


def importance_matrix(model: Path, texts: Sequence[str], folder: Path, tell: Tell) -> str:
    """Compute the importance matrix of a GGUF model: mean squared inputs of every matrix.

    Args:
        model: the GGUF file, of a split one the first part.
        texts: rendered by the model's chat template; what is written like a special token is one.
        folder: where it is written; `texts` are too.
        tell: is told how long it will take.

    Returns:
        The name of the file in `folder`.

    Raises:
        UsageError: the texts are too short.
        ModelError: there is no llama-imatrix, it fails, or `folder` cannot be written.
    """
    joined = "\n".join(texts)
    size = len(joined.encode("utf-8", "replace"))
    # It wants two chunks, and cannot be asked for the number of tokens beforehand.
    longest = size // (2 * _MOST_BYTES_PER_TOKEN)
    if longest < _LEAST_CHUNK:
        raise UsageError(
            f"the calibration texts are too short for an importance matrix: {size} bytes",
            hint=f"give at least {2 * _MOST_BYTES_PER_TOKEN * _LEAST_CHUNK} bytes; 100,000 are "
            "a beginning",
        )
    tool = find_tool("llama-imatrix")
    tool.require("--parse-special", "--no-ppl")
    try:
        (folder / TEXTS_NAME).write_text(joined, encoding="utf-8", errors="replace", newline="")
    except OSError as error:
        raise MachineryError(f"cannot write to {folder}: {error.strerror or error}") from error
    tell(f"computing the importance matrix over {len(texts)} texts")
    arguments = ["-m", str(model), "-f", TEXTS_NAME, "-o", NAME, "--no-ppl", "--parse-special"]
    # A power of two divides the batch, as it must.
    arguments += ["-c", str(min(_CHUNK_TOKENS, 1 << (longest.bit_length() - 1)))]
    tool.run(arguments, folder=folder, tell=tell, progress=_told)
    if not (folder / NAME).is_file():
        raise MachineryError(f"{tool.program.path} has written no importance matrix")
    return NAME


def _told(line: str) -> str | None:
    match = _ETA.search(line)
    return f"the importance matrix takes about {match[1]}" if match else None
