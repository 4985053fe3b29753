"""The transformers engine: generates in this process, on a CPU or a CUDA GPU.

The tokenizer and the configuration are read first, so that a budget that does not fit is
refused before any weight is loaded. Generation runs on one thread of its own; `Batcher` decides
what runs together, `Slots` runs the model, on a GPU `FixedSlots`, and `gumbel` draws the tokens.
"""

from __future__ import annotations

import gc
import threading
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from itertools import takewhile
from time import monotonic
from typing import TYPE_CHECKING, Any

from lrmtest.errors import EngineError, LrmtestError, MachineryError
from lrmtest.grading.completion import Completion
from lrmtest.grading.loops import LoopDetector
from lrmtest.models.draft import TraceDraft
from lrmtest.models.engines.base import Deliver, Delivery, EngineInfo, Progress, Request
from lrmtest.models.engines.kinds import carried
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer
from lrmtest.models.engines.tokenizers.checkpoint_files import first_line
from lrmtest.models.engines.transformers.context import check_budgets, context_length
from lrmtest.models.engines.transformers.on_device import (
    chosen_device,
    free_memory,
    load_model,
    places_at_once,
)
from lrmtest.models.request_fields import RequestFields, template_variables
from lrmtest.models.trace import Trace

if TYPE_CHECKING:
    from lrmtest.models.engines.transformers.batcher import Batcher, Running
    from lrmtest.models.engines.transformers.slots import Slots
    from lrmtest.models.spec import ModelSpec

_CONCURRENCY = {"cpu": 32, "cuda": 128}
_LOGIT_BYTES = 96  # of one logit along a draft: itself, its noise, and what these are made by
_JOIN_SECONDS = 120.0
"""For the step that is running, on a slow machine; no end must wait for ever."""


