"""Streams as servers send them: the same pieces of text in the events of each."""

from __future__ import annotations

import json

HEAD = {"id": "c-1", "object": "chat.completion.chunk", "created": 1760000000, "model": "m"}


def event(value, space=" ", newline="\n"):
    text = json.dumps(value, separators=(",", ":"))
    return f"data:{space}{text}{newline}{newline}".encode()


def _vllm(piece, number):
    choice = {"index": 0, "delta": {"content": piece}, "logprobs": None, "finish_reason": None}
    usage = {"prompt_tokens": 7, "total_tokens": 8 + number, "completion_tokens": number + 1}
    return event({**HEAD, "choices": [{**choice, "token_ids": None}], "usage": usage})


def _vllm_reasoning(piece, number):
    delta = {"reasoning": piece, "reasoning_content": piece}
    usage = {"prompt_tokens": 7, "total_tokens": 8 + number, "completion_tokens": number + 1}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    return event({**HEAD, "choices": [choice], "usage": usage})


def _sglang(piece, number):
    delta = {"role": None, "content": piece, "reasoning_content": None, "tool_calls": None}
    usage = {"prompt_tokens": 7, "completion_tokens": number + 1, "prompt_tokens_details": None}
    choice = {"index": 0, "delta": delta, "finish_reason": None, "matched_stop": None}
    return event({**HEAD, "choices": [choice], "usage": usage})


def _llama_cpp(piece, number):
    choice = {"finish_reason": None, "index": 0, "delta": {"content": piece}}
    timings = {"prompt_n": 7, "predicted_n": number + 1, "predicted_per_second": 80.125}
    verbose = {"content": piece, "tokens": [number], "stop": False, "tokens_predicted": number}
    return event({"choices": [choice], **HEAD, "timings": timings, "__verbose": verbose})


def _tgi(piece, number):
    delta = {"role": "assistant", "content": piece}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    return event({**HEAD, "id": "", "choices": [choice], "usage": None}, space="")


def _ollama(piece, number):
    delta = {"role": "assistant", "content": piece}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return event({**HEAD, "created": number, "system_fingerprint": "fp", "choices": [choice]})


def _openrouter(piece, number):
    details = [{"type": "reasoning.text", "text": piece, "index": 0}]
    delta = {"role": "assistant", "content": "", "reasoning": piece, "reasoning_details": details}
    choice = {"index": 0, "delta": delta, "finish_reason": None, "native_finish_reason": None}
    comment = b": OPENROUTER PROCESSING\n\n" if number % 5 == 0 else b""
    return comment + event({**HEAD, "provider": "P", "choices": [choice]})


def _lmdeploy(piece, number):
    delta = {"role": "assistant", "content": piece, "gen_tokens": None, "reasoning_content": None}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    return event({**HEAD, "choices": [choice], "usage": None})


def _crlf(piece, number):
    return event({**HEAD, "choices": [{"index": 0, "delta": {"content": piece}}]}, newline="\r\n")


def _named(piece, number):
    plain = event({**HEAD, "choices": [{"index": 0, "delta": {"content": piece}}]})
    return f"id: {number}\nevent: message\n".encode() + plain


PLAIN = {
    "vllm": _vllm,
    "vllm-reasoning": _vllm_reasoning,
    "sglang": _sglang,
    "llama.cpp": _llama_cpp,
    "tgi": _tgi,
    "ollama": _ollama,
    "openrouter": _openrouter,
    "lmdeploy": _lmdeploy,
    "crlf": _crlf,
    "named": _named,
}
"""A piece's event, by its text and its number."""


def end(newline="\n", tokens=None, word="stop"):
    choice = {"index": 0, "delta": {}, "finish_reason": word}
    counted = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": tokens}}
    last = f"data: [DONE]{newline}{newline}".encode()
    return event({**HEAD, "choices": [choice]}) + (event(counted) if tokens else b"") + last
