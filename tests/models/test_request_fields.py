"""Request fields: how they are written, which are refused, and how a card's and a user's merge."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.cards import load_cards, read_card
from lrmtest.models.engines.kinds import EngineKind, carried, kind_of, refuse_fields
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.request_fields import (
    RequestField,
    check_fields,
    merged,
    read_request_field,
    request_fields,
)
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec

CARDS = load_cards()
THINKING = {"chat_template_kwargs": {"enable_thinking": True, "budget": 5}, "top_k": 20}

names = st.text("abcxyz_", min_size=1, max_size=5)
leaves = st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)
objects = st.dictionaries(names, values, max_size=4)


def without_null(value):
    """As RFC 7396 has a target: no null is a member of an object."""
    if isinstance(value, dict):
        return {name: without_null(part) for name, part in value.items() if part is not None}
    return value


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("top_k=20", RequestField("", "top_k", 20)),
        ('reasoning_effort="low"', RequestField("", "reasoning_effort", "low")),
        ("q3-8b:min_p=0.05", RequestField("q3-8b", "min_p", 0.05)),
        ("top_k=null", RequestField("", "top_k", None)),
        (
            'provider={"order": ["a=b"], "data_collection": "deny"}',
            RequestField("", "provider", {"order": ["a=b"], "data_collection": "deny"}),
        ),
        ("x= true", RequestField("", "x", True)),
    ],
)
def test_what_is_written_is_what_is_meant(text, field):
    assert read_request_field(text) == field
    assert read_request_field(str(field)) == field


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("top_k", "not [MODEL:]KEY=JSON"),
        ("=1", "no name"),
        ("a b=1", "no name"),
        ("chat_template_kwargs.enable_thinking=false", "stands in its value"),
        ("reasoning_effort=low", "in quotes"),
        ("enable_thinking=False", "false"),
        ("top_k=", "no valid JSON"),
        ("top_k={'a': 1}", "no valid JSON"),
        ("x=NaN", "no valid JSON"),
        ("x=1e999", "no valid JSON"),
        ('x={"a": 1, "a": 2}', "no valid JSON"),
        ("x=" + "[" * 5000, "no valid JSON"),
        ("x=" + "[" * 40 + "]" * 40, "nested too deeply"),
        ('x="\\ud800"', "Unicode"),
        ("top_k=-2", "whole number"),
        ("top_k=true", "whole number"),
        ("min_p=2", "[0, 1]"),
        ("chat_template_kwargs=3", "an object"),
        ('chat_template_kwargs={"tokenize": true}', "no variable"),
        ('chat_template_kwargs={"chat_template": "{{ 1 }}"}', "no variable"),
        ("max_tokens=5", "--max-tokens"),
        ("max_completion_tokens=5", "--max-tokens"),
        ("maxTokens=5", "--max-tokens"),
        ("max-tokens=null", "--max-tokens"),
        ("temperature=0", "--temperature"),
        ("top_p=0.9", "--top-p"),
        ("seed=1", "--seed"),
        ("n=4", "--samples"),
        ('model="x"', "--served-model"),
        ("messages=[]", "--prompt-file"),
        ("stream=false", "stream"),
        ('stop=["x"]', "ended"),
        ("logprobs=true", "reads"),
        ("tools=[]", "tool"),
        ('extra_body={"top_k": 1}', "by itself"),
        ('base_url="http://x"', "--model"),
        ('x="sk-abcdefgh12345678"', "a key"),
        ('provider={"api_key": "abcdefgh"}', "a key"),
        ('metadata={"auth_token": "Zm9vYmFyMTIzNDU2"}', "a key"),
        ('webhook="https://me:pw@host/"', "a key"),
    ],
)
def test_what_no_request_may_carry_is_refused(text, words):
    with pytest.raises(UsageError) as caught:
        read_request_field(text)
    assert words in str(caught.value)
    for secret in ("abcdefgh", "Zm9v", "me:pw"):
        assert secret not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["min_tokens", "prompt_cache_key", "thinking_token_budget"])
def test_a_name_with_a_key_or_a_token_in_it_is_no_secret(name):
    value = "lrmtest" if name == "prompt_cache_key" else 16
    assert read_request_field(f"{name}={json.dumps(value)}").value == value


def test_a_secret_of_the_environment_is_one_here(monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "orange-kettle-harbour-nineteen")
    with pytest.raises(UsageError, match="seems to hold a key") as caught:
        read_request_field('user="orange-kettle-harbour-nineteen"')
    assert "kettle" not in str(caught.value)


# RFC 7396, appendix A, without what is no object.
@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "foo"}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
    ],
)
def test_merging_is_rfc_7396s(before, patch, after):
    assert merged(before, patch) == after


@given(objects.map(without_null), objects)
def test_merging_twice_is_merging_once(before, patch):
    once = merged(before, patch)
    assert merged(once, patch) == once
    assert without_null(once) == once or any(isinstance(part, list) for part in once.values())
    assert merged({}, before) == before


def test_the_card_then_the_options_then_those_for_this_model():
    options = [
        RequestField("m", "top_k", 40),
        RequestField("", "top_k", 30),
        RequestField("", "chat_template_kwargs", {"enable_thinking": False}),
        RequestField("other", "min_p", 0.5),
        RequestField("m", "added", 1),
        RequestField("m", "added", None),
    ]
    assert request_fields(THINKING, options, "m") == {
        "chat_template_kwargs": {"enable_thinking": False, "budget": 5},
        "top_k": 40,
    }
    assert request_fields(THINKING, options, "other")["top_k"] == 30
    assert THINKING["chat_template_kwargs"]["enable_thinking"] is True


def card_file(tmp_path, text):
    path = tmp_path / "cards.toml"
    path.write_text(text)
    return path


def test_a_cards_table(tmp_path):
    text = """
        [models.q.request]
        top_k = 20
        chat_template_kwargs = { enable_thinking = true }
        [models.child]
        parent = "q"
        [models.other]
        parent = "q"
        request = { min_p = 0.1 }
        [models.none]
        parent = "q"
        request = {}
    """
    cards = load_cards([card_file(tmp_path, text)])
    assert cards["q"].request == cards["child"].request
    assert cards["q"].request == {"top_k": 20, "chat_template_kwargs": {"enable_thinking": True}}
    assert cards["other"].request == {"min_p": 0.1}
    assert cards["none"].request == {}
    assert hash(cards["q"]) is not None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("request = 3", "a table"),
        ("request = { temperature = 1 }", "temperature in a model's card"),
        ("request = { x = 2026-01-01 }", "no JSON value"),
        ("request = { x = nan }", "larger than JSON"),
        ('request = { api_key = "abcdefgh1234" }', "endpoint"),
    ],
)
def test_a_cards_table_that_cannot_be(tmp_path, line, words):
    with pytest.raises(UsageError) as caught:
        load_cards([card_file(tmp_path, f"[models.q]\n{line}\n")])
    assert words in str(caught.value)
    assert "cards.toml" in str(caught.value)
    assert "abcdefgh" not in str(caught.value)


def test_a_card_from_a_models_folder_sends_nothing_elsewhere(model_folder):
    text = """
        name = "theirs"
        [request]
        top_k = 20
        reasoning_effort = "high"
        chat_template_kwargs = { enable_thinking = false }
        provider = { order = ["evil"] }
        user = "me"
        kv_transfer_params = { remote_host = "evil.example" }
        logits_processors = ["evil.Module"]
        web_search_options = {}
    """
    spec = resolve(str(model_folder(**{"lrmtest-card.toml": text})), CARDS)
    assert spec.card.request == {
        "top_k": 20,
        "reasoning_effort": "high",
        "chat_template_kwargs": {"enable_thinking": False},
    }
    (notice,) = spec.notices
    for name in ("provider", "user", "kv_transfer_params", "logits_processors", "web_search"):
        assert f"request.{name}" in notice
    assert "--request-field" in notice


def test_what_a_known_parent_sends_its_child_may_send(model_folder):
    folder = model_folder(**{"lrmtest-card.toml": 'name = "theirs"\nparent = "mine"\n'})
    parent = ModelCard("mine", request={"provider": {"order": ["a"]}})
    spec = resolve(str(folder), {**CARDS, "mine": parent})
    assert spec.card.request == parent.request
    assert spec.notices == ()
    assert read_card(folder / "lrmtest-card.toml", {"mine": parent}).request == parent.request


def spec_on(engine, **request):
    return ModelSpec("m", ModelCard("m", request=request), engine, "/nowhere")


@pytest.mark.parametrize("engine", ["openai", "vllm", "llamacpp"])
def test_servers_are_sent_any_field(engine):
    refuse_fields(spec_on(engine, provider={}, anything=1), EngineOptions())


def test_an_engine_refuses_what_it_does_not_heed():
    refuse_fields(
        spec_on("transformers", top_k=1, min_p=0.1, chat_template_kwargs={}), EngineOptions()
    )
    with pytest.raises(UsageError) as caught:
        refuse_fields(spec_on("transformers", top_k=1, provider={}), EngineOptions())
    assert "does not heed provider, by its card" in str(caught.value)
    assert "--request-field m:provider=null" in str(caught.value)
    options = EngineOptions(request_fields=(read_request_field("m:provider=null"),))
    refuse_fields(spec_on("transformers", top_k=1, provider={}), options)
    assert carried(spec_on("transformers", top_k=1, provider={}), options) == {"top_k": 1}


def test_an_engine_of_another_package_heeds_none_unless_it_says_so(monkeypatch):
    spec = spec_on("cloud", top_k=1)
    for heeded, refused in (((), True), (("top_k",), False), (None, False)):
        kind = EngineKind("cloud", "nowhere:Cloud", request_fields=heeded)
        monkeypatch.setattr("lrmtest.models.engines.kinds.kind_of", lambda _, kind=kind: kind)
        if refused:
            with pytest.raises(UsageError, match="it heeds none"):
                refuse_fields(spec, EngineOptions())
        else:
            refuse_fields(spec, EngineOptions())


def test_they_are_settings_of_the_model_and_none_are_none():
    spec = spec_on("openai", top_k=1)
    settings = kind_of(spec).settings(spec, EngineOptions())
    assert settings["request"] == {"top_k": 1}
    options = EngineOptions(request_fields=(read_request_field("top_k=null"),))
    # The keys that completions had before there were request fields.
    assert "request" not in kind_of(spec).settings(spec, options)


@given(objects)
def test_checking_never_breaks(fields):
    with suppress(UsageError):
        check_fields(fields, "here")
