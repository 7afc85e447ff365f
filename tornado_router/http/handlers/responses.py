"""`/v1/responses`: by `POST`, at once or in the background, and by websocket."""

from __future__ import annotations

import asyncio

from tornado_router.background.held_memory import Hold
from tornado_router.calls.background_responses import Running
from tornado_router.calls.permissions import check_endpoint
from tornado_router.error_codes import Refusal
from tornado_router.http.handlers.calls import CallHandler
from tornado_router.http.handlers.response_writer import ResponseWriter
from tornado_router.http.handlers.responses_socket import ResponsesSocket
from tornado_router.provider import Call


class ResponsesHandler(CallHandler):
    """`/v1/responses`."""

    _running: Running | None = None

    _socket: ResponsesSocket | None = None

    async def get(self) -> None:
        """Opens a websocket, in which each message asks for a response.

        Raises:
            ApiError: it is refused.
        """
        # Its library takes a seventh of a second to load, and most routers need none.
        from tornado_router.http.websocket import Handshake  # noqa: PLC0415

        services = self.services
        limit = services.serving.config.server.max_body_bytes or self.endpoint.body_bytes
        handshake = Handshake(self.request, limit)
        assert self.key is not None, "a call is never open"
        check_endpoint(self.endpoint.name, self.key)
        self.refuse_at_stop()
        if self._client_left:
            raise Refusal.client_closed()
        services.serving.gateway.check_room()
        hold = self.hold = Hold(services.memory)
        websocket = handshake.grant({"X-Request-Id": self.request_id}, hold.take_part)
        self.leave_http()
        self.set_status(101)
        self._socket = ResponsesSocket(self, websocket, hold)
        try:
            await self._socket.run()
        finally:
            self._socket = None
        self.end_tunnel()

    async def serve(self, call: Call) -> None:
        """Serves a call, at once or in the background.

        Raises:
            ApiError: it is refused.
        """
        if not call.body.get("background"):
            await super().serve(call)
            return
        self.services.bounds.end_call()
        writer = self._writer = ResponseWriter(self) if call.stream else None
        serving, background = self.services.serving, self.services.background
        hold = self.hold or Hold(self.services.memory)
        most = serving.config.responses.max_background_per_user
        running = background.start(
            serving.gateway, call, self.envelope(), hold, most, client=writer
        )
        self.hold = None  # its body is held until the call is over
        self.logged = True  # the gateway accounts for it from here on
        self._task = asyncio.current_task()
        try:
            self._running = running
            response = await running.let_in()
            if writer:
                await running.delivered()
        except asyncio.CancelledError:
            if not self._client_left:
                raise
            return
        finally:
            self._task = self._writer = self._running = None
            if running.events and writer:
                running.events.leave()
                writer.forget()
        if not writer:
            self.write_json(response)

    def look_after(self, now: float) -> None:
        """Has a websocket look whether something ends it."""
        if self._socket:
            self._socket.look_after()
        else:
            super().look_after(now)

    def cut_off(self) -> None:
        """Ends a websocket, and a stream of the background, so that its client learns why."""
        if self._socket:
            self._socket.cut_off()
        elif self._running and self._writer:
            self._running.end("stop")
        else:
            super().cut_off()
