"""Generating with weights restored: the questions of traces, asked again."""
