"""The plugin's command-line options, and what they say once read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from lrmtest.analysis.triage_kinds import TRIAGE_KINDS, TriageKind
from lrmtest.errors import UsageError
from lrmtest.models.engines.options import EngineOptions
from lrmtest.options.common import (
    AddOption,
    add_data_options,
    add_model_options,
    add_set_option,
    add_threshold_option,
    at_least_1,
    number,
    read_data_options,
    share_above_0,
)
from lrmtest.options.declared import DeclaredOption, declared, read_options
from lrmtest.options.engine import add_engine_options, read_engine_options
from lrmtest.options.gate import (
    ComparisonOptions,
    add_baseline_options,
    add_comparison_options,
    read_comparison_options,
)
from lrmtest.options.property import (
    PropertyOptions,
    add_property_options,
    read_property_options,
)
from lrmtest.options.repeat import repeat_arguments
from lrmtest.questions import DataOptions
from lrmtest.suites.sets import NamedSet, load_sets, set_named


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for.

    Attributes:
        models: as given to ``--model``, in order, without repeats.
        engine: engine to use in place of the cards' own.
        cards: further card files.
        data: where questions come from.
        prompts: prompt files by suite; the key ``""`` is for every suite.
        named_set: the named set that is asked; None for whatever is collected.
        samples: samples per question, but in suites of `set_samples`; of recordings with
            `all_recorded` at least one.
        set_samples, set_budgets: what the named set says of its suites, unless the user did.
        all_recorded: of each question as many samples as its recording has.
        limit: most questions per test function; None for all.
        seed: base seed.
        max_tokens, temperature, top_p: override the card's and the suite's; None keeps them.
        pass_threshold: share of a question's samples that must be correct.
        regenerate: ignore what earlier runs generated.
        reuse_unverified: reuse what an endpoint generated without asking it for its model.
        refuse_other_model: end when an endpoint serves another model than before.
        reports_dir: folder of the store.
        lock_timeout: seconds to wait for a store that another program has locked.
        summary_json: file for the summary's figures.
        html: file for the HTML report.
        markdown: file for the summary as Markdown.
        next_steps: end by saying where the run is, and how to go on.
        engine_options: what engines take.
        engines: how many engines share a model's work.
        comparison: what the run is compared with, and the gate.
        triage: only questions of these kinds in an earlier run; empty for all.
        search: property mode; None for fixed questions.
        repeat_arguments: what was asked for, as arguments that could be given again, but for
            those that only choose or report.
    """

    models: tuple[str, ...]
    engine: str | None
    cards: tuple[Path, ...]
    data: DataOptions
    prompts: dict[str, Path]
    named_set: NamedSet | None
    samples: int
    set_samples: dict[str, int]
    set_budgets: dict[str, int]
    all_recorded: bool
    limit: int | None
    seed: int
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    pass_threshold: float
    regenerate: bool
    reuse_unverified: bool
    refuse_other_model: bool
    reports_dir: Path
    lock_timeout: float
    summary_json: Path | None
    html: Path | None
    markdown: Path | None
    next_steps: bool
    engine_options: EngineOptions
    engines: int
    comparison: ComparisonOptions
    triage: tuple[TriageKind, ...]
    search: PropertyOptions | None
    repeat_arguments: tuple[str, ...]

    def samples_of(self, suite: str) -> int:
        """Samples of each question of a suite."""
        return self.set_samples.get(suite, self.samples)

    def budget_of(self, suite: str) -> int | None:
        """The budget that goes before a suite's own and a card's; None where nobody gave one."""
        return self.max_tokens or self.set_budgets.get(suite)


_NOT_GIVEN_AGAIN = (
    *(
        "--model",
        "--set",
        "--limit",
        "--regenerate",
        "--fresh-run",
        "--reports-dir",
        "--summary-json",
    ),
    *("--reuse-unverified", "--refuse-other-model", "--engine-per-worker", "--lock-timeout"),
    "--request-field",
)
"""Options that only choose or report, or are one model's own. What a set says of a budget is given
as one."""


