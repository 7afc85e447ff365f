"""Requests that are passed to a vendor as they are; see `calls.passed`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

from tornado_router.background.held_memory import UNCOUNTED, Hold
from tornado_router.calls.passed.gate import form_of
from tornado_router.calls.passed.request import PassedRequest, read_query
from tornado_router.calls.passed.resumable import (
    ResumableUploads,
    Upload,
    has_bytes,
    is_upload,
    token_in,
)
from tornado_router.calls.passed.rules import Match
from tornado_router.endpoints import ANTHROPIC, KNOWN, OPENAI, PASSTHROUGH
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.http.content_encoding import take_decoder
from tornado_router.http.handlers.base import JSON, BaseHandler
from tornado_router.http.handlers.calls import CallHandler
from tornado_router.http.handlers.response_writer import ResponseWriter
from tornado_router.http.request_header import header
from tornado_router.http.services import Services
from tornado_router.http.streamed_body import StreamedBody
from tornado_router.observability.redaction import printable_name
from tornado_router.validation import parse_json

JSON_BYTES = 10 * 1024 * 1024
"""Of a body in JSON, which is read whole."""

_NO_CONTENT = 204


class PassedWriter(ResponseWriter):
    """Writes a response that is passed on, whatever its status."""

    def __init__(self, handler: BaseHandler) -> None:
        super().__init__(handler)
        self._passed = handler

    def set_status(self, status: int) -> None:
        """Takes the status, before the head."""
        self._passed.set_status(status)

    def finish(self, data: bytes) -> asyncio.Future[None]:
        """Writes the last part of the body; a response that has none may not say so."""
        if not self.begun and self._passed.get_status() == _NO_CONTENT:
            self._written = self._passed.respond(b"")
            return self._written
        return super().finish(data)  # type: ignore[return-value]  # it returns what it wrote


class PassedHandler(CallHandler):
    """A path that is passed on."""

    def initialize(  # type: ignore[override]
        self, services: Services, match: Match, body: StreamedBody
    ) -> None:
        """Takes what the path stands for, and the body, which is still to come."""
        is_anthropic = match.endpoint == PASSTHROUGH and "Anthropic-Version" in self.request.headers
        dialect = ANTHROPIC if is_anthropic else OPENAI
        name = form_of(dialect) if match.endpoint == PASSTHROUGH else match.endpoint
        super().initialize(services, KNOWN[name])
        self.match = match
        self.body = body
        self.upload: Upload | None = None

    async def authenticate(self) -> None:
        """Accepts an API key, also where Google's clients put it, or the address of an upload.

        Raises:
            ApiError: 401; 404, there is no such upload.
        """
        token = token_in(self.match.path, self.request.query)
        if token is not None:
            await self._go_on(token)
            return
        google = header(self.request.headers, "X-Goog-Api-Key")
        if google and "Authorization" not in self.request.headers:
            self.request.headers["X-Api-Key"] = google
        await super().authenticate()

    async def _go_on(self, token: str) -> None:
        """Goes on with an upload: its address stands for the key that has begun it."""
        upload = self.upload = self._uploads().find(token, self.match.path)
        key = await self.services.authenticator.find(upload.key_hash) if upload else None
        if key is None:
            shown = printable_name(token)[:20]
            raise Refusal.resource_not_found(what="Upload", id=shown, param="upload_id")
        self.key, self.user_id = key, key.user_id

    def _uploads(self) -> ResumableUploads:
        return ResumableUploads(self.services.upload_secrets, self.match.provider, self.origin)

    async def get(self) -> None:
        """Passes the request on."""
        await self._pass()

    async def post(self) -> None:
        """Passes the request on."""
        await self._pass()

    async def put(self) -> None:
        """Passes the request on."""
        await self._pass()

    async def patch(self) -> None:
        """Passes the request on."""
        await self._pass()

    async def delete(self) -> None:
        """Passes the request on."""
        await self._pass()

    async def _pass(self) -> None:
        method = self.request.method or ""
        if method not in self.match.methods:
            raise Invalid.method_not_allowed(
                method=method,
                path=self.request.path,
                headers={"Allow": ", ".join(sorted(self.match.methods))},
            )
        self.refuse_at_stop()
        serving = self.services.serving
        serving.gateway.check_room()
        request = await self._read(method)
        self.services.bounds.begin_call()
        writer = PassedWriter(self)
        try:
            await self.run(partial(serving.passed.run, request, self.own_id), writer)
        except ApiError:
            if not writer.begun and request.upload is not None:
                with suppress(ApiError):
                    await self.body.discard()
            raise

    async def _read(self, method: str) -> PassedRequest:
        """The request, with its body if that is JSON."""
        match, headers = self.match, self.request.headers
        assert self.key is not None, "it was authenticated"
        request = PassedRequest(
            self.endpoint.name,
            match.provider,
            self.dialect,
            method,
            match.path,
            () if self.upload else read_query(self.request.query),
            headers,
            session=self.upload.query if self.upload else (),
            address=partial(self._uploads().address, key_hash=self.key.digest),
        )
        if self.body.is_empty:
            return request
        content_type = header(headers, "Content-Type") or JSON
        media_type = content_type.partition(";")[0].strip().lower()
        is_part = is_upload(match.path) and has_bytes(headers)
        if is_part or media_type != JSON:
            if "Content-Encoding" in headers:
                raise Invalid.unsupported_content_encoding(
                    got=headers["Content-Encoding"][:100], expected="identity"
                )
            request.upload, request.content_type = self.body, content_type
            return request
        request.raw = await self._read_whole()
        request.json = self._parsed(request.raw)
        return request

    async def _read_whole(self) -> bytes:
        """The body, which is JSON.

        Raises:
            ApiError: 413; 415; 503, there is no room for it.
        """
        self.body.check(JSON_BYTES)
        decoder, hold = take_decoder(self.request.headers), Hold(self.services.memory)
        self.hold, held = hold, UNCOUNTED
        whole = bytearray()
        async for piece in self.body:
            for part in decoder.feed(piece) if decoder else (piece,):
                whole += part
                if len(whole) > JSON_BYTES:
                    raise Invalid.request_too_large(limit=JSON_BYTES)
                if len(whole) > held:
                    if not hold.grow(len(whole) - held):
                        raise Refusal.overloaded()
                    held = len(whole)
        if decoder:
            decoder.finish()
        return bytes(whole)

    def _parsed(self, raw: bytes) -> Any:
        if not raw:
            return None
        return parse_json(raw, self.services.serving.config.server.max_json_values)
