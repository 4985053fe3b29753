"""The certificate of a run: its baseline's verdicts joined with what was read of its traces."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from lrmtest.analysis.certificate import Certificate, TraceKey, certify
from lrmtest.analysis.compare import compared_metrics, without_tokens
from lrmtest.analysis.gate import amount
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.trace_weights import TraceWeight, weigh
from lrmtest.counted import counted
from lrmtest.runs.differences import differences, told_differences
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import Outcomes, QuestionKey, SampleOutcome
from lrmtest.runs.readings import Reading
from lrmtest.runs.records import RunRecord
from lrmtest.runs.same_prompts import PromptsCompared

_OF_PROMPTS = ("chat-template", "tokenizer")
"""What differs around two models and makes other prompts of their questions, or does not."""
_OF_THE_SAME_MODEL = "engine-family"
"""What may differ around the two models and leaves the prompts and verdicts as they are: the
engine is part of what is read."""


def certify_run(
    baseline: RunRecord,
    candidate: Manifest,
    asked: Collection[QuestionKey],
    readings: Iterable[Reading],
    ended: Mapping[TraceKey, bool],
    settings: GateSettings,
    *,
    level: float,
    recipe: str = "",
    prompts: PromptsCompared | None = None,
    hopeless: str = "",
) -> Certificate:
    """What the readings of a baseline's traces certify of a candidate.

    Args:
        baseline: the run whose traces were read, with its verdicts.
        candidate: the manifest of the run that would be made: in what it would be asked as the
            baseline was.
        asked: the questions that it would be asked.
        readings: by the candidate, one at a time; they are not kept. Of two of a trace the first.
        ended: by question and sample, whether the trace has its end token among its tokens.
        settings: the gate's.
        level: the part of 1 - power that this stage may spend.
        recipe: how the candidate was made, as its card has it. One that was calibrated on the
            baseline's traces has seen them, and is certified of nothing by them.
        prompts: the traces' prompts, compared with those that the candidate would be given; None
            where they were not.
    """
    outcomes = without_tokens(baseline.outcomes) if baseline.tokens_estimated else baseline.outcomes
    greedy = baseline.manifest.greedy
    weights: dict[TraceKey, TraceWeight] = {}
    for reading in readings:
        key = reading.place.question, reading.place.sample
        question = outcomes.get(key[0])
        sample = None if question is None else question.samples.get(key[1])
        if sample is None or key in weights:
            continue
        weights[key] = weigh(
            reading, whole=_whole(sample, ended=ended.get(key, False)), greedy=greedy
        )
    metrics, _ = compared_metrics(baseline)
    prompts = prompts or PromptsCompared()
    found = certify(
        outcomes,
        asked,
        weights,
        settings,
        level=level,
        metrics=metrics,
        greedy=greedy,
        unlike=[
            *unlike(baseline, candidate, recipe),
            *prompts_unlike(baseline, candidate, prompts),
            *([hopeless] if hopeless else []),
        ],
        budget=max((suite.max_tokens or 0 for suite in candidate.suites.values()), default=0),
    )
    return replace(found, same_prompts=prompts.same if prompts.all_same else 0)


def out_of_reach(
    baseline: RunRecord,
    asked: Collection[QuestionKey],
    ended: Mapping[TraceKey, bool],
    settings: GateSettings,
    *,
    level: float,
    for_stakes: bool = False,
) -> str:
    """Why it is not worth the while to read a baseline's traces, in words; empty where it is.

    Two things make a certificate impossible before anything is read: that none of the traces that
    ended by themselves tells its end token, so that none of them has a weight; and that there are
    so few that a drop would not be excluded of a model that is just the same either, with a weight
    of 1 for each trace. Where that is so, a gate need not spend anything on reading.

    Neither is a matter of luck: one is a fact of the engine that wrote them, the other follows from
    the numbers of samples alone, since with weights of 1 no verdict plays a part. Who went by the
    verdicts, or by how many traces are lost for what is in them, would choose the gate's level by
    the samples that it bets on, and it would not be its level any more.

    Args:
        baseline, asked, settings, level: as in `certify_run`.
        ended: of the traces that can be read, as there.
        for_stakes: pairs by index are staked by what is read, so that few traces are worth reading.
    """
    outcomes = _outcomes(baseline)
    samples = {
        (key, index): sample
        for key, one in outcomes.items()
        if key in asked
        for index, sample in one.samples.items()
    }
    finished = [key for key in ended if key in samples and not _whole(samples[key], ended=False)]
    if finished and not any(ended[key] for key in finished):
        return (
            f"none of {counted(len(finished), 'trace')} that ended by themselves tells its end "
            "token, so that nothing could be certified of any model: not read"
        )
    if for_stakes:
        return ""
    equal = dict.fromkeys(samples, TraceWeight(1.0, 0.0))
    metrics, _ = compared_metrics(baseline)
    found = certify(outcomes, asked, equal, settings, level=level, metrics=metrics, highest=False)
    if not found.bounds or found.bounds[0].p <= level:
        return ""
    claim = found.bounds[0].claim
    return (
        f"by {counted(len(samples), 'trace')} a drop of {amount(claim, claim.limit)} could not be "
        "excluded of an equal model either: not read"
    )


def _outcomes(baseline: RunRecord) -> Outcomes:
    return without_tokens(baseline.outcomes) if baseline.tokens_estimated else baseline.outcomes


def _whole(sample: SampleOutcome, *, ended: bool) -> bool:
    """Whether a trace has every token that was drawn: its end token, or it was cut off."""
    return ended or (sample.end in ("ran-out", "loop") and not sample.unknown_end)


def unlike(baseline: RunRecord, candidate: Manifest, recipe: str = "") -> list[str]:
    """Why no reading would certify a candidate, in words; the arguments are as in `certify_run`.

    What makes a prompt of a question is left to `prompts_unlike`.
    """
    found = [f"{each} (differs)" for each in differences(baseline.manifest, candidate)]
    found += [
        f"{each.name} differs: {each.values}"
        for each in told_differences(baseline.manifest, candidate)
        if each.name not in (_OF_THE_SAME_MODEL, *_OF_PROMPTS)
    ]
    if baseline.run_id and f"traces:{baseline.run_id}" in recipe:
        found.append("the candidate was calibrated on these very traces")
    return found


def prompts_unlike(baseline: RunRecord, candidate: Manifest, prompts: PromptsCompared) -> list[str]:
    """Why the candidate's prompts are not those of the traces, in words.

    Where they have been compared, that decides, whatever template and tokenizer are. Elsewhere
    these have to be the baseline's, as far as the manifests tell them: of two kinds of files a
    comparison tells no difference, but a candidate that cuts prompts into other tokens is another
    one than it was when it read the baseline's.
    """
    if prompts.different:
        return [prompts.said()]
    if prompts.all_same:
        return []
    found = [
        f"{each.name} differs: {each.values}"
        for each in told_differences(baseline.manifest, candidate)
        if each.name in _OF_PROMPTS
    ]
    old, new = baseline.manifest.chat.tokenizer, candidate.chat.tokenizer
    if old and new and old != new and not any(each.startswith("tokenizer") for each in found):
        found.append(
            f"nothing shows that prompts become the same tokens: the tokenizer is {old!r} in the "
            f"baseline and {new!r} here"
        )
    return found
