"""Measures what one response of a realtime session has used."""

from __future__ import annotations

from tornado_router.endpoints import REALTIME
from tornado_router.provider import Call
from tornado_router.usage import Usage


class ResponseMeter:
    """Measures one response, whose events go to the client as they came (`Meter`).

    Args:
        call: what the response is.

    Attributes:
        generated: what came of it, as bytes of text.
        reported: the usage that the vendor gave, once there is one.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self.generated = 0
        self.reported: Usage | None = None

    def usage(self, prompt: int | None = None) -> Usage:
        """What the vendor reported, or an estimate."""
        return self.reported or REALTIME.estimate(self._call, self.generated)
