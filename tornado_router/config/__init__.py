"""router.toml: its options, how it is read, and the variables that workers get."""
