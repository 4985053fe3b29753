"""The suites that come with lrmtest, by name."""

from __future__ import annotations

from difflib import get_close_matches

from lrmtest.errors import UsageError
from lrmtest.suites.aime import AIME
from lrmtest.suites.folio import FOLIO, FOLIO_BY_RELEASE
from lrmtest.suites.fresh import FRESH_SUITES
from lrmtest.suites.gsm8k import GSM8K
from lrmtest.suites.gym import GYM_SUITES
from lrmtest.suites.math_500 import MATH_500_SUITE
from lrmtest.suites.musique import MUSIQUE_SUITES
from lrmtest.suites.suite import Suite
from lrmtest.suites.temporal import TEMPORAL

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        AIME,
        FOLIO,
        *FOLIO_BY_RELEASE,
        TEMPORAL,
        MATH_500_SUITE,
        GSM8K,
        *FRESH_SUITES,
        *MUSIQUE_SUITES,
        *GYM_SUITES,
    )
}
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
