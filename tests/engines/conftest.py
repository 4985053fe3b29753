import fcntl
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def smollm2_path():
    """A real small instruct model, GGUF: LRMTEST_TEST_GGUF, else what the card fetches."""
    if path := os.environ.get("LRMTEST_TEST_GGUF"):
        return Path(path)
    from lrmtest.models.cards import load_cards
    from lrmtest.models.fetch.files import fetch
    from lrmtest.models.resolve import resolve

    return fetch(resolve("smollm2-135m", load_cards()))


@pytest.fixture(scope="session")
def smollm2_folder(smollm2_path, tmp_path_factory):
    """The same, unpacked once: as vLLM reads it, and as transformers loads it in a moment.

    Once for all processes of pytest-xdist, since it takes ten seconds of one.
    """
    pytest.importorskip("torch", reason="the model is unpacked with transformers")
    from lrmtest.models.gguf.to_safetensors import gguf_to_safetensors

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "smollm2-unpacked"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return folder if folder.exists() else gguf_to_safetensors(smollm2_path, folder)


@pytest.fixture(scope="session")
def tiny_lrm_folder():
    """tiny-lrm as vLLM and transformers read it: real, and loaded and asked in a moment."""
    import lrmtest.models

    return Path(lrmtest.models.__file__).with_name("tiny_lrm")


@pytest.fixture(scope="session")
def tiny_lrm_gguf(tiny_lrm_folder, tmp_path_factory):
    """The same as llama.cpp reads it."""
    pytest.importorskip("gguf", reason="tiny-lrm is converted with it")
    from lrmtest.models.gguf.from_safetensors import safetensors_to_gguf

    folder = tmp_path_factory.mktemp("tiny-lrm")
    return safetensors_to_gguf(tiny_lrm_folder, folder / "tiny-lrm.gguf")


@pytest.fixture(scope="session")
def llama_server():
    """The real llama-server of this machine; skips where there is none."""
    from lrmtest.errors import ModelError
    from lrmtest.models.programs.llamacpp import find_llama_server

    try:
        return find_llama_server()
    except ModelError as error:
        pytest.skip(str(error))


TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}"
    "[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]<think>\n{% endif %}"
)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A randomly initialised llama with a tokenizer of bytes; its reasoning tags are special."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-model")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens(
        [AddedToken(t, special=True) for t in ("<s>", "</s>", "<think>", "</think>")]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE
    )
    tokenizer.save_pretrained(folder)

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=260,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=256,
        eos_token_id=257,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
