"""Facts that an OpenAI-compatible server tells of itself."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from lrmtest.errors import MachineryError, ModelError, UsageError
from lrmtest.models.chat_template import template_sha256
from lrmtest.models.engines.base import Message, Sampling
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.request_fields import TEMPLATE_VARIABLES, RequestFields
from lrmtest.unicode import quote

VLLM, SGLANG, LLAMA_CPP = "vllm", "sglang", "llama.cpp"

# Beside temperature and top-p, servers apply sampling defaults of their own: llama-server keeps
# the 40 likeliest tokens above 5 % of the likeliest and applies top-p before the temperature;
# vLLM and SGLang take whatever the checkpoint's generation_config.json says. A model would
# answer differently on each, so these are switched off and the order is fixed.
_PLAIN_SAMPLING: dict[str, dict[str, Any]] = {
    VLLM: {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    SGLANG: {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    LLAMA_CPP: {"samplers": ["temperature", "top_p"]},
}

# Which of llama-server's samplers a request field is for: those that are not named do nothing.
# Their order is vLLM's: penalties, temperature, then what takes tokens out, top-p last.
_LLAMA_CPP_SAMPLERS = {
    "penalties": (*("repeat_penalty", "presence_penalty", "frequency_penalty", "repeat_last_n"),),
    "dry": ("dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n"),
    "temperature": (),
    "min_p": ("min_p",),
    "top_k": ("top_k",),
    "typ_p": ("typical_p",),
    "top_n_sigma": ("top_n_sigma",),
    "xtc": ("xtc_probability", "xtc_threshold"),
    "top_p": (),
}

# Of one token left by top-k nothing has to be drawn. With the samplers above llama-server goes
# through the whole vocabulary at temperature 0, too, which took 4 % of its time.
_LLAMA_CPP_GREEDY: dict[str, Any] = {"samplers": ["top_k"], "top_k": 1}
_BEFORE_DRAWING = ("penalties", "dry")  # what changes which token is the likeliest

# What an entry of /v1/models may say of the model, and not of the request for it: vLLM's `created`
# is the time of asking, its `permission` has a new id each time.
_TOLD = ("root", "parent", "owned_by", "max_model_len", "context_length", "quantization", "hf_repo")
_MOVING_CREATED = ("vllm", "sglang", "llamacpp")
_SETTLED_SECONDS = 86_400.0
# What llama-server's `meta` says of the weights; their quantization is the file type.
_META = ("ftype", "n_params", "size", "n_vocab", "vocab_type", "n_embd", "n_ctx_train")
_MOST_TEMPLATE = 1 << 20  # characters; those of released models have up to 30,000
_MOST_TOLD = 1 << 53  # JSON numbers above are not the same everywhere
_SGLANG_INFO = ("model_path", "tokenizer_path", "quantization", "dtype", "kv_cache_dtype")

# Gateways may have no list of models; transformers serve fails without a hub cache to list.
_NO_LISTING = (404, 405, 500, 501)

# vLLM and SGLang merge tokens into one piece of text under load, but can count them with each.
_RUNNING_COUNT = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}

JOINED_TOKENS = 20
"""Tokens that a server is told to join to a piece of text, where it can.

A piece costs both sides some 0.1 ms, whatever it holds: a GPU's 18,000 tokens/s, one by one, are
more than the server's own Python can send. Of 20 the cost is below what a token costs otherwise;
more of them would gain little, and a loop is seen so many tokens late. The first token is sent at
once all the same, and the end with what it holds.
"""

# vLLM takes it with a request, 0.29 does, and the greater of the two counts; 0.23 ignores it.
# SGLang, TensorRT-LLM and LMDeploy know it as an argument of their own start at most.
_JOINED: dict[str, dict[str, Any]] = {VLLM: {"stream_interval": JOINED_TOKENS}}


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What is known of a server.

    Attributes:
        kind: ``vllm``, ``sglang`` or ``llama.cpp``; empty when it is something else.
        version: its own; empty when it does not tell.
        model: the name under which it serves the model.
        context_length: tokens of prompt and completion together; None when unknown.
        slots: requests it works on at once; None when unknown.
        details: what else could change an outcome, for the manifest.
        told: all that the server tells of its model, JSON values; equal at every start of the
            same model.
        chat_template: the text of the template that makes its prompts; empty when it does not
            tell, or more than a template has.
    """

    kind: str
    version: str
    model: str
    context_length: int | None = None
    slots: int | None = None
    details: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    chat_template: str = field(default="", repr=False)

    def sampling(self, fields: RequestFields) -> dict[str, Any]:
        """Fields that leave nothing but temperature, top-p and `fields` to draw by."""
        plain = _PLAIN_SAMPLING.get(self.kind, {})
        if self.kind == LLAMA_CPP and "samplers" not in fields:
            named = _llama_cpp_words(fields, self.context_length)
            plain = {"samplers": _llama_cpp_samplers(named, ("temperature", "top_p"))}
        return {name: fields.get(name, value) for name, value in plain.items()}

    def body(self, sampling: Sampling, fields: RequestFields | None = None) -> dict[str, Any]:
        """All fields that this server needs in a request, beside the common ones.

        Args:
            sampling: of the request.
            fields: the model's request fields; its own of the same name give way, but for those
                that make llama-server greedy.
        """
        fields = fields or {}
        if self.kind == LLAMA_CPP:
            fields = _llama_cpp_words(fields, self.context_length)
        counting = _RUNNING_COUNT if self.kind in (VLLM, SGLANG) else {}
        drawing = {**self.sampling(fields), **fields}
        if self.kind == LLAMA_CPP and sampling.greedy:
            drawing |= _LLAMA_CPP_GREEDY
            drawing["samplers"] = _llama_cpp_samplers(fields, ("top_k",), only=_BEFORE_DRAWING)
        return {"model": self.model, **drawing, **counting, **_JOINED.get(self.kind, {})}


