"""Names of figures that every tracker takes, whatever a suite or a grader calls them.

MLflow refuses a name of other characters than letters, digits and ``_-.:/ ``, or of more than 250;
W&B takes any, but can neither sort nor filter by one that is not ``[_a-zA-Z][_a-zA-Z0-9]*``, but
for the slash by which it groups.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

LONGEST = 100
"""Characters of a name: two with a slash between them are within MLflow's limit."""

_HASH = 8
_ALLOWED = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OTHER = re.compile(r"[^_a-zA-Z0-9]")


def tracker_names(names: Iterable[str]) -> dict[str, str]:
    """A name for each of `names` that trackers take, different ones for different ones.

    What they take is left as it is, what they do not is replaced: ``gpqa-diamond`` becomes
    ``gpqa_diamond``. Where that makes two alike, also but for capital letters, what had to be
    changed ends in a part of its hash.
    """
    found = {name: _short(name) for name in sorted(set(names))}
    often = Counter(short.lower() for short in found.values())
    taken: set[str] = set()
    for name in sorted(found, key=lambda name: (found[name] != name, name)):
        short, salt = found[name], 0
        if short != name and often[short.lower()] > 1:
            short = _hashed(found[name], name, salt)
        while short.lower() in taken:
            short, salt = _hashed(found[name], name, salt), salt + 1
        taken.add(short.lower())
        found[name] = short
    return found


def _short(name: str) -> str:
    if len(name) <= LONGEST and _ALLOWED.fullmatch(name):
        return name
    short = _OTHER.sub("_", name[:LONGEST])
    return short if short[:1].isalpha() or short[:1] == "_" else f"_{short}"[:LONGEST]


def _hashed(short: str, name: str, salt: int) -> str:
    text = f"{name}\0{salt}".encode("utf-8", "surrogatepass")
    return f"{short[: LONGEST - 1 - _HASH]}_{hashlib.sha256(text).hexdigest()[:_HASH]}"
