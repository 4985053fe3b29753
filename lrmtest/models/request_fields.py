"""Request fields: what a model's requests carry beside what lrmtest itself sets in them.

They are named as in the body of an OpenAI-compatible request, and are JSON values. A card's
`request` table has them, and ``--request-field``; both are merged as RFC 7396 merges JSON: objects
by their names, ``null`` removes, anything else replaces. What changes an outcome in them is not
known here, so all of them are part of a run's identity.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from lrmtest.bounded import parse_json
from lrmtest.errors import UsageError
from lrmtest.masking import SECRET_NAME, looks_secret, masked
from lrmtest.unicode import quote, well_formed

RequestFields = Mapping[str, Any]
"""By their names, JSON values."""

TEMPLATE_VARIABLES = "chat_template_kwargs"
"""The field with variables of the chat template, such as ``enable_thinking``."""

SAMPLING_FIELDS = (
    *("top_k", "min_p", "typical_p", "top_n_sigma", "top_a", "tfs_z"),
    *("repetition_penalty", "repeat_penalty", "presence_penalty", "frequency_penalty"),
    *("repeat_last_n", "no_repeat_ngram_size", "min_tokens", "logit_bias"),
    *("dynatemp_range", "dynatemp_exponent", "xtc_probability", "xtc_threshold"),
    *("dry_multiplier", "dry_base", "dry_allowed_length", "samplers"),
)
"""Fields that say how tokens are drawn. Where a server refuses one it is left out and said, as a
temperature is; of any other field the user is told that it is refused."""

TRANSPORT_FIELDS = ("stream", "stream_options", "stream_interval")
"""Fields of lrmtest's own that say how an answer is sent, and change no outcome."""

TRACE_FIELDS = (
    *("return_token_ids", "logprobs", "top_logprobs", "post_sampling_probs", "timings_per_token"),
)
"""Fields of lrmtest's own that have a server tell of tokens, and change no outcome."""

LEFT_OUT, RENAMED = "left_out", "renamed"
"""Where an engine notes what a server refused: a list of fields, and new names by the old ones."""

