"""Programs that lrmtest runs: found, asked, guarded, and why they failed."""
