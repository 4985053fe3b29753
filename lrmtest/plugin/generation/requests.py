"""From questions and prompts to requests: messages, budget, seed and key of every sample."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lrmtest.bounded import SETTINGS, read_text
from lrmtest.errors import DataError, UsageError
from lrmtest.masking import masked_arguments
from lrmtest.models.description import describe_model, template_notices
from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.request_fields import RequestField
from lrmtest.models.resolve import sampling_defaults
from lrmtest.models.spec import ModelSpec
from lrmtest.options.gate import BASELINE_DRAFTS
from lrmtest.options.settings import Settings
from lrmtest.plugin.suites import SelectedQuestion
from lrmtest.questions import render_prompt
from lrmtest.questions.place import Place
from lrmtest.runs.extent import selection_of
from lrmtest.runs.keys import CompletionKeys, sample_seed
from lrmtest.runs.manifest import Manifest, ModelSection, NamedSetSection, SuiteSection
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.suites import Suite
from lrmtest.suites.registry import SUITES
from lrmtest.suites.stored_graders import answer_kinds_of

_OWN_PROMPT_BUDGET = 1024
"""Tokens of a completion to a test's own prompt, where nobody says how many."""


class Requests:
    """Makes the requests of one model at the user's settings.

    Args:
        spec: the model, its files on disk.
        settings: what the user asked for.
        drafts: what of the drafts makes samples what they are; empty for nothing.

    Raises:
        ModelError: the model's files cannot be read.
    """

    def __init__(
        self, spec: ModelSpec, settings: Settings, drafts: Mapping[str, str] | None = None
    ) -> None:
        self._spec = spec
        self._settings = settings
        self._drafts = drafts
        temperature, top_p = sampling_defaults(spec)
        self._sampling = (
            temperature if settings.temperature is None else settings.temperature,
            top_p if settings.top_p is None else settings.top_p,
        )
        described = describe_model(spec, settings.engine_options)
        self._manifest = Manifest(
            # Without any, completions keep the keys that they had before there were drafts.
            model=ModelSection.from_json(described | ({"drafts": dict(drafts)} if drafts else {})),
            temperature=self._sampling[0],
            top_p=self._sampling[1],
            seed=settings.seed,
        )
        self._keys = CompletionKeys(self._manifest.model.identity, *self._sampling)
        system = spec.card.system_prompt
        self._system = () if system is None else (Message("system", system),)
        self._samplings: dict[int, Sampling] = {}
        self._templates: dict[Path, str] = {}
        self._recorded = spec.placing.samples() if spec.placing is not None else Counter()

    def for_question(self, selected: SelectedQuestion, *, first: int = 0) -> tuple[Request, ...]:
        """One request per sample of a question.

        Args:
            selected: the question.
            first: index of its first sample.

        Raises:
            UsageError: the prompt template cannot be read or fits no field of the question.
        """
        question, suite = selected.question, selected.suite
        prompt = Message("user", render_prompt(self._template(suite), question))
        return self._requests(
            selected.key,
            question.digest,
            (*self._system, prompt),
            self._budget(suite),
            range(first, first + self.samples_of(selected)),
        )

    def samples_of(self, selected: SelectedQuestion) -> int:
        """How many samples of a question are asked for."""
        if self._settings.all_recorded:
            return self._recorded.get(selected.key, 0) or 1
        return self._settings.samples_of(selected.suite.name)

    def for_prompt(
        self, messages: Sequence[Message], test_id: str, max_tokens: int | None, sample: int
    ) -> Request:
        """The request of a test's own conversation.

        Raises:
            UsageError: `max_tokens` is no integer of at least 1.
        """
        wanted: object = max_tokens
        if wanted is not None and (type(wanted) is not int or wanted < 1):
            raise UsageError(
                f"{test_id}: max_tokens={wanted!r:.40} is no number of tokens",
                hint="give an integer of at least 1, or leave it out",
            )
        budget = self._settings.max_tokens or max_tokens or self._spec.card.max_tokens
        (request,) = self._requests(
            ("", test_id), "", tuple(messages), budget or _OWN_PROMPT_BUDGET, [sample]
        )
        return request

    def manifest(self, selected: Sequence[SelectedQuestion]) -> Manifest:
        """What all completions share, and those of each suite that is asked."""
        by_suite: dict[str, list[SelectedQuestion]] = {}
        for one in selected:
            by_suite.setdefault(one.suite.name, []).append(one)
        suites = {
            name: SuiteSection(
                prompt_sha256=hashlib.sha256(self._template(part[0].suite).encode()).hexdigest(),
                max_tokens=self._budget(part[0].suite),
                samples=max(map(self.samples_of, part)),
                source=part[0].loaded.source,
                questions=len(part),
                answer_kinds=tuple(
                    answer_kinds_of(
                        part[0].suite, {question.kind for question in part[0].loaded.questions}
                    )
                ),
                metric=part[0].suite.primary,
                tests=tuple(dict.fromkeys(one.test for one in part if one.test)),
                options=masked_arguments(
                    (
                        *("--model", self._spec.given, *self._settings.repeat_arguments),
                        *(f"--request-field={field}" for field in self._fields_given),
                        *self._drafts_given,
                        # The set is not given again: a question may be asked without it.
                        *(
                            [f"--max-tokens={self._settings.set_budgets[name]}"]
                            if name in self._settings.set_budgets
                            else []
                        ),
                    )
                ),
            )
            for name, part in by_suite.items()
        }
        extent = {one.key: self.samples_of(one) for one in selected}
        asked = self._settings.named_set
        return replace(
            self._manifest,
            suites=suites,
            selection=selection_of(extent),
            named_set=NamedSetSection() if asked is None else NamedSetSection.of(asked),
        )

    @property
    def _drafts_given(self) -> list[str]:
        """What the user said of drafts, where samples would be others without them."""
        if not self._drafts:
            return []
        compared = self._settings.comparison
        named = compared.baseline if compared.drafts == BASELINE_DRAFTS else compared.drafts
        parent = compared.drafts_parent
        return [f"--drafts={named}", *([f"--drafts-parent={parent}"] if parent else [])]

    @property
    def _fields_given(self) -> list[RequestField]:
        """The user's request fields that are for this model."""
        given = self._settings.engine_options.request_fields
        return [field for field in given if field.model in ("", self._spec.name)]

    def _requests(
        self,
        question: QuestionKey,
        digest: str,
        messages: tuple[Message, ...],
        max_tokens: int,
        samples: Iterable[int],
    ) -> tuple[Request, ...]:
        """The requests of a question's samples, which differ in place and seed."""
        pairs = [(message.role, message.content) for message in messages]
        key_of = self._keys.of_question(digest, pairs, max_tokens)
        if max_tokens not in self._samplings:
            self._samplings[max_tokens] = Sampling(max_tokens, *self._sampling)
        sampling, base = self._samplings[max_tokens], self._settings.seed
        requests = []
        for sample in samples:
            seed = sample_seed(base, *question, sample)
            place = Place(key_of(seed, sample), *question, sample)
            requests.append(Request(place, messages, sampling, seed))
        return tuple(requests)

    def notices(self, selected: Sequence[SelectedQuestion]) -> tuple[str, ...]:
        """What the user should know before these questions are asked, one line each."""
        suites = {one.suite.name: one.suite for one in selected}
        lines = template_notices(self._spec, self._settings.engine_options)
        if (given := self._settings.max_tokens) is not None:
            lines += [
                f"--max-tokens {given} goes before the {suite.max_tokens} of suite {name}'s own"
                for name, suite in suites.items()
                if suite.has_own_budget and suite.max_tokens != given
            ]
        if (path := self._settings.prompts.get("")) is not None:
            lines += [
                f"--prompt-file {path} goes before the prompt of suite {name}'s own"
                for name, suite in suites.items()
                if name not in self._settings.prompts
                and (name not in SUITES or suite.prompt != SUITES[name].prompt)
            ]
        samples = max((self._settings.samples_of(name) for name in suites), default=1)
        if samples > 1 and self._manifest.greedy and kind_of(self._spec).generates:
            keys = {one.key for one in selected}
            more = sum(self._settings.samples_of(suite) - 1 for suite, _ in keys)
            lines.append(
                f"{self._spec.name}: at temperature 0 the {samples} samples of a question are "
                f"copies of one another, but for the engine's noise: {samples} times the tokens, "
                f"and {more:,} completions that say nothing new; --samples 1 tells as much"
            )
        return tuple(lines)

    def _budget(self, suite: Suite) -> int:
        """The user's or the set's, the suite's own, the card's, the suite's default."""
        own = suite.max_tokens if suite.has_own_budget else None
        asked = self._settings.budget_of(suite.name)
        return asked or own or self._spec.card.max_tokens or suite.max_tokens

    def _template(self, suite: Suite) -> str:
        path = self._settings.prompts.get(suite.name) or self._settings.prompts.get("")
        if path is None:
            return suite.prompt
        if path not in self._templates:
            self._templates[path] = self._read(path)
        return self._templates[path]

    @staticmethod
    def _read(path: Path) -> str:
        try:
            return read_text(path, SETTINGS)
        except DataError as error:
            raise UsageError(
                f"the prompt file cannot be used: {error.message}", hint=error.hint
            ) from error
