"""The tokens that drafts have saved, in words."""

from __future__ import annotations

from lrmtest.analysis.summary import DraftStats
from lrmtest.counted import counted
from lrmtest.reports.numbers import count, percent


def drafts_said(drafts: DraftStats) -> str:
    """``64 samples with drafts: 312 of their 2,496 tokens generated (12.5 %)``."""
    said = (
        f"{counted(drafts.samples, 'sample')} with drafts: {count(drafts.generated)} of their "
        f"{count(drafts.tokens)} tokens generated"
    )
    return said + (f" ({percent(drafts.generated / drafts.tokens)})" if drafts.tokens else "")