@cache
def plugin_options() -> tuple[DeclaredOption, ...]:
    """Every option of the plugin."""
    return declared(_ADDED_BY)


_RECORDED = "recorded"
"""In place of a number of samples."""


def _samples(text: str) -> int | str:
    return text if text == _RECORDED else at_least_1(text)


def add_run_options(add: AddOption) -> None:
    """Add the options that say what is asked, of whom, and how."""
    add(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="model under test: a card's name (`lrmtest models`), a folder, a .gguf file, "
        "recorded:PATH or a URL; repeat for several",
    )
    add_set_option(
        add,
        "a named set of questions (`lrmtest suites --sets`); where no path is given, its suites' "
        "tests are run",
    )
    add_model_options(add)
    add_data_options(add)
    add(
        "--prompt-file",
        action="append",
        default=[],
        metavar="[SUITE=]FILE",
        help="prompt template in place of a suite's own",
    )
    add(
        "--samples",
        type=_samples,
        metavar="K",
        help="samples per question (default: 1, or as --set says); `recorded` for as many of each "
        "as a recording has",
    )
    add(
        "--limit",
        type=at_least_1,
        metavar="N",
        help="run at most N questions of each test, after every other selection",
    )
    add("--seed", type=int, default=0, metavar="S", help="base seed of all samples (default: 0)")
    add(
        "--max-tokens",
        type=at_least_1,
        metavar="N",
        help="token budget of one completion, reasoning included (default: the model card's, "
        "else the suite's)",
    )
    add(
        "--temperature",
        type=number(float, "a number of at least 0", lambda t: t >= 0),
        metavar="T",
        help="sampling temperature, 0 is greedy (default: the model card's)",
    )
    add(
        "--top-p",
        type=share_above_0,
        metavar="P",
        help="nucleus mass (default: the model card's)",
    )
    add_threshold_option(add)
    add(
        "--regenerate",
        action="store_true",
        help="generate everything again, whatever earlier runs hold",
    )
    # What it was called before, when one word stood for two things.
    add("--fresh-run", action="store_true", help=argparse.SUPPRESS)
    add(
        "--reuse-unverified",
        action="store_true",
        help="reuse an endpoint's completions without asking it whether it still serves the same "
        "model; it may be gone",
    )
    add(
        "--refuse-other-model",
        action="store_true",
        help="end when an endpoint serves another model than when its completions were generated "
        "(default: generate anew, as another run)",
    )
    add(
        "--reports-dir",
        type=Path,
        metavar="DIR",
        help="folder of the run store (default: reports/ in the root directory)",
    )
    add(
        "--lock-timeout",
        type=number(float, "a number of at least 0", lambda t: t >= 0),
        default=600.0,
        metavar="SECONDS",
        help="longest wait for a store that another program has locked; completions that arrive "
        "meanwhile are kept in memory (default: 600)",
    )
    add("--summary-json", type=Path, metavar="FILE", help="write the summary's figures as JSON")
    add_engine_options(add)
    add(
        "--engine-per-worker",
        action="store_true",
        help="under -n N: N engines, each on its share of the GPUs, instead of one for all",
    )


def add_report_options(add: AddOption) -> None:
    """Add what writes the session's reports."""
    add(
        "--html",
        type=Path,
        metavar="FILE",
        help="write this session's runs as one HTML file: figures, plots, every question and trace",
    )
    add(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="write the summary, comparison and failed questions as Markdown; in GitHub Actions "
        "they are on the job's page in any case",
    )
    add(
        "--no-next-steps",
        action="store_true",
        help="do not end with the two lines that say where the run is and what to do next",
    )


