"""Whether a reader would be given the very prompts that traces were written after.

A certificate is about the prompts of its traces. A model whose chat template or tokenizer makes
other tokens of the same question is, when it generates, another model than it was when it read:
there are GGUF files whose tokenizer, as transformers takes it, cuts a prompt otherwise, and which
then answer far worse than reading could tell. So the prompts that the reader would be given are
made, and compared with the traces' token by token.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrmtest.counted import counted
from lrmtest.errors import LrmtestError
from lrmtest.models.engines.base import Conversation, Message
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.engines.trace_reader import RendersPrompts
from lrmtest.models.reading import Written
from lrmtest.models.spec import ModelSpec
from lrmtest.models.vocabulary import vocabulary
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.unicode import quote

Conversations = Mapping[QuestionKey, Conversation]
"""What a model is asked, by question."""

_LONGEST = 300  # characters of what is said of a difference
_MARK = 16


@dataclass(frozen=True, slots=True)
class PromptsCompared:
    """Prompts of traces, compared with those that the reader would be given.

    Attributes:
        same: questions of which they are the same, token by token.
        different: questions of which they are others.
        unknown: questions of which the reader's engine does not tell, or nobody knows how they
            were asked.
        example: how one of the different ones differs, in words; empty without any.
    """

    same: int = 0
    different: int = 0
    unknown: int = 0
    example: str = ""

    @property
    def all_same(self) -> bool:
        """Whether that is shown for every question."""
        return self.same > 0 and not (self.different or self.unknown)

    def said(self) -> str:
        """What is different, in words; empty for nothing."""
        if not self.different:
            return ""
        of = self.same + self.different + self.unknown
        return f"prompts are cut otherwise: {self.different:,} of {of:,}, as {self.example}"


def conversations_for(spec: ModelSpec, asked: Conversations) -> Conversations:
    """The conversations that a model would be asked with, of those of another one.

    Args:
        spec: the model; its card may say how every conversation begins.
        asked: as the other was asked.
    """
    system = spec.card.system_prompt
    begins = () if system is None else (Message("system", system),)
    return {
        key: (*begins, *(turns[1:] if turns and turns[0].role == "system" else turns))
        for key, turns in asked.items()
    }


class PromptTable:
    """What was found of prompts, as a reading's manifest keeps it.

    Args:
        written: the traces.
        asked: the conversations that the reader would be asked with, as far as they are known.
        kept: what the manifest has; foreign JSON.
    """

    def __init__(self, written: Sequence[Written], asked: Conversations, kept: object) -> None:
        self._asked = asked
        self._prompts = _distinct(written)
        raw = kept if isinstance(kept, Mapping) else {}
        self._found: dict[str, str | None] = {
            str(mark): words for mark, words in raw.items() if words is None or type(words) is str
        }

    @property
    def left(self) -> list[tuple[QuestionKey, array[int]]]:
        """The questions that are still to be compared, each with the traces' prompt."""
        return [
            (key, prompt)
            for key, prompt in self._prompts
            if key in self._asked and self._mark(key, prompt) not in self._found
        ]

    def compare(self, reader: RendersPrompts, spec: ModelSpec) -> None:
        """Compare what is left.

        Args:
            reader: has started.
            spec: its model.

        Raises:
            ModelError: as `RendersPrompts.prompts`.
        """
        left = self.left
        made = reader.prompts([self._asked[key] for key, _ in left])
        names: Mapping[int, str] | None = None
        for (key, prompt), own in zip(left, made, strict=True):
            words: str | None = None
            if own is not None:
                words = ""
                if own != prompt:
                    names = _names(spec) if names is None else names
                    words = _difference(key, own, prompt, names)
            self._found[self._mark(key, prompt)] = words

    def to_json(self) -> dict[str, Any]:
        """JSON values, for the manifest."""
        return dict(self._found)

    def summary(self) -> PromptsCompared:
        """What has been found of these traces."""
        found: dict[QuestionKey, list[str | None]] = {}
        for key, prompt in self._prompts:
            known = self._found.get(self._mark(key, prompt)) if key in self._asked else None
            found.setdefault(key, []).append(known)
        different = [words for each in found.values() if (words := next(filter(None, each), ""))]
        same = sum(all(words == "" for words in each) for each in found.values())
        return PromptsCompared(
            same,
            len(different),
            len(found) - same - len(different),
            quote(different[0], _LONGEST) if different else "",
        )

    def _mark(self, key: QuestionKey, prompt: array[int]) -> str:
        turns = [[turn.role, turn.content] for turn in self._asked[key]]
        ids = hashlib.sha256(prompt.tobytes()).hexdigest()
        return fingerprint({"turns": turns, "prompt": ids})[:_MARK]


def _distinct(written: Iterable[Written]) -> list[tuple[QuestionKey, array[int]]]:
    """Each question with its traces' prompt, and again where they have several."""
    found = {
        (one.place.question, one.trace.prompt.tobytes()): one.trace.prompt
        for one in written
        if one.place.suite
    }
    return [(key, prompt) for (key, _), prompt in found.items()]


def _names(spec: ModelSpec) -> Mapping[int, str]:
    """The names of a model's tokens; none where they are not seen."""
    try:
        return vocabulary(spec.location) if kind_of(spec).has_files else {}
    except LrmtestError:
        return {}


def _difference(
    key: QuestionKey, own: array[int], theirs: array[int], names: Mapping[int, str]
) -> str:
    """How two prompts of a question differ."""
    most = min(len(own), len(theirs))
    first = next((n for n in range(most) if own[n] != theirs[n]), most)

    def named(ids: array[int]) -> str:
        if first >= len(ids):
            return "is missing"
        name = names.get(ids[first])
        return f"is {ids[first]}" + (f" ({quote(repr(name), 40)})" if name is not None else "")

    return (
        f"of {key[0]} {quote(key[1], 60)}: {counted(len(own), 'token')} here and {len(theirs):,} "
        f"in the traces; token {first + 1} {named(own)} here and {named(theirs)} there"
    )
