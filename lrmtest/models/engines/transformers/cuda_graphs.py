"""Steps recorded as CUDA graphs: all kernels of a step are launched at once.

Nothing else here needs CUDA: what is recorded, when, and what happens when that fails is in
`steps`.
"""

from __future__ import annotations

import torch

from lrmtest.models.engines.transformers.steps import Once, RecordedSteps
from lrmtest.progress import Tell, silent


class CudaGraphs:
    """Records steps on a device. Graphs share one pool of memory, as no two run at once.

    Args:
        device: a CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, once: Once) -> Once:
        """Run a step to warm up, then record it.

        Raises:
            RuntimeError: it does what cannot be recorded, or memory ran out.
        """
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device):
            current = torch.cuda.current_stream()
            self._stream.wait_stream(current)
            # What libraries set up at first use, on this stream, must not be in the recording.
            with torch.cuda.stream(self._stream):
                once()
            current.wait_stream(self._stream)
            mode = "thread_local"  # other threads may use CUDA meanwhile
            try:
                with torch.cuda.graph(
                    graph, pool=self._pool, stream=self._stream, capture_error_mode=mode
                ):
                    once()
            finally:
                torch.cuda.set_stream(current)  # which torch leaves undone when recording fails
        replay: Once = graph.replay
        return replay

    def forget(self) -> None:
        """All graphs are gone: give their memory back."""
        self._pool = torch.cuda.graph_pool_handle()  # one that ran empty cannot be used again
        torch.cuda.empty_cache()


def graph_steps(device: torch.device, tell: Tell = silent) -> RecordedSteps:
    """Steps that run as CUDA graphs on `device`."""
    graphs = CudaGraphs(device)
    return RecordedSteps(graphs.record, tell, graphs.forget)
