"""Traces read by several servers of one model, which break meanwhile."""

import threading
from array import array
from contextlib import ExitStack

import pytest
from ports import own_port
from reading_server import reading_server

from lrmtest.errors import MachineryError, ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.base import Message
from lrmtest.models.engines.kinds import create_reader
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.reading import Shaping, Written
from lrmtest.models.spec import ModelSpec
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place

BUSY = (503, {"error": {"message": "busy", "code": 503}})
CONVERSATION = (Message("user", "1 + 1"),)


def traces(count=24):
    found = []
    for number in range(count):
        tokens = array("I", [11, number, 3, 3, 64, 119, 0, 42][: 8 - number % 3])
        logprobs = array("f", [-0.5] * len(tokens))
        trace = Trace(array("I", [5, 6, number]), tokens, logprobs, ended=False)
        found.append(Written(Place(f"k{number}", "sums", f"q{number}", 0), trace, Shaping(1.0)))
    return found


class Served:
    """A server, what it was asked to read, and whether it does.

    It answers when those that it `waits_for` have been asked what they do not answer, or, if they
    answer everything, anything.
    """

    def __init__(self, stack, kind="vllm", *, breaks_after=None, **how):
        self.breaks_after = breaks_after
        self.answers = 0
        self.waits_for = []
        self.reached = threading.Event()
        self.url, self.asked = stack.enter_context(reading_server(kind, change=self._change, **how))

    def _change(self, status, answer):
        if self.breaks_after is not None and self.answers >= self.breaks_after:
            self.reached.set()
            return BUSY
        if self.breaks_after is None:
            self.reached.set()
        for other in self.waits_for:
            assert other.reached.wait(120)
        self.answers += 1
        return status, answer


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


def location(of):
    return ",".join(server.url for server in of)


def read(where, written, deliver=None, **options):
    """The readings by key, what was told of the reader and by it, and a prompt."""
    told, found = [], {}
    spec = ModelSpec("m", ModelCard("m"), "openai" if "," not in where else "replicas", where)
    if where.startswith("replicas:"):
        spec = ModelSpec("m", ModelCard("m"), "replicas", where)
    options = {"max_retries": 1, "tell": told.append, **options}
    reader = create_reader(spec, EngineOptions(**options))

    def kept(reading, floor):
        assert floor is None
        assert reading.place.key not in found
        found[reading.place.key] = reading
        if deliver is not None:
            deliver(reading)

    try:
        info = reader.start(written)
        (prompt,) = reader.prompts([CONVERSATION])
        reader.read(written, kept)
    finally:
        reader.close()
    return found, info, told, prompt


@pytest.mark.parametrize("kind", ["vllm", "llamacpp"])
def test_they_share_the_traces_and_read_what_one_reads(stack, kind):
    written = traces(9)
    servers = [Served(stack, kind) for _ in range(3)]
    alone, one, _, prompt = read(servers[0].url, written)
    for server in servers:
        server.reached.clear()
        server.waits_for = servers
    found, info, told, same = read(location(servers), written, concurrency=1)
    assert found == alone
    assert (info.limits, same) == (one.limits, prompt)
    assert info.engine.engine == "replicas"
    assert "url" not in info.engine.details
    assert info.engine.details["server"] == one.engine.details["server"]
    assert told == []
    assert all(server.reached.is_set() for server in servers)


def test_what_one_had_when_it_broke_is_read_by_the_others(stack):
    written = traces()
    dying, other = Served(stack, breaks_after=3), Served(stack)
    other.waits_for = [dying]
    found, _, told, _ = read(location([dying, other]), written)
    assert set(found) == {one.place.key for one in written}
    assert dying.answers == 3
    assert other.answers >= len(written) - 3
    assert told
    assert all(f"m: replica {dying.url} does not read for now: " in words for words in told)


def test_one_that_comes_again_reads_again(stack):
    class Recovers(Served):
        def _change(self, status, answer):
            if 3 <= len(self.asked) <= 5:
                return BUSY
            if len(self.asked) > 5:
                self.reached.set()
            return status, answer

    recovering, other = Recovers(stack), Served(stack)
    other.waits_for = [recovering]  # it reads nothing before the first one has come again
    found, *_ = read(location([recovering, other]), traces(), concurrency=1)
    assert len(found) == 24
    assert len(recovering.asked) > 5


def test_when_all_break_what_was_read_is_kept_and_it_is_said(stack):
    servers = [Served(stack, breaks_after=3) for _ in range(2)]
    kept = []
    with pytest.raises(MachineryError, match="no replica of m can read: ") as failed:
        read(location(servers), traces(), kept.append)
    assert all(server.url in str(failed.value) for server in servers)
    assert len(kept) <= 6


def test_one_of_another_model_reads_nothing(stack):
    right, wrong = Served(stack), Served(stack)
    found, _, told, _ = read(
        location([wrong, right]),
        traces(),
        model_difference=lambda url: "its answers differ" if url == wrong.url else "",
    )
    assert len(found) == 24
    assert wrong.asked == []
    words = f"m: replica {wrong.url} does not read for now: it serves another model: its answers"
    assert any(one.startswith(words) for one in told)


def test_one_that_cannot_be_reached_is_passed_over_and_none_is_an_error(stack):
    there = Served(stack)
    gone, too = (f"http://127.0.0.1:{stack.enter_context(own_port())}/v1" for _ in range(2))
    assert len(read(f"{gone},{there.url}", traces())[0]) == 24
    with pytest.raises(ModelError, match="no replica of m can read: "):
        read(f"{gone},{too}", traces())


def test_what_no_server_can_is_a_mistake_of_the_user(stack):
    short = [Served(stack, context=8) for _ in range(2)]
    with pytest.raises(UsageError, match="a context of 8"):
        read(location(short), traces())
    others = [Served(stack, "sglang") for _ in range(2)]
    with pytest.raises(UsageError, match="does not tell the log-probabilities"):
        read(location(others), traces())


def test_a_trace_that_is_refused_ends_the_reading(stack):
    class Refuses(Served):
        def _change(self, status, answer):
            return 400, {"error": {"message": "no such token", "code": 400}}

    with pytest.raises(ModelError, match=r"cannot be read: .*no such token"):
        read(location([Refuses(stack), Refuses(stack)]), traces())


def test_one_that_comes_while_they_read_takes_its_part(stack, tmp_path):
    first, second = Served(stack, breaks_after=4), Served(stack)
    file = tmp_path / "up.txt"
    file.write_text(f"{first.url}\n")

    def another_comes(reading):
        file.write_text(f"{first.url}\n{second.url}\n")

    found, *_ = read(f"replicas:{file}", traces(), another_comes)
    assert len(found) == 24
    assert second.answers >= 20


def test_who_stops_it_is_not_kept_waiting(stack):
    servers = [Served(stack) for _ in range(3)]

    def stop(reading):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(location(servers), traces(), stop)
