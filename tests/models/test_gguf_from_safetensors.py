"""GGUF files made of safetensors compute the same; what cannot be converted is refused."""

import json

import pytest

from lrmtest.errors import ModelError, UsageError
from lrmtest.models.cards import load_cards
from lrmtest.models.fetch.files import fetch
from lrmtest.models.gguf.from_safetensors import can_convert, converted, safetensors_to_gguf
from lrmtest.models.gguf.read_once import read_once
from lrmtest.models.gguf.to_safetensors import gguf_to_safetensors
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.models.resolve import resolve

torch = pytest.importorskip("torch")
pytest.importorskip("gguf")

BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"


@pytest.fixture(scope="module")
def make_folder(tmp_path_factory):
    """Saves a small random Llama with a tokenizer of bytes and one merge."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    def make(dtype, *, tied=False, key_heads=2, cut=BLOOM):
        folder = tmp_path_factory.mktemp("llama")
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {token: number for number, token in enumerate([*alphabet, "th"])}
        bpe = Tokenizer(models.BPE(vocabulary, [("t", "h")]))
        bpe.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(cut), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        bpe.decoder = decoders.ByteLevel()
        bpe.add_special_tokens([AddedToken(t, special=True) for t in ("<s>", "</s>")])
        bpe.add_tokens([AddedToken("<think>", special=False)])
        PreTrainedTokenizerFast(
            tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", chat_template="{{ bos_token }}"
        ).save_pretrained(folder)
        torch.manual_seed(1)
        config = LlamaConfig(
            vocab_size=264,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=key_heads,
            max_position_embeddings=128,
            tie_word_embeddings=tied,
            rope_theta=5000.0,
            initializer_range=0.3,
            bos_token_id=257,
            eos_token_id=258,
        )
        LlamaForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(folder)
        return folder

    return make


def logits(folder, **arguments):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **arguments)
    with torch.no_grad():
        return model(torch.arange(40)[None]).logits


@pytest.mark.parametrize(
    ("dtype", "type_", "options"),
    [
        ("bfloat16", "BF16", {}),
        ("float16", "F16", {"tied": True}),
        ("float32", "F32", {"key_heads": 4}),
    ],
)
def test_the_copy_computes_the_same(make_folder, tmp_path, dtype, type_, options):
    folder = make_folder(dtype, **options)
    path = safetensors_to_gguf(folder, tmp_path / "deep" / "copy.gguf")
    assert list(path.parent.iterdir()) == [path]
    torch.testing.assert_close(
        logits(tmp_path, gguf_file="deep/copy.gguf"), logits(folder), rtol=1e-4, atol=1e-4
    )
    header = read_gguf_header(path)
    assert next(iter(header.types)) == type_
    assert set(header.types) <= {type_, "F32"}
    assert header.context_length == 128
    assert header.metadata["tokenizer.ggml.pre"] == "bloom"
    assert header.metadata["tokenizer.chat_template"] == "{{ bos_token }}"
    assert header.metadata["tokenizer.ggml.bos_token_id"] == 257
    assert header.metadata["tokenizer.ggml.add_bos_token"] is False


def test_tokens_and_their_kinds_are_kept(make_folder, tmp_path):
    from gguf import GGUFReader

    reader = GGUFReader(safetensors_to_gguf(make_folder("float32"), tmp_path / "copy.gguf"))
    tokens = reader.get_field("tokenizer.ggml.tokens").contents()
    types = reader.get_field("tokenizer.ggml.token_type").contents()
    assert len(tokens) == len(types) == 264
    assert tokens[256:261] == ["th", "<s>", "</s>", "<think>", "<unused260>"]
    assert types[256:261] == [1, 3, 3, 4, 3]
    assert reader.get_field("tokenizer.ggml.merges").contents() == ["t h"]


def test_a_header_is_read_once_while_its_weights_are_unpacked(make_folder, tmp_path, monkeypatch):
    import gguf

    read = []
    begin = gguf.GGUFReader.__init__

    def counted(self, path, *more):
        read.append(path)
        begin(self, path, *more)

    monkeypatch.setattr(gguf.GGUFReader, "__init__", counted)
    plain = gguf.GGUFReader, gguf.get_tensor_name_map
    folder = make_folder("float32")
    path = safetensors_to_gguf(folder, tmp_path / "copy.gguf")
    unpacked = gguf_to_safetensors(path, tmp_path / "unpacked")
    assert len(read) == 1
    torch.testing.assert_close(logits(unpacked), logits(folder), rtol=1e-4, atol=1e-4)
    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == plain


@pytest.mark.parametrize("endianess", ["LITTLE", "BIG"])
def test_a_header_that_is_read_sooner_has_the_same_parts(tmp_path, endianess):
    import gguf

    path = tmp_path / "header.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=gguf.GGUFEndian[endianess])
    writer.add_uint32("one", 7)
    writer.add_string("said", "é")
    many = {"texts": ["", "a", "é" * 300], "whole": [1, -2, 3], "real": [0.5, 2.0], "bools": [True]}
    for key, value in many.items():
        writer.add_array(key, value)
    writer.add_key_value("nested", [["a", "b"], ["c"]], gguf.GGUFValueType.ARRAY)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    plain = gguf.GGUFReader(path)
    with read_once():
        sooner = gguf.GGUFReader(path)
    assert type(sooner) is not type(plain)
    assert list(sooner.fields) == list(plain.fields)
    for key, field in plain.fields.items():
        found = sooner.fields[key]
        assert (found.offset, found.types, found.data) == (field.offset, field.types, field.data)
        for one, other in zip(found.parts, field.parts, strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert one.tolist() == other.tolist()
    assert sooner.data_offset == plain.data_offset
    assert {key: sooner.fields[key].contents() for key in many} == many


def test_llamacpp_gets_a_copy_out_of_the_cache(make_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LRMTEST_CACHE", str(tmp_path / "cache"))
    folder = make_folder("bfloat16")
    told = []
    spec = resolve(f"mine={folder}", load_cards(), engine="llamacpp")
    path = fetch(spec, tell=told.append)
    assert path.suffix == ".gguf"
    assert path.is_relative_to(tmp_path / "cache")
    assert len([line for line in told if "converting" in line]) == 1
    made = path.stat().st_mtime_ns
    assert fetch(spec, tell=told.append) == path
    assert path.stat().st_mtime_ns == made
    assert fetch(resolve(str(folder), load_cards())) == folder

    weights = folder / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert converted(folder) != path


@pytest.mark.parametrize(
    "change",
    [
        {"architectures": ["MambaForCausalLM"]},
        {"attention_bias": True},
        {"quantization_config": {"bits": 4}},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0}},
    ],
)
def test_other_models_are_refused(make_folder, tmp_path, change):
    folder = make_folder("float32")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    assert not can_convert(folder)
    with pytest.raises(ModelError, match="cannot be converted"):
        safetensors_to_gguf(folder, tmp_path / "copy.gguf")
    with pytest.raises(UsageError, match="GGUF files only"):
        resolve(str(folder), load_cards(), engine="llamacpp")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_cut_is_refused(make_folder, tmp_path):
    folder = make_folder("float32", cut=r"\w+")
    assert not can_convert(folder)
    with pytest.raises(ModelError, match="tokenizer"):
        safetensors_to_gguf(folder, tmp_path / "copy.gguf")


def test_an_unknown_tensor_leaves_nothing_behind(make_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = make_folder("float32")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.self_attn.sinks.weight"] = torch.zeros(4)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="sinks"):
        safetensors_to_gguf(folder, tmp_path / "copy.gguf")
    assert list(tmp_path.iterdir()) == []
