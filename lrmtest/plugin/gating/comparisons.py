"""The session's comparisons: what each run is compared with, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrmtest.errors import UsageError
from lrmtest.options.gate import ComparisonOptions
from lrmtest.plugin.generation.protocol import GenerationPlan, StoppingRule
from lrmtest.progress import Tell, silent
from lrmtest.reports.escape import one_line
from lrmtest.runs.differences import differences, refuse_differences
from lrmtest.runs.extent import EVERYTHING, extent_of
from lrmtest.runs.records import RunRecord
from lrmtest.runs.reference import baseline_for, is_file, load_run, within_set
from lrmtest.runs.store import Store

if TYPE_CHECKING:
    from lrmtest.analysis.compare import ComparedRuns
    from lrmtest.plugin.gating.certified import ReadBaseline
    from lrmtest.plugin.gating.model_comparison import ModelComparison

_MOST_SHOWN = 300
"""Characters of what a baseline has beside."""


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
        self._of_models: dict[str, ModelComparison] = {}
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
        from lrmtest.plugin.gating.model_comparison import ModelComparison

        self._of_models[name] = comparison = ModelComparison(
            plan,
            baseline,
            options,
            self._store,
            self._threshold,
            fresh=self._fresh,
            read=self._read,
            notice=self._notice,
        )
        return comparison.prepare()

    def certified(self, model: str) -> bool:
        """Whether a model's verdict is that of reading, so that nothing is generated."""
        comparison = self._of_models.get(model)
        return comparison is not None and comparison.certified

    def baseline_of(self, model: str) -> RunRecord | None:
        """What a model is compared with; None before its generation has begun."""
        comparison = self._of_models.get(model)
        return None if comparison is None else comparison.baseline

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
        comparison = self._of_models.get(candidate.model)
        if comparison is None:
            return None
        compared = comparison.compare(candidate, dropped, unfair)
        self.results.append(compared)
        return compared

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
