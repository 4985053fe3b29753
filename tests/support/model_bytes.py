"""Builders of small model files, byte by byte: no reader is tested with its own writer."""

import json
import struct


def gguf_string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_value(value):
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<IQ", 10, value)
    if isinstance(value, float):
        return struct.pack("<Id", 12, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + gguf_string(value)
    kind = struct.unpack("<I", gguf_value(value[0])[:4])[0] if value else 8
    body = b"".join(gguf_value(part)[4:] for part in value)
    return struct.pack("<IIQ", 9, kind, len(value)) + body


def gguf_bytes(metadata, tensors, *, version=3):
    """`tensors`: (name, shape, type number, bytes of data)."""
    header = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        header += gguf_string(key) + gguf_value(value)
    offset, data = 0, b""
    for name, shape, kind, size in tensors:
        header += gguf_string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        header += struct.pack("<IQ", kind, offset)
        data += bytes(size)
        data += bytes(-len(data) % 32)
        offset = len(data)
    return header + bytes(-len(header) % 32) + data


TINY = gguf_bytes(
    {
        "general.architecture": "llama",
        "llama.context_length": 2048,
        "general.quantized": True,
        "llama.rope.freq_base": 1e4,
        "tokenizer.ggml.tokens": ["<s>", "</s>", "a", "é"],
        "tokenizer.ggml.scores": [0.0, 1.0],
        "nested": [["a"], ["b", "c"]],
    },
    # 64 weights of Q4_1 in 2 blocks of 20 bytes, 8 of F32.
    [("blk.0.weight", (32, 2), 3, 40), ("norm.weight", (8,), 0, 32)],
)


def safetensors_bytes(tensors):
    """`tensors`: name -> (dtype, shape, bytes of data)."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(offset)
