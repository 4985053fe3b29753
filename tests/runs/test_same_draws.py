"""When two runs drew with the same random numbers, as their manifests tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lrmtest.runs.manifest import EngineSection, ImportSection, Manifest, ModelSection
from lrmtest.runs.same_draws import same_draws


def run(engine="transformers", *, seed=0, temperature=1.0, seeded=True, server=None):
    return Manifest(
        model=ModelSection(name="m", engine=engine, served=server and {"server": server}),
        temperature=temperature,
        seed=seed,
        engine=EngineSection(engine=engine, seeded=seeded),
    )


@pytest.mark.parametrize("engine", ["transformers", "vllm", "llamacpp"])
def test_one_seed_on_one_engine_is_one_draw(engine):
    assert same_draws(run(engine), run(engine))


def test_a_server_draws_as_the_engine_that_it_is():
    assert same_draws(run("vllm"), run("openai", server="vllm"))
    assert same_draws(run("openai", server="llama.cpp"), run("llamacpp"))


@pytest.mark.parametrize(
    "other",
    [
        run(seed=1),
        run(seed=None),
        run("vllm"),
        run(seeded=False),
        run(temperature=0.0),
        replace(run(), imported={"s": ImportSection(tool="other")}),
    ],
    ids=["another seed", "no seed", "another engine", "unheeded", "greedy", "imported"],
)
def test_nothing_is_guessed(other):
    assert not same_draws(run(), other)
    assert not same_draws(other, run())


def test_recordings_and_unknown_servers_tell_nothing():
    assert not same_draws(run("recorded"), run("recorded"))
    assert not same_draws(run("openai"), run("openai"))
    assert not same_draws(run("openai", server="unknown"), run("openai", server="unknown"))
    assert not same_draws(Manifest(), Manifest())


def test_before_it_has_started_an_engine_of_lrmtests_own_is_known_to_heed_seeds():
    def before(engine, server=None):
        return replace(run(engine, server=server), engine=EngineSection())

    assert same_draws(run("vllm"), before("vllm"))
    assert same_draws(run("vllm"), before("openai", "vllm"))
    assert not same_draws(run("openai", server="sglang"), before("openai", "sglang"))
    assert not same_draws(before("openai"), before("openai"))
