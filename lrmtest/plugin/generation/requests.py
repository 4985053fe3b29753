"""From questions and prompts to requests: messages, budget, seed and key of every sample."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrmtest.errors import UsageError
from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.models.hashes import file_hashes, hash_files
from lrmtest.models.resolve import sampling_defaults
from lrmtest.models.spec import ModelSpec
from lrmtest.options.settings import Settings
from lrmtest.plugin.suites import Asked
from lrmtest.questions import Suite, render_prompt
from lrmtest.questions.place import Place
from lrmtest.runs.keys import completion_key, sample_seed
from lrmtest.runs.manifest import Manifest, ModelSection, SuiteSection


class Requests:
    """Makes the requests of one model at the user's settings.

    Args:
        spec: the model, its files on disk.
        settings: what the user asked for.

    Raises:
        ModelError: the model's files cannot be read.
    """

    def __init__(self, spec: ModelSpec, settings: Settings) -> None:
        self._spec = spec
        self._settings = settings
        temperature, top_p = sampling_defaults(spec)
        self._sampling = (
            temperature if settings.temperature is None else settings.temperature,
            top_p if settings.top_p is None else settings.top_p,
        )
        self._manifest = Manifest(
            model=ModelSection.from_json(self._describe_model()),
            temperature=self._sampling[0],
            top_p=self._sampling[1],
            seed=settings.seed,
        )
        self._model_identity = self._manifest.model.identity

    def _describe_model(self) -> dict[str, Any]:
        """Everything about the model that could change an outcome."""
        card, options = self._spec.card, self._settings.engine_options
        model: dict[str, Any] = {
            "name": self._spec.name,
            "engine": self._spec.engine,
            "repo": card.checkpoint.repo,
            "revision": card.checkpoint.revision,
            "files": self._file_hashes(),
            "compression": {
                "method": card.compression.method,
                "bits_per_weight": card.compression.bits_per_weight,
                "sparsity": card.compression.sparsity,
            },
            "reasoning_tags": list(card.reasoning_tags),
            "system_prompt": card.system_prompt,
        }
        if self._spec.engine == "recorded":
            return model  # It was made before; no setting can change it any more.
        model["stop_loops"] = options.stop_loops
        if self._spec.engine == "openai":
            model["endpoint"] = self._spec.location
            model["served_model"] = options.served_model
            return model
        return model | {
            "device": options.device,
            "dtype": options.dtype,
            "card_dtype": card.dtype,
            "quantization": card.quantization,
            "kv_cache_dtype": card.kv_cache_dtype,
            "engine_args": [*card.engine_args, *options.engine_args],
        }

    def _file_hashes(self) -> dict[str, str]:
        """SHA-256 by file name; an endpoint has no files that we could see."""
        path = Path(self._spec.location)
        if self._spec.engine == "openai":
            return {}
        if self._spec.engine == "recorded":
            return hash_files(sorted(path.glob("*.jsonl")) if path.is_dir() else [path])
        return file_hashes(path)

    def for_question(self, asked: Asked, *, first: int = 0) -> tuple[Request, ...]:
        """One request per sample of a question.

        Args:
            asked: the question.
            first: index of its first sample.

        Raises:
            UsageError: the prompt template cannot be read or fits no field of the question.
        """
        system = self._spec.card.system_prompt
        messages = (
            *(() if system is None else (Message("system", system),)),
            Message("user", render_prompt(self._template(asked.suite), asked.question)),
        )
        return tuple(
            self._request(
                suite=asked.suite.name,
                question_id=asked.question.id,
                digest=asked.question.digest,
                messages=messages,
                sample=sample,
                max_tokens=self._budget(asked.suite.max_tokens),
            )
            for sample in range(first, first + self._settings.samples)
        )

    def for_prompt(
        self, messages: Sequence[Message], test_id: str, max_tokens: int, sample: int
    ) -> Request:
        """The request of a test's own conversation."""
        return self._request(
            suite="",
            question_id=test_id,
            digest="",
            messages=tuple(messages),
            sample=sample,
            max_tokens=self._budget(max_tokens),
        )

    def manifest(self, asked: Sequence[Asked]) -> Manifest:
        """What all completions share, and those of each suite that is asked."""
        by_suite: dict[str, list[Asked]] = {}
        for one in asked:
            by_suite.setdefault(one.suite.name, []).append(one)
        suites = {
            name: SuiteSection(
                prompt_sha256=hashlib.sha256(self._template(part[0].suite).encode()).hexdigest(),
                max_tokens=self._budget(part[0].suite.max_tokens),
                samples=self._settings.samples,
                source=part[0].loaded.source,
                questions=len(part),
                answer_kinds=tuple(sorted({each.kind for each in part[0].loaded.questions})),
                tests=tuple(dict.fromkeys(one.test for one in part if one.test)),
                options=("--model", self._spec.given, *self._settings.given),
            )
            for name, part in by_suite.items()
        }
        return replace(self._manifest, suites=suites)

    def _request(
        self,
        *,
        suite: str,
        question_id: str,
        digest: str,
        messages: tuple[Message, ...],
        sample: int,
        max_tokens: int,
    ) -> Request:
        seed = sample_seed(self._settings.seed, suite, question_id, sample)
        key = completion_key(
            model_identity=self._model_identity,
            question_digest=digest,
            messages=[(message.role, message.content) for message in messages],
            max_tokens=max_tokens,
            temperature=self._sampling[0],
            top_p=self._sampling[1],
            seed=seed,
            sample=sample,
        )
        sampling = Sampling(max_tokens, *self._sampling)
        return Request(Place(key, suite, question_id, sample), messages, sampling, seed)

    def _budget(self, suite_budget: int) -> int:
        return self._settings.max_tokens or self._spec.card.max_tokens or suite_budget

    def _template(self, suite: Suite) -> str:
        path = self._settings.prompts.get(suite.name) or self._settings.prompts.get("")
        if path is None:
            return suite.prompt
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the prompt file {path}: {error}") from error
