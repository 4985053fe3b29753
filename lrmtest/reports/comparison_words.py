"""The words for a comparison that are the same wherever it is shown."""

from __future__ import annotations

from lrmtest.reports.numbers import counted

TOKENS_NOT_COMPARED = "tokens are not compared: one run counted them, the other estimated them"


def would_decide(samples: int) -> str:
    """What an undecided gate needs."""
    return (
        f"about {counted(samples, 'sample')} per question in both runs would decide it, if the "
        "change seen is the true one"
    )
