"""The paper's score: what each module has to do with each behaviour, segment by segment.

For a behaviour c and a linear module, u_c is a difference of means of the module's outputs: over
the tokens of c's segments, less over all tokens; each is a mean over a trace first and then over
traces, and u_c gets the length of the mean output over all tokens (Venhoff et al. 2025, arXiv
2506.18167, section 3; Zhang et al., arXiv 2504.02010, later versions, for every linear module).
A segment's loss L is the mean negative log-likelihood of its tokens. With g the mean over its
tokens of dL/d(the module's outputs),

    score = u_c . g

and a module's importance is the mean of |score| over the segments of c: attribution patching,
to first order what the loss would move by if u_c were added to the outputs at these tokens.

`RELEASED` is what the authors' script computes (github.com/psunlpgroup/Compression-Effects): there
the four behaviours' sums are one tensor, so that every u_c is made of all four; a segment's mean
begins five tokens before it and ends one before its last; prompts count among all tokens.

L depends on what is before the segment by keys and values alone, which are constants for outputs
at its tokens. So a trace runs forward once, its keys and values are kept, and each segment goes
forward and backward alone, behind them: as many tokens as it has, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lrmtest.errors import ModelError
from lrmtest.locate.behaviours.segmented import SegmentedTrace, TokenSegment
from lrmtest.locate.portions import LayersPassed
from lrmtest.models.engines.transformers.stack import Passage, Stack

CORRECT, RELEASED = 0, 1
"""The two forms of a score."""
_BEFORE = 5
"""Tokens before a segment that the released script counts to it."""


@dataclass(slots=True)
class OutputSums:
    """Sums of a module's outputs, float64.

    Attributes:
        traces: how many were added.
        with_behaviour: of them, those that have each behaviour.
        tokens: of all of them, prompts counted.
        own, released: (behaviours, width), of means over a trace's segments: in the two forms.
        generated, everything: (width), of means over a trace: over what was generated, over all.
        total: (width), of all tokens' outputs.
    """

    traces: int
    with_behaviour: list[int]
    tokens: int
    own: Tensor
    released: Tensor
    generated: Tensor
    everything: Tensor
    total: Tensor

    @classmethod
    def empty(cls, behaviours: int, width: int) -> OutputSums:
        """Of nothing yet."""
        many = (torch.zeros(behaviours, width, dtype=torch.float64) for _ in range(2))
        one = (torch.zeros(width, dtype=torch.float64) for _ in range(3))
        return cls(0, [0] * behaviours, 0, *many, *one)

    def add(self, outputs: Tensor, prompt: int, segments: Sequence[TokenSegment]) -> None:
        """Add a trace.

        Args:
            outputs: (tokens, width).
            prompt: how many of the tokens are the prompt's.
            segments: the trace's.
        """
        outputs = outputs.double().cpu()
        self.traces += 1
        self.tokens += len(outputs)
        self.total += outputs.sum(0)
        self.everything += outputs.mean(0)
        self.generated += outputs[prompt:].mean(0)
        for behaviour in range(len(self.with_behaviour)):
            its = [each for each in segments if each.behaviour == behaviour]
            if not its:
                continue
            self.with_behaviour[behaviour] += 1
            own = [place for each in its for place in range(each.begin, each.end)]
            script = [
                place
                for each in its
                for place in range(max(0, each.begin - _BEFORE), max(each.begin, each.end - 1))
            ]
            self.own[behaviour] += outputs[own].mean(0)
            self.released[behaviour] += outputs[script].mean(0)

    def directions(self) -> Tensor:
        """u, (forms, behaviours, width), float64; 0 for a behaviour that no trace has."""
        counts = torch.tensor([float(max(1, each)) for each in self.with_behaviour])[:, None]
        seen = torch.tensor([each > 0 for each in self.with_behaviour])[:, None]
        shared = self.released.sum(0, keepdim=True)  # one tensor under four names
        differences = torch.stack(
            [
                self.own / counts - self.generated / max(1, self.traces),
                shared / counts - self.everything / max(1, self.traces),
            ]
        )
        length = (self.total / max(1, self.tokens)).norm()
        scaled = functional.normalize(differences, dim=-1) * length
        return torch.where(seen, scaled, torch.zeros_like(scaled))


@dataclass(slots=True)
class TraceScores:
    """A trace's scores.

    Attributes:
        key: of its sample.
        losses: of each segment, nats a token.
        scores: by module, (forms, segments): in each form each segment's.
    """

    key: str
    losses: list[float]
    scores: dict[str, list[list[float]]] = field(default_factory=dict)


def add_outputs(
    stack: Stack,
    traces: Sequence[SegmentedTrace],
    sums: dict[str, OutputSums],
    behaviours: int,
    done: LayersPassed,
) -> None:
    """Add traces' outputs to the modules' sums: one pass forward.

    Args:
        stack: the model.
        traces: their hidden states are held meanwhile.
        sums: by module; modules that are not there are put there.
        behaviours: how many there are.
        done: is told once for each layer.

    Raises:
        ModelError: a module is not at work once on every token, or gives what is no number.
    """
    with torch.no_grad():
        passages = [stack.begin(each.tokens) for each in traces]
        for index in range(len(stack.layers)):
            with stack.at_work(index):
                linears = stack.linears(index)
                for trace, passage in zip(traces, passages, strict=True):
                    with _outputs(linears) as seen:
                        passage.hidden = stack.run(index, passage)
                    for name, linear in linears.items():
                        output = _once(seen, name, len(trace.tokens))
                        if name not in sums:
                            sums[name] = OutputSums.empty(behaviours, linear.out_features)
                        sums[name].add(output, len(trace.written.trace.prompt), trace.segments)
            done()


def score(
    stack: Stack,
    traces: Sequence[SegmentedTrace],
    directions: Mapping[str, Tensor],
    done: LayersPassed,
) -> list[TraceScores]:
    """Scores of some traces; hidden states and keys of every layer are held meanwhile.

    Args:
        stack: the model.
        traces: each with at least one segment of two tokens or more; shorter ones score 0.
        directions: by module, as `OutputSums.directions` gives them.
        done: is told twice for each layer.

    Raises:
        ModelError: a loss is not a number, or a module is not at work once on every token.
    """
    before: list[list[Tensor]] = []
    keys: list[list[_Recorded]] = []
    with torch.no_grad():
        passages = [stack.begin(each.tokens) for each in traces]
        for index in range(len(stack.layers)):
            before.append([passage.hidden for passage in passages])
            keys.append([_Recorded() for _ in passages])
            with stack.at_work(index):
                for passage, recorded in zip(passages, keys[-1], strict=True):
                    passage.hidden = stack.run(index, passage, recorded)
            done()
    found = []
    works: list[list[_SegmentWork]] = []
    with stack.head_at_work():
        for trace, passage in zip(traces, passages, strict=True):
            heads = [_head(stack, trace, each, passage.hidden) for each in trace.segments]
            key = trace.written.place.key
            found.append(TraceScores(key, [loss for loss, _ in heads]))
            works.append(
                [
                    _SegmentWork(number, each, gradient)
                    for number, (each, (_, gradient)) in enumerate(
                        zip(trace.segments, heads, strict=True)
                    )
                    if each.end - each.begin > 1
                ]
            )
    # Asked here: no sequence can be begun while the head is at work.
    for trace, its in zip(traces, works, strict=True):
        for one in its:
            ids = trace.tokens[one.segment.begin : one.segment.end - 1]
            one.passage = stack.begin(ids, behind=one.segment.begin)
    for index in reversed(range(len(stack.layers))):
        with stack.at_work(index):
            linears = stack.linears(index)
            theirs = {name: directions[name].to(stack.device).float() for name in linears}
            for at, (trace, its) in enumerate(zip(traces, works, strict=True)):
                scores = found[at].scores
                for name in linears:
                    scores[name] = [[0.0] * len(trace.segments) for _ in (CORRECT, RELEASED)]
                for one in its:
                    moved = _backward(stack, index, one, before[index][at], keys[index][at])
                    for name in linears:
                        gradient = _once(moved, name, one.tokens).sum(0) / (one.tokens + 1)
                        both = theirs[name][:, one.segment.behaviour] @ gradient
                        for form, value in enumerate(both.tolist()):
                            scores[name][form][one.number] = value
        before.pop()
        keys.pop()
        done()
    return found


@dataclass(slots=True)
class _SegmentWork:
    """A segment on its way back through the layers.

    Attributes:
        number: among its trace's.
        segment: its tokens; of the last one's outputs no loss depends.
        gradient: of its loss by what comes out of a layer at its tokens, (1, tokens - 1, width).
        passage: what layers are called with beside; set before the first of them.
    """

    number: int
    segment: TokenSegment
    gradient: Tensor
    passage: Passage | None = None

    @property
    def tokens(self) -> int:
        """That are at work: all but the last."""
        return self.segment.end - self.segment.begin - 1


class _Recorded:
    """The keys and values of a whole trace at one layer."""

    def __init__(self) -> None:
        self.keys = self.values = torch.empty(0)

    def update(
        self, key_states: Tensor, value_states: Tensor, *arguments: Any, **named: Any
    ) -> tuple[Tensor, Tensor]:
        self.keys, self.values = key_states, value_states
        return key_states, value_states


class _Behind:
    """What is attended to by tokens that stand behind others of a trace."""

    def __init__(self, recorded: _Recorded, tokens: int) -> None:
        self._recorded, self._tokens = recorded, tokens

    def update(
        self, key_states: Tensor, value_states: Tensor, *arguments: Any, **named: Any
    ) -> tuple[Tensor, Tensor]:
        if not len(self._recorded.keys):
            raise ModelError(
                "the model's layers do not tell their keys and values",
                hint="what can be scored: models such as Llama, Qwen2 and Mistral",
            )
        return (
            torch.cat([self._recorded.keys[:, :, : self._tokens], key_states], dim=2),
            torch.cat([self._recorded.values[:, :, : self._tokens], value_states], dim=2),
        )


def _head(
    stack: Stack, trace: SegmentedTrace, segment: TokenSegment, hidden: Tensor
) -> tuple[float, Tensor]:
    """A segment's loss, in nats a token, and its gradient by what goes into the head at its tokens.

    The first token's likelihood depends on the place before the segment, so that it is part of the
    loss and has no part in the gradient.
    """
    places = slice(segment.begin - 1, segment.end - 1)
    tokens = torch.tensor(trace.tokens[segment.begin : segment.end], device=stack.device)
    leaf = hidden[:, places].detach().to(stack.device).requires_grad_()
    with torch.enable_grad():
        logits = stack.logits(leaf)[0].float()
        loss = functional.cross_entropy(logits, tokens)
        (gradient,) = torch.autograd.grad(loss, leaf)
    if not bool(loss.isfinite()):
        place = trace.written.place
        raise ModelError(
            f"the loss of {place.suite}: {place.question_id} is not a number",
            hint="float16 may overflow: pass --dtype bfloat16 or float32",
        )
    return float(loss.detach()), gradient[:, 1:].to(hidden)


def _backward(
    stack: Stack, index: int, one: _SegmentWork, hidden: Tensor, recorded: _Recorded
) -> dict[str, list[Tensor]]:
    """Take a segment's gradient back through a layer; by module, that by its outputs."""
    assert one.passage is not None
    begin, end = one.segment.begin, one.segment.end - 1
    passage = Passage(hidden[:, begin:end].detach().requires_grad_(), one.passage.beside)
    linears = stack.linears(index)
    with torch.enable_grad(), _gradients(linears) as seen:
        output = stack.run(index, passage, _Behind(recorded, begin))
        (one.gradient,) = torch.autograd.grad(output, passage.hidden, one.gradient.to(output))
    return seen


