"""Whether two runs drew with the same random numbers, so that their samples go in pairs.

A sample's seed follows from the run's, the question and the sample's index, not from the model. So
two models whose runs have one seed, on engines that turn a seed into the same random numbers, draw
sample i of a question with the same luck: where they are nearly the same model, they mostly write
the same. Sample i of the one then depends on sample i of the other, and on no other sample.
"""

from __future__ import annotations

from lrmtest.models.engines.kinds import is_own
from lrmtest.runs.differences import family_of
from lrmtest.runs.manifest import Manifest


def same_draws(baseline: Manifest, candidate: Manifest) -> bool:
    """Whether samples of the same question and index drew with the same random numbers.

    Never guessed: both manifests must tell one seed, engines of one family, and that these heed
    seeds. Recordings, imports and unknown servers do not; nor is there a draw at temperature 0.
    """
    sides = (baseline, candidate)
    families = {family_of(side) for side in sides}
    return (
        baseline.seed is not None
        and baseline.seed == candidate.seed
        and len(families) == 1
        and "" not in families
        and all(_heeds_seeds(side) for side in sides)
        and not (baseline.greedy or candidate.greedy)
    )


def _heeds_seeds(manifest: Manifest) -> bool:
    if manifest.imported:
        return False
    if manifest.engine.seeded is None and not manifest.engine.engine:
        # Not started yet: those that lrmtest can start itself all do, and so do their servers.
        return is_own(family_of(manifest))
    return bool(manifest.engine.seeded)
