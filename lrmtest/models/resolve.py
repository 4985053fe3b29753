"""The meaning of ``--model``: a card's name, a path, a recording or an endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from lrmtest.errors import UsageError
from lrmtest.masking import masked
from lrmtest.models.card import Checkpoint, ModelCard
from lrmtest.models.cards import SAFE_NAME, fill_in
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.kinds import (
    ENDPOINT,
    RECORDING,
    REPLICAS,
    EngineKind,
    ModelSource,
    engine_kind,
)
from lrmtest.models.engines.replicas import places
from lrmtest.models.folder_card import CARD_FILE, read_folder_card
from lrmtest.models.gguf.from_safetensors import can_convert
from lrmtest.models.local import measure, own_sampling
from lrmtest.models.paths import is_there, user_path
from lrmtest.models.spec import ModelSpec

_TEMPERATURE, _TOP_P = 0.6, 0.95
_RECORDED = "recorded:"
_URL = ("http://", "https://")
_LOCATIONS: dict[ModelSource, str] = {
    "recording": f"{_RECORDED}PATH",
    "endpoint": "http://host:port/v1",
}
_PART = re.compile(r"-\d{5}-of-\d{5}$")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:(?:/{1,2})?")
"""What looks like another way to say where something is: ``ftp://``, ``hf:``."""
_HOST = re.compile(
    r"(?://)?(?P<host>localhost|\[[0-9A-Fa-f:.]{2,40}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?)"
    r"(?::(?P<port>[0-9]{2,5}))?(?P<path>/[A-Za-z0-9._/-]{0,200})?"
)
"""What looks like an endpoint's URL without its scheme: ``localhost:8000``, ``gpu:8000/v1``."""
_TLS_PORTS = ("443", "8443")
_NAMED = re.compile(rf"({SAFE_NAME.pattern})=(.+)", re.DOTALL)


def resolve(model: str, cards: Mapping[str, ModelCard], *, engine: str | None = None) -> ModelSpec:
    """The model that `model` means; nothing is fetched.

    Args:
        model: a card's name or alias or its hub repository; a path to a ``.gguf`` file or a
            model's folder; ``recorded:PATH`` or ``recorded:PATH#SUITE``;
            ``http(s)://host:port[/v1]``, several of them with commas between, or
            ``replicas:FILE`` with one a line. Written ``NAME=...``, all but the first get the
            card, or only the name, NAME.
        cards: the cards there are, by name.
        engine: the user's choice; the card's own when None.

    Raises:
        UsageError: there is no such model, it has to be made first, or the engine cannot run it,
            is not known, or the package that offers it is broken.
        ModelError: the files at a path are missing, truncated or corrupted.
    """
    kind = None if engine is None else engine_kind(engine)
    return replace(_resolved(model, cards, kind), given=model)


def sampling_defaults(spec: ModelSpec) -> tuple[float, float]:
    """Temperature and top-p to use when the user gives none.

    The card's; else those that come with the checkpoint, once it is on disk; else 0.6 and 0.95,
    DeepSeek's recommendation for R1 and the models distilled from it.

    Raises:
        ModelError: the checkpoint's ``generation_config.json`` is corrupted.
    """
    temperature, top_p = spec.card.temperature, spec.card.top_p
    folder = Path(spec.location)
    if (temperature is None or top_p is None) and spec.location and folder.is_dir():
        own_temperature, own_top_p = own_sampling(folder)
        temperature = own_temperature if temperature is None else temperature
        top_p = own_top_p if top_p is None else top_p
    return (
        _TEMPERATURE if temperature is None else temperature,
        _TOP_P if top_p is None else top_p,
    )


def _resolved(model: str, cards: Mapping[str, ModelCard], engine: EngineKind | None) -> ModelSpec:
    if not model.strip():
        raise UsageError("--model is given without a name", hint="'lrmtest models' lists them")
    by_name = _by_every_name(cards)
    if model in by_name:
        return _from_card(by_name[model], engine)
    if named := _named_location(model):
        name, location = named
        return _from_location(location, cards, by_name.get(name, ModelCard(name=name)), engine)
    if _is_location(model):
        return _from_location(model, cards, None, engine)
    raise _unknown(model, by_name)


def _by_every_name(cards: Mapping[str, ModelCard]) -> dict[str, ModelCard]:
    """Cards by alias and by hub repository too, if only one has it; own names win.

    Of cards that ask the same files in other ways, by another effort, the parent has it.
    """
    found: dict[str, ModelCard] = {}
    of_repo: dict[str, list[ModelCard]] = {}
    for card in cards.values():
        found.update((alias, card) for alias in card.aliases)
        parent = cards.get(card.parent)
        if parent is None or parent.checkpoint.repo != card.checkpoint.repo:
            of_repo.setdefault(card.checkpoint.repo, []).append(card)
    found.update((repo, one[0]) for repo, one in of_repo.items() if len(one) == 1)
    found.pop("", None)
    return found | dict(cards)


