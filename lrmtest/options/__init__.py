"""What a user may say, shared by the plugin and the commands."""
