"""How often the words for questions' changes are wrong: `python benchmarks/question_changes.py`.

Pass probabilities of the questions are drawn uniformly; some of the questions then pass a fifth as
often. Told are, over many pairs of runs: how often a question that did not change is called broken
or worse; how often the lower bound for the number of worse questions is too high, or the one for
better questions is not 0; and how high the bound is, beside the number that fell.
"""

from __future__ import annotations

import argparse
from random import Random

from lrmtest.analysis.changed import changed
from lrmtest.analysis.flips import flips
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

PASSED, WRONG = SampleOutcome(None), SampleOutcome("wrong")


def sampled(random: Random, rates: list[float], samples: int) -> dict[tuple[str, str], object]:
    """A run of one suite."""
    return {
        ("s", str(number)): QuestionOutcome(
            "s",
            str(number),
            {index: PASSED if random.random() < rate else WRONG for index in range(samples)},
        )
        for number, rate in enumerate(rates)
    }


def measure(random: Random, questions: int, worse: int, samples: int, runs: int) -> list[str]:
    """One row of the table."""
    called = wrong = 0
    fell = bound = 0.0
    for _ in range(runs):
        before = [random.random() for _ in range(questions)]
        after = [0.2 * rate if number < worse else rate for number, rate in enumerate(before)]
        found = flips(sampled(random, before, samples), sampled(random, after, samples))
        called += sum(flip.change in ("broken", "worse") for flip in found[worse:])
        counts = changed(found)
        wrong += counts.surely_worse > worse or counts.surely_better > 0
        fell += counts.fell / runs
        bound += counts.surely_worse / runs
    of = runs * (questions - worse)
    return [
        f"{questions} x {samples}", str(worse), f"{100 * called / of:.1f} %",
        f"{100 * wrong / runs:.1f} %", f"{fell:.1f}", f"{bound:.1f}",
    ]  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="pairs of runs for each row")
    runs = parser.parse_args().runs
    print("questions x samples | worse | unchanged called worse | bounds wrong | fell | at least")
    for questions, worse in ((60, 0), (60, 10), (60, 40), (250, 40)):
        for samples in (1, 4, 16):
            row = measure(Random(questions + worse), questions, worse, samples, runs)
            print(" | ".join(row), flush=True)


if __name__ == "__main__":
    main()
