"""Processes that try what may be hostile: how much memory they take."""

import resource
import subprocess
import sys

import pytest

from lrmtest.grading import evaluate_worker
from lrmtest.models.engines.tokenizers import template_worker
from lrmtest.questions import parquet_worker

GIB = 1 << 30
LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
found = runpy.run_path(sys.argv[2])
found["_limit_memory"]() if "_limit_memory" in found else found["_limit"](60)
print(*resource.getrlimit(resource.RLIMIT_AS))
"""


@pytest.mark.parametrize(
    ("worker", "its_own"),
    [(evaluate_worker, 2 * GIB), (template_worker, 2 * GIB), (parquet_worker, 8 * GIB)],
)
@pytest.mark.parametrize("given", [GIB, 16 * GIB, resource.RLIM_INFINITY])
def test_a_worker_takes_no_more_than_its_parent_has(worker, its_own, given):
    """Whoever is not root is refused more, and then nothing would be tried at all."""
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(given), worker.__file__],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    least = its_own if given == resource.RLIM_INFINITY else min(its_own, given)
    assert ran.stdout.split() == [str(least)] * 2
