"""The transformers engine, on a tiny random model and on a real one."""

from __future__ import annotations

import json
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from asking import Session, ask  # noqa: E402
from greedy_texts import greedy_texts  # noqa: E402
from processes import wait_for  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import zeros  # noqa: E402

from lrmtest.errors import ModelError, UsageError  # noqa: E402
from lrmtest.models.card import ModelCard  # noqa: E402
from lrmtest.models.engines.base import Message  # noqa: E402
from lrmtest.models.engines.options import EngineOptions  # noqa: E402
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer  # noqa: E402
from lrmtest.models.engines.tokenizers.counter import load_counter  # noqa: E402
from lrmtest.models.engines.transformers import engine as transformers_engine  # noqa: E402
from lrmtest.models.engines.transformers.batcher import Batcher  # noqa: E402
from lrmtest.models.engines.transformers.engine import TransformersEngine  # noqa: E402
from lrmtest.models.engines.transformers.fixed_slots import FixedSlots  # noqa: E402
from lrmtest.models.engines.transformers.steps import RecordedSteps  # noqa: E402
from lrmtest.models.request_fields import RequestField  # noqa: E402
from lrmtest.models.spec import ModelSpec  # noqa: E402

TAGS = ("<think>", "</think>")


def make(location, context_length=None, **options):
    card = ModelCard("tiny", context_length=context_length)
    return TransformersEngine(
        ModelSpec("tiny", card, "transformers", str(location)), EngineOptions(**options)
    )


@pytest.fixture(scope="module")
def tiny(tiny_model):
    session = Session(make(tiny_model, device="cpu"))
    yield session
    session.engine.close()


@pytest.fixture(scope="module")
def real(smollm2_folder):
    session = Session(make(smollm2_folder, device="cpu", traces=True))
    yield session
    session.engine.close()


def plain_generate(location, prompts, budget):
    """Greedy token ids from transformers' own generate, each prompt alone."""
    from transformers import AutoModelForCausalLM

    from lrmtest.models.engines.tokenizers.checkpoint_files import pretrained_arguments, quiet

    folder, arguments = pretrained_arguments(str(location))
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **arguments)
    return greedy_texts(model, prompts, budget)


def compare_with_generate(session, location, texts, budget):
    completions = session.run(*(ask(text, budget=budget) for text in texts))
    chat = ChatTokenizer.load(str(location), TAGS)
    prompts = [chat.encode((Message("user", text),)) for text in texts]
    expected = plain_generate(location, prompts, budget)
    for completion, prompt, tokens in zip(completions, prompts, expected, strict=True):
        assert completion.text == chat.decode(tokens)
        assert completion.completion_tokens == len(tokens)
        assert completion.prompt_tokens == len(prompt)


def test_greedy_equals_generate(tiny, tiny_model):
    texts = ["a", "what is it? " * 9, "abc", "a much longer one " * 15, "abc def"]
    compare_with_generate(tiny, tiny_model, texts, 40)


def test_a_seed_fixes_the_text_whatever_else_runs(tiny):
    wanted = ask("abc", temperature=0.9, seed=5, budget=30)
    (alone,) = tiny.run(wanted)
    others = [ask("abc", temperature=0.9, seed=s, budget=5 + s) for s in range(10, 30)]
    crowd = tiny.run(*others[:10], wanted, ask("abc", budget=25), *others[10:])
    assert crowd[10].text == alone.text
    assert (
        len({c.text for c in tiny.run(*(ask("abc", temperature=0.9, seed=s) for s in range(8)))})
        == 8
    )


def test_budget_and_end_of_sequence(tiny):
    completions = tiny.run(*(ask("x", temperature=1.5, seed=s, budget=60) for s in range(40)))
    assert {c.finish_reason for c in completions} == {"stop", "length"}
    for completion in completions:
        assert (completion.completion_tokens == 60) or completion.finish_reason == "stop"
        assert "</s>" not in completion.text
        assert completion.seed is not None
        assert completion.seconds > 0


def test_reasoning_tags_that_are_special_tokens_survive(tiny_model):
    chat = ChatTokenizer.load(str(tiny_model), TAGS)
    tokens = chat._tokenizer("so</think>\nfour</s>").input_ids
    text = chat.decode(tokens)
    assert text == "so</think>\nfour"
    chat.encode((Message("user", "?"),))
    assert chat.details["prefilled_opening_tag"] is True
    assert chat.reasoning_tokens(tokens, text) == 3
    # Never closed: the template opened it, so that all of it is reasoning.
    assert chat.reasoning_tokens(tokens[:2], "so") == 2


