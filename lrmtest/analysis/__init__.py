"""What it means: pure functions on the records of runs."""
