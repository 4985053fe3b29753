"""The transformers reader: prefill only, of one model or of two side by side.

Traces of about the same length are read together, those of one prompt with that prompt filled
once. Logits come a few positions at a time, while the key-value cache of what is before is kept,
so that memory is bounded by a constant and the cache, whatever the length and the vocabulary.
"""

from __future__ import annotations

import gc
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lrmtest.errors import LrmtestError, MachineryError, ModelError, UsageError
from lrmtest.models.engines.base import Conversation, EngineInfo
from lrmtest.models.engines.kinds import carried
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer
from lrmtest.models.engines.tokenizers.checkpoint_files import first_line
from lrmtest.models.engines.trace_reader import (
    ESTIMATED,
    DeliverReading,
    ReaderInfo,
    longest,
    name_of,
)
from lrmtest.models.engines.transformers.fitting import refuse_foreign_ids, refuse_too_long
from lrmtest.models.engines.transformers.on_device import (
    LOGITS_SHARE,
    chosen_device,
    free_memory,
    load_model,
    places_at_once,
)
from lrmtest.models.reading import Reading, Shaping, Written
from lrmtest.models.request_fields import template_variables

if TYPE_CHECKING:
    import torch

    from lrmtest.models.engines.transformers.reading_slots import ReadingSlots
    from lrmtest.models.spec import ModelSpec

_ROWS = {"cpu": 8, "cuda": 64}
_LOGIT_BYTES = 48  # of one logit, for its model: itself, in float32, and what is made of it
_FLOAT = 4


