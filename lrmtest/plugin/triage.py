"""`--triage KIND`: run the questions again that an earlier run says are broken, looped, ..."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lrmtest.analysis.triage_kinds import NEED_BASELINE, TriageKind
from lrmtest.errors import UsageError
from lrmtest.runs.extent import EVERYTHING, extent_of
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.records import RunRecord
from lrmtest.runs.reference import baseline_for, load_baseline
from lrmtest.runs.store import Store


class Triage:
    """What earlier runs say of a model's questions.

    Args:
        kinds: which to select.
        baseline: a run or a baseline's file; None for the newest other run.
        store: the store's file.
        threshold: share of a question's samples that must pass.
    """

    def __init__(
        self, kinds: Sequence[TriageKind], baseline: str | None, store: Path, threshold: float
    ) -> None:
        self._kinds = kinds
        self._baseline = baseline
        self._store = store
        self._threshold = threshold
        self._selected: dict[str, frozenset[QuestionKey]] = {}
        self.lines: list[str] = []

    def selects(self, model: str, key: QuestionKey) -> bool:
        """Whether a model's question is of one of the kinds.

        Raises:
            UsageError: the model has no run, or no other run to compare it with.
            DataError: the baseline's file is missing or malformed.
            StoreError: there is no store, or it cannot be read.
        """
        if model not in self._selected:
            self._selected[model] = self._select(model)
        return key in self._selected[model]

    def _select(self, model: str) -> frozenset[QuestionKey]:
        from lrmtest.analysis.triage import of_kinds, triage

        with Store(self._store, create=False) as store:
            run = store.run(f"last:{model}")
            # All that is known of it: what is asked now is selected from that.
            candidate = store.record(run, EVERYTHING)
            baseline = self._compared_with(store, candidate)
        if baseline is not None and not baseline.outcomes.keys() & candidate.outcomes.keys():
            raise UsageError(
                f"--triage: runs {baseline.run_id} and {candidate.run_id} share no question",
                hint="name what to compare with: --baseline RUN (`lrmtest runs` lists them)",
            )
        found = of_kinds(triage(candidate, baseline, self._threshold), self._kinds)
        against = "" if baseline is None else f" against {baseline.run_id}"
        self.lines.append(
            f"triage: {len(found)} {' or '.join(self._kinds)} in {candidate.run_id}{against}"
        )
        return frozenset(question.outcome.key for question in found)

    def _compared_with(self, store: Store, candidate: RunRecord) -> RunRecord | None:
        if self._baseline is not None:
            baseline = load_baseline(self._baseline, self._store, candidate)
            if baseline.run_id == candidate.run_id:
                raise UsageError(
                    f"--triage: --baseline {self._baseline} is itself the newest run of "
                    f"{candidate.model}",
                    hint="name another one (`lrmtest runs` lists them)",
                )
            return baseline
        if NEED_BASELINE.isdisjoint(self._kinds):
            return None
        other = store.record(store.run("last", other_than=[candidate.run_id]), EVERYTHING)
        return baseline_for(other, extent_of(sample.place for sample in candidate.samples))
