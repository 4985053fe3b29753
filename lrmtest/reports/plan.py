"""The costs of a gate, shown before it is run."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.baseline_chance import TOLERATED
from lrmtest.analysis.draft_plan import DraftPlan
from lrmtest.analysis.plan import SERIES, Cost, SamplePlan
from lrmtest.analysis.reading_plan import ReadingPlan
from lrmtest.analysis.table_plan import TableCost, worth_paying
from lrmtest.counted import counted
from lrmtest.reports.comparison_words import given_said, share
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import UNKNOWN, count, duration
from lrmtest.reports.tables import open_table


def plan_view(
    plan: SamplePlan,
    name: str,
    suite: str,
    *,
    greedy: bool = False,
    reading: ReadingPlan | None = None,
    drafts: DraftPlan | None = None,
    tables: Sequence[TableCost] = (),
) -> RenderableType:
    """A plan as a rich renderable.

    Args:
        plan: samples and costs.
        name: the baseline's.
        suite: the suite's, or what stands for all of them.
        greedy: the baseline is of temperature 0.
        reading: whether reading would do; None where nothing is known of it.
        drafts: what drafts would save; None likewise.
        tables: what baselines of other sizes cost.
    """
    settings = plan.settings
    drop = 100 * (settings.margin + settings.mde)
    heading = Text(
        f"{one_line(suite, 60)}, {counted(plan.questions, 'question')}, baseline "
        f"{one_line(name, 80)}: to find a drop of {drop:g} points with probability "
        f"{100 * settings.power:g} %, and to raise a false alarm in at most "
        f"{100 * settings.alpha:g} % of comparisons"
    )
    copies = [Text(_copies(plan), style="yellow")] if greedy and plan.samples > 1 else []
    read = [Text(reading_words(reading))] if reading is not None else []
    if drafts is not None:
        read.append(Text(draft_words(drafts, plan)))
    sizes: list[RenderableType] = []
    if tables:
        sizes = [_sizes(plan, tables), "", _worth(tables), ""]
    return Group(heading, "", _table(plan), "", *sizes, *read, *copies, *_notes(plan))


def reading_words(plan: ReadingPlan) -> str:
    """Whether reading the baseline's traces would be enough, and with how many of them."""

    def with_samples(samples: int | None) -> str:
        if samples is None:
            return "with no number of them"
        return f"with {counted(samples, 'sample')} of each question in the baseline"

    what = f"Reading (--read), at a total variation of {plan.variation:.3g} per trace"
    if plan.at_worst == plan.spread:
        enough = plan.spread is not None
        said = f"is enough for an ok {with_samples(plan.spread)}" if enough else "is not enough"
        return f"{what}, {said}. The baseline has {plan.samples:.3g}."
    return (
        f"{what}, is enough for an ok, nothing generated, {with_samples(plan.spread)} if that is "
        f"spread over one token in twenty, and {with_samples(plan.at_worst)} if it all is in "
        f"traces that the candidate would never write. The baseline has {plan.samples:.3g}."
    )


def draft_words(drafts: DraftPlan, plan: SamplePlan) -> str:
    """What of a candidate's samples need not be generated, and what it is worth to pair them."""
    low, high = drafts.generated.low, drafts.generated.high
    about = "about " if drafts.estimated else ""
    what = f"Drafts (--drafts), at a total variation of {drafts.variation:.3g} per trace"
    if not drafts.read:
        if high >= 1:
            return f"{what}: nothing follows from that alone of how much they save."
        said = f"at most {_share(high)} of its tokens are generated"
    elif _share(low) == _share(high):
        said = f"{about}{_share(low)} of its tokens are generated"
    else:
        said = f"{about}{_share(low)} to {_share(high)} of its tokens are generated"
    said += ", if the candidate writes as many as the baseline"
    if plan.paired_samples is None or plan.paired is None:
        return f"{what}: {said}."
    enough = (
        f"Samples with the baseline's --seed are paired with its own, of which at most "
        f"{_share(drafts.left.high)} can differ: {counted(plan.paired_samples, 'sample')} each "
        "for the fixed gate"
    )
    if plan.paired.tokens is not None:
        enough += (
            f", {count(plan.paired.tokens)} tokens, of which "
            f"{'at most ' * (not drafts.read)}{about}{count(plan.paired.tokens * high)} are "
            "generated"
        )
    return f"{what}: {said}. {enough}."


def _share(part: float) -> str:
    """A share whose first digits matter however small it is: ``0.0146 %``."""
    return f"{100 * part:.3g} %"


