import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import Checkpoint, ModelCard
from lrmtest.models.cards import SAFE_NAME, load_cards
from lrmtest.models.resolve import resolve, sampling_defaults
from lrmtest.models.spec import ModelSpec

CARDS = load_cards()


def test_a_cards_name_alias_and_repository():
    spec = resolve("r1-distill-qwen-1.5b", CARDS)
    assert (spec.name, spec.engine, spec.location) == ("r1-distill-qwen-1.5b", "vllm", "")
    assert resolve("deepseek-r1-distill-qwen-1.5b", CARDS) == spec
    assert resolve("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", CARDS) == spec
    assert resolve("r1-distill-qwen-1.5b", CARDS, engine="transformers").engine == "transformers"
    # Several cards of one repository: at another effort, and of other files of it.
    assert resolve("openai/gpt-oss-20b", CARDS).name == "gpt-oss-20b"
    with pytest.raises(UsageError, match="no model of that name"):
        resolve("Qwen/Qwen3-8B-GGUF", CARDS)


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_every_packaged_card_resolves_or_says_how_to_make_it(card):
    if not card.compression.recipe:
        assert resolve(card.name, CARDS).card == card
        return
    with pytest.raises(UsageError) as caught:
        resolve(card.name, CARDS)
    assert card.parent in caught.value.message
    assert card.compression.recipe in caught.value.message
    assert f"--model {card.name}=FOLDER" in caught.value.hint


def test_an_unknown_name_is_guessed():
    with pytest.raises(UsageError) as caught:
        resolve("r1-1.58bits", CARDS)
    assert "r1-1.58bit" in caught.value.hint
    assert "lrmtest models" in caught.value.hint
    with pytest.raises(UsageError, match="no file or folder"):
        resolve("./absent", CARDS)
    with pytest.raises(UsageError, match="no file or folder"):
        resolve("name=./absent", CARDS)


def test_a_folder_is_measured(model_folder):
    folder = model_folder("My Model (v2)", generation={"temperature": 0.3})
    spec = resolve(str(folder), CARDS)
    assert spec.name == "My-Model-v2"
    assert spec.engine == "transformers"
    assert spec.location == str(folder)
    assert spec.card.temperature == 0.3
    assert spec.card.context_length == 4096


def test_a_gguf_file_is_measured(tmp_path, tiny_gguf):
    for part in (1, 2):
        (tmp_path / f"tiny.Q4_1-{part:05}-of-00002.gguf").write_bytes(tiny_gguf)
    path = tmp_path / "tiny.Q4_1-00002-of-00002.gguf"
    spec = resolve(str(path), CARDS, engine="llamacpp")
    assert spec.name == "tiny.Q4_1"
    assert spec.engine == "llamacpp"
    assert spec.location.endswith("-00001-of-00002.gguf")
    assert spec.card.checkpoint.gguf


def test_a_folders_own_card_wins_over_what_is_measured(model_folder):
    card = 'name = "pruned"\nparent = "r1-distill-llama-8b"\n'
    card += 'compression = { method = "sparsegpt", sparsity = 0.5 }\n'
    folder = model_folder(**{"lrmtest-card.toml": card})
    spec = resolve(str(folder), CARDS)
    assert (spec.name, spec.engine) == ("pruned", "vllm")
    assert (spec.card.compression.method, spec.card.compression.sparsity) == ("sparsegpt", 0.5)
    assert spec.card.compression.bits_per_weight == 16  # measured, for the card does not say
    assert spec.card.context_length == 131072
    assert resolve(f"mine={folder}", CARDS).name == "mine"


def test_a_named_path_takes_the_card_of_that_name(model_folder):
    folder = model_folder()
    name = "r1-distill-llama-8b-awq-3bit"
    spec = resolve(f"{name}={folder}", CARDS)
    assert (spec.name, spec.location) == (name, str(folder))
    assert spec.card.compression.method == "awq"
    assert spec.card.temperature == 0.6
    # A card with a hub repository: the files at the path are meant all the same.
    spec = resolve(f"smollm2-135m={folder}", CARDS)
    assert spec.card.checkpoint == Checkpoint(path=str(folder))


def test_a_path_with_an_equals_sign_is_a_path(model_folder):
    folder = model_folder("a=b")
    assert resolve(str(folder), CARDS).location == str(folder)


def test_recordings(tmp_path):
    path = tmp_path / "r1.aime.jsonl"
    path.write_text("{}")
    spec = resolve(f"recorded:{path}", CARDS)
    assert (spec.name, spec.engine, spec.location) == ("r1.aime", "recorded", str(path))
    assert resolve(f"r1=recorded:{path}", CARDS).card.context_length == 163840
    with pytest.raises(UsageError, match="no recording"):
        resolve("recorded:absent.jsonl", CARDS)
    with pytest.raises(UsageError, match="runs on engine recorded, not on vllm"):
        resolve(f"recorded:{path}", CARDS, engine="vllm")