def _is_location(text: str) -> bool:
    return text.startswith((_RECORDED, places.FILE, *_URL)) or is_there(user_path(text))


def _named_location(text: str) -> tuple[str, str] | None:
    """The parts of ``NAME=LOCATION``; a path may have an equals sign of its own."""
    match = _NAMED.fullmatch(text)
    if match is None or _is_location(text) or not _is_location(match.group(2)):
        return None
    return match.group(1), match.group(2)


def _from_card(card: ModelCard, engine: EngineKind | None) -> ModelSpec:
    checkpoint = card.checkpoint
    kind = engine or engine_kind(card.engine, where=f"model {card.name!r}")
    if kind.source == "card":
        return ModelSpec(card.name, card, kind.name)
    if checkpoint.url and (engine is None or kind.source == "endpoint"):
        return _from_url(checkpoint.url, card, kind if kind.source == "endpoint" else None)
    if checkpoint.path:
        path = Path(checkpoint.path)
        if not is_there(path):
            raise UsageError(
                f"model {card.name!r}: its card says it is at {path}, but nothing is there",
                hint="correct checkpoint.path in its card",
            )
        return _from_path(path, card, engine)
    if not (checkpoint.repo or checkpoint.wheel):
        raise _must_be_made(card)
    return _from_files(card, engine, location="")


def _from_location(
    location: str,
    cards: Mapping[str, ModelCard],
    card: ModelCard | None,
    engine: EngineKind | None,
) -> ModelSpec:
    """`card` is what the user's ``NAME=`` stands for, None when no name was given."""
    if places.are_several(location):
        return _from_replicas(location, card, engine)
    if location.startswith(_URL):
        return _from_url(location, card, engine)
    if location.startswith(_RECORDED):
        return _from_recording(location, cards, card, engine)
    path = user_path(location)
    notices: tuple[str, ...] = ()
    if (path / CARD_FILE).is_file() and (card is None or card.name not in cards):
        # The name is the user's; what the model is, the folder's own card says.
        named, notices = read_folder_card(path, cards)
        card = replace(named, name=card.name) if card else named
    if card is None:
        card = ModelCard(name=_safe_name(_path_name(path), location))
    # The files are those at the path, wherever the card would have taken them from.
    spec = _from_path(path, replace(card, checkpoint=Checkpoint()), engine)
    return replace(spec, notices=notices)


def _from_url(text: str, card: ModelCard | None, engine: EngineKind | None) -> ModelSpec:
    url = Endpoint.parse(text).url
    card = card or ModelCard(name=_safe_name(urlsplit(url).netloc, text))
    only = _only(ENDPOINT, engine, text)
    return ModelSpec(card.name, replace(card, engine=only), only, url)


def _from_replicas(text: str, card: ModelCard | None, engine: EngineKind | None) -> ModelSpec:
    where = places.ReplicaPlaces(text)
    if card is None and where.file is None:
        raise UsageError(
            "several endpoints of one model need a name for it",
            hint=f"--model NAME={where.location}",
        )
    if card is None:
        assert where.file is not None
        card = ModelCard(name=_safe_name(where.file.stem, text))
    if engine is not None and engine.source == "endpoint" and not engine.several:
        raise UsageError(
            f"--model {card.name}: engine {engine.name} asks one endpoint only",
            hint="leave out --engine, or give one URL",
        )
    only = _only(REPLICAS, engine, text)
    return ModelSpec(card.name, replace(card, engine=only), only, where.location)


def _from_recording(
    location: str,
    cards: Mapping[str, ModelCard],
    card: ModelCard | None,
    engine: EngineKind | None,
) -> ModelSpec:
    if location == _RECORDED:
        raise UsageError("--model recorded: names no file", hint="write recorded:PATH")
    text, suite = location.removeprefix(_RECORDED), ""
    if not is_there(user_path(text)) and "#" in text:
        text, _, suite = text.rpartition("#")
    path = user_path(text)
    if not is_there(path):
        raise UsageError(f"there is no recording at {path}")
    if card is None:
        name = _safe_name(path.resolve().name.partition(".jsonl")[0], location)
        card = cards.get(name, ModelCard(name=name))
    only = _only(RECORDING, engine, location)
    return ModelSpec(card.name, replace(card, engine=only), only, str(path), recorded_suite=suite)


