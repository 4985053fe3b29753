"""Live progress while a model generates, without disturbing pytest's own line of dots."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TextIO

from lrmtest.counted import counted
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import count, duration, rough_duration
from lrmtest.reports.replicas import replicas_line

if TYPE_CHECKING:
    from rich.text import Text

    from lrmtest.analysis.time_left import TimeLeft
    from lrmtest.models.engines.base import ReplicaState

_Arguments = ParamSpec("_Arguments")

_SECONDS_BETWEEN_DRAWINGS = 0.25
_SECONDS_BETWEEN_LINES = 30.0
_BAR_CELLS = 16
_LOG_CHARS = 120


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """Where a session stands.

    Attributes:
        questions_total, samples_total: what this session is to do, all models together.
        questions_done, samples_done: what has a verdict or an engine error.
        samples_reused: those of `samples_done` that needed no generation.
        tokens: tokens generated so far, unfinished completions included; 0 where nothing is.
        tokens_per_second: generated in the last seconds; None where nothing was.
        running: requests being generated right now.
        drafted: tokens taken from drafts so far.
        passed, failed, errors: questions by the outcome of their test.
        replicas: the servers that are asked, where these are several.
        left: a range for the time that is left; None where nothing can be said.
        starting: name of the model whose engine is starting; empty once it runs.
        starting_seconds: for how long it has been.
        log_line: the last line of its log; hostile.
    """

    questions_total: int
    samples_total: int
    questions_done: int = 0
    samples_done: int = 0
    samples_reused: int = 0
    tokens: int = 0
    running: int = 0
    drafted: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    tokens_per_second: float | None = None
    replicas: Sequence[ReplicaState] = ()
    left: TimeLeft | None = None
    starting: str = ""
    starting_seconds: float = 0.0
    log_line: str = ""


def time_left_words(low: float, middle: float, high: float) -> str:
    """A range of seconds and its middle: ``about 12 min left (8 to 20 min)``."""
    shortest, longest = rough_duration(low), rough_duration(high)
    if shortest == longest:
        return f"about {rough_duration(middle)} left"
    number, _, unit = shortest.partition(" ")
    shown = number if longest.endswith(f" {unit}") and unit.isalpha() else shortest
    return f"about {rough_duration(middle)} left ({shown} to {longest})"


def starting_words(name: str, seconds: float, log_line: str) -> str:
    """That an engine is starting, its clock, and the last line of its log."""
    words = f"starting the engine for {one_line(name, 40)}: {duration(seconds)}"
    line = one_line(log_line, _LOG_CHARS)
    return f"{words}, {line}" if line else words


def progress_line(snapshot: ProgressSnapshot, *, bar: bool = True, unicode: bool = True) -> Text:
    """One line that says where a session stands, the most important first.

    Args:
        snapshot: where it stands.
        bar: begin with a bar.
        unicode: the bar may have characters beyond ASCII.
    """
    from rich.text import Text  # a run of recorded outputs has begun before it is needed

    if snapshot.starting:
        words = starting_words(snapshot.starting, snapshot.starting_seconds, snapshot.log_line)
        return Text(f"{words}; {_left(snapshot.left)}" if snapshot.left else words, style="dim")
    line = Text()
    if bar:
        share = snapshot.samples_done / max(snapshot.samples_total, 1)
        full = int(min(share, 1.0) * _BAR_CELLS)
        done, left = ("━", "─") if unicode else ("#", "-")
        line.append(done * full, style="green").append(left * (_BAR_CELLS - full), style="dim")
        line.append(" ")
    line.append(f"{snapshot.questions_done:,}/{snapshot.questions_total:,} questions", "bold")
    if snapshot.samples_total != snapshot.questions_total:
        line.append(f" ({snapshot.samples_done:,}/{snapshot.samples_total:,} samples)")
    if snapshot.samples_reused:
        line.append(f", {snapshot.samples_reused:,} from the store")
    if snapshot.passed:
        line.append(f", {snapshot.passed:,} passed", style="green")
    if snapshot.failed:
        line.append(f", {snapshot.failed:,} failed", style="red")
    if snapshot.errors:
        line.append(f", {counted(snapshot.errors, 'error')}", style="bold red")
    if snapshot.left is not None and snapshot.samples_done < snapshot.samples_total:
        line.append(f", {_left(snapshot.left)}")
    if snapshot.running:
        line.append(f", {snapshot.running:,} running")
    if snapshot.drafted:
        line.append(f", {count(snapshot.drafted)} tokens of drafts")
    if snapshot.tokens:
        line.append(f", {count(snapshot.tokens)} tokens")
    if snapshot.tokens_per_second is not None:
        line.append(f", {count(snapshot.tokens_per_second)} tok/s")
    if words := replicas_line(snapshot.replicas):
        line.append(f", {words}")
    return line


def _left(left: TimeLeft) -> str:
    return time_left_words(left.low, left.middle, left.high)


class StatusLine:
    """Shows progress: on a terminal in the line below pytest's, else in a line now and then.

    On a terminal the line is drawn below the one that pytest is writing, and `clear` takes it
    away and puts the cursor back where pytest left it. It must be called before anything else
    is printed. Without a terminal no escape sequence is ever written. Safe to use from several
    threads.

    Args:
        stream: where pytest's terminal writer writes; flushed after each drawing.
        terminal: whether `stream` is a terminal that obeys escape sequences.
        width: columns of the terminal, asked at each drawing since it may be resized.
        column: how many characters pytest has written in its current line.
        write_line: prints a line of its own, beginning a new one first if need be.
        color: use colours.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        terminal: bool,
        width: Callable[[], int],
        column: Callable[[], int],
        write_line: Callable[[str], None],
        color: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._terminal = terminal
        self._width = width
        self._column = column
        self._write_line = write_line
        self._color = color
        self._clock = clock
        self._unicode = (stream.encoding or "").lower().startswith("utf")
        self._drawn_at: float | None = None if terminal else clock()
        self._lock = threading.RLock()
        self._back = ""
        """What takes the drawn line away; empty when none is drawn."""

    @property
    def due(self) -> bool:
        """Whether the last one was shown longer ago than a moment."""
        wait = _SECONDS_BETWEEN_DRAWINGS if self._terminal else _SECONDS_BETWEEN_LINES
        return self._drawn_at is None or self._clock() - self._drawn_at >= wait

    def update(self, snapshot: ProgressSnapshot) -> None:
        """Show `snapshot`, unless the last one was shown a moment ago."""
        with self._lock:
            if not self.due:
                return
            self._drawn_at = self._clock()
            if self._terminal:
                self._draw(snapshot)
            else:
                self._write_line(progress_line(snapshot, bar=False).plain)

    def clear(self) -> None:
        """Leave the terminal as it was before the line was drawn."""
        with self._lock:
            if self._back:
                self._stream.write(self._back)
                self._stream.flush()
                self._back = ""

    def say(self, line: str) -> None:
        """Print a line of its own, such as that an engine is starting."""
        with self._lock:
            self.clear()
            self._write_line(line)

    def finish(self, snapshot: ProgressSnapshot) -> None:
        """Take the line away, or without a terminal print the last one."""
        with self._lock:
            self.clear()
            if not self._terminal:
                self._write_line(progress_line(snapshot, bar=False).plain)

    def guarded(self, write: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
        """What writes to the same terminal from another thread: never amid a drawing, nor on it."""

        def guarded(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> None:
            with self._lock:
                self.clear()
                write(*arguments, **named)

        return guarded

    def _draw(self, snapshot: ProgressSnapshot) -> None:
        from lrmtest.reports.terminal import render

        width = self._width()
        line = progress_line(snapshot, unicode=self._unicode)
        # A character in the last column would leave some terminals in the next line.
        line.truncate(max(width - 1, 1), overflow="ellipsis" if self._unicode else "crop")
        shown = render(line, width, self._color)
        if self._back:
            self._stream.write(f"\r\x1b[2K{shown}")
        else:
            self._stream.write(f"\n\r{shown}")
            self._back = _back_to(self._column(), width)
        self._stream.flush()


def _back_to(column: int, width: int) -> str:
    """Escape sequences that erase the current line and go back to the one above, to `column`.

    At the bottom of the screen the line feed has scrolled everything up by one, the line above
    with it, so that going up by one is right there too.
    """
    erase = "\r\x1b[2K"
    if column and column % width == 0:
        # The line above is full: what comes next belongs at the beginning of this one.
        return erase
    return f"{erase}\x1b[1A\x1b[{column % width + 1}G"
