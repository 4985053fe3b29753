"""The options that a user may give, shared by pytest's plugin and the commands."""
