"""The words for a comparison that are the same wherever it is shown."""

from __future__ import annotations

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.gate import Decision, GateResult
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import counted
from lrmtest.runs.differences import Difference

TOKENS_NOT_COMPARED = "tokens are not compared: one run counted them, the other estimated them"


_TOLD = {
    "chat-template": "chat templates",
    "tokenizer": "tokenizers",
    "engine-family": "engine families",
    "reasoning-tags": "reasoning tags",
}


def told(difference: Difference) -> str:
    """A difference around the models, which may explain theirs."""
    return f"{_TOLD.get(difference.name, difference.name)} differ: {difference.values}"


def compared_by_passes(compared: ComparedRuns) -> list[str]:
    """Which suites are not compared by their primary metric, and why."""
    return [
        f"{suite} is compared by what passed: its primary metric is a score that not every sample "
        "of both runs has"
        for suite in compared.by_passes
    ]


def in_words(result: GateResult) -> str:
    """A gate's result as people say it."""
    return result.replace("-", " ")


def could_tell(decision: Decision) -> str:
    """What helps a gate that cannot tell."""
    if not decision.checks:
        return "what helps: a baseline and a candidate that were asked the same questions"
    blocked = [check for check in decision.checks if check.result == "cannot-tell"]
    ways = ["a smaller --mde, or questions of which the baseline passes more"]
    if any(check.obstacle and check.obstacle.samples_needed for check in blocked):
        ways.insert(0, "more samples in both runs")
    alone = [check.claim.suite for check in blocked if check.claim.suite != ALL_SUITES]
    if alone and len(alone) == len(blocked):
        accepted = " ".join(f"--allow-cannot-tell {suite}" for suite in alone)
        ways.append(f"accept it, and decide by the rest: {accepted}")
    return one_line(f"what helps: {'; '.join(ways)}", 300)


def would_decide(samples: int) -> str:
    """What an undecided gate needs."""
    return (
        f"about {counted(samples, 'sample')} per question in both runs would decide it, if the "
        "change seen is the true one"
    )
