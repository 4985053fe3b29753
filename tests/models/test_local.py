import json
import os
import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.errors import ModelError
from lrmtest.models import gguf_header, local
from lrmtest.models.local import gguf_parts, measure

Reader, read_header = gguf_header._Reader, local.safetensors_header


def test_a_safetensors_folder(model_folder):
    folder = model_folder(generation={"temperature": 0.6, "top_p": 0.95, "do_sample": True})
    card = measure(folder)
    assert card.parameters == pytest.approx(100 / 1e9)
    assert card.compression.bits_per_weight == 16
    assert card.compression.method == "none"
    assert (card.context_length, card.temperature, card.top_p) == (4096, 0.6, 0.95)
    assert not card.checkpoint.gguf


def test_a_model_is_measured_once_while_its_files_stay_as_they_are(
    tmp_path, tiny_gguf, model_folder, monkeypatch
):
    opened = []
    monkeypatch.setattr(
        gguf_header, "_Reader", lambda *args: opened.append(args[2].name) or Reader(*args)
    )
    monkeypatch.setattr(
        local, "safetensors_header", lambda path: opened.append(path.name) or read_header(path)
    )
    folder, file = model_folder(), tmp_path / "m.gguf"
    file.write_bytes(tiny_gguf)
    weights = folder / "model.safetensors"
    measure(file)
    measure(file)
    assert len(opened) == 2  # it was written just now, and may be written again
    opened.clear()
    for path in (file, weights):
        os.utime(path, ns=(10**18, 10**18))
    assert measure(file) == measure(file)
    assert measure(folder) == measure(folder)
    assert opened == ["m.gguf", "model.safetensors"]
    os.utime(file, ns=(10**18, 10**18 + 1))
    measure(file)
    assert opened.count("m.gguf") == 2


def test_sampling_that_makes_no_sense_is_left_out(model_folder):
    card = measure(model_folder(generation={"temperature": "hot", "top_p": 7}))
    assert (card.temperature, card.top_p) == (None, None)


def test_context_length_of_a_model_with_several_parts(model_folder):
    config = {"max_position_embeddings": None, "text_config": {"max_position_embeddings": 8192}}
    assert measure(model_folder(config=config)).context_length == 8192


@pytest.mark.parametrize(
    ("quantization", "tensors"),
    [
        (  # 128 weights in 16 int32 of 4 bits; scales and zero points are no weights
            {"quant_method": "awq", "bits": 4},
            {
                "l.qweight": ("I32", [4, 4], 64),
                "l.qzeros": ("I32", [1, 1], 4),
                "l.scales": ("F16", [1, 8], 16),
            },
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4}}},
            },
            {
                "l.weight_packed": ("I32", [4, 4], 64),
                "l.weight_shape": ("I64", [2], 16),
                "l.weight_scale": ("BF16", [2], 4),
            },
        ),
        (  # two 4-bit weights per byte
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            {"l.weight": ("U8", [64, 1], 64), "l.weight.absmax": ("F32", [5], 20)},
        ),
        (  # FP8 as DeepSeek-R1 has it: one byte per weight
            {"quant_method": "fp8"},
            {"l.weight": ("F8_E4M3", [64, 2], 128), "l.weight_scale_inv": ("F32", [1], 4)},
        ),
    ],
)
def test_packed_weights_are_counted_one_by_one(model_folder, quantization, tensors):
    card = measure(model_folder(config={"quantization_config": quantization}, tensors=tensors))
    stored = sum(size for _, _, size in tensors.values())
    assert card.parameters == pytest.approx(128 / 1e9)
    assert card.compression.bits_per_weight == stored * 8 / 128
    assert card.compression.method == quantization["quant_method"]


def test_a_gguf_file_and_a_folder_with_one(tmp_path, tiny_gguf):
    file = tmp_path / "model.gguf"
    file.write_bytes(tiny_gguf)
    card = measure(file)
    assert card.parameters == pytest.approx(72 / 1e9)
    assert card.compression.bits_per_weight == 8.0
    assert card.context_length == 2048
    assert card.checkpoint.gguf
    assert measure(tmp_path) == card

    (tmp_path / "other.gguf").write_bytes(tiny_gguf)
    with pytest.raises(ModelError, match="several GGUF models"):
        measure(tmp_path)


def test_a_split_gguf_is_one_model(tmp_path, tiny_gguf):
    parts = [tmp_path / f"m-{n:05}-of-00003.gguf" for n in (1, 2, 3)]
    for part in parts:
        part.write_bytes(tiny_gguf)
    assert gguf_parts(parts[1]) == parts
    card = measure(tmp_path)
    assert card.parameters == pytest.approx(3 * 72 / 1e9)
    assert card.checkpoint.path == str(parts[0])

    parts[2].unlink()
    with pytest.raises(ModelError, match="parts of the model are missing: m-00003-of-00003"):
        measure(parts[0])


