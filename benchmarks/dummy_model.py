"""A dummy model: a folder that a server can start with random weights, without a download.

    python benchmarks/dummy_model.py FOLDER [--shape 8b]

config.json has Llama's shape; the tokenizer has as many made-up words as the real one has tokens,
so that random tokens are text. The weight file names every tensor and holds none: it is sparse, and
the server is to make the weights up itself (vLLM: --load-format dummy).
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from llama_shapes import LLAMA_8B, Shape

_TEMPLATE = (
    "{% for turn in messages %}<|{{ turn.role }}|>{{ turn.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_CONTEXT = 8192
_EOS = "<|end|>"


SHAPES = {
    "8b": LLAMA_8B,
    "tiny": Shape(2048, 256, 512, 2, 8, 4),  # to try the way on a CPU
}


def write_dummy_model(folder: Path, shape: Shape) -> None:
    """All files of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        **vars(shape),
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "head_dim": shape.hidden_size // shape.num_attention_heads,
        "hidden_act": "silu",
        "max_position_embeddings": _CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 500_000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "bos_token_id": 256,
        "eos_token_id": 256,
    }
    _write(folder / "config.json", config)
    vocabulary = _vocabulary(shape.vocab_size)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    end = {"id": 256, "content": _EOS, "special": True, "normalized": False}
    end |= {"single_word": False, "lstrip": False, "rstrip": False}
    _write(
        folder / "tokenizer.json",
        {
            "version": "1.0",
            "added_tokens": [end],
            "normalizer": None,
            "pre_tokenizer": {**byte_level, "use_regex": True},
            "post_processor": None,
            "decoder": {**byte_level, "use_regex": True},
            "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
        },
    )
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": _EOS,
            "bos_token": _EOS,
            "model_max_length": _CONTEXT,
            "chat_template": _TEMPLATE,
        },
    )
    _write_weights(folder / "model.safetensors", shape)


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def _vocabulary(size: int) -> dict[str, int]:
    """The 256 byte tokens, the end, and words: prompts are read byte by byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    others = (byte for byte in range(256) if byte not in letters)
    letters |= {byte: chr(256 + number) for number, byte in enumerate(others)}  # GPT-2's alphabet
    tokens = [letters[byte] for byte in range(256)] + [_EOS]
    draw = random.Random(1)
    seen = set(tokens)
    while len(tokens) < size:
        word = "\u0120" + "".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randint(2, 7)))
        if word not in seen:
            seen.add(word)
            tokens.append(word)
    return {token: number for number, token in enumerate(tokens)}


def _write_weights(path: Path, shape: Shape) -> None:
    """A safetensors file of bfloat16 tensors whose data is a hole."""
    hidden, inner = shape.hidden_size, shape.intermediate_size
    heads = hidden // shape.num_attention_heads * shape.num_key_value_heads
    shapes = {
        "model.embed_tokens.weight": (shape.vocab_size, hidden),
        "model.norm.weight": (hidden,),
        "lm_head.weight": (shape.vocab_size, hidden),
    }
    for layer in range(shape.num_hidden_layers):
        for name, sizes in {
            "self_attn.q_proj": (hidden, hidden),
            "self_attn.k_proj": (heads, hidden),
            "self_attn.v_proj": (heads, hidden),
            "self_attn.o_proj": (hidden, hidden),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
            "input_layernorm": (hidden,),
            "post_attention_layernorm": (hidden,),
        }.items():
            shapes[f"model.layers.{layer}.{name}.weight"] = sizes
    header, place = {}, 0
    for name, sizes in shapes.items():
        size = 2 * sizes[0] * (sizes[1] if len(sizes) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": sizes, "data_offsets": [place, place + size]}
        place += size
    data = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(data).to_bytes(8, "little") + data)
        file.truncate(8 + len(data) + place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="8b")
    options = parser.parse_args()
    write_dummy_model(options.folder, SHAPES[options.shape])


if __name__ == "__main__":
    main()
