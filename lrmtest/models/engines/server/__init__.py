"""Programs that lrmtest starts, watches and ends, and the servers among them."""
