"""The manifest: every setting of a run that changes an outcome, and on what it was made.

It is JSON in the store and in every file. Here are the names of what lrmtest reads of it. All
else, from a later version or another engine, is kept as it is, and so is a value of a type that
is not expected: a manifest that was read and is written again is the same JSON, key by key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import partial
from math import isfinite
from typing import Any, Self, get_args, get_origin, get_type_hints

from lrmtest.grading.forms import DEFAULT_TAGS, Tags, tags_of
from lrmtest.models.engines.base import is_greedy
from lrmtest.models.engines.token_counts import COUNTED, TOTALS
from lrmtest.questions.data import Source
from lrmtest.runs.keys import fingerprint
from lrmtest.suites.sets import NamedSet, SetPart

MANIFEST_VERSION = 1
"""Raised when a field changes its meaning, not when one is added."""


@dataclass(frozen=True, slots=True)
class Section:
    """A JSON object with the fields that are known here.

    A field that the JSON does not have, or not of its type, has its default. One of None is not
    written, unless it was read so.

    Attributes:
        raw: the JSON that it was read from; empty for one that is made here.
    """

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, kw_only=True)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            TypeError: `raw` is no JSON object.
        """
        if not isinstance(raw, Mapping):
            raise TypeError(f"a {type(raw).__name__} instead of a JSON object")
        read = {name: of(raw[name]) for name, of in _readers(cls).items() if name in raw}
        return cls(raw=raw, **{name: value for name, value in read.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """As it was read, but for the fields that have changed since."""
        before = self.from_json(self.raw)
        changed = {
            name: _json(value)
            for name in _readers(type(self))
            if (value := getattr(self, name)) != getattr(before, name)
        }
        return {**self.raw, **changed}


def _json(value: Any) -> Any:
    if isinstance(value, Section):
        return value.to_json()
    if isinstance(value, Mapping):
        return {name: _json(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return list(value)
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


# What a field may be; None for anything else. Numbers are kept as they are: 0 and 0.0 are
# different texts, and so would be their fingerprints.


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return value if usable else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _texts(value: Any) -> tuple[str, ...] | None:
    is_texts = isinstance(value, list) and all(isinstance(part, str) for part in value)
    return tuple(value) if is_texts else None


def _object(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def _source(value: Any) -> Source | None:
    if not isinstance(value, Mapping):
        return None
    return Source(**{one.name: _text(value.get(one.name)) or "" for one in fields(Source)})


def _of(kind: type[Section], value: Any) -> Section | None:
    return kind.from_json(value) if isinstance(value, Mapping) else None


_Reader = Callable[[Any], Any]

_READERS: dict[Any, _Reader] = {
    int: _count,
    int | None: _count,
    float | None: _number,
    bool | None: _flag,
    str | None: _text,
    tuple[str, ...] | None: _texts,
    Tags | None: tags_of,
    Mapping[str, str] | None: _object,
    Mapping[str, Any] | None: _object,
    Source | None: _source,
}
"""How to read a field, by its type."""


_readers_of: dict[type[Section], Mapping[str, _Reader]] = {}
"""What `_readers` has worked out, by the section's class."""


def _readers(kind: type[Section]) -> Mapping[str, _Reader]:
    """How to read the fields of a section, by their names."""
    if kind not in _readers_of:
        types = get_type_hints(kind)
        known = [one.name for one in fields(kind) if one.name != "raw"]
        _readers_of[kind] = {name: _reader(types[name]) for name in known}
    return _readers_of[kind]


def _reader(kind: Any) -> _Reader:
    if isinstance(kind, type) and issubclass(kind, Section):
        return partial(_of, kind)
    if get_origin(kind) is Mapping:
        return partial(_by_name, get_args(kind)[1])
    return _READERS[kind]


def _by_name(kind: type[Section], value: Any) -> Mapping[str, Section] | None:
    """Sections by name."""
    if not isinstance(value, Mapping):
        return None
    return {name: _of(kind, part) or kind() for name, part in value.items()}


@dataclass(frozen=True, slots=True)
class CompressionSection(Section):
    """How the model was compressed.

    Attributes:
        method: ``gguf``, ``awq``, ...; ``none``.
        bits_per_weight: mean bits; None when not known.
        sparsity: share of weights that are zero, in [0, 1].
    """

    method: str | None = None
    bits_per_weight: float | None = None
    sparsity: float | None = None


@dataclass(frozen=True, slots=True)
class ModelSection(Section):
    """What generates. Nothing in it may depend on the machine's folders.

    Beside these fields it has what an engine adds of its own: device, dtype, endpoint, ...

    Attributes:
        name: the model's name.
        engine: what generates with it.
        files: SHA-256 by file name.
        compression: how it was compressed.
        reasoning_tags: opening and closing, as they are part of the model's identity;
            `Manifest.reasoning_tags` are those that texts are split by.
        system_prompt: what every conversation begins with.
        request: the request fields that it was asked with; None for none.
        stop_loops: completions are stopped whose tail has become periodic.
        served: what an endpoint told of its model, and under ``probe`` a hash of the run's own
            `Manifest.probe`; None of models from files, and in runs of lrmtest 0.1.
    """

    name: str | None = None
    engine: str | None = None
    files: Mapping[str, str] | None = None
    compression: CompressionSection = field(default_factory=CompressionSection)
    reasoning_tags: Tags | None = None
    system_prompt: str | None = None
    request: Mapping[str, Any] | None = None
    stop_loops: bool | None = None
    served: Mapping[str, Any] | None = None

    @property
    def identity(self) -> str:
        """Fingerprint of what generates."""
        return fingerprint(self.to_json())

    @property
    def generator(self) -> str:
        """The same, whatever the user calls the model and however its probe was answered."""
        told = {name: value for name, value in self.to_json().items() if name != "name"}
        served = told.get("served")
        if isinstance(served, Mapping):
            told["served"] = {name: value for name, value in served.items() if name != "probe"}
        return fingerprint(told)


@dataclass(frozen=True, slots=True)
class SuiteSection(Section):
    """What all completions of one suite share, beside the run's settings.

    Attributes:
        prompt_sha256: hash of the prompt template.
        max_tokens: the budget.
        samples: samples per question.
        source: where the questions came from.
        questions: how many were selected.
        answer_kinds: of all its questions, sorted; they say how answers are graded.
        metric: its primary metric, by which runs are compared.
        tests: the test functions that asked it last, as in test ids.
        options: what pytest was given to ask it so, but for what only chooses or reports.
    """

    prompt_sha256: str | None = None
    max_tokens: int | None = None
    samples: int | None = None
    source: Source | None = None
    questions: int | None = None
    answer_kinds: tuple[str, ...] | None = None
    metric: str | None = None
    tests: tuple[str, ...] | None = None
    options: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SelectionSection(Section):
    """What the run's last session selected of one suite, as in `lrmtest.runs.extent`.

    Attributes:
        samples: of each question, the first so many.
        questions: their ids.
        fewer: of some questions fewer samples, by their ids.
    """

    samples: int | None = None
    questions: tuple[str, ...] | None = None
    fewer: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SetPartSection(Section):
    """What a named set asks of one suite, as in `lrmtest.suites.sets.SetPart`.

    Attributes:
        questions: the ids; None for all, or for a share of them.
        share: of all questions; None for all, or where ids are given.
        max_tokens: the budget; None for the usual one.
        samples: per question; None for the usual number.
    """

    questions: tuple[str, ...] | None = None
    share: float | None = None
    max_tokens: int | None = None
    samples: int | None = None


@dataclass(frozen=True, slots=True)
class NamedSetSection(Section):
    """The named set that the run's last session was asked.

    Attributes:
        name: its name; None where none was.
        suites: its parts, by suite.
    """

    name: str | None = None
    suites: Mapping[str, SetPartSection] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: NamedSet) -> NamedSetSection:
        """The section that tells a set."""
        return cls(
            name=asked.name,
            suites={
                part.suite: SetPartSection(
                    questions=part.questions or None,
                    share=part.share if part.share < 1 else None,
                    max_tokens=part.max_tokens,
                    samples=part.samples,
                )
                for part in asked.parts
            },
        )

    @property
    def asked(self) -> NamedSet | None:
        """The set, without its words; None where none was asked."""
        if self.name is None or not self.suites:
            return None
        parts = tuple(
            SetPart(
                suite,
                part.questions or (),
                1.0 if part.share is None else part.share,
                part.max_tokens,
                part.samples,
            )
            for suite, part in self.suites.items()
        )
        return NamedSet(self.name, "", "", parts)


@dataclass(frozen=True, slots=True)
class EnvironmentSection(Section):
    """Interpreter, platform, package versions and hardware."""

    python: str | None = None
    platform: str | None = None
    packages: Mapping[str, str] | None = None
    hardware: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SizeSection(Section):
    """How large the model is: parameters in billions, files and memory in GB."""

    parameters: float | None = None
    disk_gb: float | None = None
    memory_gb: float | None = None


@dataclass(frozen=True, slots=True)
class FetchedSection(Section):
    """The snapshot of a hub's repository that the model's files are.

    Attributes:
        repo: the repository, by the model's card.
        commit: what the card's revision meant when it was fetched.
    """

    repo: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class EngineSection(Section):
    """What the engine said of itself once it ran, as in `EngineInfo`."""

    engine: str | None = None
    version: str | None = None
    seeded: bool | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SelfTestSection(Section):
    """What a few short completions said of the engine before a long run."""

    seeds: str | None = None
    tokens: str | None = None
    prompts: str | None = None
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ChatSection(Section):
    """How a model's prompts are made of messages, and its tokens of text.

    Attributes:
        template_sha256: of its chat template; ``none`` where its files have none.
        template_source: the file, key or option that it came from.
        tokenizer: as `lrmtest.models.tokenizer_identity` tells it.
    """

    template_sha256: str | None = None
    template_source: str | None = None
    tokenizer: str | None = None


@dataclass(frozen=True, slots=True)
class ReasoningSection(Section):
    """How the model marks its reasoning, how that is known, and what its texts have shown.

    Attributes:
        tags: what is known: a pair, the name of a known form, or nothing.
        known_by: ``option``, ``card``, ``chat template`` or ``tokenizer``; ``texts`` where only
            they show it.
        prefilled: the chat template ends a prompt with the opening tag.
        texts: how many were looked at.
        seen: how many of them are marked so, by the form's label; those of unknown marks too.
        unknown: how many begin with something like an opening tag that no table has, by that.
        long: how many are long, and nothing in them marks any reasoning.
    """

    tags: Tags | None = None
    known_by: str | None = None
    prefilled: bool | None = None
    texts: int | None = None
    seen: Mapping[str, Any] | None = None
    unknown: Mapping[str, Any] | None = None
    long: int | None = None


@dataclass(frozen=True, slots=True)
class ImportSection(Section):
    """The log of another tool that a suite came from.

    Attributes:
        tool, version, task, created: as the log has them.
        file: its file name.
        sha256: its hash, hex.
        marked_by: the figure by which the tool itself graded: a metric, a scorer.
        marked: how many of the completions it called right or wrong by that.
        marked_correct: how many of these right.
    """

    tool: str | None = None
    version: str | None = None
    task: str | None = None
    file: str | None = None
    sha256: str | None = None
    created: str | None = None
    marked_by: str | None = None
    marked: int | None = None
    marked_correct: int | None = None


@dataclass(frozen=True, slots=True)
class LooksSection(Section):
    """The looks that a gate has taken at one test of the run, as in `lrmtest.runs.looks`.

    Attributes:
        count: how many.
        samples, baseline_samples: how many had a verdict at the last one, in the run and in its
            baseline.
        share: of both error rates that the last one could spend.
        spent: of both, in all.
        looking: of these, reserved for looking early.
        order: fingerprint of the order that was looked at early.
        reading: of 1 - power, what the last reading of the baseline's traces could spend.
        read: fingerprint of what was read.
        unread: of what looks may spend of 1 - power, the part that readings have left them.
        certificate: what the last reading came to, as `lrmtest.analysis.certificate_record` has it.
    """

    count: int | None = None
    samples: int | None = None
    baseline_samples: int | None = None
    share: float | None = None
    spent: float | None = None
    looking: float | None = None
    order: str | None = None
    reading: float | None = None
    read: str | None = None
    unread: float | None = None
    certificate: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SeriesSection(Section):
    """A run's place in a series of candidates, as in `lrmtest.runs.series`.

    Attributes:
        number: which candidate it is, from 1, as its store counts them.
        size: how many the series has.
    """

    number: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class DraftsSection(Section):
    """The traces that the run's samples last began with, as in `lrmtest.models.draft`.

    A sample says for itself whether it did, and how far.

    Attributes:
        run: id of the run that they are of.
        model: the name of the model that wrote them.
        way: how the turning places were found.
    """

    run: str | None = None
    model: str | None = None
    way: str | None = None


@dataclass(frozen=True, slots=True)
class NoiseSection(Section):
    """An engine's own noise at temperature 0, as `lrmtest noise` measured it.

    Every share is over pairs of repeats, a mean over questions, with the ends of its 95 % interval
    for questions like these.

    Attributes:
        questions: how many were asked.
        repeats: how often each.
        texts, texts_low, texts_high: share of pairs whose texts differ.
        verdicts, verdicts_low, verdicts_high: of which one passes and the other does not.
        outcomes_high: upper end for pairs whose verdict or failure class differs.
        first_difference: characters before texts that differ do; the median.
        length: characters of these texts; the median.
        concurrency: how many completions were generated at once, in each repeat.
        suites: what was asked.
        max_tokens: the largest budget.
        engine_version: what the engine said.
        created: when, UTC, ISO 8601.
    """

    questions: int | None = None
    repeats: int | None = None
    texts: float | None = None
    texts_low: float | None = None
    texts_high: float | None = None
    verdicts: float | None = None
    verdicts_low: float | None = None
    verdicts_high: float | None = None
    outcomes_high: float | None = None
    first_difference: float | None = None
    length: float | None = None
    concurrency: tuple[str, ...] | None = None
    suites: tuple[str, ...] | None = None
    max_tokens: int | None = None
    engine_version: str | None = None
    created: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest(Section):
    """A run's manifest.

    Attributes:
        version: of its form; `MANIFEST_VERSION` where it does not say.
        model: what generates.
        temperature: 0 is greedy.
        top_p: nucleus mass.
        seed: base seed, from which every sample's own is derived.
        suites: per suite, what its completions share.
        selection: by suite, what the last session asked for of all that the run has; empty where
            that is not known.
        named_set: the set that the last session was asked by name; empty where none was.
        environment: on what the run was made.
        size: how large the model is.
        fetched: where on a hub its files are from; empty for any other place.
        engine: what the engine said of itself; empty until it runs.
        chat: how its prompts are made; empty where that is not known.
        reasoning: how its reasoning is marked; empty in runs of lrmtest 0.1.
        self_test: of the engine; empty without one.
        probe: by what an endpoint's model is known again: its first answers to a few questions.
        imported: by suite, the log that it came from; empty for a run that was made here.
        looks: by test, the looks that gates have taken at the run.
        series: by baseline and suites, the run's places in series of candidates.
        noise: the engine's own at temperature 0; empty where it was not measured.
        drafts: the traces that samples began with; empty where none did.
    """

    # Whoever reads one relies on its having suites, if none.
    raw: Mapping[str, Any] = field(default_factory=lambda: {"suites": {}}, repr=False, kw_only=True)
    version: int = MANIFEST_VERSION
    model: ModelSection = field(default_factory=ModelSection)
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    suites: Mapping[str, SuiteSection] = field(default_factory=dict)
    selection: Mapping[str, SelectionSection] = field(default_factory=dict)
    named_set: NamedSetSection = field(default_factory=NamedSetSection)
    environment: EnvironmentSection = field(default_factory=EnvironmentSection)
    size: SizeSection = field(default_factory=SizeSection)
    fetched: FetchedSection = field(default_factory=FetchedSection)
    engine: EngineSection = field(default_factory=EngineSection)
    chat: ChatSection = field(default_factory=ChatSection)
    reasoning: ReasoningSection = field(default_factory=ReasoningSection)
    self_test: SelfTestSection = field(default_factory=SelfTestSection)
    probe: Mapping[str, Any] | None = None
    imported: Mapping[str, ImportSection] = field(default_factory=dict)
    looks: Mapping[str, LooksSection] = field(default_factory=dict)
    series: Mapping[str, SeriesSection] = field(default_factory=dict)
    noise: NoiseSection = field(default_factory=NoiseSection)
    drafts: DraftsSection = field(default_factory=DraftsSection)

    @property
    def identity(self) -> str:
        """Fingerprint of what all completions of the run share."""
        return fingerprint(
            {
                "model": self.model.to_json(),
                "temperature": self.temperature,
                "top_p": self.top_p,
                "seed": self.seed,
            }
        )

    @property
    def greedy(self) -> bool:
        """Whether the run decoded at temperature 0, so that its samples are copies."""
        return is_greedy(self.temperature)

    @property
    def totals_counted(self) -> bool:
        """Whether of all completions the total is counted, and but its share of reasoning not."""
        return (self.engine.details or {}).get(TOTALS) == COUNTED

    @property
    def reasoning_tags(self) -> Tags:
        """What is known of the model's tags; nothing where only its texts can show them.

        A run of lrmtest 0.1 has the usual pair where nobody had said anything.
        """
        if self.reasoning.known_by is not None:
            return self.reasoning.tags or ()
        tags = self.model.reasoning_tags or ()
        return () if tags == DEFAULT_TAGS else tags

    def suite(self, name: str) -> SuiteSection:
        """A suite's section; an empty one of a suite that the run did not ask."""
        return self.suites.get(name, SuiteSection())
