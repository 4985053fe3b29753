"""Plans for tests of what they say and not of their figures."""

from lrmtest.analysis import plan, table_plan


def few_draws(monkeypatch):
    """Have `lrmtest plan` simulate few runs, which takes most of its time."""
    monkeypatch.setattr(plan, "_SIMULATED_RUNS", 4)
    monkeypatch.setattr(table_plan, "_RUNS", 2)
