"""Which chat template and tokenizer a model's files have."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_bytes import gguf_bytes

from lrmtest.models.card import ModelCard
from lrmtest.models.chat_template import NO_TEMPLATE, chat_template, template_sha256
from lrmtest.models.description import describe_chat
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.spec import ModelSpec
from lrmtest.models.tokenizer_identity import tokenizer_identity

TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


def folder_of(folder, **files):
    (folder / "config.json").write_text("{}")
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("chat_template.jinja", TEMPLATE),
        ("chat_template.jinja", TEMPLATE + "\n"),
        ("chat_template.json", {"chat_template": TEMPLATE}),
        ("tokenizer_config.json", {"chat_template": TEMPLATE}),
        (
            "tokenizer_config.json",
            {
                "chat_template": [
                    {"name": "tool_use", "template": "other"},
                    {"name": "default", "template": TEMPLATE},
                ]
            },
        ),
    ],
)
def test_a_template_is_the_same_wherever_it_is_kept(tmp_path, file, content):
    found = chat_template(folder_of(tmp_path, **{file: content}))
    assert found.sha256 == hashlib.sha256(TEMPLATE.encode()).hexdigest()
    assert found.source == file


def test_a_file_of_its_own_wins(tmp_path):
    where = folder_of(
        tmp_path,
        **{"chat_template.jinja": TEMPLATE, "tokenizer_config.json": {"chat_template": "old"}},
    )
    assert chat_template(where).source == "chat_template.jinja"


def test_a_gguf_file_has_it_in_its_metadata(tmp_path):
    file = tmp_path / "m.gguf"
    names = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm"}
    metadata = {"general.architecture": "llama", "tokenizer.chat_template": TEMPLATE, **names}
    file.write_bytes(gguf_bytes(metadata, []))
    assert chat_template(str(file)).sha256 == template_sha256(TEMPLATE)
    assert chat_template(str(tmp_path)).sha256 == template_sha256(TEMPLATE)
    assert tokenizer_identity(str(file)) == "gguf gpt2 smollm"


def test_a_model_without_one_says_so(tmp_path):
    assert chat_template(folder_of(tmp_path)).sha256 == NO_TEMPLATE
    assert tokenizer_identity(str(tmp_path)) == ""


@given(st.text(max_size=60))
def test_damaged_files_have_no_template(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("m")
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer_config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    (folder / "tokenizer.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert chat_template(str(folder)).sha256 == NO_TEMPLATE
    assert tokenizer_identity(str(folder)).startswith("tokenizer.json ")


def test_a_tokenizer_that_was_saved_again_is_the_same(tmp_path):
    raw = {
        "added_tokens": [{"id": 2, "content": "<s>", "special": True}],
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]},
    }
    first = tokenizer_identity(folder_of(tmp_path, **{"tokenizer.json": raw}))
    raw["truncation"] = None
    raw["model"]["merges"] = [["a", "b"]]
    again = tokenizer_identity(folder_of(tmp_path, **{"tokenizer.json": json.dumps(raw, indent=2)}))
    raw["model"]["vocab"]["c"] = 3
    other = tokenizer_identity(folder_of(tmp_path, **{"tokenizer.json": raw}))
    assert first == again != other


def test_an_engine_argument_puts_another_in_its_place(tmp_path):
    where = folder_of(tmp_path, **{"chat_template.jinja": TEMPLATE})
    spec = ModelSpec("m", ModelCard("m"), "vllm", where)
    assert describe_chat(spec, EngineOptions())["template_source"] == "chat_template.jinja"
    other = tmp_path / "other.jinja"
    other.write_text("other")
    for arguments in (("--chat-template", str(other)), (f"--chat-template={other}",)):
        found = describe_chat(spec, EngineOptions(engine_args=arguments))
        assert found["template_sha256"] == template_sha256("other")
        assert found["template_source"] == "an engine argument"
