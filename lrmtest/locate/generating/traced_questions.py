"""The questions of a run's traces, to be asked again as they were asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lrmtest.errors import UsageError
from lrmtest.grading import Grader
from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.request_fields import RequestField
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.runs.extent import Extent, narrowed_manifest
from lrmtest.runs.keys import completion_key, sample_seed
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import Outcomes, QuestionKey
from lrmtest.runs.records import StoredQuestion
from lrmtest.runs.store import Store
from lrmtest.suites.stored_graders import stored_grader


@dataclass(frozen=True, slots=True)
class TracedQuestions:
    """Questions, and how their run has asked them.

    Attributes:
        manifest: of the run, as far as it speaks of them.
        extent: how many samples of each there are to be.
        stored: what was asked, by question.
        graders: by question.
        outcomes: how the run's own samples of them went, as far as it has so many.
    """

    manifest: Manifest
    extent: Extent
    stored: Mapping[QuestionKey, StoredQuestion]
    graders: Mapping[QuestionKey, Grader]
    outcomes: Outcomes

    def question(self, key: QuestionKey) -> Question:
        """One of the questions."""
        question = self.stored[key].question
        assert question is not None
        return question

    def options(self, options: EngineOptions) -> EngineOptions:
        """An engine's options with the request fields that the run was asked with."""
        fields = self.manifest.model.request or {}
        given = tuple(RequestField("", name, value) for name, value in fields.items())
        return replace(options, request_fields=given)

    def requests(self, model_identity: str) -> list[Request]:
        """A request for each sample, with the seed that the run's own had.

        Args:
            model_identity: of what generates, for the keys.
        """
        manifest = self.manifest
        assert manifest.temperature is not None
        assert manifest.top_p is not None
        found = []
        for (suite, question_id), samples in self.extent.items():
            stored = self.stored[suite, question_id]
            budget = manifest.suite(suite).max_tokens
            assert budget is not None
            for sample in range(samples):
                seed = sample_seed(manifest.seed or 0, suite, question_id, sample)
                key = completion_key(
                    model_identity=model_identity,
                    question_digest=self.question((suite, question_id)).digest,
                    messages=stored.prompt,
                    max_tokens=budget,
                    temperature=manifest.temperature,
                    top_p=manifest.top_p,
                    seed=seed,
                    sample=sample,
                )
                found.append(
                    Request(
                        Place(key, suite, question_id, sample),
                        tuple(Message(*turn) for turn in stored.prompt),
                        Sampling(budget, manifest.temperature, manifest.top_p),
                        seed,
                    )
                )
        return found


def traced_questions(
    store: Path, run_id: str, questions: Collection[QuestionKey], samples: int
) -> TracedQuestions:
    """What a run has asked.

    Args:
        store: the SQLite file that it is in.
        run_id: its id.
        questions: those that are to be asked again.
        samples: of each.

    Raises:
        UsageError: the run is not there, does not know how it asked, or has a grader of its own.
        StoreError: the store cannot be read.
    """
    hint = "leave out --generate, or name a run that lrmtest generated and still has"
    if not store.is_file():
        raise UsageError(
            f"--generate: there is no store {store}, and the questions' answers are in it alone",
            hint="pass the --reports-dir of the run that the traces are of",
        )
    with Store(store, create=False) as opened:
        head = opened.head(run_id)
        if head is None:
            raise UsageError(
                f"--generate: run {run_id} is not in {store}, and the questions' answers are in "
                "no file of traces",
                hint="pass the --reports-dir that the run is in",
            )
        extent = dict.fromkeys(sorted(questions), samples)
        manifest = narrowed_manifest(head.manifest, extent)
        if manifest.temperature is None or manifest.top_p is None:
            raise UsageError(f"--generate: run {run_id} does not say how it was sampled", hint=hint)
        if manifest.greedy and samples > 1:
            raise UsageError(
                f"--generate {samples}: run {run_id} is greedy, and its samples would be copies",
                hint="pass --generate 1",
            )
        stored, graders = {}, {}
        for key in extent:
            asked = opened.question(run_id, *key)
            if asked is None or asked.question is None or not asked.prompt:
                raise UsageError(
                    f"--generate: run {run_id} does not tell what {' '.join(key)} asked", hint=hint
                )
            section = manifest.suite(key[0])
            if section.max_tokens is None:
                raise UsageError(
                    f"--generate: run {run_id} does not tell the budget of suite {key[0]}",
                    hint=hint,
                )
            stored[key] = asked
            graders[key] = stored_grader(key[0], asked.question.kind, section.answer_kinds or ())
        outcomes = opened.record(head, extent).outcomes
    return TracedQuestions(manifest, extent, stored, graders, outcomes)
