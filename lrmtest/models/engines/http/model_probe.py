"""The probe: a few greedy answers by which a server's model is known again.

A server computes the same answer differently from one time to the next: batches have other sizes,
kernels other orders of summation. So the first measurement asks every question alone and several
times at once, and keeps how far its own answers lie apart. Later answers may lie so far away, by a
margin, and no farther.

With log-probabilities the distance of two answers is the mean absolute difference of those of the
likeliest tokens, in nats, over all tokens up to where the answers part, that one included: up to
there both were given the same text, so that it says nothing where chance made them part. Without,
the words are compared that all of the first answers have in common, however they go on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.manners import Manners
from lrmtest.models.engines.http.retry import Backoff
from lrmtest.models.engines.http.server_facts import LLAMA_CPP, SGLANG, VLLM, ServerFacts
from lrmtest.models.engines.http.stream import ChatStream
from lrmtest.models.engines.options import noted_nowhere
from lrmtest.models.request_fields import RequestFields, merged
from lrmtest.progress import silent
from lrmtest.questions.place import Place
from lrmtest.unicode import quote

QUESTIONS = (
    "Continue this list with twelve more words, in one line: violet, harbour, nineteen,",
    "Compute 48 + 17 - 9, and say what is odd about the result.",
    "Write the first sentence of a story about a lighthouse keeper who collects clocks.",
    "Translate into French, then into German: The owl borrowed my ladder yesterday.",
)
"""What is asked: beginnings on which models differ, and none of them a benchmark's."""

TOKENS = 16
"""Tokens of an answer, at most."""

LIKELIEST = 5
"""Tokens whose log-probabilities are asked for at every place."""

LEAST_TOLERANCE = 0.1
"""Nats. A model's own noise is mostly below it, and may not have shown in the first answers."""

TOLERATED_NOISE = 2.5
"""How many times the noise of the first answers a later distance may be."""

CHANGED_ANSWERS = 3
"""Without log-probabilities: so many of the answers must differ. Chance makes one part early."""

MOST_ASKS = 3
"""How often the questions are asked before a model counts as another one."""

_SEED = 20_240_611
_TRIES = 4  # of one answer
# A few templates write today's date into the prompt, which would be another one tomorrow.
_NO_DATE = {"chat_template_kwargs": {"date_string": "01 Jan 2025"}}
_NO_DATE_KINDS = (VLLM, SGLANG, LLAMA_CPP)
_DIGITS = 3  # of a log-probability that is kept


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """One greedy answer.

    Attributes:
        text: what was answered.
        tokens: its tokens, where the server gives log-probabilities.
        likeliest: at each of them the likeliest tokens' log-probabilities, in nats.
    """

    text: str
    tokens: tuple[str, ...] = ()
    likeliest: tuple[Mapping[str, float], ...] = ()


ProbeAnswers = tuple[ProbeAnswer, ...]
"""An answer to each of `QUESTIONS`."""


