"""`lrmtest ...`: the jobs outside pytest, one file per group of commands."""

from lrmtest.cli.main import main

__all__ = ["main"]
