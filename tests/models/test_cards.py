from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.errors import UsageError
from lrmtest.models.card import Checkpoint, Compression, ModelCard
from lrmtest.models.cards import SAFE_NAME, fill_in, load_cards, read_card


@pytest.fixture
def load(tmp_path):
    def load(text, *, pyproject=False):
        path = tmp_path / ("pyproject.toml" if pyproject else "cards.toml")
        path.write_text(text, encoding="utf-8")
        return load_cards(pyproject=path) if pyproject else load_cards([path])

    return load


def test_the_papers_models_are_there():
    cards = load_cards()
    for name in ("r1", "r1-2.51bit", "r1-1.73bit", "r1-1.58bit"):
        assert cards[name].parameters == 671
        assert cards[name].context_length == 163840
    for name in ("llama-70b", "llama-8b", "qwen-32b", "qwen-14b", "qwen-7b", "qwen-1.5b"):
        assert cards[f"r1-distill-{name}"].context_length == 131072
    for sparsity in (0.3, 0.4, 0.5, 0.6, 0.7):
        card = cards[f"r1-distill-llama-70b-sparsegpt-{sparsity * 100:.0f}"]
        assert card.compression.sparsity == sparsity


def test_every_packaged_card_has_a_place_and_is_sampled_as_its_family_wants():
    for card in load_cards().values():
        checkpoint = card.checkpoint
        # On the hub, made from its parent, or in the package.
        places = (checkpoint.repo, card.compression.recipe, checkpoint.path)
        assert sum(map(bool, places)) == 1, card.name
        if checkpoint.repo:
            # A commit; where none could be verified, what the hub says, and nothing else.
            assert checkpoint.is_pinned or checkpoint.revision == "main", card.name
            assert checkpoint.files, card.name
        if card.name.startswith("r1"):
            assert (card.temperature, card.top_p, card.system_prompt) == (0.6, 0.95, None)
            assert card.reasoning_tags == ("<think>", "</think>")
        assert card.engine == "llamacpp" or card.name == "smollm2-135m" or not checkpoint.gguf


def test_users_cards_come_from_pyproject_and_from_files(load):
    text = '[tool.lrmtest.models."mine-3.5bit"]\nparameters = 8\ncheckpoint = { path = "m" }\n'
    card = load(text, pyproject=True)["mine-3.5bit"]
    assert card.parameters == 8.0
    assert load(text.replace("tool.lrmtest.", ""))["mine-3.5bit"] == card


def test_a_path_is_taken_from_the_folder_of_its_file(load, tmp_path):
    card = load('[models.mine]\ncheckpoint = { path = "weights/q4" }')["mine"]
    assert card.checkpoint.path == str(tmp_path / "weights/q4")


def test_a_child_inherits_all_but_its_files_and_its_compression(load):
    cards = load(
        """
        [models.base]
        engine = "vllm"
        parameters = 8
        context_length = 4096
        temperature = 0.6
        reasoning_tags = ["<a>", "</a>"]
        memory_gb = 20
        note = "base"
        aliases = ["b"]
        checkpoint = { repo = "x/y" }
        compression = { method = "distillation", bits_per_weight = 16 }
        [models.child]
        parent = "base"
        temperature = 0.1
        compression = { method = "awq" }
        """
    )
    assert cards["child"] == ModelCard(
        name="child",
        parent="base",
        engine="vllm",
        parameters=8.0,
        context_length=4096,
        temperature=0.1,
        reasoning_tags=("<a>", "</a>"),
        compression=Compression(method="awq"),
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[models.m]\ntemprature = 1", "model 'm': unknown key 'temprature'", "'temperature'"),
        ("[models.m]\ntemperature = '1'", "temperature: expected a number, got '1'", None),
        ("[models.m]\ntemperature = true", "expected a number, got True", None),
        ("[models.m]\ntemperature = nan", "expected a number, got nan", None),
        ("[models.m]\ntemperature = -0.1", "temperature: -0.1 must be 0 or more", None),
        ("[models.m]\ntop_p = 0", "top_p: 0.0 must be above 0", None),
        ("[models.m]\ncontext_length = 1.5", "expected a whole number, got 1.5", None),
        ("[models.m]\nreasoning_tags = ['<a>']", "expected a list of two strings", None),
        ("[models.m]\nreasoning_tags = ['', 'b']", "two strings that are not empty", None),
        ("[models.m]\nreasoning_tags = 'harmonie'", "or one of think, ", None),
        ("[models.m]\nengine = 'vlm'", "there is no engine 'vlm'", "'vllm'"),
        ("[models.m]\ncheckpoint = 'x'", "checkpoint: expected a table, got 'x'", None),
        ("[models.m.checkpoint]\nrepos = 'x'", "checkpoint: unknown key 'repos'", "'repo'"),
        ("[models.m.checkpoint]\nsha256 = 'x'", "sha256: 'x' must be 64 hex", None),
        ("[models.m.checkpoint]\nwheel = 'a>=1; evil'", "wheel: 'a>=1; evil' must be", None),
        ("[models.m.compression]\nsparsity = 50", "sparsity: 50.0 must be in [0, 1]", None),
        ("[models.m]\nrequest = 3", "request: expected a table, got 3", None),
        ("[models.m.request]\nday = 2026-11-29", "request: day: a date is no JSON value", None),
        ("[models.m.request]\nx = inf", "request: inf is more than any model has", None),
        (f"[models.m.request]\nx = {'[' * 20}{']' * 20}", "request: x: nested too deeply", None),
        (
            "[models.m.request]\nx = 10000000000",
            "a number of many digits is more than any model has",
            None,
        ),
        ('[models.m.request]\nx = { y = "\\u001b[31m" }', "has control characters in it", None),
        (f"[models.m.request]\nx = [{'1, ' * 201}]", "request: more than 200 values", None),
        (f"[models.m.request]\nx = '{'x' * 301}'", "request: longer than 300 characters", None),
        ("[models.m]\nfile = 'x'", "unknown key 'file'", None),
        ("[models.m]\nparent = 'r2'", "there is no parent 'r2'", "another card"),
        ("[models.m]\nparent = 'm'", "lead back to itself: m -> m", None),
        ("[models.m]\naliases = ['deepseek-r1']", "'deepseek-r1' already means", None),
        ("[models.r1-1.58bit]\nnote = ''", "model 'r1-1': unknown key '58bit'", "quoted"),
        ("[models.'a b']\nnote = ''", "model 'a b': not usable as a name", None),
        ("[models]\nm = 3", "model 'm': expected a table, got 3", None),
        ("models = 3", "expected a table of cards, got 3", None),
        ("[model.m]\nnote = ''", "unknown key 'model'", "'models'"),
        ("[models.m\n", "is not valid TOML", None),
    ],
)
def test_mistakes_are_named_with_file_and_model(load, tmp_path, text, message, hint):
    with pytest.raises(UsageError) as caught:
        load(text)
    assert message in caught.value.message
    if hint:
        assert hint in (caught.value.hint or "")
    if "alias" not in text:
        assert str(tmp_path / "cards.toml") in caught.value.message


