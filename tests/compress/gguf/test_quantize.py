"""Quantized GGUF files, with the real llama-quantize, llama-imatrix and llama-server."""

from functools import partial
from pathlib import Path

import pytest
import tiny_checkpoint
from asking import Session, ask
from model_bytes import gguf_bytes

from lrmtest.compress.gguf.kinds import block_of
from lrmtest.compress.gguf.quantize import quantize_gguf
from lrmtest.compress.gguf.recipes import recipe_named
from lrmtest.compress.gguf.tools import find_tool
from lrmtest.compress.protect import Protection, parse_protect
from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.llamacpp_engine import LlamaCppEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.gguf.from_safetensors import safetensors_to_gguf
from lrmtest.models.gguf_header import TYPE_BLOCKS, read_gguf_header
from lrmtest.models.spec import ModelSpec

pytest.importorskip("torch")
pytest.importorskip("gguf")

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]

TEXTS = [
    f"<s>[user]What is {n} plus {n + 1}?[assistant]<think>\n{n} and {n + 1} make {2 * n + 1}."
    f"</think>\\boxed{{{2 * n + 1}}}</s>"
    for n in range(24)
]


@pytest.fixture(scope="module", autouse=True)
def quantizer():
    """The real llama-quantize of this machine; skips where there is none."""
    try:
        return find_tool("llama-quantize")
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random model of two layers whose rows are whole blocks."""
    place = tmp_path_factory.mktemp("whole") / "tiny"
    return tiny_checkpoint.save(place, hidden_size=256, intermediate_size=256)


@pytest.fixture(scope="module")
def parent(folder, tmp_path_factory):
    """The same as GGUF."""
    return safetensors_to_gguf(folder, tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def quantize(parent, tmp_path):
    def quantize(kind, source=parent, tensors=(), protect=(), texts=None, tell=lambda _: None):
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        protection = parse_protect(protect, 0) if protect else Protection()
        result = quantize_gguf(
            source, out, kind=kind, tensors=tensors, protection=protection, texts=texts, tell=tell
        )
        assert list(out.iterdir()) == [result.path]
        return result

    return quantize


def types(path):
    return {t.name.removesuffix(".weight"): t.type for t in read_gguf_header(path).tensors}


def data(path):
    """Tensor name -> its bytes."""
    from gguf import GGUFReader

    return {tensor.name: tensor.data.tobytes() for tensor in GGUFReader(path).tensors}


def answers(path, count=2):
    """What llama-server makes of the model."""
    spec = ModelSpec("q", ModelCard("q", engine="llamacpp"), "llamacpp", str(path))
    planned = [ask(f"Say {n}.", budget=8) for n in range(count)]
    with Session(LlamaCppEngine(spec, EngineOptions(concurrency=2)), planned) as session:
        return session.run(*planned)


@pytest.mark.parametrize("kind", ["Q2_K", "q4_k_m", "TQ1_0", "Q8_0", "Q2_0", "BF16"])
def test_the_file_runs_and_its_bits_are_measured(quantize, kind):
    result = quantize(kind)
    assert result.path.name == f"tiny-{kind.upper()}.gguf"
    header = read_gguf_header(result.path)
    assert result.bits_per_weight == pytest.approx(header.weight_bytes * 8 / header.weights)
    assert result.bits_per_weight == pytest.approx(
        result.path.stat().st_size * 8 / header.weights, 0.1
    )
    assert (result.imatrix, result.notes) == (False, ())
    assert all(answer.completion_tokens for answer in answers(result.path))


def test_fewer_bits_are_fewer(quantize):
    sizes = [quantize(kind).bits_per_weight for kind in ("TQ1_0", "Q2_K", "Q4_K_M", "Q8_0", "F16")]
    assert sizes == sorted(sizes)
    assert sizes[0] < 3
    assert sizes[-1] == pytest.approx(16, rel=0.01)


def test_the_source_may_be_safetensors(quantize, folder, parent):
    told = []
    from_folder = quantize("Q4_0", source=folder, tell=told.append)
    assert any("converting" in line for line in told)
    assert from_folder.path.name == "tiny-Q4_0.gguf"
    assert data(from_folder.path) == data(quantize("Q4_0").path)
    assert data(quantize("Q4_0", source=parent.parent).path) == data(from_folder.path)


def test_what_is_protected_stays_to_the_bit(quantize, parent):
    result = quantize(
        "Q2_K", tensors=[("*", "Q4_K")], protect=["last:mlp", "model.layers.0.self_attn.k_proj"]
    )
    kept = {"blk.0.attn_k", "blk.1.ffn_gate", "blk.1.ffn_up", "blk.1.ffn_down"}
    assert {name for name, type_ in types(result.path).items() if type_ == "BF16"} == kept
    before, after = data(parent), data(result.path)
    same = {name for name in before if before[name] == after[name]}
    assert {name.removesuffix(".weight") for name in same if "norm" not in name} == kept


def test_the_random_control_is_as_large(quantize, parent):
    named = quantize("Q4_0", protect=["last:mlp.down_proj"])
    drawn = quantize("Q4_0", protect=["random:like:last:mlp.down_proj"])
    assert "blk.1.ffn_down" in {n for n, t in types(named.path).items() if t == "BF16"}
    assert "blk.1.ffn_down" not in {n for n, t in types(drawn.path).items() if t == "BF16"}
    assert drawn.bits_per_weight == pytest.approx(named.bits_per_weight, rel=0.02)


def test_types_by_pattern_in_both_spellings(quantize):
    result = quantize(
        "Q2_K",
        tensors=[
            ("blk.0.ffn_down.weight", "Q8_0"),
            ("model.layers.*.mlp.down_proj", "Q6_K"),
            ("last:self_attn", "q5_k"),
            ("embed_tokens", "Q4_K"),
            ("lm_head", "F16"),
            ("no_such_tensor", "Q8_0"),
        ],
    )
    found = types(result.path)
    assert (found["blk.0.ffn_down"], found["blk.1.ffn_down"]) == ("Q8_0", "Q6_K")
    assert {found[f"blk.1.attn_{part}"] for part in ("q", "k", "v", "output")} == {"Q5_K"}
    assert found["blk.0.attn_q"] == "Q2_K"
    assert (found["token_embd"], found["output"]) == ("Q4_K", "F16")
    assert result.notes == ("no tensor matches no_such_tensor",)


def test_an_importance_matrix_is_computed_where_few_bits_need_one(quantize):
    few = [("blk.0.attn_k", "IQ2_XXS")]
    with pytest.raises(ModelError, match="needs an importance matrix") as refused:
        quantize("Q8_0", tensors=few)
    assert "calibration" in refused.value.hint
    told = []
    result = quantize("Q8_0", tensors=few, texts=TEXTS, tell=told.append)
    assert result.imatrix
    assert result.notes == ()
    assert "computing the importance matrix over 24 texts" in told
    assert types(result.path)["blk.0.attn_k"] == "IQ2_XXS"
    assert read_gguf_header(result.path).metadata["quantize.imatrix.entries_count"] == 14


def test_an_importance_matrix_changes_the_weights_and_nothing_else_does(quantize):
    result = quantize("Q4_K_M", texts=TEXTS)
    assert data(result.path) != data(quantize("Q4_K_M").path)
    # Where it was made is no part of the model: the same twice is the same file.
    assert read_gguf_header(result.path).metadata["quantize.imatrix.file"] == "imatrix.gguf"
    assert quantize("Q4_K_M", texts=TEXTS).path.read_bytes() == result.path.read_bytes()


def test_special_tokens_and_backslashes_of_the_texts_are_read_as_such(quantize, folder):
    """Spelt out in bytes, or with escapes resolved, the texts have more or fewer tokens."""
    from transformers import AutoTokenizer

    result = quantize("Q8_0", texts=TEXTS)
    chunks = read_gguf_header(result.path).metadata["quantize.imatrix.chunks_count"]
    text = "\n".join(TEXTS)
    ids = AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False).input_ids
    assert chunks == len(ids) // (1 << ((len(text) // 16).bit_length() - 1))


@pytest.mark.parametrize("kind", ["IQ1_S", "IQ2_XXS", "IQ2_M"])
def test_kinds_that_need_a_matrix_say_so_at_once(quantize, kind):
    with pytest.raises(UsageError, match=f"{kind} needs an importance matrix"):
        quantize(kind)


def test_texts_that_are_too_short(quantize):
    with pytest.raises(UsageError, match="too short"):
        quantize("Q4_0", texts=["<s>[user]Hi"])
    with pytest.raises(UsageError, match="too short"):
        quantize("Q4_0", texts=[])


def test_a_recipe_keeps_the_ends(quantize):
    recipe = recipe_named("dynamic-2.51")
    result = quantize(recipe.kind, tensors=recipe.tensors)
    found = types(result.path)
    assert found["blk.0.ffn_up"] == found["blk.1.attn_q"] == found["blk.1.ffn_down"] == "Q4_K"
    assert found["blk.1.ffn_up"] == "Q2_K"
    assert result.notes == ()


def test_rows_that_no_block_divides_are_told(quantize, tmp_path):
    odd = tiny_checkpoint.save(tmp_path / "odd", hidden_size=96, intermediate_size=256)
    result = quantize("Q2_K", source=odd)
    (note,) = result.notes
    assert note.startswith("14 of 16 matrices")
    found = [type_ for type_ in types(result.path).values() if type_ != "F32"]
    for type_ in set(found) - {"Q2_K", "Q3_K"}:
        assert f"{found.count(type_)} {type_}" in note
    assert all(answer.completion_tokens for answer in answers(result.path))


def test_rows_that_are_no_multiple_of_32(quantize, tmp_path):
    odd = tiny_checkpoint.save(
        tmp_path / "odd", hidden_size=40, intermediate_size=72, num_attention_heads=2
    )
    (note,) = quantize("Q4_K_M", source=odd).notes
    assert note.startswith("16 of 16 matrices")
    assert note.endswith("16 F16")


def test_a_quantized_source_is_told(quantize):
    once = quantize("Q8_0")
    twice = quantize("Q4_0", source=once.path, protect=["last:mlp"])
    assert twice.path.name == "tiny-Q8_0-Q4_0.gguf"
    assert any("quantized already (Q8_0)" in note for note in twice.notes)
    assert any("not 16 bits" in note for note in twice.notes)
    assert types(twice.path)["blk.1.ffn_up"] == "Q8_0"
    before, after = data(once.path), data(twice.path)
    assert before["blk.1.ffn_up.weight"] == after["blk.1.ffn_up.weight"]


def test_a_kind_that_quantizes_nothing(quantize):
    assert "nothing to protect" in quantize("F16", protect=["last:mlp"]).notes[0]
    assert not quantize("F16", texts=TEXTS).imatrix
    with pytest.raises(UsageError, match="quantizes nothing") as refused:
        quantize("BF16", tensors=[("ffn_*", "Q4_K")])
    assert "'*=BF16'" in refused.value.hint
    mixed = quantize("Q8_0", tensors=[("ffn_*", "Q4_K"), ("*", "BF16")])
    assert set(types(mixed.path).values()) == {"Q4_K", "BF16", "F32"}


def test_the_whole_list_of_kinds_is_known(quantizer):
    kinds = quantizer.kinds
    assert {"Q2_K", "IQ1_S", "TQ1_0", "Q4_K_M", "Q8_0", "BF16"} <= set(kinds)
    assert "COPY" not in kinds
    assert [kind for kind in kinds if block_of(kind) == 1] == ["F16", "BF16", "F32"]


class TestErrors:
    def test_near_names(self, quantize):
        with pytest.raises(UsageError, match="'Q4KM'") as refused:
            quantize("Q4KM")
        assert "Q4_K_M" in refused.value.hint

    def test_patterns_that_match_nothing_at_all(self, quantize):
        with pytest.raises(UsageError, match="'ffn_donw'") as refused:
            quantize("Q2_K", tensors=[("ffn_donw", "Q4_K")])
        assert "token_embd.weight" in refused.value.hint

    def test_a_source_that_is_none(self, quantize, tmp_path):
        for source in (tmp_path / "absent.gguf", tmp_path):
            with pytest.raises(ModelError):
                quantize("Q2_K", source=source)

    def test_a_source_that_is_cut_off(self, quantize, parent, tmp_path):
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(parent.read_bytes()[:-1000])
        with pytest.raises(ModelError, match="truncated"):
            quantize("Q2_K", source=cut)

    def test_a_vocabulary_only(self, quantize, tmp_path):
        path = tmp_path / "vocabulary.gguf"
        path.write_bytes(gguf_bytes({"general.architecture": "llama"}, []))
        with pytest.raises(ModelError, match="no matrices"):
            quantize("Q2_K", source=path)

    def test_an_unknown_architecture(self, quantize, tmp_path):
        path = tmp_path / "other.gguf"
        tensors = [("blk.0.ffn_up.weight", (32, 32), 1, 2048)]
        path.write_bytes(gguf_bytes({"general.architecture": "frobnicate"}, tensors))
        with pytest.raises(ModelError, match="architecture") as failed:
            quantize("Q4_0", source=path)
        assert "newer llama.cpp" in failed.value.hint

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    def test_a_full_disk(self, parent, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "tiny-Q8_0.gguf").symlink_to("/dev/full")
        make = partial(quantize_gguf, parent, out, kind="Q8_0", tensors=())
        with pytest.raises(ModelError, match="disk is full"):
            make(protection=Protection(), texts=None, tell=lambda _: None)
        assert list(out.iterdir()) == []
        assert Path("/dev/full").exists()

    def test_a_folder_that_is_not_there(self, parent, tmp_path):
        make = partial(quantize_gguf, parent, tmp_path / "absent", kind="Q8_0", tensors=())
        with pytest.raises(ModelError, match="cannot write"):
            make(protection=Protection(), texts=None, tell=lambda _: None)


def test_every_type_of_a_tensor_is_one_that_the_program_makes(quantize, parent):
    """The table of types, against llama-quantize: it takes each, and the header is read back."""
    common = [
        t for t in TYPE_BLOCKS if t.startswith(("Q", "TQ", "MXFP")) and t not in ("Q8_1", "Q8_K")
    ]
    names = [name for name in types(parent) if "norm" not in name]
    wanted = dict(zip(names, common, strict=False))
    found = types(quantize("Q4_0", tensors=list(wanted.items())).path)
    assert {name: found[name] for name in wanted} == wanted
