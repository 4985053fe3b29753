"""A made-up vLLM that goes on from given tokens: a token is a byte, 256 ends a text.

What it says next depends on the bytes before alone: its own greedy text. Token 257 is special and
has no text.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress

from json_server import JsonHandler, serving

END, SILENT = 256, 257
CONTEXT = 50_000


def text_of(ids):
    """Special tokens as vLLM's ``/detokenize`` shows them."""
    named = {END: b"<|end|>", SILENT: b"<|silent|>"}
    return b"".join(named.get(i) or bytes([i]) for i in ids).decode(errors="replace")


def greedy(text):
    """A model that goes on with a fixed text, from wherever it is in it."""
    tokens = [*text.encode(), END]
    return lambda ids, prompt: tokens[len(ids) - prompt]


def _events(content, says, prompt):
    """The events of a streamed answer; a character that is not whole yet is held back."""
    ids, told, pending = list(content["prompt"]), [], b""
    before = ids[prompt:]
    while before and before[-1] >= 0x80 and before[-1] < END:
        pending = bytes([before.pop()]) + pending
    with suppress(UnicodeDecodeError):
        pending.decode()
        pending = b""
    reason = None
    for count in range(1, content["max_tokens"] + 1):
        token = says(ids, prompt)
        ids.append(token)
        text = ""
        if token < END:
            pending += bytes([token])
            with suppress(UnicodeDecodeError):
                text, pending = pending.decode(), b""
        ended = token == END
        reason = "stop" if ended else "length" if count == content["max_tokens"] else None
        choice = {"index": 0, "text": text, "finish_reason": reason, "token_ids": [token]}
        if content.get("logprobs") is not None:
            choice["logprobs"] = {"token_logprobs": [-0.25]}
        if count == 1:
            choice["prompt_token_ids"] = content["prompt"]
        usage = {"prompt_tokens": len(content["prompt"]), "completion_tokens": count}
        told.append({"choices": [choice], "usage": usage})
        if ended:
            break
    return told


@contextmanager
def continuing_server(says, *, prompt, change=lambda path, status, answer: (status, answer)):
    """The base URL of a server, and what it was asked.

    Args:
        says: the next token, of ids and the number of those that are the prompt.
        prompt: how many of given ids are the prompt.
        change: what is made of each answer: a status, and JSON or a list of events.
    """
    asked = []

    class Handler(JsonHandler):
        def do_GET(self):
            entry = {"id": "m", "owned_by": "vllm", "max_model_len": CONTEXT}
            self.send_known({"/v1/models": {"data": [entry]}, "/version": {"version": "1.2"}})

        def do_POST(self):
            content = self.content()
            if self.path == "/tokenize":
                self.send(200, {"count": len(content.get("prompt", "").encode())})
                return
            asked.append((self.path, content))
            if self.path == "/detokenize":
                answer = {"prompt": text_of(content["tokens"])}
            elif content.get("stream"):
                answer = _events(content, says, prompt)
            else:
                [token] = content["allowed_token_ids"]
                reason = "stop" if token == END else "length"
                answer = {"choices": [{"token_ids": [token], "finish_reason": reason}]}
            self.send(*change(self.path, 200, answer))

    with serving(Handler) as url:
        yield url, asked
