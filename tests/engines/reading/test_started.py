"""Reading with servers that are started here, real ones: what transformers reads, they read."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace

import pytest

pytest.importorskip("torch")

import tiny_checkpoint
from ports import foreign_llama, own_port
from processes import descendants
from written_traces import draw_traces

from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.base import Message
from lrmtest.models.engines.kinds import create_reader
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.gguf.from_safetensors import converted
from lrmtest.models.programs.vllm import find_vllm
from lrmtest.models.reading import Shaping
from lrmtest.models.spec import ModelSpec

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]

CONVERSATIONS = [
    (Message("user", "What is the third word of this?"),),
    (Message("system", "Be brief."), Message("user", "48 + 17 </s> the <think> <s>")),
]
PROMPTS = [[257, n, 40, 7] for n in range(5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reading") / "m"
    tiny_checkpoint.save(folder, dtype="float32")
    return folder


def read(engine, location, written, **options):
    spec = ModelSpec("m", ModelCard("m", engine=engine), engine, str(location))
    reader = create_reader(spec, EngineOptions(device="cpu", **options))
    found = {}
    try:
        info = reader.start(written)
        reader.read(written, lambda one, floor: found.update({one.place: one}))
        prompts = [list(one) for one in reader.prompts(CONVERSATIONS)]
    finally:
        reader.close()
    return [found[one.place] for one in written], info, prompts


def check(engine, folder, location, **options):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    written = []
    for shaping in (Shaping(0.7, 0.9), Shaping(0.0)):
        # The last token ends a text, which no server may take for the end of what it is to do.
        first, *more = draw_traces(model, PROMPTS, shaping, 7)
        first.trace.tokens[3] = first.trace.tokens[-1] = 258
        for one in (first, *more):
            place = replace(one.place, suite=f"temperature {shaping.temperature}")
            written.append(replace(one, place=place))
    here, _, prompts = read("transformers", folder, written)
    there, info, others = read(engine, location, written, **options)
    # What each would be given to generate from, by its own tokenizer and template.
    assert prompts == others
    assert all(prompts)
    assert info.engine.engine == engine
    for one, other in zip(here, there, strict=True):
        assert list(other.own) == pytest.approx(list(one.own), abs=0.02)
        for exact, low, high in zip(one.lowest, other.lowest, other.highest, strict=True):
            assert low <= exact + 0.02 or low == exact
            assert exact <= high + 0.02
    assert not descendants()


def test_a_llama_server_reads_what_transformers_reads(folder, llama_server):
    check("llamacpp", folder, converted(folder))


def test_two_llama_servers_read_what_one_reads(folder, llama_server):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    written = draw_traces(model, PROMPTS, Shaping(0.0), 7)
    file = converted(folder)
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(
                foreign_llama(llama_server, file, stack.enter_context(own_port()), "--jinja")
            )
            for _ in range(2)
        )
        alone, _, prompts = read("openai", f"{one}/v1", written)
        together, _, same = read("replicas", f"{one}/v1,{two}/v1", written)
    assert same == prompts
    for here, there in zip(alone, together, strict=True):
        assert list(there.own) == pytest.approx(list(here.own), abs=0.02)


@pytest.mark.usefixtures("quick_vllm")
def test_vllm_reads_what_transformers_reads(tmp_path):
    try:
        find_vllm()
    except ModelError as error:
        pytest.skip(str(error))
    folder = tmp_path / "m"
    # On a CPU vLLM has no kernel for heads of 8 numbers.
    tiny_checkpoint.save(folder, dtype="float32", num_attention_heads=1, num_key_value_heads=1)
    check("vllm", folder, folder, dtype="float32")


def test_a_trace_that_does_not_fit_starts_no_server(folder, llama_server):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    written = draw_traces(model, [[257] * 509], Shaping(1.0), 3)
    with pytest.raises(UsageError, match=re.compile("512")):
        read("llamacpp", converted(folder), written)
    assert not descendants()
