"""One model's comparison with its baseline: what its gate may spend, and what came of it.

A session's `lrmtest.plugin.gating.comparisons.Comparisons` makes one where there is a baseline.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lrmtest.analysis.claims import claims
from lrmtest.analysis.compare import ComparedRuns, compare, compared_metrics
from lrmtest.analysis.detectability import obstacles_to_come
from lrmtest.analysis.gate import Decision
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.known_table import looking_share
from lrmtest.analysis.sequential import FORESEEN_ORDER, order_identity
from lrmtest.errors import UsageError
from lrmtest.options.gate import ComparisonOptions
from lrmtest.plugin.gating.early_stop import EarlyStopping, samples_of
from lrmtest.plugin.generation.protocol import GenerationPlan, StoppingRule
from lrmtest.progress import Tell
from lrmtest.reports.escape import one_line
from lrmtest.runs.looks import (
    LOOKING_SHARE,
    Look,
    look_of,
    note_certificate,
    note_looking,
    reserve_looking,
    reserve_reading,
    take_look,
    test_of,
)
from lrmtest.runs.manifest import LooksSection, Manifest
from lrmtest.runs.outcomes import Outcomes, only_scores_of
from lrmtest.runs.records import RunHead, RunRecord
from lrmtest.runs.run import continued_run
from lrmtest.runs.same_draws import same_draws
from lrmtest.runs.series import join_series, place_in_series
from lrmtest.runs.store import Store

if TYPE_CHECKING:
    from lrmtest.analysis.certificate import Certificate
    from lrmtest.analysis.foresight import Foresight
    from lrmtest.plugin.gating.certified import ReadBaseline

_MOST_SAID = 900
"""Characters of what reading has come to."""


def cannot_tell_of(baseline: RunRecord, candidate: Manifest, gate: GateSettings) -> list[str]:
    """What a gate will say it cannot tell, whatever the candidate answers, in words.

    Args:
        baseline: the run to be compared with.
        candidate: the other's manifest: the suites that it asks, and its samples.
        gate: the gate's settings.
    """
    metrics, _ = compared_metrics(baseline)
    outcomes = only_scores_of(
        {
            key: question
            for key, question in baseline.outcomes.items()
            if question.suite in candidate.suites and question.count
        },
        metrics,
    )
    suites = list(dict.fromkeys(question.suite for question in outcomes.values()))
    if not suites:
        return []
    samples = 1 if candidate.greedy else max(candidate.suite(name).samples or 1 for name in suites)
    tokens = any(question.tokens for question in outcomes.values())
    tested = [
        claim
        for claim in claims(suites, gate, tokens=tokens, metrics=metrics)
        if claim.primary and not claim.may_stay_untold(gate)
    ]
    return [each.words() for each in obstacles_to_come(tested, outcomes, samples, gate).values()]


class ModelComparison:
    """The comparison of one model's run with its baseline.

    Args:
        plan: what is generated.
        baseline: what it is compared with.
        options: what the user wants compared.
        store: the SQLite file in which runs are looked up.
        threshold: share of a question's samples that must be correct for it to pass.
        fresh: the run is begun anew.
        read: reads a baseline's traces, where that is asked for.
        notice: prints one line that must be seen.

    Attributes:
        baseline: as given.
    """

    def __init__(
        self,
        plan: GenerationPlan,
        baseline: RunRecord,
        options: ComparisonOptions,
        store: Path,
        threshold: float,
        *,
        fresh: bool,
        read: ReadBaseline | None,
        notice: Tell,
    ) -> None:
        self.baseline = baseline
        self._plan = plan
        self._options = options
        self._store = store
        self._threshold = threshold
        self._fresh = fresh
        self._read = read
        self._notice = notice
        self._stop: EarlyStopping | None = None
        self._order, self._part = "", LOOKING_SHARE
        self._certificate: Certificate | None = None
        self._read_as = ""

    @property
    def certified(self) -> bool:
        """Whether the verdict is that of reading, so that nothing is generated."""
        return self._certificate is not None and self._certificate.certified

    def prepare(self) -> StoppingRule | None:
        """Read and look ahead, before anything is generated.

        What a gate will not be able to tell is said now, before hours are spent on it.

        Returns:
            What may end the generation early; None to generate everything.

        Raises:
            UsageError: the series has no place left, or there is nothing to stop early by.
        """
        plan, gate = self._plan, self._options.gate
        if gate is not None:
            self._refuse_used_up(gate.series)
            for why in cannot_tell_of(self.baseline, plan.manifest, gate):
                self._say(f"the gate {why}")
            if self._read is not None and (self._lacks_samples() or self._was_foreseen()):
                self._certify(self._read, gate)
                if self.certified:
                    from lrmtest.plugin.gating.certified import Certified

                    return Certified()
        if not self._options.early_stop or not plan.requests:
            return None
        assert gate is not None
        self._stop = self._stopping(gate)
        return self._stop

    def _stopping(self, gate: GateSettings) -> EarlyStopping:
        plan, baseline = self._plan, self.baseline
        questions = [(one.suite, one.question_id) for one in plan.questions]
        by_index = same_draws(baseline.manifest, plan.manifest)
        asked = {key: one for key in questions if (one := baseline.outcomes.get(key)) and one.count}
        foresight = self._foresight(asked) if by_index else None
        self._order = order_identity(
            baseline.outcomes,
            questions,
            plan.manifest.seed or 0,
            gate,
            by_index=by_index,
            foresight=foresight,
        )
        if asked:
            self._part = looking_share(asked, samples_of(plan), gate, by_index=by_index)
        gate = replace(gate, look=self._looking())
        return EarlyStopping(plan, baseline, gate, self._certificate, foresight)

    def compare(
        self, candidate: RunRecord, dropped: frozenset[str], unfair: str | None = None
    ) -> ComparedRuns:
        """Compare the run with its baseline; see `Comparisons.compare`."""
        baseline, stop, certificate = self.baseline, self._stop, self._certificate
        if stop is not None and dropped:
            candidate = replace(candidate, samples=stop.counted())
        gate = self._options.gate
        if gate is not None and stop is None and unfair is None and not self.certified:
            gate = replace(gate, look=self._look(candidate, gate))
        compared = compare(
            baseline,
            candidate,
            allowed=self._options.allowed,
            gate=gate if stop is None and not self.certified else None,
            threshold=self._threshold,
            given=self._options.given_baseline and unfair is None,
        )
        if certificate is not None and self.certified:
            note_looking(baseline, candidate, read=self._read_as)
            from lrmtest.analysis.certified_comparison import decided_by_reading

            compared = decided_by_reading(compared, certificate)
        elif stop is not None and stop.decided:
            note_looking(baseline, candidate, self._order, self._part, read=self._read_as)
            compared = stop.apply(compared, dropped)
        elif stop is not None and gate is not None and unfair is None:
            compared = stop.apply(compared, dropped, self._look(candidate, gate))
        elif gate is not None and unfair is not None:
            decision = Decision("undecided", (unfair,), (), None, gate)
            compared = replace(compared, decision=decision)
        if certificate is not None:
            from lrmtest.analysis.certificate_record import certificate_to_json

            note_certificate(baseline, candidate, certificate_to_json(certificate, baseline))
            if not self.certified:
                from lrmtest.analysis.certified_comparison import joined_with_reading

                compared = joined_with_reading(compared, certificate)
        if gate is not None and gate.series > 1 and unfair is None and compared.decision:
            decision = self._in_series(candidate, compared.decision, gate.series)
            compared = replace(compared, decision=decision)
        return compared

    def _say(self, what: str) -> None:
        self._notice(f"{self._plan.spec.name}: {what}")

    def _looking(self) -> Look:
        """What looking early may spend, by what the run that is continued remembers."""
        known = self._looks
        if self._read_as:
            known = reserve_reading(known, self._read_as)
        return look_of(reserve_looking(known, self._order, self._part))

    @property
    def _looks(self) -> LooksSection:
        """The looks at this test that the run that is continued remembers."""
        with Store(self._store, create=False) as store:
            head = self._continued(store)
        test = test_of(self.baseline.manifest, self._plan.manifest.suites)
        return LooksSection() if head is None else head.manifest.looks.get(test, LooksSection())

    def _continued(self, store: Store) -> RunHead | None:
        """The run that the model goes on with, if it does."""
        return None if self._fresh else continued_run(store, self._plan.manifest)

    def _look(self, candidate: RunRecord, gate: GateSettings) -> Look:
        return take_look(
            self.baseline,
            candidate,
            self._options.look,
            allow_missing=gate.allow_missing,
            order=self._order,
            read=self._read_as,
            part=self._part,
        )

    def _lacks_samples(self) -> bool:
        """Whether anything would have to be generated."""
        with Store(self._store, create=False) as store:
            head = self._continued(store)
            there = set() if head is None else store.keys(head.run_id)
        return any(request.key not in there for request in self._plan.requests)

    def _certify(self, read: ReadBaseline, gate: GateSettings) -> None:
        """Read the baseline's traces, at what that may spend, and tell what has come of it."""
        from lrmtest.analysis.certificate_said import reading_said, result_said
        from lrmtest.plugin.gating.certified import read_identity

        identity = read_identity(self.baseline, self._plan)
        looks = reserve_reading(self._looks, identity)
        level = (1 - gate.power) * (looks.reading or 0.0)
        self._certificate = found = read(self._plan, self.baseline, gate, level)
        if found.unknown < found.traces:  # else nothing was looked at
            self._read_as = identity
        self._say(reading_said(found))
        self._say(one_line(result_said(found), _MOST_SAID))

    def _was_foreseen(self) -> bool:
        """Whether the run that is continued was looked at in an order that reading foresaw.

        It is read again then, from the store, so that the order is the same one.
        """
        return (self._looks.order or "").startswith(FORESEEN_ORDER)

    def _foresight(self, asked: Outcomes) -> Foresight | None:
        """What reading foresees of the model's pairs, told; None where nothing was read."""
        certificate = self._certificate
        if certificate is None or certificate.gaps or not asked:
            return None
        from lrmtest.analysis.foresight import foresee

        found = foresee(asked, samples_of(self._plan), certificate.read)
        if found is not None:
            self._say(found.said())
        return found

    def _refuse_used_up(self, size: int) -> None:
        """Refuse one candidate too many of a series, before anything is generated for it."""
        if size == 1:
            return
        with Store(self._store, create=False) as store:
            head = self._continued(store)
            run_id = None if head is None else head.run_id
            place_in_series(store, self.baseline, self._plan.manifest.suites, run_id, size)

    def _in_series(self, candidate: RunRecord, decision: Decision, size: int) -> Decision:
        """The decision with the candidate's place; none where another session took the last."""
        try:
            number = join_series(self.baseline, candidate, size)
        except UsageError as error:
            return replace(decision, result="undecided", reasons=(str(error),), checks=())
        return replace(decision, settings=replace(decision.settings, candidate=number))
