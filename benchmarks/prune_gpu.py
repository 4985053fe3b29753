"""SparseGPT of a whole model, lrmtest's and llmcompressor's, on the same machine: time and memory.

    python benchmarks/prune_gpu.py                       # the shape of an 8B Llama on a GPU
    python benchmarks/prune_gpu.py --model FOLDER        # a checkpoint with safetensors
    python benchmarks/prune_gpu.py --shape tiny --samples 8 --tokens 64 --rounds 3     # on a CPU

A shape gets random weights in bfloat16, calibration is on random tokens, the same for both; what
is measured does not depend on either. Each way runs in a process of its own: once its modules are
imported, it loads the checkpoint, prunes layer by layer and saves the result. "GPU" is the most
that torch allocated and reserved there, "RSS" the process's peak in main memory. llmcompressor is
found as `lrmtest compress` finds it: LRMTEST_LLMCOMPRESSOR names its environment. 8B needs 48 GB
of disk in --scratch and 40 GB of main memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from llama_shapes import LLAMA_8B, SMOLLM2_135M, Shape

WAYS = ("lrmtest", "llmcompressor")
SHAPES = {"tiny": Shape(2000, 256, 704, 3, 8, 4), "135m": SMOLLM2_135M, "8b": LLAMA_8B}


def write_shape(name, folder):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    config = LlamaConfig(max_position_embeddings=8192, **vars(SHAPES[name]))
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(config)
    model.to("cpu").save_pretrained(folder)


def lrmtest(job, begin):
    from lrmtest.compress.protect import parse_protect
    from lrmtest.compress.pruning.prune import Job, prune
    from lrmtest.compress.pruning.sparsity import Sparsity

    begin()
    ends = []
    report = prune(
        Path(job["source"]),
        Path(job["out"]),
        Job("sparsegpt", Sparsity(job["sparsity"]), parse_protect((), 0)),
        job["sequences"],
        lambda *_: ends.append(time.perf_counter()),
    )
    layers = [b - a for a, b in pairwise(ends)]
    return {
        "zeros": report.total.sparsity,
        "layer": statistics.median(layers) if layers else None,
    }


def llmcompressor(job, begin):
    import torch
    from llmcompressor import oneshot
    from llmcompressor.modifiers.pruning import SparseGPTModifier
    from tokenizers import Tokenizer, models
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))  # it wants one and does not use it
    begin()
    model = AutoModelForCausalLM.from_pretrained(
        job["source"], dtype="auto", attn_implementation="sdpa", local_files_only=True
    )
    samples = []
    for sequence in job["sequences"]:
        tensor = torch.tensor([sequence])
        samples.append({"input_ids": tensor, "attention_mask": torch.ones_like(tensor)})
    oneshot(
        model=model,
        processor=PreTrainedTokenizerFast(tokenizer_object=words),
        dataset=torch.utils.data.DataLoader(samples, batch_size=None),
        recipe=[
            SparseGPTModifier(sparsity=job["sparsity"], targets=["Linear"], ignore=["lm_head"])
        ],
        pipeline="sequential",
        num_calibration_samples=len(samples),
        shuffle_calibration_samples=False,
    )
    model.save_pretrained(job["out"])
    matrices = [
        module.weight
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name
    ]
    zeros = sum(int((weight == 0).sum()) for weight in matrices)
    return {"zeros": zeros / sum(weight.numel() for weight in matrices), "layer": None}


def work(way, path):
    """In the process of a way: do the job, write what it took beside it."""
    job = json.loads(path.read_text())
    import torch
    import transformers.models.llama.modeling_llama  # noqa: F401  # seconds, and loaded on demand
    from transformers import AutoModelForCausalLM  # noqa: F401

    if job["threads"]:
        torch.set_num_threads(job["threads"])
    clocks = time.perf_counter, time.process_time
    begun = [0.0, 0.0]

    def begin():  # once everything is imported
        begun[:] = [clock() for clock in clocks]

    result = globals()[way](job, begin)
    if cuda := torch.cuda.is_available():
        torch.cuda.synchronize()
    result |= {
        "seconds": clocks[0]() - begun[0],
        "cpu": clocks[1]() - begun[1],
        "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "allocated": torch.cuda.max_memory_allocated() if cuda else 0,
        "reserved": torch.cuda.max_memory_reserved() if cuda else 0,
        "device": torch.cuda.get_device_name() if cuda else "CPU",
        "torch": torch.__version__,
    }
    path.with_suffix(".result").write_text(json.dumps(result))


def measured(way, python, job, scratch, log):
    job = {**job, "out": str(scratch / "out")}
    Path(job["out"]).mkdir()
    path = scratch / "job.json"
    path.write_text(json.dumps(job))
    command = [python, __file__, "--work", way, str(path)]
    try:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=scratch)
        if done.returncode:
            return None
        return json.loads(path.with_suffix(".result").read_text())
    finally:
        shutil.rmtree(job["out"])
        path.with_suffix(".result").unlink(missing_ok=True)


def told(way, result):
    gigabytes = {name: result[name] / 1e9 for name in ("allocated", "reserved", "rss")}
    layer = f", {result['layer']:.2f} s a layer" if result["layer"] else ""
    gpu = "GPU {allocated:.1f} GB allocated, {reserved:.1f} reserved, ".format(**gigabytes)
    print(
        f"{way:14} {result['seconds']:8.1f} s, {result['cpu']:8.1f} CPU s{layer}, "
        f"{gpu if result['reserved'] else ''}RSS {gigabytes['rss']:.1f} GB, "
        f"zeros {100 * result['zeros']:.2f} %   ({result['device']}, torch {result['torch']})",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=SHAPES, default="8b")
    parser.add_argument("--model", type=Path, help="a folder, in place of a shape")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--sparsity", type=float, default=0.5)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, help="with 1, CPU seconds hold on a busy machine")
    parser.add_argument("--scratch", type=Path, help="where checkpoints are written for a while")
    args = parser.parse_args()

    from lrmtest.compress.llmcompressor.environment import find_llmcompressor
    from lrmtest.errors import LrmtestError

    pythons = {"lrmtest": sys.executable}
    if "llmcompressor" in args.ways:
        try:
            pythons["llmcompressor"] = str(find_llmcompressor().python)
        except LrmtestError as error:
            print(f"llmcompressor is left out: {error}", flush=True)
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        scratch = Path(folder)
        source = args.model.resolve() if args.model else scratch / "model"
        if not args.model:
            # In a process of its own, so that none of the weights stay here.
            command = [sys.executable, __file__, "--write", args.shape, str(source)]
            subprocess.run(command, check=True)
        size = json.loads((source / "config.json").read_text())["vocab_size"]
        draw = random.Random(0)
        job = {
            "source": str(source),
            "sparsity": args.sparsity,
            "threads": args.threads,
            "sequences": [
                [draw.randrange(size) for _ in range(args.tokens)] for _ in range(args.samples)
            ],
        }
        results = {way: [] for way in pythons if way in args.ways}
        for _ in range(args.rounds):
            for way, found in results.items():
                with tempfile.TemporaryFile() as log:
                    result = measured(way, pythons[way], job, scratch, log)
                    if result is None:
                        log.seek(max(0, log.seek(0, os.SEEK_END) - 2000))
                        print(f"{way} failed:\n{log.read().decode(errors='replace')}", flush=True)
                        continue
                found.append(result)
                told(way, result)
    medians = {
        way: {name: statistics.median(r[name] for r in found) for name in ("seconds", "cpu")}
        for way, found in results.items()
        if found
    }
    if len(medians) == 2:
        ours, theirs = (medians[way] for way in WAYS)
        print(
            f"lrmtest takes {ours['seconds'] / theirs['seconds']:.2f} of llmcompressor's seconds, "
            f"{ours['cpu'] / theirs['cpu']:.2f} of its CPU seconds"
        )
    if not medians:
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--write"]:
        write_shape(sys.argv[2], sys.argv[3])
    else:
        main()