def _llama_cpp_words(fields: RequestFields, context: int | None) -> RequestFields:
    """`fields` with ``repetition_penalty``, which llama-server passes over, in its own words.

    vLLM's is of the prompt and all that was generated, llama-server's of its last 64 tokens unless
    it is told to look at more; not every version has a word for all of the context.
    """
    if "repetition_penalty" not in fields:
        return fields
    rest = {name: value for name, value in fields.items() if name != "repetition_penalty"}
    penalty = fields["repetition_penalty"]
    reach = {} if context is None else {"repeat_last_n": context}
    return {"repeat_penalty": penalty, **reach, **rest}


def _llama_cpp_samplers(
    fields: RequestFields, always: Collection[str], only: Collection[str] = _LLAMA_CPP_SAMPLERS
) -> list[str]:
    """The names of llama-server's samplers that `fields` need, in their order."""
    return [
        sampler
        for sampler, its_fields in _LLAMA_CPP_SAMPLERS.items()
        if sampler in always or (sampler in only and any(name in fields for name in its_fields))
    ]


async def probe(client: ChatClient, served_model: str | None) -> ServerFacts:
    """Ask a server which model it serves, what it is and how much it can hold.

    Args:
        client: speaks to the server.
        served_model: the user's choice, where the server has several models.

    Raises:
        MachineryError: the server cannot be reached.
        ModelError: it does not serve `served_model`, or refuses to tell its models.
        UsageError: it serves several models and none was chosen.
    """
    url = client.endpoint.url
    try:
        listing = await client.get(f"{url}/models")
    except (BrokenAnswerError, RefusedError) as error:
        if served_model and error.status in _NO_LISTING:
            return ServerFacts(kind="", version="", model=served_model)
        kind = ModelError
        if error.status in _NO_LISTING:
            hint = "choose the model with --served-model"
        elif isinstance(error, RefusedError):
            hint = error.hint or "check the URL"
        else:
            kind = MachineryError
            hint = "start it, or wait until it has loaded the model; check the URL"
        raise kind(f"{url}/models does not tell its models: {error}", hint=hint) from None

    models = _models(listing)
    entry = _choose(models, served_model, url)
    owner = entry.get("owned_by")
    facts = await _of_kind(client, entry, owner)
    told = {"id": entry["id"], **_told(entry, _TOLD), **facts.told}
    created = entry.get("created")
    # Some tell the time of asking, or of their own start.
    settled = _is_number(created) and 0 < created < time.time() - _SETTLED_SECONDS
    if settled and owner not in _MOVING_CREATED:
        told["created"] = created
    told |= {"server": facts.kind, "version": facts.version}
    return replace(facts, told={name: value for name, value in told.items() if value != ""})


async def _of_kind(client: ChatClient, entry: Mapping[str, Any], owner: object) -> ServerFacts:
    """What a server of its kind tells, beside its entry in the list of models."""
    root = client.endpoint.root
    if owner == "llamacpp":
        return await _llama_cpp(client, entry)
    context = _positive(entry.get("max_model_len"))
    if owner == "vllm":
        version = (await _optional(client, f"{root}/version")).get("version")
        # Off unless asked for: --enable-tokenizer-info-endpoint.
        tokenizer = await _optional(client, f"{root}/tokenizer_info")
        told = _template(tokenizer.get("chat_template"))
        told |= _told(tokenizer, ("tokenizer_class",))
        template = _template_text(tokenizer.get("chat_template"))
        return ServerFacts(
            VLLM, _short(version), entry["id"], context, told=told, chat_template=template
        )
    if owner == "sglang":
        info = await _optional(client, f"{root}/get_server_info")
        told = _told(info, _SGLANG_INFO)
        return ServerFacts(SGLANG, _short(info.get("version")), entry["id"], context, told=told)
    return ServerFacts("", "", entry["id"], context)


