"""Several servers of one model asked as one, against servers that break."""

import queue
import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
from asking_endpoints import TAGS, request
from fault_server import FaultServer

from lrmtest.errors import MachineryError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.replicas.engine import ReplicasEngine
from lrmtest.models.engines.replicas.model import ReplicasModel
from lrmtest.models.spec import ModelSpec


def spec(location):
    return ModelSpec("m", ModelCard("m", reasoning_tags=TAGS), "replicas", location)


@contextmanager
def running(location, *, quiet=10.0, **options):
    """A started engine, the queue of its outcomes, and what it told."""
    told = []
    options = {"request_timeout": 60.0, "concurrency": 4, "tell": told.append, **options}
    engine = ReplicasEngine(spec(location), EngineOptions(**options), quiet=quiet)
    engine.outcomes, engine.told = queue.SimpleQueue(), told
    try:
        engine.info = engine.start([], engine.outcomes.put)
        yield engine
    finally:
        engine.close()


def collected(engine, count, timeout=120.0):
    until = time.monotonic() + timeout
    outcomes = {}
    for _ in range(count):
        outcome = engine.outcomes.get(timeout=max(0.01, until - time.monotonic()))
        assert outcome.request.key not in outcomes
        outcomes[outcome.request.key] = outcome
    assert engine.outcomes.empty()
    return outcomes


def texts(outcomes):
    assert all(one.error is None for one in outcomes.values()), outcomes
    return {key: one.completion.text for key, one in outcomes.items()}


