"""`/usage`."""

from __future__ import annotations

from tornado_router.http.handlers.management import LARGEST_PAGE
from tornado_router.http.objects.usage import Usage
from tornado_router.http.openapi.operations.base import (
    LARGEST_ID,
    PAGE,
    USER_ID,
    Operation,
    Operations,
    json,
)
from tornado_router.http.openapi.schemas import ID, TEXT
from tornado_router.ledger.usage_queries import GROUPINGS, MAX_GROUPS
from tornado_router.validation.schema import Schema

_TIMES = "A date, a time with its zone (RFC 3339), or Unix time."


def _moment(which: str, example: str) -> Schema:
    return {**TEXT, "description": f"{which} {_TIMES}", "examples": [example]}


OPERATIONS: Operations = {
    "usage": {
        "get": Operation(
            summary="Report usage and cost",
            description="Covers the account's own calls; for administrators, all calls.",
            query={
                "from": _moment(
                    "Start of the period, by default 30 days before `to`.", "2026-11-01"
                ),
                "to": _moment("End of the period, exclusive, by default now.", "2026-12-01"),
                "model": {**TEXT, "description": "Only calls of this model, as requested."},
                "provider": {**TEXT, "description": "Only calls that this provider served."},
                "key_id": {**ID, "maximum": LARGEST_ID, "description": "Only calls of this key."},
                "user_id": USER_ID,
                "group_by": {
                    "type": "string",
                    "enum": list(GROUPINGS),
                    "description": "Return sums of groups in place of calls; `user` is for "
                    "administrators.",
                },
                "format": {"type": "string", "enum": ["json", "csv"], "default": "json"},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_GROUPS,
                    "description": f"The most groups to return, or calls (at most {LARGEST_PAGE}, "
                    "by default 20).",
                },
                "after": PAGE["after"],
            },
            content={**json(Usage), "text/csv": TEXT},
            headers=("Content-Disposition",),
            errors=(404,),
        )
    },
}
