"""What a session tells of itself to whoever watches its run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import wait_for

from lrmtest.models.engines.base import ReplicaState
from lrmtest.runs.live import MOST_REPLICAS, LivePage, LiveState, live_states
from lrmtest.runs.session_files import files_of, locked_file, sessions_folder

RUN = "m-1"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "lrmtest.sqlite"


def test_a_state_is_told_until_the_page_is_closed(store):
    assert live_states(store, RUN) == []
    page = LivePage(store, RUN)
    page.write(LiveState(7, "box", samples_planned=3, tokens=9, left=(1.0, 2.0, 3.0)))
    assert live_states(store, RUN) == [
        LiveState(7, "box", samples_planned=3, tokens=9, left=(1.0, 2.0, 3.0))
    ]
    assert live_states(store, "another") == []
    page.close()
    assert live_states(store, RUN) == []
    assert not sessions_folder(store).exists()


def test_a_shorter_state_leaves_nothing_of_a_longer_one(store):
    page = LivePage(store, RUN)
    page.write(LiveState(1, log_line="x" * 300))
    page.write(LiveState(1))
    assert live_states(store, RUN) == [LiveState(1)]
    page.close()


@given(line=st.text(max_size=2000))
def test_any_line_of_a_log_fits(tmp_path_factory, line):
    store = tmp_path_factory.mktemp("live") / "lrmtest.sqlite"
    page = LivePage(store, RUN)
    page.write(LiveState(1, log_line=line))
    (state,) = live_states(store, RUN)
    assert state.log_line in (line[:400], "")
    page.close()


def test_a_killed_session_is_not_at_work_and_its_page_goes(store):
    program = (
        "import sys, time; from pathlib import Path; from lrmtest.runs.live import LivePage\n"
        f"page = LivePage(Path({str(store)!r}), {RUN!r}); print('there', flush=True)\n"
        "time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"there\n"
    (state,) = live_states(store, RUN)
    assert state.pid == process.pid
    process.kill()
    process.wait()
    wait_for(lambda: live_states(store, RUN) == [])
    assert len(list(files_of(store, RUN, ".live"))) == 1
    LivePage(store, "next").close()
    assert list(files_of(store, RUN, ".live")) == []


def test_replicas_are_told_as_many_as_there_is_room_for(store):
    page = LivePage(store, RUN)
    replicas = tuple(
        ReplicaState(f"http://node{n}:8000/v1", "refused", "\u00e9" * 999, 1, 2, 3, 4.0, 5.5)
        for n in range(MOST_REPLICAS)
    )
    page.write(LiveState(1, replicas=replicas))
    (state,) = live_states(store, RUN)
    assert [one.url for one in state.replicas] == [one.url for one in replicas]
    assert state.replicas[0].reason == "\u00e9" * 80
    assert state.replicas[-1].tokens_per_second == 5.5
    page.close()


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.just({"url": "http://a/v1", "phase": "working", "tokens": -1, "reason": 3}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["replicas", "pid", "host", "left", "tokens", "phase", "log_line", "written", "x"]
)


@given(st.binary(max_size=200) | st.dictionaries(NAMES, VALUES) | VALUES)
def test_a_page_that_anybody_wrote_is_read_as_far_as_it_can_be(tmp_path_factory, content):
    store = tmp_path_factory.mktemp("live") / "lrmtest.sqlite"
    if not isinstance(content, bytes):
        text = json.dumps(content).encode()
        content = b"%08x" % zlib.crc32(text) + text
    file, _ = locked_file(store, RUN, ".live", content)
    (state,) = live_states(store, RUN)
    assert state.pid >= 0
    assert state.tokens >= 0
    assert state.left is None or all(end >= 0 for end in state.left)
    assert len(state.log_line) <= 400
    assert all(isinstance(one.url, str) for one in state.replicas)
    file.close()


def test_who_reads_keeps_nobody_from_writing(store):
    page = LivePage(store, RUN)
    for number in range(50):
        page.write(LiveState(os.getpid(), tokens=number))
        assert live_states(store, RUN)[0].tokens == number
    page.close()
