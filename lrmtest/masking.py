"""Masking: texts for people, logs and files, without the secrets that were in them.

A secret is known by its value (an API key, a variable of the environment that is named like one),
by its shape (``sk-...``, ``hf_...``), or by its place (the credentials of a URL, the value of
``--api-key``). Every error's message goes through `masked`, and so does what a manifest keeps.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote

MASK = "***"

SECRET_NAME = re.compile(
    r"(?:^|[_-])(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|PAT|AUTH)"
    r"(?:[_-]|$)",
    re.IGNORECASE,
)
"""Names of variables and options whose values are secrets, mostly."""

_WINDOW = 8
"""So many characters of a key in a row are enough to be masked: servers quote keys in part."""
_LONG_WINDOW = 16
"""The same of what is only named like a secret: it may have ordinary words in it."""

_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[\w-]{8,}|hf_\w{8,}|gh[pousr]_\w{16,}|github_pat_\w{16,}"
    r"|glpat-[\w-]{12,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{12,}|AIza[\w-]{20,}|nvapi-[\w-]{12,}"
    r"|gsk_\w{16,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]+)?)"
)
_LABELLED = re.compile(
    r"((?<![\w-])(?:--)?(?:api[_-]?key|(?:access|auth|hf)[_-]token|password|passwd|passphrase"
    r"|client[_-]secret|secret|authorization)[\"']?\s{0,3}[=:]\s{0,3}[\"'\[]{0,3}(?:bearer\s{1,3})?"
    r"|(?<!\w)bearer\s{1,3})([^\s\"'&,;\]]{6,})",
    re.IGNORECASE,
)
_URL = re.compile(r"://([^\s\"'<>`]+)")
_AUTHORITY_END = re.compile(r"[/?#]")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REVISION = re.compile(r"[0-9a-f]{40}")  # a commit, behind "resolve" in the URLs of a hub
_BREAK = re.compile(r"(?:\s|\\[nrt])+")
_OUTER = "--engine-arg="
_LONGEST_SEARCHED = 1 << 16  # characters in which a secret is looked for in all its forms


def masked(text: str) -> str:
    """`text` with `MASK` in place of every secret in it that can be told."""
    # By value last: it may leave a part that has no longer the shape of a secret.
    text = _URL.sub(lambda match: f"://{_shown_rest(match[1], mark=False)}", text)
    text = _TOKEN.sub(MASK, _LABELLED.sub(lambda match: match[1] + MASK, text))
    if len(text) >= _WINDOW:
        for secret in _of_environment():
            text = hidden(text, secret, window=_LONG_WINDOW)
    return text


def masked_values(value: Any) -> Any:
    """A JSON value with every text in it, names of fields included, `masked`."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {masked_values(name): masked_values(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [masked_values(part) for part in value]
    return value


def masked_url(url: str) -> str:
    """A URL as it may be kept: without credentials, and with marks for what looks like a token.

    A mark is `MASK` and eight digits of the part's SHA-256, so that two URLs stay two.
    """
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://{_shown_rest(rest, mark=True)}" if separator else url


def masked_arguments(arguments: Iterable[str]) -> tuple[str, ...]:
    """A command line's words, the values of options named like a secret masked, URLs as well.

    What it makes of a word depends on nothing else, so that it may stand in what identifies a run.
    """
    found: list[str] = []
    value_next = False
    for given in arguments:
        # A server's argument among pytest's: --engine-arg=--api-key=...
        outer = _OUTER if given.startswith(_OUTER) else ""
        word = given.removeprefix(outer)
        name, equals, value = word.partition("=")
        secret = name.startswith("-") and SECRET_NAME.search(name.lstrip("-")) is not None
        if value_next and not word.startswith("--"):
            word = MASK
        elif secret and equals and value:
            word = f"{name}={MASK}"
        else:
            word = _TOKEN.sub(MASK, masked_url(word) if "://" in word else word)
        value_next = secret and not equals
        found.append(outer + word)
    return tuple(found)


