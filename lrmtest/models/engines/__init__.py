"""Engines: one small protocol (`base`), a table of their kinds (`kinds`), a room for each."""
