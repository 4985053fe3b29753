"""Draft samples against plain ones: `python benchmarks/drafts.py`.

tiny-lrm answers generated questions and keeps its traces. Copies of it, pruned by
magnitude, answer them three times: plainly, with the same seeds from the traces as drafts, and
plainly with other seeds. A draft sample is to be the plain one of its seed, token by token; and
beside samples of other seeds nothing may tell which is which: permutation tests within questions,
which are exact whatever the distributions, of token counts, first tokens and pass rates.

Then what drafts cost: the share of tokens that had to be generated, and beside it the share that
speculative sampling would have had to, by its acceptances min(1, w) along the same traces. And what
pairing gains: the within-question variance of the paired difference of pass rates, against that of
independent samples.

With `--engine vllm` drafts are turned from by rejection, so that no sample is the plain one; then
the tests are all there is, and a first row is of the parent's own traces as drafts for itself, to
see what the server's rounding alone rejects.

It ends with status 1 where a draft sample is not the plain one and no near tie explains it, or
where a test finds a difference at 1 % by Bonferroni.
"""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from math import exp
from pathlib import Path
from random import Random
from statistics import fmean, variance
from typing import Any

from lrmtest.cli import main as lrmtest_command
from lrmtest.grading import grade, grader_for
from lrmtest.models.cards import load_cards
from lrmtest.models.draft import TraceDraft
from lrmtest.models.engines.base import Delivery, Message, Request, Sampling
from lrmtest.models.engines.kinds import create_engine, create_reader
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.fetch.files import fetch
from lrmtest.models.reading import Reading, Written
from lrmtest.models.resolve import resolve
from lrmtest.models.shaping import shaping_of
from lrmtest.models.spec import ModelSpec
from lrmtest.models.trace import Trace
from lrmtest.models.vocabulary import silent_tokens
from lrmtest.questions import DataOptions, Question, render_prompt
from lrmtest.questions.place import Place
from lrmtest.runs.keys import sample_seed
from lrmtest.runs.trace_reading import ReadingModel
from lrmtest.runs.turnings import Followed, find_turnings
from lrmtest.suites.registry import SUITES

PERMUTATIONS = 1_999
OPTIONS = EngineOptions(device="cpu", traces=True, concurrency=32)
NEAR = 1e-3
"""Two draws so near, in nats with their noise, may fall either way by the last bits of a logit."""


@dataclass(frozen=True)
class Sample:
    """One sample: its question's number, its tokens, whether it passed, what was generated."""

    question: int
    request: Request
    trace: Trace
    passed: bool
    generated: int

    @property
    def tokens(self) -> list[int]:
        """Its tokens."""
        return self.trace.tokens.tolist()


def asked(
    questions: Sequence[Question], prompt: str, samples: int, seed: int, sampling: Sampling
) -> list[tuple[int, Request]]:
    """A request for each sample, by its question's number."""
    return [
        (
            number,
            Request(
                Place(f"{question.id} {sample} {seed}", question.suite, question.id, sample),
                (Message("user", render_prompt(prompt, question)),),
                sampling,
                sample_seed(seed, question.suite, question.id, sample),
            ),
        )
        for number, question in enumerate(questions)
        for sample in range(samples)
    ]


def generated(
    spec: ModelSpec,
    questions: Sequence[Question],
    requests: Sequence[tuple[int, Request]],
    device: str = "cpu",
) -> tuple[list[Sample], float]:
    """The samples of some requests, in their order, and the seconds that they took."""
    arrived: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
    engine = create_engine(spec, replace(OPTIONS, device=device))
    engine.start([request for _, request in requests], arrived.put)
    begun = time.monotonic()
    engine.submit([request for _, request in requests])
    found = {}
    for _ in requests:
        delivery = arrived.get()
        if delivery.error is not None:
            sys.exit(f"{spec.name}: {delivery.error}")
        found[delivery.request.key] = delivery
    seconds = time.monotonic() - begun
    engine.close()
    samples = []
    for number, request in requests:
        delivery, question = found[request.key], questions[number]
        completion = delivery.completion
        assert completion is not None
        assert delivery.trace is not None
        verdict = grade(
            question,
            completion,
            spec.reasoning_tags,
            grader_for(question.kind),
            opened=spec.opened_by_prompt,
        )
        samples.append(
            Sample(number, request, delivery.trace, verdict.correct, completion.generated_tokens)
        )
    return samples, seconds