@dataclass(frozen=True, slots=True)
class ProbeReference:
    """What a run keeps of its model's first answers.

    Attributes:
        answers: those asked alone and those asked together, where the server gives
            log-probabilities; else empty.
        noise: the largest distance between any two of the first answers, in nats.
        words: without log-probabilities, by question the words that all first answers have.
    """

    answers: tuple[ProbeAnswers, ...] = ()
    noise: float = 0.0
    words: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, first: Sequence[ProbeAnswers]) -> ProbeReference:
        """From the answers of the first measurement, those asked alone first.

        Args:
            first: at least two.
        """
        if all(any(answer.likeliest for answer in answers) for answers in first):
            noise = max(distance(one, other) for one, other in combinations(first, 2))
            return cls(answers=(first[0], first[-1]), noise=round(noise, _DIGITS + 1))
        common = (_common([answer.text for answer in same]) for same in zip(*first, strict=True))
        return cls(words=tuple(common))

    @property
    def tolerance(self) -> float:
        """The largest distance that is taken for noise, in nats."""
        return max(LEAST_TOLERANCE, TOLERATED_NOISE * self.noise)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        if not self.answers:
            return {"words": [list(words) for words in self.words]}
        return {
            "noise": self.noise,
            "answers": [
                [
                    [
                        [token, {name: round(value, _DIGITS) for name, value in likeliest.items()}]
                        for token, likeliest in zip(answer.tokens, answer.likeliest, strict=True)
                    ]
                    for answer in answers
                ]
                for answers in self.answers
            ],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> ProbeReference | None:
        """The inverse of `to_json`; None for what is not its output."""
        try:
            if "words" in raw:
                words = tuple(tuple(str(word) for word in words) for words in raw["words"])
                return cls(words=words) if len(words) == len(QUESTIONS) else None
            answers = tuple(
                tuple(_answer_from_json(places) for places in answers) for answers in raw["answers"]
            )
            if not answers or any(len(each) != len(QUESTIONS) for each in answers):
                return None
            return cls(answers=answers, noise=float(raw["noise"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def changed(self, later: ProbeAnswers) -> list[int]:
        """Which questions are answered differently, by number from 0.

        With log-probabilities the answers are judged together: either none of them is, or those
        that are farther away than is tolerated, one at least.
        """
        if not self.answers:
            pairs = zip(self.words, later, strict=True)
            return [n for n, (words, answer) in enumerate(pairs) if not _has(answer.text, words)]
        if not any(answer.likeliest for answer in later):
            return list(range(len(QUESTIONS)))  # the server gave log-probabilities before
        if min(distance(answers, later) for answers in self.answers) <= self.tolerance:
            return []
        each = [
            min(distance((answers[n],), (answer,)) for answers in self.answers)
            for n, answer in enumerate(later)
        ]
        farthest = max(range(len(each)), key=each.__getitem__)
        return [n for n, far in enumerate(each) if far > self.tolerance or n == farthest]

    def alike(self, other: ProbeReference) -> bool:
        """Whether two first measurements are of one model, as far as they tell it.

        With log-probabilities they are as close together as a later look must be to the noisier
        of the two. Without, the words in common are compared, which the one or the other has: with
        fewer to compare than a later look has, models that are the same may be told apart.
        """
        if not self.answers or not other.answers:
            if self.answers or other.answers:
                return False
            pairs = [(Counter(a), Counter(b)) for a, b in zip(self.words, other.words, strict=True)]
            return sum(not (a <= b or b <= a) for a, b in pairs) < self.fewest_changed
        nearest = min(distance(a, b) for a in self.answers for b in other.answers)
        return nearest <= max(self.tolerance, other.tolerance)

    @property
    def fewest_changed(self) -> int:
        """So many changed answers are no accident."""
        return 1 if self.answers else CHANGED_ANSWERS


def _answer_from_json(places: Sequence[Any]) -> ProbeAnswer:
    return ProbeAnswer(
        text="".join(str(token) for token, _ in places),
        tokens=tuple(str(token) for token, _ in places),
        likeliest=tuple(
            {str(name): float(value) for name, value in likeliest.items()}
            for _, likeliest in places
        ),
    )


def distance(first: ProbeAnswers, later: ProbeAnswers) -> float:
    """How far two measurements lie apart, in nats; 0 where there is nothing to compare.

    A token that only one of two lists has is taken to be as likely as the least likely one of the
    other list, which it is at most.
    """
    found = [
        _distance(before, after)
        for one, other in zip(first, later, strict=True)
        for before, after in _in_common(one, other)
    ]
    return sum(found) / len(found) if found else 0.0


def _in_common(
    one: ProbeAnswer, other: ProbeAnswer
) -> list[tuple[Mapping[str, float], Mapping[str, float]]]:
    """The places of two answers up to where they part, that one included."""
    places = []
    for token, before, again, after in zip(
        one.tokens, one.likeliest, other.tokens, other.likeliest, strict=False
    ):
        places.append((before, after))
        if token != again:
            break
    return places


def _distance(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    least, least_after = min(before.values()), min(after.values())
    names = before.keys() | after.keys()
    return sum(abs(before.get(name, least) - after.get(name, least_after)) for name in names) / len(
        names
    )


def _common(texts: Sequence[str]) -> tuple[str, ...]:
    """The words that all texts have, as often as all have them, in the first one's order."""
    shared = Counter(texts[0].split())
    for text in texts[1:]:
        shared &= Counter(text.split())
    words = []
    for word in texts[0].split():
        if shared[word]:
            shared[word] -= 1
            words.append(word)
    return tuple(words)


def _has(text: str, words: Sequence[str]) -> bool:
    return not Counter(words) - Counter(text.split())


class _ProbeStream(ChatStream):
    """A chat stream that keeps the log-probabilities."""

    def __init__(self) -> None:
        super().__init__(("<think>", "</think>"), TOKENS)
        self.places: list[tuple[str, dict[str, float]]] = []

    def add(self, event: object) -> None:
        self.places += _places(event)
        super().add(event)


def _places(event: object) -> list[tuple[str, dict[str, float]]]:
    """Tokens with the likeliest ones' log-probabilities, from foreign JSON; no more is believed."""
    try:
        content = event["choices"][0]["logprobs"]["content"]  # type: ignore[index]
        return [
            (
                str(place["token"]),
                {
                    str(one["token"]): max(float(one["logprob"]), -100.0)
                    for one in place["top_logprobs"][:LIKELIEST]
                },
            )
            for place in content
            if place["top_logprobs"]
        ]
    except (KeyError, IndexError, TypeError, ValueError):
        return []


class ModelProbe:
    """Asks one server the questions.

    Args:
        client: makes a client of the server, for one request at a time.
        facts: what the server tells of itself.
        fields: the model's request fields; by a provider's routing, too, it may be another model.
        backoff: waits between tries.
        seconds: after so many one round of questions is given up.
    """

    def __init__(
        self,
        client: Callable[[], ChatClient],
        facts: ServerFacts,
        *,
        fields: RequestFields | None = None,
        backoff: Backoff | None = None,
        seconds: float = 300.0,
    ) -> None:
        self._client = client
        self._facts = facts
        self._fields = fields or {}
        self._backoff = backoff or Backoff()
        self._seconds = seconds
        self._likeliest: int | None = LIKELIEST
        # What it finds, the engine tells.
        self._manners = Manners(silent, noted_nowhere, fields=self._fields)

    async def measure(self) -> ProbeReference:
        """The first measurement: each question alone, then all of them twice at once.

        Raises:
            BrokenAnswerError, RefusedError: the server does not answer.
        """
        alone: list[ProbeAnswer] = []
        async with self._clients(2 * len(QUESTIONS)) as clients:
            for question in QUESTIONS:
                alone += await self._answers(clients[:1], [question])
            together = await self._answers(clients, [*QUESTIONS, *QUESTIONS])
        number = len(QUESTIONS)
        return ProbeReference.of([tuple(alone), tuple(together[:number]), tuple(together[number:])])

    async def ask(self) -> ProbeAnswers:
        """The questions once, all at once.

        Raises:
            BrokenAnswerError, RefusedError: the server does not answer.
        """
        async with self._clients(len(QUESTIONS)) as clients:
            return tuple(await self._answers(clients, QUESTIONS))

    async def changed(self, reference: ProbeReference) -> list[int]:
        """Which answers differ from those of `reference`; empty when it is the same model.

        They are asked for more than once before that is said: another model's always differ.

        Raises:
            BrokenAnswerError, RefusedError: the server does not answer.
        """
        changed = list(range(len(QUESTIONS)))
        if not reference.answers:
            self._likeliest = None
        for _ in range(MOST_ASKS):
            now = reference.changed(await self.ask())
            changed = now if reference.answers else sorted({*changed} & {*now})
            if len(changed) < reference.fewest_changed:
                return []
        return changed

    @asynccontextmanager
    async def _clients(self, number: int) -> AsyncIterator[list[ChatClient]]:
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(aclosing(self._client())) for _ in range(number)]

    async def _answers(
        self, clients: Sequence[ChatClient], questions: Sequence[str]
    ) -> list[ProbeAnswer]:
        """An answer to each question, each asked over a client of its own."""
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.gather(
                    *(
                        self._answer(client, question)
                        for client, question in zip(clients, questions, strict=True)
                    )
                )
        except TimeoutError:
            raise BrokenAnswerError(f"no answers within {self._seconds:g} s") from None

    async def _answer(self, client: ChatClient, question: str) -> ProbeAnswer:
        """One answer; servers that refuse to give log-probabilities are asked without them."""
        attempt = 0
        while attempt < _TRIES:
            attempt += 1
            likeliest = self._likeliest
            content = self._content(question, likeliest)
            try:
                return await self._once(client, content, likeliest is not None)
            except RefusedError as refusal:
                if self._manners.adapt(refusal, content) is None:
                    attempt -= 1
                elif likeliest is None:
                    raise
                else:
                    self._likeliest = None
            except BrokenAnswerError as error:
                if attempt == _TRIES:
                    raise
                if error.status is not None and error.status >= 500 and attempt > 1:
                    self._likeliest = None  # some fail over what they do not know
                await asyncio.sleep(self._backoff.delay(attempt, error.retry_after))
        raise BrokenAnswerError("no answer without log-probabilities either")

    def _content(self, question: str, likeliest: int | None) -> dict[str, Any]:
        sampling = Sampling(max_tokens=TOKENS, temperature=0.0, top_p=1.0)
        place = Place("probe", "", "probe", 0)
        request = Request(place, (Message("user", question),), sampling, _SEED)
        fields = self._fields
        if self._facts.kind in _NO_DATE_KINDS:
            fields = merged(_NO_DATE, fields)
        body = self._facts.body(sampling, fields)
        if likeliest is not None:
            body |= {"logprobs": True, "top_logprobs": likeliest}
        return self._manners.content(request, body)

    async def _once(
        self, client: ChatClient, content: Mapping[str, Any], with_likeliest: bool
    ) -> ProbeAnswer:
        stream = _ProbeStream()
        reply = await client.chat(content, stream)
        text = quote(reply.text, 400)
        places = stream.places if with_likeliest else []
        return ProbeAnswer(
            text, tuple(token for token, _ in places), tuple(found for _, found in places)
        )
