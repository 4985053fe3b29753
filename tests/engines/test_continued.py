"""Completions that go on from the beginning of a draft: they are answers like any other."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest
from asking import Session, ask
from continuing_server import END, SILENT, continuing_server, greedy

from lrmtest.models.card import ModelCard
from lrmtest.models.draft import DraftTurn, TraceDraft
from lrmtest.models.engines.openai_engine import OpenAIEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.reading import Shaping
from lrmtest.models.rejection import seed_behind
from lrmtest.models.request_fields import read_request_field
from lrmtest.models.spec import ModelSpec
from lrmtest.models.trace import Trace

PROMPT = list(b"Q: ")
TEXT = "<think>né, so</think>It is é 42."
REASONING = len("<think>né, so</think>".encode())
TOKENS = [*TEXT.encode(), END]


def drafted(taken, *, turned=None, budget=100, ended=False, told=True, silent=(), seed=9):
    """A request that begins with the first `taken` tokens of the text, and perhaps another one."""
    tokens = array("I", TOKENS[:taken] if isinstance(taken, int) else taken)
    count = len(tokens)
    if turned is not None:
        tokens.append(turned)
    turning = DraftTurn(
        tokens,
        count,
        array("f", [-0.5] * len(tokens) if told else []),
        turned is not None or ended,
        frozenset(silent),
    )
    trace = Trace(array("I", PROMPT), array("I", TOKENS), array("f", [-0.1] * len(TOKENS)), True)
    request = ask("Q", budget=budget, temperature=1.0, top_p=1.0, seed=seed)
    return replace(request, draft=TraceDraft(trace, Shaping(1.0), "rejection", turning))


def outcome(request, says=None, change=lambda path, status, answer: (status, answer), **options):
    """What comes of a request, with what the server was asked and the engine's counters."""
    with continuing_server(says or greedy(TEXT), prompt=len(PROMPT), change=change) as (url, asked):
        spec = ModelSpec("m", ModelCard("m", reasoning_tags=("<think>", "</think>")), "openai", url)
        engine = OpenAIEngine(
            spec,
            EngineOptions(traces=True, **{"max_retries": 0, **options}),
            key="a-key-of-a-server",
        )
        with Session(engine) as session:
            [found] = session.outcomes([request])
            return found, asked, engine.progress


# Also between the two bytes of a character, within a tag and behind the reasoning.
@pytest.mark.parametrize("taken", range(len(TOKENS)))
def test_what_goes_on_is_what_would_have_come_at_once(taken):
    found, asked, progress = outcome(drafted(taken))
    completion = found.completion
    assert completion.text == TEXT
    assert completion.finish_reason == "stop"
    assert completion.completion_tokens == len(TOKENS)
    # A part of a character, that is held back, counts with what is before it.
    held = int(taken > REASONING and bytes(TOKENS[:taken][-1:]) == "é".encode()[:1])
    assert completion.reasoning_tokens == REASONING + held
    assert completion.prompt_tokens == len(PROMPT)
    assert completion.drafted_tokens == taken
    assert completion.seed == 9
    assert found.trace.tokens.tolist() == TOKENS
    assert found.trace.prompt.tolist() == PROMPT
    assert found.trace.logprobs.tolist() == [-0.5] * taken + [-0.25] * (len(TOKENS) - taken)
    assert found.trace.ended
    assert (progress.drafted, progress.tokens) == (taken, len(TOKENS) - taken)
    [body] = [content for path, content in asked if content.get("stream")]
    assert body["prompt"] == [*PROMPT, *TOKENS[:taken]]
    assert body["max_tokens"] == 100 - taken
    # The trace was drawn with the sample's own random numbers: they must not come again.
    assert body["seed"] == seed_behind(9) != 9
    assert "messages" not in body


def test_a_token_that_was_drawn_is_generated_and_not_drafted():
    found, asked, _ = outcome(drafted(7, turned=TOKENS[7]))
    assert found.completion.text == TEXT
    assert found.completion.drafted_tokens == 7
    assert found.completion.generated_tokens == len(TOKENS) - 7
    assert [body["allowed_token_ids"] for _, body in asked if "allowed_token_ids" in body] == [
        [TOKENS[7]]
    ]


@pytest.mark.parametrize("turned", [None, END])
def test_an_end_that_was_taken_or_drawn_ends_the_sample(turned):
    taken = len(TOKENS) if turned is None else 10
    found, asked, _ = outcome(drafted(taken, turned=turned, ended=True, silent={END}))
    assert found.completion.finish_reason == "stop"
    assert found.completion.text == TOKENS_TEXT[turned]
    assert found.completion.completion_tokens == taken + (turned is not None)
    assert found.completion.drafted_tokens == taken
    assert found.trace.ended
    assert not [body for _, body in asked if body.get("stream")]


