"""The end of a session: comparisons, exit status, and every file that is written."""
