"""Files and batches that the router keeps itself, and runs: where no vendor has batches."""
