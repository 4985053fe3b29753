"""Reading against llama.cpp's own llama-perplexity --kl-divergence, on the same tokens.

    python benchmarks/reading_kl.py tiny-lrm --types F32,Q8_0,Q4_0,Q2_K [--reader FOLDER]

llama-perplexity cuts a text into chunks, writes the parent's probabilities for the second half of
each to a file, with the tokens, and then says how far another GGUF file is from them. The same
tokens are read here with the same two files on transformers, each chunk being a trace whose prompt
is its first half. transformers unpacks the weights and computes with 32 bits; llama.cpp rounds
what it multiplies with quantized weights to 8 bits, what it multiplies with 16-bit ones to those.
So of 32-bit weights (F32) both should say the same but for the file's own 16 bits, and of others
they differ by llama.cpp's arithmetic. `--reader` names a folder whose weights are the reader's
before they are converted, such as a pruned one; else it is the parent, quantized.
"""

from __future__ import annotations

import argparse
import re
import struct
import subprocess
import tempfile
import time
from array import array
from dataclasses import replace
from pathlib import Path

from lrmtest.analysis.reading_summary import summarize_reading
from lrmtest.models.cards import load_cards
from lrmtest.models.engines.kinds import create_reader
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.fetch.files import fetch
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.models.programs.llamacpp import find_llama_program
from lrmtest.models.reading import Shaping, Written
from lrmtest.models.resolve import resolve
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place

_MAGIC = b"_logits_"
_PLAIN = Shaping(1.0)


def run(name: str, *words: object) -> str:
    """What a program of llama.cpp prints."""
    program = find_llama_program(name)
    done = subprocess.run(
        [program.path, *map(str, words)],
        env={**program.environment, "OMP_WAIT_POLICY": "passive"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def as_gguf(model: str, folder: Path, kind: str) -> Path:
    """A model's weights as a GGUF file of one type."""
    spec = resolve(model, load_cards(), engine="llamacpp")
    source = fetch(spec)
    target = folder / f"{spec.name}-{kind}.gguf"
    run("llama-quantize", "--pure", "--allow-requantize", source, target, kind)
    return target


def chunks_of(base: Path, model: Path) -> list[Written]:
    """The chunks of the file that llama-perplexity writes, each as a trace."""
    data = base.read_bytes()
    if not data.startswith(_MAGIC):
        raise SystemExit(f"{base} is not what llama-perplexity writes")
    context, _, count = struct.unpack_from("<Iii", data, len(_MAGIC))
    ids = array("i", data[len(_MAGIC) + 12 :][: 4 * context * count])
    metadata = read_gguf_header(model).metadata
    bos = metadata.get("tokenizer.ggml.bos_token_id")
    # It begins every chunk with the token that begins texts, where the model has one.
    add = metadata.get("tokenizer.ggml.add_bos_token", False)
    first = context // 2
    found = []
    for number in range(count):
        chunk = ids[number * context : (number + 1) * context]
        if add and isinstance(bos, int):
            chunk[0] = bos
        trace = Trace(
            array("I", chunk[: first + 1]), array("I", chunk[first + 1 :]), array("f"), ended=False
        )
        found.append(Written(Place(str(number), "chunks", str(number), 0), trace, _PLAIN))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="the parent, as for --model")
    parser.add_argument("--reader", help="a folder; default: the parent")
    parser.add_argument("--types", default="F32,Q8_0,Q4_0,Q2_K")
    parser.add_argument("--text", type=Path, required=True, help="a file of text")
    parser.add_argument("--context", type=int, default=128, help="tokens of a chunk")
    parser.add_argument("--parent-type", default="F32")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parent = as_gguf(given.model, folder, given.parent_type)
        base = folder / "base.kld"
        shared = ("-f", given.text, "-c", given.context, "-b", given.context)
        run("llama-perplexity", "-m", parent, *shared, "--kl-divergence-base", base)
        written = chunks_of(base, parent)
        print(f"{len(written)} chunks of {given.context} tokens")
        print("type   KL llama.cpp   KL read  PPL llama.cpp   PPL read  seconds  seconds")
        for kind in given.types.split(","):
            reader_folder = folder / "reader"
            reader_folder.mkdir(exist_ok=True)
            reader = as_gguf(given.reader or given.model, reader_folder, kind)
            began = time.perf_counter()
            told = run(
                "llama-perplexity",
                "-m",
                reader,
                *shared,
                "--kl-divergence-base",
                base,
                "--kl-divergence",
            )
            theirs_took = time.perf_counter() - began
            mean = float(re.search(r"Mean\s+KLD:\s+(-?[\d.e-]+)", told)[1])
            perplexity = float(re.search(r"Mean PPL\(Q\)\s*:\s+([\d.e+]+)", told)[1])
            began = time.perf_counter()
            ours = read(reader, parent, written)
            took = time.perf_counter() - began
            print(
                f"{kind:6} {mean:12.6f} {ours.divergence:9.6f} {perplexity:14.4f} "
                f"{2.718281828459045**ours.loss:10.4f} {theirs_took:8.1f} {took:8.1f}"
            )


def read(reader: Path, parent: Path, written: list[Written]):
    """The figures of all chunks together."""
    cards = load_cards()
    spec, beside = (
        replace(resolve(str(path), cards, engine="transformers"), location=str(path))
        for path in (reader, parent)
    )
    engine = create_reader(spec, EngineOptions(device="cpu", dtype="float32"), beside)
    readings = []
    engine.start(written)
    try:
        engine.read(written, lambda reading, floor: readings.append(reading))
    finally:
        engine.close()
    return summarize_reading(readings, {one.place.key: _PLAIN for one in written}).total


if __name__ == "__main__":
    main()
