"""Runs as files, and the logs of other tools as runs: one file each."""
