from __future__ import annotations

from simulated import run

from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.table_plan import SIZES, TableCost, table_costs, worth_paying


def test_what_a_baseline_of_every_size_costs():
    baseline = run(1, questions=40)
    costs = table_costs(baseline, GateSettings())
    assert [cost.samples for cost in costs] == list(SIZES)
    tokens = sum(question.tokens for question in baseline.values())
    assert all(abs(cost.baseline - cost.samples * tokens) < 1e-6 * tokens for cost in costs)
    assert [cost.known for cost in costs] == [True] * 5
    few = table_costs(run(1, questions=30), GateSettings())
    assert [cost.known for cost in few] == [False, True, True, True, True]
    assert all(cost.same > 0 and cost.worse > 0 for cost in costs)
    assert costs[-1].same < costs[0].same


def test_too_many_questions_are_not_simulated():
    assert table_costs(run(1, questions=2500), GateSettings()) == ()
    assert table_costs({}, GateSettings()) == ()


def test_what_is_worth_paying_for():
    def costs(*same):
        return [
            TableCost(size, known, 0.0, tokens, 0.0)
            for size, (known, tokens) in zip(SIZES, same, strict=False)
        ]

    assert worth_paying([]) is None
    paired = (False, 100.0)
    assert worth_paying(costs(paired, (True, 80.0), (True, 60.0), (True, 58.0))).samples == 16
    assert worth_paying(costs(paired, (True, 80.0), (True, 60.0))).samples == 16
