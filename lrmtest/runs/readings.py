"""Readings, as runs keep them: see `lrmtest.models.reading`, where engines have them from."""

from __future__ import annotations

from lrmtest.models.reading import Reading as Reading
