"""A question: one benchmark item."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INTEGER = "integer"
"""An integer, as in AIME, where it is from 0 to 999."""
LABEL = "label"
"""One of `LABELS`, as in FOLIO."""
LABELS = ("True", "False", "Uncertain")
OPTION = "option"
"""One of ``material["options"]``, named by letter, as in BIG-Bench-Hard temporal sequences."""
EXPRESSION = "expression"
"""A mathematical expression, in LaTeX or as typed, as in MATH-500."""
SEQUENCE = "sequence"
"""Words or numbers in their order, separated by commas, as in BIG-Bench Extra Hard; or just one."""
SHORT_TEXT = "short-text"
"""A short free text with aliases, as in MuSiQue."""

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Question:
    """One benchmark item.

    Attributes:
        id: the benchmark's own identifier, stable across machines; it becomes the test id.
        suite: name of the suite it belongs to.
        material: what the prompt template may use, by field name. JSON values only.
        references: the reference answer first, then its aliases. Never empty.
        kind: how an answer is graded: `INTEGER`, `LABEL`, `OPTION`, `EXPRESSION`, `SEQUENCE`,
            `SHORT_TEXT`, or a kind of one's own, see `lrmtest.register`.
    """

    id: str
    suite: str
    material: Mapping[str, Any]
    references: tuple[str, ...]
    kind: str
    _digest: str = field(default="", init=False, repr=False, compare=False)

    @property
    def expected(self) -> str:
        """The reference answer."""
        return self.references[0]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that could change an outcome.

        A question whose text, references or kind changed is another question: its
        completions are generated anew.
        """
        if not self._digest:
            content = _ENCODER.encode(
                [self.id, self.suite, dict(self.material), self.references, self.kind]
            )
            digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
            object.__setattr__(self, "_digest", digest)
        return self._digest
