"""Attribution against really restoring every module: `python benchmarks/locate.py FOLDER`.

tiny-lrm answers generated questions at temperature 1 and keeps its traces; variants of it are
rounded, pruned and quantized. For each: the loss of the parent's passing traces, the rank
correlation (Spearman's) of the ranks that `lrmtest locate` gives with what restoring each module
mends, the same for what it predicts, before it has really restored any, for first order alone and
for relative weight error, the seconds of both, and the first modules within a share of the weights,
restored together, against 20 random sets of as many, and against those of the first ranks.

With ``--generate K`` it measures what passes instead: K samples of each question with the variant,
with the first ranks within ``--share`` of the weights restored, and with each of 20 random sets of
as many; what was generated is kept in FOLDER. ``--model`` takes another model, and ``--traces`` a
run of it in FOLDER/reports.

What is there already in FOLDER is not made again, but for the figures. The command ends with
status 1 where a variant that has lost something (0.01 nats a trace, or more) has a correlation
below 0.95; `--variants` chooses.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrmtest.analysis.location import LITTLE, Location, fitting, restored_against
from lrmtest.analysis.rank_correlation import spearman
from lrmtest.analysis.units import Unit
from lrmtest.cli.reading_models import reading_model
from lrmtest.locate import job
from lrmtest.locate.generating.traced_questions import traced_questions
from lrmtest.locate.opening import open_stack
from lrmtest.locate.task import LocateTask
from lrmtest.models.cards import load_cards
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.spec import ModelSpec
from lrmtest.runs.readable_traces import ReadableTraces, traces_to_read

PARENT = "tiny-lrm"
LEAST = 0.95
VARIANTS = (
    *("rounding:4", "rounding:3", "magnitude:0.65", "magnitude:0.75", "wanda:0.65"),
    *("sparsegpt:0.7", "sparsegpt:0.8", "gguf:Q2_K", "gguf:IQ2_XXS"),
)
"""Rounding is to the nearest of as many bits, a scale for each row."""

CONFIRM = 5
"""First ranks that are really restored, as `lrmtest locate` does unless told otherwise."""
_EVERY = 10_000
"""Ranks that are restored: all."""


def command(*words: str) -> None:
    """Run a module of Python's with arguments."""
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")


