"""Attribution against finite differences, dense sums and really restored modules."""

from __future__ import annotations

from math import exp, log1p, sqrt

import pytest

torch = pytest.importorskip("torch")

import tiny_checkpoint  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402
from written_traces import draw_traces  # noqa: E402

from lrmtest.analysis.units import row_name  # noqa: E402
from lrmtest.errors import ModelError, UsageError  # noqa: E402
from lrmtest.locate.attribution import attribute as attribution  # noqa: E402
from lrmtest.locate.attribution.attribute import attribute, refuse_unlike  # noqa: E402
from lrmtest.locate.attribution.margins import WIDEST, mend_of  # noqa: E402
from lrmtest.locate.attribution.restoring import as_it_is, losses_restored, restored  # noqa: E402
from lrmtest.locate.attribution.row_terms import row_terms  # noqa: E402
from lrmtest.models.engines.transformers.stack import Stack  # noqa: E402
from lrmtest.models.reading import Shaping  # noqa: E402

PROMPTS = [[257, n, 40, 7, *range(n)] for n in range(5)]


def stack_of(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return Stack(model.requires_grad_(False), "cpu")


def rounded(stack, step=0.1):
    """The stack with all weights of its layers, and their biases, rounded."""
    for index in range(len(stack.layers)):
        for linear in stack.linears(index).values():
            linear.weight.data = (linear.weight.data / step).round() * step
            if linear.bias is not None:
                linear.bias.data = linear.bias.data + step
    return stack


@pytest.fixture(scope="module", params=["Llama", "Qwen2"])
def models(request, tmp_path_factory):
    """Variant, parent and the parent's traces; Qwen2's attention has biases."""
    folder = tmp_path_factory.mktemp("parent")
    tiny_checkpoint.save(folder, dtype="float32", family=request.param, layers=3)
    parent = stack_of(folder)
    written = draw_traces(parent.model, PROMPTS, Shaping(1.0), 9)
    return rounded(stack_of(folder)), parent, written


def groups_of(written):
    return {one.place.key: [n % 3 for n in range(one.length)] for one in written}


def attributed(variant, parent, written):
    return attribute(variant, parent, written, groups_of(written), lambda: None)


def loss(stack, one):
    """By one forward pass of the whole model."""
    ids = torch.tensor([[*one.trace.prompt, *one.trace.tokens]])
    with torch.no_grad():
        logs = stack.model(ids).logits[0, len(one.trace.prompt) - 1 : -1].double().log_softmax(-1)
    return -float(logs.gather(1, torch.tensor(list(one.trace.tokens))[:, None]).sum())


def test_losses_are_those_of_the_whole_model(models):
    variant, parent, written = models
    for one, found in zip(written, attributed(*models), strict=True):
        assert sum(found.losses) == pytest.approx(loss(variant, one), rel=1e-4)
        assert sum(found.parents_losses) == pytest.approx(loss(parent, one), rel=1e-4)


def test_slopes_are_those_of_finite_differences(models):
    variant, parent, written = models
    found = attributed(*models)
    step = 1e-2
    for index in range(len(variant.layers)):
        for name, linear in variant.linears(index).items():
            other = parent.linears(index)[name]
            weight, bias = linear.weight.data, linear.bias
            ends = []
            for sign in (step, -step):
                linear.weight.data = weight + sign * (other.weight.data - weight)
                if bias is not None:
                    linear.bias = torch.nn.Parameter(bias.data + sign * (other.bias - bias).data)
                ends.append([loss(variant, one) for one in written])
            linear.weight.data, linear.bias = weight, bias
            for mends, up, down in zip(found, *ends, strict=True):
                assert len(mends.slopes[name]) == 3
                expected = (down - up) / (2 * step)
                assert sum(mends.slopes[name]) == pytest.approx(expected, rel=0.02, abs=2e-3)


def test_a_trace_has_the_same_figures_alone_and_beside_others(models):
    variant, parent, written = models
    for one, together in zip(written, attributed(*models), strict=True):
        (alone,) = attributed(variant, parent, [one])
        assert alone.mends == pytest.approx(together.mends, rel=1e-3, abs=1e-5)


def test_all_modules_restored_are_the_parent(models):
    variant, parent, written = models
    before = {name: linear.weight.clone() for name, linear in variant.linears(0).items()}
    names = list(variant.shapes)
    sets = [frozenset(), frozenset(names[:1]), frozenset(names)]
    none, first, whole = losses_restored(variant, parent, written, sets, lambda: None)
    assert none == pytest.approx([loss(variant, one) for one in written], rel=1e-4)
    assert whole == pytest.approx([loss(parent, one) for one in written], rel=1e-4)
    assert first != pytest.approx(none, rel=1e-5)
    for name, linear in variant.linears(0).items():
        assert torch.equal(linear.weight, before[name])


def test_a_small_step_mends_what_the_slope_says(models):
    """So little is restored that second order does not count."""
    _, parent, written = models
    near = rounded(stack_of(parent.model.config._name_or_path), 1e-4)
    names = list(near.shapes)
    sets = [frozenset([name]) for name in names]
    found = attributed(near, parent, written)
    restored = losses_restored(near, parent, written, [frozenset(), *sets], lambda: None)
    for number, mends in enumerate(found):
        for name, losses in zip(names, restored[1:], strict=True):
            fell = restored[0][number] - losses[number]
            assert mends.mends[name] == pytest.approx(fell, rel=0.05, abs=2e-4)


def outputs_of(stack, one):
    """Of each layer, with the graph that they are made by, and the trace's loss."""
    found = []
    hooks = [
        layer.register_forward_hook(
            lambda _, __, output: found.append(output if torch.is_tensor(output) else output[0])
        )
        for layer in stack.layers
    ]
    ids = torch.tensor([[*one.trace.prompt, *one.trace.tokens]])
    embedded = stack.model.get_input_embeddings()(ids).requires_grad_()
    logits = stack.model(inputs_embeds=embedded).logits[0, len(one.trace.prompt) - 1 : -1]
    for hook in hooks:
        hook.remove()
    picked = (
        logits.double().log_softmax(-1).gather(1, torch.tensor(list(one.trace.tokens))[:, None])
    )
    return found, -picked.sum()


@pytest.mark.parametrize("layers", [1, 2, 7])
def test_a_module_is_exact_through_the_layers_that_are_run(models, monkeypatch, layers):
    """The fall is the gradient by the last one's outputs times what restoring changes in them."""
    variant, parent, written = models
    monkeypatch.setattr(attribution, "mend_of", lambda margins, slope, square: slope)
    groups = groups_of(written)
    found = attribute(variant, parent, written, groups, lambda: None, through_layers=layers)
    for one, other in zip(found, attributed(*models), strict=True):
        assert one.losses == other.losses
        for name, slopes in one.slopes.items():
            assert slopes == pytest.approx(other.slopes[name], rel=1e-5, abs=1e-7)
    for mends, one in zip(found, written, strict=True):
        outputs, whole = outputs_of(variant, one)
        gradients = torch.autograd.grad(whole, outputs)
        for index in range(len(variant.layers)):
            last = min(index + layers, len(variant.layers)) - 1
            for name in variant.linears(index):
                with restored(
                    variant.linears(index), parent.linears(index), frozenset([name]), as_it_is
                ):
                    moved = outputs_of(variant, one)[0][last] - outputs[last]
                expected = -float((gradients[last] * moved.detach()).sum())
                assert mends.mends[name] == pytest.approx(expected, rel=1e-2, abs=1e-3)


def test_beside_restored_modules_is_at_a_variant_that_has_them(models):
    variant, parent, written = models
    names = [*variant.shapes][::3]
    found = attribute(variant, parent, written, groups_of(written), lambda: None, frozenset(names))
    other = rounded(stack_of(parent.model.config._name_or_path))
    for index in range(len(other.layers)):
        for name, linear in other.linears(index).items():
            if name in names:
                its = parent.linears(index)[name]
                linear.weight.data = its.weight.data.clone()
                if its.bias is not None:
                    linear.bias.data = its.bias.data.clone()
    for one, expected in zip(found, attributed(other, parent, written), strict=True):
        assert one.losses == pytest.approx(expected.losses, rel=1e-4)
        assert one.mends == pytest.approx(expected.mends, rel=1e-3, abs=1e-5)
        assert all(one.mends[name] == 0 for name in names)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"intermediate_size": 96},
            "gate_proj is 64 x 32 in the variant and 96 x 32 in the parent",
        ),
        ({"layers": 3}, "do not have the same modules: model.layers.2.mlp.down_proj is in one"),
        ({"attention_bias": True}, "q_proj has a bias in one of variant and parent only"),
    ],
)
def test_modules_that_differ_are_refused(tmp_path, settings, words):
    for name, own in (("variant", {}), ("parent", settings)):
        tiny_checkpoint.save_model(tmp_path / name, **own)
    with pytest.raises(UsageError, match=words):
        refuse_unlike(stack_of(tmp_path / "variant"), stack_of(tmp_path / "parent"))


