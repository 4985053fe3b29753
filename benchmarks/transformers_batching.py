"""Steps on fixed tensors, eager and as CUDA graphs, against what else can run a transformers model.

    python benchmarks/transformers_batching.py --device cuda --models tiny-lrm 135m 8b
    python benchmarks/transformers_batching.py --device cpu --quick
    python benchmarks/transformers_batching.py --models MODEL --ways dynamic padded manager

A model is tiny-lrm, a shape with random weights (tiny, 135m, 8b), a GGUF file or a folder. All
chats are there at once, with random prompts; budgets are spread from an eighth of --tokens to all
of it, as lengths of reasoning are, and nothing ends earlier. The ways:

    eager     steps of fixed shapes, one by one
    graphs    the same steps as CUDA graphs; without a GPU a stand-in that runs each step
    dynamic   steps as long as the longest sequence; what a CPU gets
    manager   the library's continuous batching. It has no seed per request: greedy only
    padded    the library's generate, padded on the left; everything is there at the end. Greedy

Every way is run once on a few chats before it is timed, so that what is set up at first use does
not count, except recordings, which are made anew: "recording" is their part of the seconds. "Same
texts" counts chats whose tokens are those of the first way. Peak memory is the GPU's, weights
included. A way that fails says why and the others go on.
"""

from __future__ import annotations

import argparse
import gc
import time
from dataclasses import dataclass

import torch
from llama_shapes import LLAMA_8B, SMOLLM2_135M, Shape
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM

from lrmtest.models.cards import load_cards
from lrmtest.models.engines.base import Request, Sampling
from lrmtest.models.engines.tokenizers.checkpoint_files import (
    first_line,
    pretrained_arguments,
    quiet,
)
from lrmtest.models.engines.transformers.batcher import Batcher, Running
from lrmtest.models.engines.transformers.fixed_slots import FixedSlots, why_not_fixed
from lrmtest.models.engines.transformers.slots import Slots
from lrmtest.models.engines.transformers.steps import RecordedSteps
from lrmtest.models.resolve import resolve
from lrmtest.questions.place import Place

WAYS = ("eager", "graphs", "dynamic", "manager")
STALLED = 120.0  # seconds without a result from the library's manager
SHAPES = {"tiny": Shape(2000, 64, 128, 2, 4, 2), "135m": SMOLLM2_135M, "8b": LLAMA_8B}
TIED = ("135m",)


@dataclass
class Load:
    """What is generated: prompts, how many tokens of each, and how they are drawn."""

    prompts: list[list[int]]
    budgets: list[int]
    temperature: float
    top_p: float

    def first(self, chats, tokens):
        """Some of it."""
        budgets = [min(tokens, budget) for budget in self.budgets[:chats]]
        return Load(self.prompts[:chats], budgets, self.temperature, self.top_p)


class Greedy(Exception):
    """A way that cannot be compared, as it has no seed per request."""


def generated_in(slots, load):
    batcher = Batcher(slots, frozenset(), limit=len(load.prompts), memory=1 << 36)
    sequences = []
    for i, (prompt, budget) in enumerate(zip(load.prompts, load.budgets, strict=True)):
        sampling = Sampling(budget, load.temperature, load.top_p)
        request = Request(Place(str(i), "", "", 0), (), sampling, i)
        sequences.append(Running(request, 0.0, prompt))
    batcher.add(sequences)
    while batcher.unfinished():
        batcher.step()
    for sequence in sequences:
        if sequence.error is not None:
            raise sequence.error
    return [sequence.generated for sequence in sequences]


def dynamic(model, load):
    return generated_in(Slots(model), load), ""


def eager(model, load):
    return generated_in(FixedSlots(model), load), ""


def graphs(model, load):
    told = []
    if model.device.type == "cuda":
        from lrmtest.models.engines.transformers.cuda_graphs import graph_steps

        steps = graph_steps(model.device, told.append)
    else:
        steps = RecordedSteps(run_again, told.append)
    texts = generated_in(FixedSlots(model, steps), load)
    note = f"recording {steps.seconds:.2f} s, {steps.made} shapes"
    return texts, "; ".join([note, *told])


def run_again(once):
    once()
    return once


