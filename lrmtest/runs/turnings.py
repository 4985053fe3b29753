"""Turning places of drafts by rejection: found before anything is generated, one model at a time.

The candidate reads the traces, and tells its whole distribution at each place where it turns; then
the model that wrote them, started in its stead, tells its own there; what is left of the two gives
the token that the sample turns with. So a GPU that holds one of them is enough.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import BinaryIO

from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.models.draft import DraftTurn
from lrmtest.models.engines.base import Request
from lrmtest.models.engines.kinds import create_draft_reader
from lrmtest.models.engines.trace_reader import TellsDistributions
from lrmtest.models.reading import Reading, Shaping, Written
from lrmtest.models.rejection import Distribution, Walk, drawn, residual, uniform
from lrmtest.progress import Tell
from lrmtest.runs.trace_reading import ReadingModel

_OFF = 0.5
"""Nats by which a model that tells a token's log-probability again may be off at most places."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A sample and the trace that it is to follow."""

    request: Request
    written: Written


@dataclass(slots=True)
class _Way:
    """A sample on its way, and what was found of it."""

    followed: Followed
    walk: Walk
    own: int | None = None  # where its distribution at the turning place is kept


def find_turnings(
    followed: Sequence[Followed],
    candidate: ReadingModel,
    parent: ReadingModel,
    silent: frozenset[int],
    tell: Tell,
) -> Mapping[str, DraftTurn]:
    """What each sample begins with, by its key; nothing of those asked with another prompt.

    Args:
        followed: the samples; at least one.
        candidate: the model that they are of, its files on disk.
        parent: the model that wrote the traces.
        silent: ids of tokens that stand for no text.
        tell: prints one line that must be seen.

    Raises:
        UsageError: a trace does not fit a model's context, or `parent` is not what wrote them.
        ModelError: a model cannot be started, or does not tell what it is asked.
    """
    found: dict[str, DraftTurn] = {}
    with tempfile.TemporaryFile() as file:
        kept = _Kept(file)
        ways = _walked(followed, candidate, kept)
        turned = [way for way in ways if way.own is not None]
        for way in ways:
            if way.own is None:
                found[way.followed.request.key] = way.walk.turning(silent)
        if turned:
            tell(
                f"{candidate.spec.name}: turns from {len(turned):,} of "
                f"{counted(len(ways), 'trace')}; {parent.spec.name} is asked for its "
                "distributions there"
            )
            found |= _turned(turned, parent, silent, kept, tell)
    return found


def _walked(followed: Sequence[Followed], candidate: ReadingModel, kept: _Kept) -> list[_Way]:
    """The ways of all samples up to their turning places."""
    reader = create_draft_reader(candidate.spec, candidate.options)
    try:
        reader.start([one.written for one in followed])
        conversations = list(dict.fromkeys(one.request.messages for one in followed))
        prompts = dict(zip(conversations, reader.prompts(conversations), strict=True))
        same = [
            one for one in followed if prompts[one.request.messages] == one.written.trace.prompt
        ]
        readings: dict[str, Reading] = {}
        reader.read(
            list({one.written.place.key: one.written for one in same}.values()),
            lambda reading, _: readings.update({reading.place.key: reading}),
        )
        ways = [_Way(one, _walk(one, readings[one.written.place.key])) for one in same]
        left = [way for way in ways if way.walk.asks]
        while left:

            def told(way: _Way, own: Distribution) -> None:
                if way.walk.told(own):
                    way.own = kept.keep(own)

            _ask(reader, left, told)
            left = [way for way in left if way.walk.asks]
        return ways
    finally:
        reader.close()


def _walk(one: Followed, reading: Reading) -> Walk:
    request = one.request
    return Walk(
        one.written.trace,
        one.written.shaping,
        reading.lowest,
        reading.highest,
        reading.own,
        request.seed,
        request.sampling.max_tokens,
    )


def _turned(
    turned: Sequence[_Way],
    parent: ReadingModel,
    silent: frozenset[int],
    kept: _Kept,
    tell: Tell,
) -> dict[str, DraftTurn]:
    """The turnings of samples that turn, each with a token of what is left of two distributions."""
    found: dict[str, DraftTurn] = {}
    off: list[float] = []

    def told(way: _Way, theirs: Distribution) -> None:
        walk, request = way.walk, way.followed.request
        assert way.own is not None
        own = kept.kept(way.own)
        off.append(abs(theirs.logprob(walk.token) - walk.written))
        number = uniform(request.seed, walk.place, "draw")
        token = drawn(own.tokens, residual(own, theirs), number)
        found[request.key] = walk.turning(silent, token, own.logprob(token))

    reader = create_draft_reader(parent.spec, parent.options)
    try:
        reader.start([way.followed.written for way in turned])
        _ask(reader, turned, told)
    finally:
        reader.close()
    if median(off) > _OFF:
        raise UsageError(
            f"{parent.spec.name}, as it runs here, is not what wrote the traces: the log-"
            f"probabilities of their tokens differ by {median(off):.2g} nats at the median, over "
            f"{counted(len(off), 'place')}",
            hint="give the very checkpoint, number format and cuts that it wrote them with",
        )
    tell(
        f"{parent.spec.name}: tells the tokens of its traces again within {median(off):.1g} nats "
        f"at the median and {max(off):.1g} at most, over {counted(len(off), 'place')}"
    )
    return found


def _ask(
    reader: TellsDistributions, ways: Sequence[_Way], told: Callable[[_Way, Distribution], None]
) -> None:
    """Ask for the distribution at the place of each way; those of one beginning are asked once."""
    alike: dict[tuple[bytes, Shaping], list[_Way]] = {}
    for way in ways:
        alike.setdefault((way.walk.prefix.tobytes(), way.walk.shaping), []).append(way)
    groups = list(alike.values())

    def deliver(index: int, found: Distribution) -> None:
        for way in groups[index]:
            told(way, found)

    reader.distributions(
        [(group[0].walk.prefix, group[0].walk.shaping) for group in groups], deliver
    )


class _Kept:
    """Distributions in a file: one of 150,000 tokens takes 2 MB, and there may be thousands."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sizes: list[tuple[int, int]] = []

    def keep(self, one: Distribution) -> int:
        """Keep one; the number to have it back by."""
        self._file.seek(0, 2)
        self._sizes.append((self._file.tell(), len(one.tokens)))
        self._file.write(one.tokens.tobytes())
        self._file.write(one.logprobs.tobytes())
        return len(self._sizes) - 1

    def kept(self, number: int) -> Distribution:
        """One that was kept."""
        start, length = self._sizes[number]
        self._file.seek(start)
        tokens, logprobs = array("I"), array("d")
        tokens.fromfile(self._file, length)
        logprobs.fromfile(self._file, length)
        return Distribution(tokens, logprobs)