def until(true, seconds=60.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def servers(count, **how):
    stack = ExitStack()
    return stack, [stack.enter_context(FaultServer(**how)) for _ in range(count)]


def location(of):
    return ",".join(server.url for server in of)


def phases(engine):
    return [replica.phase for replica in engine.replicas]


def test_the_work_is_shared_and_the_texts_are_one_servers():
    requests = [request(number) for number in range(40)]
    with FaultServer() as server, running(server.url) as engine:
        engine.submit(requests)
        wanted = texts(collected(engine, 40))
    stack, three = servers(3, delay=0.002)
    with stack, running(location(three)) as engine:
        engine.submit(requests)
        assert texts(collected(engine, 40)) == wanted
        done = [replica.completions for replica in engine.replicas]
        assert sum(done) == 40
        assert min(done) >= 4  # what each had room for at once
        assert engine.info.engine == "replicas"
        assert engine.progress.tokens >= sum(map(len, wanted.values())) / 20


def test_what_a_dead_one_had_is_asked_elsewhere_and_nothing_twice():
    stack, (dying, other) = servers(2, delay=0.01)
    with stack, running(location((dying, other))) as engine:
        engine.submit([request(number) for number in range(60)])
        until(lambda: dying.chats >= 6)
        dying.kill()
        outcomes = collected(engine, 60)
        texts(outcomes)
        assert phases(engine)[1] == "working"
        assert phases(engine)[0] != "working"
    asked = Counter(body["seed"] for server in (dying, other) for body in server.bodies)
    lost = sum(asked.values()) - 60
    assert 0 <= lost <= 2 * 4  # what was in flight at the dead one, at most once again


def test_one_that_comes_again_is_asked_again():
    """The other one leaves it something to do."""
    with FaultServer(enough=20) as other:
        dying = FaultServer(delay=0.01)
        with dying, running(location((dying, other))) as engine:
            engine.submit([request(number) for number in range(200)])
            until(lambda: dying.chats >= 3)
            port = int(dying.url.split(":")[2].split("/")[0])
            dying.kill()
            until(lambda: phases(engine)[0] == "away")
            with FaultServer(port=port, delay=0.01) as again:
                until(lambda: again.chats >= 3)
                other.go_on.set()
                texts(collected(engine, 200))
                assert phases(engine) == ["working", "working"]


def test_a_silent_one_is_put_aside():
    stack, (stuck, well) = servers(2)
    stuck.enough = 2
    with stack, running(location((stuck, well)), quiet=0.3) as engine:
        stuck.listing = "always-idle"
        engine.submit([request(number, max_tokens=8) for number in range(8)])
        texts(collected(engine, 8))
        assert any(f"{stuck.url} is left out" in one and "not answer" in one for one in engine.told)


def test_one_that_is_only_slow_is_left_in_peace():
    pauses = iter([4.0])
    with FaultServer() as slow:
        slow.pause = lambda: time.sleep(next(pauses, 0.0))
        with running(slow.url, quiet=2.0) as engine:
            engine.submit([request(1)])
            texts(collected(engine, 1))
            assert not engine.told
        assert slow.paths["/v1/models"] >= 2  # at the start, and when it was silent


def test_one_that_serves_another_model_is_never_asked():
    stack, (right, wrong) = servers(2)
    with stack:

        def differs(url):
            return "quantization Q2, it was Q8" if url == wrong.url else ""

        with running(location((wrong, right)), model_difference=differs) as engine:
            engine.submit([request(number) for number in range(10)])
            texts(collected(engine, 10))
            assert phases(engine) == ["refused", "working"]
            assert any(wrong.url in one and "another model" in one for one in engine.told)
        assert wrong.chats == 0


def test_one_that_is_replaced_by_another_model_is_not_asked_any_more():
    swapped = []
    with FaultServer(delay=0.01) as other, FaultServer(delay=0.01) as dying:

        def differs(url):
            return "it answers differently" if url in swapped else ""

        with running(location((dying, other)), model_difference=differs) as engine:
            engine.submit([request(number) for number in range(100)])
            until(lambda: dying.chats >= 3)
            port = int(dying.url.split(":")[2].split("/")[0])
            dying.kill()
            swapped.append(dying.url)
            with FaultServer(port=port, answer=lambda prompt, seed: "wrong") as another:
                outcomes = texts(collected(engine, 100))
                assert "wrong" not in outcomes.values()
                until(lambda: phases(engine)[0] == "refused")
                assert another.chats == 0


def test_one_that_refuses_everything_takes_no_work_away():
    stack, (right, wrong) = servers(2)
    wrong.mode = "context-error"
    with stack, running(location((wrong, right))) as engine:
        engine.submit([request(number) for number in range(60)])
        texts(collected(engine, 60))
        assert wrong.chats < 40


def test_a_request_that_all_refuse_is_an_error_by_itself():
    stack, two = servers(2, mode="context-error")
    with stack, running(location(two)) as engine:
        engine.submit([request(number) for number in range(20)])
        outcomes = collected(engine, 20)
    assert all(one.error is not None for one in outcomes.values())


def test_a_file_grows_and_shrinks(tmp_path):
    file = tmp_path / "up.txt"
    stack, (first, second) = servers(2, delay=0.01)
    first.enough = 12
    with stack:
        file.write_text(first.url + "\n")
        with running(f"replicas:{file}") as engine:
            engine.submit([request(number) for number in range(150)])
            until(lambda: first.chats >= 4)
            file.write_text(f"{first.url}\n{second.url}\n")
            until(lambda: second.chats >= 4)
            first.go_on.set()
            file.write_text(second.url + "\n")
            until(lambda: phases(engine)[0] == "gone")
            asked = first.chats
            texts(collected(engine, 150))
            assert first.chats == asked
        seeds = Counter(body["seed"] for one in (first, second) for body in one.bodies)
        assert set(seeds.values()) == {1}  # one that is not named any more finishes what it has


def test_a_file_is_waited_for(tmp_path):
    file = tmp_path / "up.txt"
    told = []
    options = EngineOptions(start_timeout=0.1, tell=told.append)
    with pytest.raises(MachineryError, match="has named no endpoint within"):
        ReplicasModel(spec(f"replicas:{file}"), options).told()
    assert "waiting for a replica" in told[0]
    with FaultServer() as server:
        file.write_text(f"http://127.0.0.1:9/v1\n{server.url}\n")
        model = ReplicasModel(spec(f"replicas:{file}"), options)
        seen = model.told()
        assert seen
        assert "id" not in seen
        assert model.difference(seen, model.measure()) == ""


def test_names_and_places_of_the_model_are_each_servers_own():
    with FaultServer(models=["one"]) as first, FaultServer(models=["other"]) as second:
        first.entry, second.entry = (
            {"root": "/a", "quantization": "q"},
            {
                "root": "/b",
                "quantization": "q",
            },
        )
        model = ReplicasModel(spec(first.url), EngineOptions())
        told, reference = model.told(), model.measure()
        at_second = ReplicasModel(spec(second.url), EngineOptions())
        assert at_second.difference(told, reference) == ""
        second.entry["quantization"] = "other"
        assert "quantization" in at_second.difference(told, reference)


def test_none_that_can_be_asked():
    nobody = "http://127.0.0.1:9/v1"
    with (
        pytest.raises(MachineryError, match="no replica of m can be asked"),
        running(f"{nobody},http://127.0.0.1:19/v1"),
    ):
        pass
    with (
        FaultServer(models=["a", "b"]) as server,
        pytest.raises(UsageError, match="2 models"),
        running(f"{server.url},{nobody}"),
    ):
        pass


def test_closing_it_ends_its_threads():
    import threading

    before = set(threading.enumerate())
    stack, two = servers(2, enough=0)
    with stack, running(location(two)) as engine:
        engine.submit([request(number) for number in range(20)])
        until(lambda: two[0].chats and two[1].chats)
    left = [one for one in set(threading.enumerate()) - before if one.name.startswith("lrmtest-")]
    assert not left