def rounded(parent: Path, folder: Path, bits: int) -> None:
    """Write a copy of a checkpoint with its layers' matrices rounded."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(parent, folder)
    tensors = load_file(parent / "model.safetensors")
    for name, weight in tensors.items():
        if ".layers." in name and weight.dim() == 2:
            scale = weight.float().abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
            scale = scale.clamp(min=1e-12)
            tensors[name] = ((weight.float() / scale).round() * scale).to(weight.dtype)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def passing_row(
    folder: Path,
    traces: ReadableTraces,
    parent: ModelSpec,
    variant: str,
    samples: int,
    share: float,
    unit: Unit,
) -> dict[str, Any]:
    """What of the questions passes with which weights of a variant restored."""
    options = EngineOptions(device="cpu")
    model = reading_model(
        made(folder, parent, variant), load_cards([], None), "transformers", options
    )
    store = folder / "reports" / "lrmtest.sqlite"
    questions = {one.place.question for one in traces.written}
    asked = traced_questions(store, traces.run_id, questions, samples)
    task = LocateTask(
        *(model.spec, parent, options, traces.run_id, traces.written),
        confirm=CONFIRM,
        share=share,
        asked=asked,
        unit=unit,
    )
    begun = time.monotonic()
    found = job.locate_damage(task, folder / "passing", lambda *_: None)
    assert found.top is not None
    assert found.passes is not None
    names, top = found.top
    passes = found.passes
    random = [one.value or 0.0 for one in passes.random]
    gain = passes.gain_interval
    return {
        "variant": variant,
        "loss": found.loss.value,
        "top": list(names),
        "top_share": found.top_share,
        "top_mends": top.mend.value,
        "beaten_by_loss": top.beaten,
        "questions": passes.questions,
        "parent": passes.parent.value,
        "passes": passes.variant.value,
        "restored": passes.restored.value,
        "gain": [passes.gain, gain.low, gain.high],
        "p": passes.p_different,
        "random": [sum(random) / len(random), min(random), max(random)],
        "beaten": passes.beaten,
        "draws": len(random),
        "seconds": time.monotonic() - begun,
    }


def passing_table(
    folder: Path,
    traces: ReadableTraces,
    parent: ModelSpec,
    variants: Sequence[str],
    samples: int,
    share: float,
    unit: Unit,
) -> list[dict[str, Any]]:
    """Print a line for each variant; their figures."""
    print(
        "| variant | loss | parent | variant passes | restored passes | points more | p "
        "| random, mean (lowest to highest) | more than, by loss | by pass rate | s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for name in variants:
        one = passing_row(folder, traces, parent, name, samples, share, unit)
        rows.append(one)
        gain, low, high = (100 * each for each in one["gain"])
        mean, least, most = (100 * each for each in one["random"])
        print(
            f"| {name} | {one['loss']:.3g} | {100 * one['parent']:.1f} % "
            f"| {100 * one['passes']:.1f} % | {100 * one['restored']:.1f} % "
            f"| {gain:+.1f} [{low:+.1f}, {high:+.1f}] | {one['p']:.2g} "
            f"| {mean:.1f} ({least:.1f} to {most:.1f}) % "
            f"| {one['beaten_by_loss']} of {one['draws']} | {one['beaten']} of {one['draws']} "
            f"| {one['seconds']:.0f} |",
            flush=True,
        )
    return rows


def made(folder: Path, parent: ModelSpec, variant: str) -> str:
    """Where a variant is; made if it is not there."""
    method, _, value = variant.partition(":")
    out = folder / variant.replace(":", "-").lower()
    if out.exists():
        return str(out)
    if method == "rounding":
        rounded(Path(parent.location), out, int(value))
        return str(out)
    option = {"gguf": "--type"}.get(method, "--sparsity")
    command(
        "lrmtest", "compress", parent.location, "-o", str(out), "--method", method, option, value
    )
    return str(out)


def traces_in(folder: Path, questions: str, run: str | None = None) -> ReadableTraces:
    """The parent's passing traces: those of a run, or tiny-lrm's, written if they are not there."""
    if run is not None:
        store = folder / "reports" / "lrmtest.sqlite"
        return traces_to_read(run, store, wanted=lambda each: each.outcome.passed)
    file = folder / "parent.traces"
    if not file.exists():
        asked = ("pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "lrmtest.suites.fresh")
        command(
            *(*asked, "--model", PARENT, "--engine", "transformers", "--temperature", "1"),
            *("--top-p", "1", "--samples", "2", "--fresh-count", questions, "--traces"),
            *("--reports-dir", str(folder / "reports")),
            *("--save-baseline", str(folder / "parent.json"), "--save-traces", str(file)),
        )
    store = folder / "reports" / "lrmtest.sqlite"
    return traces_to_read(str(file), store, wanted=lambda each: each.outcome.passed)


def weight_errors(task: LocateTask) -> dict[str, float]:
    """By module, the norm of what restoring adds over that of the parent's weights."""
    stacks = [open_stack(each, task.options, task.written) for each in (task.variant, task.parent)]
    found = {}
    for index in range(len(stacks[0].layers)):
        own, its = (stack.linears(index) for stack in stacks)
        for name, linear in own.items():
            weight = its[name].weight
            found[name] = float((weight - linear.weight).norm() / weight.norm())
    return found


def timed(name: str) -> dict[bool, float]:
    """Have a function of the job's timed from now on.

    Returns:
        The seconds of its calls; of `attribute`, beside nothing and beside restored modules.
    """
    function, seconds = getattr(job, name), {False: 0.0, True: 0.0}
    function = getattr(function, "untimed", function)

    def called(*given: Any, **named: Any) -> Any:
        begun = time.monotonic()
        found = function(*given, **named)
        seconds[name == "attribute" and len(given) > 5] += time.monotonic() - begun
        return found

    called.untimed = function  # type: ignore[attr-defined]
    setattr(job, name, called)
    return seconds


def correlation(found: Location, values: Mapping[str, float | int]) -> float:
    """Of some figures of the modules with what restoring each of them mends."""
    measured = [one.restored.mend.value for one in found.modules if one.restored is not None]
    value = spearman([values[one.name] for one in found.modules], measured)
    return float("nan") if value is None else value


def by_rank(task: LocateTask, folder: Path, found: Location) -> tuple[list[str], float]:
    """The first ranks within the task's share, and what restoring them together mends."""
    weights = {one.name: one.weights for one in found.modules}
    names = fitting(list(weights), weights, task.share)
    work = job._Work(task, job._kept(task, folder), lambda *_: None)
    work._restore({"by-rank": frozenset(names)})
    return list(names), restored_against(work._traces(), ["by-rank"], [])["by-rank"].mend.value


