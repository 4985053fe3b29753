"""tiny-lrm's tokenizer and training step."""

import random
import re

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
train = pytest.importorskip("train")
tokens = pytest.importorskip("tokenizer")


@pytest.fixture(scope="module")
def tokenizer():
    chats = [train.chat(f, 5, index) for f in train.FAMILIES for index in range(1200)]
    return tokens.build("\n".join(chat) for chat in chats)


def test_times_are_one_token_and_numbers_are_digits(tokenizer):
    for hour in range(1, 13):
        for half in ("am", "pm"):
            assert len(tokenizer.tokenize(f" {hour}{half}")) == 1
    assert tokenizer.tokenize(" 407 40") == ["Ġ4", "0", "7", "Ġ4", "0"]
    merged = [token for token in tokenizer.get_vocab() if re.search(r"\d\d", token)]
    assert all(token.endswith(("am", "pm")) for token in merged)


def test_any_text_survives(tokenizer):
    for text in ("Zoë, ok?\n\n\t(…) 0123\x00", "。、 १२", "<think>a</think>"):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_the_prompt_ends_in_the_opening_tag(tokenizer):
    turns = [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nSo."},
        {"role": "user", "content": "Sure?"},
    ]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|bos|><|user|>Why?<|assistant|>\n\nSo.<|end|><|user|>Sure?<|assistant|><think>\n"
    )


def test_the_step_computes_what_transformers_does(tokenizer):
    torch.manual_seed(0)
    model = train.LlamaForCausalLM(train.configuration(tokenizer))
    rows = [train.encode(tokenizer, family, 7, n) for family in train.FAMILIES for n in range(2)]
    rows += [train._encoded(tokenizer, d(random.Random(1))) for d in (train.drill, train.chains)]
    inputs, targets = train._tensors(rows, tokenizer.pad_token_id)
    logits, wanted = train.completion_logits(model, inputs, targets)
    asked = targets != train.IGNORE
    torch.testing.assert_close(logits, model(input_ids=inputs).logits[asked], rtol=1e-4, atol=1e-4)
    assert wanted[wanted != train.IGNORE].tolist() == targets[asked].tolist()
    ids, prompt = rows[3]
    assert targets[3][asked[3]].tolist() == ids[prompt:]


def test_some_heads_look_things_up_before_any_training(tokenizer):
    torch.manual_seed(0)
    config = train.configuration(tokenizer)
    config._attn_implementation = "eager"
    model = train.LlamaForCausalLM(config)
    train.seed_heads(model, torch.Generator().manual_seed(1))
    draws = random.Random(2)
    before, found = 0.0, 0.0
    for _ in range(20):
        once = draws.sample(range(256, 1200), 12)
        with torch.no_grad():
            seen = model(torch.tensor([[*once, *once[:8]]]), output_attentions=True).attentions
        # The last token stood at place 7: the head (1, 2) looks at what followed it, at place 8.
        found += float(seen[1][0, 1, -1, 8]) / 20
        before += float(seen[0][0, 0, -1, -2]) / 20
    assert before > 0.8
    assert found > 0.5


def test_a_resumed_training_goes_on_with_the_same_chats(tokenizer):
    families = ["hops", "logic"]
    whole = train.batches(tokenizer, families, 480)
    steps = [next(whole) for _ in range(20)]
    resumed = train.batches(tokenizer, families, steps[9][0])
    for step, inputs, targets in steps[9:14]:
        again, same_inputs, same_targets = next(resumed)
        assert step == again
        assert torch.equal(inputs, same_inputs)
        assert torch.equal(targets, same_targets)


def test_dimensions_allow_every_quantization(tokenizer):
    config = train.configuration(tokenizer)
    assert config.vocab_size == len(tokenizer)
    for size in (config.vocab_size, config.hidden_size, config.intermediate_size):
        assert size % 256 == 0