TOKENS_TEXT = {None: TEXT, END: bytes(TOKENS[:10]).decode()}


def test_a_budget_that_is_spent_by_the_draft_generates_nothing():
    found, asked, _ = outcome(drafted(8, budget=8))
    assert found.completion.finish_reason == "length"
    assert found.completion.completion_tokens == found.completion.drafted_tokens == 8
    assert found.completion.text == bytes(TOKENS[:8]).decode(errors="ignore")
    assert not [body for _, body in asked if body.get("stream")]


def test_special_tokens_of_a_draft_have_no_text():
    says = greedy("ab cd")
    found, _, _ = outcome(drafted([97, SILENT], silent={SILENT}), says=says)
    assert found.completion.text == "a cd"
    assert found.trace.tokens.tolist() == [97, SILENT, *b" cd", END]


def test_a_trace_lacks_log_probabilities_where_the_beginning_s_are_only_bounded():
    found, _, _ = outcome(drafted(5, told=False))
    assert found.completion.text == TEXT
    assert len(found.trace.logprobs) == 0


def test_a_loop_is_seen_across_the_seam_and_within_a_draft():
    loop = "so it is so. " * 2000
    for taken in (100, 20_000):
        request = drafted(list(loop[:taken].encode()), budget=30_000)
        found, asked, _ = outcome(request, says=greedy(loop))
        plain, _, _ = outcome(drafted(0, budget=30_000), says=greedy(loop))
        assert found.completion.finish_reason == "loop"
        assert found.completion.text.startswith("so it is so. ")
        assert loop.startswith(found.completion.text)
        assert found.completion.drafted_tokens <= found.completion.completion_tokens
        assert plain.completion.finish_reason == "loop"
    assert not [body for _, body in asked if body.get("stream")]


def test_fields_of_a_chat_are_not_sent():
    fields = (
        read_request_field('chat_template_kwargs={"a": 1}'),
        read_request_field("top_k=7"),
    )
    _, asked, _ = outcome(drafted(3), request_fields=fields)
    [body] = [content for _, content in asked if content.get("stream")]
    assert body["top_k"] == 7
    assert "chat_template_kwargs" not in body
    assert "top_logprobs" not in body


def spoilt(path, value, status=200):
    def change(asked, told_status, answer):
        is_it = asked == path and (path != "/v1/completions" or not isinstance(answer, list))
        return (status, value) if is_it else (told_status, answer)

    return change


@pytest.mark.parametrize(
    "change",
    [
        spoilt("/detokenize", {}),
        spoilt("/detokenize", {"prompt": 7}),
        spoilt("/detokenize", []),
        spoilt("/detokenize", {}, status=500),
        spoilt("/detokenize", {"error": "no"}, status=404),
        spoilt("/v1/completions", {}),
        spoilt("/v1/completions", {"choices": []}),
        spoilt("/v1/completions", {"choices": [{"token_ids": [3], "finish_reason": "stop"}]}),
        spoilt("/v1/completions", {"choices": [{"token_ids": [60], "finish_reason": "abort"}]}),
        spoilt("/v1/completions", {"error": {"message": "no such field"}}, status=400),
        spoilt("/v1/completions", {}, status=503),
    ],
)
def test_a_fault_is_an_engine_error_and_never_a_sample(change):
    found, asked, _ = outcome(drafted(5, turned=60), change=change)
    assert found.completion is None
    assert found.error is not None
    assert not [body for _, body in asked if body.get("stream")]


def test_a_text_that_changes_with_what_follows_is_an_error():
    def change(path, status, answer):
        short = path == "/detokenize" and len(answer["prompt"]) <= len(PROMPT)
        return (status, {"prompt": "another"}) if short else (status, answer)

    found, _, _ = outcome(drafted(5), change=change)
    assert found.completion is None
    assert "the text of a prompt is another" in str(found.error)


@pytest.mark.parametrize(
    "events",
    [
        [{"choices": [{"text": 7, "finish_reason": "stop"}]}],
        [{"choices": [{"text": "x", "finish_reason": None}]}],
        [{"choices": "x"}],
        [{"usage": {"completion_tokens": -5}, "choices": [{"text": "x"}]}],
        [],
    ],
)
def test_what_breaks_off_behind_the_seam_is_an_error_too(events):
    def change(path, status, answer):
        return (status, events) if isinstance(answer, list) else (status, answer)

    found, _, _ = outcome(drafted(5), change=change)
    if found.completion is not None:  # an end that was told, of a text that was none
        assert found.completion.text == bytes(TOKENS[:5]).decode()
        assert found.trace is None
    else:
        assert found.error is not None
