"""The pytest side: options, fixtures, the generation schedule, the run loop, the summary."""
