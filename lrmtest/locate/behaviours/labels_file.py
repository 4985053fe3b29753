"""Labels in a file: what somebody else, a person or a model, says that a trace's segments do.

A line of JSON for each trace: `suite`, `question`, `sample` (0 if it is not there) and `segments`,
a list of objects with a `behaviour` and a place in the trace's text: `begin` and `end`, characters
from 0, or the `text` itself, which is looked for behind the segment before it. Where both are
there they must agree, so that labels of another trace are not taken for this one's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrmtest.analysis.behaviours import BEHAVIOURS, Behaviour, Segment
from lrmtest.bounded import parse_json, read_lines
from lrmtest.errors import DataError
from lrmtest.questions.place import Place

_MOST_LINE = 8 << 20
_MOST_SEGMENTS = 2_000_000
_HINT = "docs/behaviours.md shows such a file; --save-labels FILE writes one to begin with"

LabelledSample = tuple[str, str, int]
"""Suite, question and sample."""


@dataclass(frozen=True, slots=True)
class Label:
    """One segment as a file has it.

    Attributes:
        behaviour: what it does.
        span: its characters; None where only its text is there.
        text: what it says; None where only its place is there.
    """

    behaviour: Behaviour
    span: tuple[int, int] | None
    text: str | None


@dataclass(frozen=True, slots=True)
class LabelledTraces:
    """The labels of a file.

    Attributes:
        path: of the file.
        labels: by sample.
    """

    path: Path
    labels: Mapping[LabelledSample, Sequence[Label]]

    def segments(self, place: Place, text: str) -> tuple[list[Segment], int] | None:
        """The segments of a trace, and how many labels' texts are not in it; None of no label.

        Raises:
            DataError: a place is not in the text, or what is there is not what the label says.
        """
        labels = self.labels.get((place.suite, place.question_id, place.sample))
        if labels is None:
            return None
        found, lacking, behind = [], 0, 0
        for label in labels:
            if label.span is None:
                assert label.text is not None
                begin = text.find(label.text, behind)
                if begin < 0:
                    lacking += 1
                    continue
                end = begin + len(label.text)
            else:
                begin, end = label.span
                if end > len(text) or label.text not in (None, text[begin:end]):
                    raise DataError(
                        f"{self.path}: {place.suite}: {place.question_id}, sample {place.sample}: "
                        f"characters {begin} to {end} are not of this trace",
                        hint="labels belong to the very text that a trace has",
                    )
            behind = end
            found.append(Segment(begin, end, label.behaviour))
        return found, lacking


def read_labels(path: Path) -> LabelledTraces:
    """The labels in a file.

    Raises:
        DataError: it cannot be read, is too long, or a line is not of the form.
    """
    labels: dict[LabelledSample, list[Label]] = {}
    many = 0
    for number, _, line in read_lines(path, _MOST_LINE, hint=_HINT):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        found = parse_json(line, where, hint=_HINT)
        if not isinstance(found, dict):
            raise DataError(f"{where}: no object", hint=_HINT)
        key = _key(found, where)
        if key in labels:
            raise DataError(f"{where}: {key[0]}: {key[1]}, sample {key[2]} is there twice")
        segments = found.get("segments")
        if not isinstance(segments, list):
            raise DataError(f"{where}: segments is no list", hint=_HINT)
        many += len(segments)
        if many > _MOST_SEGMENTS:
            raise DataError(f"{where}: more than {_MOST_SEGMENTS:,} segments")
        labels[key] = [_label(each, where) for each in segments]
    if not labels:
        raise DataError(f"{path}: no labels in it", hint=_HINT)
    return LabelledTraces(path, labels)


def labels_line(place: Place, text: str, segments: Sequence[Segment]) -> str:
    """A trace's line of such a file, ending in a line feed."""
    line = {
        "suite": place.suite,
        "question": place.question_id,
        "sample": place.sample,
        "segments": [
            {
                "behaviour": each.behaviour,
                "begin": each.begin,
                "end": each.end,
                "text": text[each.begin : each.end],
            }
            for each in segments
        ],
    }
    return json.dumps(line) + "\n"


def _key(found: Mapping[str, Any], where: str) -> LabelledSample:
    suite, question, sample = found.get("suite"), found.get("question"), found.get("sample", 0)
    if not isinstance(suite, str) or not isinstance(question, str) or type(sample) is not int:
        raise DataError(f"{where}: suite and question are texts, sample a number", hint=_HINT)
    return suite, question, sample


def _label(found: Any, where: str) -> Label:
    if not isinstance(found, dict):
        raise DataError(f"{where}: a segment is no object", hint=_HINT)
    behaviour, text = found.get("behaviour"), found.get("text")
    if behaviour not in BEHAVIOURS:
        raise DataError(
            f"{where}: {str(behaviour)[:60]!r} is no behaviour", hint=", ".join(BEHAVIOURS)
        )
    begin, end = found.get("begin"), found.get("end")
    span = None
    if isinstance(begin, int) and isinstance(end, int) and 0 <= begin < end:
        span = int(begin), int(end)
    if span is None and (begin is not None or end is not None or not text):
        raise DataError(f"{where}: a segment has neither begin and end nor a text", hint=_HINT)
    if text is not None and not isinstance(text, str):
        raise DataError(f"{where}: the text of a segment is none", hint=_HINT)
    return Label(behaviour, span, text or None)
