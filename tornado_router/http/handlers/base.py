"""What every handler has: request ids, keys, errors in the right dialect, a line in the log."""

from __future__ import annotations

import random
import re
import time
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar

import msgspec
from loguru import logger
from msgspec import Struct
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

from tornado_router.accounts.key_lookup import Key
from tornado_router.background.held_memory import SLOW_BYTES, Hold
from tornado_router.endpoints import OPENAI, Dialect
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError, forget_frames
from tornado_router.http import cors
from tornado_router.http.client_address import address_of
from tornado_router.http.connection import connection_of
from tornado_router.http.head_facts import facts_of
from tornado_router.http.request_header import header
from tornado_router.http.services import Services
from tornado_router.http.tornado_handler import TornadoHandler
from tornado_router.http.unknown_paths import dialect_of, unknown_path
from tornado_router.observability.log import PlainRequest
from tornado_router.observability.redaction import holds_secret
from tornado_router.observability.trace_context import TraceContext, read_trace_context
from tornado_router.validation import parse_json
from tornado_router.validation.forms import Form
from tornado_router.validation.value_count import holds_more_by_turns

JSON = "application/json"

_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](?::[0-9]{1,5})?")

MAX_PATH = 1000
"""So many characters of a path are logged."""

STRICT_TRANSPORT = "max-age=31536000"
"""A browser that used TLS once uses nothing else for a year: RFC 6797."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class BaseHandler(TornadoHandler):
    """One request.

    Attributes:
        dialect: the form of its errors.
        open: whether it is served without a key.
        counts_refusals: whether its errors are in the metrics, unless the gateway counts them.
        takes_large_bodies: whether a body may have `max_body_bytes` rather than `SMALL_BODY`.
        hold: counts its body if that is large, and whatever else is large until it is over.
        refusal: why the request is refused, if that was known before all of it was here.
        form: what was sent, if that was a form; its files are closed with `hold`.
        facts: what the head of the request says.
        own_id: the router's own, unique id of the request.
        request_id: the client's `x-request-id` if it sent a sane one, else `own_id`.
        key: that it was sent with, once that is known.
        user_id: whose key or session it was sent with, once that is known.
        logged: whether the gateway logs the request.
        connection: of the client.
    """

    dialect: Dialect = OPENAI
    open: ClassVar[bool] = False
    counts_refusals: ClassVar[bool] = False
    takes_large_bodies: ClassVar[bool] = False

    def __init__(
        self,
        application: Application,
        request: HTTPServerRequest,
        refusal: ApiError | None = None,
        hold: Hold | None = None,
        form: Form | None = None,
        **kwargs: Any,
    ) -> None:
        self.refusal = refusal
        self.hold = hold
        self.form = form
        self.own_id = new_id()
        self.facts = facts_of(request.headers)
        given = self.facts.request_id
        services: Services = kwargs["services"]
        may_be_shown = given and _may_be_shown(given) and not services.secrets.holds(given)
        self.request_id = given if given and may_be_shown else self.own_id
        super().__init__(application, request, **kwargs)

    def initialize(self, services: Services) -> None:
        """In place of `__init__`: takes the arguments of the route table."""
        self.services = services
        self.started = time.monotonic()
        self.key: Key | None = None
        self.user_id: int | None = None
        self.logged = False
        self.error: ApiError | None = None
        self._is_looked_through = False
        self.connection = connection_of(self.request)
        services.bounds.received(self.connection)
        services.requests.begin(self)

    def set_default_headers(self) -> None:
        """Headers of every response, errors included."""
        self.set_headers(
            {
                "Content-Type": JSON,
                "X-Request-Id": self.request_id,
                "X-Content-Type-Options": "nosniff",
            }
        )

    @classmethod
    def largest_form(cls, arguments: Mapping[str, Any]) -> int:
        """The bytes of the largest form that it takes; 0 if it takes none.

        Args:
            arguments: of the route.
        """
        return 0

    @property
    def client_address(self) -> str:
        """Address of the client, as trusted proxies report it."""
        return address_of(self.request, self.services.serving.config.server.trusted_proxies)

    @property
    def logged_address(self) -> str:
        """The same for the log; empty if addresses are not logged."""
        return self.client_address if self.services.serving.config.log.client_addresses else ""

    async def prepare(self) -> None:
        """Authenticates the request, unless it is open.

        Raises:
            ApiError: 401; 503, the router stops; or as the request was refused before.
        """
        self._set_edge_headers()
        if self.refusal:
            raise self.refusal
        self.refuse_at_stop()
        if not self.open:
            await self.authenticate()

    def refuse_at_stop(self) -> None:
        """Refuses a request that would be cut off at once.

        Raises:
            ApiError: 503, the router stops.
        """
        if self.services.requests.cutting_off:
            raise Refusal.stopped()

    def cut_off(self) -> None:
        """Ends the work, as the router stops. A request that calls no model runs to its end."""

    def look_after(self, now: float) -> None:
        """Acts if its response is silent. One that calls no model never is."""

    @property
    def origin(self) -> str:
        """The address that the router was asked at; empty if the client names none.

        What a proxy says of TLS is taken as it is: no other client gets to see it.
        """
        host = self.request.host
        if not _HOST.fullmatch(host):
            return ""
        forwarded = self.request.headers.get("X-Forwarded-Proto") == "https"
        return f"{'https' if self.connection.secure or forwarded else 'http'}://{host}"

    async def authenticate(self) -> None:
        """Accepts an API key.

        Raises:
            ApiError: 401.
        """
        authenticator, authorization = self.services.authenticator, self.facts.authorization
        key = authenticator.recall(authorization)
        if key is None:
            key = await authenticator.authenticate(
                authorization,
                self.client_address,
                api_key=header(self.request.headers, "X-Api-Key"),
            )
        self.key, self.user_id = key, key.user_id

    async def look_through(self) -> None:
        """Looks at a large body before it is read, by turns of the event loop.

        Raises:
            ApiError: 400, it holds too many values; 415, the content type is another.
        """
        body = self.request.body
        if self.hold is None or len(body) <= SLOW_BYTES:
            return
        self._check_content_type()
        await self.hold.turn()
        limit = self.services.serving.config.server.max_json_values
        if await holds_more_by_turns(body, limit, self.hold.turn):
            raise Invalid.too_many_values(limit=limit)
        self._is_looked_through = True

    def read_json(self) -> Any:
        """The JSON that was sent.

        Raises:
            ApiError: 400, it is not JSON; 415, the content type is another.
        """
        self._check_content_type()
        limit = self.services.serving.config.server.max_json_values
        return parse_json(self.request.body, None if self._is_looked_through else limit)

    def _check_content_type(self) -> None:
        content_type = self.facts.content_type
        if content_type is not None and content_type != JSON and not _is_json(content_type):
            raise Invalid.unsupported_content_type(got=content_type[:100], expected=JSON)

    def trace_context(self) -> TraceContext | None:
        """The trace of the client that the request is part of, or None."""
        traceparent = self.facts.traceparent
        if traceparent is None:
            return None
        trace = read_trace_context(traceparent, header(self.request.headers, "Tracestate"))
        if (
            trace
            and trace.state
            and (holds_secret(trace.state) or self.services.secrets.holds(trace.state))
        ):
            trace = trace._replace(state="")  # the collector keeps it with the span
        return trace

    def write_json(self, body: Mapping[str, Any] | Struct) -> None:
        """Responds with a JSON object."""
        self.finish(msgspec.json.encode(body))

    def compute_etag(self) -> None:
        """Turns off Tornado's: responses differ, so hashing them is of no use."""
        return

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Called by Tornado: renders an exception as an error object."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        self.error = self._api_error(status_code, error)
        forget_frames(error)
        dialect = self.dialect
        self.set_status(dialect.status(self.error))
        for name, value in dialect.headers(self.error).items():  # a vendor's may be among them
            self.set_header(name, value)
        self._set_edge_headers()  # Tornado has cleared what `prepare` set
        self.write_json(dialect.error_body(self.error, self.request_id))

    def _set_edge_headers(self) -> None:
        """Sets headers for the connection, for browsers, and of the dialect."""
        if self.dialect.id_header:
            self.set_header(self.dialect.id_header, self.request_id)
        if self.services.requests.stopping:
            self.set_header("Connection", "close")
        if self.connection.secure:
            self.set_header("Strict-Transport-Security", STRICT_TRANSPORT)
        options = self.services.serving.config.cors
        if options.origins:
            origin = header(self.request.headers, "Origin")
            self.set_headers(cors.response_headers(options, origin))

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Logs where an unexpected error came from, without its message: it may quote a prompt."""
        if not isinstance(value, ApiError | HTTPError):
            frames = "".join(traceback.format_tb(tb))
            name = typ.__name__ if typ else "error"
            logger.error("{} in request {}\n{}", name, self.request_id, frames)

    def on_finish(self) -> None:
        """Called by Tornado: logs and counts the request, and reports its end."""
        self.services.requests.end(self)
        self.services.bounds.responded(self.connection)
        if self.logged:
            return  # a call, which is over once its client has the response
        if self.hold:
            self.hold.free()
        self.note(self.get_status(), self.started, self.error)

    def note(self, status: int, started: float, error: ApiError | None) -> None:
        """Logs a request, or a message of a websocket, that became no call; counts its refusal.

        Args:
            status: of the response.
            started: when it came, by `time.monotonic()`.
            error: why it is refused; None if it is not.
        """
        error_code = error.code or error.type if error else None
        if error_code and (self.counts_refusals or self.refusal):
            self.services.metrics.add_refusal(error_code)
        traceparent = self.facts.traceparent
        trace = read_trace_context(traceparent, None) if traceparent else None
        self.services.access_log.add(
            PlainRequest(
                request_id=self.request_id,
                method=self.request.method or "",
                path=self.request.path[:MAX_PATH],
                status=status,
                finished_at=time.time(),
                duration=time.monotonic() - started,
                key_name=self.key.name if self.key else None,
                error_code=error_code,
                client_address=self.logged_address,
                user_id=self.user_id,
                trace_id=trace.trace_id if trace else None,
            )
        )

    def _api_error(self, status: int, error: BaseException | None) -> ApiError:
        if isinstance(error, ApiError):
            return error
        if status == 405:
            methods = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE")
            allowed = [m for m in methods if _has_method(type(self), m)]
            return Invalid.method_not_allowed(
                method=self.request.method,
                path=self.request.path,
                headers={"Allow": ", ".join(allowed)},
            )
        if status < 500:
            reason = error.log_message if isinstance(error, HTTPError) else None
            return ApiError(status, reason or "The request cannot be read.")
        return Refusal.internal_error()


class PreflightHandler(BaseHandler):
    """A preflight: a browser asks what a page may send. It carries no key."""

    open = True

    async def options(self) -> None:
        """Lists the methods and headers that a page may use."""
        options = self.services.serving.config.cors
        self.set_headers(cors.preflight_headers(options, self.request.headers))
        self.set_status(204)
        self.finish()


class NotFoundHandler(BaseHandler):
    """Any path that is not in the route table."""

    open = True
    counts_refusals = True

    def initialize(self, services: Services) -> None:
        """Sees by the path, or by a header, which API is meant."""
        self.dialect = dialect_of(self.request.path, self.request.headers)
        super().initialize(services)

    async def prepare(self) -> None:
        """Refuses, whatever the method.

        Raises:
            ApiError: 404.
        """
        passed = self.services.serving.passed.rules.shown
        raise unknown_path(self.request.method or "", self.request.path, passed)


def _has_method(handler: type[RequestHandler], method: str) -> bool:
    return getattr(handler, method.lower()) is not getattr(RequestHandler, method.lower())


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == JSON or media_type.endswith("+json")


def _may_be_shown(request_id: str) -> bool:
    """Whether a client's id of a request may stand in logs, tables and traces."""
    return _REQUEST_ID.fullmatch(request_id) is not None and not holds_secret(request_id)


def new_id() -> str:
    """Begins with the time, so that the newest rows of a table stand together in its index."""
    return f"req_{time.time_ns():016x}{random.getrandbits(64):016x}"
