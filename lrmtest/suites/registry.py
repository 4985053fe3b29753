"""The suites by name: those that come with lrmtest, and those of other packages.

A package offers a `Suite` through the entry-point group ``lrmtest.suites``, by the suite's name.
"""

from __future__ import annotations

from difflib import get_close_matches

from lrmtest.entry_points import load_offer, offers_of
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

SUITE_GROUP = "lrmtest.suites"

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
"""By name, in the order in which they are listed. Without those of other packages."""

ALIASES = {"aime-2024": "aime", "musique-100": "musique"}
"""Other names of suites. The suite keeps its own name in reports and baselines."""


def known_suite(name: str) -> Suite | None:
    """The suite called `name`, lrmtest's own or another package's; None when there is none.

    Raises:
        UsageError: another package offers it, and it cannot be used.
    """
    own = SUITES.get(name)
    return own if own is not None else offered_suite(name)


def offered_suite(name: str) -> Suite | None:
    """The suite that another package offers by a name; None when there is none.

    Raises:
        UsageError: it cannot be used, or is offered more than once.
    """
    offers = offers_of(SUITE_GROUP).get(name)
    return load_offer(offers, Suite, "suite", is_ours=name in SUITES) if offers else None


def suite_named(name: str) -> Suite:
    """The suite called `name`, or of which `name` is an alias.

    Raises:
        UsageError: there is none, and the hint has the names that come close; or another
            package offers it, and it cannot be used.
    """
    suite = known_suite(ALIASES.get(name, name))
    if suite is None:
        known = [*SUITES, *ALIASES, *offers_of(SUITE_GROUP)]
        close = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
        raise UsageError(f"there is no suite {name!r}", hint=hint)
    return suite
