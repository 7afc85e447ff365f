"""What the router keeps as OpenAI's API shows it: files, batches, and the lines of results."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from tornado_router.provider import load_json
from tornado_router.storage.kept_tables import KeptBatch, KeptFile
from tornado_router.storage.values import EPOCH

ENDS = ("completed", "cancelled", "expired")
"""How a batch may end, once its lines were found to be good."""


def file_object(row: KeptFile) -> dict[str, Any]:
    """A file: https://platform.openai.com/docs/api-reference/files/object."""
    return {
        "id": row.file_id,
        "object": "file",
        "bytes": row.size,
        "created_at": _seconds(row.created_at),
        "expires_at": _seconds(row.expires_at),
        "filename": row.name,
        "purpose": row.purpose,
        "status": "processed",
    }


def batch_object(row: KeptBatch, files: Mapping[int, str]) -> dict[str, Any]:
    """A batch: https://platform.openai.com/docs/api-reference/batch/object.

    Args:
        row: of it.
        files: ids of the files with its results, by their rows; they are shown once it has ended.
    """
    has_ended = row.ended_at is not None
    output, error = (
        files.get(kept) if has_ended and kept is not None else None
        for kept in (row.output_id, row.error_id)
    )
    ends: dict[str, Any] = dict.fromkeys([f"{end}_at" for end in ENDS])
    if has_ended:
        ends[f"{row.status}_at"] = _seconds(row.ended_at)
    return {
        "id": row.batch_id,
        "object": "batch",
        "endpoint": row.endpoint,
        "model": row.model,
        "errors": None,
        "input_file_id": row.input_file,
        "completion_window": row.completion_window,
        "status": row.status,
        "output_file_id": output,
        "error_file_id": error,
        "created_at": _seconds(row.created_at),
        "in_progress_at": _seconds(row.created_at),
        "expires_at": _seconds(row.ends_at),
        "finalizing_at": _seconds(row.ended_at),
        "failed_at": None,
        "cancelling_at": _seconds(row.cancelling_at),
        **ends,
        "request_counts": {
            "total": row.total,
            "completed": row.completed,
            "failed": row.failed,
        },
        "metadata": load_json(row.metadata.encode()) if row.metadata else None,
    }


def list_object(items: Sequence[Mapping[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A page of a list."""
    return {
        "object": "list",
        "data": list(items),
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": has_more,
    }


def _seconds(moment: datetime.datetime | None) -> int | None:
    return None if moment is None else int((moment - EPOCH).total_seconds())
