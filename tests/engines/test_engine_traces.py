"""What real servers tell token by token, against a plain forward pass on the same weights."""

from __future__ import annotations

import functools

import pytest

torch = pytest.importorskip("torch")

from asking import Session, ask  # noqa: E402

from lrmtest.models.card import ModelCard  # noqa: E402
from lrmtest.models.engines.base import Sampling  # noqa: E402
from lrmtest.models.engines.llamacpp_engine import LlamaCppEngine  # noqa: E402
from lrmtest.models.engines.openai_engine import OpenAIEngine  # noqa: E402
from lrmtest.models.engines.options import EngineOptions  # noqa: E402
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer  # noqa: E402
from lrmtest.models.engines.vllm_engine import VllmEngine  # noqa: E402
from lrmtest.models.programs.vllm import VARIABLE  # noqa: E402
from lrmtest.models.request_fields import RequestField  # noqa: E402
from lrmtest.models.spec import ModelSpec  # noqa: E402

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]

TAGS = ("<think>", "</think>")
CUT = "\ufffd"
PLAIN = Sampling(48, 1.0, 1.0)
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


def spec(engine, location):
    return ModelSpec("smol", ModelCard("smol", engine=engine), engine, str(location))


def processed(logits, sampling):
    """Log-probabilities after temperature and nucleus, worked out densely."""
    if sampling.temperature == 0:
        return torch.log_softmax(logits.double(), 0)
    shares = torch.softmax(logits.double() / sampling.temperature, 0)
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


@pytest.mark.usefixtures("llama_server")
def test_llama_server_tells_what_it_drew(smollm2_path, smollm2_folder):
    said = []
    options = EngineOptions(concurrency=2, traces=True, tell=said.append)
    with Session(LlamaCppEngine(spec("llamacpp", smollm2_path), options), ASKED) as session:
        answers = session.outcomes(ASKED)
    plain = EngineOptions(concurrency=2)
    with Session(LlamaCppEngine(spec("llamacpp", smollm2_path), plain), ASKED) as session:
        untold = session.outcomes(ASKED)
    assert all(one.trace is None for one in untold)
    # What is drawn differs from one processor to the next: an emoji, and there is no trace.
    told = [
        (asked, one) for asked, one in zip(ASKED, answers, strict=True) if one.trace is not None
    ]
    assert len(told) >= len(ASKED) // 2
    assert len(told) == len(ASKED) or any("characters of several tokens" in line for line in said)
    # The end token is asked for, and found unless it was one of the unlikeliest.
    finished = [one.trace.ended for _, one in told if one.completion.finish_reason == "stop"]
    assert sum(finished) >= len(finished) / 2, finished
    # Its weights have 4 bits, and it rounds what they are multiplied with to 8: what it draws by
    # is near the forward pass, and at the edge of the nucleus a token may be in one and not in
    # the other. Log-probabilities before the temperature would be further off.
    near = [gap(differences(smollm2_folder, *one)) for one in told]
    assert sum(near) / len(near) < 0.15, near
    warm = [one for one in told if one[0].sampling.temperature == 0.6]
    before = [gap(differences(smollm2_folder, *one, PLAIN)) for one in warm]
    assert sum(gap(differences(smollm2_folder, *one)) for one in warm) < 0.6 * sum(before), before


def gap(found):
    """The mean difference, each counted as 1 at most."""
    return sum(min(one, 1.0) for one in found) / len(found)


@pytest.mark.usefixtures("llama_server")
def test_a_character_of_several_tokens_leaves_a_completion_without_trace(smollm2_path):
    said = []
    grammar = RequestField("", "grammar", 'root ::= "🎉🚀" [a-z]*')
    options = EngineOptions(concurrency=1, traces=True, tell=said.append, request_fields=(grammar,))
    asked = [ask("Say hello, in plain words.", budget=24)]
    with Session(LlamaCppEngine(spec("llamacpp", smollm2_path), options), asked) as session:
        (outcome,) = session.outcomes(asked)
    assert outcome.completion.text.startswith("🎉🚀")
    assert outcome.trace is None
    assert any("characters of several tokens" in line for line in said)


@pytest.fixture(scope="module")
def vllm():
    import os

    if VARIABLE not in os.environ:
        pytest.skip(f"no vLLM: set {VARIABLE}")


@pytest.mark.usefixtures("vllm")
def test_vllm_tells_what_it_drew_and_one_that_others_started_as_far_as_it_can(smollm2_folder):
    options = EngineOptions(concurrency=4, traces=True, dtype="float32")
    engine = VllmEngine(spec("vllm", smollm2_folder), options)
    with Session(engine, ASKED) as session:
        told = session.outcomes(ASKED)
        client = engine._client
        endpoint = OpenAIEngine(
            client._spec,
            EngineOptions(served_model=client._options.served_model, traces=True),
            key=client._endpoint.key,
        )
        with Session(endpoint) as other:
            by_others = other.outcomes(ASKED)
    for request, outcome in zip(ASKED, told, strict=True):
        found = differences(smollm2_folder, request, outcome)
        assert len(found) == len(outcome.trace.tokens)
        assert max(found) < 0.005, found
        assert outcome.trace.ended == (outcome.completion.finish_reason == "stop")
    # Of a server that somebody else has started nobody knows which log-probabilities it tells.
    for request, outcome in zip(ASKED, by_others, strict=True):
        differences(smollm2_folder, request, outcome)
        assert bool(outcome.trace.logprobs) == (request.sampling.temperature != 0.6)
