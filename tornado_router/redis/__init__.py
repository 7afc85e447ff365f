"""Redis: the link for quick commands, the subscription, and the store for large values."""