def row(
    folder: Path,
    traces: ReadableTraces,
    parent: ModelSpec,
    variant: str,
    share: float,
    through_layers: int,
) -> dict[str, Any]:
    """A variant's figures."""
    options = EngineOptions(device="cpu")
    model = reading_model(
        made(folder, parent, variant), load_cards([], None), "transformers", options
    )
    task = LocateTask(
        *(model.spec, parent, options, traces.run_id, traces.written),
        confirm=_EVERY,
        share=share,
        through_layers=through_layers,
    )
    kept = folder / "located"
    shutil.rmtree(kept, ignore_errors=True)
    seconds = {name: timed(name) for name in ("attribute", "losses_restored")}
    found = job.locate_damage(task, kept, lambda *_: None)
    ranks = job.locate_damage(replace(task, confirm=CONFIRM), kept, lambda *_: None)
    (lines,) = kept.iterdir()
    slopes: dict[str, float] = {}
    restored = 0
    for line in map(json.loads, filter(None, lines.read_text().splitlines())):
        for module, parts in line.get("slopes", {}).items():
            slopes[module] = slopes.get(module, 0.0) + sum(parts)
        restored = max(restored, len(line.get("restored", {})))
    assert found.top is not None
    names, top = found.top
    first_ranks, first_mend = by_rank(replace(task, confirm=CONFIRM), kept, ranks)
    return {
        "variant": variant,
        "loss": found.loss.value,
        "correlation": correlation(found, {one.name: -one.rank for one in ranks.modules}),
        "measured": sum(one.restored is not None for one in ranks.modules),
        "predicted": correlation(found, {one.name: one.predicted.value for one in found.modules}),
        "first_order": correlation(found, slopes),
        "weight_error": correlation(found, weight_errors(task)),
        "attribution_s": seconds["attribute"][False],
        "beside_s": seconds["attribute"][True],
        "restoring_s": seconds["losses_restored"][False],
        "sets": restored,
        "top": list(names),
        "top_mends": top.mend.value,
        "beaten": top.beaten,
        "draws": top.draws,
        "by_rank": first_ranks,
        "by_rank_mends": first_mend,
    }


def main() -> int:
    """Run all variants."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    parser.add_argument("--questions", default="10", help="of each family (default: 10)")
    parser.add_argument("--model", default=PARENT, help="the parent (default: tiny-lrm)")
    parser.add_argument("--traces", help="a run of the parent's in FOLDER/reports")
    parser.add_argument("--limit", type=int, help="so many traces, evenly taken")
    parser.add_argument("--share", type=float, default=0.02, help="restored together")
    parser.add_argument("--through", type=int, default=1, help="as of lrmtest locate")
    parser.add_argument("--generate", type=int, default=0, help="samples; measure what passes")
    parser.add_argument(
        "--unit", choices=("module", "row"), default="module", help="with --generate"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    traces = traces_in(given.folder, given.questions, given.traces)
    if given.limit is not None:
        step = max(1, len(traces.written) // given.limit)
        traces = replace(traces, written=traces.written[::step][: given.limit])
    options = EngineOptions(device="cpu")
    parent = reading_model(given.model, load_cards([], None), "transformers", options).spec
    print(f"{len(traces.written)} passing traces, {traces.tokens:,} tokens\n")
    if given.generate:
        rows = passing_table(
            *(given.folder, traces, parent, given.variants, given.generate, given.share, given.unit)
        )
        if given.json is not None:
            given.json.write_text(json.dumps(rows, indent=1) + "\n")
        return 0
    print(
        "| variant | loss | Spearman (measured) | predicted | first order | weight error "
        f"| attribution, s (beside) | restoring, s (sets) | first {100 * given.share:g} % mend "
        "| by rank | more than |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for name in given.variants:
        one = row(given.folder, traces, parent, name, given.share, given.through)
        rows.append(one)
        print(
            f"| {name} | {one['loss']:.3g} | {one['correlation']:.3f} ({one['measured']}) "
            f"| {one['predicted']:.3f} | {one['first_order']:.3f} | {one['weight_error']:.2f} "
            f"| {one['attribution_s']:.1f} ({one['beside_s']:.1f}) "
            f"| {one['restoring_s']:.1f} ({one['sets']}) | {one['top_mends']:.3g} "
            f"| {one['by_rank_mends']:.3g} | {one['beaten']} of {one['draws']} |",
            flush=True,
        )
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    low = [one for one in rows if one["loss"] >= LITTLE and not one["correlation"] >= LEAST]
    for one in low:
        print(f"{one['variant']}: {one['correlation']:.3f} is below {LEAST}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