def _sizes(plan: SamplePlan, tables: Sequence[TableCost]) -> Table:
    """Baselines of several sizes, and what each candidate takes with `--early-stop` then."""
    unit = "completions" if plan.fixed.tokens is None else "tokens"
    table = open_table()
    table.add_column("baseline with", no_wrap=True)
    for header in (f"its {unit}", "candidate: equal", "worse"):
        table.add_column(header, justify="right", no_wrap=True)
    for cost in tables:
        table.add_row(
            f"{cost.samples} samples each{'' if cost.known else ', paired'}",
            *(count(figure) for figure in (cost.baseline, cost.same, cost.worse)),
        )
    return table


def _worth(tables: Sequence[TableCost]) -> Text:
    best = worth_paying(tables)
    note = (
        "Means of few simulated runs of the sequential gate, on the primary metric, decided or "
        "not. A baseline is paid for once, each candidate anew. They are of candidates that draw "
        "with random numbers of their own, by a different --seed or engine; where these are the "
        "baseline's, samples are paired by their number, which takes fewer of a model that is "
        "like it and more of one that is not."
    )
    if best is not None:
        note += (
            f" Worth paying for: about {counted(best.samples, 'sample')} of each question; twice "
            "as many save an equal candidate little."
        )
    return Text(note, style="dim")


def _copies(plan: SamplePlan) -> str:
    """What more samples are worth where nothing is drawn."""
    return (
        "The baseline is of temperature 0, where the samples of a question are copies of one "
        f"another, but for the engine's noise: --samples {plan.samples} there costs "
        f"{plan.samples} times the tokens of one sample and says nothing more. What tells more: "
        "more questions, or both runs at a temperature above 0."
    )


def _table(plan: SamplePlan) -> Table:
    table = open_table()
    table.add_column("")
    for header in ("samples each", "completions", "tokens", "time"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_row("fixed", f"{plan.samples:,}", *_cells(plan.fixed))
    sequential = f"at most {plan.sequential_samples:,}"
    table.add_row("sequential, equal model", sequential, *_cells(plan.sequential_same))
    table.add_row("sequential, worse model", sequential, *_cells(plan.sequential_worse))
    return table


def _cells(cost: Cost) -> tuple[str, str, str]:
    time = UNKNOWN if cost.seconds is None else duration(cost.seconds)
    return count(cost.completions), count(cost.tokens), time


def _notes(plan: SamplePlan) -> list[Text]:
    notes = [
        "Samples of each question, in both runs; completions, tokens and time are the candidate's, "
        "of the sequential gate the mean (worse: by the drop above)."
    ]
    if plan.obstacles:
        notes += [
            f"With the baseline as it is, a gate {one_line(why, 400)}." for why in plan.obstacles
        ]
    elif plan.candidate_samples is not None:
        notes.append(
            f"With the baseline as it is, {counted(plan.candidate_samples, 'sample')} per question "
            "of the candidate will do for the fixed gate."
        )
    else:
        notes.append(
            "The baseline has too few samples for this, whatever the candidate has: run it again "
            f"with --samples {plan.samples}."
        )
    notes += [_look_note(plan), *_baseline_notes(plan)]
    if plan.fixed.tokens is not None and plan.fixed.seconds is None:
        notes.append("Times need a rate: --tokens-per-second, as a run's summary tells it.")
    return [Text(note, style="dim") for note in notes]


def _look_note(plan: SamplePlan) -> str:
    look = plan.settings.look
    if not look.left:
        return "This is for the only look: an undecided gate cannot go on with more samples."
    return (
        f"This is for the first look, which spends {100 * look.share:g} % of the error rates; when "
        "it is undecided, more samples go on with the same test and have the rest. A gate that "
        "will not be repeated needs a little less: --one-look."
    )


def _baseline_notes(plan: SamplePlan) -> list[str]:
    """What comes of a baseline's being one draw that is used again."""
    own, alpha = plan.own_chance, plan.settings.look_alpha
    note = (
        f"Rates of false alarms are means over baselines, and a baseline is one draw, used again "
        f"and again. With {counted(plan.samples, 'sample')} in both runs one baseline in twenty "
        f"has {share(own.unlucky)} or more, where {share(alpha)} is meant; {share(own.often)} of "
        f"baselines have more than {share(TOLERATED * alpha)}, and {SERIES} equal candidates "
        f"raise one alarm or more in {share(own.series)} of cases. --series "
        f"{SERIES} keeps that at {share(plan.settings.alpha)} for all looks."
    )
    if own.baseline_samples is not None and own.candidate_samples is not None:
        note += (
            f" A baseline with {counted(own.baseline_samples, 'sample')} per question has little "
            f"luck of its own: then one in twenty has more than {share(TOLERATED * alpha)}, and "
            f"{counted(own.candidate_samples, 'sample')} of a candidate will do."
        )
    notes = [note]
    if plan.given is not None:
        notes.append(given_said(plan.given))
    return notes
