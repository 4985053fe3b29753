"""The model behind replicas: what all of them must serve, whatever each calls it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.engines.http.identity import EndpointModel
from lrmtest.models.engines.kinds import ENDPOINT
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.replicas.places import ReplicaPlaces
from lrmtest.models.spec import ModelSpec

_NOT_THE_MODELS = ("id", "root", "parent", "created", "model_path", "tokenizer_path")
"""Facts of where a server has its model from and what it calls it, which differ by machine."""

_T = TypeVar("_T")

_LOOK_SECONDS = 1.0
_TELL_SECONDS = 60.0


class ReplicasModel:
    """The model that replicas serve; a `ServedModel`. Any of them may be asked for it.

    Args:
        spec: the model; its location is one of `ReplicaPlaces`.
        options: as for the engine.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self._spec = spec
        self._options = options
        self._places = ReplicaPlaces(spec.location)
        self._answered: EndpointModel | None = None

    def told(self) -> dict[str, Any]:
        """What the first replica that answers tells of the model.

        A file that names none yet is waited for, as long as a server may take to start.

        Raises:
            ModelError: none can be asked.
            UsageError: it serves several models, and none was chosen.
            DataError: the file of replicas cannot be read.
        """
        began = told_at = time.monotonic()
        while True:
            try:
                self._answered, told = self._first(lambda model: (model, model.told()))
            except ModelError as error:
                failure = error
            else:
                return told
            now = time.monotonic()
            if self._places.file is None or now - began > self._options.start_timeout:
                if self._places.now():
                    raise failure
                raise MachineryError(
                    f"{self._places.file} has named no endpoint within "
                    f"{self._options.start_timeout:,.0f} s",
                    hint=failure.hint,
                )
            if told_at == began or now - told_at > _TELL_SECONDS:
                told_at = now
                self._options.tell(
                    f"{self._spec.name}: waiting for a replica that answers in {self._places.file}"
                )
            time.sleep(_LOOK_SECONDS)

    def chat_template(self) -> str:
        """The text of the template by which a replica makes prompts; empty if it does not tell.

        Raises:
            ModelError, UsageError: none can be asked.
        """
        return self._first(lambda model: model.chat_template())

    def measure(self) -> dict[str, Any]:
        """The probe's first measurement, by the replica that has told of the model.

        Raises:
            ModelError: it does not answer.
        """
        if self._answered is None:
            self.told()
        assert self._answered is not None
        return self._answered.measure()

    def difference(self, told: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
        """In what the replicas' model differs from one seen before; empty if one's does in nothing.

        Each replica is looked at by itself before it is asked for anything.

        Raises:
            ModelError: none can be asked.
        """
        return self._first(
            lambda model: model.difference(told, reference), enough=lambda found: not found
        )

    def _first(
        self,
        ask: Callable[[EndpointModel], _T],
        *,
        enough: Callable[[_T], bool] = lambda answer: True,
    ) -> _T:
        """The first replica's answer that is enough; if none is, the first that there is.

        Raises:
            ModelError: none answers.
        """
        answers: list[_T] = []
        failure: ModelError | None = None
        for model in self._models():
            try:
                answer = ask(model)
            except ModelError as error:
                failure = failure or error
                continue
            if enough(answer):
                return answer
            answers.append(answer)
        if answers:
            return answers[0]
        raise failure or MachineryError(
            f"{self._places.file} names no endpoint",
            hint="write a replica's URL there when it is up, then repeat the command",
        )

    def _models(self) -> Iterator[EndpointModel]:
        for url in self._places.now():
            spec = replace(self._spec, engine=ENDPOINT.name, location=url)
            yield EndpointModel(spec, self._options, unheeded=_NOT_THE_MODELS)
