"""One websocket of `/v1/responses`: each message of its client asks for a response.

A response is made as by `POST`: the same gateway, with an account of its own. What differs is that
the client's next message may come meanwhile, that several lanes are served side by side, and that
the websocket remembers what is kept nowhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from tornado_router.accounts.key_lookup import Key
from tornado_router.background.held_memory import SLOW_BYTES, Hold, request_hold
from tornado_router.background.supervisor import child_task
from tornado_router.calls.client import ClientLeftError
from tornado_router.calls.client_socket import (
    BROKEN,
    DONE,
    GOING_AWAY,
    POLICY,
    UNSUPPORTED,
    ClientSocket,
    End,
    Pulse,
    sendable,
)
from tornado_router.calls.lane_memory import LaneMemory
from tornado_router.calls.lanes import Lanes
from tornado_router.endpoints import RESPONSES
from tornado_router.endpoints.responses_replay import all_events, framed
from tornado_router.endpoints.responses_socket import (
    CREATE,
    PROCESSED,
    STEER,
    Request,
    error_event,
    headers_of,
    prepared,
    read_head,
    read_request,
    steer_failed,
)
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.http.connection import ClientGoneError
from tornado_router.http.handlers.base import new_id
from tornado_router.http.handlers.calls import forwarded_headers
from tornado_router.http.handlers.socket_writer import SocketWriter
from tornado_router.observability.redaction import REDACTED
from tornado_router.plugins.registry import FAULTS
from tornado_router.provider import Call, load_json
from tornado_router.validation.value_count import holds_more_by_turns

if TYPE_CHECKING:
    from tornado_router.http.handlers.responses import ResponsesHandler

LIFE_SECONDS = 3600.0
"""A websocket takes no new request when it is older, as at the vendor."""

KEY_SECONDS = 5.0
"""How often an idle websocket looks whether its key was revoked; each request does, too."""

CLOSE_SECONDS = 1.0
"""For so long a stop waits until clients have learned why their responses end."""

UNAUTHORIZED = 401

_UNKNOWN = f"Invalid 'type': expected '{CREATE}'."
_STOPPING = "The router is shutting down."


class ResponsesSocket:
    """Serves one websocket.

    Args:
        handler: of the request that opened it.
        socket: the websocket.
        hold: counts what it holds of its client's.
    """

    def __init__(self, handler: ResponsesHandler, socket: ClientSocket, hold: Hold) -> None:
        self._handler = handler
        self._services = handler.services
        self._socket = socket
        self._hold = hold
        self._memory = LaneMemory(hold)
        self._lanes = Lanes()
        self._writers: dict[asyncio.Task[None], SocketWriter] = {}
        self._pulse = Pulse(socket, handler.services.serving.config.server)
        self._is_cut = False
        self._woken = asyncio.Event()
        self._ends_at = time.monotonic() + LIFE_SECONDS

    async def run(self) -> None:
        """Serves it until its client closes it, or something else ends it."""
        tasks = [
            child_task("websocket of a client", self._read()),
            child_task("watch of a websocket", self._look_after()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left = [*tasks, *self._lanes.tasks]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        end = next(task for task in tasks if task in done).result()
        if end.error is not None:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._socket.send_texts([error_event(end.error, None)])
        await self._socket.close(sendable(end.code), end.words)

    def cut_off(self) -> None:
        """Ends it, as the router stops."""
        self._is_cut = True
        self._woken.set()

    async def _read(self) -> End:
        """Takes the client's messages, until there are no more."""
        socket, limit = self._socket, self._services.serving.config.server.max_json_values
        while (message := await socket.receive()) is not None:
            if isinstance(message, bytes):
                error = Invalid.binary_message()
                return End(UNSUPPORTED, error.message, error)
            lane, came = None, time.monotonic()
            try:
                raw = message.encode()
                del message  # it is held once, and counted
                kind, lane = read_head(raw, limit)
                if kind == CREATE:
                    self._take(lane, raw)
                elif kind == STEER:
                    await socket.send_texts([steer_failed(raw, limit)])
                elif kind != PROCESSED:
                    raise Invalid.invalid_value(_UNKNOWN, param="type")
            except ApiError as error:
                await self._refuse(error, lane, came)
        return End(socket.close_code or BROKEN, socket.close_reason, by_client=True)

    def _take(self, lane: str | None, raw: bytes) -> None:
        """Has a request served when its turn comes.

        Raises:
            ApiError: 400 or 429, there are too many; 503, there is no memory for it.
        """
        if time.monotonic() >= self._ends_at:
            raise Invalid.websocket_connection_limit_reached()
        if not self._hold.grow(len(raw)):
            raise Refusal.overloaded()
        writer = SocketWriter(self._socket, lane)
        try:
            task = self._lanes.add(lane, partial(self._serve, lane, raw, writer))
        except ApiError:
            self._hold.shrink(len(raw))
            raise
        self._writers[task] = writer
        task.add_done_callback(partial(self._forget, len(raw)))

    def _forget(self, size: int, task: asyncio.Task[None]) -> None:
        self._hold.shrink(size)
        self._writers.pop(task).forget()

    async def _serve(self, lane: str | None, raw: bytes, writer: SocketWriter) -> None:
        """Serves one request; its client learns what is wrong with it."""
        came, is_call = time.monotonic(), False
        hold = Hold(self._services.memory)
        request_hold.set(hold)  # of this task
        bounds = self._services.bounds
        try:
            await self._admit()
            call, generates = await self._read_call(raw, hold)
            bounds.begin_call()
            is_call = True  # the gateway accounts for it from here on
            try:
                await self._respond(lane, call, writer, came, generates=generates)
            finally:
                bounds.end_call()
        except ApiError as error:
            with suppress(ClientGoneError):
                if is_call:
                    await self._tell(error, lane)
                else:
                    await self._refuse(error, lane, came)
        except (ClientLeftError, ClientGoneError):
            pass  # which ends the websocket
        except FAULTS as error:
            self._handler.log_exception(type(error), error, error.__traceback__)
            with suppress(ClientGoneError):
                await self._tell(Refusal.internal_error(), lane)
        finally:
            hold.free()

    async def _admit(self) -> None:
        """Refuses what cannot begin now, as for any request.

        Raises:
            ApiError: 401, 503.
        """
        self._handler.refuse_at_stop()
        self._handler.key = await self._key()
        self._services.serving.gateway.check_room()

    async def _key(self) -> Key:
        """The key as it is now.

        Raises:
            ApiError: 401, it was revoked.
        """
        assert self._handler.key is not None, "it was opened with one"
        key = await self._services.authenticator.refresh(self._handler.key)
        if key is None:
            raise Refusal.revoked_api_key()
        return key

    async def _read_call(self, raw: bytes, hold: Hold) -> tuple[Call, bool]:
        """The call that a request amounts to, and whether it generates anything.

        Raises:
            ApiError: 400.
        """
        services = self._services
        limit: int | None = services.serving.config.server.max_json_values
        if len(raw) > SLOW_BYTES and limit is not None:
            await hold.turn()
            if await holds_more_by_turns(raw, limit, hold.turn):
                raise Invalid.too_many_values(limit=limit)
            limit = None
        request: Request = read_request(raw, limit)
        services.serving.validators[RESPONSES.name].check(request.body)
        call = RESPONSES.read(new_id(), request.body, request.raw)
        sent = forwarded_headers(RESPONSES, self._handler.request.headers)
        call.headers = sent | headers_of(call.body)
        if services.secrets.holds(call.model):  # no model has such a name, and it is recorded
            call.model = REDACTED
        return call, request.generates

    async def _respond(
        self, lane: str | None, call: Call, writer: SocketWriter, came: float, *, generates: bool
    ) -> None:
        """Has the gateway serve a call.

        Raises:
            ApiError: it is refused, or failed before anything was sent.
        """
        call = self._memory.continued(call)
        gateway, handler = self._services.serving.gateway, self._handler
        assert handler.key is not None, "it was opened with one"
        envelope = handler.envelope()._replace(started=came)
        if generates:
            writer.ended = partial(self._remember, lane, call)
            await gateway.run(call, envelope, writer)
            return
        await gateway.prepare(call, envelope)
        response = prepared(call)
        self._memory.remember(lane, call, response)
        await writer.finish(b"".join(map(framed, all_events(response))))

    def _remember(self, lane: str | None, call: Call, last: bytes) -> None:
        """A response has ended well: unless it is kept, it is remembered for the next request."""
        event = load_json(last)
        response = event.get("response") if isinstance(event, Mapping) else None
        if RESPONSES.is_kept(call) or not isinstance(response, Mapping):
            self._memory.forget(lane)
        else:
            self._memory.remember(lane, call, response)

    async def _refuse(self, error: ApiError, lane: str | None, came: float) -> None:
        """Shows the client what is wrong with what is not yet a call; it is logged and counted."""
        self._handler.note(error.status, came, error)
        await self._tell(error, lane)

    async def _tell(self, error: ApiError, lane: str | None) -> None:
        await self._socket.send_texts([error_event(error, lane)])

    def look_after(self) -> None:
        """Sees whether something ends it; called now and then, and all that an idle one costs."""
        requests, is_idle = self._services.requests, not self._lanes.tasks
        is_late = requests.stopping or time.monotonic() >= self._ends_at
        if (is_idle and is_late) or self._pulse.is_gone():
            self._woken.set()

    async def _look_after(self) -> End:
        """Ends the websocket over what no message shows."""
        requests = self._services.requests
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(KEY_SECONDS):
                    await self._woken.wait()
            self._woken.clear()
            if self._is_cut or requests.cutting_off:
                await self._cut_responses()
                return End(GOING_AWAY, _STOPPING)
            if self._pulse.is_gone():
                return End(BROKEN, by_client=True)
            if self._lanes.tasks:
                continue
            if requests.stopping:
                return End(GOING_AWAY, _STOPPING)
            if time.monotonic() >= self._ends_at:
                error = Invalid.websocket_connection_limit_reached()
                return End(DONE, error.message, error)
            try:
                await self._key()
            except ApiError as error:
                if error.status == UNAUTHORIZED:
                    return End(POLICY, error.message, error)

    async def _cut_responses(self) -> None:
        """Ends what runs, so that each client learns why; one that it waits for ends by itself."""
        for task, writer in self._writers.items():
            if not writer.is_waiting:
                task.cancel()
        if self._writers:
            await asyncio.wait(list(self._writers), timeout=CLOSE_SECONDS)
