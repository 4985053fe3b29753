"""Sizes of servers: the arguments that the user gave, the cache's memory, what a GPU can run."""

from __future__ import annotations

import json

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from lrmtest.models.engines.server.engine import in_flight
from lrmtest.models.engines.server.given import given
from lrmtest.models.engines.server.kv_memory import config_kv_bytes
from lrmtest.models.engines.vllm_sizes import (
    CONTEXT_STEP,
    sequences_at_once,
    served_context,
)
from lrmtest.models.hardware import Gpu


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], None),
        (["--max-num-seqs", "8"], "8"),
        (["--max-num-seqs=8"], "8"),
        (["--max_num_seqs=8"], "8"),
        (["--max-num-seqs", "8", "--max-num-seqs=9"], "9"),
        (["--max-num-seqs"], ""),
        (["--max-num-seqs-else", "8"], None),
        (["--note", "max-num-seqs"], None),
    ],
)
def test_what_the_user_gave(arguments, found):
    assert given("--max-num-seqs", arguments) == found


@drawn(st.lists(st.text(max_size=12), max_size=6))
def test_any_arguments(arguments):
    found = given("--config", arguments)
    assert found is None or any(word.startswith("--config") for word in arguments)


def test_the_cache_of_latent_attention_is_one_vector_a_layer(tmp_path):
    config = {"num_hidden_layers": 61, "num_attention_heads": 128, "hidden_size": 7168}
    latent = {"kv_lora_rank": 512, "qk_rope_head_dim": 64}
    (tmp_path / "config.json").write_text(json.dumps(config | latent))
    assert config_kv_bytes(tmp_path, "") == 61 * 576 * 2
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert config_kv_bytes(tmp_path, "") == 2 * 61 * 7168 * 2


tokens = st.integers(1, 1 << 20)


@drawn(tokens, st.none() | tokens, st.floats(0, 1e9))
def test_a_served_context_takes_what_is_needed_and_few_values(needed, most, cache):
    needed = needed if most is None else min(needed, most)
    context = served_context(needed, most, cache)
    assert needed <= context < needed + CONTEXT_STEP
    assert most is None or context <= most
    assert context in (needed, most) or context % CONTEXT_STEP == 0
    assert context in (needed, most) or context <= cache


@drawn(tokens, st.floats(0, 1e9), st.floats(1, 300))
def test_a_gpu_runs_a_power_of_two_of_sequences(context, cache, memory_gb):
    count = sequences_at_once(context, cache, Gpu("GPU", memory_gb, memory_gb))
    assert count in (32, 64, 128, 256, 512)
    assert count <= (512 if memory_gb * 1e9 >= 70 * 2**30 else 256)
    # Twice the memory is never for fewer.
    assert sequences_at_once(context, 2 * cache, Gpu("GPU", memory_gb, memory_gb)) >= count
    assert count < in_flight(count) <= count + max(2, count / 8)
