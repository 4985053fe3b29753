"""A short check of the engine before a long run: better a minute now than a night for nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lrmtest.grading.completion import Completion
from lrmtest.grading.forms import Tags, pair_of
from lrmtest.models.engines.base import Delivery, EngineInfo, Message, Request, Sampling

KEY_PREFIX = "self-test-"
"""Begins the keys of the requests made here; their completions are not stored."""

LONG_RUN_SAMPLES = 30
"""Runs that generate fewer samples than this are not worth a self-test: its 11 short completions
would take as long as they do."""

_TOKENS = 48
_SEED = 20_240_401

_ECHOES = 4
_ECHO_TOKENS = 32
_ECHO = "Repeat this word and nothing else: {word}"
_FILLING = "What follows is only there to make this text longer. "
_FILLING_TOKENS = 16  # at most, with any vocabulary in use
_FILLINGS = 12
_TELLING_CHARS = 20
"""Two answers that are shorter can be equal by chance."""


@dataclass(frozen=True, slots=True)
class Echo:
    """A request to repeat a made-up word, which nobody says who was not asked for it."""

    word: str
    request: Request


def echoes(like: Request) -> list[Echo]:
    """Requests to repeat words, each twice, in prompts of different length, asked side by side.

    An answer with another one's word shows that the server mixes its prompts up.

    Args:
        like: the request to take the model settings from; the prompts fit into what it needs.
    """
    draw = random.Random()
    words: list[str] = []
    while len(words) < _ECHOES:
        word = "".join(draw.choice("bdfgklmnprstvz") + draw.choice("aeiou") for _ in range(4))
        if word not in words:
            words.append(word)
    budget = min(_ECHO_TOKENS, like.sampling.max_tokens)
    most = min(_FILLINGS, (like.sampling.max_tokens - budget) // _FILLING_TOKENS)
    system = [turn for turn in like.messages if turn.role == "system"]
    found = []
    for number, place in enumerate([*range(_ECHOES), *reversed(range(_ECHOES))]):
        filling = _FILLING * (most * place // (_ECHOES - 1))
        prompt = Message("user", filling + _ECHO.format(word=words[place]))
        request = replace(
            like,
            place=replace(like.place, key=f"{KEY_PREFIX}echo-{number}"),
            messages=(*system, prompt),
            sampling=Sampling(max_tokens=budget, temperature=0.0, top_p=1.0),
            seed=_SEED,
        )
        found.append(Echo(words[place], request))
    return found


def again(asked: Sequence[Echo]) -> list[Echo]:
    """The same requests, to be asked one after the other: each word twice in a row."""
    ordered = sorted(asked, key=lambda echo: echo.word)
    return [
        Echo(
            echo.word,
            replace(
                echo.request,
                place=replace(echo.request.place, key=f"{KEY_PREFIX}again-{number}"),
            ),
        )
        for number, echo in enumerate(ordered)
    ]


Answers = Sequence[tuple[str, str]]
"""Each word that was to be repeated, and what came; every word twice."""


def names_another(answers: Answers) -> bool:
    """Whether an answer has another one's word and not its own, which nothing else explains."""
    words = {word for word, _ in answers}
    return any(
        word not in text.lower() and any(other in text.lower() for other in words - {word})
        for word, text in answers
    )


def wandered(answers: Answers) -> bool:
    """Whether answers without any of the words may be those to other prompts.

    At least two words have two answers that differ, and at least two texts are, letter for
    letter, an answer to several words. This is no proof: a server that draws from a few phrases
    does the same. A weak model that repeats nothing, or says the same to everything, does not.
    """
    if any(word in text.lower() for word, text in answers):
        return False
    words_of: dict[str, set[str]] = {}
    texts_of: dict[str, set[str]] = {}
    for word, text in answers:
        words_of.setdefault(text, set()).add(word)
        texts_of.setdefault(word, set()).add(text)
    shared = [text for text, words in words_of.items() if len(words) > 1 and _telling(text)]
    return len(shared) > 1 and sum(len(texts) > 1 for texts in texts_of.values()) > 1


def mixed_up(together: Answers, alone: Answers) -> bool:
    """Whether answers that have wandered are shown to belong to other prompts.

    Each prompt has an answer of its own, the same twice, when it is asked alone; asked together,
    most had another one's, and those of at least three prompts went astray. (A model that is
    about to say one certain thing to everything has only that astray, where rounding decides.)
    Or each answer comes one request too late, even when they are asked alone.

    Args:
        together: of all requests at once.
        alone: of the requests of `again`, in their order.
    """
    texts = [text for _, text in alone]
    first, second = texts[::2], texts[1::2]
    if len(set(second)) < _ECHOES or not all(map(_telling, second)):
        return False
    if first == second:
        own = dict(alone)
        astray = [text for word, text in together if text != own[word] and text in second]
        return 2 * len(astray) >= len(together) and len(set(astray)) > 2
    return first[1:] == second[:-1]


