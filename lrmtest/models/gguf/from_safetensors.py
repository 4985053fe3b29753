"""From safetensors to GGUF, for llama.cpp: models of Llama's architecture with byte-level BPE."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrmtest.bounded import DESCRIPTION, SETTINGS, read_json, read_text
from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.cache import cache_dir
from lrmtest.models.hashes import hash_files
from lrmtest.models.local import safetensors_header, weight_files
from lrmtest.progress import Tell, silent

if TYPE_CHECKING:
    import numpy

_EXTRA = "pip install 'lrmtest[cpu]'"
_OTHERWISE = "convert it with llama.cpp's convert_hf_to_gguf.py"

# How text is cut before merges apply: the pattern in tokenizer.json -> llama.cpp's name for it.
_CUTS = {
    r" ?[^(\s|[.,!?…。，、।۔،])]+": "bloom",
    r" ?[^(\s|.,!?…。，、।۔،)]+": "bloom",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": "llama-bpe",
}
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4  # llama.cpp's token types

_LAYER_TENSORS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_TENSORS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def can_convert(folder: Path) -> bool:
    """Whether `safetensors_to_gguf` knows this kind of model; reads its configuration only."""
    try:
        config = _json(folder / "config.json")
        return _is_plain_llama(config) and _cut(_json(folder / "tokenizer.json")) is not None
    except ModelError:
        return False


def converted(folder: Path, *, tell: Tell = silent) -> Path:
    """The GGUF file of the model in `folder`, out of lrmtest's cache or made now.

    Raises:
        ModelError: as `safetensors_to_gguf`.
    """
    sources = [*weight_files(folder), folder / "config.json", folder / "tokenizer.json"]
    sources += [
        p for p in (folder / "chat_template.jinja", folder / "tokenizer_config.json") if p.is_file()
    ]
    hashes = "".join(sorted(hash_files(sources, tell=tell).values()))
    name = f"{folder.resolve().name}-{hashlib.sha256(hashes.encode()).hexdigest()[:16]}.gguf"
    path = cache_dir() / "gguf" / name
    if not path.is_file():
        tell(f"converting {folder} to GGUF")
        safetensors_to_gguf(folder, path)
    return path


def safetensors_to_gguf(folder: Path, path: Path) -> Path:
    """Write the model in `folder` as one GGUF file that computes the same.

    Matrices keep their type, bfloat16, float16 or float32; norms become float32, as llama.cpp
    wants them. The file is complete or not there at all.

    Args:
        folder: ``config.json``, safetensors and ``tokenizer.json`` of a Llama model.
        path: the file to write; its folder is made.

    Returns:
        `path`.

    Raises:
        ModelError: the model is of another kind, its files are damaged, what is needed is not
            installed, or the file cannot be written.
    """
    config, tokenizer = _json(folder / "config.json"), _json(folder / "tokenizer.json")
    cut = _cut(tokenizer)
    if not _is_plain_llama(config) or cut is None:
        raise ModelError(
            f"{folder} cannot be converted to GGUF here: only plain Llama models with a known "
            "byte-level BPE tokenizer can",
            hint=_OTHERWISE,
        )
    try:
        import gguf

        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as beside:
            whole = Path(beside) / path.name
            writer = gguf.GGUFWriter(whole, "llama")
            _add_configuration(writer, config, folder.resolve().name)
            _add_tokenizer(writer, config, tokenizer, cut, _template(folder))
            _add_tensors(writer, config, folder)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            whole.replace(path)
    except ImportError as error:
        raise ModelError(f"GGUF files cannot be written: {error}", hint=_EXTRA) from error
    except OSError as error:
        raise MachineryError(f"cannot write {path}: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{folder} cannot be converted to GGUF: {error!r}", hint=_OTHERWISE
        ) from error
    return path


def _json(path: Path) -> dict[str, Any]:
    value = read_json(path, DESCRIPTION, error=ModelError)
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a JSON object")
    return value


def _is_plain_llama(config: dict[str, Any]) -> bool:
    plain = not config.get("attention_bias") and not config.get("mlp_bias")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    scaled = rope.get("rope_type", "default") not in ("default", None)
    whole = "quantization_config" not in config
    return config.get("architectures") == ["LlamaForCausalLM"] and plain and whole and not scaled


def _cut(tokenizer: dict[str, Any]) -> str | None:
    """llama.cpp's name for the way in which this byte-level BPE cuts text; None if unknown."""
    before = tokenizer.get("pre_tokenizer") or {}
    steps = before.get("pretokenizers", [before])
    kinds = [step.get("type") for step in steps]
    if (tokenizer.get("model") or {}).get("type") != "BPE" or kinds != ["Split", "ByteLevel"]:
        return None
    return _CUTS.get(steps[0].get("pattern", {}).get("Regex", ""))


