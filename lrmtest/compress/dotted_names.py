"""Patterns of dotted names, of modules and of a GGUF file's tensors alike."""

from __future__ import annotations

from fnmatch import fnmatchcase


def matches(pattern: str, name: str) -> bool:
    """Whether `pattern`, with the wildcards of file names, is the name or a run of its parts."""
    parts = name.split(".")
    tails = (".".join(parts[begin:]) for begin in range(len(parts)))
    return any(fnmatchcase(tail, pattern) or fnmatchcase(tail, f"{pattern}.*") for tail in tails)
