"""Scores of segments against whole models, with hooks and one long graph."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import tiny_checkpoint  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402
from written_traces import draw_traces  # noqa: E402

from lrmtest.errors import ModelError  # noqa: E402
from lrmtest.locate.behaviours.segmented import SegmentedTrace, TokenSegment  # noqa: E402
from lrmtest.locate.behaviours.segments import (  # noqa: E402
    CORRECT,
    RELEASED,
    OutputSums,
    add_outputs,
    score,
)
from lrmtest.models.engines.transformers.stack import Stack  # noqa: E402
from lrmtest.models.reading import Shaping  # noqa: E402

PROMPTS = [[257, 3, 40, 7, 9, 11], [257, 5, 41], [257, 200]]
BEHAVIOURS = 2


def stack_of(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return Stack(model.requires_grad_(False), "cpu")


@pytest.fixture(scope="module", params=["Llama", "Qwen2", "Mistral"])
def read(request, tmp_path_factory):
    """A model, and its traces with segments; Mistral looks back four tokens only."""
    folder = tmp_path_factory.mktemp("model")
    more = {"sliding_window": 4} if request.param == "Mistral" else {}
    tiny_checkpoint.save(folder, dtype="float32", family=request.param, **more)
    stack = stack_of(folder)
    written = draw_traces(stack.model, PROMPTS, Shaping(1.0), 18)
    cuts = [
        [TokenSegment(6, 11, 0), TokenSegment(11, 14, 1), TokenSegment(14, 21, 0)],
        [TokenSegment(3, 4, 0), TokenSegment(9, 13, 0)],
        [TokenSegment(8, 10, 1)],
    ]
    return stack, [SegmentedTrace(*each) for each in zip(written, cuts, strict=True)]


def whole_outputs(stack, ids):
    """By module its outputs for a text, (tokens, width), with a graph; and the logits."""
    seen, hooks = {}, []
    for index in range(len(stack.layers)):
        for name, linear in stack.linears(index).items():

            def note(module, arguments, output, name=name):
                output.requires_grad_()
                output.retain_grad()
                seen[name] = output

            hooks.append(linear.register_forward_hook(note))
    try:
        logits = stack.model(torch.tensor([ids])).logits[0]
    finally:
        for hook in hooks:
            hook.remove()
    return seen, logits


def whole_gradients(stack, trace, segment):
    """A segment's loss, and by module its gradient at the segment's tokens, by one long graph."""
    ids = trace.tokens[: segment.end]
    seen, logits = whole_outputs(stack, ids)
    targets = torch.tensor(ids[segment.begin :])
    loss = torch.nn.functional.cross_entropy(logits[segment.begin - 1 : -1], targets)
    loss.backward()
    return float(loss), {
        name: torch.zeros_like(output[0, segment.begin :])
        if output.grad is None
        else output.grad[0, segment.begin :]
        for name, output in seen.items()
    }


def summed(stack, traces):
    sums = {}
    add_outputs(stack, traces, sums, BEHAVIOURS, lambda: None)
    return sums


def test_scores_behind_a_cached_prefix_are_those_of_the_whole_text(read):
    stack, traces = read
    directions = {name: each.directions() for name, each in summed(stack, traces).items()}
    for trace, found in zip(traces, score(stack, traces, directions, lambda: None), strict=True):
        for number, segment in enumerate(trace.segments):
            loss, gradients = whole_gradients(stack, trace, segment)
            assert found.losses[number] == pytest.approx(loss, rel=1e-4)
            for name, gradient in gradients.items():
                both = directions[name][:, segment.behaviour].float() @ gradient.mean(0)
                for form in (CORRECT, RELEASED):
                    expected = float(both[form]) if segment.end - segment.begin > 1 else 0.0
                    got = found.scores[name][form][number]
                    assert got == pytest.approx(expected, rel=1e-3, abs=1e-6), name


def test_directions_are_differences_of_means_in_both_forms(read):
    stack, traces = read
    outputs = []
    for trace in traces:
        with torch.no_grad():
            outputs.append(whole_outputs(stack, trace.tokens)[0])
    for name, sums in summed(stack, traces).items():
        seen = [each[name][0].double().detach() for each in outputs]
        everything = torch.stack([each.mean(0) for each in seen]).mean(0)
        generated = torch.stack(
            [
                each[len(trace.written.trace.prompt) :].mean(0)
                for each, trace in zip(seen, traces, strict=True)
            ]
        ).mean(0)
        # The first trace has both behaviours, the second the first one, the third the second.
        own = [
            (seen[0][[*range(6, 11), *range(14, 21)]].mean(0) + seen[1][[3, *range(9, 13)]].mean(0))
            / 2,
            (seen[0][11:14].mean(0) + seen[2][8:10].mean(0)) / 2,
        ]
        shared = (
            seen[0][[*range(1, 10), *range(9, 20)]].mean(0)
            + seen[0][6:13].mean(0)
            + seen[1][[*range(3), *range(4, 12)]].mean(0)
            + seen[2][3:9].mean(0)
        )
        length = torch.cat(seen).mean(0).norm()
        found = sums.directions()
        for behaviour in range(BEHAVIOURS):
            for form, difference in (
                (CORRECT, own[behaviour] - generated),
                (RELEASED, shared / 2 - everything),
            ):
                expected = difference / difference.norm() * length
                torch.testing.assert_close(
                    found[form, behaviour], expected, rtol=1e-3, atol=1e-4 * float(length)
                )


def test_a_behaviour_that_no_trace_has_has_no_direction():
    sums = OutputSums.empty(3, 4)
    sums.add(torch.rand(6, 4), 2, [TokenSegment(3, 5, 1)])
    assert [bool(each.any()) for each in sums.directions()[CORRECT]] == [False, True, False]
    assert [bool(each.any()) for each in sums.directions()[RELEASED]] == [False, True, False]


def test_a_segment_costs_its_own_tokens_wherever_it_stands(read, monkeypatch):
    """A trace goes forward once; a segment forward and backward without what is before it."""
    stack, traces = read
    directions = {name: each.directions() for name, each in summed(stack, traces).items()}
    forward, backward = [], []
    run = Stack.run

    def counted(self, index, passage, keys=None):
        (backward if passage.hidden.requires_grad else forward).append(passage.hidden.shape[1])
        return run(self, index, passage, keys)

    monkeypatch.setattr(Stack, "run", counted)
    score(stack, traces, directions, lambda: None)
    layers = len(stack.layers)
    assert sum(forward) == layers * sum(len(trace.tokens) for trace in traces)
    own = [each.end - each.begin - 1 for trace in traces for each in trace.segments]
    assert sum(backward) == layers * sum(own)


def test_numbers_that_overflow_are_refused(read):
    stack, traces = read
    directions = {name: each.directions() for name, each in summed(stack, traces).items()}
    linear = stack.linears(1)["model.layers.1.mlp.down_proj"]
    kept = linear.weight.data
    linear.weight.data = kept * float("inf")
    try:
        with pytest.raises(ModelError, match="is not a number"):
            score(stack, traces, directions, lambda: None)
    finally:
        linear.weight.data = kept
