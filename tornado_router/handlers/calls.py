"""The endpoints that call a model: parse and validate the body, hand it on, write what comes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from uuid import uuid4

from tornado.iostream import StreamClosedError

from tornado_router.errors import ApiError
from tornado_router.gateway import StreamReply
from tornado_router.handlers.base import BaseHandler, Services
from tornado_router.provider import Call
from tornado_router.validation import parse_json


class CallHandler(BaseHandler):
    """One endpoint, such as `POST /v1/chat/completions`."""

    def initialize(self, services: Services, endpoint: str) -> None:  # type: ignore[override]
        """Takes the endpoint's name, by which its schema and its translators are known."""
        super().initialize(services)
        self.endpoint = endpoint
        self._task: asyncio.Task[None] | None = None
        self._client_gone = False

    async def post(self) -> None:
        """Serves the call, or refuses it before it costs anything."""
        call = self._read_call()
        self._task = asyncio.current_task()
        self.logged = True  # the gateway accounts for it from here on
        try:
            await self._serve(call)
        except StreamClosedError:
            pass  # the client went away while it was written to
        except asyncio.CancelledError:
            if not self._client_gone:
                raise
        finally:
            self._task = None

    def on_connection_close(self) -> None:
        """Ends the work for a client that went away, so that the provider's ends too."""
        self._client_gone = True
        if self._task:
            self._task.cancel()

    def _read_call(self) -> Call:
        content_type = self.request.headers.get("Content-Type", "application/json")
        if "json" not in content_type.lower():
            raise ApiError(
                415,
                f"Unsupported content type '{content_type[:100]}'. Send 'application/json'.",
                code="unsupported_content_type",
            )
        raw = self.request.body
        body = parse_json(raw)
        self.services.validators[self.endpoint].check(body)
        return Call(
            id=f"call_{uuid4().hex}",
            endpoint=self.endpoint,
            model=body["model"],
            body=body,
            raw=raw,
            stream=bool(body.get("stream")),
        )

    async def _serve(self, call: Call) -> None:
        assert self.key is not None, "a call is never open"
        reply = await self.services.gateway.run(call, self.key, self.request_id, self.started)
        if isinstance(reply, StreamReply):
            await self._write_events(reply)
        else:
            self.finish(reply)

    async def _write_events(self, reply: StreamReply) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")  # nginx would gather chunks
        async with aclosing(reply.events) as events:
            async for data in events:
                self.write(data)
                # Waits until the client has taken it, and the provider waits with us: what a
                # slow reader has not read is never held here.
                await self.flush()
