"""The paper's score, both forms, against restoring: `python benchmarks/behaviours.py PART FOLDER`.

`labels`: how far the rules agree with labels that were made by reading, `behaviour_labels.jsonl`
beside this file, on the recorded outputs in $LRMTEST_DATA_DIR. That file has hashes of sentences
and no text, since the outputs are not ours to hand on.

`tiny-lrm`: its own traces (those of `benchmarks/locate.py`), and its variants.

`recorded --model DIR`: recorded outputs of a reasoning model in $LRMTEST_DATA_DIR, read by another
model, such as SmolLM2-135M, and by variants of it.

Both print, for each variant and behaviour: the segments, the rank correlation (Spearman's, over
modules) of the two forms' importances, and those of each form's importance and of the size of its
shift with what restoring a module would mend: every module really restored (`tiny-lrm`), or
predicted by attribution (`recorded`). And, for each form, the cosines of the four directions.

`cost --model DIR`: seconds and tokens of segments' gradients, behind a cached prefix and without.

What is there already in FOLDER is not computed again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import locate as located

from lrmtest.analysis.agreement import agreement, one_against_rest
from lrmtest.analysis.behaviour_scores import ScoredSegment, importances
from lrmtest.analysis.behaviours import BEHAVIOURS, SCORED, segments_of
from lrmtest.analysis.rank_correlation import spearman
from lrmtest.cli.reading_models import reading_model
from lrmtest.locate import job
from lrmtest.locate.behaviours.job import score_behaviours
from lrmtest.locate.behaviours.segmented import SegmentedTrace, TokenSegment, segmented, text_of
from lrmtest.locate.behaviours.task import BehaviourTask
from lrmtest.locate.task import LocateTask
from lrmtest.models.cards import load_cards
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.reading import Shaping, Written
from lrmtest.models.spec import ModelSpec
from lrmtest.models.token_texts import token_texts
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place

LABELS = Path(__file__).with_name("behaviour_labels.jsonl")
RECORDED = "recorded/r1-distill-llama-8b-awq-4bit.{}.jsonl"
OPTIONS = EngineOptions(device="cpu")
FORMS = ("correct", "as released")


def data_dir() -> Path:
    """Where the benchmarks' files are."""
    return Path(os.environ["LRMTEST_DATA_DIR"])


def outputs(suite: str) -> dict[str, str]:
    """The recorded outputs of a suite, by question."""
    lines = (data_dir() / RECORDED.format(suite)).read_text("utf-8").splitlines()
    rows = map(json.loads, lines)
    return {str(row["question"]): row["output"] for row in rows}


def asked(suite: str) -> dict[str, str]:
    """The questions of a suite, by their ids in the recordings."""
    folder = data_dir()

    def lines(name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]

    if suite == "aime":
        return {row["ID"]: row["Problem"] for row in lines("aime_2024.jsonl")}
    if suite == "folio":
        found = {}
        for number, row in enumerate(lines("folio_validation.jsonl")):
            premises = row["premises"]
            text = premises if isinstance(premises, str) else "\n".join(premises)
            found[str(number)] = f"{text}\n{row['conclusion']}"
        return found
    if suite == "temporal":
        rows = json.loads((folder / "bbh_temporal_sequences.json").read_text("utf-8"))["examples"]
        return {str(number): row["input"] for number, row in enumerate(rows)}
    return {str(row["id"]): row["question"] for row in lines("musique_100.jsonl")}


