"""Runs in trackers of experiments, by these trackers' own clients."""
