from __future__ import annotations

import io
import threading
from dataclasses import replace

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.time_left import TimeLeft
from lrmtest.reports.progress import (
    ProgressSnapshot,
    StatusLine,
    progress_line,
    time_left_words,
)

SNAPSHOT = ProgressSnapshot(
    questions_total=30, samples_total=120, questions_done=10, samples_done=44, samples_reused=4,
    tokens=84_000, tokens_per_second=840.0, running=16, passed=6, failed=3, errors=1,
    left=TimeLeft(100.0, 190.0, 400.0),
)  # fmt: skip


class Terminal:
    """A terminal, as pyte emulates it, with pytest's way of counting columns."""

    encoding = "utf-8"

    def __init__(self, width=60, height=10):
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self.screen)
        self.column = 0

    def write(self, text):
        # A tty driver turns a line feed into carriage return and line feed.
        self._stream.feed(text.replace("\n", "\r\n"))

    def flush(self):
        pass

    def pytest_writes(self, text):
        self.write(text)
        last = text.rpartition("\n")[2]
        self.column = len(last) + (0 if "\n" in text else self.column)

    def lines(self):
        return [line.rstrip() for line in self.screen.display]


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def _status(on, clock=None, **options):
    settings = {"terminal": True, "width": lambda: on.screen.columns,
                "column": lambda: on.column, "write_line": lambda _: None}  # fmt: skip
    return StatusLine(on, clock=clock or Clock(), **(settings | options))


def test_tokens_of_drafts_are_told_beside_those_that_are_generated():
    assert (
        "500 tokens of drafts, 84.0k tokens, 840 tok/s"
        in progress_line(replace(SNAPSHOT, drafted=500)).plain
    )
    assert "drafts" not in progress_line(SNAPSHOT).plain


def test_the_line_is_below_and_goes_away():
    terminal = Terminal(width=120)
    status = _status(terminal)
    terminal.pytest_writes("suites/aime/test_aime.py ..F")
    before = terminal.lines()
    status.update(SNAPSHOT)
    drawn = terminal.lines()
    assert drawn[0] == before[0]
    assert drawn[1].startswith("━━━━━───────────")
    assert "10/30 questions (44/120 samples), 4 from the store, 6 passed, 3 failed, 1" in drawn[1]
    status.clear()
    assert terminal.lines() == before
    terminal.pytest_writes(".")
    assert terminal.lines()[0] == "suites/aime/test_aime.py ..F."


@given(
    st.lists(st.sampled_from(["text", "newline", "update", "clear"]), max_size=60),
    st.integers(8, 40),
    st.integers(3, 6),
)
def test_the_screen_is_as_if_nothing_had_been_drawn(steps, width, height):
    """Whatever the order, in any column, also where the screen scrolls.

    Scrolling early moves lines up: it is what has been written, from the cursor's line upwards,
    that must be the same, with nothing below it.
    """
    drawn_on, untouched = Terminal(width, height), Terminal(width, height)
    clock = Clock()
    status = _status(drawn_on, clock)
    for number, step in enumerate(steps):
        if step == "update":
            clock.now += 1
            status.update(SNAPSHOT)
        else:
            status.clear()
            # pytest never fills a line to the last column.
            room = width - 1 - drawn_on.column
            written = "\n" if step == "newline" or room <= 0 else "abcdefg"[: min(room, 7)]
            if step != "clear":
                for terminal in (drawn_on, untouched):
                    terminal.pytest_writes(written)
        if number == len(steps) - 1 or step == "clear":
            status.clear()
            _assert_same(drawn_on, untouched)


def _assert_same(drawn_on, untouched):
    ours, theirs = drawn_on.screen.cursor, untouched.screen.cursor
    assert ours.x == theirs.x
    written, wanted = drawn_on.lines()[: ours.y + 1], untouched.lines()[: theirs.y + 1]
    common = min(len(written), len(wanted))
    assert written[-common:] == wanted[-common:]
    assert not any(drawn_on.lines()[ours.y + 1 :])


def test_at_the_bottom_of_the_screen():
    terminal = Terminal(width=40, height=3)
    status = _status(terminal)
    terminal.pytest_writes("one\ntwo\nthree ..")
    status.update(SNAPSHOT)
    assert terminal.lines()[:2] == ["two", "three .."]
    status.clear()
    assert terminal.lines() == ["two", "three ..", ""]
    terminal.pytest_writes(".F\nfour")
    assert terminal.lines() == ["two", "three ...F", "four"]


def test_a_line_that_is_full_to_the_last_column():
    terminal = Terminal(width=20)
    status = _status(terminal)
    terminal.pytest_writes("x" * 20)
    status.update(SNAPSHOT)
    status.clear()
    terminal.pytest_writes("y")
    assert terminal.lines()[:3] == ["x" * 20, "y", ""]


def test_a_line_that_wraps():
    terminal = Terminal(width=20)
    status = _status(terminal)
    terminal.pytest_writes("x" * 45)
    status.update(SNAPSHOT)
    status.clear()
    terminal.pytest_writes("y")
    assert terminal.lines()[:4] == ["x" * 20, "x" * 20, "x" * 5 + "y", ""]


