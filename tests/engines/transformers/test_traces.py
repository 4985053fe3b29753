"""What the transformers engine tells token by token, against a plain forward pass."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from asking import Session, ask  # noqa: E402

from lrmtest.models.card import ModelCard  # noqa: E402
from lrmtest.models.engines.options import EngineOptions  # noqa: E402
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer  # noqa: E402
from lrmtest.models.engines.tokenizers.checkpoint_files import pretrained_arguments  # noqa: E402
from lrmtest.models.engines.transformers import engine as transformers_engine  # noqa: E402
from lrmtest.models.engines.transformers.engine import TransformersEngine  # noqa: E402
from lrmtest.models.engines.transformers.fixed_slots import FixedSlots  # noqa: E402
from lrmtest.models.engines.transformers.gumbel import NO_CUT, Cut  # noqa: E402
from lrmtest.models.engines.transformers.steps import EagerSteps, RecordedSteps  # noqa: E402
from lrmtest.models.request_fields import RequestField  # noqa: E402
from lrmtest.models.spec import ModelSpec  # noqa: E402

ASKED = [
    ask("abc", temperature=temperature, top_p=top_p, seed=seed, budget=40)
    for seed in range(3)
    for temperature, top_p in ((0.0, 1.0), (0.6, 0.95), (1.0, 0.7), (1.3, 1.0))
]
FIELDS = {"top_k": 12, "min_p": 0.02}


def outcomes(location, **options):
    spec = ModelSpec("tiny", ModelCard("tiny"), "transformers", str(location))
    with Session(TransformersEngine(spec, EngineOptions(device="cpu", **options))) as session:
        return session.outcomes(ASKED)


def processed(logits, sampling, cut):
    """Log-probabilities of a place after temperature, cut and nucleus, worked out densely."""
    if sampling.temperature == 0:
        return torch.log_softmax(logits.double(), 0)
    shares = torch.softmax(logits.double() / sampling.temperature, 0)
    keep = torch.ones_like(shares, dtype=torch.bool)
    if cut:
        keep &= shares >= FIELDS["min_p"] * shares.max()
        keep &= shares >= shares.sort(descending=True).values[FIELDS["top_k"] - 1]
    shares = torch.where(keep, shares, 0.0)
    shares /= shares.sum()
    if sampling.top_p < 1:
        ranked, order = shares.sort(descending=True)
        before = ranked.cumsum(0) - ranked
        ranked = torch.where(before < sampling.top_p, ranked, 0.0)
        shares = torch.zeros_like(shares).scatter(0, order, ranked / ranked.sum())
    return shares.log()


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("fixed", ["", "eager", "recorded"])
def test_traces_are_those_of_a_plain_forward_pass(tiny_model, monkeypatch, fixed, cut):
    from transformers import AutoModelForCausalLM

    if fixed:
        monkeypatch.setattr(
            transformers_engine,
            "_slots",
            lambda model, options, fields: (
                FixedSlots(
                    model,
                    EagerSteps() if fixed == "eager" else RecordedSteps(recorded),
                    Cut(**FIELDS) if cut else NO_CUT,
                    traced=options.traces,
                ),
                {},
            ),
        )
    fields = tuple(RequestField("", name, value) for name, value in FIELDS.items()) if cut else ()
    told = outcomes(tiny_model, traces=True, concurrency=5, request_fields=fields)
    folder, arguments = pretrained_arguments(str(tiny_model))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **arguments)
    chat = ChatTokenizer.load(str(tiny_model), ("<think>", "</think>"))
    for request, outcome in zip(ASKED, told, strict=True):
        trace, completion = outcome.trace, outcome.completion
        assert list(trace.prompt) == chat.encode(request.messages)
        assert len(trace.tokens) == completion.completion_tokens == len(trace.logprobs)
        assert chat.decode(list(trace.tokens)) == completion.text
        assert trace.ended == (completion.finish_reason == "stop")
        assert trace.fault is None
        ids = [*trace.prompt, *trace.tokens]
        with torch.inference_mode():
            logits = model(torch.tensor([ids])).logits[0]
        for place, (token, logprob) in enumerate(
            zip(trace.tokens, trace.logprobs, strict=True), start=len(trace.prompt)
        ):
            expected = processed(logits[place - 1], request.sampling, cut)[token].item()
            assert logprob == pytest.approx(expected, abs=2e-3)


def recorded(once):
    """Stands in for a device: repeats a step by running it."""
    once()
    return lambda: once()


def test_to_tell_them_changes_no_text_and_unasked_there_are_none(tiny_model):
    told = outcomes(tiny_model, traces=True)
    untold = outcomes(tiny_model)
    assert [one.completion.text for one in told] == [one.completion.text for one in untold]
    assert all(one.trace is None for one in untold)
    assert {one.completion.finish_reason for one in told} == {"stop", "length"}


def test_a_sequence_that_gave_its_slot_back_is_told_whole(tiny_model, monkeypatch):
    monkeypatch.setattr(transformers_engine, "free_memory", lambda device: 1)
    for one in outcomes(tiny_model, traces=True):
        assert len(one.trace.logprobs) == one.completion.completion_tokens
