"""The dummy model that a GPU is measured with: sizes and tokens as real, and no weights."""

import json
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from lrmtest.models.local import measure

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from dummy_model import SHAPES, write_dummy_model


@pytest.mark.parametrize(("name", "parameters"), [("8b", 8.030), ("tiny", 0.00223)])
def test_it_has_the_shape_and_takes_no_room(tmp_path, name, parameters):
    write_dummy_model(tmp_path, SHAPES[name])
    measured = measure(tmp_path)
    assert measured.parameters == pytest.approx(parameters, rel=0.05)
    assert measured.compression.bits_per_weight == 16
    weights = tmp_path / "model.safetensors"
    assert weights.stat().st_blocks * 512 < 1 << 20
    header = int.from_bytes(weights.open("rb").read(8), "little")
    assert weights.stat().st_size == pytest.approx(8 + header + 2e9 * measured.parameters, rel=1e-3)


def test_every_token_is_text_and_every_text_is_tokens(tmp_path):
    write_dummy_model(tmp_path, SHAPES["tiny"])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    size = json.loads((tmp_path / "config.json").read_text())["vocab_size"]
    assert len(tokenizer) == size
    assert all(tokenizer.decode([number]).strip() for number in range(257, size))
    prompt = "Erzähl von 12 Reisenden — 旅人."
    assert tokenizer.decode(tokenizer(prompt)["input_ids"]) == prompt
    turns = [{"role": "user", "content": prompt}]
    text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    assert prompt in text
