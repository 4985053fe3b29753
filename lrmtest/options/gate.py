"""The options of comparisons and gates: the same for pytest and for `lrmtest compare`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lrmtest.analysis.gate_settings import MAX_UNKNOWN_ENDS, GateSettings
from lrmtest.errors import UsageError
from lrmtest.options.common import AddOption, at_least_1, number
from lrmtest.runs.differences import ALLOW_ALL, COMPARED_SETTINGS
from lrmtest.runs.looks import LookOptions

Undecided = Literal["pass", "fail"]

_OFF = "off"
BASELINE_DRAFTS = "baseline"
"""What --drafts is given for the traces of what --baseline names."""


@dataclass(frozen=True, slots=True)
class ComparisonOptions:
    """What the user wants compared.

    Attributes:
        baseline: a run or a baseline's file; None for no comparison.
        save_baseline: file for this session's run as a baseline.
        save_traces: file for the run's traces.
        allowed: names of settings that may differ.
        gate: the gate's settings; None for no gate.
        undecided: what an undecided gate does to the exit status.
        early_stop: stop generating once the gate has decided.
        read: read the baseline's traces with the model before anything is generated.
        read_traces: where these are: a run, or a file of traces; None for beside the baseline.
        drafts: what samples begin with: a run, a file of traces, or `BASELINE_DRAFTS`; None for
            nothing.
        drafts_parent: the model that wrote them; None for the one that they name.
        look: what is said of the look that the gate takes.
        given_baseline: tell the gate's false-alarm rate given this very baseline.
    """

    baseline: str | None = None
    save_baseline: Path | None = None
    save_traces: Path | None = None
    allowed: tuple[str, ...] = ()
    gate: GateSettings | None = None
    undecided: Undecided = "fail"
    early_stop: bool = False
    read: bool = False
    read_traces: str | None = None
    drafts: str | None = None
    drafts_parent: str | None = None
    look: LookOptions = field(default_factory=LookOptions)
    given_baseline: bool = False


def add_baseline_options(add: AddOption) -> None:
    """Add the options that only a session of pytest has."""
    add(
        "--baseline",
        metavar="RUN|FILE",
        help="compare with this run (an id, `last`, `last:MODEL`) or baseline file",
    )
    add(
        "--save-baseline",
        type=Path,
        metavar="FILE",
        help="write this session's run as a baseline file, to be committed",
    )
    add(
        "--save-traces",
        type=Path,
        metavar="FILE",
        help="write this session's completions token by token, for models that are to read them "
        "(with --traces, which it implies); a baseline that is saved with it holds its hash",
    )
    add(
        "--early-stop",
        action="store_true",
        help="with --gate: stop generating once it has decided, at the same error rates",
    )
    add_read_options(add)
    add(
        "--drafts",
        metavar="RUN|FILE",
        help="begin each sample with the trace of the same sample there, read and not generated "
        "up to where the model turns from it: exact draws of the model (on transformers the very "
        "ones that there would be without it); `baseline` for the traces of --baseline",
    )
    add(
        "--drafts-parent",
        metavar="MODEL",
        help="the model that wrote the traces of --drafts, which vLLM needs where the name that "
        "they give is not known here",
    )


def add_read_options(add: AddOption) -> None:
    """Add what lets a gate read before it generates."""
    add(
        "--read",
        action="store_true",
        help="with --gate: read the baseline's traces with the model first, and say ok without "
        "generating anything where that suffices, at the same error rates",
    )
    add(
        "--read-traces",
        metavar="RUN|FILE",
        help="with --read: the baseline's traces (default: the run's own, or beside its file)",
    )


def add_comparison_options(add: AddOption) -> None:
    """Add the options of a comparison and its gate, for `read_gate`."""
    add(
        "--gate",
        action="store_true",
        help="decide whether the model is worse than its baseline; the exit status says so",
    )
    add_gate_options(add)


def add_gate_options(add: AddOption) -> None:
    """Add the options of a gate, and of the comparison that it rests on."""
    add_difference_options(add)
    add(
        "--undecided",
        choices=("fail", "pass"),
        default="fail",
        help="exit status of an undecided gate: 10 (default), or 0; of one that cannot tell it is "
        "12",
    )
    add_margin_options(add)
    add_look_options(add)
    add(
        "--given-baseline",
        action="store_true",
        help="tell how often an equal model is called regressed against this very baseline",
    )


def add_look_options(add: AddOption) -> None:
    """Add what is said of a gate's looks at a run, for `read_look`."""
    add(
        "--look",
        type=at_least_1,
        default=1,
        metavar="N",
        help="this is the Nth look at the candidate, samples having been added since; only where "
        "the store, which remembers, was not kept (default: what it remembers)",
    )
    add_one_look_option(add)


def add_one_look_option(add: AddOption) -> None:
    """Add ``--one-look``."""
    add(
        "--one-look",
        action="store_true",
        help="spend all of the gate's error rates now: it cannot go on with more samples",
    )


def read_look(option: argparse.Namespace) -> LookOptions:
    """What is said of the look.

    Raises:
        UsageError: it is to be the only one and a later one.
    """
    if option.one_look and option.look > 1:
        raise UsageError(
            f"--one-look and --look {option.look}",
            hint="the only look has no others before it: leave one of them out",
        )
    return LookOptions(option.look, option.one_look)


def add_difference_options(add: AddOption) -> None:
    """Add what may differ between two runs that are compared."""
    add(
        "--allow-different",
        action="append",
        default=[],
        choices=(*COMPARED_SETTINGS, ALLOW_ALL),
        metavar="NAME",
        help="compare although this setting differs; repeat it, or `all`. One of: "
        + ", ".join(COMPARED_SETTINGS),
    )
    add(
        "--allow-missing",
        action="store_true",
        help="let the gate decide although questions are missing on one side",
    )
    add_unknown_ends_option(add)


