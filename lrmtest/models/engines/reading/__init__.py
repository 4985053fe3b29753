"""Reading traces: what a model says of tokens that are given to it, without generating any."""