def _once(seen: Mapping[str, Sequence[Tensor]], name: str, tokens: int) -> Tensor:
    """What was seen of a module, (tokens, width), if it was at work once on all of them."""
    found = seen.get(name, ())
    if len(found) != 1 or found[0].dim() != 3 or found[0].shape[:2] != (1, tokens):
        raise ModelError(
            f"{name} is not at work once on every text",
            hint="models with experts, of which a text takes some, cannot be located in",
        )
    return found[0][0].float()


@contextmanager
def _outputs(linears: Mapping[str, nn.Linear]) -> Iterator[dict[str, list[Tensor]]]:
    """See the modules' outputs meanwhile, by name."""
    seen: dict[str, list[Tensor]] = {}

    def listener(name: str) -> Callable[..., None]:
        def note(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
            seen.setdefault(name, []).append(output.detach())

        return note

    with _hooked(linears, listener):
        yield seen


@contextmanager
def _gradients(linears: Mapping[str, nn.Linear]) -> Iterator[dict[str, list[Tensor]]]:
    """See the gradients by the modules' outputs meanwhile, by name."""
    seen: dict[str, list[Tensor]] = {}

    def listener(name: str) -> Callable[..., None]:
        def note(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
            output.register_hook(lambda gradient: seen.setdefault(name, []).append(gradient))

        return note

    with _hooked(linears, listener):
        yield seen


@contextmanager
def _hooked(
    linears: Mapping[str, nn.Linear], listener: Callable[[str], Callable[..., None]]
) -> Iterator[None]:
    hooks = [linear.register_forward_hook(listener(name)) for name, linear in linears.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
