"""A server that says what a made-up model thinks of given tokens, as vLLM or llama-server does."""

from __future__ import annotations

from contextlib import contextmanager
from math import exp, fsum, log
from random import Random

from json_server import JsonHandler, serving

VOCABULARY = 300
INCOMPLETE = {7, 90}
"""Tokens that end within a character: llama-server tells nothing of them."""


def logprobs(ids, salt=0):
    """What the made-up model says follows on some ids: log-probabilities of all tokens."""
    random = Random(f"{salt} {list(ids)[-3:]}")
    scores = [random.gauss(0, 2.5) for _ in range(VOCABULARY)]
    mass = log(fsum(map(exp, scores)))
    return [score - mass for score in scores]


def _best(values, count):
    return sorted(range(len(values)), key=lambda i: -values[i])[:count]


def chat_answer(content, salt):
    """A greedy answer: other words for another model."""
    random = Random(f"{salt} {content['messages'][-1]['content']}")
    text = " ".join(f"word{random.randrange(1000)}" for _ in range(8))
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 9, "completion_tokens": 8}
    told = {"prompt_token_ids": ids_of(content)} if content.get("return_token_ids") else {}
    choice = {"message": message, "finish_reason": "length"}
    return 200, {"choices": [choice], "usage": usage, **told}


def rendered(content):
    """The prompt that a conversation becomes."""
    variables = content.get("chat_template_kwargs") or {}
    return "".join(turn["content"] for turn in content["messages"]) + variables.get("end", "")


def ids_of(content):
    """Its ids: a token for each byte."""
    return list(rendered(content).encode())


def whole_answer(content, salt=0):
    """All probabilities of the token that follows, as vLLM tells them with one that is drawn."""
    told = {f"token_id:{i}": one for i, one in enumerate(logprobs(content["prompt"], salt))}
    return 200, {"choices": [{"text": "x", "logprobs": {"top_logprobs": [told]}}]}


def vllm_answer(content, most, salt=0):
    if content.get("logprobs") == -1:
        return whole_answer(content, salt)
    ids, top = content["prompt"], content["prompt_logprobs"]
    if top > most:
        words = f"Requested prompt logprobs of {top}, which is greater than max allowed: {most}"
        return 400, {"error": {"message": words, "code": 400}}
    places = [None]
    for i in range(1, len(ids)):
        values = logprobs(ids[:i], salt)
        order = _best(values, VOCABULARY)
        shown = dict.fromkeys([*order[:top], ids[i]])
        places.append(
            {
                str(t): {"logprob": values[t], "rank": order.index(t) + 1, "decoded_token": "x"}
                for t in shown
            }
        )
    return 200, {"choices": [{"text": "x", "prompt_logprobs": places}]}


def llama_answer(content, salt=0):
    values = logprobs(content["prompt"], salt)
    token = content["logit_bias"][0][0]
    if token in INCOMPLETE:
        return 200, {"content": "", "completion_probabilities": []}
    shown = [{"id": t, "logprob": values[t]} for t in _best(values, content["n_probs"])]
    place = {"id": token, "logprob": values[token], "top_logprobs": shown}
    return 200, {"completion_probabilities": [place]}


@contextmanager
def reading_server(
    kind, *, most=20, context=512, change=lambda status, answer: (status, answer), salt=lambda: 0
):
    """The base URL of a server, and the requests to read that it got.

    `change` is told of each answer to these; `salt` says which made-up model is served.
    """
    asked = []

    class Handler(JsonHandler):
        def do_GET(self):
            entry = {"id": "m", "owned_by": kind, "max_model_len": context}
            settings = {"n_ctx": context}
            props = {"total_slots": 2, "build_info": "b1", "default_generation_settings": settings}
            self.send_known(
                {
                    "/v1/models": {"data": [entry]},
                    "/version": {"version": "1.2"},
                    "/props": props,
                }
            )

        def do_POST(self):
            content = self.content()
            if self.path == "/v1/chat/completions":
                self.send(*chat_answer(content, salt()))
                return
            if self.path == "/apply-template":
                self.send(200, {"prompt": rendered(content)})
                return
            if self.path == "/tokenize":
                self.send(200, {"tokens": list(content["content"].encode())})
                return
            asked.append((self.path, content))
            answer = (
                vllm_answer(content, most, salt())
                if kind == "vllm"
                else llama_answer(content, salt())
            )
            self.send(*change(*answer))

    with serving(Handler) as url:
        yield url, asked
