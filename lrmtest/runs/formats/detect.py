"""The format of a file to import, by its content."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Literal

from lrmtest.errors import DataError
from lrmtest.questions.parquet_trial import try_parquet
from lrmtest.runs.formats.evalscope import is_evalscope_row
from lrmtest.runs.formats.harness import is_harness_line, is_harness_results
from lrmtest.runs.formats.json_rows import first_byte, first_row
from lrmtest.runs.formats.lighteval import is_details

LogFormat = Literal["jsonl", "lm-eval", "inspect", "lighteval", "evalscope"]

_HINT = (
    "import reads files written by `lrmtest export`, samples_*.jsonl of lm-evaluation-harness, "
    "logs of inspect_ai, details_*.parquet of lighteval and predictions of evalscope; other "
    "outputs go to --model recorded:FILE"
)


def detect_format(path: Path) -> LogFormat:
    """The format of a file, by its first bytes or its first row.

    Raises:
        DataError: it cannot be read or is none that is known.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if head == b"PK\x03\x04":
        return "inspect"
    if head == b"PAR1":
        return _of_parquet(path)
    row = first_row(path, _HINT)
    if row is not None:
        if "lrmtest" in row:
            return "jsonl"
        if is_harness_line(row) or is_harness_results(row):
            return "lm-eval"
        if is_evalscope_row(row):
            return "evalscope"
        if "eval" in row and "version" in row:
            return "inspect"
        if "results" in row and path.name.startswith("results_"):
            raise DataError(
                f"{path}: the results of an evaluation, without the samples",
                hint="give the samples_*.jsonl beside it (lm_eval --log_samples), or the folder "
                "above it with the details (lighteval --save-details)",
            )
    elif path.suffix == ".json" and first_byte(path, _HINT) == b"{":
        # Its reader says what is wrong with it.
        return "inspect"
    raise DataError(f"{path}: no format that is known here", hint=_HINT)


def _of_parquet(path: Path) -> LogFormat:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        # Its reader says what is missing.
        return "lighteval"
    try_parquet(path, path, hint=_HINT)
    try:
        names = parquet.read_schema(path).names
    # pyarrow's errors for a damaged file derive from ValueError, OSError, RuntimeError and others.
    except Exception as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})", hint=_HINT) from error
    if is_details(names):
        return "lighteval"
    raise DataError(f"{path}: no details of lighteval, by its columns", hint=_HINT)
