"""A model's output as inspect_ai writes it, and evalscope after it: choices, usage, stop reason.

Reasoning is a part of the message of its own; here it is put back between the model's tags, where
graders and reports look for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrmtest.grading.completion import FinishReason
from lrmtest.grading.split import Tags, put_together
from lrmtest.models.engines.http.content import REASONING_FIELDS, REASONING_PARTS, text_of_part
from lrmtest.models.engines.recorded.completion import RecordedOutput
from lrmtest.models.engines.recorded.finish_reason import told_reason
from lrmtest.runs.formats.log import count_or_none, seconds_or_none, shortened, word_of

_NO_OUTPUT = "the log has no output for this sample"

Attachments = Mapping[str, Any]
"""Texts that were moved out of a sample, by their keys."""

ATTACHMENT = "attachment://"


def section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in an object; empty where there is none."""
    part = content.get(name)
    return part if isinstance(part, Mapping) else {}


def output_of(
    output: Mapping[str, Any],
    tags: Tags,
    *,
    attachments: Attachments,
    ran_out: str = "",
) -> tuple[RecordedOutput | None, str]:
    """What was generated, or why nothing was.

    Args:
        output: the tool's ``ModelOutput``.
        tags: put around the reasoning.
        attachments: texts of the sample that were moved aside.
        ran_out: the sample's own limit that ended it, in the tool's word; empty for none.
    """
    choices = output.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping):
        reason = output.get("error") or (ran_out and f"{_NO_OUTPUT}: it ran into its {ran_out}")
        return None, shortened(str(reason or _NO_OUTPUT))
    word = word_of(choice.get("stop_reason"))
    if word == "content_filter":
        return None, "the provider's content filter cut the output off"
    finish: FinishReason | None = "length" if ran_out else told_reason(word)[0]
    parts = list(_parts(section(choice, "message"), attachments))
    if any(text.startswith(ATTACHMENT) for _, text in parts):
        return None, "its text was moved aside in the log, and is not there"
    text = _text(parts, tags, finish)
    if not text and finish is None:
        # An end is what tells an empty answer from none.
        return None, shortened(str(output.get("error") or _NO_OUTPUT))
    usage = section(output, "usage")
    recorded = RecordedOutput(
        text=text,
        finish_reason=finish,
        prompt_tokens=_input_tokens(usage),
        completion_tokens=count_or_none(usage.get("output_tokens")),
        reasoning_tokens=count_or_none(usage.get("reasoning_tokens")),
        seconds=seconds_or_none(output.get("time")),
        finish_word=ran_out or word,
    )
    return recorded, ""


def messages_of(value: Any, attachments: Attachments) -> tuple[tuple[str, str], ...]:
    """A conversation as (role, text); a text alone is the user's."""
    if isinstance(value, str):
        return (("user", _attached(value, attachments)),)
    messages = []
    for message in value if isinstance(value, list) else []:
        if isinstance(message, Mapping):
            text = "".join(text for _, text in contents(message.get("content"), attachments))
            messages.append((word_of(message.get("role")) or "user", text))
    return tuple(messages)


def asked_conversation(messages: Any, attachments: Attachments) -> tuple[tuple[str, str], ...]:
    """Every message before the model's first: what its input became."""
    before: list[Any] = []
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, Mapping) or message.get("role") == "assistant":
            break
        before.append(message)
    return messages_of(before, attachments)


def contents(content: Any, attachments: Attachments) -> Iterator[tuple[str, str]]:
    """The parts of a message as (type, text)."""
    if isinstance(content, str):
        yield "text", _attached(content, attachments)
        return
    for part in content if isinstance(content, Sequence) else ():
        if not isinstance(part, Mapping):
            continue
        kind = part.get("type")
        if kind in REASONING_PARTS and kind != "reasoning":
            yield "reasoning", text_of_part(part)
            continue
        text = part.get("reasoning") if kind == "reasoning" else part.get("text")
        if kind == "reasoning" and (not text or part.get("redacted") is True):
            text = part.get("summary")
        if isinstance(text, str):
            yield str(kind), _attached(text, attachments)


def _parts(message: Mapping[str, Any], attachments: Attachments) -> Iterator[tuple[str, str]]:
    """The parts of the model's message; older releases have its reasoning beside the text."""
    reasoning = next((message[name] for name in REASONING_FIELDS if message.get(name)), None)
    if isinstance(reasoning, str):
        yield "reasoning", _attached(reasoning, attachments)
    elif isinstance(reasoning, list | dict):
        yield "reasoning", text_of_part(reasoning)
    yield from contents(message.get("content"), attachments)


def text_of_message(message: Mapping[str, Any]) -> tuple[str, str]:
    """Reasoning and answer of an endpoint's message, in whatever form it has them."""
    parts = list(_parts(message, {}))
    return (
        "\n".join(text for kind, text in parts if kind == "reasoning"),
        "".join(text for kind, text in parts if kind != "reasoning"),
    )


def with_tags(reasoning: str, answer: str, tags: Tags, finish: FinishReason | None) -> str:
    """The message as the model wrote it: reasoning between its tags, then the answer."""
    # Without an answer nothing but its end says that the reasoning was closed.
    closed = bool(answer) or finish == "stop"
    return put_together(reasoning, answer, tags, closed=closed, blank=True)


def _text(parts: Sequence[tuple[str, str]], tags: Tags, finish: FinishReason | None) -> str:
    reasoning = "\n".join(text for kind, text in parts if kind == "reasoning")
    answer = "".join(text for kind, text in parts if kind != "reasoning")
    return with_tags(reasoning, answer, tags, finish)


def _attached(text: str, attachments: Attachments) -> str:
    if not text.startswith(ATTACHMENT):
        return text
    found = attachments.get(text.removeprefix(ATTACHMENT))
    return found if isinstance(found, str) else text


def _input_tokens(usage: Mapping[str, Any]) -> int | None:
    names = ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
    counts = [count_or_none(usage.get(name)) for name in names]
    return sum(count or 0 for count in counts) if any(counts) else None
