"""The gate's benchmark: its p-values are the gate's, and a rate that is exceeded is not passed."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
np = pytest.importorskip("numpy")
sys.path.insert(0, str(BENCHMARKS))

from gate_scenarios import known, looks, many, reading, stakes  # noqa: E402
from gate_scenarios.stated import MARK, Stated  # noqa: E402


def test_the_p_values_of_many_runs_are_those_of_each() -> None:
    assert many.agrees(np.random.default_rng(3), cases=300)


def test_the_stops_of_many_runs_against_a_table_are_those_of_each() -> None:
    assert known.agrees(np.random.default_rng(4), cases=3)


def test_the_stops_of_many_runs_with_stakes_from_reading_are_those_of_each() -> None:
    assert stakes.agrees(np.random.default_rng(4), cases=3)


def test_the_scenario_of_stakes_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With too few runs to say anything: they take the gate's own functions as they are."""
    monkeypatch.setattr(stakes, "SIZES", ((30, 4, 2),))
    monkeypatch.setattr(stakes, "ALIKE", (0.95,))
    written, stated = StringIO(), Stated()
    stakes.costs(Console(file=written, width=200), 1, 20, stated)
    assert stated.checked == 2
    cells = written.getvalue().split("95 %")[1].split("│")[1].split(",")[0].split("/")
    apart, by_index, with_stakes, generated = (float(each) for each in cells)
    assert apart > by_index > with_stakes > generated > 0


def test_the_scenario_of_reading_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that hardly differ are certified without a token, others that are as good are not."""
    monkeypatch.setattr(reading, "SIZES", ((30, 8, 16),))
    monkeypatch.setattr(reading, "VARIATIONS", ((0.001, "everywhere"), (1.0, "outside")))
    written, stated = StringIO(), Stated()
    reading.report(Console(file=written, width=200), 6, 1, stated)
    rows = {
        cells[1].strip(): cells[2].split("/")[1]
        for line in written.getvalue().splitlines()
        if len(cells := line.split("│")) > 3
    }
    assert rows["S = 0.001, everywhere"].strip() == "0, 100 %"
    assert rows["S = 1, outside"].strip().endswith(", 0 %")
    # Of both without a drop, and of the drop of just the mde.
    assert stated.checked == 3


def test_an_exceeded_rate_is_marked_and_listed() -> None:
    stated = Stated()
    assert stated.at_most(0.06, 1000, 0.05, "within simulation error") == ""
    assert stated.at_most(0.08, 1000, 0.05, "a gate that errs") == MARK
    assert stated.at_least(0.94, 1000, 0.95, "within it, too") == ""
    assert stated.at_least(0.9, 1000, 0.95, "an interval that is too short") == MARK
    assert stated.mean_at_most([0.0, 0.2] * 20, 0.05, "twice the rate, by baselines") == MARK
    assert stated.mean_at_most([0.0, 0.2] * 3, 0.05, "too few baselines to say") == ""
    assert stated.exactly_at_most(0.05, 0.05, "just so") == ""
    assert stated.exactly_at_most(0.0501, 0.05, "computed") == MARK
    assert stated.checked == 8
    assert [line.split(":")[0] for line in stated.exceeded] == [
        "a gate that errs",
        "an interval that is too short",
        "twice the rate, by baselines",
        "computed",
    ]


@pytest.mark.parametrize("broken", [False, True], ids=["as it is", "errs too often"])
def test_the_command_fails_where_a_rate_is_exceeded(broken: bool) -> None:
    """One small table, of the gate as it is and of one that rejects at 20 % where 5 are stated."""
    lines = [
        f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})",
        "import gate, gate_scenarios.unequal as unequal",
        "unequal.report = lambda out, _, __, stated: unequal.worst_level(out, stated, [20])",
        "sys.argv = ['gate.py', '--only', 'unequal']",
    ]
    if broken:
        lines.append(
            "unequal.Pairs.p_above = lambda p, m, own=unequal.Pairs.p_above: own(p, m) / 4"
        )
    lines.append("sys.exit(gate.main())")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == (1 if broken else 0), done.stdout + done.stderr
    assert ("stated at most 5 %" in done.stdout) is broken


def test_the_scenarios_of_looks_run() -> None:
    """With too few runs to say anything: they take the gate's own functions as they are."""
    written, stated = StringIO(), Stated()
    console = Console(file=written, width=150)
    looks._advice(console, 2, np.random.default_rng(1), stated)
    looks._greedy(console, 2, np.random.default_rng(1), stated)
    assert stated.checked == 3 * 3 + 4 * 3
    assert "looks that spend" in written.getvalue()
