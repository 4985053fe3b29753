"""A card that came with a model is data, and what it asks beyond that is told."""

from __future__ import annotations

import json
import math
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import LrmtestError, ModelError, UsageError
from lrmtest.models.card import Checkpoint, ModelCard
from lrmtest.models.cards import load_cards, read_card
from lrmtest.models.engines import kinds
from lrmtest.models.local import measure, own_sampling
from lrmtest.models.resolve import resolve

CARDS = load_cards()
CARD = "lrmtest-card.toml"


@pytest.fixture
def outside_engine(monkeypatch):
    """An engine that another package offers."""
    monkeypatch.setattr(kinds, "engine_names", lambda: ("transformers", "vllm", "cloud"))
    return "cloud"


def test_data_counts_and_arguments_do_not(model_folder):
    text = """
        name = "theirs"
        engine = "vllm"
        parameters = 0.5
        context_length = 2048
        max_tokens = 100
        temperature = 0.3
        reasoning_tags = ["<r>", "</r>"]
        system_prompt = "Think.\\nThen answer."
        quantization = "awq"
        engine_args = ["--trust-remote-code", "--host", "0.0.0.0", "--middleware", "evil.Module"]
        compression = { method = "awq", bits_per_weight = 4.2 }
    """
    folder = model_folder(**{CARD: text})
    spec = resolve(str(folder), CARDS)
    assert spec.card.engine_args == ()
    assert (spec.name, spec.engine) == ("theirs", "vllm")
    assert (spec.card.max_tokens, spec.card.temperature) == (100, 0.3)
    assert spec.card.reasoning_tags == ("<r>", "</r>")
    assert spec.card.quantization == "awq"
    assert spec.card.compression.bits_per_weight == 4.2
    (notice,) = spec.notices
    assert "\n" not in notice
    for part in (
        "theirs",
        CARD,
        "--trust-remote-code",
        "--middleware",
        "--engine-arg",
        "pyproject",
    ):
        assert part in notice


def test_of_a_request_what_says_how_to_ask_counts(model_folder):
    text = """
        [request]
        top_k = 20
        chat_template_kwargs = { enable_thinking = false }
        structured_outputs = { choice = ["42"] }
    """
    spec = resolve(str(model_folder(**{CARD: text})), CARDS)
    assert spec.card.request == {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}
    (notice,) = spec.notices
    assert "structured_outputs" in notice
    assert "top_k" not in notice


def test_a_card_of_data_alone_is_not_spoken_of(model_folder):
    folder = model_folder(**{CARD: 'name = "theirs"\nnote = "made on a Monday"\n'})
    assert resolve(str(folder), CARDS).notices == ()


def test_the_users_own_card_may_say_what_a_folders_may_not(model_folder):
    folder = model_folder(**{CARD: 'engine_args = ["--host", "0.0.0.0"]\n'})
    own = ModelCard("mine", engine="vllm", engine_args=("--swap-space", "0"))
    spec = resolve(f"mine={folder}", {**CARDS, "mine": own})
    assert spec.card.engine_args == ("--swap-space", "0")
    assert spec.notices == ()
    named = resolve(f"other={folder}", CARDS)
    assert named.card.engine_args == ()
    assert len(named.notices) == 1


@pytest.mark.usefixtures("outside_engine")
def test_an_engine_of_another_package_needs_the_users_word(model_folder):
    folder = model_folder(**{CARD: 'name = "theirs"\nengine = "cloud"\n'})
    spec = resolve(str(folder), CARDS)
    assert spec.engine == "transformers"
    assert "engine cloud" in spec.notices[0]


@pytest.mark.usefixtures("outside_engine")
def test_the_engine_of_a_known_parent_counts(model_folder, monkeypatch):
    kind = kinds.EngineKind("cloud", "nowhere:Cloud", source="files", reads=("safetensors",))
    monkeypatch.setitem(kinds._OWN, "cloud", kind)
    monkeypatch.setattr("lrmtest.models.folder_card.is_own", lambda name: name != "cloud")
    folder = model_folder(**{CARD: 'name = "theirs"\nparent = "mine"\nengine = "cloud"\n'})
    spec = resolve(str(folder), {**CARDS, "mine": ModelCard("mine", engine="cloud")})
    assert (spec.engine, spec.notices) == ("cloud", ())


@pytest.mark.parametrize("engine", ["openai", "recorded"])
def test_an_engine_without_files_is_left_out(model_folder, engine):
    text = f'engine = "{engine}"\n[checkpoint]\nurl = "http://elsewhere/v1"\n'
    spec = resolve(str(model_folder(**{CARD: text})), CARDS)
    assert spec.engine == "transformers"
    assert "checkpoint.url" in spec.notices[0]


