"""What a plain forward pass gives the tokens that a server says it drew."""

from __future__ import annotations

import functools

import torch
from asking import ask

from lrmtest.models.engines.base import Sampling
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer

TAGS = ("<think>", "</think>")
CUT = "\ufffd"
PLAIN = Sampling(48, 1.0, 1.0)
LIKELY = 1024  # tokens that a nucleus is looked for in before all are put in order
ASKED = [
    ask(
        "Say hello, in plain words.",
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        budget=48,
    )
    for seed in range(3)
    for temperature, top_p in ((0.0, 0.95), (0.6, 0.95), (1.0, 1.0))
]


def processed(logits, sampling):
    """Log-probabilities after temperature and nucleus, worked out densely."""
    if sampling.temperature == 0:
        return torch.log_softmax(logits.double(), 0)
    if sampling.top_p == 1:
        return torch.log_softmax(logits.double() / sampling.temperature, 0)
    shares = torch.softmax(logits.double() / sampling.temperature, 0)
    ranked, order = shares.topk(min(LIKELY, len(shares)))
    if ranked.sum() < sampling.top_p:
        ranked, order = shares.sort(descending=True)
    ranked = torch.where(ranked.cumsum(0) - ranked < sampling.top_p, ranked, 0.0)
    return torch.zeros_like(shares).scatter(0, order, ranked / ranked.sum()).log()


def differences(folder, request, outcome, drawn=None):
    """How far each token's log-probability is from the forward pass's, the trace checked.

    `drawn` says by which sampling, if not by the request's.
    """
    model, chat = loaded(str(folder))
    trace, completion = outcome.trace, outcome.completion
    assert outcome.error is None
    assert trace is not None
    assert list(trace.prompt) == chat.encode(request.messages)
    assert len(trace.prompt) == completion.prompt_tokens
    # A server may keep to itself a character that the budget has cut in two.
    text = chat.decode(list(trace.tokens)).rstrip(CUT)
    assert text == completion.text.rstrip(CUT)
    hidden = completion.completion_tokens - len(trace.tokens)
    assert hidden == (completion.finish_reason == "stop" and not trace.ended)
    if not trace.logprobs:
        return []
    with torch.inference_mode():
        logits = model(torch.tensor([[*trace.prompt, *trace.tokens]])).logits[0]
    places = enumerate(zip(trace.tokens, trace.logprobs, strict=True), len(trace.prompt))
    return [
        abs(told - processed(logits[place - 1], drawn or request.sampling)[token].item())
        for place, (token, told) in places
    ]


@functools.cache
def loaded(folder):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, ChatTokenizer.load(folder, TAGS)
