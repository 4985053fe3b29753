"""Whole distributions told by a server: what is asked, and that nothing else is taken for one."""

from __future__ import annotations

from array import array
from contextlib import contextmanager
from math import exp, fsum, log

import pytest
from reading_server import VOCABULARY, logprobs, reading_server

from lrmtest.errors import MachineryError, ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.kinds import create_draft_reader
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.reading.endpoint import EndpointReader
from lrmtest.models.reading import Shaping, Written
from lrmtest.models.spec import ModelSpec
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place

PREFIXES = [array("I", [5, 6, 7, *range(n)]) for n in range(6)]
SHAPING = Shaping(0.7, 0.9, top_k=40, min_p=0.01)


@contextmanager
def reader_of(url, **options):
    reader = EndpointReader(ModelSpec("m", ModelCard("m"), "openai", url), EngineOptions(**options))
    trace = Trace(array("I", [5]), array("I", [6]), array("f", [-0.5]), False)
    try:
        reader.start([Written(Place("k", "s", "q", 0), trace, Shaping(1.0))])
        yield reader
    finally:
        reader.close()


def told(url, prefixes=PREFIXES, **options):
    found = {}
    with reader_of(url, **options) as reader:
        reader.distributions([(one, SHAPING) for one in prefixes], found.__setitem__)
    return [found[index] for index in range(len(prefixes))]


def test_a_server_tells_all_of_a_distribution():
    with reading_server("vllm") as (url, asked):
        found = told(url)
    for one, ids in zip(found, PREFIXES, strict=True):
        assert one.logprobs.tolist() == pytest.approx(logprobs(ids))
        assert one.tokens.tolist() == list(range(VOCABULARY))
    [body] = [content for _, content in asked if content["prompt"] == [5, 6, 7]]
    assert {name: body[name] for name in ("max_tokens", "logprobs", "temperature", "top_p")} == {
        "max_tokens": 1,
        "logprobs": -1,
        "temperature": 0.7,
        "top_p": 0.9,
    }
    assert (body["top_k"], body["min_p"], body["repetition_penalty"]) == (40, 0.01, 1.0)


def test_what_is_cut_off_has_no_part_in_it():
    def cut(status, answer):
        pairs = {"token_id:3": log(0.25), "token_id:2": -9999.0, "token_id:1": log(0.75)}
        answer["choices"][0]["logprobs"]["top_logprobs"] = [pairs]
        return status, answer

    with reading_server("vllm", change=cut) as (url, _):
        [one] = told(url, PREFIXES[:1])
    assert one.tokens.tolist() == [1, 3]
    assert fsum(map(exp, one.logprobs)) == pytest.approx(1)
    assert one.logprob(2) == one.logprob(99) == float("-inf")


def with_pairs(pairs):
    return {"choices": [{"logprobs": {"top_logprobs": [pairs]}}]}


HALF = log(0.5)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"choices": []},
        {"choices": [{"logprobs": None}]},
        with_pairs(None),
        with_pairs({}),
        with_pairs([HALF, HALF]),
        # Not all of it, or what is more than all.
        with_pairs({"token_id:1": HALF, "token_id:2": log(0.4)}),
        with_pairs({"token_id:1": HALF, "token_id:2": HALF, "token_id:3": HALF}),
        # Texts, of which several tokens may have the same.
        with_pairs({"a": HALF, "b": HALF}),
        with_pairs({"token_id:1": HALF, "token_id:-2": HALF}),
        with_pairs({"token_id:1": HALF, "token_id:01": HALF}),
        with_pairs({"token_id:1": HALF, "token_id:²": HALF}),
        with_pairs({"token_id:1": HALF, "token_id:999999999999": HALF}),
        with_pairs({"token_id:1": HALF, "token_id:600000": HALF}),
        with_pairs({"token_id:1": 0.5, "token_id:2": HALF}),
        with_pairs({"token_id:1": "0", "token_id:2": -9999}),
        with_pairs({"token_id:1": True}),
        with_pairs({"token_id:1": None, "token_id:2": 0.0}),
    ],
)
def test_what_is_no_distribution_is_an_error(answer):
    def change(status, told):
        return status, answer

    with (
        reading_server("vllm", change=change) as (url, _),
        pytest.raises(MachineryError),
    ):
        told(url, PREFIXES[:1], max_retries=0)


def test_a_server_that_refuses_is_told_of():
    refused = {"error": {"message": "Requested sample logprobs of -1", "code": 400}}
    with (
        reading_server("vllm", change=lambda *_: (400, refused)) as (url, _),
        pytest.raises(ModelError, match=r"a place behind 3 tokens cannot be read.*logprobs of -1"),
    ):
        told(url, PREFIXES[:1])


def test_a_server_that_breaks_off_is_asked_again_and_one_that_is_gone_is_told_of():
    broken = [True]

    def once(status, answer):
        return (503, {}) if broken and broken.pop() else (status, answer)

    with reading_server("vllm", change=once) as (url, _):
        assert len(told(url)) == len(PREFIXES)
    with (
        reading_server("vllm", change=lambda *_: (500, {})) as (url, _),
        pytest.raises(MachineryError, match="500"),
    ):
        told(url, max_retries=0)


@pytest.mark.parametrize("arguments", [("--max-logprobs", "20"), ("--logprobs-mode=raw_logprobs",)])
def test_arguments_that_keep_a_server_from_telling_are_refused(tmp_path, arguments):
    spec = ModelSpec("m", ModelCard("m", engine="vllm"), "vllm", str(tmp_path))
    with pytest.raises(UsageError, match="vLLM tells whole distributions with"):
        create_draft_reader(spec, EngineOptions(engine_args=arguments))
