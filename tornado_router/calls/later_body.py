"""The body of a call whose response has begun: let go of, and parsed once more if asked for.

Parsed, a body takes more than its bytes, which are there anyway. A stream may last for long, and
hardly any of them asks for its request again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tornado_router.background.held_memory import SLOW_BYTES
from tornado_router.provider import Call
from tornado_router.validation import parse_json


class LaterBody(Mapping[str, Any]):
    """The JSON object in some bytes.

    Args:
        raw: the bytes; they were parsed before.
    """

    __slots__ = ("_body", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._body: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._parsed()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed())

    def __len__(self) -> int:
        return len(self._parsed())

    def _parsed(self) -> dict[str, Any]:
        if self._body is None:
            self._body = parse_json(self._raw)
        return self._body


def let_go(*calls: Call) -> None:
    """Lets go of the bodies of calls, unless one would take long to parse again, or is a form.

    Args:
        calls: that were sent.
    """
    for call in calls:
        if 0 < len(call.raw) <= SLOW_BYTES and not call.parts and type(call.body) is dict:
            call.body = LaterBody(call.raw)