class TransformersReader:
    """Reads with a transformers model here. See `lrmtest.models.engines.trace_reader.TraceReader`.

    With the writer beside it both distributions are at hand at every place, so that their total
    variation and divergence are exact, and the writer's own reading of its traces, the floor,
    comes along. Without it the log-probabilities of the traces' tokens are exact.

    Args:
        spec: the reader.
        options: device, dtype, concurrency (traces at once) and trust_remote_code are heeded.
        parent: the model that wrote the traces.
    """

    def __init__(
        self, spec: ModelSpec, options: EngineOptions, parent: ModelSpec | None = None
    ) -> None:
        self._specs = [spec] if parent is None else [spec, parent]
        self._options = options
        self._slots: list[ReadingSlots] = []
        self._memory = 0
        self._rows = 1
        self._places = 1

    def start(self, planned: Sequence[Written]) -> ReaderInfo:
        """Load the models.

        Raises:
            UsageError: a trace does not fit a model's context or vocabulary; there is no such
                device.
            ModelError: a model cannot be read or does not fit in memory.
        """
        import torch
        import transformers

        from lrmtest.models.engines.transformers.reading_slots import ReadingSlots

        device = chosen_device(self._options.device)
        for spec in self._specs:
            refuse_too_long(spec, planned, trust_remote_code=self._options.trust_remote_code)
        models = [load_model(spec, self._options, device) for spec in self._specs]
        kind = models[0].device.type
        self._rows = self._options.concurrency or _ROWS.get(kind, 8)
        self._memory = free_memory(models[0].device)
        with torch.inference_mode():
            self._slots = [ReadingSlots(model) for model in models]
        for spec, slots in zip(self._specs, self._slots, strict=True):
            refuse_foreign_ids(spec, slots.vocabulary, planned)
        width = sum(slots.vocabulary for slots in self._slots)
        self._places = places_at_once(models[0].device, self._memory, width, _LOGIT_BYTES)
        info = EngineInfo(
            engine="transformers",
            version=f"{transformers.__version__}, torch {torch.__version__}",
            details={
                "device": torch.cuda.get_device_name(models[0].device) if kind == "cuda" else kind,
                "dtype": str(models[0].dtype).removeprefix("torch."),
                "attention": models[0].config._attn_implementation,
                "rows": self._rows,
            },
        )
        limits: tuple[str, ...] = ()
        if len(models) == 1 and any(not one.shaping.greedy for one in planned):
            limits = (ESTIMATED,)
        return ReaderInfo(info, limits)

    def prompts(self, conversations: Sequence[Conversation]) -> list[array[int] | None]:
        """See `RendersPrompts.prompts`; by the tokenizer beside the weights.

        Raises:
            ModelError: there is none, or its template refuses a conversation.
        """
        spec = self._specs[0]
        chat = ChatTokenizer.load(
            spec.location,
            spec.reasoning_tags,
            variables=template_variables(carried(spec, self._options)),
            trust_remote_code=self._options.trust_remote_code,
        )
        chat.try_template(conversations)
        return [array("I", chat.encode(one)) for one in conversations]

    def read(self, written: Sequence[Written], deliver: DeliverReading) -> None:
        """See `TraceReader.read`; shorter traces come first.

        Raises:
            MachineryError: memory ran out.
            ModelError: the model's logits are no numbers.
        """
        import torch

        for batch in self._batches(written):
            try:
                with torch.inference_mode():
                    found = self._read(batch)
            except (MemoryError, torch.OutOfMemoryError) as error:
                raise MachineryError(
                    f"memory ran out while {len(batch)} traces of up to "
                    f"{longest(batch).length:,} tokens were read",
                    hint="lower --concurrency, or pass --dtype bfloat16; what was read is kept",
                ) from error
            except LrmtestError:
                raise
            except Exception as error:
                raise ModelError(f"reading failed: {first_line(error)}") from error
            for reading, floor in found:
                deliver(reading, floor)

    def close(self) -> None:
        """Free the models."""
        self._slots = []
        gc.collect()

    def _batches(self, written: Sequence[Written]) -> Iterator[list[Written]]:
        """Traces that are read together: drawn alike; of one prompt, else of about one length."""
        alike: dict[tuple[Shaping, bytes], list[Written]] = defaultdict(list)
        for one in written:
            alike[one.shaping, one.trace.prompt.tobytes()].append(one)
        groups: dict[Any, list[Written]] = defaultdict(list)
        for key, group in alike.items():
            groups[key if len(group) > 1 else key[0]] += group
        pieces = [piece for group in groups.values() for piece in self._cut(group)]
        yield from sorted(pieces, key=lambda piece: longest(piece).length)

    def _cut(self, group: Sequence[Written]) -> Iterator[list[Written]]:
        batch: list[Written] = []
        for one in sorted(group, key=lambda one: one.length):
            each = sum(slots.memory(one.length) for slots in self._slots)
            room = int(self._memory * (1 - LOGITS_SHARE)) // each if each else 1
            if batch and len(batch) >= min(self._rows, max(1, room)):
                yield batch
                batch = []
            batch.append(one)
        if batch:
            yield batch

    def _read(self, batch: Sequence[Written]) -> list[tuple[Reading, Reading | None]]:
        found = [_Found() for _ in batch]
        for rows, tokens, logits in self._places_of(batch):
            figures = _figures(logits, tokens, batch[0].shaping)
            counts = [rows.count(row) for row in range(len(batch))]
            begin = 0
            for one, count in zip(found, counts, strict=True):
                one.add(figures, begin, begin + count)
                begin += count
        return [
            one.readings(written, paired=len(self._slots) == 2)
            for one, written in zip(found, batch, strict=True)
        ]

    def _places_of(
        self, batch: Sequence[Written]
    ) -> Iterator[tuple[list[int], torch.Tensor, list[torch.Tensor]]]:
        """Row by row the places of the traces' tokens, a few columns of all rows at a time.

        Yields:
            The row of each place, the token there, and each model's logits for it, float32, shape
            (places, vocabulary).
        """
        import torch

        device = self._slots[0].device
        rows = [[*one.trace.prompt, *one.trace.tokens] for one in batch]
        begins = [len(one.trace.prompt) - 1 for one in batch]
        ends = [len(row) - 1 for row in rows]
        longest_row, first = max(map(len, rows)), min(begins)
        ids = torch.tensor([row + [0] * (longest_row - len(row)) for row in rows], device=device)
        shared = all(one.trace.prompt == batch[0].trace.prompt for one in batch)
        for slots in self._slots:
            slots.begin(len(rows), longest_row)
            slots.fill_prompt(ids[:, :first], shared=shared)
        step = max(1, self._places // len(rows))
        for begin in range(first, max(ends), step):
            stop = min(begin + step, max(ends))
            here = [
                (row, column)
                for row in range(len(rows))
                for column in range(max(begin, begins[row]), min(stop, ends[row]))
            ]
            # Columns of the prompts alone, or behind the ends of all that are left.
            part = [slots.logits(ids[:, begin:stop], begin) for slots in self._slots]
            if not here:
                continue
            row_index = torch.tensor([row for row, _ in here], device=device)
            column_index = torch.tensor([column for _, column in here], device=device)
            logits = [one[row_index, column_index - begin].float() for one in part]
            yield [row for row, _ in here], ids[row_index, column_index + 1], logits


@dataclass(slots=True)
class _Found:
    """The figures of one trace, as far as they were read; by their names, in order."""

    figures: dict[str, array[float]] = field(default_factory=dict)

    def add(self, figures: dict[str, list[float]], begin: int, stop: int) -> None:
        """Add those of further places."""
        for name, values in figures.items():
            self.figures.setdefault(name, array("f")).extend(values[begin:stop])

    def readings(self, written: Written, *, paired: bool) -> tuple[Reading, Reading | None]:
        """The reader's reading, and the writer's."""
        figures, trace, shaping = self.figures, written.trace, written.shaping
        nothing = array("f")
        reader, own = figures.get("reader", nothing), figures.get("own", nothing)
        again = figures.get("writer", nothing)
        writers_own = figures.get("writers_own", nothing)
        if shaping.greedy:
            drawn = array("f", bytes(_FLOAT * len(trace.tokens)))
            kept_own = trace.logprobs
        else:
            drawn = trace.logprobs or again
            kept_own = trace.logprobs if shaping.nothing else nothing
        if len(drawn) != len(trace.tokens):
            raise UsageError(
                f"the trace of {name_of(written)} has no log-probabilities",
                hint="give the model that wrote it: --parent MODEL",
            )
        reading = Reading(
            written.place,
            written=drawn,
            lowest=reader,
            highest=reader,
            variation=figures.get("variation", nothing),
            divergence=figures.get("divergence", nothing),
            own=own,
            writers_own=writers_own or kept_own,
        )
        if not paired:
            return reading, None
        floor = Reading(
            written.place,
            written=drawn,
            lowest=again,
            highest=again,
            variation=nothing,
            divergence=nothing,
            own=writers_own,
            writers_own=kept_own,
        )
        return reading, floor


def _figures(
    logits: Sequence[torch.Tensor], tokens: torch.Tensor, shaping: Shaping
) -> dict[str, list[float]]:
    """What `_Found` keeps of some places, from the logits of the reader and the writer there."""
    import torch

    from lrmtest.models.engines.transformers.distributions import (
        divergence,
        of_tokens,
        processed,
        same_width,
        total_variation,
    )

    if any(bool(each.isnan().any()) for each in logits):
        raise ModelError(
            "the model's logits are not numbers (NaN)",
            hint="float16 may overflow: pass --dtype bfloat16 or float32",
        )
    if len(logits) == 2:
        logits = same_width(*logits)
    names = ("reader", "writer")
    found: dict[str, torch.Tensor] = {}
    plain = [each.log_softmax(dim=-1) for each in logits]
    for name, each in zip(("own", "writers_own"), plain, strict=False):
        found[name] = of_tokens(each, tokens)
    if len(plain) == 2:
        found["divergence"] = divergence(plain[1], plain[0])
    if shaping.greedy:
        first = [each.argmax(dim=-1) for each in logits]
        for name, likeliest in zip(names, first, strict=False):
            found[name] = torch.where(likeliest == tokens, 0.0, -torch.inf)
        # What was written is the writer's likeliest token, so all its mass is there.
        found["variation"] = (first[0] != tokens).double()
    else:
        shaped = plain if shaping.nothing else [processed(each, shaping) for each in logits]
        for name, each in zip(names, shaped, strict=False):
            found[name] = of_tokens(each, tokens)
        if len(shaped) == 2:
            found["variation"] = total_variation(*shaped)
    # Rounding may put the logarithm of what is all but certain above 0.
    for name in (*names, "own", "writers_own"):
        if name in found:
            found[name] = found[name].clamp_max(0.0)
    return {name: values.tolist() for name, values in found.items()}
