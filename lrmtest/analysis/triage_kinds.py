"""The kinds of questions that triage tells apart."""

from __future__ import annotations

from typing import Literal, get_args

TriageKind = Literal[
    "broken", "worse", "unstable", "unchanged", "better", "fixed", "fell", "rose",
    "flaky", "both-fail", "both-pass",
    "failed", "wrong", "no-answer", "lost-answer", "unclosed", "truncated", "looped", "error",
]  # fmt: skip
"""What a question can be. The first six are where its pass rate went since the baseline; fell and
rose, that it went there at all, however little; flaky and both-..., whether it passes in either
run. Flaky is also, in one run alone, that some samples passed and some failed. Then: it failed, in
whatever way; its usual failure class; or it has nothing but engine errors."""

TRIAGE_KINDS: tuple[TriageKind, ...] = get_args(TriageKind)

CHANGE_KINDS: tuple[TriageKind, ...] = TRIAGE_KINDS[: TRIAGE_KINDS.index("flaky")]
"""Kinds that say where a pass rate went."""

NEED_BASELINE: frozenset[TriageKind] = frozenset({*CHANGE_KINDS, "both-fail", "both-pass"})
"""Kinds that only a comparison can tell."""