def add_unknown_ends_option(add: AddOption) -> None:
    """Add ``--max-unknown-ends``."""
    add(
        "--max-unknown-ends",
        type=number(float, "a share from 0 to 1", lambda x: 0 <= x <= 1),
        default=MAX_UNKNOWN_ENDS,
        metavar="SHARE",
        help="let the gate decide while at most this share of either run's samples does not say "
        "how it ended; 1 for any (default: %(default)s)",
    )


def add_margin_options(add: AddOption) -> None:
    """Add what a gate tolerates, what it must find, and how often it may be wrong."""
    default = GateSettings()
    share = number(float, "a share from 0 to 1: 0.05 is 5 points", lambda x: 0 <= x < 1)
    add(
        "--allow-cannot-tell",
        action="append",
        default=[],
        metavar="SUITE",
        help="decide although in this suite a drop by margin + mde could not be seen; repeat it",
    )
    add(
        "--margin",
        type=share,
        default=default.margin,
        metavar="SHARE",
        help=f"tolerated drop of the pass rate; 0.05 is 5 points (default: {default.margin:g})",
    )
    add(
        "--mde",
        type=share,
        default=default.mde,
        metavar="SHARE",
        help="smallest drop beyond the margin that must be found (default: %(default)s)",
    )
    add(
        "--alpha",
        type=share,
        default=default.alpha,
        metavar="SHARE",
        help="how often an equal model may be called regressed (default: %(default)s)",
    )
    add(
        "--power",
        type=share,
        default=default.power,
        metavar="SHARE",
        help="how surely a model worse by margin + mde is not called ok (default: %(default)s)",
    )
    add(
        "--series",
        type=at_least_1,
        default=default.series,
        metavar="N",
        help="candidates to be judged against this baseline: --alpha then holds for all of them "
        "together (default: %(default)s)",
    )
    add(
        "--rate-margin",
        type=_share_or_off,
        default=default.rate_margin,
        metavar="SHARE|off",
        help="tolerated rise of the share of truncated and of looped samples "
        "(default: %(default)s)",
    )
    add(
        "--token-margin",
        type=_share_or_off,
        default=default.token_margin,
        metavar="SHARE|off",
        help="tolerated rise of the tokens per completion; 0.1 is 10 %% more "
        "(default: %(default)s)",
    )
    add(
        "--token-mde",
        type=number(float, "a number above 0", lambda x: x > 0),
        default=default.token_mde,
        metavar="SHARE",
        help="smallest rise of tokens beyond their margin that must be found "
        "(default: %(default)s)",
    )


def read_gate(option: argparse.Namespace, *, allow_missing: bool = False) -> GateSettings:
    """The gate's settings.

    Raises:
        UsageError: a combination that cannot be meant.
    """
    return GateSettings(
        margin=option.margin,
        mde=option.mde,
        alpha=option.alpha,
        power=option.power,
        rate_margin=_margin(option.rate_margin),
        token_margin=_margin(option.token_margin),
        token_mde=option.token_mde,
        allow_missing=allow_missing,
        # Where nothing is compared yet, as in planning, there is no such option.
        max_unknown_ends=getattr(option, "max_unknown_ends", MAX_UNKNOWN_ENDS),
        allow_cannot_tell=tuple(option.allow_cannot_tell),
        series=option.series,
    )


def read_comparison_options(option: argparse.Namespace) -> ComparisonOptions:
    """What a session of pytest compares.

    Raises:
        UsageError: a combination that cannot be meant.
    """
    needs = (
        *(("gate", "baseline"), ("early_stop", "gate"), ("given_baseline", "gate")),
        *(("read", "gate"), ("read_traces", "read")),
    )
    for name, needed in needs:
        if getattr(option, name) and not getattr(option, needed):
            raise UsageError(
                f"--{name.replace('_', '-')} needs --{needed}",
                hint="compare with a run or a baseline file: --baseline last:MODEL --gate",
            )
    if option.drafts_parent and not option.drafts:
        raise UsageError(
            "--drafts-parent without --drafts",
            hint="name the traces that it wrote: --drafts RUN|FILE",
        )
    if option.drafts == BASELINE_DRAFTS and not option.baseline:
        raise UsageError(
            f"--drafts {BASELINE_DRAFTS} needs --baseline",
            hint="name what has the traces: --baseline RUN|FILE, or --drafts RUN|FILE",
        )
    if option.given_baseline and option.early_stop:
        raise UsageError(
            "--given-baseline with --early-stop",
            hint="the rate is the fixed gate's: leave one of them out",
        )
    return ComparisonOptions(
        baseline=option.baseline,
        save_baseline=option.save_baseline,
        save_traces=option.save_traces,
        allowed=tuple(option.allow_different),
        gate=read_gate(option, allow_missing=option.allow_missing) if option.gate else None,
        undecided=option.undecided,
        early_stop=option.early_stop,
        read=option.read,
        read_traces=option.read_traces,
        drafts=option.drafts,
        drafts_parent=option.drafts_parent,
        look=read_look(option),
        given_baseline=option.given_baseline,
    )


def _share_or_off(text: str) -> float | str:
    """A margin as it is written; `_margin` has its meaning."""
    if text == _OFF:
        return text
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a share of at least 0 nor {_OFF!r}")
    return share


def _margin(given: float | str | None) -> float | None:
    return None if given is None or isinstance(given, str) else given
