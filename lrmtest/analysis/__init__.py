"""Analysis: what runs mean. Pure functions on their records."""
