"""Runs whose traces were read, made up token by token, without a model."""

from __future__ import annotations

from array import array
from math import exp, inf, log

from report_store import TAGS, manifest, question

from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.models.reading import Reading
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs.kept_texts import packed_texts
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.reading_manifest import ReadingManifest

PIECES = ["<think>", "\n", "Wait", ",", " so", " 6", "*", "7", " =", " 42", "\n", "</think>", " 42"]
"""Of a trace, unless a test has others."""


def reading_of(place, keeps, *, exact=True, widths=None):
    """A reading in which the reader keeps each token with this chance.

    Args:
        place: of the trace.
        keeps: p_reader / p_writer at each token, at most 1.
        exact: whole distributions were seen.
        widths: by how much each chance is bounded from above; None for not at all.
    """
    lowest = array("f", [log(keep) if keep else -inf for keep in keeps])
    highest = lowest
    if widths is not None:
        highest = array("f", [log(min(1, k + w)) for k, w in zip(keeps, widths, strict=True)])
    written = array("f", bytes(4 * len(keeps)))
    variation = array("f", [1 - exp(p) for p in lowest] if exact else [])
    return Reading(place, written, lowest, highest, variation, array("f"))


def add_traced(store, run_id, traces, *, passes=None, model=None, samples=1):
    """Add a run with a trace for each sample.

    Args:
        store: where.
        run_id: its name.
        traces: by question, the texts of its tokens; each sample has the same.
        passes: by question, how many of its samples pass; all by default.
        model: the model's name; the run's when None.
        samples: of each question.

    Returns:
        The id of each token text.
    """
    ids = {}
    for piece in (piece for pieces in traces.values() for piece in pieces):
        ids.setdefault(piece, len(ids))
    settings = manifest(model or run_id, ["sums"], samples=samples)
    store.add_run(
        run_id, model or run_id, f"id-{run_id}",
        Manifest.from_json({**settings, "temperature": 1.0, "top_p": 1.0}),
    )  # fmt: skip
    asked = [(("sums", name), question("sums", name)) for name in traces]
    store.add_questions(
        run_id, [(*key, one, [("user", f"What is {key[1]}?")]) for key, one in asked]
    )
    verdicts = []
    for name, pieces in traces.items():
        for sample in range(samples):
            place = Place(f"{run_id}-{name}-{sample}", "sums", name, sample)
            tokens = array("I", [ids[piece] for piece in pieces])
            trace = Trace(array("I", [0]), tokens, array("f", bytes(4 * len(tokens))), False)
            text = "".join(pieces)
            count = len(pieces)
            store.add_completion(
                run_id, place, Completion(text, "stop", 3, count, 0, seed=1), trace=trace
            )
            right = passes is None or sample < passes[name]
            failure = None if right else "wrong"
            verdicts.append((place.key, Verdict(right, float(right), "42", failure, right)))
    store.set_verdicts(run_id, verdicts)
    store.finish_run(run_id)
    return ids


def add_reading(store, run_id, reader, keeps, ids=None, *, exact=True, widths=None, samples=1):
    """Add a reading of such a run's traces.

    Args:
        store: where.
        run_id: the run.
        reader: the name of the model that reads.
        keeps: by question, the chance with which it keeps each token.
        ids: the texts of the tokens, by which they are kept; None to keep none.
        exact, widths: as `reading_of`.
        samples: of each question.
    """
    texts = (
        {}
        if ids is None
        else {i: piece.encode("utf-8", "surrogatepass") for piece, i in ids.items()}
    )
    head = store.readings.begin(
        f"read-{reader}", run_id, reader, f"identity-{reader}",
        ReadingManifest(token_texts=packed_texts(texts) if texts else None),
    )  # fmt: skip
    store.readings.add(
        head.reading_id,
        [
            reading_of(
                Place(f"{run_id}-{name}-{sample}", "sums", name, sample),
                chances, exact=exact, widths=widths,
            )
            for name, chances in keeps.items()
            for sample in range(samples)
        ],
    )  # fmt: skip
    store.readings.finish(head.reading_id)


def read_store(store):
    """A parent, a candidate that breaks two of six questions, and the candidate's reading.

    The more a question breaks, the more the candidate disagrees with its trace.
    """
    names = [f"q{n}" for n in range(6)]
    ids = add_traced(store, "parent-1", dict.fromkeys(names, PIECES), model="parent", samples=2)
    passes = dict(zip(names, (2, 2, 2, 2, 1, 0), strict=True))
    add_traced(
        store, "small-1", dict.fromkeys(names, PIECES), passes=passes, model="small", samples=2
    )
    keeps = {}
    for number, name in enumerate(names):
        chances = [1.0] * len(PIECES)
        chances[4] = 1 - number / 100
        chances[9] = {4: 0.7, 5: 0.2}.get(number, 1.0)
        keeps[name] = chances
    add_reading(store, "parent-1", "small", keeps, ids, samples=2)
    return store


__all__ = ["PIECES", "TAGS", "add_reading", "add_traced", "read_store", "reading_of"]