def _telling(text: str) -> bool:
    return len(text.strip()) >= _TELLING_CHARS


def probes(like: Request) -> list[Request]:
    """Two requests with one seed, and one with another, on a prompt of the run to come.

    Args:
        like: the request to take prompt and model settings from.
    """
    warm = Sampling(max_tokens=_TOKENS, temperature=1.0, top_p=1.0)
    return [
        replace(
            like,
            place=replace(like.place, key=f"{KEY_PREFIX}{number}"),
            sampling=warm,
            seed=seed,
        )
        for number, seed in enumerate((_SEED, _SEED, _SEED + 1))
    ]


def answers_of(asked: Sequence[Echo], outcomes: Sequence[Delivery]) -> list[tuple[str, str]]:
    """The answers that came, each with the word that was to be repeated."""
    return [
        (echo.word, outcome.completion.text)
        for echo, outcome in zip(asked, outcomes, strict=True)
        if outcome.completion is not None
    ]


def prompts_found(asked: Sequence[Echo], outcomes: Sequence[Delivery], warnings: list[str]) -> str:
    """What the answers to `echoes` say of the way of a prompt, for the manifest.

    Args:
        asked: the requests.
        outcomes: theirs, in their order.
        warnings: a sentence for the user is added where it is due.

    Returns:
        ``arrive`` or ``not shown``.
    """
    if any(word in text.lower() for word, text in answers_of(asked, outcomes)):
        return "arrive"
    came = [one for one in zip(asked, outcomes, strict=True) if one[1].completion is not None]
    lengths = {len(echo.request.messages[-1].content) for echo, _ in came}
    counts = {outcome.completion.prompt_tokens for _, outcome in came if outcome.completion}
    if len(counts) == 1 and counts != {0} and max(lengths) > 2 * min(lengths):
        warnings.append(
            "nothing shows that prompts arrive: no word that was to be repeated was, and long "
            f"prompts count {counts.pop()} tokens, as short ones do"
        )
    return "not shown"


def findings(
    outcomes: Sequence[Delivery],
    info: EngineInfo,
    tags: Tags,
    count_tokens: Callable[[str], int] | None,
) -> dict[str, Any]:
    """What the probes say, for the manifest.

    Args:
        outcomes: of the `probes`, in their order.
        info: what the engine says of itself.
        tags: what is known of the model's reasoning tags.
        count_tokens: the client's own tokenizer, where it has one.

    Returns:
        ``seeds``: ``honoured``, ``not honoured`` or ``not promised``; ``tokens``: ``agree``,
        ``server N, client M`` or ``not checked``; ``warnings``: sentences for the user.
    """
    failed = next((outcome.error for outcome in outcomes if outcome.error is not None), None)
    if failed is not None:
        return {"warnings": [f"the self-test failed: {failed.message}"]}
    first, again, other = (
        outcome.completion for outcome in outcomes if outcome.completion is not None
    )
    warnings: list[str] = []
    found: dict[str, Any] = {
        "seeds": _seeds(first, again, other, info, warnings),
        "tokens": _tokens(first, count_tokens, warnings),
        "warnings": warnings,
    }
    if first.prompt_tokens == 0 and not first.tokens_estimated:
        warnings.append("the engine does not tell how many tokens the prompt has")
    if (opened := first.text.count(pair_of(tags)[0])) > 1:
        warnings.append(f"the completion opens its reasoning {opened} times")
    if first.completion_tokens > _TOKENS:
        warnings.append(
            f"asked for at most {_TOKENS} tokens, the engine gave {first.completion_tokens}"
        )
    if not first.text.strip():
        warnings.append("the first completion is empty: does the chat template fit the model?")
    return found


def _seeds(
    first: Completion,
    again: Completion,
    other: Completion,
    info: EngineInfo,
    warnings: list[str],
) -> str:
    if first.text == again.text:
        if first.text == other.text and first.completion_tokens == _TOKENS:
            warnings.append("another seed gave the same text: the engine may ignore seeds")
        return "honoured"
    if not info.seeded:
        return "not promised"
    warnings.append("equal seeds gave different texts: repeating this run will not repeat it")
    return "not honoured"


def _tokens(
    completion: Completion, count_tokens: Callable[[str], int] | None, warnings: list[str]
) -> str:
    if count_tokens is None or completion.tokens_estimated:
        return "not checked"
    counted = count_tokens(completion.text)
    # The end-of-sequence token is counted by servers and is not in the text; text that was cut
    # inside a character can take a token more or fewer when it is tokenized again.
    if abs(counted - completion.completion_tokens) <= 2:
        return "agree"
    warnings.append(
        f"the engine counts {completion.completion_tokens} tokens where the tokenizer "
        f"counts {counted}"
    )
    return f"server {completion.completion_tokens}, client {counted}"
