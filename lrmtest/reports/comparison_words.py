"""The words for a comparison that are the same wherever it is shown."""

from __future__ import annotations

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.summary import RunSummary
from lrmtest.reports.numbers import counted, percent
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


def ends_notes(compared: ComparedRuns) -> list[str]:
    """A line for each of the two runs that has samples of which nothing says how they ended."""
    return [
        unknown_ends_line(side, ends.unknown, ends.samples, ends.rate, ends.known)
        for side, ends in (
            ("candidate", compared.candidate_ends),
            ("baseline", compared.baseline_ends),
        )
        if ends.unknown
    ]


def unknown_ends_line(
    who: str, unknown: int, samples: int, rate: float | None, known: float | None
) -> str:
    """How many samples do not say how they ended, and what hangs on them.

    Args:
        who: the run, in words; empty where it is told beside.
        unknown: how many do not say it.
        samples: of how many.
        rate: the pass rate, in [0, 1].
        known: the same if none of them had ended.
    """
    share = percent(unknown / samples)
    return (
        f"{who}{': ' * bool(who)}{unknown:,} of {counted(samples, 'sample')} ({share}) do not say "
        f"how they ended; pass rate {percent(rate)}, and {percent(known)} if none of them had"
    )


def run_ends(who: str, summary: RunSummary) -> list[str]:
    """A line where a run has samples of which nothing says how they ended."""
    total = summary.total
    if not total.unknown_ends:
        return []
    rates = total.strict.value, total.known.value
    return [unknown_ends_line(who, total.unknown_ends, total.samples, *rates)]


def would_decide(samples: int) -> str:
    """What an undecided gate needs."""
    return (
        f"about {counted(samples, 'sample')} per question in both runs would decide it, if the "
        "change seen is the true one"
    )
