"""A model behind an endpoint as it was seen once, by which it is known again.

What is kept of it stands in manifests, of runs and of readings: what its server told, with a mark
of the probe's answers among it, and beside that the answers themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Self

from lrmtest.errors import ModelError
from lrmtest.models.engines.base import ServedModel
from lrmtest.progress import Tell
from lrmtest.runs.keys import fingerprint

PROBE = "probe"
"""In what is kept of a server's words, the hash of the probe's answers; ``unanswered ...`` without
any."""


@dataclass(frozen=True, slots=True)
class SeenModel:
    """What is kept of a model.

    Attributes:
        served: JSON values, equal for all that is kept of one model.
        probe: the probe's answers, JSON values; None where it never answered.
    """

    served: Mapping[str, Any]
    probe: Mapping[str, Any] | None

    @classmethod
    def measured(cls, asked: ServedModel, told: Mapping[str, Any], untold: Tell) -> Self:
        """A model that was not seen before.

        Args:
            asked: asks its endpoint.
            told: what its server tells of it now.
            untold: is told why where it does not answer the probe. It is then like no other that
                was ever seen, not even like itself.
        """
        probe: Mapping[str, Any] | None = None
        try:
            probe = asked.measure()
        except ModelError as error:
            untold(error.message)
        mark = f"unanswered {token_hex(8)}" if probe is None else fingerprint(probe)
        return cls({**told, PROBE: mark}, probe)

    @property
    def told(self) -> dict[str, Any]:
        """What the server told of it."""
        return {name: value for name, value in self.served.items() if name != PROBE}

    def difference(self, asked: ServedModel) -> str:
        """In what the model that is served now differs from it, for people; empty: in nothing.

        Raises:
            ModelError: the endpoint cannot be asked.
        """
        if self.probe is None:
            return "its probe was never answered"
        return self.difference_as_far_as_known(asked)

    def difference_as_far_as_known(self, asked: ServedModel) -> str:
        """The same, by the server's words alone where the probe was never answered."""
        return asked.difference(self.told, self.probe or {})
