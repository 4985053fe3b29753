"""Steps on fixed tensors: run as they are written, or from recordings of them (CUDA graphs)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

import torch

from lrmtest.models.engines.tokenizers.checkpoint_files import first_line
from lrmtest.models.engines.transformers.gumbel import seed_state
from lrmtest.progress import Tell, silent

if TYPE_CHECKING:
    from lrmtest.models.engines.transformers.slots import Feed

Once = Callable[[], None]
"""One step, from buffers to buffers."""
Record = Callable[[Once], Once]
"""Records a step and returns what repeats it. The step runs at least once, to warm up; what it
leaves in the buffers then does not matter."""

_TOLERANCE = 0.02
"""How far the highest logits of a repeated step may be from those of the step itself, as a share
and in units of a logit: far less than what another computation would give, and enough for kernels
that round otherwise."""


@dataclass(frozen=True, slots=True)
class Shape:
    """All on which a step's computation depends.

    Attributes:
        rows: slots, the first ones.
        length: positions of each that are looked at.
        whole: some are drawn from the whole vocabulary.
        candidates: as `pick_fixed` takes them.
    """

    rows: int
    length: int
    whole: bool
    candidates: int


class StepBuffers:
    """The tensors that steps read and write, always at the same place.

    Attributes:
        numbers: of the slots, from 0 on, shape (rows,).
        integers: token, position, last position, seed's state and the draw's step of each slot,
            int64, shape (5, rows).
        reals: temperature and top_p of each slot, float64, shape (2, rows).
        codes: what was drawn, shape (rows, block).
        logprobs: log-probabilities of what was drawn, float32, shape (rows, block).
        highest: highest logit of each slot in the last step, float32, shape (rows,).
        column: where in `codes` the next step writes, shape (1, 1).
    """

    def __init__(self, rows: int, block: int, device: torch.device) -> None:
        self.numbers = torch.arange(rows, device=device)
        self.integers = torch.zeros(5, rows, dtype=torch.int64, device=device)
        self.reals = torch.zeros(2, rows, dtype=torch.float64, device=device)
        self.codes = torch.zeros(rows, block, dtype=torch.int64, device=device)
        self.logprobs = torch.zeros(rows, block, dtype=torch.float32, device=device)
        self.highest = torch.zeros(rows, dtype=torch.float32, device=device)
        self.column = torch.zeros(1, 1, dtype=torch.int64, device=device)

    def load(self, rows: int, feeds: Sequence[Feed]) -> None:
        """Set out `feeds`; the slots behind them, up to `rows`, are greedy at position 0."""
        free = rows - len(feeds)
        integers = [
            (f.token, f.position, f.last_position, seed_state(f.draw.seed), f.draw.step)
            for f in feeds
        ]
        reals = [(f.draw.temperature, f.draw.top_p) for f in feeds]
        integers += [(0, 0, 0, 0, 0)] * free
        reals += [(0.0, 1.0)] * free
        self.integers[:, :rows].copy_(torch.tensor(integers).T)
        self.reals[:, :rows].copy_(torch.tensor(reals, dtype=torch.float64).T)
        self.column.zero_()

    def keep(self) -> Once:
        """What puts the buffers back to how they are now."""
        kept = [(buffer, buffer.clone()) for buffer in (self.integers, self.column)]

        def back() -> None:
            for buffer, value in kept:
                buffer.copy_(value)

        return back


class Steps(Protocol):
    """Runs steps."""

    def run(self, once: Once, shape: Shape, buffers: StepBuffers, count: int) -> None:
        """Run `once`, a step of this shape on these buffers, `count` times."""

    def forget(self) -> None:
        """The tensors that steps worked on so far are going away."""


class EagerSteps:
    """Runs each step as it is written."""

    def run(self, once: Once, shape: Shape, buffers: StepBuffers, count: int) -> None:
        """See `Steps`."""
        for _ in range(count):
            once()

    def forget(self) -> None:
        """There is nothing."""


class RecordedSteps:
    """Records a step of each shape at its first use, and repeats the recording.

    A recording is first compared with the step itself, on other values than it was made with, so
    that one which repeats what only held then is found out. When recording fails or the two
    differ, steps are run eagerly from then on, which is told once; texts stay the same.

    Args:
        record: makes a recording.
        tell: is told why there are none any more.
        forget: is called when all recordings are gone.
    """

    def __init__(
        self, record: Record, tell: Tell = silent, forget: Callable[[], None] = lambda: None
    ) -> None:
        self._record: Record | None = record
        self._tell = tell
        self._forget = forget
        self._recordings: dict[Shape, Once] = {}
        self.made = 0
        """Recordings made so far."""
        self.seconds = 0.0
        """What making and comparing them took."""

    def run(self, once: Once, shape: Shape, buffers: StepBuffers, count: int) -> None:
        """See `Steps`."""
        recording = self._recordings.get(shape)
        if recording is None and self._record is not None:
            recording = self._recorded(self._record, once, shape, buffers)
        for _ in range(count):
            (recording or once)()

    def forget(self) -> None:
        """Drop all recordings."""
        self._recordings.clear()
        self._forget()

    def _recorded(
        self, record: Record, once: Once, shape: Shape, buffers: StepBuffers
    ) -> Once | None:
        begun, back = perf_counter(), buffers.keep()
        try:
            recording = _checked(record(once), once, shape, buffers)
        except Exception as error:
            self._give_up(error)
            return None
        finally:
            back()
            self.seconds += perf_counter() - begun
        self.made += 1
        self._recordings[shape] = recording
        return recording

    def _give_up(self, error: Exception) -> None:
        self._record = None
        self.forget()
        self._tell(
            f"steps cannot be recorded as CUDA graphs ({first_line(error)}): generation is slower, "
            "with the same texts"
        )


def _checked(recording: Once, once: Once, shape: Shape, buffers: StepBuffers) -> Once:
    """`recording`, if it does to the buffers as they are now what `once` does.

    Raises:
        RuntimeError: it does not.
    """
    back, results = buffers.keep(), []
    for way in (once, recording):
        back()
        buffers.highest.fill_(torch.nan)
        way()
        column = buffers.column - 1
        codes = buffers.codes.gather(1, column.expand(len(buffers.codes), 1))[: shape.rows, 0]
        results.append((buffers.highest[: shape.rows].clone(), codes.clone()))
    (logits, tokens), (repeated, again) = results
    # Where not a bit of a row's highest logit differs, its token cannot.
    same = (tokens == again) | (logits != repeated)
    close = torch.isclose(logits, repeated, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
    if not bool((same & close).all()):
        raise RuntimeError("a recorded step does not compute what the step does")
    return recording
