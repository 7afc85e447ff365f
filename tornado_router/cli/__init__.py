"""The command line: each module has the commands of one duty, and `main` has them all."""