@pytest.mark.parametrize("path", ["/etc", "..", "../../elsewhere", "~/.ssh"])
def test_its_files_are_those_of_the_folder(model_folder, path):
    folder = model_folder(**{CARD: f'checkpoint = {{ path = "{path}" }}\n'})
    spec = resolve(str(folder), CARDS)
    assert spec.location == str(folder)
    assert spec.card.checkpoint == Checkpoint(path=str(folder))
    assert "checkpoint.path" in spec.notices[0]


def test_a_file_in_the_folder_is_no_matter(model_folder):
    folder = model_folder(**{CARD: 'checkpoint = { path = "model.gguf", gguf = true }\n'})
    assert resolve(str(folder), CARDS).notices == ()


def test_a_secret_in_its_arguments_is_not_told(model_folder):
    folder = model_folder(**{CARD: 'engine_args = ["--api-key=abcdefgh1234"]\n'})
    assert "abcdefgh1234" not in resolve(str(folder), CARDS).notices[0]


@pytest.mark.parametrize(
    "line",
    [
        "temperature = nan",
        "temperature = inf",
        "temperature = 1e400",
        "temperature = 1e300",
        "parameters = -inf",
        f"parameters = 1{'0' * 400}",
        f"parameters = 1{'0' * 5000}",
        f"context_length = 1{'0' * 400}",
        f"max_tokens = 1{'0' * 400}",
        "context_length = 4611686018427387904",
        "temperature = true",
        'temperature = "0.6"',
        "reasoning_tags = [1, 2]",
        f'note = "{"x" * 2000}"',
        f'system_prompt = "{"x" * 200_000}"',
        f'name = "{"x" * 300}"',
        'name = "a\\u001b[31mred"',
        'name = "a\\nb"',
        'name = "../x"',
        'note = "\\u001b]0;title\\u0007"',
        'note = "a\\nb"',
        'note = "\\u202egnp.exe"',
        'system_prompt = "\\u001b[2J"',
        'compression = { method = "\\u009b31m" }',
        'dtype = "--trust-remote-code"',
        'quantization = "--host"',
        'quantization = "a b"',
        'kv_cache_dtype = "-c"',
        '"\\u001b[31m" = 1',
        "a = " + "[" * 5000 + "]" * 5000,
    ],
    ids=lambda line: line[:30].encode("unicode_escape").decode(),
)
def test_values_that_no_card_means(model_folder, line):
    with pytest.raises(UsageError) as caught:
        resolve(str(model_folder(**{CARD: line + "\n"})), CARDS)
    assert str(caught.value).replace("\n  -> ", "").isprintable()
    assert len(str(caught.value)) < 1000


_VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.integers(min_value=10**300, max_value=10**310),
        st.floats(),
        st.text(max_size=30),
    ),
    lambda inner: st.lists(inner, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.sampled_from([*ModelCard.__dataclass_fields__]), _VALUES)
def test_any_value_is_taken_or_refused_for_people(tmp_path, key, value):
    file = tmp_path / CARD
    file.write_text(f"{key} = {_toml(value)}\n", encoding="utf-8")
    with suppress(LrmtestError):
        number = getattr(read_card(file, CARDS), key)
        assert not isinstance(number, float) or math.isfinite(number)


def _toml(value):
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value)
    return repr(value)


@pytest.mark.parametrize("number", ["1e400", "NaN", "-1", f"1{'0' * 400}", "true", '"1"', "1e9"])
def test_sampling_of_a_checkpoint_is_a_number_or_nothing(tmp_path, number):
    (tmp_path / "generation_config.json").write_text(f'{{"temperature": {number}, "top_p": 2}}')
    with suppress(ModelError):  # a number of 401 digits is no JSON here
        assert own_sampling(tmp_path) == (None, None)


def test_an_adapter_is_no_model(tmp_path, model_folder):
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "/etc"}')
    with pytest.raises(ModelError, match=r"adapter.*\n.*merge"):
        measure(tmp_path)
    # transformers would load the model that it names, not the one that lies here.
    folder = model_folder(**{"adapter_config.json": "{}"})
    with pytest.raises(ModelError, match="adapter"):
        measure(folder)


@pytest.mark.parametrize(
    "config",
    [
        {"transformers_weights": "../other.safetensors"},
        {"transformers_weights": "/etc/passwd"},
        {"transformers_weights": ["x"]},
        {"speculators_config": {"verifier": {"name_or_path": "/other/model"}}},
    ],
)
def test_a_configuration_that_names_other_weights(model_folder, config):
    with pytest.raises(ModelError, match=r"transformers_weights|speculators_config"):
        measure(model_folder(config=config))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_git_lfs_pointer_is_told(model_folder, name):
    folder = model_folder()
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 5\n"
    (folder / name).write_text(pointer)
    with pytest.raises(ModelError, match=rf"{name} is a git-LFS pointer.*\n.*git lfs pull"):
        measure(folder)


def test_a_gguf_file_that_is_a_git_lfs_pointer(tmp_path):
    (tmp_path / "m.gguf").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="git-LFS pointer"):
        measure(tmp_path / "m.gguf")