def test_numbers_that_overflow_are_refused(models):
    variant, parent, written = models
    linear = variant.linears(1)["model.layers.1.mlp.down_proj"]
    kept = linear.weight.data
    linear.weight.data = kept * float("inf")
    try:
        with pytest.raises(ModelError, match="is not a number"):
            attributed(variant, parent, written)
    finally:
        linear.weight.data = kept


MARGINS = st.lists(st.floats(-30, 30), min_size=1, max_size=8)


@given(MARGINS, st.floats(-40, 40), st.floats(0, 50))
def test_a_mend_is_the_mean_over_margins_that_move_so(margins, slope, square):
    unsure = [1 / (1 + exp(m)) for m in margins]
    mean = slope / sum(unsure)
    second = square / sum(s * (1 - s) for s in unsure)
    spread = min(WIDEST, sqrt(max(second - mean * mean, 0)))

    def softplus(x):
        return max(x, 0) + log1p(exp(-abs(x)))

    after = sum(
        weight * sum(softplus(-(m + mean + node * spread)) for m in margins)
        for node, weight in ((-sqrt(3), 1 / 6), (0, 2 / 3), (sqrt(3), 1 / 6))
    )
    expected = sum(softplus(-m) for m in margins) - after
    found = mend_of(torch.tensor(margins, dtype=torch.float64), slope, square)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6 * max(1, abs(mean)))