HARMLESS_FIELDS = (
    *SAMPLING_FIELDS,
    *(TEMPLATE_VARIABLES, "reasoning_effort", "thinking_budget", "enable_thinking"),
    "skip_special_tokens",
)
"""Fields that a card may set that came with a model's folder: they run no code and send nothing to
anybody. Of any other name nobody knows what a server makes of it: a program, an address, a user."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_MOST_CHARS = 1 << 16  # of all values together, as JSON
_MOST_DEPTH = 16
_MOST_NUMBER = 1 << 53  # JSON numbers above are not the same everywhere
_SHOWN = 60

_BUDGET = "--max-tokens sets the budget, or max_tokens in a model's card"
_TEMPERATURE = "--temperature sets it, or temperature in a model's card"
_PROMPT = "the prompt is the suite's or --prompt-file's, and the system prompt is in a model's card"
_SAMPLES = "--samples says how many of each question"
_STREAM = "every answer is read as a stream where the server has one"
_END = (
    "how a completion ended is part of its verdict, and a stop string would cut reasoning short: "
    "the model's own end and --max-tokens are the only ones"
)
_UNREAD = "nothing here reads what it would bring"
_TOOLS = "no tool is called here, so a call would be no answer"
_KEY = "a key goes into the environment variable LRMTEST_API_KEY, and the endpoint into --model"
_WRITTEN_OUT = "give each of its fields by itself"

_OWNED = {
    "model": "--served-model names the model on the endpoint",
    **dict.fromkeys(("messages", "prompt", "input", "system", "instructions"), _PROMPT),
    **dict.fromkeys(
        (
            *("max_tokens", "max_completion_tokens", "max_new_tokens", "max_output_tokens"),
            *("max_gen_len", "max_length", "n_predict", "num_predict"),
        ),
        _BUDGET,
    ),
    **dict.fromkeys(("temperature", "temp"), _TEMPERATURE),
    "top_p": "--top-p sets it, or top_p in a model's card",
    **dict.fromkeys(("seed", "random_seed"), "--seed sets the base seed of all samples"),
    **dict.fromkeys(("n", "best_of", "n_cmpl", "num_generations", "use_beam_search"), _SAMPLES),
    **dict.fromkeys(("stream", "stream_options", "stream_interval"), _STREAM),
    **dict.fromkeys(
        ("stop", "stop_sequences", "stop_token_ids", "ignore_eos", "include_stop_str_in_output"),
        _END,
    ),
    **dict.fromkeys(
        ("logprobs", "top_logprobs", "prompt_logprobs", "n_probs", "echo", "return_token_ids"),
        _UNREAD,
    ),
    **dict.fromkeys(
        ("tools", "tool_choice", "functions", "function_call", "parallel_tool_calls"), _TOOLS
    ),
    **dict.fromkeys(
        ("api_key", "api_base", "base_url", "authorization", "extra_headers", "headers"), _KEY
    ),
    **dict.fromkeys(("extra_body", "body"), _WRITTEN_OUT),
}
"""Fields that lrmtest sets or cannot do with, and what is there in their place."""

_NOT_VARIABLES = frozenset(
    (
        *("messages", "conversation", "chat_template", "tokenize", "tools", "documents"),
        *("add_generation_prompt", "continue_final_message", "padding", "truncation"),
        *("max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask"),
        *("tokenizer_kwargs", "self"),
    )
)
"""Names that are arguments of whoever renders a chat template, and none of its variables."""


@dataclass(frozen=True, slots=True)
class RequestField:
    """One ``--request-field``.

    Attributes:
        model: whose requests carry it, by its name; empty for every model's.
        name: of the field.
        value: JSON; None removes what a card or an earlier option has.
    """

    model: str
    name: str
    value: Any

    def __str__(self) -> str:
        colon = ":" if self.model else ""
        return f"{self.model}{colon}{self.name}={json.dumps(self.value)}"


def read_request_field(text: str) -> RequestField:
    """What ``[MODEL:]KEY=JSON`` means.

    Raises:
        UsageError: it is not of this form, or no request may carry it.
    """
    place, equals, given = text.partition("=")
    model, colon, name = place.rpartition(":")
    shown = quote(masked(text), _SHOWN)
    if not equals or (colon and not _MODEL.fullmatch(model)):
        raise UsageError(
            f"{shown!r} is not [MODEL:]KEY=JSON",
            hint="such as top_k=20, reasoning_effort='\"low\"' or "
            "'chat_template_kwargs={\"enable_thinking\": false}'",
        )
    if len(given) > _MOST_CHARS:
        raise UsageError(f"{quote(name, _SHOWN)}: more than {_MOST_CHARS:,} characters")
    word = quote(masked(given), _SHOWN)
    try:
        value = parse_json(given, name, strict=True, error=UsageError)
    except UsageError:
        hint = "what is behind the equals sign is JSON"
        if re.fullmatch(r"[A-Za-z][\w.-]*", given):
            hint = f"a text stands in quotes: '{place}=\"{word}\"'"
            if given.lower() in ("true", "false", "none"):
                small = {"none": "null"}.get(given.lower(), given.lower())
                hint = f"JSON writes it {small}: {place}={small}"
        raise UsageError(f"{quote(name, _SHOWN)}={word}: no valid JSON", hint=hint) from None
    if value is None:
        _check_name(name, "")
    else:
        check_fields({name: value}, "")
    return RequestField(model, name, value)


def check_fields(fields: RequestFields, where: str) -> None:
    """Refuse fields that no request may carry.

    Args:
        fields: JSON values, as they were read.
        where: their place, for messages; empty where that is told beside.

    Raises:
        UsageError: a field that lrmtest sets itself, a value that is no JSON or that its field
            cannot have, or one that holds a key.
    """
    before = f"{where}: " if where else ""
    for name, value in fields.items():
        _check_name(name, before)
        _check_value(value, f"{before}{name}", 0)
        _check_known(name, value, before)
        if _holds_secret(name, value):
            raise UsageError(
                f"{before}{name}: it seems to hold a key, which would stand in every run's "
                "manifest",
                hint="put the endpoint's key into the environment variable LRMTEST_API_KEY",
            )
    if len(json.dumps(fields)) > _MOST_CHARS:
        raise UsageError(f"{before}more than {_MOST_CHARS:,} characters of request fields")


def merged(fields: RequestFields, more: RequestFields) -> dict[str, Any]:
    """`fields` with those of `more` merged into them: the algorithm of RFC 7396, section 2."""
    found = dict(fields)
    for name, value in more.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping):
            before = found.get(name)
            found[name] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            found[name] = value
    return found


def request_fields(card: RequestFields, options: Iterable[RequestField], model: str) -> Any:
    """What the requests of one model carry.

    Args:
        card: from the model's card.
        options: the user's, in their order; those for this model alone come last.
        model: its name.
    """
    found = dict(card)
    for named in ("", model):
        for option in options:
            if option.model == named:
                found = merged(found, {option.name: option.value})
    return found


def template_variables(fields: RequestFields) -> dict[str, Any]:
    """Variables of the chat template; an effort is one of them, as servers have it."""
    effort = fields.get("reasoning_effort")
    return {
        **({} if effort is None else {"reasoning_effort": effort}),
        **fields.get(TEMPLATE_VARIABLES, {}),
    }


def _check_name(name: str, before: str) -> None:
    shown = repr(quote(masked(name), _SHOWN))
    if not _NAME.fullmatch(name):
        hint = "letters, digits and '_', as in a request's body"
        if "." in name:
            outer, _, inner = name.partition(".")
            hint = f'what is inside of a field stands in its value: {outer}={{"{inner}": ...}}'
        raise UsageError(f"{before}{shown} is no name of a field", hint=hint)
    if owned := _OWNED.get(_plain(name)):
        raise UsageError(f"{before}{shown} is not for a request field: {owned}")


def _plain(name: str) -> str:
    """A name as most servers write it: ``maxTokens`` is ``max_tokens``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace("-", "_")


