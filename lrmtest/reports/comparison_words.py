"""The words for a comparison that are the same wherever it is shown."""

from __future__ import annotations

from lrmtest.analysis.baseline_chance import GivenBaseline
from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.gate import Decision, GateResult
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.intervals import Interval
from lrmtest.analysis.noise import ENGINE_NOISE, NOT_MEASURED
from lrmtest.analysis.summary import ALL_SUITES, RunSummary
from lrmtest.counted import counted
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import percent, points, points_interval, rough_percent
from lrmtest.runs.adapted import run_warnings
from lrmtest.runs.differences import Difference
from lrmtest.runs.manifest import NoiseSection

TOKENS_NOT_COMPARED = "tokens are not compared: one run counted them, the other estimated them"


_TOLD = {
    "request-fields": "request fields",
    "left-out": "fields that a server refused",
    "chat-template": "chat templates",
    "tokenizer": "tokenizers",
    "engine-family": "engine families",
    "reasoning-tags": "reasoning tags",
}


def told(difference: Difference) -> str:
    """A difference around the models, which may explain theirs."""
    return f"{_TOLD.get(difference.name, difference.name)} differ: {difference.values}"


def compared_by_passes(compared: ComparedRuns) -> list[str]:
    """Which suites are not compared by their primary metric, and why."""
    return [
        f"{suite} is compared by what passed: its primary metric is a score that not every sample "
        "of both runs has"
        for suite in compared.by_passes
    ]


def in_words(result: GateResult) -> str:
    """A gate's result as people say it."""
    return result.replace("-", " ")


def could_tell(decision: Decision) -> str:
    """What helps a gate that cannot tell."""
    if not decision.checks:
        return "what helps: a baseline and a candidate that were asked the same questions"
    blocked = [check for check in decision.checks if check.result == "cannot-tell"]
    ways = ["a smaller --mde, or questions of which the baseline passes more"]
    if any(check.obstacle and check.obstacle.samples_needed for check in blocked):
        ways.insert(0, "more samples in both runs")
    alone = [check.claim.suite for check in blocked if check.claim.suite != ALL_SUITES]
    if alone and len(alone) == len(blocked):
        accepted = " ".join(f"--allow-cannot-tell {suite}" for suite in alone)
        ways.append(f"accept it, and decide by the rest: {accepted}")
    return one_line(f"what helps: {'; '.join(ways)}", 300)


def reasoning_warnings(compared: ComparedRuns) -> list[str]:
    """What may be wrong with verdicts on either side: tags not known, requests not as asked."""
    return [
        f"{run.model}: {warning}"
        for run in (compared.baseline, compared.candidate)
        for warning in run_warnings(run.manifest)
    ]


def ends_notes(compared: ComparedRuns) -> list[str]:
    """A line for each of the two runs that has samples of which nothing says how they ended."""
    return [
        unknown_ends_line(side, ends.unknown, ends.samples, ends.rate, ends.known)
        for side, ends in (
            ("baseline", compared.baseline_ends),
            ("candidate", compared.candidate_ends),
        )
        if ends.unknown
    ]


def unknown_ends_line(
    who: str, unknown: int, samples: int, rate: float | None, known: float | None
) -> str:
    """How many samples do not say how they ended, and what hangs on them.

    Args:
        who: the run, in words; empty where it is told beside.
        unknown: how many do not say it.
        samples: of how many.
        rate: the pass rate, in [0, 1].
        known: the same if none of them had ended.
    """
    share = percent(unknown / samples)
    return (
        f"{who}{': ' * bool(who)}{unknown:,} of {counted(samples, 'sample')} ({share}) do not say "
        f"how they ended; pass rate {percent(rate)}, and {percent(known)} if none of them had"
    )


def run_ends(who: str, summary: RunSummary) -> list[str]:
    """A line where a run has samples of which nothing says how they ended."""
    total = summary.total
    if not total.unknown_ends:
        return []
    rates = total.strict.value, total.known.value
    return [unknown_ends_line(who, total.unknown_ends, total.samples, *rates)]


def would_decide(decision: Decision) -> str:
    """What an undecided gate needs; empty when more samples are no help."""
    samples, look = decision.samples_needed, decision.settings.look
    if samples is None:
        return ""
    text = (
        f"about {counted(samples, 'sample')} per question in both runs would decide it, if the "
        "change seen is the true one"
    )
    if look.left:
        text += (
            f": --samples {samples} in both goes on with this test, as look {look.number + 1}, at "
            "the same error rates over all looks"
        )
    return text


