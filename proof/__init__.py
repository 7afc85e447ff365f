"""Exactness, as anybody can see it: `make proof`."""