def test_what_the_engine_says_of_itself(tiny):
    details = tiny.info.details
    assert tiny.info.engine == "transformers"
    assert "torch" in tiny.info.version
    assert details["device"] == "cpu"
    assert details["dtype"] == "float32"
    assert len(details["chat_template_sha256"]) == 64
    assert details["context_length"] == 512
    assert details["eos_token_ids"] == [257]


def test_no_chat_template_means_a_plain_prompt(tiny_model, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    chat = ChatTokenizer.load(str(tmp_path), TAGS)
    tokens = chat.encode((Message("system", "Be brief."), Message("user", "Why?")))
    assert chat.decode(tokens) == "Be brief.\n\nWhy?\n\n"
    assert "plain" in chat.details["chat_template"]


def test_a_budget_beyond_the_context_is_refused_before_the_weights(tiny_model, monkeypatch):
    def no_weights(*_):
        raise AssertionError("weights were loaded")

    monkeypatch.setattr("lrmtest.models.engines.transformers.engine.load_model", no_weights)
    short, long = ask("short", budget=500), ask("much longer " * 20, budget=500)
    with pytest.raises(UsageError) as caught:
        make(tiny_model).start([short, long], print)
    tokens = len(ChatTokenizer.load(str(tiny_model), TAGS).encode(long.messages))
    assert "q-much longe" in caught.value.message
    for number in (tokens, 500, 512):
        assert str(number) in caught.value.message
    assert f"--max-tokens {512 - tokens}" in caught.value.hint
    with pytest.raises(UsageError, match="context of 100"):
        make(tiny_model, context_length=100).start([ask("x", budget=90)], print)


def test_a_request_that_cannot_be_rendered_or_does_not_fit_fails_alone(tiny):
    good = ask("fine", budget=5)
    refused, long = ask("x", role="tool"), ask("long", budget=512, key="long")
    outcomes = tiny.outcomes([refused, good, long])
    assert "no tools here" in str(outcomes[0].error)
    assert outcomes[1].completion is not None
    assert "context" in str(outcomes[2].error)
    assert "-> pass --max-tokens" in str(outcomes[2].error)


def test_progress_counts_tokens(tiny):
    before = tiny.engine.progress.tokens
    completions = tiny.run(*(ask("count", temperature=1.2, seed=s) for s in range(5)))
    assert tiny.engine.progress.tokens - before == sum(c.completion_tokens for c in completions)
    wait_for(lambda: not tiny.engine.progress.running)
    assert tiny.engine.progress.running == 0


def test_little_memory_only_delays(tiny_model, tiny, monkeypatch):
    requests = [ask(f"q{s}", temperature=0.8, seed=s, budget=300) for s in range(6)]
    expected = [c.text for c in tiny.run(*requests)]
    slot = 256 * 2 * 2 * 2 * 8 * 4  # positions, layers, keys and values, heads, head size, bytes
    monkeypatch.setattr(transformers_engine, "free_memory", lambda _: 3 * slot)
    session = Session(make(tiny_model, device="cpu"))
    try:
        assert [c.text for c in session.run(*requests)] == expected
    finally:
        session.engine.close()


def test_fixed_steps_deliver_count_and_say_what_became_of_them(tiny_model, tiny, monkeypatch):
    """What a GPU gets, with a recording that works and one that does not."""
    asked = [ask(f"q{s}", temperature=0.8 * (s % 2), seed=s, budget=40 + 9 * s) for s in range(9)]
    expected = [(c.text, c.finish_reason, c.completion_tokens) for c in tiny.run(*asked)]

    def recorded(once):
        once()
        return once

    def refused(_):
        raise RuntimeError("out of memory")

    for record in (recorded, refused):
        told = []
        monkeypatch.setattr(
            transformers_engine,
            "_slots",
            lambda model, options, fields, record=record: (
                FixedSlots(model, RecordedSteps(record, options.tell)),
                {"steps": "recorded"},
            ),
        )
        session = Session(make(tiny_model, device="cpu", tell=told.append))
        try:
            completions = session.run(*asked)
            assert session.info.details["steps"] == "recorded"
            assert session.engine.progress.tokens == sum(n for _, _, n in expected)
        finally:
            session.engine.close()
        assert [(c.text, c.finish_reason, c.completion_tokens) for c in completions] == expected
        assert [("out of memory" in line) for line in told] == [True] * (record is refused)


def engine_threads():
    return [t for t in threading.enumerate() if t.name == "lrmtest-transformers"]


def test_close_in_the_middle_leaves_no_thread_and_delivers_nothing_more(tiny_model):
    others = engine_threads()  # those of the shared sessions
    session = Session(make(tiny_model, device="cpu"))
    session.engine.submit(
        [ask("on and on", temperature=1.0, seed=s, budget=450) for s in range(40)]
    )
    session.arrived.get(timeout=600)
    session.engine.close()
    assert engine_threads() == others
    left = session.arrived.qsize()
    session.engine.close()
    session.engine.submit([ask("too late")])
    time.sleep(0.05)
    assert session.arrived.qsize() == left
    assert left < 40


def test_close_before_start_and_from_the_engines_own_thread(tiny_model):
    make(tiny_model).close()
    engine, closed = make(tiny_model, device="cpu"), threading.Event()

    def deliver(_):
        engine.close()
        closed.set()

    engine.start([], deliver)
    engine.submit([ask("x", budget=2), ask("y", budget=200)])
    assert closed.wait(600)
    engine.close()


def test_a_failing_model_answers_everything_with_errors(tiny_model, monkeypatch):
    session = Session(make(tiny_model, device="cpu"))

    def broken(_):
        raise RuntimeError("device-side assert")

    monkeypatch.setattr(Batcher, "step", broken)
    try:
        for outcome in session.outcomes([ask("a"), ask("b")]) + session.outcomes([ask("c")]):
            assert "device-side assert" in str(outcome.error)
    finally:
        session.engine.close()


def test_mistakes_are_explained(tiny_model, tmp_path):
    with pytest.raises(ModelError, match="there is no model at"):
        make(tmp_path / "nothing").start([], print)
    with pytest.raises(UsageError, match="no device 'gpu'"):
        make(tiny_model, device="gpu").start([], print)
    with pytest.raises(UsageError, match="--dtype int3"):
        make(tiny_model, dtype="int3", device="cpu").start([], print)
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="no CUDA GPU"):
            make(tiny_model, device="cuda").start([], print)


