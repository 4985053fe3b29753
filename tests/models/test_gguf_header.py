import struct
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.errors import ModelError
from lrmtest.models import gguf_header as gguf_header
from lrmtest.models.gguf_header import read_gguf_header


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"

    def read(data):
        path.write_bytes(data)
        return read_gguf_header(path)

    return read


def test_counts_weights_and_bytes_by_type(read, tiny_gguf):
    header = read(tiny_gguf)
    assert header.weights == 72
    assert header.weight_bytes == 40 + 32
    assert header.types == {"Q4_1": 64, "F32": 8}
    assert header.context_length == 2048


def test_metadata_has_scalars_and_strings_and_passes_over_arrays(read, tiny_gguf):
    assert read(tiny_gguf).metadata == {
        "general.architecture": "llama",
        "llama.context_length": 2048,
        "general.quantized": True,
        "llama.rope.freq_base": 1e4,
    }


def test_vocabulary_only_file_has_no_weights(read, build_gguf):
    header = read(build_gguf({"general.architecture": "qwen2"}, []).rstrip(b"\0"))
    assert header.weights == 0
    assert header.context_length is None


def test_every_truncation_is_a_model_error(read, tiny_gguf):
    # The last tensor's data ends the file, so nothing may be cut off unnoticed.
    for length in range(len(tiny_gguf)):
        with pytest.raises(ModelError):
            read(tiny_gguf[:length])


@given(position=st.integers(0, 10_000), value=st.binary(min_size=1, max_size=9))
@settings(max_examples=400)
def test_any_overwritten_bytes_give_a_header_or_a_model_error(read, tiny_gguf, position, value):
    position %= len(tiny_gguf)
    try:
        header = read(tiny_gguf[:position] + value + tiny_gguf[position + len(value) :])
    except ModelError:
        return
    assert header.weights >= 0


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_behind_the_magic_give_a_header_or_a_model_error(read, data):
    with suppress(ModelError):
        read(b"GGUF" + struct.pack("<I", 3) + data)


@pytest.mark.parametrize("claimed", [2**20 + 1, 2**40, 2**63, 2**64 - 1])
def test_a_claimed_length_allocates_nothing(read, claimed):
    start = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    liars = [
        struct.pack("<Q", claimed),  # a key
        struct.pack("<Q", 1) + b"k" + struct.pack("<IQ", 8, claimed),  # a string
        struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 10, claimed),  # an array of numbers
        struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 8, claimed),  # an array of strings
    ]
    tracemalloc.start()
    for liar in liars:
        with pytest.raises(ModelError, match="truncated"):
            read(start + liar + bytes(100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_claimed_counts_end_with_the_file(read):
    with pytest.raises(ModelError, match="truncated"):
        read(b"GGUF" + struct.pack("<IQQ", 3, 2**64 - 1, 2**64 - 1))


def test_arrays_nested_without_end_are_refused(read):
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k"
    data += struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 5000
    with pytest.raises(ModelError, match="nested"):
        read(data)


def test_other_files_and_versions_are_named(read, tiny_gguf, tmp_path):
    with pytest.raises(ModelError, match="not a GGUF file"):
        read(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ModelError, match="version 1"):
        read(b"GGUF" + struct.pack("<I", 1) + tiny_gguf[8:])
    with pytest.raises(ModelError, match="cannot read"):
        read_gguf_header(tmp_path / "absent.gguf")


def test_huge_headers_are_refused_not_read(read, build_gguf, monkeypatch):
    monkeypatch.setattr(gguf_header, "_MAX_HEADER", 64)
    with pytest.raises(ModelError, match="a header of more than"):
        read(build_gguf({"long": "x" * 100}, []))


def test_too_many_tensors_are_refused(read, build_gguf, monkeypatch):
    monkeypatch.setattr(gguf_header, "_MAX_TENSORS", 2)
    tensors = [(f"t{n}", (2,), 0, 8) for n in range(3)]
    with pytest.raises(ModelError, match="3 tensors"):
        read(build_gguf({}, tensors))


def test_tensors_are_listed(read, build_gguf):
    header = read(build_gguf({}, [("a.weight", (256, 2, 3), 10, 504), ("b", (8,), 0, 32)]))
    assert header.tensors == (
        gguf_header.GgufTensor("a.weight", (256, 2, 3), "Q2_K"),
        gguf_header.GgufTensor("b", (8,), "F32"),
    )
    assert [tensor.weights for tensor in header.tensors] == [1536, 8]


def test_tensor_types_are_those_of_ggml():
    constants = pytest.importorskip("gguf.constants")
    theirs = {
        int(kind): (kind.name, block, size)
        for kind, (block, size) in constants.GGML_QUANT_SIZES.items()
    }
    ours = dict(gguf_header._TENSOR_TYPES)
    if 42 not in theirs:  # llama-quantize writes it, the package lags behind
        assert ours.pop(42) == ("Q2_0", 64, 18)
    assert {kind: theirs[kind] for kind in ours} == ours


def test_agrees_with_the_gguf_package_on_what_it_writes(tmp_path):
    gguf = pytest.importorskip("gguf")
    numpy = pytest.importorskip("numpy")
    path = tmp_path / "written.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(1234)
    writer.add_token_list(["a", "b"])
    writer.add_tensor("one", numpy.zeros((4, 32), dtype=numpy.float32))
    writer.add_tensor("two", numpy.zeros((3, 5), dtype=numpy.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_gguf_header(path)
    assert (header.weights, header.weight_bytes) == (128 + 15, 128 * 4 + 15 * 2)
    assert header.context_length == 1234


@pytest.mark.parametrize(
    ("head", "pair"),
    [
        ((3, 0, 1 << 40), b""),
        ((3, 1 << 40, 0), b""),
        ((3, 0, 1), struct.pack("<IIQ", 9, 4, 16 << 20)),
        ((3, 0, 1), struct.pack("<IIQ", 9, 8, 16 << 20)),
        ((3, 0, 1), struct.pack("<IIQ", 9, 9, 16 << 20)),
        ((3, 0, 1), struct.pack("<IIQ", 9, 0, 1 << 60)),
        ((3, 0, 1), struct.pack("<IQ", 8, 1 << 60)),
        ((3, 0, 1), struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 100),
    ],
)
def test_counts_beyond_reason_are_refused_at_once(tmp_path, head, pair):
    path = tmp_path / "bomb.gguf"
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", *head) + struct.pack("<Q", 1) + b"a" + pair)
        file.truncate(1 << 32)  # all that is promised may be there
    tracemalloc.start()
    with pytest.raises(ModelError, match=r"corrupted|truncated"):
        read_gguf_header(path)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
