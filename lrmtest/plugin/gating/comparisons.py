"""The session's comparisons: what each run is compared with, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lrmtest.analysis.claims import GateSettings, claims
from lrmtest.analysis.compare import ComparedRuns, compare, compared_metrics
from lrmtest.analysis.detectability import obstacles_to_come
from lrmtest.analysis.gate import Decision
from lrmtest.analysis.known_table import looking_share
from lrmtest.analysis.sequential import FORESEEN_ORDER, order_identity
from lrmtest.errors import UsageError
from lrmtest.options.gate import ComparisonOptions
from lrmtest.plugin.gating.early_stop import EarlyStopping, samples_of
from lrmtest.plugin.generation.protocol import GenerationPlan, StoppingRule
from lrmtest.progress import Tell, silent
from lrmtest.reports.escape import one_line
from lrmtest.runs.differences import differences, refuse_differences
from lrmtest.runs.extent import EVERYTHING, extent_of
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
from lrmtest.runs.records import RunRecord
from lrmtest.runs.reference import baseline_for, is_file, load_run, within_set
from lrmtest.runs.run import continued_run
from lrmtest.runs.same_draws import same_draws
from lrmtest.runs.series import join_series, place_in_series
from lrmtest.runs.store import Store

if TYPE_CHECKING:
    from lrmtest.analysis.certificate import Certificate
    from lrmtest.analysis.foresight import Foresight
    from lrmtest.plugin.gating.certified import ReadBaseline

_MOST_SHOWN = 300
"""Characters of what a baseline has beside."""


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
        if claim.primary and not gate.allows(claim)
    ]
    return [each.words() for each in obstacles_to_come(tested, outcomes, samples, gate).values()]


class Comparisons:
    """The session's comparisons, one for each model.

    Args:
        options: what the user wants compared.
        models: the models' names.
        store: the SQLite file in which runs are looked up.
        threshold: share of a question's samples that must be correct for it to pass.
        fresh: runs are begun anew.
        check: look the baseline up now, so that a mistake is told before anything is fetched.
        read: reads a baseline's traces, where that is asked for.
        notice: prints one line that must be seen.

    Attributes:
        results: what was compared, once the session has ended.
        saved: the baseline's file, once it is written.
        complaints: why a file could not be written.

    Raises:
        LrmtestError: the baseline cannot be found or read, or one file is to hold several runs.
    """

    def __init__(
        self,
        options: ComparisonOptions,
        models: Sequence[str],
        store: Path,
        threshold: float,
        *,
        fresh: bool,
        check: bool,
        read: ReadBaseline | None = None,
        notice: Tell = silent,
    ) -> None:
        self._notice = notice
        self._read = read
        self.options = options
        self._fresh = fresh
        self._store = store
        self._threshold = threshold
        self._baselines: dict[str, RunRecord] = {}
        self._stops: dict[str, EarlyStopping] = {}
        self._orders: dict[str, tuple[str, float]] = {}
        self._certificates: dict[str, Certificate] = {}
        self._reads: dict[str, str] = {}
        self._file: RunRecord | None = None
        self.results: list[ComparedRuns] = []
        self.saved: Path | None = None
        self.written: list[str] = []
        self.complaints: list[str] = []
        if not check:
            return
        saving = {"--save-baseline": options.save_baseline, "--save-traces": options.save_traces}
        for name in (name for name, path in saving.items() if path is not None):
            if len(models) > 1:
                raise UsageError(
                    f"{name} writes one run, and there are {len(models)} models",
                    hint="`lrmtest baseline RUN -o FILE` writes any run afterwards, and with "
                    "--save-traces FILE its traces",
                )
        if options.baseline is not None:
            found = load_run(options.baseline, store)
            self._file = found if is_file(options.baseline) else None

    def prepare(self, plan: GenerationPlan) -> StoppingRule | None:
        """Find the baseline of a model's run, before anything is generated.

        Returns:
            What may end the generation early; None to generate everything.

        What a gate will not be able to tell is said now, before hours are spent on it.

        Raises:
            UsageError: settings differ that may not, or there is no such run.
        """
        options, name = self.options, plan.spec.name
        if options.baseline is None:
            return None
        baseline = self._file or self._run_other_than(plan, options.baseline)
        baseline = within_set(baseline, plan.manifest)
        if baseline.left_out:
            self._notice(
                f"{name}: of {baseline.run_id} not compared, since it was not asked for: "
                f"{one_line(baseline.left_out, _MOST_SHOWN)}"
            )
        found = differences(baseline.manifest, plan.manifest)
        refuse_differences(found, options.allowed, baseline.run_id)
        self._baselines[name] = baseline
        if options.gate is not None:
            self._refuse_used_up(plan, baseline, options.gate.series)
            for why in cannot_tell_of(baseline, plan.manifest, options.gate):
                self._notice(f"{name}: the gate {why}")
            if self._read is not None and (
                self._lacks_samples(plan) or self._was_foreseen(plan, baseline)
            ):
                certificate = self._certify(self._read, plan, baseline, options.gate)
                if certificate.certified:
                    from lrmtest.plugin.gating.certified import Certified

                    return Certified()
        if not options.early_stop or not plan.requests:
            return None
        assert options.gate is not None
        questions = [(one.suite, one.question_id) for one in plan.questions]
        seed = plan.manifest.seed or 0
        by_index = same_draws(baseline.manifest, plan.manifest)
        asked = {key: one for key in questions if (one := baseline.outcomes.get(key)) and one.count}
        foresight = self._foresight(plan, asked) if by_index else None
        order = order_identity(
            baseline.outcomes,
            questions,
            seed,
            options.gate,
            by_index=by_index,
            foresight=foresight,
        )
        part = LOOKING_SHARE
        if asked:
            part = looking_share(asked, samples_of(plan), options.gate, by_index=by_index)
        gate = replace(options.gate, look=self._looking(plan, baseline, order, part))
        self._orders[name] = order, part
        read = self._certificates.get(name)
        self._stops[name] = EarlyStopping(plan, baseline, gate, read, foresight)
        return self._stops[name]

    def _looking(self, plan: GenerationPlan, baseline: RunRecord, order: str, part: float) -> Look:
        """What looking early may spend, by what the run that is continued remembers."""
        known = self._looks(plan, baseline)
        if read := self._reads.get(plan.spec.name, ""):
            known = reserve_reading(known, read)
        return look_of(reserve_looking(known, order, part))

    def _looks(self, plan: GenerationPlan, baseline: RunRecord) -> LooksSection:
        """The looks at this test that the run that is continued remembers."""
        with Store(self._store, create=False) as store:
            head = None if self._fresh else continued_run(store, plan.manifest)
        test = test_of(baseline.manifest, plan.manifest.suites)
        return LooksSection() if head is None else head.manifest.looks.get(test, LooksSection())

    def _lacks_samples(self, plan: GenerationPlan) -> bool:
        """Whether anything would have to be generated."""
        with Store(self._store, create=False) as store:
            head = None if self._fresh else continued_run(store, plan.manifest)
            there = set() if head is None else store.keys(head.run_id)
        return any(request.key not in there for request in plan.requests)

    def _certify(
        self, read: ReadBaseline, plan: GenerationPlan, baseline: RunRecord, gate: GateSettings
    ) -> Certificate:
        """Read the baseline's traces, at what that may spend, and tell what has come of it."""
        from lrmtest.analysis.certificate_said import reading_said, result_said
        from lrmtest.plugin.gating.certified import read_identity

        name, identity = plan.spec.name, read_identity(baseline, plan)
        looks = reserve_reading(self._looks(plan, baseline), identity)
        level = (1 - gate.power) * (looks.reading or 0.0)
        certificate = read(plan, baseline, gate, level)
        self._certificates[name] = certificate
        if certificate.unknown < certificate.traces:  # else nothing was looked at
            self._reads[name] = identity
        self._notice(f"{name}: {reading_said(certificate)}")
        self._notice(f"{name}: {one_line(result_said(certificate), 3 * _MOST_SHOWN)}")
        return certificate

    def _was_foreseen(self, plan: GenerationPlan, baseline: RunRecord) -> bool:
        """Whether the run that is continued was looked at in an order that reading foresaw.

        It is read again then, from the store, so that the order is the same one.
        """
        return (self._looks(plan, baseline).order or "").startswith(FORESEEN_ORDER)

    def _foresight(self, plan: GenerationPlan, asked: Outcomes) -> Foresight | None:
        """What reading foresees of a model's pairs, told; None where nothing was read."""
        certificate = self._certificates.get(plan.spec.name)
        if certificate is None or certificate.gaps or not asked:
            return None
        from lrmtest.analysis.foresight import foresee

        found = foresee(asked, samples_of(plan), certificate.read)
        if found is not None:
            self._notice(f"{plan.spec.name}: {found.said()}")
        return found

    def certified(self, model: str) -> bool:
        """Whether a model's verdict is that of reading, so that nothing is generated."""
        certificate = self._certificates.get(model)
        return certificate is not None and certificate.certified

    def _refuse_used_up(self, plan: GenerationPlan, baseline: RunRecord, size: int) -> None:
        """Refuse one candidate too many of a series, before anything is generated for it."""
        if size == 1:
            return
        with Store(self._store, create=False) as store:
            head = None if self._fresh else continued_run(store, plan.manifest)
            run_id = None if head is None else head.run_id
            place_in_series(store, baseline, plan.manifest.suites, run_id, size)

    def _in_series(
        self, baseline: RunRecord, candidate: RunRecord, decision: Decision, size: int
    ) -> Decision:
        """The decision with the candidate's place; none where another session took the last."""
        try:
            number = join_series(baseline, candidate, size)
        except UsageError as error:
            return replace(decision, result="undecided", reasons=(str(error),), checks=())
        return replace(decision, settings=replace(decision.settings, candidate=number))

    def baseline_of(self, model: str) -> RunRecord | None:
        """What a model is compared with; None before its generation has begun."""
        return self._baselines.get(model)

    def compare(
        self, candidate: RunRecord, dropped: frozenset[str], unfair: str | None = None
    ) -> ComparedRuns | None:
        """Compare a model's run with its baseline, and keep the result.

        Args:
            candidate: the run, as far as its tests have run.
            dropped: keys of samples that were not generated, because the gate had decided.
            unfair: why the session ended before all tests had run. What had arrived by then was
                short, and what stopped it was a failure: no gate may decide on such a part.
        """
        baseline = self._baselines.get(candidate.model)
        if baseline is None:
            return None
        stop = self._stops.get(candidate.model)
        if stop is not None and dropped:
            candidate = replace(candidate, samples=stop.counted())
        gate = self.options.gate
        certificate = self._certificates.get(candidate.model)
        certified = certificate is not None and certificate.certified
        if gate is not None and stop is None and unfair is None and not certified:
            gate = replace(gate, look=self._look(baseline, candidate))
        compared = compare(
            baseline,
            candidate,
            allowed=self.options.allowed,
            gate=gate if stop is None and not certified else None,
            threshold=self._threshold,
            given=self.options.given_baseline and unfair is None,
        )
        read = self._reads.get(candidate.model, "")
        if certificate is not None and certified:
            note_looking(baseline, candidate, read=read)
            from lrmtest.analysis.certified_comparison import decided_by_reading

            compared = decided_by_reading(compared, certificate)
        elif stop is not None and stop.decided:
            note_looking(baseline, candidate, *self._orders[candidate.model], read=read)
            compared = stop.apply(compared, dropped)
        elif stop is not None and unfair is None:
            look = self._look(baseline, candidate, *self._orders[candidate.model])
            compared = stop.apply(compared, dropped, look)
        elif gate is not None and unfair is not None:
            decision = Decision("undecided", (unfair,), (), None, gate)
            compared = replace(compared, decision=decision)
        if certificate is not None:
            from lrmtest.analysis.certificate_record import certificate_to_json

            note_certificate(baseline, candidate, certificate_to_json(certificate, baseline))
            if not certified:
                from lrmtest.analysis.certified_comparison import joined_with_reading

                compared = joined_with_reading(compared, certificate)
        if gate is not None and gate.series > 1 and unfair is None and compared.decision:
            decision = self._in_series(baseline, candidate, compared.decision, gate.series)
            compared = replace(compared, decision=decision)
        self.results.append(compared)
        return compared

    def _look(
        self,
        baseline: RunRecord,
        candidate: RunRecord,
        order: str = "",
        part: float = LOOKING_SHARE,
    ) -> Look:
        assert self.options.gate is not None
        return take_look(
            baseline,
            candidate,
            self.options.look,
            allow_missing=self.options.gate.allow_missing,
            order=order,
            read=self._reads.get(candidate.model, ""),
            part=part,
        )

    def _run_other_than(self, plan: GenerationPlan, reference: str) -> RunRecord:
        """The run that `reference` names, leaving out what this command itself has made."""
        with Store(self._store, create=False) as store:
            own = {run.run_id for run in store.runs(identity=plan.manifest.identity)}
            try:
                found = store.record(store.run(reference, other_than=own), EVERYTHING)
            except UsageError as error:
                if not own:
                    raise
                raise UsageError(
                    f"{error.message}: a run with the very settings of this one does not count",
                    hint="another --seed makes another run of the same model",
                ) from error
        return baseline_for(found, extent_of(request.place for request in plan.requests))
