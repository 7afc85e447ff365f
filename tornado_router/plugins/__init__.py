"""Finds the installed plugins and makes the providers that router.toml asks for."""
