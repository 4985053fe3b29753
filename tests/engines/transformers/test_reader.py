"""The transformers reader against one plain forward pass for each trace."""

from __future__ import annotations

from array import array
from dataclasses import replace
from math import inf, log

import pytest

torch = pytest.importorskip("torch")

from written_traces import by_hand, draw_traces, plain_logits, save_pruned  # noqa: E402

from lrmtest.errors import UsageError  # noqa: E402
from lrmtest.models.card import ModelCard  # noqa: E402
from lrmtest.models.engines.kinds import create_reader  # noqa: E402
from lrmtest.models.engines.options import EngineOptions  # noqa: E402
from lrmtest.models.reading import Shaping  # noqa: E402
from lrmtest.models.spec import ModelSpec  # noqa: E402

PROMPTS = [[256, 5, 9, 40], [256, 5, 9, 40], [256, 7], [256, 3, 3, 3, 8, 120, 7], [256]]
SHAPINGS = [
    Shaping(1.0),
    Shaping(0.7, 0.9),
    Shaping(1.3, 0.95, top_k=20, min_p=0.02),
    Shaping(0.0),
]


def spec_of(location, name="tiny", context_length=None):
    card = ModelCard(name, context_length=context_length)
    return ModelSpec(name, card, "transformers", str(location))


@pytest.fixture(scope="module")
def models(tiny_model, tmp_path_factory):
    """The writer, a pruned copy of it, and where both are."""
    from transformers import AutoModelForCausalLM

    writer = AutoModelForCausalLM.from_pretrained(tiny_model)
    folder = tmp_path_factory.mktemp("pruned")
    reader = save_pruned(tiny_model, folder)
    return writer.eval(), reader.eval(), spec_of(tiny_model), spec_of(folder, "pruned")


def read(spec, written, parent=None, **options):
    reader = create_reader(spec, EngineOptions(device="cpu", **options), parent)
    found = {}
    info = reader.start(written)
    try:
        reader.read(written, lambda one, floor: found.update({one.place: (one, floor)}))
    finally:
        reader.close()
    assert len(found) == len(written)
    return [found[one.place] for one in written], info


@pytest.mark.parametrize("shaping", SHAPINGS, ids=str)
@pytest.mark.parametrize("rows", [1, 4])
def test_every_figure_is_that_of_a_plain_forward_pass(models, shaping, rows):
    writer, reader, writers, readers = models
    written = draw_traces(writer, PROMPTS, shaping, 9)
    found, info = read(readers, written, writers, concurrency=rows)
    assert info.limits == ()
    for one, (reading, floor) in zip(written, found, strict=True):
        prompt, tokens = list(one.trace.prompt), list(one.trace.tokens)
        places = range(len(prompt) - 1, len(prompt) + len(tokens) - 1)
        old = plain_logits(writer, prompt + tokens)[places]
        new = plain_logits(reader, prompt + tokens)[places]
        for i, token in enumerate(tokens):
            p, q = by_hand(old[i], shaping), by_hand(new[i], shaping)
            expected = log(q[token]) if q[token] else -inf
            assert reading.lowest[i] == reading.highest[i] == pytest.approx(expected, abs=1e-4)
            apart = sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2
            assert reading.variation[i] == pytest.approx(apart, abs=1e-4)
            own = [torch.log_softmax(each[i].double(), -1) for each in (old, new)]
            assert reading.own[i] == pytest.approx(float(own[1][token]), abs=1e-4)
            assert reading.writers_own[i] == pytest.approx(float(own[0][token]), abs=1e-4)
            divergence = float((own[0].exp() * (own[0] - own[1])).sum())
            assert reading.divergence[i] == pytest.approx(divergence, abs=1e-4)
        # What was drawn is found again: the floor.
        assert list(floor.lowest) == pytest.approx(list(reading.written), abs=1e-4)
        if not shaping.greedy:
            assert list(reading.written) == list(one.trace.logprobs)


def test_without_the_writer_the_tokens_are_read_and_nothing_else(models):
    writer, _, writers, readers = models
    written = draw_traces(writer, PROMPTS, Shaping(1.0), 6)
    (alone, info), (both, _) = (read(readers, written, parent) for parent in (None, writers))
    assert "estimated" in info.limits[0]
    for (reading, floor), (full, _) in zip(alone, both, strict=True):
        assert floor is None
        assert not reading.variation
        assert not reading.divergence
        assert list(reading.lowest) == pytest.approx(list(full.lowest), abs=1e-5)
        assert list(reading.writers_own) == list(reading.written)


def test_the_writer_says_what_the_trace_does_not_tell(models):
    writer, _, writers, readers = models
    written = draw_traces(writer, PROMPTS, Shaping(0.7, 0.9), 6)
    bare = [replace(one, trace=replace(one.trace, logprobs=array("f"))) for one in written]
    found, _ = read(readers, bare, writers)
    for one, (reading, _) in zip(written, found, strict=True):
        assert list(reading.written) == pytest.approx(list(one.trace.logprobs), abs=1e-4)
    with pytest.raises(UsageError) as caught:
        read(readers, bare)
    assert "--parent" in caught.value.hint


def test_little_memory_changes_the_steps_and_no_figure(models, monkeypatch):
    writer, _, writers, readers = models
    shaping = Shaping(0.7, 0.9)
    written = draw_traces(writer, PROMPTS, shaping, 9)
    whole, _ = read(readers, written, writers, concurrency=3)
    monkeypatch.setattr("lrmtest.models.engines.transformers.on_device._MOST_LOGITS", {"cpu": 1})
    little, _ = read(readers, written, writers, concurrency=3)
    for (a, _), (b, _) in zip(whole, little, strict=True):
        assert list(a.lowest) == pytest.approx(list(b.lowest), abs=1e-5)
        assert list(a.variation) == pytest.approx(list(b.variation), abs=1e-5)


def test_what_cannot_be_read_is_refused_before_it_is_tried(models):
    writer, _, _, readers = models
    written = draw_traces(writer, PROMPTS[:2], Shaping(1.0), 6)
    short = replace(readers, card=ModelCard("tiny", context_length=8))
    with pytest.raises(UsageError, match=r"10 tokens.*context of pruned, 8"):
        read(short, written)
    foreign = replace(written[0].trace, tokens=array("I", [260]), logprobs=array("f", [-1]))
    with pytest.raises(UsageError, match=r"token 260.*vocabulary of 260"):
        read(readers, [replace(written[0], trace=foreign)])
    empty = replace(written[0].trace, prompt=array("I"))
    with pytest.raises(UsageError, match="no prompt"):
        read(readers, [replace(written[0], trace=empty)])


def test_a_recording_cannot_read(tmp_path):
    spec = ModelSpec("r", ModelCard("r"), "recorded", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        create_reader(spec, EngineOptions())
    assert "engine recorded cannot read traces" in caught.value.message
    assert "transformers" in caught.value.hint
