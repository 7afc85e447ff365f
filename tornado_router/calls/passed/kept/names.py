"""The names of what the router keeps itself: they differ from those of any vendor's."""

from __future__ import annotations

KEPT = "(router)"
"""Stands for the provider, where there is one of what vendors keep."""

KEPT_KINDS = ("batches", "files")
"""What it keeps, by the paths and the permissions for that."""

FILE, BATCH = "file-rtr0", "batch_rtr0"
"""What ids of files and batches begin with."""


def is_kept(resource_id: str) -> bool:
    """Whether an id is one of the router's own."""
    return resource_id.startswith((FILE, BATCH))
