"""Derives `schemas/` from the types of the official `openai` and `anthropic` packages.

python -m tools.schemas            # writes schemas/
python -m tools.schemas --check    # fails when schemas/ is not what would be written
"""
