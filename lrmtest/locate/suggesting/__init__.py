"""Suggesting what to protect: the bits of modules, and the sets that spend so many."""