def test_a_missing_shard_is_named(model_folder):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    folder = model_folder(**{"model.safetensors.index.json": json.dumps(index)})
    with pytest.raises(ModelError, match=r"missing: model-2\.safetensors"):
        measure(folder)


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "../other/model.safetensors",
        "sub/model.safetensors",
        "/model.safetensors",
        "..",
        "",
        "..\\\\model.safetensors",
        "pytorch_model.bin",
    ],
)
def test_an_index_cannot_lead_out_of_its_folder(model_folder, name):
    index = {"weight_map": {"a": name}}
    folder = model_folder(**{"model.safetensors.index.json": json.dumps(index)})
    with pytest.raises(ModelError, match="outside of its folder, or of another kind"):
        measure(folder)


def test_what_is_no_model(tmp_path, model_folder):
    with pytest.raises(ModelError, match="holds no model"):
        measure(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match="is not a model"):
        measure(tmp_path / "weights.bin")
    folder = model_folder()
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        measure(folder)
    (folder / "config.json").write_text("[1]")
    with pytest.raises(ModelError, match="not a JSON object"):
        measure(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match="not valid JSON"):
        measure(folder)


def test_every_truncation_of_safetensors_is_noticed(model_folder):
    folder = model_folder()
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            measure(folder)


_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["BF16", "I32", 3, None, ["x"]]),
        "shape": st.just([2, 3]) | st.integers() | st.lists(st.text("a"), max_size=2),
        "data_offsets": st.just([0, 12]) | st.none() | st.lists(st.integers(), max_size=3),
    },
)


@given(st.dictionaries(st.text("ab"), _ENTRY | st.none() | st.just([]), max_size=3))
@settings(max_examples=200)
def test_any_safetensors_header_is_a_card_or_a_model_error(tmp_path_factory, header):
    folder = tmp_path_factory.getbasetemp() / "any-safetensors"
    folder.mkdir(exist_ok=True)
    config = {"quantization_config": {"bits": 4, "quant_method": "awq"}}
    (folder / "config.json").write_text(json.dumps(config))
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(12))
    with suppress(ModelError):
        measure(folder)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F16", "shape": [2] * 100_000, "data_offsets": [0, 2]},
        {"dtype": "F16", "shape": ["aaaaaaaa", 10**9], "data_offsets": [0, 2]},
        {"dtype": "F16", "shape": [[0] * 1000, 10**9], "data_offsets": [0, 2]},
        {"dtype": "F16", "shape": [10**299, 10**299], "data_offsets": [0, 2]},
        {"dtype": "F16", "shape": [1.5], "data_offsets": [0, 2]},
        {"dtype": "F16", "shape": [True], "data_offsets": [0, 2]},
        {"dtype": "F16", "shape": [-1], "data_offsets": [0, 2]},
        {"dtype": "F16", "shape": [1], "data_offsets": [2, 0]},
        {"dtype": "F16", "shape": [1], "data_offsets": [0, 1, 2]},
        {"dtype": ["F16"], "shape": [1], "data_offsets": [0, 2]},
        {"dtype": "F16", "data_offsets": [0, 2]},
        [],
        None,
    ],
)
def test_a_tensor_that_is_none_is_told(model_folder, entry):
    folder = model_folder()
    header = json.dumps({"w": entry}).encode()
    content = struct.pack("<Q", len(header)) + header + bytes(8)
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="'w' is not described"):
        measure(folder)


@pytest.mark.parametrize("length", [0, 1 << 40, (1 << 64) - 1, 65 << 20])
def test_a_header_of_absurd_length_is_refused(model_folder, length):
    folder = model_folder()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", length))
        file.truncate(1 << 30)
    with pytest.raises(ModelError, match=r"truncated or no safetensors"):
        measure(folder)


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
@pytest.mark.parametrize("content", [b"[" * 99_999, b"1" * 5000, b"\xff", b"", b"[]", b'{"a":'])
def test_settings_that_are_none_name_their_file(model_folder, name, content):
    folder = model_folder()
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        measure(folder)


@pytest.mark.parametrize("name", ["9" * 5000, "a\0b", "\ud800", "", "..", "/etc/passwd"])
def test_an_index_that_names_no_file_is_told(model_folder, name):
    folder = model_folder()
    index = {"weight_map": {"w": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError):
        measure(folder)
