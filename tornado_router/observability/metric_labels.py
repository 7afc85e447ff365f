"""Keeps few the values that metrics tell apart: names of models, and reasons of failures.

Clients can make up any number of the former where a provider has a pattern, and vendors any number
of the latter; each value costs memory here and where the metrics are stored.
"""

from __future__ import annotations

from collections.abc import Iterable

from tornado_router.error_codes import ROWS, Failure, rows
from tornado_router.observability.redaction import MAX_SHOWN_NAME, printable_name

MOST_NAMES = 500
"""So many names that router.toml does not list have a label of their own."""

OTHER = "other"
"""The name that all others share."""

_OWN_CODES = frozenset(
    ("client_closed", *(row.code for row in rows(Failure) if row.status >= 500)),
)
"""Codes that the router itself gives to failures of providers, and to clients that disconnect."""


_REFUSALS = frozenset(text for row in ROWS for text in (row.code, row.type) if text)
"""Codes of the router's own, and the types that stand for them where there is no code."""


class BoundedNames:
    """Names of models, as metrics show them.

    Those that router.toml lists always keep theirs. Of the rest, those that were served do, up to
    a number. May be used by several threads: at worst, each admits one name too many.
    """

    def __init__(self) -> None:
        self._listed: frozenset[str] = frozenset()
        self._admitted: set[str] = set()

    def keep(self, names: Iterable[str]) -> None:
        """Says which names router.toml lists."""
        self._listed = frozenset(names)

    def name(self, model: str, *, is_real: bool) -> str:
        """What metrics call a model. Cheap for names that are not admitted, which may be many.

        Args:
            model: any text.
            is_real: whether it was served, so that it may have a name of its own.
        """
        if model in self._listed:
            return model
        clipped = model[:MAX_SHOWN_NAME]
        if clipped in self._admitted:
            return clipped
        if not is_real or len(self._admitted) >= MOST_NAMES:
            return OTHER
        shown = printable_name(model)
        self._admitted.add(shown)
        return shown


def refusal_code(code: str | None) -> str:
    """What metrics call the code of a refusal, or its type: a vendor's may be any text."""
    return code if code in _REFUSALS else OTHER if code else ""


def failure_reason(status: int, code: str | None) -> str:
    """Why a provider failed, in one of few words.

    Args:
        status: of the failure.
        code: of the failure; shown only if it is the router's own.
    """
    if code and code in _OWN_CODES:
        return code
    if status == 429:
        return "rate_limited"
    return "refused" if status < 500 else "server_error"
