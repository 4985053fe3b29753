"""The format of a file to import, by its content."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lrmtest.bounded import LINE, parse_json
from lrmtest.errors import DataError
from lrmtest.runs.formats.harness import is_harness_line

ImportFormat = Literal["jsonl", "lm-eval", "inspect"]

_HINT = (
    "import reads files written by `lrmtest export`, samples_*.jsonl of lm-evaluation-harness, "
    "and logs of inspect_ai; other outputs go to --model recorded:FILE"
)


def detect_format(path: Path) -> ImportFormat:
    """The format of a file, by its first bytes or its first line.

    Raises:
        DataError: it cannot be read or is none that is known.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                return "inspect"
            file.seek(0)
            first = file.readline(LINE)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    try:
        line = parse_json(first, str(path))
    except DataError:
        line = None
    if isinstance(line, dict):
        if "lrmtest" in line:
            return "jsonl"
        if is_harness_line(line):
            return "lm-eval"
        if "eval" in line and "version" in line:
            return "inspect"
    if path.name.startswith("results_"):
        raise DataError(
            f"{path}: the results of lm-evaluation-harness, without the samples",
            hint="give the samples_*.jsonl beside it (lm_eval --log_samples)",
        )
    if path.suffix == ".json" and first.lstrip().startswith(b"{"):
        # A document over several lines: its reader says what is wrong with it.
        return "inspect"
    raise DataError(f"{path}: no format that is known here", hint=_HINT)
