"""A variant's folder: its card is read back, and it is there whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.compress.variant import (
    RECORD_FILE,
    building,
    check_target,
    is_made,
    read_record,
    variant_name,
    write_record,
    write_variant_card,
)
from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import Checkpoint, Compression, ModelCard
from lrmtest.models.cards import load_cards, read_card
from lrmtest.models.folder_card import CARD_FILE
from lrmtest.unicode import harmless

PARENT = ModelCard(
    "big",
    engine="vllm",
    parameters=8.03,
    context_length=131072,
    max_tokens=16384,
    temperature=0.6,
    top_p=0.95,
    reasoning_tags=("<|begin|>", "<|end|>"),
    system_prompt='Think "hard".\n\tThen answer.',
    checkpoint=Checkpoint(repo="a/b"),
    memory_gb=17,
    aliases=("large",),
)


def write(folder, parent=PARENT, **changes):
    card = {
        "name": "small",
        "method": "sparsegpt",
        "bits_per_weight": 16.0,
        "sparsity": 0.5,
        "recipe": "lrmtest compress big",
        "note": "half",
        "engine": "vllm",
    } | changes
    write_variant_card(folder, parent=parent, **card)
    return read_card(folder / CARD_FILE, {})


def test_a_card_has_what_the_variant_shares_with_its_parent(tmp_path):
    card = write(tmp_path)
    assert card == replace(
        PARENT,
        name="small",
        parent="big",
        checkpoint=Checkpoint(),
        memory_gb=None,
        aliases=(),
        compression=Compression("sparsegpt", 16.0, 0.5, "lrmtest compress big"),
        note="half",
    )
    # Whatever a card of the parent's name says where the variant is used.
    other = ModelCard("big", engine="llamacpp", temperature=0.1, context_length=5)
    assert read_card(tmp_path / CARD_FILE, {"big": other}) == card


def test_what_is_not_known_is_left_out(tmp_path):
    card = write(tmp_path, parent=ModelCard("tiny"), bits_per_weight=None)
    assert card.parameters is card.system_prompt is card.compression.bits_per_weight is None


def test_a_gguf_file_is_the_checkpoint(tmp_path):
    card = write(tmp_path, engine="llamacpp", gguf_file="small-Q2_K.gguf")
    assert card.checkpoint == Checkpoint(path=str(tmp_path / "small-Q2_K.gguf"), gguf=True)


@given(text=st.text() | st.text(st.characters()), number=st.floats(1e-9, 32))
def test_any_text_is_read_back(tmp_path_factory, text, number):
    folder = tmp_path_factory.mktemp("any")
    card = write(folder, note=text, recipe=text, bits_per_weight=number)
    # What steers a terminal is in no card: it would not be read back.
    assert card.note.encode("utf-8", "replace") == harmless(text).encode("utf-8", "replace")
    assert card.compression.bits_per_weight == number


@pytest.mark.parametrize(
    ("folder", "name"),
    [("r1-50", "r1-50"), ("My Model (v2)", "My-Model-v2"), ("a:b", "a-b"), ("_.x", "x")],
)
def test_a_variant_is_called_after_its_folder(tmp_path, folder, name):
    assert variant_name(tmp_path / folder) == name


@pytest.mark.parametrize("folder", ["...", "_", "()"])
def test_a_folder_that_gives_no_name(tmp_path, folder):
    with pytest.raises(UsageError, match="no usable name"):
        variant_name(tmp_path / folder)


def record(folder, **made_of):
    folder.mkdir(exist_ok=True)
    write_record(folder, made_of=made_of, recipe="how", figures={"a": 1}, versions={}, notes=["n"])


def test_the_very_same_variant_is_known(tmp_path):
    folder = tmp_path / "v"
    assert not is_made(folder, {"sparsity": 0.5}, force=False)
    record(folder, sparsity=0.5, protect=("a",), files={"x": "1"})
    assert read_record(folder)["recipe"] == "how"
    same = {"files": {"x": "1"}, "protect": ["a"], "sparsity": 0.5}
    assert is_made(folder, same, force=False)
    assert not is_made(folder, same, force=True)
    with pytest.raises(UsageError) as caught:
        is_made(folder, same | {"sparsity": 0.6, "files": {"x": "2" * 64}, "seed": 1}, force=False)
    assert "sparsity is 0.5 there, 0.6 now" in caught.value.message
    assert "files differs" in caught.value.message
    assert "seed is null there, 1 now" in caught.value.message
    assert "--force" in caught.value.hint


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": "lrmtest-compression/1"}', "\ufffe", "[" * 10**5]
)
def test_a_damaged_record_is_none(tmp_path, content):
    (tmp_path / RECORD_FILE).write_text(content)
    assert read_record(tmp_path) is None
    with pytest.raises(UsageError, match="no variant made here"):
        check_target(tmp_path, force=True)


def test_only_a_variants_folder_is_written_to(tmp_path):
    check_target(tmp_path / "absent" / "v", force=False)
    check_target(tmp_path, force=False)
    record(tmp_path / "variant", a=1)
    check_target(tmp_path / "variant", force=False)
    with pytest.raises(UsageError, match="no variant made here"):
        check_target(tmp_path, force=False)
    with pytest.raises(UsageError, match="nothing else"):
        check_target(tmp_path, force=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        check_target(tmp_path / "file", force=True)


def half_built(target):
    with building(target) as place:
        (place.variant / "half").write_text("x")
        raise ZeroDivisionError


def test_a_variant_is_there_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "v"
    with pytest.raises(ZeroDivisionError):
        half_built(target)
    assert list(target.parent.iterdir()) == []
    with building(target) as place:
        (place.variant / "new").write_text("x")
        (place.scratch / "waste").write_text("x")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o055  # for others to read, unlike a temporary folder


def test_another_variant_is_replaced_in_one_step(tmp_path):
    target = tmp_path / "v"
    record(target, a=1)
    (target / "old").write_text("x")
    with pytest.raises(KeyboardInterrupt), building(target):
        raise KeyboardInterrupt
    assert (target / "old").exists()
    with building(target) as place:
        (place.variant / "new").write_text("x")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_an_empty_folder_is_used(tmp_path):
    with building(tmp_path / "v") as place:
        (place.variant / "new").write_text("x")
    (tmp_path / "empty").mkdir()
    with building(tmp_path / "empty") as place:
        (place.variant / "new").write_text("x")
    assert (tmp_path / "empty" / "new").exists()


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot write"), building(tmp_path / "file" / "v"):
        pass
    with pytest.raises(ModelError, match="No space left"), building(tmp_path / "v"):
        raise OSError(28, "No space left on device")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_record_is_plain_json(tmp_path):
    record(tmp_path / "v", a="ü")
    text = (tmp_path / "v" / RECORD_FILE).read_bytes()
    assert json.loads(text)["made_of"] == {"a": "ü"}
    assert text.isascii()


def test_packaged_cards_can_be_parents(tmp_path):
    for number, parent in enumerate(load_cards().values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        card = write(folder, parent=parent, engine=parent.engine)
        for field in ("parameters", "context_length", "max_tokens", "reasoning_tags"):
            assert getattr(card, field) == getattr(parent, field)