class TransformersEngine:
    """Continuous batching over a transformers model. See `lrmtest.models.engines.base.Engine`.

    Completion tokens include the end-of-sequence token, as in vLLM's and llama.cpp's counts.
    A completion's text depends on its request alone, except that logits may differ in their last
    bits with what else is in the batch.

    Args:
        spec: the model; its location is a GGUF file or a folder.
        options: device, dtype, concurrency, trust_remote_code and request fields are heeded; of
            the last, variables of the chat template, ``reasoning_effort`` (one of these), ``top_k``
            and ``min_p``.
        model: the model, loaded and on its device, in place of its files, as where its weights
            were changed; it is its owner's, who keeps it unchanged until the engine is closed.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions, model: Any = None) -> None:
        self._spec = spec
        self._options = options
        self._model = model
        self._fields = carried(spec, options)
        self._progress = Progress()
        self._changed = threading.Condition()
        self._inbox: deque[tuple[Request, float]] = deque()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def progress(self) -> Progress:
        """Live counters."""
        return self._progress

    def start(self, planned: Sequence[Request], deliver: Deliver) -> EngineInfo:
        """Load the model and start its thread.

        Raises:
            UsageError: a planned request does not fit the context, or there is no such device.
            ModelError: the model cannot be read, is of a kind this engine cannot run, or does
                not fit in memory.
        """
        device = chosen_device(self._options.device)
        chat = ChatTokenizer.load(
            self._spec.location,
            self._spec.reasoning_tags,
            variables=template_variables(self._fields),
            trust_remote_code=self._options.trust_remote_code,
        )
        context = context_length(
            self._spec.location,
            self._spec.card.context_length,
            trust_remote_code=self._options.trust_remote_code,
        )
        chat.try_template(request.messages for request in planned)
        check_budgets(planned, chat, context)

        model = self._model
        if model is None:
            model = load_model(self._spec, self._options, device)
        generation = _Generation(chat, model, self._options, context, self._fields)
        with self._changed:
            if self._closed:
                raise MachineryError(f"model {self._spec.name!r}: closed while it was loading")
            self._thread = threading.Thread(
                target=self._run,
                args=(generation, deliver),
                name="lrmtest-transformers",
                daemon=True,
            )
            self._thread.start()
        return generation.info

    def submit(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once."""
        now = monotonic()
        with self._changed:
            self._inbox.extend((request, now) for request in requests)
            self._changed.notify_all()

    def close(self) -> None:
        """Stop after the step that is running, and free the model."""
        with self._changed:
            self._closed = True
            self._inbox.clear()
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_SECONDS)
            self._thread = None
            gc.collect()

    # What follows runs on the engine's thread.

    def _run(self, generation: _Generation, deliver: Deliver) -> None:
        try:
            self._generate(generation, deliver)
        except Exception as error:
            self._fail(generation, deliver, error)
        finally:
            self._progress.running = 0

    def _generate(self, generation: _Generation, deliver: Deliver) -> None:
        import torch

        with torch.inference_mode():
            while (arrived := self._take(wait=generation.idle)) is not None:
                for request, submitted in arrived:
                    refused = generation.add(request, submitted)
                    if refused is not None:
                        deliver(refused)
                for delivery in generation.step(self._progress):
                    deliver(delivery)

    def _take(self, *, wait: bool) -> list[tuple[Request, float]] | None:
        """What was submitted since; None once the engine is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._inbox or not wait)
            if self._closed:
                return None
            arrived = list(self._inbox)
            self._inbox.clear()
            return arrived

    def _fail(self, generation: _Generation, deliver: Deliver, error: Exception) -> None:
        """Answer everything, also what is still to come, with the error that ended generation."""
        self._progress.running = 0
        left = generation.unfinished()
        while not self._closed:
            for request in left:
                failure = EngineError(
                    f"generation failed: {first_line(error)}",
                    hint="if memory ran out, lower --concurrency or --max-tokens",
                )
                deliver(Delivery(request, error=failure))
            arrived = self._take(wait=True)
            left = [request for request, _ in arrived or ()]


class _Generation:
    """The loaded model at work: requests in, deliveries out. Lives on the engine's thread."""

    def __init__(
        self,
        chat: ChatTokenizer,
        model: Any,
        options: EngineOptions,
        context: int,
        fields: RequestFields,
    ) -> None:
        import torch
        import transformers

        from lrmtest.models.engines.transformers.batcher import Batcher

        self._chat = chat
        self._context = context
        self._stop_loops = options.stop_loops
        self._traces = options.traces
        eos = _eos_token_ids(model.generation_config, chat)
        kind = model.device.type
        limit = options.concurrency or _CONCURRENCY.get(kind, 32)
        memory = free_memory(model.device)
        self._vocabulary = model.get_input_embeddings().num_embeddings
        slots, steps = _slots(model, options, fields)
        slots.limit_places(places_at_once(model.device, memory, self._vocabulary, _LOGIT_BYTES))
        self._batcher: Batcher = Batcher(slots, eos, limit=limit, memory=memory)
        self.info = EngineInfo(
            engine="transformers",
            version=f"{transformers.__version__}, torch {torch.__version__}",
            details={
                "device": torch.cuda.get_device_name(model.device) if kind == "cuda" else kind,
                "dtype": str(model.dtype).removeprefix("torch."),
                "attention": model.config._attn_implementation,
                "threads": torch.get_num_threads(),
                **steps,
                "concurrency": limit,
                "context_length": context,
                "eos_token_ids": sorted(eos),
                **chat.details,
            },
        )

    @property
    def idle(self) -> bool:
        """There is nothing to generate."""
        return not self._batcher.unfinished()

    def unfinished(self) -> list[Request]:
        """Requests that were added and are not delivered yet."""
        return [sequence.request for sequence in self._batcher.unfinished()]

    def add(self, request: Request, submitted: float) -> Delivery | None:
        """Queue a request; a delivery at once if it cannot be generated."""
        from lrmtest.models.engines.transformers.batcher import Running

        try:
            check_budgets([request], self._chat, self._context)
            prompt = self._chat.encode(request.messages)
        except LrmtestError as error:
            return Delivery(request, error=EngineError(error.message, hint=error.hint))
        except Exception as error:  # one request's accident must not end the others
            words = f"the prompt cannot be taken: {first_line(error)}"
            return Delivery(request, error=EngineError(words))
        loops = self._loop_watcher() if self._stop_loops else None
        draft = self._usable(request.draft, prompt)
        self._batcher.add([Running(request, submitted, prompt, loops, draft)])
        return None

    def _usable(self, draft: TraceDraft | None, prompt: list[int]) -> Sequence[int] | None:
        """The tokens of a draft that follows on this very prompt.

        What comes behind a token that this model does not have can only be turned from.
        """
        if draft is None or draft.trace.prompt.tolist() != prompt:
            return None
        return list(takewhile(self._vocabulary.__gt__, draft.trace.tokens))

    def _loop_watcher(self) -> Callable[[list[int]], bool]:
        detector, decode = LoopDetector(), self._chat.decode
        # Pieces decoded apart can differ from the whole at their seams; they do so in every
        # round of a loop alike.
        return lambda tokens: detector.feed(decode(tokens)) is not None

    def step(self, progress: Progress) -> list[Delivery]:
        """A step of everything that runs; the deliveries of what ended."""
        before, drafted = self._batcher.taken, self._batcher.drafted
        ended = self._batcher.step()
        progress.running = self._batcher.running
        progress.tokens += self._batcher.taken - before
        progress.drafted += self._batcher.drafted - drafted
        return [self._delivery(sequence) for sequence in ended]

    def _delivery(self, sequence: Running) -> Delivery:
        if sequence.finish_reason is None:
            return Delivery(sequence.request, error=sequence.error)
        tokens = sequence.generated
        text = self._chat.decode(tokens)
        completion = Completion(
            text=text,
            finish_reason=sequence.finish_reason,
            prompt_tokens=len(sequence.prompt),
            completion_tokens=len(tokens),
            reasoning_tokens=self._chat.reasoning_tokens(tokens, text),
            seed=sequence.request.seed,
            seconds=monotonic() - sequence.submitted,
            drafted_tokens=sequence.drafted,
        )
        trace = None
        if self._traces:
            trace = Trace(
                prompt=array("I", sequence.prompt),
                tokens=array("I", tokens),
                logprobs=array("f", sequence.logprobs),
                ended=sequence.finish_reason == "stop",
            )
        return Delivery(sequence.request, completion=completion, trace=trace)


