"""Responses that are made in the background: their client gets an id at once, and asks again.

The router makes them itself, whatever the vendor, as it makes any other call: limits, usage and
cost are those of a call, and the vendor knows nothing of it. What a client may poll is a row.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tornado_router.background.held_memory import Hold, request_hold
from tornado_router.background.supervisor import report, start_task
from tornado_router.calls.client import Client, Envelope
from tornado_router.calls.collector import Collector
from tornado_router.calls.gateway import Gateway
from tornado_router.calls.kept_events import KeptEvents
from tornado_router.calls.stored_responses import (
    UNFINISHED,
    StoredResponses,
    failed,
    stopped,
)
from tornado_router.endpoints import RESPONSES
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError, DatabaseAwayError, StoppedError
from tornado_router.plugins.registry import FAULTS
from tornado_router.provider import Call, dump_json, load_json
from tornado_router.storage.tables import StoredResponse

MAX_RUNNING = 200
"""Of one process: each holds its request."""

ALIVE_SECONDS = 10.0
"""How often it is noted that those that run here are still made."""

CLOSE_SECONDS = 3.0
"""For this long a stop waits until it is noted how they came out."""

_NAME = "background response"
_NO_END = "The stream of the provider ended without a response."


class Running:
    """A call whose client does not wait for it.

    Args:
        gateway: serves it.
        call: what the client asked for.
        envelope: what came with it.
        client: that takes the stream as long as it stays; None if it wants none.

    Attributes:
        user_id: whose call it is.
        row: where the response is kept; it has an id once the call was let in.
        events: of the stream; None if there is none.

    Raises:
        ApiError: 400, the response cannot be kept.
    """

    def __init__(
        self, gateway: Gateway, call: Call, envelope: Envelope, client: Client | None = None
    ) -> None:
        self.user_id = envelope.key.user_id
        self._response = {**RESPONSES.outline(call), "status": "queued", "background": True}
        self.row = gateway.stored.prepare(call, self.user_id, self._response)
        self.events: KeptEvents | None = None
        if client:
            fields = {"id": self._response["id"], "background": True}
            self.events = KeptEvents(client, fields, gateway.stored.most_events)
        self._error: ApiError | None = None
        self._gateway = gateway
        self._call = call
        self._envelope = envelope._replace(let_in=self._begin)
        self._let_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_over = False  # what is left is to note how it came out: not to be broken off
        self._task: asyncio.Task[None] | None = None

    def start(self, hold: Hold) -> asyncio.Task[None]:
        """Begins the call.

        Args:
            hold: counts its body; it is freed once the call is over.
        """
        task = self._task = start_task(_NAME, self._run(hold))
        task.add_done_callback(lambda _: hold.free())
        return task

    async def let_in(self) -> Mapping[str, Any]:
        """Waits until the call was let in; returns the response as its client gets it now.

        Raises:
            ApiError: it was refused.
        """
        try:
            await self._let_in
        except asyncio.CancelledError:
            self.end()  # its client has left without an id
            raise
        return self._response

    async def delivered(self) -> None:
        """Waits until the client has its stream, and how it came out is noted.

        Raises:
            ApiError: the call failed before the client was sent anything.
        """
        await self.ended()
        if self._error:
            raise self._error

    def end(self, *why: str) -> None:
        """Ends the call, unless it has ended."""
        if not self._is_over and self._task:
            self._is_over = True
            self._task.cancel(*why)

    async def ended(self) -> None:
        """Waits until it is noted how it came out."""
        if self._task:
            await asyncio.wait([self._task])

    async def _run(self, hold: Hold) -> None:
        request_hold.set(hold)
        try:
            ends = await self._outcome()
        finally:
            self._is_over = True
        events, stored = self.events, self._gateway.stored
        is_refused = bool(self._error and events and not events.begun)
        if events:
            events.end(ends)
        if self.row.id is not None:
            await stored.finish(self.row, self._call, ends, events)
        if events and not is_refused:
            self._error = None
            await events.deliver_end()

    async def _outcome(self) -> Mapping[str, Any]:
        """The response as it comes out, or as the client sees that it does not."""
        response = self._response
        asked = waited_for(self._call)
        body = {**asked.body, "store": False}
        asked = replace(asked, body=body, raw=dump_json(body))
        try:
            if self.events:
                await self._gateway.run(asked, self._envelope, self.events)
                return self.events.response or failed(response, "server_error", _NO_END)
            client = Collector()
            await self._gateway.run(asked, self._envelope, client)
            return {**load_json(bytes(client.data)), "id": response["id"], "background": True}
        except StoppedError as error:
            self._refuse(error)
            return stopped(response)
        except ApiError as error:
            self._refuse(error)
            return failed(response, error.code or error.type, error.message)
        except asyncio.CancelledError as ended:
            if ended.args == ("stop",):
                self._refuse(Refusal.stopped())
                return stopped(response)
            return {**response, "status": "cancelled"}
        except FAULTS as fault:
            report(_NAME, fault)
            internal = Refusal.internal_error()
            self._refuse(internal)
            return failed(response, "server_error", internal.message)

    async def _begin(self) -> None:
        """The call was let in: from now on its client may ask for it."""
        await self._gateway.stored.begin(self.row)
        if not self._let_in.done():
            self._let_in.set_result(None)

    def _refuse(self, error: ApiError) -> None:
        """The client learns why, if it still waits to be let in, or for its stream to begin."""
        self._error = error
        if not self._let_in.done():
            self._let_in.set_exception(error)


class BackgroundResponses:
    """Runs calls whose clients do not wait for them."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], Running] = {}
        self._look: asyncio.Task[None] | None = None
        self._noted = time.monotonic()

    def start(
        self,
        gateway: Gateway,
        call: Call,
        envelope: Envelope,
        hold: Hold,
        most: int,
        *,
        client: Client | None = None,
    ) -> Running:
        """Begins a call; it waits to be let in.

        Args:
            gateway: serves it.
            call: what the client asked for.
            envelope: what came with it.
            hold: counts its body; it is freed once the call is over, if that begins.
            most: calls of one user that run here.
            client: that takes the stream as long as it stays; None if it wants none.

        Raises:
            ApiError: 400, the response is not to be kept, or too large for that; 429, too many run
                already.
        """
        if not RESPONSES.is_kept(call):
            raise Invalid.invalid_request(
                "'background' needs a response that is stored.", param="background"
            )
        user_id = envelope.key.user_id
        own = sum(running.user_id == user_id for running in self._running.values())
        if own >= most or len(self._running) >= MAX_RUNNING:
            raise Refusal.too_many_in_background()
        running = Running(gateway, call, envelope, client)
        task = running.start(hold)
        self._running[task] = running
        task.add_done_callback(self._running.pop)
        return running

    async def cancel(self, row: StoredResponse) -> bool:
        """Ends the call behind a response, if it runs here; whether it did."""
        for running in list(self._running.values()):
            if running.row.id == row.id:
                running.end()
                await running.ended()
                return True
        return False

    def look_after(self, stored: StoredResponses) -> None:
        """Ends what another process was asked to, and notes what runs. Returns at once.

        Args:
            stored: where the responses are kept.
        """
        begun = {
            row_id: running
            for running in self._running.values()
            if (row_id := running.row.id) is not None
        }
        if begun and (self._look is None or self._look.done()):
            self._look = start_task("background responses", self._look_at(begun, stored))

    async def _look_at(self, begun: Mapping[int, Running], stored: StoredResponses) -> None:
        """Looks at those that have begun, by their rows."""
        with suppress(DatabaseAwayError):  # later, then
            wanted = await stored.wanted(list(begun))
            for row_id, running in begun.items():
                if row_id not in wanted:
                    running.end()
            await self._save_events(begun, stored)
            if time.monotonic() >= self._noted + ALIVE_SECONDS:
                self._noted = time.monotonic()
                await stored.note_alive(list(begun))

    async def _save_events(self, begun: Mapping[int, Running], stored: StoredResponses) -> None:
        """Writes what has come of streams since the last time, for clients that come back."""
        streams = {row_id: running.events for row_id, running in begun.items() if running.events}
        pending = {row_id: made for row_id, kept in streams.items() if (made := kept.pending())}
        if pending:
            await stored.add_events(pending)
            for row_id, events in pending.items():
                streams[row_id].saved(events)

    async def present_ended(self) -> None:
        """Waits until those that run now are over, however many begin meanwhile."""
        if self._running:
            await asyncio.wait(list(self._running))

    async def close(self) -> None:
        """Ends all of them, as the router stops; their clients find them failed."""
        for running in self._running.values():
            running.end("stop")
        if self._running:
            await asyncio.wait(list(self._running), timeout=CLOSE_SECONDS)


def waited_for(call: Call) -> Call:
    """The same call without `background`, with which a vendor goes on when the call is ended."""
    body = {name: value for name, value in call.body.items() if name != "background"}
    dropped = [*call.dropped, "background"]
    return replace(call, body=body, raw=dump_json(body), dropped=dropped)


def is_unfinished(response: Mapping[str, Any]) -> bool:
    """Whether a response may still be made."""
    return response.get("background") is True and response.get("status") in UNFINISHED
