"""Engine kinds: the table, what packages add to it, and what a model's description asks of it."""

import hashlib
import sys

import pytest
from outside import put_on_path, write_metadata

from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import Checkpoint, Compression, ModelCard
from lrmtest.models.description import describe_model
from lrmtest.models.engines.kinds import (
    GROUP,
    EngineKind,
    can_generate,
    check_engine_name,
    create_engine,
    engine_kind,
    engine_names,
)
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.hardware import Machine
from lrmtest.models.listing import model_rows
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec

OWN = ("transformers", "openai", "replicas", "recorded", "vllm", "llamacpp")
MODULE = """
from lrmtest.models.engines.kinds import EngineKind
toy = EngineKind("toy", "offered:make")
other = EngineKind("other", "offered:gone")
remote = EngineKind("remote", "offered:make", source="endpoint")
text = "no kind"
def make(spec, options):
    return (spec, options)
"""


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """Offer engines, by name and object, from a package that has the module above."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "offered.py").write_text(MODULE)
    (site / "broken.py").write_text("raise RuntimeError('out of order\\nfor good')")
    put_on_path(monkeypatch, site)
    monkeypatch.delitem(sys.modules, "offered", raising=False)

    def offer_engines(package="toys", **engines):
        write_metadata(site, package, {GROUP: engines})
        put_on_path(monkeypatch, site / package)  # another path: metadata is looked for again

    return offer_engines


def model_on(engine):
    return ModelSpec("m", ModelCard("m"), engine)


def test_unknown_engines_are_guessed():
    with pytest.raises(UsageError, match="no engine 'transformer'") as caught:
        create_engine(model_on("transformer"), EngineOptions())
    assert "did you mean 'transformers'?" in caught.value.hint
    assert all(name in caught.value.hint for name in engine_names())


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "lrmtest.models.engines.transformers.engine", None)
    with pytest.raises(ModelError, match="transformers engine cannot be imported") as caught:
        create_engine(model_on("transformers"), EngineOptions())
    assert "pip install 'lrmtest[cpu]'" in caught.value.hint


def test_an_offered_engine_stands_beside_the_own(offer):
    assert engine_names() == OWN
    offer(toy="offered:toy", remote="offered:remote")
    assert engine_names() == (*OWN, "remote", "toy")
    kind = engine_kind("toy")
    assert (kind.name, kind.has_files, kind.generates) == ("toy", False, True)
    spec = model_on("toy")
    assert create_engine(spec, EngineOptions()) == (spec, EngineOptions())


def test_nothing_is_imported_before_it_is_used(offer):
    offer(bad="broken:kind")
    assert check_engine_name("bad", where="a card") == "bad"
    assert "bad" in engine_names()


@pytest.mark.parametrize(
    ("engine", "target", "told"),
    [
        ("bad", "broken:kind", "package toys cannot be used: RuntimeError: out of order"),
        ("bad", "absent_module:kind", "package toys cannot be used: ModuleNotFoundError"),
        ("bad", "offered:absent", "package toys cannot be used: AttributeError"),
        ("bad", "offered:text", "'no kind', not EngineKind 'bad'"),
        ("bad", "offered:toy", "EngineKind 'toy', not EngineKind 'bad'"),
        ("vllm", "offered:toy", "offered more than once: by lrmtest itself and toys"),
    ],
)
def test_an_unusable_offer_is_told_in_one_sentence(offer, engine, target, told):
    offer(**{engine: target})
    with pytest.raises(UsageError, match=told) as caught:
        engine_kind(engine)
    assert "toys" in caught.value.hint
    assert "\n" not in str(caught.value.message)
    assert can_generate(engine)


def test_two_packages_with_one_name_are_refused(offer):
    offer("one", toy="offered:toy")
    offer("two", toy="offered:toy")
    with pytest.raises(UsageError, match=r"by (one and two|two and one)"):
        engine_kind("toy")


def test_a_factory_that_is_not_there(offer):
    offer(other="offered:other")
    with pytest.raises(UsageError, match="factory 'offered:gone' is not there"):
        create_engine(model_on("other"), EngineOptions())


def test_formats_go_with_files():
    with pytest.raises(ValueError, match="cannot read"):
        EngineKind("x", "m:x", source="files")
    with pytest.raises(ValueError, match="cannot read"):
        EngineKind("x", "m:x", reads=("gguf",))


def test_models_of_an_offered_engine(offer):
    offer(toy="offered:toy", remote="offered:remote")
    served = Checkpoint(url="http://localhost:8080")
    cards = {
        "plain": ModelCard("plain", engine="toy"),
        "served": ModelCard("served", served, engine="remote"),
    }
    assert resolve("plain", cards) == ModelSpec("plain", cards["plain"], "toy")
    assert resolve("served", cards).engine == "remote"
    assert resolve("served", cards, engine="openai").engine == "openai"
    assert resolve("http://localhost:8080", cards, engine="remote").engine == "remote"
    with pytest.raises(UsageError, match="runs on engine openai, not on toy"):
        resolve("http://localhost:8080", cards, engine="toy")


def test_a_broken_engine_leaves_the_list_of_models_whole(offer):
    offer(bad="broken:kind")
    card = ModelCard("m", Checkpoint(gguf=True), engine="bad", parameters=1.0)
    rows = model_rows({"m": card, "n": ModelCard("n", engine="openai")}, Machine("cpu", 1, 8, 8))
    assert [row.fit.verdict for row in rows] == ["no", "yes"]
    assert "cannot be used" in rows[0].fit.why


ON_THIS_MACHINE = {
    "stop_loops": True,
    "device": "cpu",
    "dtype": "auto",
    "card_dtype": "bfloat16",
    "quantization": "awq",
    "kv_cache_dtype": "fp8",
    "engine_args": ["--a", "--b"],
}
ELSEWHERE = {"stop_loops": True, "endpoint": "WHERE", "served_model": "s"}


@pytest.mark.parametrize("engine", OWN)
def test_descriptions_of_models_stay_as_they_are(tmp_path, engine):
    """They make the keys of stored completions."""
    where = tmp_path / ("m.jsonl" if engine == "recorded" else "m.gguf")
    where.write_bytes(b"content")
    card = ModelCard(
        "m",
        Checkpoint(repo="org/m", revision="abc"),
        compression=Compression("awq", 4.25, 0.5),
        dtype="bfloat16",
        quantization="awq",
        kv_cache_dtype="fp8",
        engine_args=("--a",),
        system_prompt="Think.",
    )
    options = EngineOptions(device="cpu", served_model="s", engine_args=("--b",))
    digest = hashlib.sha256(b"content").hexdigest()
    # What is told of the ends of recorded texts makes other completions of them.
    recorded = {"ends": {"budget": None, "told": None, "tokenizer": None}}
    settings = {
        "recorded": recorded,
        "openai": ELSEWHERE,
        "replicas": {**ELSEWHERE, "endpoint": "replicas"},
    }.get(engine, ON_THIS_MACHINE)
    described = describe_model(ModelSpec("m", card, engine, str(where)), options)
    assert list(described.items()) == list(
        {
            "name": "m",
            "engine": engine,
            "repo": "org/m",
            "revision": "abc",
            "files": {} if engine in ("openai", "replicas") else {where.name: digest},
            "compression": {"method": "awq", "bits_per_weight": 4.25, "sparsity": 0.5},
            "reasoning_tags": ["<think>", "</think>"],
            "system_prompt": "Think.",
            **{k: str(where) if v == "WHERE" else v for k, v in settings.items()},
        }.items()
    )
