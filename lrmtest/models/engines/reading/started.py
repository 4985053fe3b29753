"""The readers that start a server of their own, vLLM's or llama.cpp's."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lrmtest.errors import UsageError
from lrmtest.models.engines.base import Conversation, Message, Request, Sampling
from lrmtest.models.engines.llamacpp_engine import LlamaCppEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.reading.endpoint import MOST_SHOWN, EndpointReader
from lrmtest.models.engines.reading.whole import ARGUMENTS
from lrmtest.models.engines.server.engine import ServedEngine
from lrmtest.models.engines.server.given import given
from lrmtest.models.engines.trace_reader import (
    DeliverDistribution,
    DeliverReading,
    ReaderInfo,
    longest,
)
from lrmtest.models.engines.vllm_engine import VllmEngine
from lrmtest.models.reading import Shaping, Written
from lrmtest.questions.place import Place

if TYPE_CHECKING:
    from lrmtest.models.spec import ModelSpec


class StartedReader:
    """Reads with a server that it starts. See `lrmtest.models.engines.trace_reader.TraceReader`.

    Args:
        spec: the reader.
        options: as of the engine.
        parent: must be None: a server has one model.
    """

    kind: type[ServedEngine]
    arguments: tuple[tuple[str, str], ...] = ()
    """Of its server, beside what generation needs; the user's own win."""

    def __init__(
        self, spec: ModelSpec, options: EngineOptions, parent: ModelSpec | None = None
    ) -> None:
        assert parent is None
        of_user = [*spec.card.engine_args, *options.engine_args]
        more = [
            word
            for name, value in self.arguments
            if given(name, of_user) is None
            for word in (name, value)
        ]
        self._spec = spec
        self._options = options
        self._engine = self.kind(spec, replace(options, engine_args=(*more, *options.engine_args)))
        self._reader: EndpointReader | None = None

    def start(self, planned: Sequence[Written]) -> ReaderInfo:
        """Start the server.

        Raises:
            UsageError: a trace does not fit the model's context.
            ModelError: the server is not installed or does not start.
        """
        try:
            address, engine = self._engine.serve(_requests(planned))
            self._reader = EndpointReader(
                replace(self._spec, engine="openai", location=address.url),
                replace(self._options, served_model=address.served_name),
                key=address.key,
            )
            told = self._reader.start(planned)
        except BaseException:
            self.close()
            raise
        shown = {"shown": told.engine.details["shown"]}
        return ReaderInfo(
            replace(engine, details={**engine.details, **shown}, version=engine.version),
            told.limits,
        )

    def prompts(self, conversations: Sequence[Conversation]) -> list[array[int] | None]:
        """See `EndpointReader.prompts`."""
        assert self._reader is not None
        return self._reader.prompts(conversations)

    def read(self, written: Sequence[Written], deliver: DeliverReading) -> None:
        """See `EndpointReader.read`."""
        assert self._reader is not None
        self._reader.read(written, deliver)

    def close(self) -> None:
        """Stop the server."""
        if self._reader is not None:
            self._reader.close()
        self._engine.close()


class VllmReader(StartedReader):
    """Reads with a vLLM server of its own."""

    kind = VllmEngine
    arguments = (("--max-logprobs", str(MOST_SHOWN)), ("--logprobs-mode", "raw_logprobs"))


class VllmDraftReader(VllmReader):
    """Reads drafts with a vLLM server of its own, which tells whole distributions as well.

    Raises:
        UsageError: the user's own arguments keep it from that.
    """

    arguments = ARGUMENTS

    def __init__(
        self, spec: ModelSpec, options: EngineOptions, parent: ModelSpec | None = None
    ) -> None:
        of_user = [*spec.card.engine_args, *options.engine_args]
        for name, needed in ARGUMENTS:
            value = given(name, of_user)
            if value not in (None, needed):
                raise UsageError(
                    f"--drafts with {name} {value}: vLLM tells whole distributions with {needed}",
                    hint=f"leave {name} out",
                )
        super().__init__(spec, options, parent)

    def distributions(
        self, asked: Sequence[tuple[array[int], Shaping]], deliver: DeliverDistribution
    ) -> None:
        """See `EndpointReader.distributions`."""
        assert self._reader is not None
        self._reader.distributions(asked, deliver)


class LlamaCppReader(StartedReader):
    """Reads with a llama-server of its own."""

    kind = LlamaCppEngine


def _requests(planned: Sequence[Written]) -> list[Request]:
    """Requests that need a context of the longest trace, for a server's sizes."""
    sampling = Sampling(longest(planned).length, temperature=0.0, top_p=1.0)
    return [
        Request(Place(str(number), "", "", 0), (Message("user", ""),), sampling, seed=0)
        for number in range(len(planned))
    ]
