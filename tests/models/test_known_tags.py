"""How a model marks its reasoning, known before it has written anything."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_bytes import gguf_bytes

from lrmtest.grading.forms import FORMS
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.known_tags import form_in_template, known_tags
from lrmtest.models.spec import KnownTags, ModelSpec

R1 = (
    "{% for m in messages %}{% if '</think>' in content %}{% set content = "
    "content.split('</think>')[-1] %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{'<|Assistant|><think>\\n'}}{% endif %}"
)
QWEN3 = (
    "{% if '</think>' in content %}{{ '<think>\\n' + reasoning + '\\n</think>\\n\\n' }}{% endif %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"
)
HARMONY = (
    '{{- "<|start|>assistant<|channel|>analysis<|message|>" + message.thinking + "<|end|>" }}'
    '{{- "<|start|>assistant<|channel|>final<|message|>" + message.content + "<|end|>" }}'
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
GEMMA4 = (
    "{% if enable_thinking %}{{ '<|think|>' }}{% endif %}"
    "{{ '<|channel>thought\\n' + thinking + '<channel|>' }}"
    "{% if add_generation_prompt %}{{ '<|turn>model\\n' }}{% endif %}"
)
MAGISTRAL = "{{ '[THINK]' + block.thinking + '[/THINK]' }}{{ eos_token }}"
GRANITE = (
    "Write your thoughts after 'Here is my thought process:' and write your response after "
    "'Here is my response:'. {% if add_generation_prompt %}<|start_of_role|>{% endif %}"
)
PLAIN = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"


@pytest.mark.parametrize(
    ("template", "name", "prefilled"),
    [
        (R1, "think", True),
        (QWEN3, "think", False),
        (HARMONY, "harmony", False),
        (GEMMA4, "gemma4", False),
        (MAGISTRAL, "magistral", False),
        (GRANITE, "granite", False),
        (PLAIN, None, False),
        ("give the reason and an analysis", None, False),
        ("", None, False),
    ],
)
def test_a_template_has_its_models_marks(template, name, prefilled):
    form, ends_so = form_in_template(template)
    assert (form.name if form else None, ends_so) == (name, prefilled)


@given(st.lists(st.sampled_from([*[t for f in FORMS for t in f.tags], "a", "{{", "}}"])))
def test_any_template(pieces):
    form, _ = form_in_template("".join(pieces))
    assert form is None or form in FORMS


def spec_of(folder, card=None, **files):
    (folder / "config.json").write_text("{}")
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("__", ".")).write_text(text)
    return ModelSpec("m", card or ModelCard("m"), "vllm", str(folder))


def test_the_users_word_then_the_card_then_the_template(tmp_path):
    card = ModelCard("m", reasoning_tags=("<think>", "</think>"))
    spec = spec_of(tmp_path, card, chat_template__jinja=HARMONY)
    given = EngineOptions(reasoning_tags=("[THINK]", "[/THINK]"))
    assert known_tags(spec, given) == KnownTags(("[THINK]", "[/THINK]"), "option")
    assert known_tags(spec, EngineOptions()) == KnownTags(("<think>", "</think>"), "card")
    silent = spec_of(tmp_path)
    assert known_tags(silent, EngineOptions()) == KnownTags(("harmony",), "chat template")
    other = tmp_path / "other.jinja"
    other.write_text(R1)
    options = EngineOptions(engine_args=("--chat-template", str(other)))
    assert known_tags(silent, options) == KnownTags(("think",), "chat template", prefilled=True)


def test_a_card_and_a_template_that_agree(tmp_path):
    card = ModelCard("m", reasoning_tags=("<think>", "</think>"))
    known = known_tags(spec_of(tmp_path, card, chat_template__jinja=R1), EngineOptions())
    assert known == KnownTags(("<think>", "</think>"), "card", prefilled=True)


def test_else_the_tokens_that_were_added_to_the_tokenizer(tmp_path):
    added = {"1": {"content": "◁think▷"}, "2": {"content": "◁/think▷"}, "3": {"content": "<s>"}}
    spec = spec_of(tmp_path, tokenizer_config__json={"added_tokens_decoder": added})
    assert known_tags(spec, EngineOptions()) == KnownTags(("kimi",), "tokenizer")
    assert known_tags(spec_of(tmp_path, tokenizer_config__json="{"), EngineOptions()) == KnownTags()


def test_a_gguf_file_and_models_without_files(tmp_path):
    file = tmp_path / "m.gguf"
    metadata = {"general.architecture": "llama", "tokenizer.chat_template": MAGISTRAL}
    file.write_bytes(gguf_bytes(metadata, []))
    spec = ModelSpec("m", ModelCard("m"), "llamacpp", str(file))
    assert known_tags(spec, EngineOptions()) == KnownTags(("magistral",), "chat template")
    file.write_bytes(b"GGUF")
    assert known_tags(spec, EngineOptions()) == KnownTags()
    for engine in ("openai", "recorded"):
        assert known_tags(ModelSpec("m", ModelCard("m"), engine, "x"), EngineOptions()) == (
            KnownTags()
        )
