"""One realtime session: passes messages on in both directions, and ends with both of its sides.

Each direction waits for the side that it writes to before it takes more, so the slower one sets the
pace. A third task looks now and then after what no message shows: a client that is gone, a key that
was revoked, a router that stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from tornado_router.background.supervisor import child_task
from tornado_router.calls.account import CallAccount
from tornado_router.calls.client import ClientLeftError
from tornado_router.calls.client_socket import (
    BROKEN,
    FAILED,
    GOING_AWAY,
    LOOK_SECONDS,
    NO_CODE,
    POLICY,
    UNSUPPORTED,
    ClientSocket,
    End,
    Pulse,
    sendable,
)
from tornado_router.calls.realtime import events
from tornado_router.calls.realtime.responses import SessionResponses
from tornado_router.config.options import ServerOptions
from tornado_router.endpoints.socket_events import read_event
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import UpstreamSocket, dump_json

if TYPE_CHECKING:
    from tornado_router.calls.realtime.opening import SessionModels

UNAUTHORIZED = 401


class Session:
    """A session that was admitted, and that a vendor has taken.

    Args:
        upstream: the vendor's websocket.
        responses: their accounts.
        models: which may be used.
        options: `[server]`: what an event may hold, and how long a client may be silent.
        account: of the first response, which was admitted with it.
        is_stopping: whether the router cuts off what still runs.

    Attributes:
        reason: why it ended, for what it left unfinished.
    """

    def __init__(
        self,
        upstream: UpstreamSocket,
        responses: SessionResponses,
        models: SessionModels,
        options: ServerOptions,
        account: CallAccount,
        *,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._upstream = upstream
        self._responses = responses
        self._models = models
        self._options = options
        self._account = account
        self._is_stopping = is_stopping
        self._is_draining: Callable[[], bool] = lambda: False
        self._is_cut = asyncio.Event()
        self.reason: BaseException = ClientLeftError()

    def headers(self) -> dict[str, str]:
        """Of the response that opens the client's websocket."""
        return self._account.headers()

    def cut_off(self) -> None:
        """Ends it, as the router stops."""
        self._is_cut.set()

    async def run(
        self, client: ClientSocket, is_draining: Callable[[], bool], first: str = ""
    ) -> None:
        """Passes messages on until one side ends it; then the other is closed with the same code.

        Args:
            client: its websocket.
            is_draining: whether the session is to end once no response runs.
            first: an event that is sent in the client's name, before any other.
        """
        self._is_draining = is_draining
        try:
            end = await self._pass_on(client, first)
        except ApiError as error:
            end = _end_of(error)
        self.reason = end.error or ClientLeftError()
        if end.error is not None:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await client.send(events.error_event(end.error))
        await asyncio.gather(
            self._upstream.close(sendable(end.code), end.words),
            client.close(sendable(end.code), end.words),
            return_exceptions=True,
        )

    async def _pass_on(self, client: ClientSocket, first: str) -> End:
        """Runs both directions until one of them ends; says how.

        Raises:
            ApiError: as the session is refused to go on.
        """
        if first and (passed := await self._from_client(client, first)) is not None:
            await self._upstream.send(passed)
        tasks = [
            child_task("to the vendor", self._to_vendor(client)),
            child_task("to the client", self._to_client(client)),
            child_task("session", self._look_after(client)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return next(task for task in tasks if task in done).result()

    async def _to_vendor(self, client: ClientSocket) -> End:
        while (message := await client.receive()) is not None:
            if isinstance(message, bytes):
                return End(UNSUPPORTED, error=Invalid.binary_message())
            passed = await self._from_client(client, message)
            if passed is not None:
                await self._upstream.send(passed)
        return End(client.close_code or BROKEN, client.close_reason, by_client=True)

    async def _to_client(self, client: ClientSocket) -> End:
        upstream = self._upstream
        try:
            while (message := await upstream.receive()) is not None:
                if isinstance(message, str):
                    await self._read(message)
                await client.send(message)
        except OSError:
            return End(client.close_code or BROKEN, by_client=True)
        except ProviderError:
            if upstream.close_code in (None, BROKEN):
                raise
        return End(upstream.close_code or NO_CODE, upstream.close_reason)

    async def _from_client(self, client: ClientSocket, message: str) -> str | None:
        """A client's event as the vendor gets it; None for one that was refused."""
        event: dict[str, object] | None = None
        try:
            event = read_event(message.encode(), self._options.max_json_values)
            kind = event["type"]
            if kind == events.APPEND:
                self._responses.context += len(message) // events.INPUT_CHARS_PER_TOKEN
                return message
            changed = events.put_models(event, self._models.resolve)
            if kind == events.CREATE:
                bound = events.bound_of(event, "response", self._responses.bound)
                await self._responses.expect(message.encode(), bound)
            else:
                bound = events.bound_of(event, "session", self._responses.bound)
                self._responses.bound = bound
                self._responses.context += len(message) // 4
        except ApiError as error:
            if error.status == UNAUTHORIZED:
                raise
            await client.send(events.error_event(error, event))
            return None
        return dump_json(event).decode() if changed else message

    async def _read(self, message: str) -> None:
        """Accounts for what a vendor's event says.

        Raises:
            ApiError: the session may not go on.
        """
        responses, head = self._responses, events.head_of(message)
        kind, is_paid = head.type, True
        size = len(message) - events.FRAME_CHARS
        if kind in events.SPEECH:
            size //= events.SPEECH_CHARS_PER_BYTE
            is_paid = await responses.generated(head.response_id, max(0, size))
        elif kind in events.TEXTS:
            is_paid = await responses.generated(head.response_id, max(0, size))
        elif kind == events.CREATED:
            await responses.begin(events.load(message).get("response") or {})
        elif kind == events.DONE:
            is_paid = await responses.end(events.load(message).get("response") or {}, message)
        elif kind == events.TRANSCRIBED and self._models.transcriber:
            event = events.load(message)
            is_paid = await responses.transcribed(event, message, self._models.transcriber)
        elif kind == events.ERROR:
            responses.failed()
        if not is_paid:
            raise Refusal.quota_used_up()

    async def _look_after(self, client: ClientSocket) -> End:
        """Ends the session over what no message shows."""
        pulse = Pulse(client, self._options)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._is_cut.wait()
            if self._is_cut.is_set() or self._is_stopping():
                return End(GOING_AWAY, error=Refusal.stopped())
            if self._is_draining() and self._responses.is_idle:
                return End(GOING_AWAY, "The router is shutting down.")
            await self._responses.check_key()
            if pulse.is_gone():
                return End(BROKEN, by_client=True)


def _end_of(error: ApiError) -> End:
    """How a session ends over an error."""
    code = FAILED if error.status >= 500 else POLICY
    return End(code, error.message, error)
