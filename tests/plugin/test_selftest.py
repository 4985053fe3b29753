"""The self-test before a long run."""

import json
import random
from dataclasses import replace

import pytest
from fault_server import FaultServer, Picky
from sums import right, suite

from lrmtest.errors import EngineError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Delivery, EngineInfo, Message, Request, Sampling
from lrmtest.models.engines.options import EngineOptions
from lrmtest.plugin.generation.selftest import (
    again,
    echoes,
    findings,
    mixed_up,
    names_another,
    probes,
    prompts_found,
    wandered,
)
from lrmtest.questions.place import Place
from lrmtest.runs.store import Store

LIKE = Request(Place("k", "aime", "q", 0), (Message("user", "?"),), Sampling(100, 0.6, 0.95), 1)

TAGS = ("<think>", "</think>")


def outcomes(*texts, tokens=48, prompt_tokens=9):
    return [
        Delivery(probe, Completion(text, "length", prompt_tokens, tokens))
        for probe, text in zip(probes(LIKE), texts, strict=True)
    ]


def test_an_honest_engine_gives_no_warning():
    found = findings(outcomes("a b", "a b", "c d"), EngineInfo("x"), TAGS, lambda text: 47)
    assert found == {"seeds": "honoured", "tokens": "agree", "warnings": []}


@pytest.mark.parametrize(
    ("found", "warning"),
    [
        (outcomes("a", "b", "c"), "equal seeds gave different texts"),
        (outcomes("a", "a", "a"), "may ignore seeds"),
        (outcomes("", "", "x"), "empty"),
        (outcomes("a", "a", "c", tokens=60), "at most 48 tokens"),
        (outcomes("a", "a", "c", prompt_tokens=0), "how many tokens the prompt has"),
        (outcomes("<think><think>", "<think><think>", "c"), "opens its reasoning 2 times"),
    ],
)
def test_what_is_odd_is_told(found, warning):
    (said,) = findings(found, EngineInfo("x"), TAGS, None)["warnings"]
    assert warning in said


def test_a_promise_that_was_not_made_is_not_broken():
    found = findings(outcomes("a", "b", "c"), EngineInfo("x", seeded=False), TAGS, None)
    assert found["seeds"] == "not promised"
    assert found["warnings"] == []


def test_counts_that_differ_are_told():
    found = findings(outcomes("a", "a", "b"), EngineInfo("x"), TAGS, lambda text: 12)
    assert found["tokens"] == "server 48, client 12"


def test_a_failed_probe_is_told():
    failed = [replace(one, completion=None, error=EngineError("broke")) for one in outcomes(*"aab")]
    assert findings(failed, EngineInfo("x"), TAGS, None)["warnings"] == [
        "the self-test failed: broke"
    ]


# Prompts


def echoed(asked, answer, prompt_tokens=9):
    """Outcomes of echoes; `answer` is given the number of an echo and its word."""
    texts = [answer(number, echo.word) for number, echo in enumerate(asked)]
    return [
        Delivery(echo.request, Completion(text, "stop", prompt_tokens, 4))
        for echo, text in zip(asked, texts, strict=True)
    ]


def found_of(answer, **how):
    warnings = []
    asked = echoes(LIKE)
    return prompts_found(asked, echoed(asked, answer, **how), warnings), warnings


def test_echoes_are_words_of_their_own_each_asked_twice_within_the_budget():
    asked = echoes(LIKE)
    words = [echo.word for echo in asked]
    assert sorted(words) == sorted(2 * list(set(words)))
    assert len(set(words)) == 4
    assert len({echo.request.key for echo in asked}) == 8
    assert all(echo.word in echo.request.messages[-1].content for echo in asked)
    assert all(echo.request.sampling.max_tokens <= 100 for echo in asked)
    assert {echo.word for echo in echoes(LIKE)}.isdisjoint(words)


def test_a_system_prompt_is_kept():
    like = replace(LIKE, messages=(Message("system", "Be brief."), *LIKE.messages))
    assert {echo.request.messages[0] for echo in echoes(like)} == {like.messages[0]}


@pytest.mark.parametrize(
    "answer",
    [
        lambda number, word: word,
        lambda number, word: f"Okay, the user wants me to repeat {word.upper()}.",
        lambda number, word: word if number == 0 else "",
    ],
)
def test_a_word_that_comes_back_shows_that_prompts_arrive(answer):
    assert found_of(answer) == ("arrive", [])


@pytest.mark.parametrize(
    "answer",
    [
        lambda number, word: "",
        lambda number, word: "I am a helpful assistant, how can I help you?",
        lambda number, word: f"Sure! Here is what you asked for, number {number}.",
        lambda number, word: f"Sure! Here is what you asked for, number {number % 2}."[:18],
    ],
)
def test_a_weak_model_that_repeats_nothing_raises_no_alarm(answer):
    asked = echoes(LIKE)
    answers = [(echo.word, answer(n, echo.word)) for n, echo in enumerate(asked)]
    assert not names_another(answers)
    assert not wandered(answers)
    assert found_of(answer, prompt_tokens=0) == ("not shown", [])


