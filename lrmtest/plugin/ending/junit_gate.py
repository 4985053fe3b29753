"""A gate's decision in the JUnit file (``--junitxml``): properties of the suite of tests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from _pytest.junitxml import xml_key

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.gate_said import gate_said
from lrmtest.errors import StoreError
from lrmtest.reports.escape import one_line

_LIMIT = 300


def write_decisions(config: pytest.Config, results: Sequence[ComparedRuns]) -> None:
    """Add what a gate decided to the properties of the JUnit file's suite.

    pytest has written the file when the gate decides, which needs every test's end; it is written
    again, with them.

    Raises:
        StoreError: it cannot be.
    """
    xml = config.stash.get(xml_key, None)
    found = [(each.candidate.model, said) for each in results if (said := gate_said(each))]
    if xml is None or not found:
        return
    for model, said in found:
        name = f"gate of {one_line(model, _LIMIT)}"
        xml.add_global_property(name, one_line(said.headline, _LIMIT))
        for warning in said.warnings:
            xml.add_global_property(f"{name}, warning", one_line(warning.text, 2 * _LIMIT))
    try:
        xml.pytest_sessionfinish()
    except OSError as error:
        raise StoreError(
            f"the gate's decision cannot be added to {xml.logfile}: {error.strerror or error}",
            hint="choose another file with --junitxml",
        ) from error
