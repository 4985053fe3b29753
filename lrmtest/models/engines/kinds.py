"""The table of engine kinds: lrmtest's own, and those that other packages offer.

A package offers a kind by an entry point of the group `GROUP`, named as the engine is, whose
object is an `EngineKind`. It is found by the package's metadata alone; the package is imported
when a model is to run on its engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, cast

from lrmtest.entry_points import load_offer, offers_of
from lrmtest.errors import ModelError, UsageError
from lrmtest.masking import masked_arguments, masked_url
from lrmtest.models.hashes import file_hashes, hash_files
from lrmtest.models.request_fields import TEMPLATE_VARIABLES, request_fields

if TYPE_CHECKING:
    from lrmtest.models.card import ModelCard
    from lrmtest.models.draft import DraftWay
    from lrmtest.models.engines.base import Engine, ServedModel
    from lrmtest.models.engines.options import EngineOptions
    from lrmtest.models.engines.trace_reader import TellsDistributions, TraceReader
    from lrmtest.models.hardware import Machine
    from lrmtest.models.spec import ModelSpec

GROUP = "lrmtest.engines"
"""The group of entry points by which packages offer engines."""

EngineFactory = Callable[["ModelSpec", "EngineOptions"], "Engine"]
"""Makes an engine for a model; it is not started yet."""

ServedModelFactory = Callable[["ModelSpec", "EngineOptions"], "ServedModel"]
"""Makes what asks an endpoint for its model."""

ReaderFactory = Callable[["ModelSpec", "EngineOptions", "ModelSpec | None"], "TraceReader"]
"""Makes what reads traces with a model, and with the model that wrote them where one is given."""

DraftReaderFactory = Callable[["ModelSpec", "EngineOptions"], "TellsDistributions"]
"""Makes what reads drafts with a model, for samples that are to turn from them by rejection."""

Lack = Callable[["ModelCard", "Machine"], str]
"""Tells in a few words what an engine lacks on a machine to run a model; empty for nothing."""

ModelSource = Literal["files", "endpoint", "recording", "card"]
"""What an engine's model is found by, and `ModelSpec.location` with it: ``files`` on disk; an
HTTP ``endpoint``'s base URL; a ``recording`` of earlier outputs; its ``card`` alone."""

Weights = Literal["safetensors", "gguf"]
"""A format of weight files."""


