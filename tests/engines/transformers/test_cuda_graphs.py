"""The only code that needs CUDA, on stand-ins for torch's: what is called, and what is put back."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

torch = pytest.importorskip("torch")

from lrmtest.models.engines.transformers.cuda_graphs import CudaGraphs, graph_steps  # noqa: E402


class FakeCuda:
    """Streams, and a graph that repeats what ran while it was recorded."""

    def __init__(self, monkeypatch, fails=False):
        self.log, self.current, self.fails, self.recording = [], "default", fails, None
        self.pools = 0
        fake = self

        class Stream:
            def __init__(self, device):
                self.name = "side"

            def wait_stream(self, other):
                fake.log.append(f"side waits for {getattr(other, 'name', other)}")

        class Graph:
            def __init__(self):
                self.steps = []

            def replay(self):
                for step in self.steps:
                    step()

        class Current(str):
            def wait_stream(self, other):
                fake.log.append(f"{self} waits for {other.name}")

        @contextmanager
        def stream(side):
            before, fake.current = fake.current, side.name
            yield
            fake.current = before

        @contextmanager
        def graph(made, *, pool, stream, capture_error_mode):
            assert capture_error_mode == "thread_local"
            fake.log.append(f"record in pool {pool}")
            fake.current, fake.recording = stream.name, made
            yield
            fake.recording = None
            if fake.fails:
                raise RuntimeError("operation failed due to a previous error during capture")
            fake.current = "default"

        @contextmanager
        def device(_):
            yield

        def handle():
            self.pools += 1
            return self.pools

        for name, value in {
            "Stream": Stream,
            "CUDAGraph": Graph,
            "current_stream": lambda: Current(self.current),
            "set_stream": lambda which: setattr(self, "current", str(which)),
            "stream": stream,
            "graph": graph,
            "device": device,
            "graph_pool_handle": handle,
            "empty_cache": lambda: self.log.append("empty"),
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)


def test_a_step_is_warmed_up_on_the_side_and_then_recorded(monkeypatch):
    cuda = FakeCuda(monkeypatch)
    ran = []

    def once():
        if cuda.recording is not None:
            cuda.recording.steps.append(lambda: ran.append("repeated"))
        else:
            ran.append(cuda.current)

    replay = CudaGraphs(torch.device("cuda")).record(once)
    assert ran == ["side"]
    assert cuda.log == ["side waits for default", "default waits for side", "record in pool 1"]
    replay()
    replay()
    assert ran == ["side", "repeated", "repeated"]
    assert cuda.current == "default"


def test_a_failed_recording_leaves_the_stream_as_it_was(monkeypatch):
    cuda = FakeCuda(monkeypatch, fails=True)
    with pytest.raises(RuntimeError, match="during capture"):
        CudaGraphs(torch.device("cuda")).record(lambda: None)
    assert cuda.current == "default"


def test_graphs_that_are_gone_give_back_their_memory_and_their_pool(monkeypatch):
    cuda = FakeCuda(monkeypatch)
    graph_steps(torch.device("cuda")).forget()
    assert cuda.log == ["empty"]
    assert cuda.pools == 2
