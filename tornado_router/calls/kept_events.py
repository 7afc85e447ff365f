"""The events of a response that is made in the background, for its client and for the database.

A client that stays gets each event as it comes, and the provider waits for it, as in any call. Once
it has left, the call goes on. What it may come back for is written now and then, by `Running`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from tornado_router import sse
from tornado_router.background.supervisor import call_later
from tornado_router.calls.client import Client
from tornado_router.endpoints.base import EVENT_STREAM
from tornado_router.endpoints.openai_format import written
from tornado_router.endpoints.responses_replay import last_event
from tornado_router.endpoints.responses_stream import ENDED
from tornado_router.provider import load_json


class Events(NamedTuple):
    """Some events, one behind the other.

    Attributes:
        first: the number of the first.
        last: the number of the last.
        data: as clients get them.
    """

    first: int
    last: int
    data: bytes


class KeptEvents:
    """Takes the stream of a response in the place of a client (`Client`).

    Every event gets a number of its own here, and the response its id. The last one is held back:
    when a client has it, the response is kept.

    Args:
        client: of the request, which may leave.
        fields: of the response, in place of what the vendor says.
        most: bytes of events that are kept. Behind those there is the last one only.

    Attributes:
        size: bytes of the events that are kept.
        response: as the last event has it; None before.
    """

    is_ready = False

    def __init__(self, client: Client, fields: Mapping[str, Any], most: int) -> None:
        self._client: Client | None = client
        self._fields = fields
        self._most = most
        self._decoder = sse.Decoder()
        self._next = 0
        self._pending: list[tuple[int, bytes]] = []
        self._is_full = False
        self._last = b""
        self._give_up: asyncio.TimerHandle | None = None
        self.size = 0
        self.response: Mapping[str, Any] | None = None

    @property
    def begun(self) -> bool:
        """Whether there is an event, or the client was sent anything."""
        return self._next > 0 or (self._client is not None and self._client.begun)

    def keep_alive(
        self, comment: bytes, headers: Callable[[], Mapping[str, str]], content_type: str
    ) -> None:
        """As long as the client stays."""
        if self._client:
            self._client.keep_alive(comment, headers, content_type)

    def await_end(self, seconds: float, give_up: Callable[[], None]) -> None:
        """Whether the client stays or not, the vendor is to end."""
        self._give_up = call_later("end of a stream", seconds, give_up)

    def begin(self, headers: Mapping[str, str], content_type: str, *, stream: bool) -> None:
        """As long as the client stays."""
        if self._client:
            self._client.begin(headers, content_type, stream=stream)

    def write(self, data: bytes) -> Awaitable[None]:
        """Passes events on."""
        return self._pass_on(self._taken(data))

    def finish(self, data: bytes) -> Awaitable[None]:
        """Passes the last events on; the stream itself ends by `deliver_end`."""
        if self._give_up:
            self._give_up.cancel()
        return self.write(data)

    def abort(self) -> None:
        """No stream of events is broken off: its last one says what became of it."""

    def leave(self) -> None:
        """The client has left."""
        self._client = None

    def end(self, response: Mapping[str, Any]) -> None:
        """Adds the last event, unless it has come.

        Args:
            response: as it came out.
        """
        if not self._last:
            self._taken(_framed(last_event(response, self._next)))

    async def deliver_end(self) -> None:
        """Ends the stream of the client, if it stays."""
        client = self._client
        if client is None:
            return
        if not client.begun:
            client.begin({}, EVENT_STREAM, stream=True)
        try:
            await client.finish(self._last)
        except OSError:
            self.leave()

    def pending(self) -> Events | None:
        """What is to be written to the database; None for nothing."""
        if not self._pending:
            return None
        data = b"".join(data for _, data in self._pending)
        return Events(self._pending[0][0], self._pending[-1][0], data)

    def saved(self, events: Events) -> None:
        """Some of what was pending is written."""
        self._pending = [event for event in self._pending if event[0] > events.last]

    def _taken(self, data: bytes) -> bytes:
        """Events as the client gets them."""
        return b"".join(self._take(event) for event in self._decoder.feed(data))

    def _take(self, event: sse.Event) -> bytes:
        body = {**load_json(event.data), "sequence_number": self._next}
        if isinstance(body.get("response"), Mapping):
            body["response"] = {**body["response"], **self._fields}
        framed = _framed(body)
        self._keep(framed)
        self._next += 1
        if body.get("type") not in ENDED:
            return framed
        self.response, self._last = body["response"], framed
        return b""

    def _keep(self, framed: bytes) -> None:
        self._is_full = self._is_full or self.size + len(framed) > self._most
        if not self._is_full:
            self.size += len(framed)
            self._pending.append((self._next, framed))

    async def _pass_on(self, data: bytes) -> None:
        if self._client and data:
            try:
                await self._client.write(data)
            except OSError:
                self.leave()


def _framed(body: Mapping[str, Any]) -> bytes:
    name = "".join(str(body.get("type") or "message").split())
    return b"event: " + name.encode("utf-8", "replace") + b"\n" + sse.encode(written(body))


def behind(data: bytes, number: int) -> bytes:
    """Those of some events that come behind one, by its number."""
    bodies = [load_json(event.data) for event in sse.Decoder().feed(data)]
    return b"".join(_framed(body) for body in bodies if body["sequence_number"] > number)


def has_end(data: bytes) -> bool:
    """Whether some events have the last one of their stream among them."""
    name, _, _ = data.removesuffix(b"\n\n").rpartition(b"\n\n")[2].partition(b"\n")
    return name.removeprefix(b"event: ").decode() in ENDED