def hidden(text: str, secret: str, *, window: int = _WINDOW, length: bool = False) -> str:
    """`text` without `secret`, nor `window` characters of it in a row, however it is written there.

    Found as it is, percent-encoded, in base64, in hexadecimal, and broken over lines; the last
    four in texts of up to 64 Ki characters, and in longer ones only as it is.

    Args:
        text: what may hold it.
        secret: what may not be seen.
        window: so many characters, or the whole secret if it is shorter.
        length: put as many asterisks as there were characters, so that no place in `text` moves.
    """
    if not secret:
        return text
    if length or len(secret) < _WINDOW or len(text) > _LONGEST_SEARCHED:
        return text.replace(secret, "*" * len(secret) if length else MASK)
    # The text without its line breaks, and where each of its characters was.
    compact: list[str] = []
    places: list[int] = []
    last = 0
    for gap in _BREAK.finditer(text):
        compact.append(text[last : gap.start()])
        places.extend(range(last, gap.start()))
        last = gap.end()
    compact.append(text[last:])
    places.extend(range(last, len(text)))
    joined = "".join(compact)
    covered = bytearray(len(joined))
    for part in _parts(secret, min(window, len(secret))):
        at = joined.find(part)
        while at >= 0:
            covered[at : at + len(part)] = b"\1" * len(part)
            at = joined.find(part, at + 1)
    if not any(covered):
        return text
    parts, position, index = [], 0, 0
    while (index := covered.find(1, index)) >= 0:
        end = covered.find(0, index)
        end = len(covered) if end < 0 else end
        parts += [text[position : places[index]], MASK]
        position, index = places[end - 1] + 1, end
    return "".join([*parts, text[position:]])


@lru_cache(maxsize=64)
def _parts(secret: str, size: int) -> tuple[str, ...]:
    """Every run of `size` characters of the forms in which a secret is written."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, quote(raw, safe=""), quote_plus(raw)}
    for before in range(3):  # base64 has three forms, by where in a group of three bytes it begins
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * before + raw).decode()
            forms.add(text[(0, 2, 3)[before] : (len(raw) + before) * 4 // 3])
    found = {form[i : i + size] for form in forms for i in range(len(form) - size + 1)}
    digits, wide = raw.hex(), 2 * size
    for form in (digits, digits.upper()):
        found |= {form[i : i + wide] for i in range(0, len(form) - wide + 1, 2)}
    return tuple(found)


def variables(
    wanted: Callable[[str], bool] = lambda _: True,
) -> Iterator[tuple[str, str]]:
    """The environment's variables, for any thread: pytest sets one anew with every test, and
    ``os.environ.items()`` raises KeyError where a variable goes between its name and its value.

    Args:
        wanted: whether a variable of this name is.
    """
    for name in filter(wanted, list(os.environ)):
        value = os.environ.get(name)
        if value is not None:
            yield name, value


@lru_cache(maxsize=1024)
def _named_like_a_secret(name: str) -> bool:
    return SECRET_NAME.search(name) is not None


def _of_environment() -> Sequence[str]:
    """The values of variables that are named like a secret and look like one."""
    return [
        value.strip()
        for name, value in variables(_named_like_a_secret)
        if len(value.strip()) >= _WINDOW and not value.startswith(("/", "~", "."))
    ]


def _shown_rest(rest: str, *, mark: bool) -> str:
    """What follows ``://`` in a URL, however malformed it is, without its secrets."""
    # Credentials end at the last @, wherever it is: a password may hold what should be encoded.
    _, at, rest = rest.rpartition("@")
    credentials = f"{MASK}@" if at else ""
    end = _AUTHORITY_END.search(rest)
    host, rest = (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])
    name, colon, port = host.rpartition(":")
    if colon and not port.isdigit() and port and not host.endswith("]"):
        host = f"{name}:{MASK}"
    rest, hash_, fragment = rest.partition("#")
    path, question, query = rest.partition("?")
    shown = "/".join(_shown_parts(path.split("/"), mark=mark))
    if question:
        shown += "?" + "&".join(_shown_parameter(part) for part in query.split("&"))
    if hash_:
        shown += f"#{MASK if looks_secret(fragment) else fragment}"
    return f"{credentials}{host}{shown}"


def _shown_parts(parts: Sequence[str], *, mark: bool) -> list[str]:
    shown = []
    for before, part in zip(("", *parts), parts, strict=False):
        commit = before in ("resolve", "tree", "blob", "commit") and _REVISION.fullmatch(part)
        if commit or not looks_secret(part):
            shown.append(part)
        else:
            digest = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            shown.append(f"{MASK}{digest if mark else ''}")
    return shown


def _shown_parameter(part: str) -> str:
    name, equals, value = part.partition("=")
    if not equals:
        return MASK if looks_secret(name) else name
    return f"{name}={MASK}" if value else part


def looks_secret(part: str) -> bool:
    """Whether a part of a URL looks like a token rather than a word, a name or a version.

    A token has a run of 12 or more letters and digits with both in it, or one of 16 or more that
    is no word in small letters, or is longer than any word; or is a UUID, or has a known prefix.
    """
    text = unquote(part).removesuffix(".")
    if _TOKEN.search(text) or _UUID.search(text) or "@" in text:
        return True
    for run in re.findall(r"[^\W_]+", text):
        digits = any(char.isdigit() for char in run)
        letters = any(char.isalpha() for char in run)
        if len(run) >= 12 and digits and letters:
            return True
        if len(run) >= 16 and not (run.isalpha() and run.islower()):
            return True
        if len(run) >= 24:
            return True
    return False
