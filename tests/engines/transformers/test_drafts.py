"""The transformers engine with drafts: what comes out is the plain sample of the same seed."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from asking import Session, ask  # noqa: E402
from written_traces import plain_logits, save_pruned  # noqa: E402

from lrmtest.cli import main  # noqa: E402
from lrmtest.models.card import ModelCard  # noqa: E402
from lrmtest.models.cards import load_cards  # noqa: E402
from lrmtest.models.draft import TraceDraft  # noqa: E402
from lrmtest.models.engines.options import EngineOptions  # noqa: E402
from lrmtest.models.engines.transformers import engine as transformers_engine  # noqa: E402
from lrmtest.models.engines.transformers.engine import TransformersEngine  # noqa: E402
from lrmtest.models.engines.transformers.fixed_slots import FixedSlots  # noqa: E402
from lrmtest.models.engines.transformers.gumbel import (  # noqa: E402
    Cut,
    gumbel,
    seed_state,
    step_keys,
)
from lrmtest.models.engines.transformers.steps import EagerSteps  # noqa: E402
from lrmtest.models.fetch.files import fetch  # noqa: E402
from lrmtest.models.request_fields import RequestField  # noqa: E402
from lrmtest.models.resolve import resolve  # noqa: E402
from lrmtest.models.shaping import shaping_of  # noqa: E402
from lrmtest.models.spec import ModelSpec  # noqa: E402
from lrmtest.questions import DataOptions, render_prompt  # noqa: E402
from lrmtest.suites.fresh import FRESH_SUITES  # noqa: E402

ASKED = [
    ask(
        text,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        budget=120,
        key=f"{text} {seed} {temperature} {top_p}",
    )
    for text in ("abc", "a longer prompt, of its own")
    for seed in range(2)
    for temperature, top_p in ((0.0, 1.0), (0.6, 0.95), (1.0, 0.7), (1.0, 1.0))
]
CUT = (RequestField("", "top_k", 12), RequestField("", "min_p", 0.02))


@pytest.fixture(scope="module")
def pruned(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pruned")
    save_pruned(tiny_model, folder, least=0.02)
    return folder


def outcomes(location, asked=ASKED, **options):
    spec = ModelSpec("tiny", ModelCard("tiny"), "transformers", str(location))
    options = {"traces": True, "concurrency": 5, **options}
    with Session(TransformersEngine(spec, EngineOptions(device="cpu", **options))) as session:
        found = session.outcomes(asked)
    assert all(one.error is None for one in found)
    return found


def drafted(asked, traces, budget=None):
    """The requests, each with a trace as its draft."""
    return [
        replace(
            request,
            draft=TraceDraft(trace, shaping_of(request.sampling), "noise"),
            sampling=replace(request.sampling, max_tokens=budget or request.sampling.max_tokens),
        )
        for request, trace in zip(asked, traces, strict=True)
    ]


@pytest.fixture(scope="module")
def written(pruned):
    """Traces of another model."""
    return [one.trace for one in outcomes(pruned)]


@pytest.fixture(scope="module")
def plain(tiny_model):
    return outcomes(tiny_model)


def same(got, plain):
    """Everything but what generating took."""
    for one, other in zip(got, plain, strict=True):
        done = replace(one.completion, seconds=0.0, drafted_tokens=None)
        assert done == replace(other.completion, seconds=0.0)
        assert one.trace.tokens == other.trace.tokens
        assert one.trace.logprobs.tolist() == pytest.approx(other.trace.logprobs.tolist(), abs=1e-4)
        assert one.trace.fault is None


def agreeing(one, other):
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("fields", [(), CUT])
def test_what_comes_of_a_draft_is_the_plain_sample(
    tiny_model, written, plain, monkeypatch, fields, fixed
):
    if fields:
        plain = outcomes(tiny_model, request_fields=fields)
    if fixed:
        cut = Cut(12, 0.02) if fields else Cut()
        monkeypatch.setattr(
            transformers_engine,
            "_slots",
            lambda model, options, fields: (FixedSlots(model, EagerSteps(), cut, traced=True), {}),
        )
    got = outcomes(tiny_model, drafted(ASKED, written), request_fields=fields)
    same(got, plain)
    counts = [one.completion.drafted_tokens for one in got]
    assert counts == [
        agreeing(one.trace.tokens, trace.tokens) for one, trace in zip(plain, written, strict=True)
    ]
    assert 0 < sum(counts) < sum(one.completion.completion_tokens for one in got)
    assert all(one.completion.drafted_tokens is None for one in plain)


def test_one_s_own_traces_are_read_to_their_end(tiny_model, plain):
    got = outcomes(tiny_model, drafted(ASKED, [one.trace for one in plain]))
    same(got, plain)
    assert all(one.completion.generated_tokens == 0 for one in got)
    assert {one.completion.finish_reason for one in got} == {"stop", "length"}


@pytest.mark.parametrize("budget", [1, 64, 200])
def test_a_budget_is_the_sample_s_own(tiny_model, written, plain, budget):
    asked = [replace(one, sampling=replace(one.sampling, max_tokens=budget)) for one in ASKED]
    shorter = outcomes(tiny_model, asked)
    same(outcomes(tiny_model, drafted(ASKED, written, budget)), shorter)
    got = outcomes(tiny_model, drafted(ASKED, [one.trace for one in plain], budget))
    same(got, shorter)
    # Traces that their budget ended are gone on from.
    assert any(one.completion.generated_tokens for one in got) == (budget > 120)


def test_a_draft_of_another_prompt_is_not_used(tiny_model, written, plain):
    others = [replace(one, prompt=one.prompt[1:]) for one in written]
    got = outcomes(tiny_model, drafted(ASKED, others))
    same(got, plain)
    assert all(one.completion.drafted_tokens is None for one in got)


def test_tokens_that_the_model_does_not_have_are_turned_from(tiny_model, plain):
    hostile = [
        replace(
            one.trace,
            tokens=one.trace.tokens[:3] + array("I", [2**32 - 1] * 100_000),
            logprobs=array("f"),
        )
        for one in plain
    ]
    got = outcomes(tiny_model, drafted(ASKED, hostile))
    same(got, plain)
    assert {one.completion.drafted_tokens for one in got} == {3}


def test_little_memory_and_an_empty_draft(tiny_model, written, plain, monkeypatch):
    monkeypatch.setattr(transformers_engine, "free_memory", lambda device: 1)
    nothing = replace(written[0], tokens=array("I"), logprobs=array("f"), ended=False)
    traces = [*written[:-1], replace(nothing, prompt=written[-1].prompt)]
    got = outcomes(tiny_model, drafted(ASKED, traces))
    same(got, plain)
    assert got[-1].completion.drafted_tokens == 0


def test_progress_counts_what_is_generated_and_what_is_drafted(tiny_model, written):
    spec = ModelSpec("tiny", ModelCard("tiny"), "transformers", str(tiny_model))
    with Session(TransformersEngine(spec, EngineOptions(device="cpu"))) as session:
        got = session.outcomes(drafted(ASKED, written))
        assert session.engine.progress.tokens == sum(one.completion.generated_tokens for one in got)
        assert session.engine.progress.drafted == sum(one.completion.drafted_tokens for one in got)


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """tiny-lrm pruned by magnitude to three sparsities."""
    made = {}
    for sparsity in (0.65, 0.8, 0.85):
        made[sparsity] = tmp_path_factory.mktemp("variants") / f"pruned-{sparsity}"
        words = ("tiny-lrm", "-o", str(made[sparsity]), "--method", "magnitude")
        assert main(["compress", *words, "--sparsity", str(sparsity)]) == 0
    return made


def test_drafts_of_a_real_parent_at_three_sparsities(variants):
    questions = FRESH_SUITES[0].load(DataOptions(fresh_count=4)).questions
    asked = [
        ask(
            render_prompt(FRESH_SUITES[0].prompt, question),
            temperature=temperature,
            top_p=1.0,
            seed=seed,
            budget=96,
            key=f"{question.id} {seed} {temperature}",
        )
        for question in questions
        for seed, temperature in ((1, 0.0), (2, 1.0), (3, 1.0))
    ]
    parent = [one.trace for one in outcomes(fetch(resolve("tiny-lrm", load_cards())), asked)]
    saved = []
    for folder in variants.values():
        plain = outcomes(folder, asked)
        got = outcomes(folder, drafted(asked, parent))
        for request, one, other in zip(asked, got, plain, strict=True):
            if one.completion.text != other.completion.text:
                assert tied(folder, request, one.trace, other.trace)
        tokens = sum(one.completion.completion_tokens for one in got)
        saved.append(sum(one.completion.drafted_tokens for one in got) / tokens)
    assert saved[0] > 0.9
    assert saved == sorted(saved, reverse=True)
    assert saved[-1] < 0.9


def tied(folder, request, one, other):
    """Whether two samples of a seed part where two tokens are as good as equal to their draw."""
    from transformers import AutoModelForCausalLM

    place = agreeing(one.tokens, other.tokens)
    model = AutoModelForCausalLM.from_pretrained(folder)
    scores = plain_logits(model, [*one.prompt, *one.tokens[:place]])[-1].log_softmax(-1).double()
    if not request.sampling.greedy:
        keys = step_keys(torch.tensor([seed_state(request.seed)]), torch.tensor([place]))
        scores = scores + gumbel(keys, torch.arange(len(scores)))[0]
    best = scores.max()
    return all(best - scores[trace.tokens[place]] < 1e-3 for trace in (one, other))