def test_prompts_that_do_not_count_are_told():
    like = replace(LIKE, sampling=replace(LIKE.sampling, max_tokens=4096))
    asked, warnings = echoes(like), []
    assert prompts_found(asked, echoed(asked, lambda number, word: "?"), warnings) == "not shown"
    (said,) = warnings
    assert "nothing shows that prompts arrive" in said


def test_one_answer_to_somebody_else_s_prompt_is_enough():
    words = [echo.word for echo in echoes(LIKE)]
    answers = [(word, word) for word in words]
    assert not names_another(answers)
    answers[3] = (words[3], f"The word is {words[2].title()}.")
    assert names_another(answers)


def lagging(asked):
    """Each with the answer to the prompt before, of a model that repeats nothing."""
    before = [asked[-1], *asked[:-1]]
    return [
        (echo.word, f"a long answer to {hash(other.word)}")
        for echo, other in zip(asked, before, strict=True)
    ]


def test_answers_that_come_one_request_too_late_are_mixed_up():
    asked = echoes(LIKE)
    together, alone = lagging(asked), lagging(again(asked))
    assert wandered(together)
    assert mixed_up(together, alone)


def test_answers_that_are_mixed_up_only_when_asked_together_are_so():
    asked = echoes(LIKE)
    alone = [(echo.word, f"a long answer to {hash(echo.word)}") for echo in again(asked)]
    assert mixed_up(lagging(asked), alone)
    assert not mixed_up(alone, alone)


def test_what_a_model_nearly_says_to_everything_is_not_mixed_up():
    asked = echoes(LIKE)
    alone = [(echo.word, f"a long answer to {hash(echo.word)}") for echo in again(asked)]
    usual = alone[0][1]
    together = [
        (echo.word, usual if number % 2 else dict(alone)[echo.word])
        for number, echo in enumerate(asked)
    ]
    assert not wandered(together)
    assert not mixed_up(together, alone)
    assert not mixed_up([(word, usual) for word, _ in together], alone)


@pytest.mark.parametrize("phrases", [1, 2, 3])
def test_a_server_that_draws_from_a_few_phrases_mixes_nothing_up(phrases):
    draw = random.Random(phrases)

    def drawn(asked):
        return [(echo.word, f"phrase number {draw.randrange(phrases)} of some") for echo in asked]

    for _ in range(200):
        asked = echoes(LIKE)
        assert not mixed_up(drawn(asked), drawn(again(asked)))


def test_failed_echoes_say_nothing():
    asked = echoes(LIKE)
    failed = [Delivery(echo.request, error=EngineError("broke")) for echo in asked]
    assert prompts_found(asked, failed, []) == "not shown"


@pytest.mark.parametrize("repeats", [True, False])
def test_a_server_that_mixes_prompts_up_is_refused(pytester, repeats):
    pytester.makepyfile(test_sums=suite().replace("range(12)", "range(40)"))
    last = ["nothing yet"]

    def of_the_one_before(prompt, seed):
        asked, last[0] = last[0], prompt
        return f"You said: {asked if repeats else hash(asked)}, and that is that."

    with FaultServer(answer=of_the_one_before) as server:
        result = pytester.runpytest_inprocess("--model", f"m={server.url}", "--concurrency", "1")
        assert server.chats == (11 if repeats else 19)
    assert result.ret != 0
    text = result.stdout.str() + result.stderr.str()
    assert "gives to one prompt the answer to another" in text
    assert "Traceback" not in text


def test_a_self_test_that_takes_too_long_is_left_out(pytester, monkeypatch):
    pytester.makepyfile(test_sums=suite().replace("range(12)", "range(30)"))
    monkeypatch.setattr(EngineOptions, "self_test_seconds", 0.0)
    with FaultServer(answer=right) as server:
        result = pytester.runpytest_inprocess("--model", f"m={server.url}")
    result.assert_outcomes(passed=30)
    result.stdout.fnmatch_lines(["*the self-test took too long*"])


def test_a_long_run_begins_with_one_and_a_short_run_does_not(pytester):
    pytester.makepyfile(test_sums=suite().replace("range(12)", "range(40)"))
    with FaultServer(answer=right) as server:
        args = ("--model", f"m={server.url}")
        pytester.runpytest_inprocess(*args, "--limit", "5")
        assert server.chats == 5
        pytester.runpytest_inprocess(*args, "--summary-json", "s.json").assert_outcomes(passed=40)
        assert server.chats == 40 + 11
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        run = store.run("last")
        assert run.manifest.self_test.seeds == "honoured"
        assert run.manifest.self_test.prompts == "arrive"
        assert len(store.keys(run.run_id)) == 40
    assert json.loads((pytester.path / "s.json").read_text())["runs"][0]["model"] == "m"


def test_what_a_server_refuses_is_said_once_and_in_the_manifest(pytester):
    pytester.makepyfile(test_sums=suite())
    words = {"error": {"message": "Unsupported parameter", "param": "seed"}}
    with Picky({"seed": words}, answer=right) as server:
        result = pytester.runpytest_inprocess("--model", f"m={server.url}")
    result.assert_outcomes(passed=12)
    assert result.stdout.str().count("m: the server takes no seed") == 1
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        run = store.run("last")
        assert run.finished
        assert run.manifest.engine.details["left_out"] == ["seed"]
        assert run.manifest.engine.seeded is False
        assert {each.completion.seed for each in store.completions(run.run_id)} == {None}
