"""Steps of fixed shapes: the tokens of any other slots, whoever repeats the steps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from greedy_texts import greedy_texts  # noqa: E402

from lrmtest.models.engines.base import Request, Sampling  # noqa: E402
from lrmtest.models.engines.transformers import fixed_slots, gumbel  # noqa: E402
from lrmtest.models.engines.transformers.batcher import WATCHED_TOKENS, Batcher, Running  # noqa: E402
from lrmtest.models.engines.transformers.fixed_slots import FixedSlots, why_not_fixed  # noqa: E402
from lrmtest.models.engines.transformers.slots import Slots  # noqa: E402
from lrmtest.models.engines.transformers.steps import EagerSteps, RecordedSteps  # noqa: E402
from lrmtest.questions.place import Place  # noqa: E402

EOS = frozenset({7})
VOCABULARY = 3000


@pytest.fixture(scope="module")
def llama():
    return made()


@pytest.fixture(scope="module")
def exact():
    """The same in double precision: no rounding turns a draw, however many are made."""
    return made().double()


def made(**changes):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 2048,
        "initializer_range": 0.5,
        "attn_implementation": "sdpa",
        **changes,
    }
    return LlamaForCausalLM(LlamaConfig(**settings)).eval()


def running(prompt, budget, seed=0, temperature=0.0, top_p=1.0):
    request = Request(
        Place(f"{seed}", "s", f"q{seed}", 0), (), Sampling(budget, temperature, top_p), seed
    )
    return Running(request, 0.0, list(prompt))


def texts(slots, asked, *, eos=EOS, limit=100, memory=10**9):
    sequences = [running(*one) for one in asked]
    batcher = Batcher(slots, eos, limit=limit, memory=memory)
    batcher.add(sequences)
    with torch.inference_mode():
        for _ in range(100_000):
            if not batcher.unfinished():
                break
            batcher.step()
    assert all(s.ended for s in sequences)
    return [(s.generated, s.finish_reason, str(s.error)) for s in sequences]


class Recorder:
    """Stands in for a device: repeats a step by running it."""

    def __init__(self):
        self.made = 0

    def record(self, once):
        self.made += 1
        once()
        return lambda: once()


prompts = st.lists(st.integers(8, VOCABULARY - 1), min_size=1, max_size=20)
asked_for = st.lists(
    st.tuples(
        prompts,
        st.integers(1, 40),
        st.integers(0, 2**31 - 1),
        st.sampled_from([0.0, 0.6, 1.0]),
        st.sampled_from([0.5, 0.95, 1.0]),
    ),
    min_size=1,
    max_size=9,
)


@settings(max_examples=20)
@given(asked_for, st.integers(1, 9), st.integers(1, 6))
def test_rows_come_and_go_and_every_text_is_that_of_the_sequence_alone(
    exact, asked, limit, slots_in_memory
):
    alone = [texts(Slots(exact), [one])[0] for one in asked]
    memory = slots_in_memory * 256 * 2 * 2 * 8 * 8  # positions, layers, keys and values, size
    recorder = Recorder()
    for steps in (EagerSteps(), RecordedSteps(recorder.record)):
        slots = FixedSlots(exact, steps)
        assert texts(slots, asked, limit=limit, memory=memory) == alone
    assert recorder.made


@settings(max_examples=60)
@given(st.data())
def test_what_is_drawn_is_what_pick_draws(data):
    size = data.draw(st.sampled_from([5, 300, 3000]))
    draws = data.draw(
        st.lists(
            st.builds(
                gumbel.Draw,
                temperature=st.sampled_from([0.0, 0.2, 1.0, 5.0]),
                top_p=st.sampled_from([0.1, 0.9, 0.999, 1.0]),
                seed=st.integers(0, 2**64),
                step=st.integers(0, 100_000),
            ),
            min_size=1,
            max_size=6,
        )
    )
    logits = torch.randn(len(draws), size, generator=torch.Generator().manual_seed(size)) * 3
    broken = data.draw(st.booleans())
    if broken:
        logits[0, 1] = torch.nan
    expected = [
        gumbel.BROKEN if token is None else token for token in gumbel.pick(logits, draws)[0]
    ]
    for candidates in (4, 1024, 10**9):
        codes, highest, _ = gumbel.pick_fixed(
            logits,
            torch.tensor([draw.temperature for draw in draws]),
            torch.tensor([draw.top_p for draw in draws], dtype=torch.float64),
            torch.tensor([gumbel.seed_state(draw.seed) for draw in draws]),
            torch.tensor([draw.step for draw in draws]),
            whole=True,
            candidates=candidates,
        )
        wide = [code == gumbel.UNDECIDED for code in codes.tolist()]
        assert not any(wide) or candidates < size
        decided = [b if w else a for a, b, w in zip(codes.tolist(), expected, wide, strict=True)]
        assert decided == expected
        assert torch.equal(highest.isnan(), logits.isnan().any(dim=1))


def test_a_nucleus_wider_than_the_candidates_is_drawn_all_the_same(llama, monkeypatch):
    asked = [([10, 20 + seed], 30, seed, 3.0, 0.9) for seed in range(5)] + [([11], 30)]
    expected = texts(Slots(llama), asked)
    for candidates in (1, 50, 1024):
        monkeypatch.setattr(fixed_slots, "_CANDIDATES", candidates)
        assert texts(FixedSlots(llama), asked) == expected


def test_the_cache_grows_with_its_sequences_and_recordings_are_made_anew(llama):
    asked = [([9, 8], 620), (list(range(100, 400)), 90, 3, 0.8, 0.95), ([9], 5)]
    recorder = Recorder()
    slots = FixedSlots(llama, RecordedSteps(recorder.record))
    assert texts(slots, asked, eos=frozenset()) == texts(Slots(llama), asked, eos=frozenset())
    lengths = {256, 512, 768}
    assert recorder.made >= len(lengths)
    assert slots._cache.length == 768


def test_a_prompt_of_one_token_is_enough(llama):
    asked = [([9], 4), ([12], 4)]
    recorder = Recorder()
    assert texts(FixedSlots(llama, RecordedSteps(recorder.record)), asked) == texts(
        Slots(llama), asked
    )


def no_recording(_):
    raise RuntimeError("operation not permitted when stream is capturing\nmore of it")


def stale(once):
    """A recording that does nothing."""
    once()
    return lambda: None


def other_weights(model):
    """A recording that computes with weights of its own."""

    def record(once):
        def repeat():
            weight = model.model.layers[0].mlp.up_proj.weight
            kept = weight.clone()
            weight.zero_()
            once()
            weight.copy_(kept)

        return repeat

    return record


def frozen_values(llama):
    """A recording that reads the positions of when it was made."""

    def record(once):
        kept = []
        step = FixedSlots._step

        def watched(self, rows, tokens, positions, length):
            kept.append(positions.clone())
            return step(self, rows, tokens, kept[0], length)

        def repeat():
            FixedSlots._step = watched
            try:
                once()
            finally:
                FixedSlots._step = step

        repeat()
        return repeat

    return record


@pytest.mark.parametrize("kind", ["none", "stale", "weights", "frozen"])
def test_a_recording_that_fails_or_is_wrong_is_told_once_and_changes_no_text(llama, kind):
    record = {
        "none": no_recording,
        "stale": stale,
        "weights": other_weights(llama),
        "frozen": frozen_values(llama),
    }[kind]
    asked = [(list(range(20, 40)), 50, seed, 0.7 * (seed % 2), 0.95) for seed in range(6)]
    told, forgotten = [], []
    steps = RecordedSteps(record, told.append, lambda: forgotten.append(1))
    slots = FixedSlots(llama, steps)
    with torch.inference_mode():
        assert texts(slots, asked) == texts(FixedSlots(llama), asked) == texts(Slots(llama), asked)
    (line,) = told
    assert "slower, with the same texts" in line
    assert "\n" not in line
    assert ("not permitted when stream is capturing" in line) == (kind == "none")
    assert steps.made == 0
    assert forgotten


def test_logits_that_are_no_numbers_are_an_error_and_no_token():
    broken = made(num_hidden_layers=1)
    broken.lm_head.weight.data[5] = torch.nan
    recorder, told = Recorder(), []
    slots = FixedSlots(broken, RecordedSteps(recorder.record, told.append))
    ((generated, reason, error),) = texts(slots, [([9, 10], 30)])
    assert (generated, reason) == ([], None)
    assert "not numbers" in error
    assert not told


def test_lengths_and_rows_take_few_shapes(llama):
    slots = FixedSlots(llama)
    lengths = [slots._rounded(length) for length in range(1, 32_769)]
    assert len(set(lengths)) == 40
    for length, rounded in enumerate(lengths, start=1):
        assert length <= rounded < length + max(256, length / 8)
        assert rounded % 256 == 0
    assert WATCHED_TOKENS % slots.block == 0


def test_a_text_has_no_more_than_a_block_behind_its_end_to_wait_for(llama):
    seen = []
    watched = running([9, 10], 500)
    watched.loops = lambda piece: seen.append(piece) or len(seen) == 2
    batcher = Batcher(FixedSlots(llama), frozenset(), limit=4, memory=10**9)
    batcher.add([watched])
    steps = 0
    with torch.inference_mode():
        while not watched.ended:
            batcher.step()
            steps += 1
    assert len(watched.generated) == batcher.taken == 2 * WATCHED_TOKENS
    assert steps == 2 * WATCHED_TOKENS // FixedSlots.block


def test_which_models_have_fixed_steps(llama):
    assert why_not_fixed(llama) is None
    rotary = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
    assert "longest sequence" in why_not_fixed(made(rope_parameters=rotary))
    assert "kind of model" in why_not_fixed(torch.nn.Linear(2, 2))
    llama.hf_quantizer = object()
    try:
        assert "quantized" in why_not_fixed(llama)
    finally:
        del llama.hf_quantizer


def compare_with_generate(location, budget, *, together):
    """Of the greedy texts and the drawn ones, in one batch if `together`."""
    from lrmtest.models.engines.base import Message
    from lrmtest.models.engines.tokenizers.chat import ChatTokenizer
    from lrmtest.models.engines.transformers.loading import load_causal_lm

    model = load_causal_lm(str(location), dtype=torch.float32).eval()
    assert why_not_fixed(model) is None
    chat = ChatTokenizer.load(str(location), ("<think>", "</think>"))
    questions = ["What is 2 + 2?", "List five prime numbers. " * 12, "Is it so?", "Why? " * 40]
    prompts = [chat.encode((Message("user", text),)) for text in questions]
    eos = frozenset({chat.eos_token_id})
    recorder, told = Recorder(), []
    slots = FixedSlots(model, RecordedSteps(recorder.record, told.append))
    greedy = [(p, budget) for p in prompts]
    sampled = [(p, budget, seed, 0.6, 0.95) for seed, p in enumerate(prompts)]
    if together:
        found = texts(slots, greedy + sampled, eos=eos)
    else:
        found = texts(slots, greedy, eos=eos) + texts(slots, sampled, eos=eos)
    generated, drawn = [g for g, _, _ in found[: len(greedy)]], found[len(greedy) :]
    assert generated == greedy_texts(model, prompts, budget, eos_token_id=sorted(eos))
    assert drawn == texts(Slots(model), sampled, eos=eos)
    assert recorder.made
    assert not told


@pytest.mark.parametrize("together", [False, True])
def test_tiny_lrm_as_transformers_generates_it(together):
    from lrmtest.models.cards import load_cards
    from lrmtest.models.resolve import resolve

    compare_with_generate(resolve("tiny-lrm", load_cards()).location, 40, together=together)


@pytest.mark.engine
def test_a_real_model_as_transformers_generates_it(smollm2_folder):
    # Two blocks, and no more rows than a step has with four texts: it computes eight at least.
    compare_with_generate(smollm2_folder, 20, together=True)
