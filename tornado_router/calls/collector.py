"""Takes a response in the place of a client, where none waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping


class Collector:
    """Takes the response in the place of a client (`Client`).

    Attributes:
        data: of the body so far.
    """

    begun = is_ready = False

    def __init__(self) -> None:
        self.data = bytearray()

    def keep_alive(
        self, comment: bytes, headers: Callable[[], Mapping[str, str]], content_type: str
    ) -> None:
        """No client waits."""

    def await_end(self, seconds: float, give_up: Callable[[], None]) -> None:
        """No client waits."""

    def begin(self, headers: Mapping[str, str], content_type: str, *, stream: bool) -> None:
        """Headers are of no use later."""

    def write(self, data: bytes) -> Awaitable[None]:
        """Takes a part of the body."""
        self.data += data
        return asyncio.sleep(0)

    def finish(self, data: bytes) -> Awaitable[None]:
        """Takes the last part of the body."""
        return self.write(data)

    def abort(self) -> None:
        """What is broken off is not JSON, which is found later."""
