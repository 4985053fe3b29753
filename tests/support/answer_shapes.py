"""Answers of servers that are none, or not whole: by name, the bytes that are sent for them.

with FaultServer(faults=["error-object"]) as server: ...
with FaultServer(always="error-object") as server: ...
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}


@dataclass(frozen=True)
class Wire:
    """What is sent, and what comes then: ``end``, ``reset``, ``hang``, or bytes again and again."""

    body: bytes
    kind: str = "text/event-stream"
    status: str = "200 OK"
    header: str = ""
    then: str | bytes = "end"


Shape = Callable[[list[str]], Wire]
"""Makes what is sent instead of an answer of these tokens."""


def sse(*events: object) -> bytes:
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)


def chunk(delta: dict[str, Any] | None, finish: object = None, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def half(tokens: list[str]) -> bytes:
    return sse(chunk({"role": "assistant", "content": ""})) + sse(
        *(chunk({"content": token}) for token in tokens[: len(tokens) // 2])
    )


def body(value: object, **how: Any) -> Shape:
    text = value if isinstance(value, str) else json.dumps(value)
    return lambda tokens: Wire(text.encode(), **{"kind": "application/json", **how})


def whole(message: object, finish: object = None, **more: Any) -> Shape:
    return body({"choices": [{"index": 0, "message": message, "finish_reason": finish}], **more})


def stream(*events: object, raw: bytes = DONE, **how: Any) -> Shape:
    return lambda tokens: Wire(sse(*events) + raw, **how)


def midway(*events: object, raw: bytes = DONE, **how: Any) -> Shape:
    return lambda tokens: Wire(half(tokens) + sse(*events) + raw, **how)


def ended(finish: object, **more: Any) -> Shape:
    """Nothing but an end."""
    return stream(chunk({"role": "assistant", "content": ""}), chunk({}, finish), more)


def error(message: str = "boom", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def half_of_json(tokens: list[str]) -> Wire:
    said = "".join(tokens[: len(tokens) // 2])
    return whole({"content": said}, None, usage=USAGE)(tokens)


def compressed(tokens: list[str]) -> Wire:
    plain = whole({"content": "".join(tokens)}, "stop", usage=USAGE)(tokens).body
    return Wire(gzip.compress(plain), "application/json", header="Content-Encoding: gzip")


SHAPES: dict[str, Shape] = {
    # An error in the server's own words, in the place of an answer
    "empty-object": body({}),
    "detail": body({"detail": "Model overloaded, try later"}),
    "detail-list": body({"detail": [{"loc": ["body"], "msg": "worker died", "type": "x"}]}),
    "error-string": body({"error": "overloaded"}),
    "error-object": body({"object": "error", "message": "CUDA error", "code": 500}),
    "error-no-code": body({"object": "error", "message": "CUDA error", "type": "Internal"}),
    "error-nested": body(error("overloaded", code="server_error")),
    "error-beside-choices": body({"choices": [], **error()}),
    "error-in-choice": body({"choices": [{"index": 0, **error(code=502)}]}),
    "message": body({"message": "Service unavailable", "status": 503}),
    "not-successful": body({"success": False, "msg": "busy", "data": None}),
    "problem-json": body({"title": "Overloaded", "status": 503}, kind="application/problem+json"),
    "busy-with-200": body(error("slow down", code=429)),
    "no-choices": body({"id": "x", "choices": []}),
    "no-choices-but-usage": body({"id": "x", "choices": [], "usage": USAGE}),
    "choices-null": body({"id": "x", "choices": None, "usage": USAGE}),
    "choices-object": body({"choices": {"text": "4"}}),
    "a-list": body([{"generated_text": "4"}]),
    "a-string": body('"overloaded"'),
    "a-number": body("3"),
    "json-null": body("null"),
    "no-json": body('{"choices": [{"mess'),
    "json-with-tail": body('{"choices": []} {"choices": []}'),
    "empty-body": body(""),
    "html": body("<html>Sign in</html>", kind="text/html"),
    "plain-text": body("upstream connect error or disconnect/reset", kind="text/plain"),
    "no-content-type": body("no healthy upstream", kind=""),
    "octets": body("\x00\x01", kind="application/octet-stream"),
    "compressed": compressed,
    # The same in a stream
    "only-done": stream(),
    "nothing": stream(raw=b""),
    "only-comments": stream(raw=b": processing\n\n: processing\n\n"),
    "event-error": stream(raw=b'event: error\ndata: {"message": "died", "code": 500}\n\n' + DONE),
    "event-error-words": stream(raw=b"event: error\ndata: engine died\n\n" + DONE),
    "stream-error-object": stream({"object": "error", "message": "CUDA OOM", "code": 500}),
    "stream-error-type": stream({"type": "error", "error": {"type": "overloaded_error"}}),
    "stream-detail": stream({"detail": "overloaded"}),
    "stream-words": stream(raw=b"data: Internal Server Error\n\n"),
    "json-in-stream": stream(raw=b'{"detail": "overloaded"}'),
    "stream-html": stream(raw=b"<html>bad gateway</html>"),
    "only-role": stream(chunk({"role": "assistant", "content": ""})),
    "only-usage": stream({"choices": [], "usage": USAGE}),
    "null-content": whole({"role": "assistant", "content": None}),
    "null-message": whole(None),
    "no-message": body({"choices": [{"index": 0}]}),
    "content-number": whole({"content": 4}, "stop", usage=USAGE),
    "content-without-form": whole({"content": {"answer": 4}}, "stop", usage=USAGE),
    # An end that is none of an answer
    "end-untold": ended(None, choices=[], usage=USAGE),
    "stop-without-text": ended("stop"),
    "stop-with-0-tokens": ended("stop", choices=[], usage={**USAGE, "completion_tokens": 0}),
    "stop-without-its-text": ended("stop", choices=[], usage=USAGE),
    "length-with-0-tokens": ended("length", choices=[], usage={**USAGE, "completion_tokens": 0}),
    "unknown-without-text": ended("wobbled", choices=[], usage=USAGE),
    "load": ended("load", choices=[], usage=USAGE),
    "error-end": ended("error", choices=[], usage=USAGE),
    "abort-end": whole({"content": ""}, "abort", usage=USAGE),
    # Broken off in the middle
    "half-then-done": midway(),
    "half-then-end": midway(raw=b""),
    "half-then-reset": midway(raw=b"", then="reset"),
    "half-then-null-end": midway(chunk({}, None)),
    "half-then-empty-end": midway(chunk({}, "")),
    "half-then-stop-uncounted": midway(chunk({}, "stop")),
    "half-then-error": midway(error(code=500)),
    "half-then-error-string": midway({"error": "worker died"}),
    "half-then-error-object": midway({"object": "error", "message": "CUDA OOM", "code": 500}),
    "half-then-event-error": midway(raw=b'event: error\ndata: {"message": "died"}\n\n' + DONE),
    "half-then-detail": midway({"detail": "worker died"}),
    "half-then-choice-error": midway(
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "error", **error()}]}
    ),
    "half-then-broken-json": midway(raw=b'data: {"choices": [{"del\n\n' + DONE),
    "half-then-words": midway(raw=b"data: upstream died\n\n" + DONE),
    "half-then-abort": midway(chunk({}, "abort"), {"choices": [], "usage": USAGE}),
    "half-then-cancelled": midway(chunk({}, "CANCELLED"), {"choices": [], "usage": USAGE}),
    "half-then-no-resource": midway(chunk({}, "insufficient_system_resource")),
    "half-then-timeout": midway(chunk({}, "timed_out")),
    "half-then-pause": midway(chunk({}, "pause_turn")),
    "half-a-json": half_of_json,
    # Statuses
    "408": body(error(), status="408 Request Timeout"),
    "429": body(error(), status="429 Too Many Requests"),
    "429-in-a-moment": body(error(), status="429 No", header="Retry-After: 0.01"),
    "500": body("<html>oops</html>", status="500 Oops", kind="text/html"),
    "502": body("", status="502 Bad Gateway"),
    "503": body({"status": "loading"}, status="503 Loading"),
    "529": body({"type": "error", "error": {"type": "overloaded_error"}}, status="529 Overloaded"),
}
"""Each is tried again, and is an engine error when it does not pass away."""

NO_ENDS = {"half-then-done", "half-then-null-end", "half-then-empty-end", "half-a-json"}
"""From a server all of whose answers are so, these are answers of which it does not say how they
ended; nothing tells them from the whole answers of such a server."""
BELIEVED = {"half-then-stop-uncounted", "stop-without-its-text"}
"""From a server that counts no tokens, or that shows no reasoning, these are whole answers."""

LIVELY: dict[str, Shape] = {
    "hang": stream(raw=b"", then="hang"),
    "pings": stream(raw=b"", then=b": ping\n\n"),
    "blank-lines": stream(raw=b"", then=b"\n"),
    "empty-pieces": stream(raw=b"", then=sse(chunk({}))),
    "role-again": stream(raw=b"", then=sse(chunk({"role": "assistant", "content": ""}))),
    "letters": stream(raw=b"", then=b"x"),
    "half-then-hang": midway(raw=b"", then="hang"),
    "half-then-pings": midway(raw=b"", then=b": ping\n\n"),
    "half-then-empty-pieces": midway(raw=b"", then=sse(chunk({"content": ""}))),
    "json-by-letters": lambda tokens: Wire(b"{", "application/json", then=b" "),
}
"""Each shows some sign of life for ever, and none of progress."""
