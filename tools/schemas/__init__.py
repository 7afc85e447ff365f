"""Derives `schemas/` from the types of the official `openai` and `anthropic` packages.

What these have no types for is written by hand, in `own.py`.

python -m tools.schemas            # writes schemas/
python -m tools.schemas --check    # fails when schemas/ is not what would be written
"""
