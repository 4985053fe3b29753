"""Calibration texts: what a model reads while it is compressed, to show which weights matter.

Three kinds. `fresh`: generated questions through the model's chat template, without answers; needs
no data, and their seed is none that a suite would use by itself. A text file: general text, as
the compression papers use it. `traces:RUN`: prompts with what the model itself answered, reasoning
included. A reasoning model spends nearly all its tokens on reasoning, and pruning that is
calibrated on prompts alone does not see those (arXiv 2509.12464).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.grading.completion import Completion
from lrmtest.grading.forms import pair_of
from lrmtest.grading.loops import find_loop
from lrmtest.models.engines.base import Message
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer
from lrmtest.models.paths import is_there, user_path
from lrmtest.models.spec import ModelSpec
from lrmtest.questions.fresh import DIFFICULTIES, FAMILIES, fresh_question
from lrmtest.questions.prompt import render_prompt
from lrmtest.runs.extent import left_out, reaches, selected
from lrmtest.runs.formats.jsonl import import_run
from lrmtest.runs.records import RunHead
from lrmtest.runs.reference import is_file
from lrmtest.runs.store import STORE_NAME, Store
from lrmtest.suites.registry import suite_named
from lrmtest.unicode import well_formed

CalibrationKind = Literal["fresh", "text", "traces"]

FRESH_SEED = 230100774
"""Of the fresh questions. Suites use 0 unless told otherwise: a model is not to be tested on what
it was calibrated on."""
_TRACES = "traces:"
_CHARACTERS_PER_TOKEN = 16
"""More than a tokenizer makes of ordinary text."""


@dataclass(frozen=True, slots=True)
class Material:
    """Calibration texts, ready to be tokenized without adding special tokens.

    Attributes:
        kind: what they are.
        source: where they are from: a file's name, a run's id, or the families of questions.
        option: what ``--calibration`` takes to get them again, whatever else is run meanwhile.
        texts: one for each sequence.
        tokens: of all sequences together.
        sha256: of the texts, hex.
        notes: what was left out or shortened, for people.
    """

    kind: CalibrationKind
    source: str
    option: str
    texts: tuple[str, ...]
    tokens: int
    sha256: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for a recipe."""
        return (
            f"{self.source}: {len(self.texts)} sequences, {self.tokens} tokens, "
            f"sha256 {self.sha256[:12]}"
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """What to calibrate on. Made by `parse_calibration`.

    Attributes:
        kind: as in `Material`.
        name: the text file, or the run; empty for fresh questions.
    """

    kind: CalibrationKind
    name: str = ""

    def material(
        self, chat: ChatTokenizer, spec: ModelSpec, *, samples: int, tokens: int, store: Path
    ) -> Material:
        """The texts, each at most `tokens` long.

        Args:
            chat: the model's tokenizer.
            spec: the model.
            samples: most sequences.
            tokens: most tokens of a sequence.
            store: SQLite file in which runs are looked up.

        Raises:
            UsageError: no run answers to the name, or there is no text in it or in the file.
            StoreError: the store is not there or cannot be read.
            DataError: an exported run is damaged.
            ModelError: the chat template refuses a prompt.
        """
        notes: list[str] = []
        option = self.name
        match self.kind:
            case "fresh":
                source, option = f"fresh questions ({', '.join(FAMILIES)})", "fresh"
                found = _fresh(chat, spec, samples)
            case "text":
                path = user_path(self.name)
                source, found = path.name, _pieces(chat, path, samples, tokens)
            case "traces":
                source, option, found = _traces(chat, spec, self.name, samples, store, notes)
        cut = [_cut(chat.tokenizer, text, tokens) for text in found]
        texts = tuple(text for text, _ in cut)
        return Material(
            self.kind,
            source,
            option,
            texts,
            sum(count for _, count in cut),
            hashlib.sha256("\0".join(texts).encode()).hexdigest(),
            tuple(notes),
        )


def parse_calibration(text: str) -> Calibration:
    """What ``--calibration`` says.

    Args:
        text: ``fresh``, ``traces:RUN`` or a text file.

    Raises:
        UsageError: it is none of these.
    """
    if text == "fresh":
        return Calibration("fresh")
    if text.startswith(_TRACES):
        run = text.removeprefix(_TRACES)
        if not run:
            raise UsageError("--calibration traces: of which run?", hint="traces:last, for example")
        return Calibration("traces", run)
    if not is_there(user_path(text)) or not user_path(text).is_file():
        raise UsageError(
            f"--calibration {text!r}: there is no such file",
            hint="give fresh, traces:RUN or a text file",
        )
    return Calibration("text", text)


def _fresh(chat: ChatTokenizer, spec: ModelSpec, count: int) -> list[str]:
    """Questions of all families and difficulties in turn, as a suite would ask them."""
    system = spec.card.system_prompt
    opening = () if system is None else (Message("system", system),)
    families = list(FAMILIES)
    texts = []
    for index in range(count):
        family = families[index % len(families)]
        difficulty = DIFFICULTIES[index // len(families) % len(DIFFICULTIES)]
        question = fresh_question(family, FRESH_SEED, index, difficulty)
        prompt = render_prompt(suite_named(question.suite).prompt, question)
        texts.append(_asked(chat, (*opening, Message("user", prompt))))
    return texts


def _asked(chat: ChatTokenizer, messages: tuple[Message, ...]) -> str:
    """A prompt as the model sees it, up to where it would begin to answer."""
    text = chat.render(messages)
    if chat.tokenizer.chat_template is None:
        text = _beginning(chat.tokenizer) + text
    return well_formed(text)


def _beginning(tokenizer: Any) -> str:
    """The token that the tokenizer puts before a plain text; empty if it puts none."""
    bos, first = tokenizer.bos_token_id, tokenizer("a").input_ids[0]
    return tokenizer.bos_token if bos is not None and first == bos else ""


def _cut(tokenizer: Any, text: str, limit: int) -> tuple[str, int]:
    """At most the first `limit` tokens of `text`, as text, and how many they are."""
    tokens: list[int] = tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    if len(tokens) <= limit:
        return text, len(tokens)
    if not tokenizer.is_fast:
        return tokenizer.decode(tokens[:limit]), limit
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return text[: encoded.offset_mapping[limit - 1][1]], limit


# A text file


def _pieces(chat: ChatTokenizer, path: Path, samples: int, tokens: int) -> list[str]:
    """The file cut into sequences, from its beginning, each as long as may be.

    Raises:
        UsageError: it cannot be read, or nothing is in it.
    """
    try:
        with path.open(encoding="utf-8") as file:
            # Not more than is needed: a corpus may be larger than memory.
            text = file.read(samples * tokens * _CHARACTERS_PER_TOKEN)
    except OSError as error:
        raise UsageError(f"--calibration {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"--calibration {path}: not UTF-8: {error}", hint="give plain text"
        ) from error
    beginning = _beginning(chat.tokenizer)
    room = tokens - bool(beginning)
    pieces: list[str] = []
    start = 0
    while len(pieces) < samples and start < len(text):
        window = text[start : start + max(1, room) * _CHARACTERS_PER_TOKEN]
        piece, _ = _cut(chat.tokenizer, window, max(1, room))
        start += max(1, len(piece))
        if piece.strip():
            pieces.append(beginning + piece)
    if not pieces:
        raise UsageError(f"--calibration {path}: there is no text in it")
    return pieces


# Traces


def _traces(
    chat: ChatTokenizer,
    spec: ModelSpec,
    name: str,
    samples: int,
    path: Path,
    notes: list[str],
) -> tuple[str, str, list[str]]:
    """Where a run's traces are from, what asks for them again, and so many of them as are wanted.

    Raises:
        UsageError: there is no such run, or no completion in it.
        StoreError: the store cannot be read.
        DataError: an exported run is damaged.
    """
    with ExitStack() as stack:
        store, run = _opened(stack, name, path)
        used = _Used()
        texts: dict[str, None] = {}  # samples of a greedy run are copies
        for text in _conversations(chat, spec, store, run, used):
            texts[text] = None
            if len(texts) == samples:
                break
        extent = selected(run.manifest)
        errors = len(store.errors(run.run_id, extent=extent))
        others = left_out(store.places(run.run_id), extent)
    if not texts:
        raise UsageError(
            f"--calibration {_TRACES}{name}: run {run.run_id} has no completion to calibrate on",
            hint="`lrmtest runs` lists the others",
        )
    if run.model != spec.name:
        notes.append(f"the traces are those of {run.model}, not of {spec.name}")
    notes += used.notes()
    if others:
        notes.append(f"not calibrated on, since its last session did not ask it: {others}")
    if errors:
        notes.append(f"{counted(errors, 'engine error')} left out")
    source = f"traces of run {run.run_id} ({', '.join(sorted(used.suites))})"
    option = _TRACES + (name if _is_export(name) else run.run_id)
    return source, option, list(texts)


def _is_export(name: str) -> bool:
    return is_file(name) or name.endswith(".jsonl")


def _opened(stack: ExitStack, name: str, path: Path) -> tuple[Store, RunHead]:
    """The run that `name` means, with the store that it is in."""
    if not _is_export(name):
        store = stack.enter_context(Store(path, create=False))
        return store, store.run(name)
    if name.endswith(".json"):
        raise UsageError(
            f"--calibration {_TRACES}{name}: a baseline's file has no texts",
            hint="give a run, or a file that `lrmtest export` wrote",
        )
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lrmtest-"))
    store = stack.enter_context(Store(Path(folder) / STORE_NAME))
    return store, import_run(store, user_path(name))[0]


@dataclass(slots=True)
class _Used:
    """What was met among a run's completions."""

    suites: set[str] = field(default_factory=set)
    looped: int = 0
    truncated: int = 0
    empty: int = 0

    def notes(self) -> Iterator[str]:
        """For people."""
        if self.looped:
            yield f"{counted(self.looped, 'trace')} cut after the first round of the loop"
        if self.truncated:
            yield f"{counted(self.truncated, 'trace')} used as far as its budget went"
        if self.empty:
            yield f"{counted(self.empty, 'completion')} without text or prompt left out"


def _conversations(
    chat: ChatTokenizer, spec: ModelSpec, store: Store, run: RunHead, used: _Used
) -> Iterator[str]:
    """Prompts with their completions, in an order that is random and always the same."""
    extent = selected(run.manifest)
    keys = sorted(place.key for place in store.places(run.run_id) if reaches(extent, place))
    coins = Random(0)
    marks = [coins.random() for _ in keys]
    for index in sorted(range(len(keys)), key=marks.__getitem__):
        stored = store.completion(run.run_id, keys[index])
        if stored is None:
            continue
        asked = store.question(run.run_id, *stored.place.question)
        if asked is None or not asked.prompt or not stored.completion.text.strip():
            used.empty += 1
            continue
        used.suites.add(stored.place.suite or "own prompts")
        prompt = _asked(chat, tuple(Message(role, text) for role, text in asked.prompt))
        yield prompt + _answered(chat, spec, prompt, stored.completion, used)


def _answered(
    chat: ChatTokenizer, spec: ModelSpec, prompt: str, completion: Completion, used: _Used
) -> str:
    """A completion as the model wrote it: with the token that ends a turn, if it ended it."""
    text = well_formed(completion.text)
    opening = pair_of(spec.reasoning_tags)[0]
    if prompt.rstrip().endswith(opening) and text.lstrip().startswith(opening):
        text = text.lstrip().removeprefix(opening)  # the prompt has it already
    if not completion.ran_out:
        return text + (chat.tokenizer.eos_token or "")
    loop = find_loop(text)
    if loop is not None:
        # Its rounds would count as often as there are, and say the same.
        used.looped += 1
        return text[: loop.start + loop.period]
    used.truncated += 1
    return text
