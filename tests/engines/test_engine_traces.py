"""What real servers tell token by token, against a plain forward pass on the same weights."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from asking import Session, ask
from forward_pass import ASKED, PLAIN, differences

from lrmtest.models.card import ModelCard
from lrmtest.models.engines.llamacpp_engine import LlamaCppEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.request_fields import RequestField
from lrmtest.models.spec import ModelSpec

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]


def spec(engine, location):
    return ModelSpec("smol", ModelCard("smol", engine=engine), engine, str(location))


@pytest.mark.usefixtures("llama_server")
def test_llama_server_tells_what_it_drew(smollm2_path, smollm2_folder):
    said = []
    options = EngineOptions(concurrency=2, traces=True, tell=said.append)
    with Session(LlamaCppEngine(spec("llamacpp", smollm2_path), options), ASKED) as session:
        answers = session.outcomes(ASKED)
    plain = EngineOptions(concurrency=2)
    with Session(LlamaCppEngine(spec("llamacpp", smollm2_path), plain), ASKED[:3]) as session:
        untold = session.outcomes(ASKED[:3])
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
    warm = [at for at, (asked, _) in enumerate(told) if asked.sampling.temperature == 0.6]
    before = [gap(differences(smollm2_folder, *told[at], PLAIN)) for at in warm]
    assert sum(near[at] for at in warm) < 0.6 * sum(before), before


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
