"""Plugins that the tests of lrmtest itself need; pytest wants them named at the root."""

pytest_plugins = ("pytester",)
