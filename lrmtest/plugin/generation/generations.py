"""The generations of this process: one for each model, made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from lrmtest.errors import LrmtestError, StoreError
from lrmtest.options.settings import Settings
from lrmtest.plugin.generation.expected import BaselineTokens, no_baseline
from lrmtest.plugin.generation.generation import FindDrafts, Generation
from lrmtest.plugin.generation.protocol import CompletionSource, GenerationPlan
from lrmtest.progress import Tell, silent
from lrmtest.runs.store import Store


class Generations:
    """The `CompletionSources` of a process that generates.

    Args:
        settings: what the user asked for.
        store: opens the store on first use.
        notice: prints one line that must be seen, even with -q.
        drafts: finds what samples may begin with; None where they begin with nothing.
        baseline_tokens: the mean tokens of each question in what a model is compared with.

    Attributes:
        failures: why a model could not be started, by its name.
    """

    def __init__(
        self,
        settings: Settings,
        store: Callable[[], Store],
        notice: Tell = silent,
        drafts: FindDrafts | None = None,
        baseline_tokens: BaselineTokens = no_baseline,
    ) -> None:
        self._drafts = drafts
        self._baseline_tokens = baseline_tokens
        self._settings = settings
        self._notice = notice
        self._store = store
        self._of_models: dict[str, Generation] = {}
        self._opened: list[Generation] = []
        self.failures: dict[str, LrmtestError] = {}

    def of(self, model: str, say: Tell = silent) -> Generation:
        """A model's generation.

        Args:
            model: the model's name.
            say: prints one line for the user, where the generation has to be made.
        """
        if model not in self._of_models:
            self._of_models[model] = Generation(
                self._settings,
                self._store(),
                say,
                self._notice,
                self._drafts,
                self._baseline_tokens,
            )
        return self._of_models[model]

    @property
    def begun(self) -> Mapping[str, Generation]:
        """Those whose run is open, by their models."""
        return {name: one for name, one in self._of_models.items() if one.begun}

    def source_of(self, model: str) -> CompletionSource:
        """Where the tests of a model under test ask for completions.

        Raises:
            LrmtestError: the model could not be started.
        """
        if model in self.failures:
            raise self.failures[model]
        return self.of(model)

    def opened(self, model: str, plan: GenerationPlan, say: Tell = silent) -> CompletionSource:
        """Where a model that is not under test is asked; its run is opened on first use.

        Raises:
            LrmtestError: its run cannot be opened.
        """
        generation = self.of(model, say)
        if not generation.begun:
            generation.begin(plan)
            self._opened.append(generation)
        return generation

    def close(self) -> None:
        """Stop every engine."""
        for generation in self._opened:
            # Nobody else knows when such a run is complete.
            with suppress(StoreError):
                generation.finish()
        for generation in self._of_models.values():
            generation.close()
