"""Batches: their lines are checked, what they may cost is held, and each is paid for once."""
