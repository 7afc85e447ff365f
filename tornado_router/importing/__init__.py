"""Reads what other gateways are configured by, and writes a router.toml that does the same."""
