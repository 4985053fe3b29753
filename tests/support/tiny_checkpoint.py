"""A small random Llama with a tokenizer of bytes, as a folder."""

from __future__ import annotations

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]<think>\n{% endif %}"
)


def save_tokenizer(folder, template=TEMPLATE):
    """A token for each byte, one of two, and `<s>`, `</s>`, `<think>`, `</think>`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # Without a merge it could not be read back from a GGUF file.
    vocabulary = {token: number for number, token in enumerate([*alphabet, "th"])}
    bpe = Tokenizer(models.BPE(vocabulary, [("t", "h")]))
    # A cut that can be converted to GGUF.
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[^(\s|[.,!?…。，、।۔،])]+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([AddedToken(t, special=True) for t in ("<s>", "</s>")])
    bpe.add_tokens([AddedToken(t, special=False) for t in ("<think>", "</think>")])
    PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", chat_template=template
    ).save_pretrained(folder)


def save_model(folder, *, dtype="bfloat16", family="Llama", layers=2, **settings):
    """A random model of the family, with the tokenizer's vocabulary."""
    import torch
    import transformers

    torch.manual_seed(0)
    kind = getattr(transformers, f"{family}ForCausalLM")
    config = kind.config_class(
        **{
            "vocab_size": 264,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "bos_token_id": 257,
            "eos_token_id": 258,
            "pad_token_id": 258,
            "initializer_range": 0.3,
        }
        | settings
    )
    kind(config).to(getattr(torch, dtype)).save_pretrained(folder)


def save(folder, **settings):
    """Model and tokenizer; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder)
    save_model(folder, **settings)
    return folder