def digest(text: str) -> str:
    """What stands for a sentence in the file of labels."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def labelled_pairs() -> list[Counter[tuple[str, str]]]:
    """For each labelled trace: by rules and by reading, what its sentences do."""
    rows = [json.loads(line) for line in LABELS.read_text("utf-8").splitlines()]
    texts = {suite: (outputs(suite), asked(suite)) for suite in {row["suite"] for row in rows}}
    found: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
    rules: dict[tuple[str, str], dict[tuple[int, int], str]] = {}
    for row in rows:
        key = row["suite"], row["question"]
        outs, questions = texts[row["suite"]]
        text = outs[row["question"]]
        if digest(text[row["begin"] : row["end"]]) != row["sha256"]:
            raise RuntimeError(f"{key}: other outputs than those that were labelled")
        if key not in rules:
            rules[key] = {
                (each.begin, each.end): each.behaviour
                for each in segments_of(text, questions[row["question"]])
            }
        said = rules[key].get((row["begin"], row["end"]), "none")
        found.setdefault(key, Counter())[said, row["behaviour"]] += 1
    return list(found.values())


def labels() -> None:
    """Print the rules' agreement with the labels."""
    pairs = labelled_pairs()
    total = sum(pairs, Counter[tuple[str, str]]())
    print("| behaviour | by reading | by rules | kappa | 95 % |\n|---|---|---|---|---|")
    for name in ("all six", *BEHAVIOURS):
        one = pairs if name == "all six" else [one_against_rest(each, name) for each in pairs]
        found = agreement(one)
        assert found is not None
        read = sum(n for (_, label), n in total.items() if name in (label, "all six"))
        ruled = sum(n for (label, _), n in total.items() if name in (label, "all six"))
        print(
            f"| {name} | {read} | {ruled} | {found.kappa:.2f} "
            f"| {found.interval.low:.2f} to {found.interval.high:.2f} |"
        )
    same = sum(n for (a, b), n in total.items() if a == b)
    print(f"\n{total.total()} sentences of {len(pairs)} traces; the same for {same}")


