"""Outputs that were generated earlier, answered as an engine would."""
