"""Locating: the modules of a variant that lost what its parent can."""
