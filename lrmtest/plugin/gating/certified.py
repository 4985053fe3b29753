"""`--read`: the stage before generation, in which the baseline's traces may suffice for an ok."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lrmtest.analysis.certificate import Certificate
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.models.engines.base import Request
from lrmtest.plugin.generation.protocol import GenerationPlan
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.records import RunRecord

CERTIFIED = "not generated: certified by reading"
"""Why a test is skipped of whose question nothing was generated."""

ReadBaseline = Callable[[GenerationPlan, RunRecord, GateSettings, float], Certificate]
"""Reads a baseline's traces with the model of a plan, at a level; see `certify_run`."""


@dataclass(frozen=True, slots=True)
class Certified:
    """The stopping rule of a model that is certified: nothing is generated.

    Completions that the store has are there, and their tests run; none of them is passed for lack
    of one.
    """

    not_needed: str = CERTIFIED
    decided: bool = True

    def verdict_of(self, key: str) -> Verdict | None:
        """None: nothing is graded here."""
        return None

    def in_order(self, requests: Sequence[Request]) -> list[Request]:
        """As they are."""
        return list(requests)

    def arrived(self, key: str, completion: Completion | None) -> bool:
        """No more are needed, whatever has arrived."""
        return True


def read_identity(baseline: RunRecord, plan: GenerationPlan) -> str:
    """What tells one reading of a test from the next: the baseline's samples that are read."""
    asked = {(one.suite, one.question_id) for one in plan.questions}
    samples = sorted(
        [*key, index]
        for key, question in baseline.outcomes.items()
        if key in asked
        for index in question.samples
    )
    return fingerprint({"run": baseline.run_id, "samples": samples})[:16]
