"""Runs made up from coins, for tests of what compares runs."""

from __future__ import annotations

from random import Random

from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome


def question(suite, question_id, failures, tokens=100):
    """A question whose samples failed like this; None is a pass."""
    samples = {i: SampleOutcome(failure, tokens) for i, failure in enumerate(failures)}
    return QuestionOutcome(suite, question_id, samples)


def run(seed, *, suites=("aime",), questions=30, samples=1, drop=0.0, longer=1.0, failure="wrong"):
    """Two seeds are two runs of one model on the same questions.

    Args:
        seed: of the samples.
        suites: their names.
        questions: per suite.
        samples: per question.
        drop: by how much every question's pass probability is lower, as a share of it.
        longer: factor for all token counts.
        failure: class of all failures.
    """
    difficulty, coins = Random(0), Random(seed)
    outcomes = {}
    for suite in suites:
        for number in range(questions):
            rate = difficulty.betavariate(0.6, 0.5) * (1 - drop)
            length = difficulty.lognormvariate(8, 1)
            outcomes[suite, str(number)] = QuestionOutcome(
                suite,
                str(number),
                {
                    sample: SampleOutcome(
                        None if coins.random() < rate else failure,
                        min(32768, int(longer * length * coins.lognormvariate(0, 0.4))),
                    )
                    for sample in range(samples)
                },
            )
    return outcomes
