"""`/v1/realtime`: sessions by websocket, and secrets by which browsers open them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

import orjson
from tornado.httputil import HTTPServerRequest

from tornado_router.accounts.client_secrets import SECONDS, ClientSecret, looks_like_secret
from tornado_router.background.held_memory import Hold
from tornado_router.calls.permissions import check_permissions
from tornado_router.calls.realtime.session import Session
from tornado_router.endpoints import REALTIME, Endpoint
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.http.connection import ClientGoneError
from tornado_router.http.handlers.calls import EnvelopeHandler, forwarded_headers
from tornado_router.http.request_header import header, offered_protocols
from tornado_router.http.services import Services
from tornado_router.observability.redaction import REDACTED, printable_name
from tornado_router.provider import Call, write_json

PROTOCOL = "realtime"
KEY_PROTOCOL = "openai-insecure-api-key."
"""Before the key of a browser, which can send no header of its own."""

BETA_PROTOCOL = "openai-beta."
"""Before what is else the value of `OpenAI-Beta`, with a dash for each equals sign."""

MOST_SECRET_BYTES = 6000
"""Of a session in a secret: a browser sends the secret in a header, for which proxies have 8 KB."""


class SessionHandler(EnvelopeHandler):
    """A websocket in which a session is held."""

    counts_refusals = True
    secret: ClientSecret | None = None
    _running: Session | None = None
    _task: asyncio.Task[None] | None = None
    _client_left = False

    def initialize(self, services: Services, endpoint: Endpoint) -> None:  # type: ignore[override]
        """Takes the endpoint, whose sessions these are."""
        super().initialize(services)
        self.endpoint = endpoint
        self.dialect = endpoint.dialect

    async def authenticate(self) -> None:
        """Accepts an API key or a secret, in a header or, from a browser, as a sub-protocol.

        Raises:
            ApiError: 401.
        """
        shown = _shown_key(self.request)
        if not looks_like_secret(shown):
            if shown and "Authorization" not in self.request.headers:
                self.key = await self.services.authenticator.authenticate(
                    f"Bearer {shown}", self.client_address
                )
                self.user_id = self.key.user_id
            else:
                await super().authenticate()
            return
        secret = self.secret = self.services.client_secrets.read(shown)
        key = await self.services.authenticator.find(secret.key_hash) if secret else None
        if key is None:
            raise Refusal.invalid_api_key()
        self.key, self.user_id = key, key.user_id

    async def get(self) -> None:
        """Opens a session, or refuses it before the websocket is granted."""
        # Its library takes a seventh of a second to load, and most routers have no sessions.
        from tornado_router.http.websocket import Handshake  # noqa: PLC0415

        services, options = self.services, self.services.serving.config.server
        handshake = Handshake(self.request, options.max_message_bytes, (PROTOCOL,))
        self.refuse_at_stop()
        if self._client_left:
            raise Refusal.client_closed()
        services.serving.gateway.check_room()
        call, first = self._read_session()
        services.bounds.begin_call()
        self._task = asyncio.current_task()
        self.logged = True  # the gateway accounts for it from here on
        hold = Hold(services.memory)
        opening = services.serving.sessions.open(
            call, self.envelope(), is_bound=self.secret is not None
        )
        try:
            async with opening as session:
                self._task = None
                self._running = session
                headers = {**session.headers(), "X-Request-Id": self.request_id}
                socket = handshake.grant(headers, hold.take_part)
                self.leave_http()
                await session.run(socket, lambda: services.requests.stopping, first)
        except asyncio.CancelledError:
            if not self._client_left:
                raise
        except ClientGoneError:
            pass  # before the websocket was granted
        finally:
            self._task = self._running = None
            hold.free()
            services.bounds.end_call()
        self.end_tunnel()

    def on_connection_close(self) -> None:
        """Ends the work for a client that left while a vendor was being reached."""
        self._client_left = True
        if self._task:
            self._task.cancel()

    def cut_off(self) -> None:
        """Ends the session, as the router stops."""
        if self._running:
            self._running.cut_off()
        elif self._task:
            self._task.cancel()

    def _read_session(self) -> tuple[Call, str]:
        """The session that is asked for, and an event that sets it up, if one does.

        Raises:
            ApiError: 400 or 403.
        """
        if self.get_query_argument("call_id", None):
            raise Invalid.invalid_value(
                "Invalid 'call_id': calls by WebRTC or SIP do not go through the router.",
                param="call_id",
            )
        session = self._wanted()
        first = ""
        if self.secret:
            bound = dict(self.secret.session)
            if session.get("model", bound.get("model")) != bound.get("model"):
                raise Refusal.model_not_permitted(model=printable_name(session["model"]))
            session = {**session, **bound}
            rest = {name: value for name, value in bound.items() if name != "model"}
            if rest.keys() != {"type"}:
                first = orjson.dumps({"type": "session.update", "session": rest}).decode()
        call = self.endpoint.read(self.own_id, session, write_json(session))
        if self.services.secrets.holds(call.model):  # no model has such a name
            call.model = REDACTED
        call.headers = forwarded_headers(self.endpoint, self.request.headers)
        call.headers.update(_beta(self.request))
        return call, first

    def _wanted(self) -> dict[str, Any]:
        """The session that the query asks for.

        Raises:
            ApiError: 400, there is none like it.
        """
        model, intent = (
            self.get_query_argument("model", None),
            self.get_query_argument("intent", ""),
        )
        if self.secret and model is None:
            return {}
        try:
            return REALTIME.session(model, intent)
        except KeyError:
            raise Invalid.invalid_value(
                "Invalid 'intent': the only one is 'transcription'.", param="intent"
            ) from None


class ClientSecretsHandler(EnvelopeHandler):
    """`/v1/realtime/client_secrets`."""

    counts_refusals = True

    def initialize(self, services: Services, endpoint: Endpoint) -> None:  # type: ignore[override]
        """Takes the endpoint, whose sessions the secrets are for."""
        super().initialize(services)
        self.endpoint = endpoint

    async def post(self) -> None:
        """Makes a secret for one session after the other, each like the one that is described.

        Raises:
            ApiError: 400, 403 or 404.
        """
        assert self.key is not None, "secrets are never open"
        body = self.read_json()
        self.services.serving.validators[f"{self.endpoint.name}.client_secrets"].check(body)
        session = body.get("session") or {}
        model = _model_of(session)
        check_permissions(self.endpoint.name, model, self.key)
        call = self.endpoint.read(self.own_id, {**session, "model": model}, b"")
        self.services.serving.gateway.route(call, None, self.key)
        if len(write_json(session)) > MOST_SECRET_BYTES:
            raise Invalid.invalid_request(
                f"The session is too large for a secret, which has room for {MOST_SECRET_BYTES} "
                "bytes: set the rest of it by session.update.",
                param="session",
            )
        seconds = int((body.get("expires_after") or {}).get("seconds") or SECONDS)
        kept = {"type": "realtime", **session, "model": model}
        value, expires_at = self.services.client_secrets.make(self.key.digest, kept, seconds)
        shown = {
            "id": f"sess_{uuid.uuid4().hex[:21]}",
            "object": f"{kept['type']}.session",
            "expires_at": 0,
            **kept,
        }
        self.write_json({"value": value, "expires_at": expires_at, "session": shown})


def _shown_key(request: HTTPServerRequest) -> str:
    """The key or secret that a request shows, wherever; empty for none."""
    authorization = header(request.headers, "Authorization") or ""
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for name in offered_protocols(request.headers):
        if name.startswith(KEY_PROTOCOL):
            return name.removeprefix(KEY_PROTOCOL)
    return ""


def _beta(request: HTTPServerRequest) -> Mapping[str, str]:
    """The version of the API's beta that a browser asks for by a sub-protocol."""
    for name in offered_protocols(request.headers):
        if name.startswith(BETA_PROTOCOL):
            return {"openai-beta": name.removeprefix(BETA_PROTOCOL).replace("-", "=", 1)}
    return {}


def _model_of(session: Mapping[str, Any]) -> str:
    """The model of a session that a secret is for.

    Raises:
        ApiError: 400, it names none.
    """
    place: Any = session
    path = ["model"]
    if session.get("type") == "transcription":
        path = ["audio", "input", "transcription", "model"]
    for name in path:
        place = place.get(name) if isinstance(place, Mapping) else None
    if not isinstance(place, str):
        raise Invalid.missing_required_parameter(param=".".join(["session", *path]))
    return place
