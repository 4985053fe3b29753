"""The baseline's file: a run as comparisons see it, to compare others with.

It is meant to be committed: JSON with one question per line in a stable order, so that a
diff shows which questions changed. It holds no text of any question or answer, only how each
sample went, its tokens, and a hash that tells answers apart::

    {
    "format": "lrmtest-baseline",
    "version": 1,
    "run": "r1-20250101-120000-3f2a",
    "model": "r1",
    "created": "2025-01-01T12:00:00+00:00",
    "tokens_estimated": false,
    "manifest": {
     ...
    },
    "questions": [
    {"suite": "aime", "id": "2024-I-1", "passes": 1, "samples": [["pass", 812, "4fc82b26aecb"]]},
    {"suite": "aime", "id": "2024-I-2", "passes": 0, "samples": [["truncated", 32768, ""]]}
    ]
    }

A sample is [``pass`` or its failure class, tokens, answer hash], or null where the engine failed.
Where the class does not say how it ended, that stands behind it: ``unclosed:ran-out`` (`End`).
``unknown_ends`` of a question, where it is there, has the indices of the samples of which nothing
says how they ended; all others are known to have ended so, or were written by a lrmtest that did
not ask.
``traces``, where it is there, names the file with its traces (`lrmtest.runs.formats.traces_file`),
and has its hash.
Questions of a suite that is compared by a score have ``scores``, too: in [0, 1], one per sample.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from lrmtest.bounded import DOCUMENT, parse_json, read_bytes
from lrmtest.errors import DataError, UsageError
from lrmtest.grading.verdict import ENDS, FAILURE_CLASSES, failure_class, usual_end
from lrmtest.questions.place import Place
from lrmtest.runs.files import write_whole
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import QuestionKey, QuestionOutcome, SampleOutcome
from lrmtest.runs.records import RunRecord, SampleRecord, TracesMark

BASELINE_FORMAT = "lrmtest-baseline"
BASELINE_VERSION = 1
"""Raised when an older lrmtest could no longer read the file rightly."""

_HINT = "write the file again: lrmtest baseline RUN -o FILE, or pytest ... --save-baseline FILE"
_PASS = "pass"
_MOST_TOKENS = 1 << 53
"""Sums and means of counts below it are exact."""

T = TypeVar("T")


def refuse_incomplete(run: RunRecord) -> None:
    """Refuse a run that would make an incomplete baseline.

    Raises:
        UsageError: it lacks something; says what.
    """
    if run.lacking:
        raise UsageError(
            f"run {run.run_id} is incomplete: {'; '.join(run.lacking)}",
            hint="give the command that made it again: it continues. To write the baseline "
            f"without what is missing: lrmtest baseline {run.run_id} -o FILE --allow-incomplete",
        )


def write_baseline(path: Path, run: RunRecord) -> None:
    """Write a run as a baseline's file, whole or not at all.

    Raises:
        StoreError: the file cannot be written.
    """
    write_whole(path, baseline_text(run), what="the baseline", private=False)


def kept_manifest(manifest: Manifest) -> dict[str, Any]:
    """What a file that others read keeps of a manifest.

    The probe's answers would be most of it, and serve the store alone, as do the looks. The
    selection is the file's questions.
    """
    told = manifest.to_json().items()
    return {name: value for name, value in told if name not in ("probe", "looks", "selection")}


def baseline_text(run: RunRecord) -> str:
    """The file's content: equal runs give equal text."""
    head: dict[str, Any] = {
        "format": BASELINE_FORMAT,
        "version": BASELINE_VERSION,
        "run": run.run_id,
        "model": run.model,
        "created": run.created,
        "tokens_estimated": run.tokens_estimated,
    }
    lines = [f"{json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
    if run.traces is not None:
        mark = {name: getattr(run.traces, name) for name in ("file", "sha256", "kept")}
        lines.append(f'"traces": {json.dumps(mark)},')
    manifest = json.dumps(kept_manifest(run.manifest), indent=1, sort_keys=True, allow_nan=False)
    lines.append(f'"manifest": {manifest},')
    questions = ",\n".join(_question_line(run.outcomes[key]) for key in sorted(run.outcomes))
    return "\n".join(["{", *lines, '"questions": [', questions, "]", "}", ""])


def _question_line(question: QuestionOutcome) -> str:
    samples = [
        sample_to_json(sample) if sample is not None else None
        for sample in map(question.samples.get, range(max(question.samples, default=-1) + 1))
    ]
    line: dict[str, Any] = {
        "suite": question.suite,
        "id": question.question_id,
        "passes": question.passes,
        "samples": samples,
    }
    scores = [
        sample.score if sample is not None else None
        for sample in map(question.samples.get, range(len(samples)))
    ]
    if scores.count(None) < len(scores):
        line["scores"] = scores
    untold = [index for index, sample in sorted(question.samples.items()) if sample.unknown_end]
    if untold:
        line["unknown_ends"] = untold
    return json.dumps(line)


def read_baseline(path: Path) -> RunRecord:
    """The run that a baseline's file holds; nothing in it is believed.

    Raises:
        DataError: the file is missing or malformed; names file, question and field.
    """
    data = read_bytes(
        path,
        DOCUMENT,
        what="the baseline ",
        hint="name a baseline's file or a run (`lrmtest runs` lists them)",
    )
    return parse_baseline(data, str(path))


def parse_baseline(text: str | bytes, file: str) -> RunRecord:
    """The inverse of `baseline_text`.

    Args:
        text: a baseline's file.
        file: its name, for errors.

    Raises:
        DataError: `text` is malformed; names file, question and field.
    """
    document = parse_json(text, file, strict=True, hint=_HINT)
    if not isinstance(document, dict) or document.get("format") != BASELINE_FORMAT:
        raise DataError(f"{file}: not a baseline's file", hint=_HINT)
    head = _Fields(document, file)
    version = head.get("version", int)
    if version != BASELINE_VERSION:
        raise DataError(
            f"{file}: a baseline of version {version}; this lrmtest reads {BASELINE_VERSION}",
            hint="upgrade lrmtest, or write the file again with this one",
        )
    outcomes: dict[QuestionKey, QuestionOutcome] = {}
    for number, raw in enumerate(head.get("questions", list), start=1):
        question = _question(raw, f"{file}: question {number}")
        if question.key in outcomes:
            raise DataError(
                f"{file}: question {number}: {question.suite} {question.question_id} is there "
                "twice",
                hint=_HINT,
            )
        outcomes[question.key] = question
    manifest = head.get("manifest", dict)
    suites = _Fields(manifest, f"{file}: manifest").get("suites", dict)
    for suite in dict.fromkeys(suite for suite, _ in outcomes):
        if not isinstance(suites.get(suite), dict):
            raise DataError(
                f"{file}: manifest: field 'suites' lacks suite {suite!r}, which has questions",
                hint=_HINT,
            )
    model, estimated = head.get("model", str), head.get("tokens_estimated", bool)
    return RunRecord(
        run_id=head.get("run", str),
        model=model,
        created=head.get("created", str),
        manifest=Manifest.from_json(manifest),
        traces=_traces(head, file) if "traces" in document else None,
        samples=tuple(
            sample
            for question in outcomes.values()
            for sample in _samples(model, question, estimated=estimated)
        ),
    )


def _traces(head: _Fields, file: str) -> TracesMark:
    """By what the traces are known that were saved with it."""
    fields = _Fields(head.get("traces", dict), f"{file}: traces")
    name, sha256 = fields.get("file", str), fields.get("sha256", str)
    # A name in the same folder, and no way to another file of whoever reads it.
    if not name or Path(name).name != name or name in (".", "..") or "\0" in name:
        raise DataError(f"{file}: traces: {name[:80]!r} is no file's name", hint=_HINT)
    return TracesMark(name, sha256, fields.get("kept", int))


def _samples(model: str, question: QuestionOutcome, *, estimated: bool) -> Iterator[SampleRecord]:
    """A question's samples, as far as the file knows them."""
    samples: dict[int, SampleOutcome | None] = {**question.samples} or {0: None}
    for index, outcome in samples.items():
        yield SampleRecord(
            model,
            Place("", *question.key, index),
            summed_up=outcome,
            error="no completion" if outcome is None else None,
            tokens_estimated=estimated,
        )


def _question(raw: Any, place: str) -> QuestionOutcome:
    fields = _Fields(raw, place)
    suite, question_id = fields.get("suite", str), fields.get("id", str)
    place = f"{place} ({suite} {question_id})"
    fields = _Fields(raw, place)
    listed = fields.get("samples", list)
    scores = _scores(raw.get("scores"), len(listed), place)
    samples = {
        index: replace(sample_from_json(sample, f"{place}: sample {index}"), score=scores[index])
        for index, sample in enumerate(listed)
        if sample is not None
    }
    untold = fields.get("unknown_ends", list) if "unknown_ends" in raw else []
    for index in untold:
        if isinstance(index, bool) or not isinstance(index, int) or index not in samples:
            raise DataError(
                f"{place}: field 'unknown_ends' names sample {str(index)[:40]}, which is not there",
                hint=_HINT,
            )
        samples[index] = replace(samples[index], unknown_end=True)
    question = QuestionOutcome(suite, question_id, samples)
    passes = fields.get("passes", int)
    if passes != question.passes:
        raise DataError(
            f"{place}: field 'passes' says {passes}, its samples {question.passes}", hint=_HINT
        )
    return question


def sample_to_json(sample: SampleOutcome) -> list[str | int]:
    """A sample but for its score, and whether its end is unknown: result, tokens, answer hash."""
    told = sample.failure or _PASS
    result = told if sample.end == usual_end(sample.failure) else f"{told}:{sample.end}"
    return [result, sample.tokens, sample.answer]


def _scores(raw: Any, samples: int, place: str) -> list[float | None]:
    """The scores of a question's samples; older files have none."""
    if raw is None:
        return [None] * samples
    if not isinstance(raw, list) or len(raw) != samples:
        raise DataError(f"{place}: field 'scores' is not one for each sample", hint=_HINT)
    for score in raw:
        if (fault := score_fault(score)) is not None:
            raise DataError(f"{place}: {fault}", hint=_HINT)
    return raw


def score_fault(score: Any) -> str | None:
    """What is wrong with a score of JSON from outside; None for one in [0, 1], and for none."""
    number = isinstance(score, int | float) and not isinstance(score, bool)
    if score is None or (number and 0 <= score <= 1):
        return None
    return f"the score {str(score)[:40]} is not in [0, 1]"


def sample_from_json(raw: Any, place: str) -> SampleOutcome:
    """The inverse of `sample_to_json`.

    Args:
        raw: JSON from outside.
        place: where it is, for errors.

    Raises:
        DataError: it is no such list.
    """
    if not isinstance(raw, list) or len(raw) != 3:
        raise DataError(f"{place}: not [result, tokens, answer hash]", hint=_HINT)
    result, tokens, answer = raw
    told, _, ended = result.partition(":") if isinstance(result, str) else ("", "", "")
    try:
        failure = None if told == _PASS else failure_class(told)
    except ValueError:
        known = ", ".join((_PASS, *FAILURE_CLASSES))
        raise DataError(
            f"{place}: the result {str(result)[:40]!r} is none of {known}", hint=_HINT
        ) from None
    # A newer version's word for an end that is not known here: the class says enough.
    end = next((known for known in ENDS if known == ended), usual_end(failure))
    counted = isinstance(tokens, int) and not isinstance(tokens, bool)
    if not (counted and 0 <= tokens < _MOST_TOKENS):
        raise DataError(f"{place}: the tokens are {str(tokens)[:40]}, no count", hint=_HINT)
    if not isinstance(answer, str):
        raise DataError(f"{place}: the answer hash is {str(answer)[:40]}, no text", hint=_HINT)
    return SampleOutcome(failure, tokens, answer, end)


class _Fields:
    """The fields of a JSON object, with errors that say where.

    Args:
        raw: what was read.
        place: file and question.
    """

    def __init__(self, raw: Any, place: str) -> None:
        if not isinstance(raw, Mapping):
            raise DataError(f"{place}: not a JSON object", hint=_HINT)
        self._raw = raw
        self._place = place

    def get(self, name: str, kind: type[T]) -> T:
        """A field that must be there and of this type."""
        if name not in self._raw:
            raise DataError(f"{self._place}: field {name!r} is missing", hint=_HINT)
        value = self._raw[name]
        # A bool is an int to Python, not to people.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise DataError(
                f"{self._place}: field {name!r} is of the wrong type, {type(value).__name__}",
                hint=_HINT,
            )
        return value