def p_of_difference(
    one: Sequence[Sample],
    other: Sequence[Sample],
    statistic: Callable[[Sequence[Any], Sequence[Any]], float],
    value: Callable[[Sample], Any],
) -> float:
    """P-value of a permutation test within questions: samples change sides at random.

    Args:
        one, other: the two sides.
        statistic: of a question's values on both sides; larger means more different. They are
            added up over questions.
        value: what of a sample is looked at.
    """
    sides: dict[int, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, samples in enumerate((one, other)):
        for sample in samples:
            sides[sample.question][side].append(value(sample))
    random = Random(0)
    seen = sum(statistic(*pair) for pair in sides.values())
    as_much = 1
    for _ in range(PERMUTATIONS):
        total = 0.0
        for first, second in sides.values():
            both = first + second
            random.shuffle(both)
            total += statistic(both[: len(first)], both[len(first) :])
        as_much += total >= seen - 1e-9
    return as_much / (PERMUTATIONS + 1)


def of_means(first: Sequence[float], second: Sequence[float]) -> float:
    """The square of the difference of two means."""
    return (fmean(first) - fmean(second)) ** 2


def of_shares(first: Sequence[Any], second: Sequence[Any]) -> float:
    """How far apart two samples of things without an order are: the sum of squared differences."""
    return sum((first.count(one) - second.count(one)) ** 2 for one in {*first, *second})


def tied(spec: ModelSpec, one: Sample, other: Sample) -> bool:
    """Whether two samples of one seed part where two tokens were nearly as good for the draw."""
    import torch
    from transformers import AutoModelForCausalLM

    from lrmtest.models.engines.transformers.gumbel import gumbel, seed_state, step_keys

    pairs = enumerate(zip(one.tokens, other.tokens, strict=False))
    place = next((i for i, (a, b) in pairs if a != b), None)
    if place is None:
        return False
    model = AutoModelForCausalLM.from_pretrained(spec.location)
    ids = torch.tensor([[*one.trace.prompt, *one.tokens[:place]]])
    with torch.inference_mode():
        logits = model(ids).logits[0, -1].double()
    logprobs = (logits / one.request.sampling.temperature).log_softmax(-1)
    keys = step_keys(torch.tensor([seed_state(one.request.seed)]), torch.tensor([place]))
    scores = logprobs + gumbel(keys, torch.arange(len(logprobs)))[0]
    return bool(all(scores.max() - scores[each.tokens[place]] < NEAR for each in (one, other)))


def kept_by_rejection(spec: ModelSpec, parent: Sequence[Sample]) -> float:
    """How many tokens of each trace speculative sampling takes, on average over the traces."""
    written = [
        Written(one.request.place, one.trace, shaping_of(one.request.sampling)) for one in parent
    ]
    readings: list[Reading] = []
    reader = create_reader(spec, EngineOptions(device="cpu"))
    try:
        reader.start(written)
        reader.read(written, lambda reading, _: readings.append(reading))
    finally:
        reader.close()
    kept = []
    for reading in readings:
        still, places = 1.0, 0.0
        for own, theirs in zip(reading.lowest, reading.written, strict=True):
            still *= min(1.0, exp(own - theirs))
            places += still
        kept.append(places)
    return fmean(kept)


def turned(
    spec: ModelSpec,
    parent_spec: ModelSpec,
    requests: Sequence[tuple[int, Request]],
    parent: Sequence[Sample],
) -> tuple[list[tuple[int, Request]], int]:
    """The requests with what they begin with, found by rejection; how many turn."""
    sampling = shaping_of(requests[0][1].sampling)
    followed = [
        Followed(request, Written(one.request.place, one.trace, sampling))
        for (_, request), one in zip(requests, parent, strict=True)
    ]
    models = [ReadingModel(each, OPTIONS) for each in (spec, parent_spec)]
    silent = silent_tokens(spec.location)
    assert silent is not None
    found = find_turnings(followed, *models, silent, lambda line: print(line, file=sys.stderr))
    drafts = [
        (
            number,
            replace(
                request, draft=TraceDraft(one.trace, sampling, "rejection", found[request.key])
            ),
        )
        for (number, request), one in zip(requests, parent, strict=True)
    ]
    return drafts, sum(one.taken < len(one.tokens) for one in found.values())


def told_apart(drafted: Sequence[Sample], others: Sequence[Sample]) -> list[float]:
    """P-values of token counts, first token, first four and passing."""
    return [
        p_of_difference(drafted, others, of_means, lambda one: len(one.tokens)),
        p_of_difference(drafted, others, of_shares, lambda one: one.tokens[0]),
        p_of_difference(drafted, others, of_shares, lambda one: tuple(one.tokens[:4])),
        p_of_difference(drafted, others, of_means, lambda one: one.passed),
    ]


def by_rejection(
    questions: Sequence[Question], prompt: str, samples: int, sampling: Sampling, sparsities: str
) -> int:
    """Print a row for each sparsity, of vLLM's samples; the exit status."""
    parent_spec = resolve("tiny-lrm", load_cards(), engine="vllm")
    parent_spec = replace(parent_spec, location=str(fetch(parent_spec)))
    first = asked(questions, prompt, samples, 0, sampling)
    second = asked(questions, prompt, samples, 1, sampling)
    parent, _ = generated(parent_spec, questions, first)
    print(
        f"parent passes {100 * fmean(one.passed for one in parent):.1f} %\n"
        "sparsity | pass rate | other seed's | turned from the trace | p: token counts "
        "| first token | first 4 tokens | pass rates | generated, % of tokens "
        "| variance of paired difference, independent | paired",
        flush=True,
    )
    good = True
    for sparsity, spec in pruned(parent_spec, ["", *sparsities.split(",")]):
        requests, turns = turned(spec, parent_spec, first, parent)
        drafted, _ = generated(spec, questions, requests)
        others, _ = generated(spec, questions, second)
        ps = told_apart(drafted, others)
        good = good and min(ps) > 0.01 / (len(ps) * (1 + len(sparsities.split(","))))
        total = sum(len(one.tokens) for one in drafted)
        print(
            f"{sparsity or 'itself'} | {100 * fmean(one.passed for one in drafted):.1f} % "
            f"| {100 * fmean(one.passed for one in others):.1f} % "
            f"| {turns:,} of {len(drafted):,} | {' | '.join(f'{p:.3f}' for p in ps)} "
            f"| {100 * sum(one.generated for one in drafted) / total:.1f} "
            f"| {spread(parent, others):.4f} | {spread(parent, drafted):.4f}",
            flush=True,
        )
    return 0 if good else 1


def pruned(parent: ModelSpec, sparsities: Sequence[str]) -> Iterator[tuple[str, ModelSpec]]:
    """Copies of tiny-lrm, pruned by magnitude, made as they are asked for; "" is the parent.

    Raises:
        SystemExit: one cannot be made.
    """
    with tempfile.TemporaryDirectory() as folder:
        for sparsity in sparsities:
            if not sparsity:
                yield sparsity, parent
                continue
            location = Path(folder) / f"pruned-{sparsity}"
            words = ["compress", "tiny-lrm", "-o", str(location), "--method", "magnitude"]
            with redirect_stdout(sys.stderr):
                status = lrmtest_command([*words, "--sparsity", sparsity])
            if status:
                sys.exit(status)
            yield sparsity, replace(parent, name=location.name, location=str(location))


def spread(parent: Sequence[Sample], candidate: Sequence[Sample]) -> float:
    """Variance within questions of the paired difference in passing, mean over questions."""
    differences: dict[int, list[int]] = defaultdict(list)
    for before, after in zip(parent, candidate, strict=True):
        differences[before.question].append(before.passed - after.passed)
    return fmean(variance(part) for part in differences.values())


def main() -> int:
    """Print a row of each table for each sparsity."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="fresh-hops")
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--samples", type=int, default=100, help="of each question")
    parser.add_argument("--sparsities", default="0.7,0.75,0.8")
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--engine", choices=("transformers", "vllm"), default="transformers")
    parser.add_argument("--device", default="cpu", help="of the transformers engine's samples")
    given = parser.parse_args()
    suite = SUITES[given.suite]
    questions = suite.load(DataOptions(fresh_count=given.questions)).questions
    sampling = Sampling(given.max_tokens, given.temperature, given.top_p)
    if given.engine == "vllm":
        return by_rejection(questions, suite.prompt, given.samples, sampling, given.sparsities)
    parent_spec = resolve("tiny-lrm", load_cards(), engine="transformers")
    parent_spec = replace(parent_spec, location=str(fetch(parent_spec)))
    first = asked(questions, suite.prompt, given.samples, 0, sampling)
    second = asked(questions, suite.prompt, given.samples, 1, sampling)
    parent, _ = generated(parent_spec, questions, first, given.device)
    drafts = [
        (number, replace(request, draft=TraceDraft(one.trace, shaping_of(sampling), "noise")))
        for (number, request), one in zip(first, parent, strict=True)
    ]
    print(
        f"parent passes {100 * fmean(one.passed for one in parent):.1f} %\n"
        "sparsity | pass rate | draft sample = plain sample | near ties | p: token counts "
        "| first token | first 4 tokens | pass rates | generated by drafts, % of tokens "
        "| by speculative sampling, % | seconds plain | drafts "
        "| variance of paired difference, independent | paired | ratio",
        flush=True,
    )
    sparsities = given.sparsities.split(",")
    good = True
    for sparsity, spec in pruned(parent_spec, sparsities):
        plain, plain_seconds = generated(spec, questions, first, given.device)
        others, _ = generated(spec, questions, second, given.device)
        drafted, seconds = generated(spec, questions, drafts, given.device)
        pairs = list(zip(drafted, plain, strict=True))
        unequal = [pair for pair in pairs if pair[0].tokens != pair[1].tokens]
        ties = sum(tied(spec, *pair) for pair in unequal)
        ps = told_apart(drafted, others)
        total = sum(len(one.tokens) for one in drafted)
        made = sum(one.generated for one in drafted) / total
        # Both make samples of the same lengths; they differ in what of them is the trace's.
        kept = kept_by_rejection(spec, parent) * len(parent) / total
        apart, paired = spread(parent, others), spread(parent, drafted)
        good = good and ties == len(unequal) and min(ps) > 0.01 / (len(ps) * len(sparsities))
        print(
            f"{sparsity} | {100 * fmean(one.passed for one in drafted):.1f} % "
            f"| {len(pairs) - len(unequal):,} of {len(pairs):,} | {ties} of {len(unequal)} "
            f"| {' | '.join(f'{p:.3f}' for p in ps)} "
            f"| {100 * made:.1f} | {100 * (1 - kept):.1f} "
            f"| {plain_seconds:.0f} | {seconds:.0f} "
            f"| {apart:.4f} | {paired:.4f} | {apart / paired if paired else float('inf'):.2f}",
            flush=True,
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