@given(MARGINS, st.floats(0, 50), st.floats(0, 50))
def test_nothing_mends_more_than_there_is_and_more_slope_mends_more(margins, slope, more):
    found = torch.tensor(margins, dtype=torch.float64)
    whole = float(torch.nn.functional.softplus(-found).sum())
    little, much = (mend_of(found, each, 0.0) for each in (slope, slope + more))
    assert little <= much + 1e-9
    assert much <= whole + 1e-9
    assert mend_of(found, 0.0, 0.0) == pytest.approx(0.0, abs=1e-9)


def rows_of(stack):
    return [row_name(name, row) for name, (rows, _) in stack.shapes.items() for row in range(rows)]


def all_rows(terms):
    return {row_name(name, n): float(x) for name, each in terms.items() for n, x in enumerate(each)}


@settings(max_examples=3, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=len(PROMPTS), max_size=len(PROMPTS)))
def test_rows_add_up_to_their_module(models, counts):
    variant, parent, written = models
    by_key = {one.place.key: count for one, count in zip(written, counts, strict=True)}
    terms = row_terms(variant, parent, written, by_key, lambda: None)
    assert {name: len(each) for name, each in terms.items()} == {
        name: rows for name, (rows, _) in variant.shapes.items()
    }
    found = attributed(*models)
    for name, each in terms.items():
        module = sum(by_key[one.key] * sum(one.slopes[name]) for one in found)
        assert float(each.sum()) == pytest.approx(module, rel=1e-3, abs=1e-5)


def test_rows_that_are_hardly_changed_mend_what_their_terms_say(models):
    _, parent, written = models
    near = rounded(stack_of(parent.model.config._name_or_path), 1e-4)
    counts = {one.place.key: 1.0 for one in written}
    terms = all_rows(row_terms(near, parent, written, counts, lambda: None))
    # Those that mend and those that harm apart, so that each sum is far from 0.
    sets = [
        frozenset(row for row, term in terms.items() if term > 0),
        frozenset(row for row, term in terms.items() if term < 0),
    ]
    before, *after = losses_restored(near, parent, written, [frozenset(), *sets], lambda: None)
    for rows, losses in zip(sets, after, strict=True):
        expected = sum(terms[row] for row in rows)
        assert sum(before) - sum(losses) == pytest.approx(expected, rel=0.05, abs=5e-4)


def test_all_rows_restored_are_the_module_restored(models):
    variant, parent, written = models
    before = {name: linear.weight.clone() for name, linear in variant.linears(1).items()}
    name = next(iter(before))
    rows = [row_name(name, row) for row in range(variant.shapes[name][0])]
    every = rows_of(variant)
    sets = [[], [name], rows, rows[::2], [*rows[1::2], name], variant.shapes, every]
    found = losses_restored(variant, parent, written, [*map(frozenset, sets)], lambda: None)
    none, module, same, some, both, whole, all_of_them = found
    assert same == both == module
    assert all_of_them == whole
    assert some not in (none, module)
    for name, linear in variant.linears(1).items():
        assert torch.equal(linear.weight, before[name])


def test_rows_beside_restored_ones_are_at_a_variant_that_has_them(models):
    variant, parent, written = models
    counts = {one.place.key: 1.0 for one in written}
    taken = frozenset(rows_of(variant)[::3])
    found = all_rows(row_terms(variant, parent, written, counts, lambda: None, taken))
    assert all(found[row] == 0 for row in taken)
    other = rounded(stack_of(parent.model.config._name_or_path))
    for index in range(len(other.layers)):
        for name, linear in other.linears(index).items():
            its = parent.linears(index)[name]
            rows = [row for row in range(len(its.weight)) if row_name(name, row) in taken]
            linear.weight.data[rows] = its.weight.data[rows]
            if its.bias is not None:
                linear.bias.data[rows] = its.bias.data[rows]
    expected = all_rows(row_terms(other, parent, written, counts, lambda: None))
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)
