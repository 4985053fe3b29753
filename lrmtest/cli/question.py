"""One question of a run, read from the store: what was asked and all that was said."""

from __future__ import annotations

from lrmtest.errors import UsageError
from lrmtest.grading.split import told_apart
from lrmtest.grading.unknown_end import all_reasoning
from lrmtest.reports.runs_table import SampleView
from lrmtest.runs.extent import selected
from lrmtest.runs.records import RunHead, StoredQuestion
from lrmtest.runs.store import Store

MOST_SHOWN = 1_000_000
"""Characters of the beginning of each text, and of its end, that --full shows."""


def find_question(
    store: Store, run: RunHead, question_id: str, suite: str | None
) -> tuple[str, StoredQuestion]:
    """The suite of a run's question, and the question as it was asked.

    Raises:
        UsageError: there is none, or several suites have one and `suite` does not say which.
    """
    found = [
        (name, asked)
        for name, asked_id, asked in store.questions(run.run_id)
        if asked_id == question_id and suite in (None, name)
    ]
    if not found:
        raise UsageError(
            f"run {run.run_id} has no question {question_id!r}",
            hint=f"`lrmtest show {run.run_id}` lists its questions",
        )
    if len(found) > 1:
        # What else has joined the run is meant only where it is named.
        chosen = selected(run.manifest)
        own = [each for each in found if (each[0], question_id) in chosen]
        found = own if len(own) == 1 else found
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} suites of run {run.run_id} have a question {question_id!r}",
            hint="name one: " + " or ".join(f"--suite {name}" for name, _ in found),
        )
    return found[0]


def sample_views(store: Store, run: RunHead, suite: str, question_id: str) -> list[SampleView]:
    """All samples of a question with their texts, engine errors included, in order."""
    views = []
    for stored in store.completions(run.run_id, question_id=question_id):
        if stored.place.suite != suite:
            continue
        completion = stored.completion
        reasoning, answer = told_apart(
            completion.text,
            run.manifest.reasoning_tags,
            ran_out=all_reasoning(completion.text, completion.finish_reason),
        )
        views.append(
            SampleView(
                sample=stored.place.sample,
                verdict=stored.verdict,
                reasoning=reasoning,
                answer=answer,
                finish_reason=completion.finish_reason,
                finish_word=completion.finish_word,
                reasoning_tokens=completion.reasoning_tokens,
                answer_tokens=completion.answer_tokens,
                tokens_estimated=completion.tokens_estimated,
                total_estimated=completion.tokens_estimated and not run.manifest.totals_counted,
                seconds=completion.seconds,
                seed=completion.seed,
            )
        )
    views += [
        SampleView(sample=error.place.sample, error=error.message)
        for error in store.errors(run.run_id)
        if error.place.question == (suite, question_id)
    ]
    return sorted(views, key=lambda view: view.sample)
