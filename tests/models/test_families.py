"""The packaged cards of today's reasoning models: files, sizes, tags and templates, by family."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_bytes import TINY, safetensors_bytes

import lrmtest.models
from lrmtest.grading.forms import BY_NAME
from lrmtest.grading.split import put_together, split
from lrmtest.models.card import ModelCard
from lrmtest.models.cards import load_cards
from lrmtest.models.engines.kinds import engine_kind
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.fetch.files import fetch
from lrmtest.models.known_tags import known_tags
from lrmtest.models.request_fields import read_request_field
from lrmtest.models.resolve import resolve
from lrmtest.models.sizes import disk_gb, memory_needed_gb
from lrmtest.models.spec import KnownTags, ModelSpec

CARDS = load_cards()
FILES = sorted(Path(lrmtest.models.__file__).with_name("families").glob("*.toml"))
LISTINGS = {
    name: listing
    for listing in tomllib.loads(Path(__file__).with_name("hub_listings.toml").read_text())[
        "listing"
    ]
    for name in listing["cards"]
}


def test_the_families_are_there():
    wanted = """
        qwen3-0.6b qwen3-1.7b qwen3-4b qwen3-8b qwen3-14b qwen3-32b qwen3-30b-a3b qwen3-235b-a22b
        qwen3-4b-thinking-2507 qwen3-30b-a3b-thinking-2507 qwen3-235b-a22b-thinking-2507 qwq-32b
        gpt-oss-20b gpt-oss-120b magistral-small-2506 magistral-small-2509 phi-4-reasoning
        phi-4-reasoning-plus phi-4-mini-reasoning nemotron-super-49b-v1 nemotron-super-49b-v1.5
        nemotron-nano-8b-v1 nemotron-nano-9b-v2 granite-3.3-8b granite-4.0-h-tiny seed-oss-36b
        exaone-deep-2.4b exaone-deep-7.8b exaone-deep-32b r1-0528 r1-0528-qwen3-8b
    """
    assert set(wanted.split()) <= set(CARDS)
    methods = {card.compression.method for card in CARDS.values()}
    assert {
        "gguf",
        "dynamic-gguf",
        "awq",
        "gptq",
        "fp8",
        "nvfp4",
        "mxfp4",
        "bitsandbytes",
    } <= methods


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_familys_file_says_where_it_is_from(file):
    text = file.read_text(encoding="utf-8")
    head = text.partition("\n\n")[0]
    assert head.startswith("# ")
    assert "bits_per_weight" in text.partition("[models")[0]
    if file.stem not in ("deepseek_r1", "small"):
        assert re.search(r"20\d\d-\d\d-\d\d", head)
        assert "model card" in text.partition("[models")[0]
    assert max(map(len, re.sub("wheel = .*", "", text).split("\n"))) <= 100
    names = [set(tomllib.loads(one.read_text())["models"]) for one in FILES]
    assert sum(map(len, names)) == len(set().union(*names)) == len(CARDS)


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_what_a_card_says_is_plausible(card):
    kind = engine_kind(card.engine)
    assert ("gguf" in kind.reads) == card.checkpoint.gguf or card.engine == "transformers"
    assert not card.parent or card.parent in CARDS
    assert card.parameters
    assert card.context_length
    bits = card.compression.bits_per_weight
    assert 1 < bits <= 16
    if (
        card.parent
        and CARDS[card.parent].compression.bits_per_weight == 16
        and (card.compression.method != "sparsegpt")
    ):
        assert bits < 16
    assert disk_gb(card) < memory_needed_gb(card) < 10_000
    assert 0 <= card.temperature <= 1.2
    assert 0.9 <= card.top_p <= 1
    assert card.file.endswith(".toml")
    lowest = {"fp8": 8, "awq": 4, "gptq": 3, "nvfp4": 4.5, "mxfp4": 4.25, "bitsandbytes": 4}
    assert bits >= lowest.get(card.compression.method, 1) or "3bit" in card.name
    if card.checkpoint.repo:
        assert card.checkpoint.files
        assert card.checkpoint.is_pinned or card.checkpoint.revision == "main"


def test_what_is_not_pinned_is_not_said_to_be():
    """Only of these no commit could be verified."""
    unpinned = {
        card.checkpoint.repo.partition("/")[0]
        for card in CARDS.values()
        if card.checkpoint.repo and not card.checkpoint.is_pinned
    }
    assert unpinned <= {
        "LGAI-EXAONE",
        "Qwen",
        "RedHatAI",
        "bartowski",
        "ibm-granite",
        "nvidia",
        "unsloth",
    }
    pinned = [card for card in CARDS.values() if card.checkpoint.is_pinned]
    assert len(pinned) > 60
    # One repository, one commit.
    commits = {(card.checkpoint.repo, card.checkpoint.revision) for card in CARDS.values()}
    assert len(commits) == len({repo for repo, _ in commits})


def content(name, wanted):
    if name.endswith(".index.json"):
        parts = [one for one in wanted if one.endswith(".safetensors")]
        return json.dumps({"weight_map": {f"w{n}": part for n, part in enumerate(parts)}}).encode()
    if name.endswith(".gguf"):
        return TINY
    if name.endswith(".safetensors"):
        return safetensors_bytes({"w": ("BF16", [2], 4)})
    return b"{}"


@pytest.mark.parametrize("name", LISTINGS)
def test_a_card_fetches_its_files_and_no_others(name, fake_hub):
    card, listing = CARDS[name], LISTINGS[name]
    fake_hub.repo = card.checkpoint.repo
    fake_hub.commit = card.checkpoint.revision if card.checkpoint.is_pinned else fake_hub.commit
    names = [*listing["wanted"], *listing["others"]]
    fake_hub.files = {file: content(file, listing["wanted"]) for file in names}
    spec = resolve(name, CARDS)
    # Of the real files.
    unhashed = replace(card, parameters=None, checkpoint=replace(card.checkpoint, sha256=""))
    path = fetch(replace(spec, card=unhashed))
    folder = next(one for one in [path, *path.parents] if one.parent.name == "snapshots")
    fetched = {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}
    assert fetched == set(listing["wanted"])
    assert disk_gb(card) == pytest.approx(listing["gigabytes"], rel=0.02)


# Chat templates, made in the form of each family's own: how they end a prompt.
PLAIN = "{% if '</think>' in content %}{{ content.split('</think>')[-1] }}{% endif %}"
ENDS = "{% if add_generation_prompt %}"
TEMPLATES = {
    "qwen3-8b": PLAIN + ENDS + "{{ '<|im_start|>assistant\\n' }}{% if enable_thinking is false %}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}",
    "qwen3-4b-thinking-2507": PLAIN + ENDS + "{{ 'assistant\\n<think>\\n' }}{% endif %}",
    "qwq-32b": PLAIN + ENDS + "{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}",
    "gpt-oss-20b": "<|start|>assistant<|channel|>analysis<|message|>{{ thinking }}<|end|>"
    "<|start|>assistant<|channel|>final<|message|>{{ content }}<|end|>"
    + ENDS + "<|start|>assistant{% endif %}",
    "magistral-small-2509": "[THINK]{{ thinking }}[/THINK]{{ content }}</s>",
    "phi-4-reasoning-plus": "<|im_start|>system<|im_sep|>Say <think> thoughts </think>, then "
    "the answer.<|im_end|>" + ENDS + "{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}",
    "nemotron-nano-9b-v2": PLAIN + ENDS + "{{ '<SPECIAL_11>Assistant\\n' }}{% if ns.thinking %}"
    "{{ '<think>\\n' }}{% else %}{{ '<think></think>' }}{% endif %}{% endif %}",
    "granite-3.3-8b": "{% if thinking %}Thoughts go between <think></think>, the response between "
    "<response></response>.{% endif %}" + ENDS + "<|start_of_role|>assistant{% endif %}",
    "seed-oss-36b": "<seed:think>{{ reasoning }}</seed:think>{{ content }}<seed:eos>"
    + ENDS + "<seed:bos>assistant\\n{% if thinking_budget == 0 %}<seed:think></seed:think>"
    "{% endif %}{% endif %}",
    "exaone-deep-7.8b": "{% if '</thought>' in content %}{{ content.split('</thought>')[-1] }}"
    "{% endif %}" + ENDS + "{{ '[|assistant|]<thought>\\n' }}{% endif %}",
    "r1-distill-qwen-7b": PLAIN + ENDS + "{{ '<｜Assistant｜><think>\\n' }}{% endif %}",
    "r1-0528": PLAIN + ENDS + "{{ '<｜Assistant｜>' }}{% endif %}",
}  # fmt: skip
PREFILLED = {
    "qwen3-4b-thinking-2507", "qwq-32b", "nemotron-nano-9b-v2", "exaone-deep-7.8b",
    "r1-distill-qwen-7b",
}  # fmt: skip


def known(folder, card, template, *given):
    (folder / "config.json").write_text("{}")
    (folder / "chat_template.jinja").write_text(template)
    options = EngineOptions(request_fields=tuple(map(read_request_field, given)))
    return known_tags(ModelSpec(card.name, card, "vllm", str(folder)), options)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_familys_template_and_its_card_agree(name, tmp_path):
    card = CARDS[name]
    expected = KnownTags(card.reasoning_tags, "card", prefilled=name in PREFILLED)
    assert known(tmp_path, card, TEMPLATES[name]) == expected
    silent = ModelCard("m", request=card.request)
    told = known(tmp_path, silent, TEMPLATES[name])
    assert told.known_by == "chat template"
    assert set(BY_NAME[told.tags[0]].tags) == set(card.reasoning_tags) or (
        told.tags == card.reasoning_tags
    )


@pytest.mark.parametrize("key", ["enable_thinking", "thinking"])
def test_a_switch_that_is_off_leaves_nothing_open(key, tmp_path):
    off = ModelCard("m", request={"chat_template_kwargs": {key: False}})
    template = TEMPLATES["nemotron-nano-9b-v2"]
    assert not known(tmp_path, off, template).prefilled
    on = ModelCard("m", request={"chat_template_kwargs": {key: True}})
    assert known(tmp_path, on, template).prefilled
    # The user's word goes before the card's.
    for value, card in ((False, on), (True, off)):
        said = f"chat_template_kwargs={json.dumps({key: value})}"
        assert known(tmp_path, card, template, said).prefilled is value
        assert known(tmp_path, card, template, f"other:{said}").prefilled is not value
    # Either order of the two ways.
    other = PLAIN + ENDS + "{% if not thinking %}{{ '<think>\\n</think>\\n' }}{% else %}"
    other += "{{ '<think>\\n' }}{% endif %}{% endif %}"
    assert known(tmp_path, on, other).prefilled
    swapped = PLAIN + ENDS + "{% if thinking %}{{ '<think>\\n' }}{% else %}"
    swapped += "{{ '<think>\\n</think>\\n' }}{% endif %}{% endif %}"
    assert known(tmp_path, on, swapped).prefilled


# Texts in the form of each family's own: the card, the text, its reasoning and its answer.
TEXTS = [
    ("qwen3-8b", "<think>\nTwo.\n</think>\n\nIt is 4.<|im_end|>", "Two.", "It is 4."),
    ("qwen3-8b", "<think>\n\n</think>\n\nIt is 4.", "", "It is 4."),
    ("qwen3-8b", "It is 4.", "", "It is 4."),  # thinking is off: the prompt had the empty block
    ("qwen3-4b-thinking-2507", "Two and two.\n</think>\n\nIt is 4.", "Two and two.", "It is 4."),
    ("qwq-32b", "Two and two.\n</think>\n\nIt is 4.", "Two and two.", "It is 4."),
    (
        "gpt-oss-20b",
        "<|channel|>analysis<|message|>Two and two.<|end|><|start|>assistant<|channel|>final"
        "<|message|>It is 4.<|return|>",
        "Two and two.<|end|>",
        "It is 4.",
    ),
    (
        "gpt-oss-20b",
        "<|channel|>analysis<|message|>Two.<|end|><|start|>assistant<|channel|>commentary"
        "<|message|>I add.<|end|><|start|>assistant<|channel|>final<|message|>It is 4.",
        "Two.<|end|><|start|>assistant<|channel|>commentary<|message|>I add.<|end|>",
        "It is 4.",
    ),
    ("gpt-oss-20b", "analysisTwo and two.assistantfinalIt is 4.", "Two and two.", "It is 4."),
    ("gpt-oss-20b", "<|channel|>analysis<|message|>Two and", "Two and", ""),
    ("magistral-small-2509", "[THINK]Two and two.[/THINK]It is 4.</s>", "Two and two.", "It is 4."),
    ("magistral-small-2506", "<think>\nTwo.\n</think>\nIt is 4.</s>", "Two.", "It is 4."),
    ("phi-4-reasoning-plus", "<think>Two.</think>It is 4.<|im_end|>", "Two.", "It is 4."),
    ("phi-4-mini-reasoning", "<think>\nTwo.\n</think>\nIt is 4.<|end|>", "Two.", "It is 4."),
    ("nemotron-super-49b-v1", "<think>\nTwo.\n</think>\n\nIt is 4.<|eot_id|>", "Two.", "It is 4."),
    ("nemotron-nano-9b-v2", "Two.\n</think>\n\nIt is 4.\n<SPECIAL_12>", "Two.", "It is 4."),
    ("granite-3.3-8b", "<think>Two.</think>\n<response>It is 4.</response>", "Two.", "It is 4."),
    ("granite-3.3-8b", "<think>Two.</think><response>It is 4", "Two.", "It is 4"),
    (
        "granite-3.3-8b",
        "Here is my thought process:\nTwo.\n\nHere is my response:\nIt is 4.",
        "Two.",
        "It is 4.",
    ),
    ("seed-oss-36b", "<seed:think>Two.</seed:think>It is 4.<seed:eos>", "Two.", "It is 4."),
    (
        "seed-oss-36b",
        "<seed:think>Two.<seed:cot_budget_reflect>9 used</seed:cot_budget_reflect>More."
        "</seed:think>It is 4.",
        "Two.<seed:cot_budget_reflect>9 used</seed:cot_budget_reflect>More.",
        "It is 4.",
    ),
    ("exaone-deep-7.8b", "Two.\n</thought>\n\nIt is 4.[|endofturn|]", "Two.", "It is 4."),
    ("r1-0528", "<think>\nTwo.\n</think>\nIt is 4.<｜end▁of▁sentence｜>", "Two.", "It is 4."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "reasoning", "answer"), TEXTS)
def test_a_familys_texts_come_apart(name, text, reasoning, answer):
    parts = split(text, CARDS[name].reasoning_tags)
    assert (parts.reasoning.strip(), parts.answer.strip()) == (reasoning, answer)
    assert split(text).answer == parts.answer  # its marks are enough


_WORDS = st.lists(
    st.sampled_from(["so", "42", "\n", "2 < 3", "a [b]", "{", "é", "**x**"]), max_size=9
)
_ENDS = [
    "",
    "</s>",
    "<|im_end|>",
    "<seed:eos>",
    "[|endofturn|]",
    "<SPECIAL_12>\n",
    "<|return|>",
    "<|eot_id|>",
]
_AROUND = [
    *[("<think>", "</think>"), ("", "</think>"), ("<seed:think>", "</seed:think>")],
    *[("<thought>\n", "\n</thought>"), ("", "</thought>"), ("[THINK]", "[/THINK]")],
    ("<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>"),
]


@given(_WORDS, _WORDS, st.sampled_from(_AROUND), st.sampled_from(_ENDS))
def test_reasoning_and_answer_come_back_whole_in_every_familys_form(first, then, around, end):
    reasoning, answer = " ".join(first), " ".join(then)
    text = f"{around[0]}{reasoning}{around[1]}{answer}{end}"
    parts = split(text)
    assert parts.closed
    assert (parts.reasoning.strip(), parts.answer.strip()) == (reasoning.strip(), answer.strip())
    assert text[parts.answer_start : parts.answer_start + len(parts.answer)] == parts.answer


@given(_WORDS, _WORDS, st.sampled_from([card.reasoning_tags for card in CARDS.values()]))
def test_what_a_server_told_apart_comes_apart_again(first, then, tags):
    """As vLLM and llama-server return it: reasoning in a field of its own."""
    reasoning, answer = f"w {' '.join(first)}", " ".join(then)
    parts = split(put_together(reasoning, answer, tags, closed=True), tags)
    assert (parts.reasoning.strip(), parts.answer.strip()) == (reasoning.strip(), answer.strip())


@given(_WORDS, st.sampled_from(["response", "answer", "final"]), st.booleans())
def test_a_tag_around_an_answer_is_dropped_closed_or_not(words, tag, closed):
    answer = " ".join(words)
    text = f"<think>so</think><{tag}>{answer}" + (f"</{tag}>" if closed else "")
    assert split(text).answer.strip() == answer.strip()