def _slots(
    model: Any, options: EngineOptions, fields: RequestFields
) -> tuple[Slots, dict[str, str]]:
    """What runs the model: on a GPU in CUDA graphs, if it can be; and what is to be said of it."""
    from lrmtest.models.engines.transformers.fixed_slots import FixedSlots, why_not_fixed
    from lrmtest.models.engines.transformers.gumbel import Cut
    from lrmtest.models.engines.transformers.slots import Slots

    cut = Cut(top_k=max(0, fields.get("top_k", 0)), min_p=fields.get("min_p", 0.0))
    if model.device.type != "cuda":
        return Slots(model, cut, traced=options.traces), {}
    if (why := why_not_fixed(model)) is not None:
        return Slots(model, cut, traced=options.traces), {"steps": f"one by one: {why}"}
    from lrmtest.models.engines.transformers.cuda_graphs import graph_steps

    def tell(line: str) -> None:
        options.note("steps", line)
        options.tell(line)

    steps = graph_steps(model.device, tell)
    return FixedSlots(model, steps, cut, traced=options.traces), {"steps": "CUDA graphs"}


def _eos_token_ids(generation_config: Any, chat: ChatTokenizer) -> frozenset[int]:
    """Tokens that end a completion: the generation config's and the tokenizer's, as in vLLM."""
    declared = generation_config.eos_token_id
    ids = set(declared) if isinstance(declared, list | tuple) else {declared}
    ids.add(chat.eos_token_id)
    return frozenset(token_id for token_id in ids if token_id is not None)
