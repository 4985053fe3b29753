"""Finish reasons: the words that servers have for the end of a completion, and their meaning.

Words are compared without regard to case and to what is between their parts, so that
``MAX_TOKENS``, ``max-tokens`` and ``maxTokens`` are one word.
"""

from __future__ import annotations

import re
from typing import Literal

from lrmtest.unicode import quote

FinishMeaning = Literal["stop", "length", "loop", "filtered", "interrupted", "idle", "unknown"]
"""``stop``, ``length``, ``loop`` and ``unknown`` as in `FinishReason`; ``filtered``: somebody else
than the model withheld the rest; ``interrupted``: the server gave the completion up, and another
try may go well; ``idle``: nothing was to be generated, so that only a text makes it an answer."""

WORD_CHARS = 80
"""A finish reason is stored up to so many characters."""

FINISH_REASONS: dict[FinishMeaning, dict[str, tuple[str, ...]]] = {
    "stop": {
        "OpenAI": ("stop", "tool_calls", "function_call"),
        "vLLM, SGLang": ("stop_token", "stop_str"),
        "TGI": ("eos_token", "stop_sequence"),
        "TensorRT-LLM, Triton": ("end_id", "stop_words"),
        "llama.cpp": ("eos", "word"),
        "Anthropic, Bedrock": ("end_turn", "stop_sequence", "tool_use"),
        "Gemini": (
            "STOP",
            "MALFORMED_FUNCTION_CALL",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
        ),
        "Cohere": ("COMPLETE", "STOP_SEQUENCE", "TOOL_CALL"),
        "others": (
            *("completed", "finished", "finish", "end", "done", "stopped", "eos_found"),
            *("end_of_text", "end_of_turn", "end_of_sequence", "stop_word", "tool_call"),
        ),
    },
    "length": {
        "OpenAI": ("length",),
        "vLLM, SGLang": ("length", "max_length"),
        "llama.cpp": ("limit",),
        "Mistral": ("model_length",),
        "Anthropic, Bedrock": ("max_tokens", "model_context_window_exceeded"),
        "Gemini": ("MAX_TOKENS",),
        "Cohere": ("MAX_TOKENS", "ERROR_LIMIT"),
        "others": (
            *("max_new_tokens", "max_output_tokens", "max_completion_tokens", "token_limit"),
            *("context_length", "context_length_exceeded", "max_model_len", "length_limit"),
        ),
    },
    "loop": {
        "vLLM": ("repetition",),
        "others": ("repetition_truncation", "repetition_detected"),
    },
    "filtered": {
        "OpenAI, Azure": ("content_filter",),
        "Anthropic, Bedrock": ("refusal", "content_filtered", "guardrail_intervened"),
        "Gemini": (
            *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"),
            *("MODEL_ARMOR", "IMAGE_SAFETY"),
        ),
        "Cohere": ("ERROR_TOXIC",),
        "others": ("sensitive", "moderation", "safety_filter", "blocked"),
    },
    "interrupted": {
        "vLLM, SGLang": ("abort", "error"),
        "TensorRT-LLM, Triton": ("cancelled", "timed_out", "not_finished"),
        "Mistral, OpenRouter": ("error",),
        "Anthropic, Bedrock": ("pause_turn",),
        "Cohere": ("ERROR", "USER_CANCEL", "TIMEOUT"),
        "DeepSeek": ("insufficient_system_resource",),
        "others": (
            *("aborted", "canceled", "cancel", "failed", "failure", "network_error"),
            *(
                "server_error",
                "internal_error",
                "engine_error",
                "overloaded",
                "preempted",
                "shutdown",
            ),
            *("disconnected", "connection_error", "interrupted"),
        ),
    },
    "idle": {"Ollama": ("load", "unload")},
}
"""What is known: by meaning, by server. A tool call ends the model's turn by its own will, be its
form right or wrong. A paused turn has to be asked on, which nobody does here."""

_SAYS_NOTHING = frozenset(("", "null", "none", "nil", "false", "unspecified", "inprogress"))


def _bare(word: str) -> str:
    """A word as it is compared: letters and digits, without ``FINISH_REASON_`` before them."""
    return re.sub(r"[^a-z0-9]", "", word.casefold()).removeprefix("finishreason")


_MEANINGS: dict[str, FinishMeaning] = {
    _bare(word): meaning
    for meaning, servers in FINISH_REASONS.items()
    for words in servers.values()
    for word in words
}


def finish_word(value: object) -> str:
    """The word in a ``finish_reason``, safe to print and bounded; empty where it says nothing.

    Some servers send an object whose ``type`` is the word.
    """
    if isinstance(value, dict):
        value = value.get("type") or value.get("reason")
    if value is None or isinstance(value, dict | list):
        return ""
    word = quote(value if isinstance(value, str) else repr(value), WORD_CHARS)
    # A word without letters (an enumeration's number) is one, if an unknown one.
    return "" if (_bare(word) or word.casefold()) in _SAYS_NOTHING else word


def meaning_of(word: str) -> FinishMeaning:
    """The meaning of a server's word for the end."""
    return _MEANINGS.get(_bare(word), "unknown")
