"""lrmtest."""
