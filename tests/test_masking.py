"""Secrets in any part of a URL, a message or a command line are not in what comes out."""

from __future__ import annotations

import base64
import string
import time
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lrmtest.errors import EngineError, LrmtestError, UsageError
from lrmtest.masking import (
    MASK,
    hidden,
    looks_secret,
    masked,
    masked_arguments,
    masked_url,
    masked_values,
    variables,
)
from lrmtest.models.cards import load_cards
from lrmtest.models.description import describe_model
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.resolve import resolve

CARDS = load_cards()

# As services make them: a prefix or none, then letters and digits.
SECRETS = st.builds(
    lambda prefix, letters, digits, rest: f"{prefix}{letters}{digits}{rest}",
    st.sampled_from(["sk-", "hf_", "SECRETPASS", "token", ""]),
    st.text(string.ascii_letters, min_size=8, max_size=20),
    st.text(string.digits, min_size=4, max_size=8),
    st.text(string.ascii_letters + string.digits, max_size=12),
)

PLACES = (
    "http://{}@127.0.0.1:8861/v1",
    "http://user:{}@127.0.0.1:8861/v1",
    "https://{}:x@127.0.0.1:99999/v1",
    "http://user:{}/rest@127.0.0.1/v1",
    "http://user:{}#rest@127.0.0.1/v1",
    "http://127.0.0.1:{}/v1",
    "http://127.0.0.1:8861/{}/v1",
    "http://127.0.0.1:8861/a/{}",
    "http://127.0.0.1:8861/models/{}/openai",
    "http://127.0.0.1:8861/v1;{}",
    "http://127.0.0.1:8861/v1?api_key={}",
    "http://127.0.0.1:8861/v1?{}",
    "http://127.0.0.1:8861/v1?a=b&k={}",
    "http://127.0.0.1:8861/v1#{}",
    "HTTPS://{}@[::1]:80/v1",
    "http://:{}@/v1",
)


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=25)
@given(secret=SECRETS)
@example(secret="SECRETPASS3333")
def test_a_secret_in_a_url_is_in_nothing_that_is_shown_or_stored(place, secret):
    url = place.format(secret)
    shown = [masked(f"cannot reach {url}: gone"), masked_url(url)]
    shown += [str(EngineError(f"{url}: HTTP 500")), str(LrmtestError("x", hint=f"see '{url}'"))]
    shown += [*masked_arguments(["--model", f"x={url}", f"--model={url}"])]
    for text in (url, f"x={url}"):
        try:
            spec = resolve(text, CARDS)
        except UsageError as error:
            shown += [str(error), repr(error), *map(str, error.args)]
        else:
            shown += [spec.name, str(describe_model(spec, EngineOptions()))]
            # What is asked is the URL as it was given.
            assert secret in Endpoint.parse(spec.location).url
    for text in shown:
        assert secret not in text


@given(secret=SECRETS, before=st.text(max_size=40), after=st.text(max_size=40))
def test_a_key_that_a_server_sends_back_is_hidden(secret, before, after):
    endpoint = Endpoint("http://127.0.0.1/v1", secret)
    bearer = base64.b64encode(f"Bearer {secret}".encode()).decode()
    forms = [
        secret,
        quote(secret, safe=""),
        bearer,
        base64.b64encode(secret.encode()).decode(),
        secret.encode().hex(),
        secret[: len(secret) // 2] + "\n" + secret[len(secret) // 2 :],
        secret[: len(secret) // 2] + "\\n" + secret[len(secret) // 2 :],
        "\n".join(secret),
        secret[:10] + "...",
    ]
    for form in forms:
        said = endpoint.quote(before + form + after, 10_000)
        for part in (secret, secret[:10], bearer[12:-6], secret.encode().hex()):
            assert part not in said
            assert part not in "".join(said.split())


@given(st.text(max_size=200), SECRETS)
def test_a_text_without_the_secret_stays_as_it_is(text, secret):
    if not any(secret[at : at + 8] in text for at in range(len(secret))):
        assert hidden(text, secret) == text
    assert len(hidden(text, secret, length=True)) == len(text)


@given(st.text())
def test_masking_twice_changes_nothing_more(text):
    once = masked(text)
    assert masked(once) == once


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/v1",
        "http://gpu-node-17:8080/v1",
        "http://[::1]:8000/v1",
        "https://api.together.xyz/v1",
        "https://host/deepseek-ai/DeepSeek-R1-Distill-Llama-8B/v1",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "https://x.openai.azure.com/openai/deployments/gpt-4o-mini/v1",
        "https://huggingface.co/org/name/resolve/" + "6d0a53f2c1" * 4 + "/config.json",
    ],
)
def test_ordinary_urls_are_shown_whole(url):
    assert masked(url) == masked_url(url) == url


def test_two_urls_stay_two():
    one, other = (masked_url(f"http://h/{name}/v1") for name in ("AbC123dEf456", "AbC123dEf457"))
    assert one != other
    assert masked_url("http://h/AbC123dEf456/v1") == one


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--api-key", "abc", "--port", "1"], ("--api-key", MASK, "--port", "1")),
        (["--api-key=abc"], (f"--api-key={MASK}",)),
        (["--engine-arg=--api-key=abc"], (f"--engine-arg=--api-key={MASK}",)),
        (["--engine-arg=--key", "--engine-arg=a"], ("--engine-arg=--key", f"--engine-arg={MASK}")),
        (["--ssl-keyfile-password", "x y"], ("--ssl-keyfile-password", MASK)),
        (["--max-num-seqs", "8"], ("--max-num-seqs", "8")),
        (["--max-tokens=8", "--tokenizer=a/b"], ("--max-tokens=8", "--tokenizer=a/b")),
    ],
)
def test_arguments_that_are_named_like_a_secret(words, kept):
    assert masked_arguments(words) == kept


def test_variables_that_are_named_like_a_secret(monkeypatch):
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "zq81xkPPlm")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent.sock")
    error = LrmtestError("it said: zq81xkPPlm, at /run/agent.sock", hint="zq81xkPPlm")
    assert str(error) == "it said: ***, at /run/agent.sock\n  -> ***"
    assert masked_values({"a": ["zq81xkPPlm", 1]}) == {"a": [MASK, 1]}


def test_ordinary_words_in_such_a_variable_are_shown(monkeypatch):
    monkeypatch.setenv("LRMTEST_API_KEY", "foreign-LRMTEST_API_KEY")
    assert masked("set LRMTEST_VLLM or LRMTEST_API_KEY") == "set LRMTEST_VLLM or LRMTEST_API_KEY"
    assert masked("it was foreign-LRMTEST_API_KEY") == "it was ***"


def test_words_and_names_are_no_secrets():
    for name in ("v1", "openai", "DeepSeek-R1-Distill-Qwen-1.5B", "gpt-4o-mini", "completions"):
        assert not looks_secret(name)


def test_a_variable_may_go_while_others_are_read(monkeypatch):
    monkeypatch.setenv("LRMTEST_GOES_TOKEN", "a-secret-of-some-length")
    for number, _ in enumerate(variables()):
        if number == 0:  # as another thread would; pytest itself does so with every test
            monkeypatch.delenv("LRMTEST_GOES_TOKEN")
    assert "LRMTEST_GOES_TOKEN" not in dict(variables())


def test_masking_is_linear():
    for text in (
        "://" * 100_000,
        "a" * 300_000,
        "sk-" * 100_000,
        "secret=" * 50_000,
        "@" * 300_000,
    ):
        begun = time.thread_time()
        masked(text)
        hidden(text, "sk-0123456789abcdef")
        assert time.thread_time() - begun < 20
