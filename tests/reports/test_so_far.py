"""How far a run is, as it is shown."""

from __future__ import annotations

import json

import pytest

from lrmtest.analysis.summary import summarize
from lrmtest.reports.so_far import so_far_document, so_far_line, watch_line, watch_view
from lrmtest.reports.terminal import render
from lrmtest.runs.live import LiveState
from lrmtest.runs.records import RunHead
from lrmtest.runs.so_far import RunSoFar, SuiteSoFar

HEAD = RunHead("m-1", "m\x1b[2J", "2026-01-01T00:00:00+00:00")
HOSTILE = "loading\x1b]0;owned\x07 [bold]shards[/] \u202e 3/8\r\n" + "y" * 5000
WORKING = LiveState(
    pid=7, host="box", written=1000.0, samples_planned=300, samples_done=64, samples_reused=10,
    tokens=51_000, running=16, tokens_per_second=420.0, left=(480.0, 700.0, 1200.0),
)  # fmt: skip
NOTHING = summarize(HEAD.with_samples([]))


def so_far(*sessions, state="running"):
    suites = {"aime": SuiteSoFar(240, 60, 58, 1, 45_100), "folio": SuiteSoFar(None, 4, 4, 0, 90)}
    return RunSoFar(HEAD, state, sessions, suites)


def test_a_line():
    assert so_far_line(so_far(WORKING)).plain == (
        "running (pid 7 on box): 64 samples, 2 not graded yet, 1 engine error, 45.2k tokens, "
        "about 12 min left (8 to 20 min)"
    )
    assert so_far_line(so_far(state="interrupted")).plain.startswith("interrupted: 64 samples")


@pytest.mark.parametrize("width", [60, 100])
def test_a_view_shows_speed_what_was_reused_and_errors(width):
    text = render(watch_view(so_far(WORKING), NOTHING, 1001.0, ["q1: broke\x1b[31m"]), width, False)
    for part in ("m-1", "60/240", "16 running", "51.0k tokens generated", "420 tok/s", "q1: broke"):
        assert part in " ".join(text.split())
    assert "10 samples from the store" in " ".join(text.split())
    assert "\x1b" not in text


def test_an_engine_that_starts_shows_its_clock_and_a_log_that_does_no_harm():
    starting = LiveState(pid=7, phase="starting", phase_seconds=75.0, log_line=HOSTILE)
    for text in (
        render(watch_view(so_far(starting), NOTHING, 0.0), 300, False),
        watch_line(so_far(starting), NOTHING, 0.0),
    ):
        assert "starting the engine for m: 1 min 15 s, loading [bold]shards[/]" in text
        assert not {"\x1b", "\x07", "\u202e", "\r"} & set(text)
        assert "y" * 200 not in text


def test_a_session_that_does_not_write_any_more_is_told():
    assert "no word for 1 min 40 s" in watch_line(so_far(WORKING), NOTHING, 1100.0)


def test_the_document_is_json():
    document = json.loads(json.dumps(so_far_document(so_far(WORKING))))
    assert document["samples_done"] == 64
    assert document["samples_wanted"] is None
    assert document["suites"]["aime"]["samples_wanted"] == 240
    (session,) = document["sessions"]
    assert session["seconds_left"] == {"low": 480.0, "middle": 700.0, "high": 1200.0}