def _from_path(path: Path, card: ModelCard, engine: EngineKind | None) -> ModelSpec:
    measured = measure(path)
    files = measured.checkpoint
    full = fill_in(card, measured)
    full = replace(full, checkpoint=replace(full.checkpoint, path=files.path, gguf=files.gguf))
    return _from_files(full, engine, location=files.path)


def _from_files(card: ModelCard, engine: EngineKind | None, *, location: str) -> ModelSpec:
    """A model whose weights are files; refuses an engine that cannot run them."""
    kind = engine or engine_kind(card.engine, where=f"model {card.name!r}")
    if kind.source in _LOCATIONS:
        raise UsageError(
            f"engine {kind.name} cannot run the files of model {card.name!r}",
            hint=f"--model {card.name}={_LOCATIONS[kind.source]}",
        )
    folder = Path(location) if location else None
    if kind.reads == ("gguf",) and not (card.checkpoint.gguf or (folder and can_convert(folder))):
        raise UsageError(
            f"engine {kind.name} runs GGUF files only, and model {card.name!r} is none",
            hint="convert it with llama.cpp's convert_hf_to_gguf.py, or choose another --engine",
        )
    if kind.reads == ("safetensors",) and card.checkpoint.gguf:
        raise UsageError(
            f"engine {kind.name} needs safetensors, and model {card.name!r} is a GGUF file",
            hint="run it on --engine llamacpp",
        )
    return ModelSpec(card.name, card, kind.name, location)


def _only(usual: EngineKind, engine: EngineKind | None, location: str) -> str:
    """The engine of a location that says what engines it is for."""
    if engine is None:
        return usual.name
    if engine.source != usual.source:
        raise UsageError(f"--model {location} runs on engine {usual.name}, not on {engine.name}")
    return engine.name


def _path_name(path: Path) -> str:
    path = path.resolve()
    return _PART.sub("", path.stem) if path.suffix == ".gguf" else path.name


def _safe_name(text: str, model: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")
    if not name:
        raise UsageError(f"--model {model!r} gives no usable name", hint=f"write NAME={model}")
    return name


def _must_be_made(card: ModelCard) -> UsageError:
    if not card.compression.recipe:
        return UsageError(
            f"model {card.name!r}: its card does not say where its files are",
            hint="set checkpoint.path, checkpoint.repo or checkpoint.url in it",
        )
    parent = f" from {card.parent}" if card.parent else ""
    return UsageError(
        f"model {card.name!r} is not published; make it{parent}: {card.compression.recipe}",
        hint=f"then give the folder you saved it to: --model {card.name}=FOLDER",
    )


def _url_without_scheme(text: str) -> str | None:
    """The URL that a host with a port or an API's path is meant for; None for other texts."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    host, port, path = match["host"], match["port"], match["path"] or ""
    local = host == "localhost" or host.startswith("[") or host.replace(".", "").isdigit()
    if not (port or host == "localhost" or ("." in host and path.rstrip("/").endswith("/v1"))):
        return None
    secure = port in _TLS_PORTS if port else not local
    colon = ":" if port else ""
    try:
        return Endpoint.parse(f"http{'s' * secure}://{host}{colon}{port or ''}{path}").url
    except UsageError:
        return None


def _unknown(model: str, known: Mapping[str, ModelCard]) -> UsageError:
    named = _NAMED.fullmatch(model)
    if url := _url_without_scheme(named.group(2) if named else model):
        name = f"{named.group(1)}=" if named else ""
        return UsageError(
            f"there is no model {masked(f'x://{model}').removeprefix('x://')!r}; an endpoint is "
            "given by its URL, with http:// or https://",
            hint=f"--model {name}{url}",
        )
    if scheme := _SCHEME.match(model):
        return UsageError(
            f"--model {model}: a location cannot begin with {scheme.group()}",
            hint="give a path, recorded:PATH, http://... or https://..., or a card's name",
        )
    if named:
        return UsageError(
            f"--model {model}: there is no file or folder {named.group(2)!r}",
            hint="behind NAME= stands a path, recorded:PATH or a URL",
        )
    hint = "'lrmtest models' lists them"
    close = get_close_matches(model, list(known), n=3)
    if close:
        hint = f"did you mean {' or '.join(close)}? {hint}"
    if "/" in model or model.startswith(("~", ".")) or model.endswith(".gguf"):
        return UsageError(
            f"there is no file or folder {model!r}, and no model of that name", hint=hint
        )
    return UsageError(f"there is no model {model!r}", hint=hint)