def project_folder(config: pytest.Config) -> Path:
    """The folder that a session is about: pytest's root directory, mostly.

    Where tests are named as modules (``--pyargs``) and no configuration file is found, pytest takes
    the folder behind an option (``--data-dir /srv/data``) for one of tests, and its root directory
    is somewhere above that; what is meant is the folder it was started in.
    """
    if config.option.pyargs and config.inipath is None:
        return config.invocation_params.dir
    return config.rootpath


def read_settings(config: pytest.Config) -> Settings:
    """The settings of this invocation.

    Raises:
        UsageError: a combination that cannot be meant, or a file that is not there.
    """
    option = read_options(config, plugin_options())
    reports_dir = option.reports_dir or project_folder(config) / "reports"
    if reports_dir.is_file():
        raise UsageError(
            f"--reports-dir {reports_dir}: this is a file", hint="name a folder, or a new one"
        )
    search = read_property_options(option)
    asked = None
    if option.set is not None:
        asked = set_named(option.set, load_sets(project_folder(config) / "pyproject.toml"))
    if asked is not None and search is not None:
        raise UsageError(
            f"--property and --set {asked.name} cannot be given together",
            hint="a set has fixed questions, and new ones are searched for: name the suite's path",
        )
    # Verdicts that chance decides are no ground to compare two questions on.
    greedy = search is not None and option.temperature is None
    return Settings(
        models=tuple(dict.fromkeys(option.model)),
        engine=option.engine,
        cards=tuple(option.cards),
        data=read_data_options(option),
        prompts=_prompt_files(option.prompt_file),
        named_set=asked,
        samples=option.samples if isinstance(option.samples, int) else 1,
        set_samples={
            part.suite: part.samples
            for part in (asked.parts if asked is not None and option.samples is None else ())
            if part.samples is not None
        },
        set_budgets={
            part.suite: part.max_tokens
            for part in (asked.parts if asked is not None and option.max_tokens is None else ())
            if part.max_tokens is not None
        },
        all_recorded=option.samples == _RECORDED,
        limit=option.limit,
        seed=option.seed,
        max_tokens=option.max_tokens,
        temperature=0.0 if greedy else option.temperature,
        top_p=option.top_p,
        pass_threshold=option.pass_threshold,
        regenerate=option.regenerate or option.fresh_run,
        reuse_unverified=option.reuse_unverified,
        refuse_other_model=option.refuse_other_model,
        reports_dir=reports_dir,
        lock_timeout=option.lock_timeout,
        summary_json=option.summary_json,
        html=option.html,
        markdown=option.markdown,
        next_steps=not option.no_next_steps,
        engine_options=read_engine_options(option),
        engines=max(1, len(config.getoption("tx", []))) if option.engine_per_worker else 1,
        comparison=read_comparison_options(option),
        triage=tuple(dict.fromkeys(option.triage)),
        search=search,
        repeat_arguments=repeat_arguments(option, add_run_options, but=_NOT_GIVEN_AGAIN),
    )


def _prompt_files(options: list[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for text in options:
        suite, equals, name = text.partition("=")
        if not equals:
            suite, name = "", text
        path = Path(name)
        if not path.is_file():
            raise UsageError(
                f"--prompt-file {text}: there is no file {name}",
                hint="give a file, or SUITE=FILE for one suite only",
            )
        if suite in files:
            raise UsageError(
                f"--prompt-file is given twice for {suite or 'every suite'}",
                hint="keep one, or name a suite: --prompt-file folio=FILE",
            )
        files[suite] = path
    return files


def add_triage_option(add: AddOption) -> None:
    """Add the option."""
    add(
        "--triage",
        action="append",
        default=[],
        choices=TRIAGE_KINDS,
        metavar="KIND",
        help="only questions that were of this kind in the model's newest run, compared with "
        "--baseline or else the newest other run; repeat it. One of: " + ", ".join(TRIAGE_KINDS),
    )


_ADDED_BY: tuple[Callable[[AddOption], None], ...] = (
    add_run_options,
    add_baseline_options,
    add_comparison_options,
    add_triage_option,
    add_property_options,
    add_report_options,
)
