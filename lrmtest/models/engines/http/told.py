"""Trouble as a server tells it: in the place of an answer, in the middle of it, or as a status."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from lrmtest.models.engines.http.endpoint import KEY_VARIABLE
from lrmtest.models.engines.http.failures import BrokenAnswerError

RETRIED_STATUSES = (408, 409, 425, 429)
"""Below 500: the same request may be answered later."""


_BUDGET = re.compile(
    r"max_(?:completion_|new_)?tokens\b.*\b(?:large|most|maximum|exceed|limit)", re.I
)


def parse(data: str | bytes) -> Any:
    """A JSON value.

    Raises:
        BrokenAnswerError: it is none.
    """
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        pass  # what it refuses may be JSON to others: NaN, half a surrogate pair
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise BrokenAnswerError("malformed answer: no valid JSON", shape="no valid JSON") from None


def text_in(data: str | bytes) -> str:
    """What was sent, as text."""
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


WORDS = ("message", "detail", "msg", "error", "error_msg", "error_message", "reason", "title")
"""Fields of an object that hold the words of an error."""


def tells_of_error(event: Mapping[str, Any]) -> bool:
    """Whether an object is a server's word of trouble, in any of the forms that servers have."""
    if event.get("error") or event.get("object") == "error" or event.get("type") == "error":
        return True
    choices = event.get("choices")
    if isinstance(choices, list) and choices:
        return isinstance(choices[0], dict) and bool(choices[0].get("error"))
    return not event.get("usage") and any(event.get(key) for key in (*WORDS, "errors", "code"))


def status_in(data: str | bytes) -> int | None:
    """The HTTP status in an error's own words; None without one."""
    with contextlib.suppress(BrokenAnswerError):
        event = parse(data)
        places = (event.get("error"), event) if isinstance(event, dict) else ()
        for place in (place for place in places if isinstance(place, dict)):
            for key in ("code", "status", "status_code"):
                code = place.get(key)
                if isinstance(code, int) and not isinstance(code, bool):
                    return code
                if isinstance(code, str) and code.isdecimal() and len(code) == 3:
                    return int(code)
    return None


def hint_for(status: int, words: str) -> str | None:
    """The next step after a refusal."""
    if status in (401, 403):
        return (
            f"set {KEY_VARIABLE}, or {KEY_VARIABLE}_NAME for the model called NAME, "
            "in the environment"
        )
    if status == 404:
        return "check the URL, and the model's name with --served-model"
    if 300 <= status < 400:
        return "redirects are not followed; give the URL it redirects to"
    if "context" in words.lower():
        return "lower --max-tokens, or serve the model with a longer context"
    if _BUDGET.search(words):
        return "lower --max-tokens to what the server allows"
    return None
