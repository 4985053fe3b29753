"""`lrmtest sweep --protect suggested,last:mlp,random`: ways of protecting, at one size."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.protection import ProtectedRun, ProtectingWay, compare_protections
from lrmtest.cli.compress import make, read_request
from lrmtest.cli.layer_progress import layers_shown, looking_into_models
from lrmtest.cli.locate import LOCATE_FOLDER, models_of
from lrmtest.cli.output import complain, say, show
from lrmtest.cli.session import run_session
from lrmtest.cli.suggesting import percent_or_share, suggestion_text
from lrmtest.compress.make import VariantRequest
from lrmtest.compress.parent import parent_of
from lrmtest.compress.protect import parse_protect
from lrmtest.compress.protect_file import module_sizes, read_protect_file
from lrmtest.compress.variant import read_record
from lrmtest.errors import UsageError
from lrmtest.locate.task import LocateTask
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.resolve import resolve
from lrmtest.options.common import AddOption, at_least_1
from lrmtest.reports.data_text import csv_text, json_text
from lrmtest.reports.html import write_report
from lrmtest.reports.numbers import percent
from lrmtest.reports.protection import (
    LEVEL_COLUMNS,
    protection_cells,
    protection_document,
    protection_markdown,
    protection_view,
)
from lrmtest.reports.suggestion import suggestion_lines
from lrmtest.runs.files import write_whole
from lrmtest.runs.readable_traces import traces_to_read
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import STORE_NAME

_SUGGESTED, _RANDOM, _LIKE = "suggested", "random", "random:like:"
_CONFIRMED = 5
"""First ranks that are restored before anything is suggested, so that their gains are measured."""
_HINT = "--protect suggested,last:mlp,random, or suggested:2%,random"


@dataclass(frozen=True, slots=True)
class _Way:
    """What is to be compared.

    Attributes:
        label: as the user gave it.
        way: how it chooses weights.
        text: a pattern, ``random:...``, or of what is suggested the file or the share.
    """

    label: str
    way: ProtectingWay
    text: str = ""


def add_protection_options(add: AddOption) -> None:
    """Add what a sweep over what is protected takes besides."""
    add(
        "--draws",
        type=at_least_1,
        metavar="N",
        help="random draws, with the seeds 1 to N, of --protect ...,random (default: 3)",
    )
    add(
        "--traces",
        metavar="RUN|FILE",
        help="traces of the model on which --protect suggested,... locates (default: those of "
        "this sweep's own run of it)",
    )


def varies_protection(arguments: argparse.Namespace) -> bool:
    """Whether ``--protect`` names several ways, which are to be compared."""
    return any(
        "," in text or text.strip() in (_SUGGESTED, _RANDOM) or text.startswith(f"{_SUGGESTED}:")
        for text in arguments.protect
    )


def refuse_protection_options(arguments: argparse.Namespace) -> None:
    """Refuse what only a sweep over what is protected heeds.

    Raises:
        UsageError: one of them was given.
    """
    for name in ("draws", "traces"):
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name} is of use where ways of protecting vary", hint=_HINT)


class ProtectionSweep:
    """A sweep over what is protected.

    Args:
        arguments: of the command, with one value of what could be swept.
        axis: what the size of a variant is: ``sparsity``, ``bits per weight``.
        cards: the model cards there are.
        asked, more: words for pytest.

    Raises:
        UsageError: the ways cannot be compared.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        axis: str,
        cards: Mapping[str, ModelCard],
        asked: Sequence[str],
        more: Sequence[str],
    ) -> None:
        self._arguments, self._axis, self._cards = arguments, axis, cards
        self._asked, self._more = asked, more
        self._store = arguments.reports_dir / STORE_NAME
        self._draws = arguments.draws or 3
        if arguments.seed is not None:
            raise UsageError("--seed: draws have the seeds 1, 2, ...", hint="--draws N")
        self._ways = _ways(arguments.protect)
        self._suggests = any(
            each.way == "suggested" and not _is_file(each.text) for each in self._ways
        )
        if arguments.traces is not None and not self._suggests:
            raise UsageError("--traces has no use: nothing is located", hint=_HINT)
        self._request([])  # so that what cannot be meant is known before anything is done
        self._sizes = module_sizes(Path(parent_of(arguments.model, cards).location))
        self._layers = {name: size for name, size in self._sizes.items() if ".layers." in name}
        if not self._layers:
            raise UsageError(f"{arguments.model} has no matrices in layers that could be protected")
        self._size_of = self._budget()
        self._notes = [
            f"Size: {self._size_of}, {percent(self._share())} of the weights of the matrices in "
            "layers, as far as whole modules allow."
        ]

    def run(self, gate: GateSettings | None) -> None:
        """Make and test everything, and write what came of it.

        Raises:
            LrmtestError: something cannot be made or tested.
        """
        arguments = self._arguments
        own = self._suggests and arguments.traces is None
        runs = [self._tested("", "model", arguments.model, ["--traces"] if own else [])]
        runs.append(self._made(_Way("nothing", "nothing"), [], None))
        for each in self._ways:
            if each.way == "random":
                for seed in range(1, self._draws + 1):
                    runs.append(self._made(each, [self._random(each)], seed))
            elif each.way == "suggested":
                runs.append(self._made(each, [f"@{self._suggested(each, runs)}"], None))
            else:
                runs.append(self._made(each, [each.text], None))
        found = compare_protections(
            runs,
            gate=gate,
            allowed=arguments.allow_different,
            threshold=arguments.pass_threshold,
        )
        show(protection_view(found, self._axis, self._notes), crop=False)
        out = arguments.output
        title = f"{runs[0].run.model}, {arguments.method}, what is protected"
        for ending, content in (
            ("md", protection_markdown(found, self._axis, title, self._notes)),
            ("json", json_text(protection_document(found, self._axis)) + "\n"),
            ("csv", csv_text(LEVEL_COLUMNS, protection_cells(found))),
        ):
            write_whole(out / f"protect.{ending}", content, what="the sweep's table")
        write_report(
            out / "protect.html",
            [each.run for each in runs],
            {level.of.run.run_id: level.compared for level in found.levels if level.compared},
            threshold=arguments.pass_threshold,
        )
        page = out / "protect.html"
        say(f"written: {out / 'protect.md'}, {page}, and as data protect.json, protect.csv")

    def _budget(self) -> str:
        """What all ways are as large as: a pattern, a file's mark, or a share such as ``2%``."""
        for each in self._ways:
            if each.way == "named":
                return each.text
            if each.way == "suggested" and each.text:
                return f"@{each.text}" if _is_file(each.text) else each.text
        raise UsageError(
            "nothing says how much is to be protected", hint="suggested:2%, or a pattern beside it"
        )

    def _share(self) -> float:
        """The same as a share of the weights of all matrices in layers."""
        text = self._size_of
        if text.startswith("@"):
            names = {one.name for one in read_protect_file(Path(text[1:]))}
        elif text.endswith("%"):
            return percent_or_share(text)
        else:
            names = set(parse_protect([text], 0).chosen(self._layers))
        kept = sum(size for name, size in self._layers.items() if name in names)
        return kept / sum(self._layers.values())

    def _random(self, each: _Way) -> str:
        if each.text != _RANDOM:
            return each.text
        size = self._size_of
        return f"{_RANDOM}:{size}" if size.endswith("%") else f"{_LIKE}{size}"

    def _request(self, protect: Sequence[str], seed: int | None = None) -> VariantRequest:
        one = copy.copy(self._arguments)
        one.protect, one.seed = list(protect), seed
        return read_request(one)

    def _made(self, each: _Way, protect: Sequence[str], seed: int | None) -> ProtectedRun:
        """Make a variant, and test it."""
        arguments = self._arguments
        label = each.label if seed is None else f"{each.label}, seed {seed}"
        name = "".join(char if char.isalnum() or char in "._-" else "-" for char in label)
        parent = resolve(arguments.model, self._cards).name
        folder = arguments.output / f"{parent}-{arguments.method}-{name.replace('--', '-')}"
        make(self._request(protect, seed), folder, arguments, self._cards)
        return self._tested(label, each.way, str(folder), [], group=each.label)

    def _tested(
        self, label: str, way: ProtectingWay, model: str, more: Sequence[str], group: str = ""
    ) -> ProtectedRun:
        arguments = self._arguments
        complain(f"testing {model}")
        tested = run_session(
            model,
            self._asked,
            [*self._more, *more],
            arguments.reports_dir,
            arguments.cards,
            self._cards,
        )
        run = load_run(tested.run_id, self._store, tested.extent)
        if way == "model":
            return ProtectedRun("the model itself", "the model itself", way, None, None, run)
        card = resolve(model, self._cards).card.compression
        size = card.sparsity if self._axis == "sparsity" else card.bits_per_weight
        return ProtectedRun(label, group, way, self._protected(Path(model)), size, run)

    def _protected(self, folder: Path) -> float | None:
        """The share of the weights that stay; None where it is not told which were drawn."""
        record = read_record(folder) or {}
        figures = record.get("figures", {})
        if isinstance(share := figures.get("protected_share"), float | int):
            return float(share)
        protect = record.get("made_of", {}).get("protect", [])
        if any(text.startswith(_RANDOM) for text in protect):
            return None
        kept = parse_protect(protect, 0).chosen(self._layers)
        return sum(self._layers[name] for name in kept) / sum(self._layers.values())

    def _suggested(self, each: _Way, runs: Sequence[ProtectedRun]) -> Path:
        """The file of what is suggested, located now unless the user gave it."""
        if _is_file(each.text):
            return Path(each.text)
        model, nothing = runs[0].run, Path(runs[1].run.model)
        arguments = self._arguments
        options = EngineOptions(tell=complain)
        reference = arguments.traces or model.run_id
        traces = traces_to_read(
            reference,
            self._store,
            wanted=lambda kept: kept.outcome.passed and len(kept.trace.tokens) > 0,
            which="passing traces",
        )
        folder: Path = arguments.output / nothing
        variant, parent = models_of(str(folder), arguments.model, traces, self._cards, options)
        share = self._share()
        task = LocateTask(
            variant,
            parent,
            options,
            traces.run_id,
            traces.written,
            _CONFIRMED,
            min(1.0, share),
            budget=min(1.0, share),
            by_weights=True,
        )
        complain(f"locating in {folder}: what the traces of {traces.run_id} lose")
        with looking_into_models():
            from lrmtest.locate.job import locate_and_suggest
        with layers_shown() as done:
            _, found = locate_and_suggest(task, arguments.reports_dir / LOCATE_FOLDER, done)
        assert found is not None
        text = suggestion_text(found, variant.name, parent.name, traces.run_id)
        file: Path = arguments.output / "suggested.protect.toml"
        write_whole(file, text, what="what to protect")
        self._notes += [f"{each.label}: {line}" for line in suggestion_lines(found)[:2]]
        self._notes += [f"{each.label}:{line}" for line in suggestion_lines(found)[2:]]
        if arguments.traces is None:
            self._notes.append(
                f"{each.label} was located on the very questions that are asked here, which "
                "flatters it; --traces RUN has it located on others."
            )
        return file


def _is_file(text: str) -> bool:
    return bool(text) and not text.endswith("%")


def _ways(texts: Sequence[str]) -> list[_Way]:
    """The ways that ``--protect`` names, commas between them.

    Raises:
        UsageError: one is empty, or is there twice, or there is none to compare with.
    """
    found = []
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        head, _, rest = text.partition(":")
        if head == _SUGGESTED:
            if rest.endswith("%"):
                try:
                    percent_or_share(rest)
                except argparse.ArgumentTypeError as error:
                    raise UsageError(f"--protect {text!r}: {error}", hint=_HINT) from error
            elif rest:
                read_protect_file(Path(rest))
            found.append(_Way(text if rest else _SUGGESTED, "suggested", rest))
        elif head == _RANDOM:
            found.append(_Way(text, "random", text))
        elif text:
            found.append(_Way(text, "named", text))
        else:
            raise UsageError("--protect: nothing stands between two commas", hint=_HINT)
    if len({each.label for each in found}) < len(found):
        raise UsageError("--protect names a way twice", hint=_HINT)
    if sum(each.way == "suggested" for each in found) > 1:
        raise UsageError("--protect can have one suggestion in a sweep", hint=_HINT)
    return found