@dataclass(frozen=True, slots=True)
class EngineKind:
    """All that lrmtest asks of an engine before a model runs on it.

    Attributes:
        name: as in ``--engine`` and in model cards.
        factory: makes the engine: a callable, or ``module:name`` of one, whose module is imported
            only then. Heavy libraries belong into such a module: torch alone takes seconds.
        install: what to give pip when that import fails; empty for nothing more than the package.
        source: what a model is found by.
        reads: the formats of weight files that it runs; some where its source is ``files``, else
            none.
        unpacks_gguf: whether it holds GGUF weights in memory at 16 bits each.
        lack: what tells, before anything is started and without heavy imports, that the engine is
            not on this machine, or not for such a model; written as `factory`.
        served_model: where its source is ``endpoint``: what tells which model is served there, so
            that no stored completion of another is reused; written as `factory`. Without it
            completions of the endpoint are reused by what was asked alone.
        request_fields: the names of the request fields that it heeds; None for any, since it sends
            them on as they are. Others are refused before anything is asked.
        reader: what makes a reader of traces; written as `factory`. Without it the engine can only
            generate.
        several: whether its location names several endpoints of one model; which they are says
            nothing of what is asked.
        drafts: the ways in which it takes drafts; empty where it only generates from the start.
        draft_reader: where ``rejection`` is one of them: what makes a reader that finds turning
            places; written as `factory`.
        reads_pairs: whether its reader takes the model that wrote the traces beside its own, and
            so sees both distributions whole.

    Raises:
        ValueError: `reads` does not go with `source`, or `draft_reader` with `drafts`.
    """

    name: str
    factory: str | EngineFactory
    install: str = ""
    source: ModelSource = "card"
    reads: tuple[Weights, ...] = ()
    unpacks_gguf: bool = False
    served_model: str | ServedModelFactory = ""
    lack: str | Lack = ""
    request_fields: tuple[str, ...] | None = ()
    reader: str | ReaderFactory = ""
    reads_pairs: bool = False
    several: bool = False
    drafts: tuple[DraftWay, ...] = ()
    draft_reader: str | DraftReaderFactory = ""

    def __post_init__(self) -> None:
        if bool(self.reads) != self.has_files:
            raise ValueError(f"a kind of source {self.source!r} cannot read {self.reads!r}")
        if bool(self.draft_reader) != ("rejection" in self.drafts):
            raise ValueError("a kind that rejects tokens of drafts needs what reads these")

    @property
    def has_files(self) -> bool:
        """Whether its model is files that must be on this machine."""
        return self.source == "files"

    @property
    def generates(self) -> bool:
        """Whether it can be asked something new; a recording cannot."""
        return self.source != "recording"

    def lacks(self, card: ModelCard, machine: Machine) -> str:
        """What the engine lacks on `machine` to run the model, in a few words; empty for nothing.

        Raises:
            UsageError: the kind's `lack` is not there.
        """
        if not self.lack:
            return ""
        told: str = _resolved(self, self.lack)(card, machine)
        return told

    def file_hashes(self, spec: ModelSpec) -> dict[str, str]:
        """SHA-256, by file name, of all files that make the model; empty if none are seen here.

        Raises:
            ModelError: a file is missing or cannot be read.
        """
        path = Path(spec.location)
        if self.has_files:
            return file_hashes(path)
        if self.source == "recording":
            return hash_files(sorted(path.glob("*.jsonl")) if path.is_dir() else [path])
        return {}

    def settings(self, spec: ModelSpec, options: EngineOptions) -> dict[str, Any]:
        """What could change an outcome beside the model itself: JSON values for a manifest."""
        if not self.generates:
            # It was made before: nothing can change it but what is said of how its texts ended.
            ends = {
                "budget": options.budget or spec.card.max_tokens,
                "told": options.told_ends,
                "tokenizer": options.tokenizer,
            }
            placed = spec.placing is not None and spec.placing.moved
            # Without it completions keep the keys that they had before prompts were looked at.
            return {"ends": ends} | ({"placed": "by prompt"} if placed else {})
        settings: dict[str, Any] = {"stop_loops": options.stop_loops}
        if fields := carried(spec, options):
            # Without any, completions keep the keys that they had before there were fields.
            settings["request"] = fields
        if self.source == "endpoint":
            url = self.name if self.several else masked_url(spec.location)
            return settings | {"endpoint": url, "served_model": options.served_model}
        card = spec.card
        return settings | {
            "device": options.device,
            "dtype": options.dtype,
            "card_dtype": card.dtype,
            "quantization": card.quantization,
            "kv_cache_dtype": card.kv_cache_dtype,
            "engine_args": list(masked_arguments([*card.engine_args, *options.engine_args])),
        }


ENDPOINT = EngineKind(
    "openai",
    "lrmtest.models.engines.openai_engine:OpenAIEngine",
    install="lrmtest",
    source="endpoint",
    served_model="lrmtest.models.engines.http.identity:EndpointModel",
    request_fields=None,
    reader="lrmtest.models.engines.reading.endpoint:EndpointReader",
)
"""The engine of a URL for which no other is named."""

RECORDING = EngineKind(
    "recorded",
    "lrmtest.models.engines.recorded.engine:RecordedEngine",
    install="lrmtest",
    source="recording",
)
"""The engine of a recording for which no other is named."""

REPLICAS = EngineKind(
    "replicas",
    "lrmtest.models.engines.replicas.engine:ReplicasEngine",
    install="lrmtest",
    source="endpoint",
    served_model="lrmtest.models.engines.replicas.model:ReplicasModel",
    request_fields=None,
    reader="lrmtest.models.engines.replicas.reader:ReplicasReader",
    several=True,
)
"""The engine of several URLs of one model."""

DEFAULT_ENGINE = "transformers"
"""Runs checkpoints as they were published; the engine of a model for which none is named."""

