"""A Tornado Router command that makes a router.toml from the configuration of a LiteLLM proxy."""