def test_weights_that_are_missing_or_broken(tiny_model, tmp_path):
    for file in tiny_model.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match=r"no \*\.safetensors file"):
        make(tmp_path, device="cpu").start([], print)
    (tmp_path / "model.safetensors").write_bytes(b"\x08" * 100)
    with pytest.raises(ModelError, match="cannot be loaded"):
        make(tmp_path, device="cpu").start([], print)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def change(file, **values):
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("damage", "message", "hint"),
    [
        (lambda folder: cut(folder / "model.safetensors"), "SafetensorError", "truncated"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"no \*\.safetensors", "save_pre"),
        (
            lambda folder: (folder / "tokenizer.json").unlink(),
            "tokenizer at .* cannot be read",
            "is tokenizer.json",
        ),
        (lambda folder: cut(folder / "tokenizer.json"), "tokenizer at .* cannot", "JSON file"),
        (lambda folder: cut(folder / "config.json"), "config.json' is not a valid", "JSON file"),
        (
            lambda folder: change(folder / "config.json", intermediate_size=24),
            "cannot be loaded",
            "other shapes than config.json",
        ),
        (
            lambda folder: change(folder / "config.json", model_type="novel"),
            "model type `novel`",
            "newer transformers",
        ),
    ],
)
def test_why_a_checkpoint_cannot_be_loaded(tiny_model, tmp_path, damage, message, hint):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        make(folder, device="cpu").start([], print)
    assert hint in caught.value.hint


def rewrite(folder, edit):
    """Save the checkpoint's tensors anew, as `edit` leaves them."""
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def lose(*names):
    return lambda tensors: [tensors.pop(name) for name in names]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lose("model.norm.weight"), r"1 tensor \(model\.norm\.weight\) is missing"),
        (
            lose(*(f"model.layers.1.self_attn.{name}_proj.weight" for name in "qkvo")),
            r"4 tensors \(model\.layers\.1\.self_attn\.k_proj.*, \.\.\.\) are missing",
        ),
        (lose("lm_head.weight"), r"1 tensor \(lm_head\.weight\) is missing"),
        (
            lambda tensors: tensors.update({"model.layers.0.self_attn.q_proj.bias": zeros(32)}),
            r"1 tensor \(model\.layers\.0\.self_attn\.q_proj\.bias\) is in the weights, but not",
        ),
        (
            lambda tensors: tensors.update({"model.layers.0.mlp.up_proj.weight_scale": zeros(1)}),
            "but not in the model",
        ),
    ],
)
def test_a_model_that_would_not_be_the_checkpoints_is_refused(tiny_model, tmp_path, edit, message):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    rewrite(folder, edit)
    with pytest.raises(ModelError, match=message):
        make(folder, device="cpu").start([], print)