_OWN = {
    kind.name: kind
    for kind in (
        EngineKind(
            DEFAULT_ENGINE,
            "lrmtest.models.engines.transformers.engine:TransformersEngine",
            install="lrmtest[cpu]",
            source="files",
            reads=("safetensors", "gguf"),
            unpacks_gguf=True,
            lack="lrmtest.models.engines.lacks:transformers",
            request_fields=(TEMPLATE_VARIABLES, "reasoning_effort", "top_k", "min_p"),
            reader="lrmtest.models.engines.transformers.reader:TransformersReader",
            reads_pairs=True,
            drafts=("noise",),
        ),
        ENDPOINT,
        REPLICAS,
        RECORDING,
        EngineKind(
            "vllm",
            "lrmtest.models.engines.vllm_engine:VllmEngine",
            install="lrmtest[vllm]",
            source="files",
            reads=("safetensors",),
            lack="lrmtest.models.engines.lacks:vllm",
            request_fields=None,
            reader="lrmtest.models.engines.reading.started:VllmReader",
            drafts=("rejection",),
            draft_reader="lrmtest.models.engines.reading.started:VllmDraftReader",
        ),
        EngineKind(
            "llamacpp",
            "lrmtest.models.engines.llamacpp_engine:LlamaCppEngine",
            install="lrmtest[llamacpp]",
            source="files",
            reads=("gguf",),
            lack="lrmtest.models.engines.lacks:llamacpp",
            request_fields=None,
            reader="lrmtest.models.engines.reading.started:LlamaCppReader",
        ),
    )
}


def engine_names() -> tuple[str, ...]:
    """Every engine there is: lrmtest's own in the order of the documentation, then the others."""
    return tuple(dict.fromkeys((*_OWN, *sorted(offers_of(GROUP)))))


def is_own(engine: str) -> bool:
    """Whether an engine of this name comes with lrmtest, and runs files."""
    return engine in _OWN and _OWN[engine].has_files


