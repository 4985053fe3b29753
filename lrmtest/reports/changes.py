"""The words for how questions changed, the same wherever a comparison is shown, and as JSON."""

from __future__ import annotations

from typing import Any

from lrmtest.analysis.changed import Changed
from lrmtest.analysis.flips import CHANGES, Flip


def counts_said(found: Changed) -> str:
    """How many questions are of each kind: ``3 broken, 1 worse, 2 unstable, ...``."""
    return ", ".join(f"{found.counts[kind]:,} {kind}" for kind in CHANGES)


def directions_said(found: Changed) -> str:
    """How many questions fell and rose, and how many of them at least are no chance."""
    level = f"with {100 * found.level:g} % confidence"
    parts = []
    for verb, number, really, sure in (
        ("fell", found.fell, "worse", found.surely_worse),
        ("rose", found.rose, "better", found.surely_better),
    ):
        said = f"{number:,} {verb}"
        if sure:
            said += f", at least {sure:,} of them really {really} {level}"
        elif number:
            said += ", which may all be chance"
        parts.append(said)
    return "; ".join(parts)


def size_said(flip: Flip) -> str:
    """From how many passes to how many, and by how many points: ``4/4 → 1/4, -75``."""
    before, after = flip.baseline, flip.candidate
    return (
        f"{before.passes}/{before.count} → {after.passes}/{after.count}, "
        f"{100 * flip.difference + 0.0:+.0f}"
    )


def changed_document(found: Changed) -> dict[str, Any]:
    """The counts as JSON values."""
    return {
        **{str(kind): number for kind, number in found.counts.items()},
        "fell": found.fell,
        "rose": found.rose,
        "surely_worse": found.surely_worse,
        "surely_better": found.surely_better,
        "level": found.level,
    }


def change_document(flip: Flip) -> dict[str, Any]:
    """One question's change as JSON values; rates in [0, 1]."""
    before, after = flip.baseline, flip.candidate
    return {
        "suite": after.suite,
        "question": after.question_id,
        "change": flip.change,
        "difference": flip.difference,
        "p": flip.p,
        "baseline": {"passes": before.passes, "samples": before.count},
        "candidate": {"passes": after.passes, "samples": after.count},
        "failure": flip.failure,
    }