def test_tied_weights_may_be_absent_and_other_modules_are_told(tiny_model, tmp_path):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    change(folder / "config.json", tie_word_embeddings=True)
    rewrite(folder, lose("lm_head.weight"))
    rewrite(folder, lambda tensors: tensors.update({"model.layers.9.eh_proj.weight": zeros(4)}))
    told = []
    Session(make(folder, device="cpu", tell=told.append)).engine.close()
    (line,) = told
    assert "1 tensor (model.layers.9.eh_proj.weight) is in the weights" in line


def test_an_index_that_leads_elsewhere_is_not_followed(tiny_model, tmp_path):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    weights = folder / "model.safetensors"
    weights.rename(tmp_path / "elsewhere.safetensors")
    names = dict.fromkeys(load_file(tmp_path / "elsewhere.safetensors"), "../elsewhere.safetensors")
    index = {"metadata": {}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="outside of its folder"):
        make(folder, device="cpu").start([], print)


def test_code_that_came_along_is_not_run(tiny_model, tmp_path):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    ran = tmp_path / "ran"
    (folder / "modeling.py").write_text(f"open({str(ran)!r}, 'w')\n")
    change(
        folder / "config.json",
        model_type="novel",
        auto_map={"AutoConfig": "modeling.C", "AutoModelForCausalLM": "modeling.M"},
    )
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "modeling.T"]})
    (folder / "lrmtest-card.toml").write_text('engine_args = ["--trust-remote-code"]\n')
    with pytest.raises(ModelError):
        make(folder, device="cpu").start([], print)
    with suppress(ModelError):
        load_counter(str(folder))
    assert not ran.exists()


def test_nothing_is_written_to_the_terminal(tiny_model, capfd):
    session = Session(make(tiny_model, device="cpu"))
    session.run(ask("quiet?", temperature=0.7))
    session.engine.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.engine
def test_real_greedy_equals_generate(real, smollm2_folder):
    texts = [
        "What is 2 + 2?",
        "Tell me a long story about a cat and a dog who went to sea. " * 4,
        "Is the sky blue? Answer yes or no.",
        "List five prime numbers.",
    ]
    compare_with_generate(real, smollm2_folder, texts, 20)


@pytest.mark.engine
def test_real_seeds_budgets_and_counts(real, smollm2_folder):
    """That a seed fixes the text, whatever else runs, is above, with weights that never change."""
    asked = [
        *(ask("Name a colour.", temperature=0.8, seed=s, budget=8 * s) for s in range(1, 6)),
        ask("Say hi.", budget=64),
    ]
    outcomes = real.outcomes(asked)
    chat = ChatTokenizer.load(str(smollm2_folder), TAGS)
    assert len({one.completion.text for one in outcomes[:5]}) > 1
    for request, outcome in zip(asked, outcomes, strict=True):
        completion, budget = outcome.completion, request.sampling.max_tokens
        assert chat.decode(list(outcome.trace.tokens)) == completion.text
        assert completion.completion_tokens == len(outcome.trace.tokens) <= budget
        # One of them is the end of sequence.
        assert (completion.finish_reason == "stop") == outcome.trace.ended
        assert outcome.trace.ended or completion.completion_tokens == budget


@pytest.mark.engine
def test_real_gguf_loads_quietly(smollm2_path, capfd):
    session = Session(make(smollm2_path, device="cpu"))
    assert session.run(ask("Hello", budget=3))[0].completion_tokens == 3
    session.engine.close()
    assert capfd.readouterr() == ("", "")


def test_request_fields_are_heeded(tiny_model, tmp_path):
    """Variables reach the chat template, top-k the draw; without them both are as ever."""
    folder = tmp_path / "switch"
    shutil.copytree(tiny_model, folder)
    (folder / "chat_template.jinja").write_text(
        "{{ messages[0]['content'] }}{% if effort is defined %} {{ effort }}{% endif %}"
        "{% if reasoning_effort is defined %}{{ reasoning_effort }}{% endif %}"
    )
    given = {"chat_template_kwargs": {"effort": "12345"}, "reasoning_effort": "low", "top_k": 1}
    lengths, texts = [], []
    for fields in ({}, given):
        chosen = tuple(RequestField("", name, value) for name, value in fields.items())
        engine = make(folder, device="cpu", request_fields=chosen)
        wanted = [ask("abc", temperature=1.0, seed=seed, key=str(seed)) for seed in range(6)]
        with Session(engine, wanted) as session:
            found = session.run(*wanted)
        lengths.append(found[0].prompt_tokens)
        texts.append({completion.text for completion in found})
    assert lengths[1] == lengths[0] + len(" 12345low")
    assert len(texts[0]) > 1
    assert len(texts[1]) == 1