def test_endpoints():
    spec = resolve("http://localhost:8000", CARDS)
    assert (spec.name, spec.engine) == ("localhost-8000", "openai")
    assert spec.location == "http://localhost:8000/v1"
    spec = resolve("r1-1.58bit=https://gpu.example/v1/", CARDS)
    assert (spec.name, spec.location) == ("r1-1.58bit", "https://gpu.example/v1")
    assert spec.card.top_p == 0.95
    with pytest.raises(UsageError, match="runs on engine openai"):
        resolve("http://localhost:8000", CARDS, engine="vllm")


@pytest.mark.parametrize("url", ["http://", "http://h:99999/v1", "http://u:secret@h/v1"])
def test_unusable_urls(url):
    with pytest.raises(UsageError) as caught:
        resolve(url, CARDS)
    assert "secret" not in str(caught.value)


def test_a_users_card_with_an_endpoint_or_a_path(model_folder, tmp_path):
    served = ModelCard(name="served", checkpoint=Checkpoint(url="http://localhost:8080"))
    spec = resolve("served", {"served": served})
    assert (spec.engine, spec.location) == ("openai", "http://localhost:8080/v1")

    folder = model_folder()
    card = ModelCard(name="mine", engine="vllm", checkpoint=Checkpoint(path=str(folder)))
    spec = resolve("mine", {"mine": card})
    assert (spec.engine, spec.location, spec.card.context_length) == ("vllm", str(folder), 4096)

    gone = ModelCard(name="gone", checkpoint=Checkpoint(path=str(tmp_path / "gone")))
    with pytest.raises(UsageError, match="nothing is there"):
        resolve("gone", {"gone": gone})
    with pytest.raises(UsageError, match="does not say where its files are"):
        resolve("empty", {"empty": ModelCard(name="empty")})


def test_engines_that_cannot_run_a_model(model_folder):
    for engine in ("openai", "recorded"):
        with pytest.raises(UsageError, match=f"engine {engine} cannot run"):
            resolve("r1", CARDS, engine=engine)
    with pytest.raises(UsageError, match="GGUF files only"):
        resolve(str(model_folder()), CARDS, engine="llamacpp")
    with pytest.raises(UsageError, match="there is no engine 'llama'"):
        resolve("r1", CARDS, engine="llama")


@given(st.text(max_size=20) | st.text("r1-.=:/~ a\0", max_size=12))
@example("~\0")
@example("~nobody-of-this-name")
@example("a/" + "b" * 5000)
def test_any_text_is_a_spec_with_a_safe_name_or_an_error_for_people(text):
    for model in (text, f"http://{text}", f"recorded:{text}"):
        try:
            spec = resolve(model, CARDS)
        except (UsageError, ModelError):
            continue
        assert SAFE_NAME.fullmatch(spec.name)


def test_sampling_defaults(model_folder):
    assert sampling_defaults(resolve("smollm2-135m", CARDS)) == (0.2, 0.9)
    folder = str(model_folder(generation={"temperature": 0.0}))
    assert sampling_defaults(resolve(folder, CARDS)) == (0.0, 0.95)
    # A card that leaves it open, once its checkpoint is on disk.
    card = ModelCard(name="open", top_p=0.5)
    assert sampling_defaults(ModelSpec("open", card, "vllm")) == (0.6, 0.5)
    assert sampling_defaults(ModelSpec("open", card, "vllm", folder)) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("localhost:8000", "http://localhost:8000/v1"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("[::1]:8000", "http://[::1]:8000/v1"),
        ("localhost", "http://localhost/v1"),
        ("//localhost:8000/", "http://localhost:8000/v1"),
        ("gpu-3:8000/v1", "http://gpu-3:8000/v1"),
        ("gpu:8000/v1/chat/completions", "http://gpu:8000/v1"),
        ("api.example.com/v1", "https://api.example.com/v1"),
        ("api.example.com:443/openai", "https://api.example.com:443/openai"),
        ("10.0.0.7/v1", "http://10.0.0.7/v1"),
    ],
)
@pytest.mark.parametrize("name", ["", "mine="])
def test_a_url_without_its_scheme_is_suggested(given, url, name):
    with pytest.raises(UsageError) as caught:
        resolve(f"{name}{given}", CARDS)
    assert caught.value.hint == f"--model {name}{url}"
    assert "URL" in caught.value.message
    assert resolve(f"{name or 'x='}{url}", CARDS).location == url


@pytest.mark.parametrize("given", ["qwen3:8b", "r1-1.58bits", "org/model", "m:5", "a.b/c", "x=y"])
def test_what_looks_like_no_endpoint_is_taken_for_none(given):
    with pytest.raises(UsageError) as caught:
        resolve(given, CARDS)
    assert "://" not in str(caught.value.hint).replace("http://... or https://...", "")


def test_a_secret_in_a_url_without_its_scheme_is_not_shown():
    with pytest.raises(UsageError) as caught:
        resolve("host:8000/sk-abcdefgh12345678/v1", CARDS)
    assert "abcdefgh" not in str(caught.value)
