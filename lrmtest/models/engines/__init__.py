"""What generates: one small protocol (`base`), one file per engine."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

from lrmtest.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrmtest.models.engines.base import Engine
    from lrmtest.models.engines.options import EngineOptions
    from lrmtest.models.spec import ModelSpec

# Engine name -> module, class, and the extra that installs what it imports. An engine's module
# is imported only when a run uses it: torch alone takes seconds.
_ENGINES = {
    "transformers": ("transformers.engine", "TransformersEngine", "cpu"),
    "openai": ("openai_engine", "OpenAIEngine", ""),
    "recorded": ("recorded.engine", "RecordedEngine", ""),
    "vllm": ("vllm_engine", "VllmEngine", "vllm"),
    "llamacpp": ("llamacpp_engine", "LlamaCppEngine", "llamacpp"),
}

ENGINE_NAMES: tuple[str, ...] = tuple(_ENGINES)
"""Every engine there is, in the order of the documentation."""


def check_engine_name(engine: str, *, where: str) -> str:
    """`engine` itself, if there is such an engine.

    Args:
        engine: the name to check.
        where: what named it, for the message: ``--engine``, a card, ...

    Raises:
        UsageError: there is no such engine.
    """
    if engine in _ENGINES:
        return engine
    close = get_close_matches(engine, ENGINE_NAMES, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    raise UsageError(
        f"{where}: there is no engine {engine!r}",
        hint=f"{guess}engines: {', '.join(ENGINE_NAMES)}",
    )


def create_engine(spec: ModelSpec, options: EngineOptions) -> Engine:
    """The engine that `spec` names, not yet started.

    Raises:
        UsageError: there is no such engine.
        ModelError: what the engine imports is not installed.
    """
    check_engine_name(spec.engine, where=f"model {spec.name!r}")
    module_name, class_name, extra = _ENGINES[spec.engine]
    try:
        module = importlib.import_module(f"{__name__}.{module_name}")
        factory = cast("Callable[[ModelSpec, EngineOptions], Engine]", getattr(module, class_name))
        return factory(spec, options)
    except ImportError as error:
        hint = f"pip install 'lrmtest[{extra}]'" if extra else "reinstall lrmtest"
        raise ModelError(
            f"the {spec.engine} engine cannot be imported: {error}", hint=hint
        ) from error