def test_a_request_is_json_and_inherited_whole(load):
    text = """
        [models.base]
        request = { top_k = 20, chat_template_kwargs = { enable_thinking = true, stop = ["a"] } }
        [models.child]
        parent = "base"
        [models.other]
        parent = "base"
        request = { top_k = 1 }
        """
    cards = load(text)
    table = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": True, "stop": ["a"]}}
    assert cards["base"].request == cards["child"].request == table
    assert cards["other"].request == {"top_k": 1}
    assert hash(cards["base"]) == hash(load(text)["base"])


def test_a_card_knows_its_file(load, tmp_path):
    assert load("[models.m]")["m"].file == str(tmp_path / "cards.toml")
    assert load("[models.m]")["m"] == ModelCard(name="m")
    assert load_cards()["qwen3-8b"].file.endswith("families/qwen3.toml")


def test_an_absent_file_and_an_odd_pyproject_are_no_traceback(tmp_path, load):
    with pytest.raises(UsageError, match="cannot read model cards"):
        load_cards([tmp_path / "absent.toml"])
    assert load("tool = 3", pyproject=True) == load_cards()
    assert load("[project]\nname = 'x'", pyproject=True) == load_cards()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text("ab<\n"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("abc"), inner, max_size=2),
)
_KEYS = st.sampled_from([*asdict(ModelCard(name="")), "extra"]) | st.text("abc", min_size=1)


@given(st.dictionaries(_KEYS, _JSON, max_size=4))
@settings(max_examples=200)
def test_any_table_is_a_card_or_a_usage_error(tmp_path_factory, table):
    path = tmp_path_factory.getbasetemp() / "any-cards.toml"
    path.write_text(f"[models.m]\n{_toml(table)}", encoding="utf-8")
    try:
        card = load_cards([path])["m"]
    except UsageError:
        return
    assert set(table) <= set(asdict(card))
    assert SAFE_NAME.fullmatch(card.name)


def _toml(table):
    return "\n".join(f"{key} = {_toml_value(value)}" for key, value in table.items())


def _toml_value(value):
    if isinstance(value, dict):
        pairs = ", ".join(f"{_toml_value(k)} = {_toml_value(v)}" for k, v in value.items())
        return f"{{{pairs}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, str) or value is None:
        return '"' + str(value).replace("\n", "\\n") + '"'
    return str(value).lower()


def test_a_folders_own_card(tmp_path):
    path = tmp_path / "pruned" / "lrmtest-card.toml"
    path.parent.mkdir()
    path.write_text('parent = "r1-distill-llama-8b"\ncompression = { sparsity = 0.5 }')
    card = read_card(path, load_cards())
    assert (card.name, card.parameters, card.compression.sparsity) == ("pruned", 8.03, 0.5)
    assert read_card(path, {}).parameters is None

    path.write_text('name = "a/b"')
    with pytest.raises(UsageError, match="'a/b' cannot be a model's name"):
        read_card(path, {})


def test_filling_in_keeps_what_a_card_says():
    card = ModelCard(name="m", temperature=0.0, compression=Compression(sparsity=0.5))
    measured = ModelCard(
        name="",
        temperature=0.7,
        context_length=99,
        checkpoint=Checkpoint(path="p", gguf=True),
        compression=Compression(method="gguf", bits_per_weight=4.5),
    )
    assert fill_in(card, measured) == ModelCard(
        name="m",
        temperature=0.0,
        context_length=99,
        checkpoint=Checkpoint(path="p", gguf=True),
        compression=Compression(method="gguf", bits_per_weight=4.5, sparsity=0.5),
    )
