"""The reasoning model that is part of the package."""

import json
from pathlib import Path

import lrmtest.models
from lrmtest.models.cards import load_cards
from lrmtest.models.fetch.files import fetch
from lrmtest.models.gguf.from_safetensors import can_convert
from lrmtest.models.local import measure
from lrmtest.models.resolve import resolve

LIMIT = 15_000_000
"""Bytes that a package can spare for a model."""


def test_its_files_are_in_the_package():
    spec = resolve("tiny-lrm", load_cards())
    folder = Path(spec.location)
    assert fetch(spec) == folder
    assert folder.parent == Path(lrmtest.models.__file__).parent
    assert sum(file.stat().st_size for file in folder.iterdir()) < LIMIT


def test_its_card_says_what_the_files_do():
    card = resolve("tiny-lrm", load_cards()).card
    measured = measure(Path(card.checkpoint.path))
    assert abs(card.parameters / measured.parameters - 1) < 0.01
    assert card.context_length == measured.context_length
    assert card.compression.bits_per_weight == 16 == measured.compression.bits_per_weight


def test_every_dimension_can_be_quantized_and_every_engine_reads_it():
    folder = Path(load_cards()["tiny-lrm"].checkpoint.path)
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    for size in ("vocab_size", "hidden_size", "intermediate_size"):
        assert config[size] % 256 == 0
    assert can_convert(folder)


def test_its_chat_template_prefills_the_opening_tag():
    folder = Path(load_cards()["tiny-lrm"].checkpoint.path)
    assert "<think>" in (folder / "chat_template.jinja").read_text()
