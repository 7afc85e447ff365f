"""router.toml: its options, how it is read, and what a worker is told by its environment."""