def recorded_traces(model: ModelSpec, questions: int, tokens: int) -> list[Written]:
    """Recorded outputs as traces in a model's tokens, each after its question; cut off."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model.location)
    found = []
    for suite in ("aime", "folio", "temporal"):
        texts, ask = outputs(suite), asked(suite)
        for name in sorted(texts)[:questions]:
            prompt = tokenizer(f"{ask[name]}\n<think>\n", add_special_tokens=False).input_ids
            ids = tokenizer(texts[name], add_special_tokens=False).input_ids[:tokens]
            trace = Trace(array("I", prompt), array("I", ids), array("f"), ended=False)
            key = hashlib.sha256(f"{suite}\n{name}".encode()).hexdigest()
            found.append(Written(Place(key, suite, name, 0), trace, Shaping(1.0)))
    return found


def cut(model: ModelSpec, written: Sequence[Written]) -> list[SegmentedTrace]:
    """Traces with the segments that the rules find."""
    ids = {token for one in written for token in (*one.trace.prompt, *one.trace.tokens)}
    texts = token_texts(model.location, ids)
    found = []
    for one in written:
        said = text_of(one, texts)
        found.append(segmented(one, said.pieces, segments_of(said.text, said.asked)))
    return found


def scores(
    folder: Path, model: ModelSpec, traces: Sequence[SegmentedTrace]
) -> dict[str, dict[str, list[list[float]]]]:
    """By trace and module the scores of its segments in both forms."""
    found = score_behaviours(BehaviourTask(model, OPTIONS, traces), folder, lambda *_: None)
    return {key: one.scores for key, one in found.items()}


def segments(
    traces: Sequence[SegmentedTrace],
    own: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    parents: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    form: int,
) -> Iterator[ScoredSegment]:
    """The segments with their scores in a form."""
    for trace in traces:
        place = trace.written.place
        for number, segment in enumerate(trace.segments):
            its, theirs = own[place.key], parents[place.key]
            yield ScoredSegment(
                place.question,
                SCORED[segment.behaviour],
                segment.end - segment.begin,
                {name: values[form][number] for name, values in its.items()},
                {name: values[1 - form][number] for name, values in its.items()},
                {name: values[form][number] for name, values in theirs.items()},
            )


def cosines(folder: Path, model: ModelSpec, traces: Sequence[SegmentedTrace]) -> list[str]:
    """For each form the cosines of the behaviours' directions: median over modules and range."""
    from lrmtest.locate.behaviours.kept_scores import read_sums
    from lrmtest.locate.opening import open_stack

    task = BehaviourTask(model, OPTIONS, traces)
    stack = open_stack(model, OPTIONS, [one.written for one in traces])
    widths = {name: rows for name, (rows, _) in stack.shapes.items()}
    sums, _ = read_sums(folder / f"{task.identity()[:32]}.safetensors", widths, len(SCORED))
    there = [c for c in range(len(SCORED)) if any(each.with_behaviour[c] for each in sums.values())]
    lines = []
    for form, name in enumerate(FORMS):
        values = sorted(
            float(unit[a] @ unit[b])
            for each in sums.values()
            for unit in [each.directions()[form] / each.directions()[form].norm(dim=-1)[:, None]]
            for a, b in combinations(there, 2)
        )
        if values:
            middle = values[len(values) // 2]
            lines.append(
                f"{name}: cosines of two behaviours' directions: median {middle:.3f}, "
                f"{values[0]:.3f} to {values[-1]:.3f}"
            )
    return lines


def row(name: str, found: Sequence[Any], restored: Mapping[str, float] | None) -> Iterator[str]:
    """The lines of a variant's table; `found` has the importances in both forms."""
    for correct, released in zip(*(each.behaviours for each in found), strict=True):
        cells = []
        for each in (correct, released):
            names = [one.name for one in each.modules]
            mends = [] if restored is None else [restored[one] for one in names]
            for values in (
                [one.importance for one in each.modules],
                [abs(one.shift.value) for one in each.modules],
            ):
                value = spearman(values, mends) if mends else None
                cells.append("–" if value is None else f"{value:.2f}")
        firsts = [
            max(each.modules, key=lambda one: one.importance).name.removeprefix("model.layers.")
            for each in (correct, released)
        ]
        forms = "–" if correct.forms is None else f"{correct.forms:.2f}"
        kept = "–" if correct.parents_ranks is None else f"{correct.parents_ranks:.2f}"
        yield (
            f"| {name} | {correct.behaviour} | {correct.segments} | {forms} | {kept} "
            f"| {' | '.join(cells)} | {' / '.join(firsts)} |"
        )


def mends_of(
    folder: Path, model: ModelSpec, parent: ModelSpec, written: Sequence[Written], every: int
) -> dict[str, float]:
    """By module, what restoring it mends: measured where it was restored, else as predicted."""
    task = LocateTask(model, parent, OPTIONS, "benchmark", written, every, 0.02)
    found = job.locate_damage(task, folder / "located", lambda *_: None)
    print(f"{model.name}: lost {found.lost.value:.3g} nats a trace", file=sys.stderr)
    return {
        one.name: (one.predicted if one.restored is None else one.restored.mend).value
        for one in found.modules
    }


def compared(
    folder: Path,
    parent: ModelSpec,
    written: Sequence[Written],
    variants: Mapping[str, str],
    every: int | None,
) -> None:
    """Print the tables of some variants, by name and place.

    So many modules as `every` says are really restored; with None nothing is located.
    """
    kept = folder / "scored"
    begun = time.monotonic()
    traces = cut(parent, written)
    theirs = scores(kept, parent, traces)
    print(
        f"{len(written)} traces, {sum(one.length for one in written):,} tokens with prompts; "
        f"the parent's scores took {time.monotonic() - begun:.0f} s\n"
    )
    print("\n".join(cosines(kept, parent, traces)), "\n", sep="\n")
    print(
        "| variant | behaviour | segments | two forms | parent's ranks | importance | shift "
        "| importance, released | shift, released | first modules |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, place in variants.items():
        model = reading_model(place, load_cards([], None), "transformers", OPTIONS).spec
        begun = time.monotonic()
        own = scores(kept, model, traces)
        scored = time.monotonic() - begun
        found = [importances(list(segments(traces, own, theirs, form))) for form in (0, 1)]
        begun = time.monotonic()
        mends = None if every is None else mends_of(folder, model, parent, written, every)
        print("\n".join(row(name, found, mends)), flush=True)
        alike = [[value for value in each.alike.values() if value is not None] for each in found]
        if alike[0]:
            print(
                f"| {name} | two behaviours' ranks | | | | "
                f"{sum(alike[0]) / len(alike[0]):.2f} | | {sum(alike[1]) / len(alike[1]):.2f} | | |"
            )
        print(
            f"{name}: scored in {scored:.0f} s, located in {time.monotonic() - begun:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def cost(folder: Path, model: ModelSpec) -> None:
    """Print what segments' gradients take, with a cached prefix and with whole texts."""
    import torch

    from lrmtest.locate.behaviours.segments import add_outputs, score
    from lrmtest.locate.opening import open_stack

    print("| tokens | segments | cached, s | tokens at work | whole texts, s | tokens at work |")
    print("|---|---|---|---|---|---|")
    for length in (64, 128, 256):
        (one,) = recorded_traces(model, 1, length)[:1]
        prompt = len(one.trace.prompt)
        spans = [
            TokenSegment(prompt + at, prompt + at + 32, 0)
            for at in range(0, len(one.trace.tokens) - 31, 32)
        ]
        trace = SegmentedTrace(one, spans)
        stack = open_stack(model, OPTIONS, [one])
        sums: dict[str, Any] = {}
        add_outputs(stack, [trace], sums, 1, lambda: None)
        directions = {name: each.directions() for name, each in sums.items()}
        begun = time.monotonic()
        score(stack, [trace], directions, lambda: None)
        cached = time.monotonic() - begun
        begun = time.monotonic()
        stack.model.float()
        for span in spans:
            ids = trace.tokens[: span.end]
            embedded = stack.model.get_input_embeddings()(torch.tensor([ids])).requires_grad_()
            logits = stack.model(inputs_embeds=embedded, use_cache=False).logits[0]
            targets = torch.tensor(ids[span.begin :])
            loss = torch.nn.functional.cross_entropy(logits[span.begin - 1 : -1], targets)
            torch.autograd.grad(loss, embedded)
        whole = time.monotonic() - begun
        own = one.length + 2 * sum(each.end - each.begin - 1 for each in spans)
        print(
            f"| {one.length:,} | {len(spans)} | {cached:.1f} | {own:,} | {whole:.1f} "
            f"| {2 * sum(each.end for each in spans):,} |",
            flush=True,
        )


def main() -> int:
    """Run a part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=("labels", "tiny-lrm", "recorded", "cost"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="", help="of recorded and cost: a folder")
    parser.add_argument("--variants", nargs="+", default=["rounding:3", "wanda:0.65"])
    parser.add_argument("--questions", type=int, default=4, help="of each suite, recorded")
    parser.add_argument("--tokens", type=int, default=400, help="of each output")
    parser.add_argument("--scores-only", action="store_true", help="recorded: locate nothing")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.part == "labels":
        labels()
        return 0
    name = located.PARENT if given.part == "tiny-lrm" else given.model
    parent = reading_model(name, load_cards([], None), "transformers", OPTIONS).spec
    if given.part == "cost":
        cost(given.folder, parent)
        return 0
    if given.part == "tiny-lrm":
        written = located.traces_in(given.folder, "10").written
        places = {each: located.made(given.folder, parent, each) for each in given.variants}
        compared(given.folder, parent, written, places, 10_000)
        return 0
    places = {}
    for each in given.variants:
        method, _, value = each.partition(":")
        out = given.folder / each.replace(":", "-")
        if not out.exists() and method == "rounding":
            located.rounded(Path(parent.location), out, int(value))
        elif not out.exists():
            words = ("compress", parent.location, "-o", str(out), "--method", method)
            located.command("lrmtest", *words, "--sparsity", value)
        places[each] = str(out)
    written = recorded_traces(parent, given.questions, given.tokens)
    compared(given.folder, parent, written, places, None if given.scores_only else 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
