"""The table of errors: every code of the router's own, with its status, text and documentation.

An error is raised by its row: `raise Refusal.user_not_found(id=7)`. To change an error, change its
row and run `python -m tools.errors`, which renews docs/errors.md; OpenAPI follows by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from tornado_router.error_codes.failure import Failure
from tornado_router.error_codes.invalid import Invalid
from tornado_router.error_codes.refusal import Refusal
from tornado_router.errors import ApiError, ErrorCode

__all__ = ["CODES", "ROWS", "Failure", "Invalid", "Refusal", "rows"]


def rows(table: type) -> Iterator[ErrorCode[ApiError]]:
    """The rows of `Invalid`, `Refusal` or `Failure`, in their order."""
    return (row for row in vars(table).values() if isinstance(row, ErrorCode))


ROWS = (*rows(Invalid), *rows(Refusal), *rows(Failure))
"""The whole table."""

CODES = frozenset(row.code for row in ROWS if row.code)
"""Every code of the router's own. Vendors have others."""