def _check_value(value: object, where: str, depth: int) -> None:
    if depth > _MOST_DEPTH:
        raise UsageError(f"{where}: nested too deeply")
    if isinstance(value, Mapping):
        for name, part in value.items():
            _check_value(name, where, depth + 1)
            _check_value(part, where, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _check_value(part, where, depth + 1)
    elif isinstance(value, str):
        if well_formed(value) != value:
            raise UsageError(f"{where}: a text in it is no valid Unicode")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if not (isfinite(value) and abs(value) <= _MOST_NUMBER):
            raise UsageError(f"{where}: a number in it is larger than JSON has everywhere")
    elif value is not None and not isinstance(value, bool):
        raise UsageError(f"{where}: a {type(value).__name__} is no JSON value")


def _check_known(name: str, value: Any, before: str) -> None:
    """What is known of the values of a few fields."""
    shown = quote(masked(json.dumps(value)), _SHOWN)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name == "top_k" and not (number and isinstance(value, int) and value >= -1):
        raise UsageError(f"{before}{name}: {shown} must be a whole number; -1 or 0 for all tokens")
    if name == "min_p" and not (number and 0 <= value <= 1):
        raise UsageError(f"{before}{name}: {shown} must be in [0, 1]")
    if name != TEMPLATE_VARIABLES:
        return
    if not isinstance(value, Mapping):
        raise UsageError(
            f"{before}{name}: {shown} must be an object",
            hint='such as {"enable_thinking": false}',
        )
    for variable in value:
        if not variable.isidentifier() or variable in _NOT_VARIABLES:
            raise UsageError(
                f"{before}{name}: {quote(masked(variable), _SHOWN)!r} is no variable of a chat "
                "template"
            )


def _holds_secret(name: str, value: Any) -> bool:
    text = f'"{name}": {json.dumps(value, ensure_ascii=False)}'
    return masked(text) != text or _named_secret(name, value)


def _named_secret(name: str, value: object) -> bool:
    """Whether a text in it looks like a secret and is named like one."""
    if isinstance(value, Mapping):
        return any(_named_secret(str(inner), part) for inner, part in value.items())
    if isinstance(value, list):
        return any(_named_secret(name, part) for part in value)
    secret = isinstance(value, str) and SECRET_NAME.search(name) is not None
    return secret and looks_secret(str(value))
