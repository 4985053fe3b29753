"""The words for a comparison that are the same wherever it is shown."""

from __future__ import annotations

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.reports.numbers import counted
from lrmtest.runs.differences import Difference
from lrmtest.runs.reasoning import warnings_of

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


def reasoning_warnings(compared: ComparedRuns) -> list[str]:
    """What may be wrong with verdicts on either side, because tags are not known."""
    return [
        f"{run.model}: {warning}"
        for run in (compared.candidate, compared.baseline)
        for warning in warnings_of(run.manifest.reasoning)
    ]


def would_decide(samples: int) -> str:
    """What an undecided gate needs."""
    return (
        f"about {counted(samples, 'sample')} per question in both runs would decide it, if the "
        "change seen is the true one"
    )
