"""One model's generation: what is asked, in which order, and what has arrived."""