async def count_tokens(client: ChatClient, facts: ServerFacts, text: str) -> int | None:
    """How many tokens the server's tokenizer makes of a completion; None if it cannot tell."""
    try:
        if facts.kind == LLAMA_CPP:
            content = {"content": text, "add_special": False, "parse_special": True}
            answer = await client.post(f"{client.endpoint.root}/tokenize", content)
            tokens = answer.get("tokens")
            return len(tokens) if isinstance(tokens, list) else None
        if facts.kind in (VLLM, SGLANG):
            content = {"model": facts.model, "prompt": text, "add_special_tokens": False}
            answer = await client.post(f"{client.endpoint.root}/tokenize", content)
            return _positive(answer.get("count"))
    except (BrokenAnswerError, RefusedError, AttributeError):
        pass  # an older server, or a gateway that passes only the API on
    return None


async def count_prompt(
    client: ChatClient,
    facts: ServerFacts,
    messages: Sequence[Message],
    fields: RequestFields | None = None,
) -> int | None:
    """How many tokens the chat template makes of `messages`; None if the server cannot tell.

    Args:
        client: speaks to the server.
        facts: what it is.
        messages: the conversation.
        fields: the model's request fields, of which those of the template count.
    """
    turns = [{"role": turn.role, "content": turn.content} for turn in messages]
    given = (fields or {}).get(TEMPLATE_VARIABLES)
    variables = {TEMPLATE_VARIABLES: given} if given else {}
    try:
        if facts.kind == LLAMA_CPP:
            url = f"{client.endpoint.root}/apply-template"
            prompt = (await client.post(url, {"messages": turns, **variables})).get("prompt")
            return await count_tokens(client, facts, prompt) if isinstance(prompt, str) else None
        if facts.kind == VLLM:
            content = {"model": facts.model, "messages": turns, "add_generation_prompt": True}
            content |= variables
            answer = await client.post(f"{client.endpoint.root}/tokenize", content)
            return _positive(answer.get("count"))
    except (BrokenAnswerError, RefusedError, AttributeError):
        pass
    return None


async def _llama_cpp(client: ChatClient, entry: Mapping[str, Any]) -> ServerFacts:
    props = await _optional(client, f"{client.endpoint.root}/props")
    settings = props.get("default_generation_settings")
    context = settings.get("n_ctx") if isinstance(settings, dict) else None
    details = _template(props.get("chat_template"))
    told = {**details, **_told(props, ("model_path",))}
    if context:
        told |= _told({"context": context}, ("context",))
    if isinstance(settings, dict) and settings.get("lora"):
        told["lora"] = quote(str(settings["lora"]), 200)
    meta = entry.get("meta")
    if isinstance(meta, dict):
        told |= _told(meta, _META)
        if quantization := _short(meta.get("ftype")):
            details["file_type"] = quantization
    return ServerFacts(
        LLAMA_CPP,
        _short(props.get("build_info")),
        entry["id"],
        context_length=_positive(context),
        slots=_positive(props.get("total_slots")),
        details=details,
        told=told,
        chat_template=_template_text(props.get("chat_template")),
    )


def _template(text: object) -> dict[str, str]:
    return {"chat_template_sha256": template_sha256(text)} if isinstance(text, str) else {}


def _template_text(text: object) -> str:
    return text if isinstance(text, str) and len(text) <= _MOST_TEMPLATE else ""


def _told(raw: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Those of `names` that `raw` has, as numbers or short texts; no more is believed."""
    found: dict[str, Any] = {}
    for name in names:
        value = raw.get(name)
        if isinstance(value, bool) or _is_number(value):
            found[name] = value
        elif isinstance(value, str) and value:
            found[name] = quote(value, 200)
    return found


def _is_number(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_MOST_TOLD < value < _MOST_TOLD


def _models(listing: object) -> list[dict[str, Any]]:
    """The entries of a model list that have a name."""
    data = listing.get("data") if isinstance(listing, dict) else None
    entries = data if isinstance(data, list) else []
    return [
        entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    ]


def _choose(models: list[dict[str, Any]], served_model: str | None, url: str) -> dict[str, Any]:
    names = [model["id"] for model in models]
    shown = quote(", ".join(names[:12]))
    if served_model is None:
        if len(models) == 1:
            return models[0]
        if not models:
            raise ModelError(
                f"the server at {url} names no model", hint="choose one with --served-model"
            )
        raise UsageError(
            f"the server at {url} has {len(models)} models: {shown}",
            hint="choose one with --served-model",
        )
    for model in models:
        if model["id"] == served_model:
            return model
    if any(model.get("owned_by") in ("vllm", "sglang") for model in models):
        raise ModelError(
            f"the server at {url} does not serve {served_model!r}",
            hint=f"choose with --served-model: {shown}",
        )
    # Gateways do not list every name they accept; what the server is can still be seen.
    return {**(models[0] if len(models) == 1 else {}), "id": served_model}


async def _optional(client: ChatClient, url: str) -> dict[str, Any]:
    """The JSON object at `url`; empty when there is none."""
    try:
        answer = await client.get(url)
    except (BrokenAnswerError, RefusedError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _positive(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    return None


def _short(value: object) -> str:
    return quote(value, 80) if isinstance(value, str) else ""
