"""The link to Redis, and what is kept or heard through it."""