def manager(model, load):
    from transformers import ContinuousBatchingConfig

    if load.temperature:
        raise Greedy
    page = 64 if model.device.type == "cpu" else 256
    pages = sum((len(p) + b) // page + 2 for p, b in zip(load.prompts, load.budgets, strict=True))
    config = ContinuousBatchingConfig(
        page_size=page,
        num_blocks=pages,
        max_batch_tokens=1024,
        safety_margin=0.0,
        use_cuda_graph=model.device.type == "cuda",
    )
    batching = model.init_continuous_batching(
        GenerationConfig(do_sample=False, eos_token_id=-1), config
    )
    batching.start()
    texts, last = {}, time.monotonic()
    try:
        for i, (prompt, budget) in enumerate(zip(load.prompts, load.budgets, strict=True)):
            batching.add_request(prompt, request_id=str(i), max_new_tokens=budget)
        while len(texts) < len(load.prompts):
            result = batching.get_result(timeout=1)
            if result is not None and result.is_finished():
                texts[int(result.request_id)] = list(result.generated_tokens)
                last = time.monotonic()
            elif not batching.is_running() or time.monotonic() - last > STALLED:
                raise RuntimeError(f"it stopped with {len(texts)} of {len(load.prompts)} texts")
    finally:
        batching.stop(block=True, timeout=30)
    return [texts[i] for i in range(len(texts))], ""


def padded(model, load):
    if load.temperature:
        raise Greedy
    width, device = max(map(len, load.prompts)), model.device
    output = model.generate(
        torch.tensor([[0] * (width - len(p)) + p for p in load.prompts], device=device),
        attention_mask=torch.tensor(
            [[0] * (width - len(p)) + [1] * len(p) for p in load.prompts], device=device
        ),
        max_new_tokens=max(load.budgets),
        min_new_tokens=max(load.budgets),
        do_sample=False,
        pad_token_id=0,
    )
    texts = output[:, width:].tolist()
    return [text[:budget] for text, budget in zip(texts, load.budgets, strict=True)], ""


def loaded(name, device, dtype):
    if name in SHAPES:
        config = LlamaConfig(
            max_position_embeddings=32_768,
            attn_implementation="sdpa",
            tie_word_embeddings=name in TIED,
            **vars(SHAPES[name]),
        )
        torch.manual_seed(0)
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            with torch.device(device):
                return LlamaForCausalLM(config).eval()
        finally:
            torch.set_default_dtype(before)
    location = resolve(name, load_cards()).location if name == "tiny-lrm" else name
    folder, arguments = pretrained_arguments(location)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="sdpa", **arguments
    )
    return model.to(device).eval()


def measure(name, way, model, load, first):
    cuda = model.device.type == "cuda"
    label = f"{name:9} T={load.temperature:<4g} {way:8}"
    run = globals()[way]
    try:
        run(model, load.first(chats=3, tokens=4))
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            torch.cuda.synchronize()
        begun, cpu = time.perf_counter(), time.process_time()
        texts, note = run(model, load)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    except Greedy:
        return first
    except Exception as error:
        print(f"{label} failed: {type(error).__name__}: {first_line(error)}", flush=True)
        return first
    finally:
        gc.collect()
    first = first or texts
    tokens = sum(load.budgets)
    same = sum(a == b for a, b in zip(first, texts, strict=True))
    line = f"{label} {tokens / seconds:9.1f} tokens/s {tokens / cpu:9.1f} per CPU s, "
    line += f"{seconds:.2f} s, same texts {same}/{len(texts)}"
    if cuda:
        line += f", peak {torch.cuda.max_memory_reserved() / 1e9:.2f} GB"
    print(line + (f", {note}" if note else ""), flush=True)
    return first


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["tiny-lrm", "135m", "8b"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="else by the device")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=(*WAYS, "padded"))
    parser.add_argument("--chats", type=int, help="at once; else 60 for tiny-lrm, 64 for others")
    parser.add_argument("--prompt", type=int, default=60, help="tokens of the longest prompt")
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--temperatures", nargs="+", type=float, default=[0.0, 0.6])
    parser.add_argument(
        "--top-p", type=float, help="else 0.95, and 1 for shapes, whose nuclei are everything"
    )
    parser.add_argument("--threads", type=int, help="with 1, CPU seconds hold on a busy machine")
    parser.add_argument("--quick", action="store_true", help="tiny-lrm and tiny, few short chats")
    args = parser.parse_args()
    if args.quick:
        args.models, args.chats, args.tokens, args.prompt = ["tiny-lrm", "tiny"], 8, 48, 20
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    cuda = device.type == "cuda"
    dtype = getattr(torch, args.dtype or ("bfloat16" if cuda else "float32"))
    where = (
        torch.cuda.get_device_name(device) if cuda else f"CPU, {torch.get_num_threads()} threads"
    )
    print(f"{where}, {str(dtype).removeprefix('torch.')}, torch {torch.__version__}", flush=True)

    for name in args.models:
        with quiet(), torch.inference_mode():
            model = loaded(name, device, dtype)
            if (why := why_not_fixed(model)) is not None:
                print(f"{name}: has no fixed steps: {why}", flush=True)
            chats = args.chats or (60 if name == "tiny-lrm" else 64)
            random = torch.Generator().manual_seed(0)
            prompts = [
                torch.randint(5, model.config.vocab_size, (size,), generator=random).tolist()
                for size in (max(1, args.prompt - i % 8) for i in range(chats))
            ]
            budgets = [max(1, args.tokens * (1 + i % 8) // 8) for i in range(chats)]
            for temperature in args.temperatures:
                first = None
                for way in args.ways:
                    top_p = args.top_p or (1.0 if name in SHAPES else 0.95)
                    load = Load(prompts, budgets, temperature, top_p)
                    first = measure(name, way, model, load, first)
            del model
            gc.collect()
            if cuda:
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
