"""Several engines as one: each on devices of its own, the work shared between them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from lrmtest.errors import UsageError
from lrmtest.models.engines.base import (
    Deliver,
    Delivery,
    Engine,
    EngineInfo,
    HasLog,
    Progress,
    Request,
)
from lrmtest.models.engines.options import EngineOptions


def pinned(options: EngineOptions, engines: int, gpus: int) -> list[EngineOptions]:
    """Options for each of several engines, with an equal share of the GPUs there are.

    Without a GPU the engines share the processor.

    Args:
        options: as the user gave them.
        engines: how many engines.
        gpus: how many GPUs this process sees.

    Raises:
        UsageError: the GPUs cannot be shared out equally.
    """
    if not gpus:
        return [options] * engines
    share, rest = divmod(gpus, engines)
    if rest or not share:
        raise UsageError(
            f"{gpus} GPUs cannot be shared out equally to {engines} engines",
            hint="choose a number of workers that divides the number of GPUs",
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(number) for number in range(gpus)]
    return [
        replace(
            options,
            device=f"cuda:{first}" if options.device == "auto" else options.device,
            visible_devices=",".join(names[first : first + share]),
        )
        for first in range(0, gpus, share)
    ]


class EnginePool:
    """Gives each request to the engine with the least work.

    Args:
        engines: makes each of the engines, none of which is started.
    """

    def __init__(self, engines: Sequence[Callable[[], Engine]]) -> None:
        self._engines = [make() for make in engines]
        self._lock = threading.Lock()
        self._outstanding = [0] * len(self._engines)
        self._engine_of: dict[str, int] = {}

    @property
    def progress(self) -> Progress:
        """Live counters of all engines together."""
        all_of_them = [engine.progress for engine in self._engines]
        return Progress(
            tokens=sum(progress.tokens for progress in all_of_them),
            running=sum(progress.running for progress in all_of_them),
            drafted=sum(progress.drafted for progress in all_of_them),
        )

    @property
    def log_line(self) -> str:
        """The last line of the log of the first engine that has one."""
        lines = (engine.log_line for engine in self._engines if isinstance(engine, HasLog))
        return next(filter(None, lines), "")

    def start(self, planned: Sequence[Request], deliver: Deliver) -> EngineInfo:
        """Start all engines at once; each plans for the whole, since any may get the longest.

        Raises:
            UsageError, ModelError: as the first engine that fails; all are closed then.
        """

        def deliver_and_count(delivery: Delivery) -> None:
            with self._lock:
                number = self._engine_of.pop(delivery.request.key, None)
                if number is not None:
                    self._outstanding[number] -= 1
            deliver(delivery)

        with ThreadPoolExecutor(len(self._engines)) as threads:
            starts = [
                threads.submit(engine.start, planned, deliver_and_count) for engine in self._engines
            ]
        try:
            infos = [start.result() for start in starts]
        except BaseException:
            self.close()
            raise
        return replace(infos[0], details={**infos[0].details, "engines": len(infos)})

    def submit(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once."""
        shares: list[list[Request]] = [[] for _ in self._engines]
        with self._lock:
            for request in requests:
                number = min(range(len(shares)), key=self._outstanding.__getitem__)
                self._outstanding[number] += 1
                self._engine_of[request.key] = number
                shares[number].append(request)
        for engine, share in zip(self._engines, shares, strict=True):
            if share:
                engine.submit(share)

    def close(self) -> None:
        """Stop all engines."""
        for engine in self._engines:
            engine.close()