def _template(folder: Path) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return read_text(file, SETTINGS, error=ModelError)
    settings = folder / "tokenizer_config.json"
    template = _json(settings).get("chat_template") if settings.is_file() else None
    return template if isinstance(template, str) else None


def _add_configuration(writer: Any, config: dict[str, Any], name: str) -> None:
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or {}
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads", heads))
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta", 10000.0)))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(
    writer: Any, config: dict[str, Any], tokenizer: dict[str, Any], cut: str, template: str | None
) -> None:
    tokens = {number: token for token, number in tokenizer["model"]["vocab"].items()}
    types = dict.fromkeys(tokens, _NORMAL)
    for added in tokenizer.get("added_tokens", ()):
        tokens[added["id"]] = added["content"]
        types[added["id"]] = _CONTROL if added["special"] else _USER_DEFINED
    size = config["vocab_size"]
    for number in range(size):
        if number not in tokens:  # room that the embedding has beyond the tokenizer
            tokens[number], types[number] = f"<unused{number}>", _CONTROL
    merges = tokenizer["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut)
    writer.add_token_list([tokens[number] for number in range(size)])
    writer.add_token_types([types[number] for number in range(size)])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    # What the chat template writes is all there is: nothing is put before it.
    writer.add_add_bos_token(False)
    for key, add in (
        ("bos_token_id", writer.add_bos_token_id),
        ("eos_token_id", writer.add_eos_token_id),
        ("pad_token_id", writer.add_pad_token_id),
    ):
        if isinstance(config.get(key), int):
            add(config[key])
    if template is not None:
        writer.add_chat_template(template)


def _add_tensors(writer: Any, config: dict[str, Any], folder: Path) -> None:
    import gguf

    heads = config["num_attention_heads"]
    key_heads = config.get("num_key_value_heads", heads)
    kinds = {
        "BF16": gguf.GGMLQuantizationType.BF16,
        "F16": gguf.GGMLQuantizationType.F16,
        "F32": gguf.GGMLQuantizationType.F32,
    }
    for name, dtype, values in _tensors(folder):
        if config.get("tie_word_embeddings") and name == "lm_head.weight":
            continue
        target = _gguf_name(name)
        if target.endswith(("attn_q.weight", "attn_k.weight")):
            values = _interleaved(values, heads if "attn_q" in target else key_heads)
        kind = kinds[dtype] if values.ndim > 1 else kinds["F32"]
        writer.add_tensor(target, gguf.quants.quantize(values, kind), raw_dtype=kind)


def _gguf_name(name: str) -> str:
    if name in _TENSORS:
        return _TENSORS[name]
    _, layers, number, tensor = name.split(".", 3)
    if layers != "layers":
        raise ValueError(f"tensor {name} is unknown")
    return f"blk.{number}.{_LAYER_TENSORS[tensor.removesuffix('.weight')]}.weight"


def _interleaved(values: numpy.ndarray[Any, Any], heads: int) -> numpy.ndarray[Any, Any]:
    """Rows in the order of llama.cpp's rotary embedding: pairs are neighbours, not half a head
    apart as in transformers."""
    rows, columns = values.shape
    halves = values.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def _tensors(folder: Path) -> Iterator[tuple[str, str, numpy.ndarray[Any, Any]]]:
    """Name, type in the file, and values as float32 of every tensor."""
    import numpy

    for path in weight_files(folder):
        length, header = safetensors_header(path)
        with path.open("rb") as file:
            for name, entry in header.items():
                begin, end = entry["data_offsets"]
                file.seek(8 + length + begin)
                raw, dtype = file.read(end - begin), entry["dtype"]
                if dtype == "BF16":
                    wide = numpy.frombuffer(raw, "<u2").astype(numpy.uint32) << 16
                    values = wide.view(numpy.float32)
                else:
                    values = numpy.frombuffer(raw, {"F16": "<f2", "F32": "<f4"}[dtype])
                yield name, dtype, values.astype(numpy.float32).reshape(entry["shape"])
