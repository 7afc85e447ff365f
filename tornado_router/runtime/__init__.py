"""Makes a running router of one router.toml: wiring, reload, workers, checks before a start."""
