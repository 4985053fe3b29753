"""`lrmtest behaviours`: what a model's modules have to do with its reasoning behaviours."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lrmtest.analysis.agreement import Agreement, agreement
from lrmtest.analysis.behaviour_scores import Importances, ScoredSegment, importances
from lrmtest.analysis.behaviours import SCORED, segments_of
from lrmtest.cli.layer_progress import layers_shown, looking_into_models
from lrmtest.cli.output import complain, say, show
from lrmtest.cli.reading_models import notes_on_tokens, parent_model, reading_model
from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.locate.behaviours.labels_file import LabelledTraces, labels_line, read_labels
from lrmtest.locate.behaviours.segmented import SegmentedTrace, labels_of_tokens, segmented, text_of
from lrmtest.locate.behaviours.task import BehaviourTask
from lrmtest.models.engines.kinds import DEFAULT_ENGINE
from lrmtest.models.reading import Written
from lrmtest.models.token_texts import token_texts
from lrmtest.options.common import add_cards_option, at_least_0, read_cards
from lrmtest.options.engine import add_weights_options, read_weights_options
from lrmtest.reports.behaviours import (
    BehavioursHeading,
    behaviours_csv,
    behaviours_document,
    behaviours_markdown,
    behaviours_view,
)
from lrmtest.reports.data_text import json_text
from lrmtest.runs.files import write_whole
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.readable_traces import traces_to_read
from lrmtest.runs.store import STORE_NAME

_FOLDER = "behaviours"
"""Of the reports folder: where what is computed is kept."""
_OTHER = "none"
"""What the rules say of a token that is in no segment of theirs."""


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "behaviours",
        parents=[store],
        help="score a model's modules for backtracking, uncertainty, examples and knowledge",
        description="Reads traces with MODEL and scores every linear module for four reasoning "
        "behaviours, as arXiv 2504.02010 does: a difference of means of its outputs, times the "
        "gradient of the loss of the behaviours' segments. With --parent, how the modules' shares "
        "moved. What was computed is kept; the same command goes on where it was stopped.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a card's name, a model's folder or a GGUF file")
    add(
        "--traces",
        required=True,
        metavar="RUN|FILE",
        help="traces: a run's id, its beginning, `last` or `last:MODEL`; a file of traces; or a "
        "baseline with one beside it",
    )
    add("--parent", metavar="MODEL", help="compare with it: what MODEL was made from")
    add("--suite", action="append", default=[], help="only this suite; repeat it")
    add(
        "--labels",
        type=Path,
        metavar="FILE",
        help="the segments and what they do, in place of the rules' own",
    )
    add("--save-labels", type=Path, metavar="FILE", help="write the segments that are used")
    add(
        "--as-released",
        action="store_true",
        help="as the paper's script computes it: all behaviours share one sum of outputs",
    )
    add(
        "--modules",
        type=at_least_0,
        default=5,
        metavar="N",
        help="list so many modules of each behaviour (default: %(default)s)",
    )
    add("--json", type=Path, metavar="FILE", help="write all figures")
    add("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")
    add("--csv", type=Path, metavar="FILE", help="write a line for each behaviour and module")
    add_cards_option(add)
    add_weights_options(add)
    parser.set_defaults(run=_behaviours)


def _behaviours(arguments: argparse.Namespace) -> int:
    cards = read_cards(arguments)
    options = replace(read_weights_options(arguments), tell=complain)
    labels = None if arguments.labels is None else read_labels(arguments.labels)
    traces = traces_to_read(
        arguments.traces,
        arguments.reports_dir / STORE_NAME,
        suites=arguments.suite,
        wanted=lambda kept: len(kept.trace.tokens) > 0,
    )
    model = reading_model(arguments.model, cards, DEFAULT_ENGINE, options)
    parent = None
    if arguments.parent is not None:
        parent = parent_model(arguments.parent, cards, model, options)
        if Path(model.spec.location).resolve() == Path(parent.spec.location).resolve():
            raise UsageError(
                f"{model.spec.name} and its parent are the same files: nothing moves",
                hint="--parent MODEL, what the model was made from, or none",
            )
    for line in notes_on_tokens(model, parent, traces, cards):
        complain(line)
    cut = _cut(traces.written, model.spec.location, labels, arguments.labels)
    if arguments.save_labels is not None:
        write_whole(arguments.save_labels, "".join(cut.lines), what="the labels")
    if not any(one.segments for one in cut.traces):
        raise UsageError(
            f"no segment of {', '.join(SCORED)} in {counted(len(cut.traces), 'trace')}",
            hint=None if labels else "--labels FILE, where the rules find nothing",
        )
    with looking_into_models():
        from lrmtest.locate.behaviours.job import score_behaviours
        from lrmtest.locate.behaviours.segments import CORRECT, RELEASED
    scores = []
    with layers_shown() as done:
        for each in (model, parent):
            if each is not None:
                name = each.spec.name

                def told(what: str, step: int, total: int, name: str = name) -> None:
                    done(f"{name}: {what}", step, total)

                task = BehaviourTask(each.spec, options, cut.traces)
                found = score_behaviours(task, arguments.reports_dir / _FOLDER, told)
                scores.append({key: one.scores for key, one in found.items()})
    form = RELEASED if arguments.as_released else CORRECT
    result = importances(_scored(cut.traces, scores, form))
    heading = BehavioursHeading(
        model.spec.name,
        "" if parent is None else parent.spec.name,
        traces.run_id,
        arguments.as_released,
        "labels of a file" if labels else "labelled by rules",
        [*cut.notes, *([f"Not used: {traces.left}."] if traces.left else [])],
        cut.agreed,
    )
    _show(result, heading, arguments)
    return 0


def _show(found: Importances, heading: BehavioursHeading, arguments: argparse.Namespace) -> None:
    written: list[tuple[Path, str]] = []
    if arguments.json is not None:
        written.append((arguments.json, json_text(behaviours_document(found, heading)) + "\n"))
    if arguments.markdown is not None:
        written.append((arguments.markdown, behaviours_markdown(found, heading)))
    if arguments.csv is not None:
        written.append((arguments.csv, behaviours_csv(found)))
    # Files first: whoever looks at the terminal through `head` closes it early.
    for path, text in written:
        write_whole(path, text, what="the scores")
    show(behaviours_view(found, heading, arguments.modules), crop=False)
    labels = [] if arguments.save_labels is None else [arguments.save_labels]
    for path in [*labels, *(path for path, _ in written)]:
        say(f"written: {path}")


@dataclass(slots=True)
class _Cut:
    """Traces with their segments; lines of a file of labels; what must be known of it."""

    traces: list[SegmentedTrace] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    agreed: Agreement | None = None


def _cut(
    written: Sequence[Written], location: str, labels: LabelledTraces | None, path: Path | None
) -> _Cut:
    """The traces with their segments, by the file or by the rules.

    Raises:
        UsageError: the texts of the tokens are not known, or the file has none of these traces.
        DataError: a label is not of its trace.
    """
    ids = {token for one in written for token in (*one.trace.prompt, *one.trace.tokens)}
    texts = token_texts(location, ids)
    if not texts:
        raise UsageError(
            f"{location} does not say what its tokens stand for, so that traces have no text",
            hint="models with a tokenizer.json of bytes or SentencePiece, or GGUF files",
        )
    cut = _Cut()
    pairs: dict[QuestionKey, Counter[tuple[str, str]]] = {}
    unlabelled = lacking = 0
    for one in written:
        said = text_of(one, texts)
        text, by_rules = said.text, segments_of(said.text, said.asked)
        segments = by_rules
        if labels is not None:
            found = labels.segments(one.place, text)
            if found is None:
                unlabelled += 1
                continue
            segments, missed = found
            lacking += missed
            pair = zip(
                labels_of_tokens(said.pieces, segments),
                labels_of_tokens(said.pieces, by_rules),
                strict=True,
            )
            counts = pairs.setdefault(one.place.question, Counter())
            counts.update((theirs, ours or _OTHER) for theirs, ours in pair if theirs)
        cut.traces.append(segmented(one, said.pieces, segments))
        cut.lines.append(labels_line(one.place, text, segments))
    if not cut.traces:
        raise UsageError(
            f"{path} has labels of none of these traces",
            hint="suite, question and sample must be those of the traces; --save-labels FILE "
            "writes such a file",
        )
    if unlabelled:
        cut.notes.append(f"{counted(unlabelled, 'trace')} without labels in {path}: not used.")
    if lacking:
        cut.notes.append(f"{counted(lacking, 'label')} whose text is not in the trace: not used.")
    cut.agreed = agreement(list(pairs.values()))
    return cut


def _scored(
    traces: Sequence[SegmentedTrace],
    scores: Sequence[Mapping[str, Mapping[str, Sequence[Sequence[float]]]]],
    form: int,
) -> list[ScoredSegment]:
    """The segments with their scores, of the model and, if there is one, its parent.

    Raises:
        UsageError: the two do not have the same modules.
    """
    found = []
    for trace in traces:
        key = trace.written.place.key
        if not trace.segments:
            continue
        both = [each[key] for each in scores]
        if len({frozenset(each) for each in both}) > 1:
            other = sorted(both[0].keys() ^ both[1].keys())[0]
            raise UsageError(
                f"model and parent do not have the same modules: {other} is in one of them",
                hint="--parent must be the model that it was made from",
            )
        for number, segment in enumerate(trace.segments):
            of = [
                [
                    {name: its[which][number] for name, its in each.items()}
                    for which in (form, 1 - form)
                ]
                for each in both
            ]
            found.append(
                ScoredSegment(
                    trace.written.place.question,
                    SCORED[segment.behaviour],
                    segment.end - segment.begin,
                    of[0][0],
                    of[0][1],
                    of[1][0] if len(of) > 1 else None,
                )
            )
    return found
