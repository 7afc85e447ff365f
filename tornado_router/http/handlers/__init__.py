"""HTTP: what comes in is parsed, what goes out is written, and nothing is decided."""