def check_engine_name(engine: str, *, where: str) -> str:
    """`engine` itself, if there is an engine of this name; nothing is imported.

    Args:
        engine: the name to check.
        where: what named it, for the message: ``--engine``, a card, ...

    Raises:
        UsageError: there is no such engine.
    """
    names = engine_names()
    if engine in names:
        return engine
    close = get_close_matches(engine, names, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    raise UsageError(
        f"{where}: there is no engine {engine!r}", hint=f"{guess}engines: {', '.join(names)}"
    )


def engine_kind(engine: str, *, where: str = "--engine") -> EngineKind:
    """The kind of this name. A package that offers it is imported now.

    Args:
        engine: the name.
        where: what named it, for the message.

    Raises:
        UsageError: there is no such engine, more than one, or the package that offers it is broken.
    """
    check_engine_name(engine, where=where)
    offers = offers_of(GROUP).get(engine)
    if offers is None:
        return _OWN[engine]
    return load_offer(offers, EngineKind, "engine", is_ours=engine in _OWN)


def kind_of(spec: ModelSpec) -> EngineKind:
    """The kind of the engine that a model runs on.

    Raises:
        UsageError: as `engine_kind`.
    """
    return engine_kind(spec.engine, where=f"model {spec.name!r}")


def carried(spec: ModelSpec, options: EngineOptions) -> dict[str, Any]:
    """The request fields of a model, by its card and the user's word."""
    found: dict[str, Any] = request_fields(spec.card.request, options.request_fields, spec.name)
    return found


def refuse_fields(spec: ModelSpec, options: EngineOptions) -> None:
    """Refuse request fields that the engine of a model does not heed.

    Raises:
        UsageError: there are some; or as `engine_kind`.
    """
    kind = kind_of(spec)
    if kind.request_fields is None or not kind.generates:
        return
    fields = carried(spec, options)
    unheeded = [name for name in fields if name not in kind.request_fields]
    if not unheeded:
        return
    heeded = f"only {', '.join(kind.request_fields)}" if kind.request_fields else "none"
    by_option = {option.name for option in options.request_fields}
    by = "its card" if all(name not in by_option for name in unheeded) else "--request-field"
    raise UsageError(
        f"model {spec.name!r}: engine {kind.name} does not heed {', '.join(unheeded)}, by {by}; of "
        f"request fields it heeds {heeded}",
        hint="choose another --engine, or leave it out: "
        + " ".join(f"--request-field {spec.name}:{name}=null" for name in unheeded),
    )


def refuse_drafts(spec: ModelSpec) -> None:
    """Refuse drafts for a model whose engine takes none.

    Raises:
        UsageError: it does; or as `engine_kind`.
    """
    kind = kind_of(spec)
    if kind.drafts:
        return
    able = [name for name in engine_names() if name in _OWN and _OWN[name].drafts]
    raise UsageError(
        f"--drafts: model {spec.name!r} runs on engine {kind.name}, which can only "
        + ("generate from the start" if kind.generates else "give back what was recorded"),
        hint=f"leave it out, or take an engine that can begin with a draft: {', '.join(able)}",
    )


def can_generate(engine: str) -> bool:
    """Whether an engine of this name can be asked something new; if it is not known here, yes."""
    try:
        return engine_kind(engine).generates
    except UsageError:
        return True


_SERVERS = {"llama.cpp": "llamacpp"}
"""Servers that call themselves otherwise than their engine is called here."""


def engine_family(engine: str | None, server: str | None) -> str:
    """What computes the answers, by whose arithmetic they may differ; empty when not known.

    Args:
        engine: the engine's name.
        server: what an endpoint says it is.
    """
    if engine in (ENDPOINT.name, REPLICAS.name):
        return _SERVERS.get(server or "", server or "") if server != "unknown" else ""
    return engine if engine and engine in _OWN and _OWN[engine].generates else ""


def create_engine(spec: ModelSpec, options: EngineOptions) -> Engine:
    """The engine that `spec` names, not yet started.

    Raises:
        UsageError: as `engine_kind`; also when the kind's factory is not there.
        ModelError: what the engine imports is not installed.
    """
    kind = kind_of(spec)
    made: Engine = _make(kind, kind.factory, spec, options)
    return made


def create_reader(
    spec: ModelSpec, options: EngineOptions, parent: ModelSpec | None = None
) -> TraceReader:
    """What reads traces with `spec`, not yet started.

    Args:
        spec: the reader.
        options: of its engine.
        parent: the model that wrote the traces, to be read beside it; only for kinds that
            `reads_pairs`.

    Raises:
        UsageError: the engine cannot read, or as `create_engine`.
        ModelError: as `create_engine`.
    """
    kind = kind_of(spec)
    if not kind.reader:
        able = [name for name in engine_names() if name in _OWN and _OWN[name].reader]
        raise UsageError(
            f"model {spec.name!r}: engine {kind.name} cannot read traces, only "
            + ("generate" if kind.generates else "give back what was recorded"),
            hint=f"read it on another engine: {', '.join(able)}",
        )
    made: TraceReader = _make(
        kind, lambda *given: _resolved(kind, kind.reader)(*given, parent), spec, options
    )
    return made


def create_draft_reader(spec: ModelSpec, options: EngineOptions) -> TellsDistributions:
    """What reads drafts with `spec` to find turning places by rejection, not yet started.

    Raises:
        UsageError, ModelError: as `create_engine`.
    """
    kind = kind_of(spec)
    assert kind.draft_reader, "its kind takes no drafts in that way"
    made: TellsDistributions = _make(kind, kind.draft_reader, spec, options)
    return made


def served_model(spec: ModelSpec, options: EngineOptions) -> ServedModel | None:
    """What asks the endpoint of `spec` for its model; None where nothing can.

    Raises:
        UsageError, ModelError: as `create_engine`.
    """
    kind = kind_of(spec)
    if not kind.served_model:
        return None
    made: ServedModel = _make(kind, kind.served_model, spec, options)
    return made


def _make(
    kind: EngineKind, factory: str | Callable[..., Any], spec: ModelSpec, options: EngineOptions
) -> Any:
    try:
        return _resolved(kind, factory)(spec, options)
    except ImportError as error:
        hint = f"pip install '{kind.install}'" if kind.install else "reinstall its package"
        raise ModelError(
            f"the {kind.name} engine cannot be imported: {error}", hint=hint
        ) from error


def _resolved(kind: EngineKind, factory: str | Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(factory, str):
        return factory
    try:
        return cast("Callable[..., Any]", resolve_name(factory))
    except (AttributeError, ValueError) as error:
        raise UsageError(
            f"engine {kind.name!r}: its factory {factory!r} is not there: {error}",
            hint="it is written module:name",
        ) from error
