"""The tables, the databases that hold them, and their migrations, locks and copies."""