@pytest.mark.parametrize("width", [1, 2, 5, 20, 79])
def test_it_never_takes_a_second_line(width):
    terminal = Terminal(width=width, height=6)
    status = _status(terminal)
    status.update(SNAPSHOT)
    assert not any(terminal.lines()[2:])


def test_redrawing_replaces_and_is_throttled():
    terminal, clock = Terminal(width=100), Clock()
    status = _status(terminal, clock)
    status.update(ProgressSnapshot(30, 30, questions_done=1, samples_done=1))
    clock.now += 0.1
    status.update(ProgressSnapshot(30, 30, questions_done=2, samples_done=2))
    assert "1/30 questions" in terminal.lines()[1]
    clock.now += 0.2
    status.update(ProgressSnapshot(30, 30, questions_done=3, samples_done=3))
    assert "3/30 questions" in terminal.lines()[1]
    assert not any(terminal.lines()[2:])


def test_a_terminal_without_unicode_gets_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    status = StatusLine(stream, terminal=True, width=lambda: 30, column=lambda: 0,
                        write_line=lambda _: None, color=False, clock=Clock())  # fmt: skip
    status.update(SNAPSHOT)
    assert stream.buffer.getvalue().startswith(b"\n\r#####-----------")


def test_without_a_terminal_there_are_plain_lines_now_and_then():
    terminal, clock, lines = Terminal(), Clock(), []
    status = _status(terminal, clock, terminal=False, write_line=lines.append)
    for _ in range(100):
        status.update(SNAPSHOT)
        status.clear()
        clock.now += 1
    assert len(lines) == 3
    status.finish(SNAPSHOT)
    assert len(lines) == 4
    assert not any("\x1b" in line for line in lines)
    assert not any(terminal.lines())
    assert lines[0] == (
        "10/30 questions (44/120 samples), 4 from the store, 6 passed, 3 failed, 1 error, "
        "about 3 min left (2 to 7 min), 16 running, 84.0k tokens, 840 tok/s"
    )


def test_finishing_takes_the_line_away():
    terminal = Terminal()
    status = _status(terminal)
    status.update(SNAPSHOT)
    status.finish(SNAPSHOT)
    assert not any(terminal.lines())


def test_saying_something_takes_the_line_away_first():
    terminal = Terminal()
    status = _status(terminal, write_line=lambda line: terminal.pytest_writes(line + "\n"))
    status.update(SNAPSHOT)
    status.say("model m is ready")
    assert terminal.lines()[:2] == ["model m is ready", ""]


def test_what_was_only_read_has_no_speed():
    read = ProgressSnapshot(3, 3, samples_done=3, samples_reused=3)
    assert progress_line(read, bar=False).plain == "0/3 questions, 3 from the store"


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((8.0, 12.0, 17.0), "about 12 s left (8 to 17 s)"),
        ((40.0, 130.0, 400.0), "about 2 min left (40 s to 7 min)"),
        ((2000.0, 9000.0, 40_000.0), "about 2.5 h left (33 min to 11 h)"),
        ((600.0, 601.0, 610.0), "about 10 min left"),
        ((0.0, 0.0, 0.0), "about 0 s left"),
        ((1e5, 3e5, 1e12), "about 3.5 d left (28 h to years)"),
    ],
)
def test_a_range_in_words(ends, words):
    assert time_left_words(*ends) == words


def test_starting():
    snapshot = ProgressSnapshot(30, 30, starting="r1-1.58bit", starting_seconds=12)
    assert progress_line(snapshot).plain == "starting the engine for r1-1.58bit: 12 s"
    told = replace(snapshot, log_line="loading \x1b[31mweights\r\n3/8" + "x" * 500)
    line = progress_line(told).plain
    assert line.startswith("starting the engine for r1-1.58bit: 12 s, loading weights 3/8xxx")
    assert "\x1b" not in line
    assert len(line) < 200


def test_two_threads_draw_one_line():
    terminal = Terminal(width=100)
    status = _status(terminal, write_line=lambda line: terminal.pytest_writes(line + "\n"))
    drawing = threading.Thread(target=lambda: [status.update(SNAPSHOT) for _ in range(200)])
    drawing.start()
    for number in range(200):
        status.say(f"line {number}")
    drawing.join()
    status.clear()
    assert terminal.lines()[-2] == "line 199"


def test_what_another_thread_writes_is_never_amid_a_drawing():
    drawn_on, untouched, clock = Terminal(width=40), Terminal(width=40), Clock()
    status = _status(drawn_on, clock)
    write = status.guarded(drawn_on.pytest_writes)
    over = threading.Event()

    def draw():
        while not over.wait(0.001):
            clock.now += 1
            status.update(SNAPSHOT)

    drawing = threading.Thread(target=draw)
    drawing.start()
    for number in range(200):
        for text in ("." if number % 30 else "\n", "F"):
            write(text)
            untouched.pytest_writes(text)
    over.set()
    drawing.join()
    status.clear()
    shown, wanted = drawn_on.lines(), untouched.lines()
    last = drawn_on.screen.cursor.y
    assert shown[: last + 1][-3:] == wanted[: untouched.screen.cursor.y + 1][-3:]
    assert not any(shown[last + 1 :])
