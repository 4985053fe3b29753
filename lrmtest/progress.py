"""How what takes long tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Receives how many layers are done, and how many there are."""
