"""The suites that come with lrmtest, by name."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib.resources import files

from lrmtest.errors import UsageError
from lrmtest.questions.aime import load_aime
from lrmtest.questions.folio import load_folio, load_folio_v0, load_folio_v2
from lrmtest.questions.fresh import FAMILIES, load_fresh
from lrmtest.questions.fresh.gym import GYM_SUITES
from lrmtest.questions.musique import (
    CONTEXTS,
    load_in_context,
    load_musique,
    load_musique_dev,
)
from lrmtest.questions.suite import DataOptions, QuestionSet, Suite
from lrmtest.questions.temporal import load_temporal


def _prompt(name: str) -> str:
    return files("lrmtest.questions").joinpath("prompts", f"{name}.txt").read_text("utf-8").strip()


def _musique(name: str, load: Callable[[DataOptions], QuestionSet]) -> list[Suite]:
    """The suites of one set of questions: closed-book, then every other context."""
    suites = [Suite(name, load, _prompt("musique"), max_tokens=8192)]
    for context in CONTEXTS:
        # With gold paragraphs the prompt is that of all: only the paragraphs may differ.
        prompt = _prompt("musique-open" if context == "gold" else f"musique-{context}")
        own = f"{name}-{context}"
        suites.append(Suite(own, load_in_context(load, own, context), prompt, max_tokens=8192))
    return suites


def _fresh(family: str, prompt: str) -> Suite:
    """A generated suite."""
    load, text = load_fresh(family), _prompt(prompt)
    return Suite(f"fresh-{family}", load, text, max_tokens=16384, family=FAMILIES[family])


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        # The paper's limit of new tokens, and DeepSeek's for R1. Hard problems need it.
        Suite("aime", load_aime, _prompt("aime"), max_tokens=32768),
        # Far above what answers take that do end; what reaches these budgets is looping.
        Suite("folio", load_folio, _prompt("folio"), max_tokens=16384),
        Suite("folio-v0.0", load_folio_v0, _prompt("folio"), max_tokens=16384),
        Suite("folio-v2", load_folio_v2, _prompt("folio"), max_tokens=16384),
        Suite("temporal", load_temporal, _prompt("temporal"), max_tokens=16384),
        # The prompts of the benchmarks that they resemble, where there is one.
        _fresh("temporal", "temporal"),
        _fresh("arithmetic", "fresh-arithmetic"),
        _fresh("logic", "folio"),
        _fresh("hops", "fresh-hops"),
        # A fact is known or read, or it is not: little to think about.
        *_musique("musique", load_musique),
        *_musique("musique-dev", load_musique_dev),
    )
} | GYM_SUITES
"""By name, in the order in which they are listed."""

ALIASES = {"aime-2024": "aime", "musique-100": "musique"}
"""Other names of suites. The suite keeps its own name in reports and baselines."""


def suite_named(name: str) -> Suite:
    """The suite called `name`, or of which `name` is an alias.

    Raises:
        UsageError: there is none; the hint has the names that come close.
    """
    suite = SUITES.get(ALIASES.get(name, name))
    if suite is None:
        known = [*SUITES, *ALIASES]
        close = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
        raise UsageError(f"there is no suite {name!r}", hint=hint)
    return suite