def look_said(settings: GateSettings) -> str:
    """What this look at the test could spend; empty for the only look of the only candidate."""
    look, parts = settings.look, []
    if settings.series > 1:
        parts.append(
            f"Series of {settings.series} candidates: {100 * settings.test_alpha:.3g} % of "
            f"{100 * settings.alpha:g} % is this one's."
        )
        which = "Nobody has counted which one it is: its run is in no store."
        if settings.candidate:
            which = f"It is candidate {settings.candidate} of them, as this store counts."
        if settings.candidate == settings.series:
            which += " It is the last: the next one needs a new baseline."
        parts.append(which)
    if look.share < 1 or look.looking:
        looking = f"{100 * look.looking:.3g} % for looking early, " * bool(look.looking)
        parts.append(
            f"Look {look.number}: of its error rates it had {looking}{100 * look.share:.3g} % now; "
            f"{100 * look.left:.3g} % is left for looks with more samples. This look's level is "
            f"{100 * settings.look_alpha:.3g} %; p-values are adjusted."
        )
    return " ".join(parts)


def gate_promise(settings: GateSettings, *, by_index: bool = False) -> str:
    """What the gate promises, over all looks at a run and all candidates of a series.

    Args:
        settings: the gate's.
        by_index: samples of the same index are paired, as both runs drew with the same numbers.
    """
    over = "at most {:g} % of comparisons, all looks together"
    if settings.series > 1:
        over = "at most {:g} % of series of " + f"{settings.series}, once or more"
    return (
        "A model that is worse in nothing by more than its margin is called regressed in "
        f"{over.format(100 * settings.alpha)}; one whose pass rate is worse by "
        f"{100 * (settings.margin + settings.mde):g} points is called ok in at most "
        f"{100 * (1 - settings.power):g} %. These are means over baselines: one baseline, used "
        "again, has its own rate (`lrmtest plan`). Assumed is that a question's samples are "
        "independent of each other"
        + (
            ", but for those of the same number, which both runs drew with the same random numbers "
            "and which are compared with each other"
            if by_index
            else ""
        )
        + ", and that none is lost for how it would have gone."
    )


def given_said(given: GivenBaseline, *, by_index: bool = False) -> str:
    """The false-alarm rate against one very baseline, with what it assumes.

    Args:
        given: the rate.
        by_index: it stands beside a comparison whose samples share their random numbers.
    """
    samples = f"{given.samples:.3g} sample{'' if given.samples == 1 else 's'}"
    return (
        f"Against this very baseline an equal model with {samples} per question "
        f"is called regressed by its pass rate in about {share(given.rate)} of cases, with "
        f"probability 95 % in at most {share(given.high)}: simulated from what the baseline's "
        "samples leave of a Beta prior that is fitted to them."
        + (
            " That is of a model that draws with other random numbers; with the baseline's own its "
            "luck cancels as far as the two are alike."
            if by_index
            else ""
        )
    )


def noise_said(noise: NoiseSection) -> str:
    """What two greedy runs of one model differed in."""
    texts = f"{share(noise.texts or 0.0)} of texts and {share(noise.verdicts or 0.0)} of verdicts"
    said = f"{texts} differed between two runs of {counted(noise.questions or 0, 'question')}"
    if noise.first_difference is not None and noise.length:
        said += f", first after {noise.first_difference / noise.length:.0%} of the text"
    return said


def greedy_said(compared: ComparedRuns) -> list[str]:
    """What chance is between two greedy runs; nothing of others."""
    if not compared.greedy:
        return []
    lines = [
        "temperature 0: a question has one text, and chance is the engine's noise. The interval "
        "of a change is of that noise alone; p-values and the gate take the questions for a draw "
        "from questions like these. More samples are copies; more questions say more"
    ]
    for run, noise in zip((compared.baseline, compared.candidate), compared.noise, strict=True):
        known = f"{run.model}: not measured, lrmtest noise {run.model} --suite SUITE"
        if noise is not None:
            known = f"{run.model}: {noise_said(noise)}"
        lines.append(f"engine's noise of {known}")
    return list(dict.fromkeys(lines))


def change_said(change: float, interval: Interval, *, falling: bool = False) -> str:
    """A change in points with its interval, where that is known.

    Args:
        change: as it is to be shown.
        interval: for the change, or for what it is the opposite of.
        falling: the latter.
    """
    if interval.method == NOT_MEASURED:
        return points(change)
    low, high = interval.low, interval.high
    return points_interval(change, *((-high, -low) if falling else (low, high)))


def interval_said(interval: Interval) -> str:
    """What the interval of a change is for."""
    if interval.method == NOT_MEASURED:
        return "(no interval: the engine's noise was not measured)"
    level = f"{100 * interval.level:g} % interval"
    if interval.method == ENGINE_NOISE:
        return f"[{level} of the engine's noise alone]"
    return f"[{level} on these questions]"


def share(value: float) -> str:
    """A share with the two digits that an estimate is good for: ``4.8 %``."""
    return rough_percent(value)
