"""The process behind `parquet_trial`: reads a Parquet file, or dies while it does.

Its arguments are the seconds of computing that it has and the file, ``-`` for standard input. Exit
status 0 when it came to an end, in whatever manner. Run by its path, as a script: it needs pyarrow
only.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from typing import Any

_MEMORY_BYTES = 8 << 30
_BATCH = 8


def _limit(seconds: float) -> None:
    """From here on so much computing, and no more: the signal ends this process."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        import resource
    except ImportError:  # not on Windows; the time limit of who waits still holds
        return
    # Who started it may have less, and only root may take more than that.
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY_BYTES if most == resource.RLIM_INFINITY else min(most, _MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Read all that is told of the columns, and every row; keep nothing."""
    parquet = import_module("pyarrow.parquet")
    seconds, name = sys.argv[1:]
    source: Any = BytesIO(sys.stdin.buffer.read()) if name == "-" else name
    _limit(float(seconds))
    with suppress(Exception), parquet.ParquetFile(source) as file:
        for group in map(file.metadata.row_group, range(file.metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                with suppress(Exception):
                    str(column)
        for _ in file.iter_batches(batch_size=_BATCH):
            pass
    return 0  # whoever reads it in earnest says what is wrong


if __name__ == "__main__":
    sys.exit(main())
