"""One configured table of router.toml, and how it serves a call over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from tornado_router.errors import ApiError
from tornado_router.framing import Framing, RawBytes, ServerSentEvents
from tornado_router.provider.bodies import Body
from tornado_router.provider.call import Call
from tornado_router.provider.chunk_reader import ChunkReader
from tornado_router.provider.credentials import AuthorizedClient, Credentials
from tornado_router.provider.error_reader import vendor_error
from tornado_router.provider.http import (
    HTTPClient,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
)
from tornado_router.provider.pass_through import PassThrough
from tornado_router.provider.translator import Translator
from tornado_router.provider.whole_streams import chunks_of
from tornado_router.sse import FramingError

RAW_PIECE = 64 * 1024
"""The most of a body that is passed on at once, where it is bytes that are not read."""


class OptionError(ValueError):
    """An option of a provider's table that no schema can refuse; raised by `Provider.__init__`."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option
        self.message = message


class Provider:
    """One configured `[providers.NAME]` table of router.toml.

    A subclass declares the options that its table may hold, and gives each endpoint it serves a
    translator. One that is not HTTP (an SDK, a model in this process) overrides `send`, `stream`
    and, for sessions, `connect` instead.

    Attributes:
        capabilities: what it can do, by endpoint; the core routes no other endpoint to it. The
            words for `chat.completions` are `stream`, `tools`, `parallel_tools`, `images`,
            `audio`, `files`, `json_object`, `json_schema`, `logprobs`, `n` and `reasoning`.
        remembers: whether it uses `Call.keep` and `Call.memory`.
        otel_provider_name: the vendor's value of OpenTelemetry's `gen_ai.provider.name`, such as
            `gcp.gemini`; empty for the name by which `type` asks for the class. `__init__` may set
            another.
        options_schema: JSON Schema of the table; its `properties` carry a `description` each.
            An option that is `writeOnly` is a secret, or an object such as headers whose values
            are: it is kept out of every message and log, and a provider in whose table it is
            empty is off.
        name: the NAME of the table.
        options: the table, checked against the schema.
        endpoints: the translators, by endpoint: `{"chat.completions": ...}`.
        credentials: what authorizes requests where a fixed header is not enough, such as a token
            that expires; None if `build_request` does. See `authorized`.
    """

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {}
    remembers: ClassVar[bool] = False
    otel_provider_name: str = ""
    options_schema: ClassVar[Mapping[str, Any]] = {"type": "object", "properties": {}}
    endpoints: Mapping[str, Translator]
    credentials: Credentials | None = None

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Takes the table. Does no I/O.

        Raises:
            OptionError: an option is wrong in a way that the schema cannot express.
        """
        self.name = name
        self.options = options
        self.endpoints = {}

    def supports(self, endpoint: str) -> bool:
        """Whether calls of an endpoint can be sent here."""
        return endpoint in self.capabilities

    def takes_cache_marks(self, model: str) -> bool:
        """Whether it knows what to do with `cache_control` of the parts of a chat completion.

        Clients of Anthropic's API mark with it where a prompt is cached; where this is false, calls
        that come from there have no marks. Content is always a list of parts where it is true.

        Args:
            model: the vendor's own name of it.
        """
        return False

    def authorized(self, http: HTTPClient) -> HTTPClient:
        """The connection with the provider's credentials added to each request.

        `send` and `stream` use it; a provider that overrides them uses it for its own requests.
        """
        return http if self.credentials is None else AuthorizedClient(http, self.credentials)

    def probe(self) -> UpstreamRequest | None:
        """A request that costs nothing and that the vendor refuses without valid credentials.

        `tornado-router check --connect` sends it, by `authorized`; a list of models is one. None,
        the default, if there is none: then only the connection to `base_url` is tried.
        """
        return None

    def pass_through(self, request: PassThrough) -> UpstreamRequest | None:
        """The vendor's request for one of its own API that the core passes on as it is.

        It sets the address and the key, often by `request.to`, and changes nothing else. The core
        reads the path strictly, keeps credentials of the client out, holds who owns what, and
        takes the provider's secrets out of the response. None, the default, if nothing is passed.
        """
        return None

    def parse_error(self, response: UpstreamResponse) -> ApiError:
        """The error behind a response whose status is not a success.

        Reads what vendors send in whatever shape; one whose errors say more overrides this, and
        may start from `vendor_error`. The core takes secrets out of the message, knows what the
        vendor's codes and words mean, and responds 502 to a refusal of its own credentials.
        """
        return vendor_error(self.name, response)

    async def send(self, call: Call, http: HTTPClient) -> Body:
        """Serves a call whole.

        Raises:
            ApiError: the provider failed or refused.
        """
        translator = self.endpoints[call.endpoint]
        response = await self.authorized(http).send(translator.build_request(call))
        if not 200 <= response.status < 300:
            raise self.parse_error(response)
        return translator.parse_response(call, response)

    async def stream(self, call: Call, http: HTTPClient) -> AsyncGenerator[Sequence[Body], None]:
        """Serves a call as chunks; those that arrived together are yielded together.

        Raises:
            ApiError: the provider failed or refused, at first or on the way.
        """
        translator = self.endpoints[call.endpoint]
        async with self.authorized(http).stream(translator.build_request(call)) as response:
            head = UpstreamResponse(response.status, response.headers, b"")
            if not 200 <= response.status < 300:
                head.body = await response.read()
                raise self.parse_error(head)
            hold = getattr(response, "hold", _ignore)
            parser = translator.open_stream(call, head)
            framing: type[Framing] = getattr(parser, "framing", translator.framing)
            reader = ChunkReader(framing(), parser, hold, call.passing)
            is_known = not issubclass(framing, ServerSentEvents)
            if call.passing is not None:
                getattr(response, "offer", _ignore)(reader.pass_on)
            if issubclass(framing, RawBytes):
                getattr(response, "widen", _ignore)(RAW_PIECE)
            try:
                async for piece in response:
                    if not is_known and (start := piece.lstrip()):
                        is_known = True
                        if start.startswith(b"{"):  # no event: a whole response, or an error
                            head.body = start + await response.read()
                            yield chunks_of(translator.parse_response(call, head), self.name)
                            return
                    chunks = reader.feed(piece)
                    if chunks:
                        yield chunks
                    if reader.error:
                        raise reader.error
                    if parser.done:
                        break
                chunks = reader.finish()
            except FramingError as unnamed:
                raise unnamed.named(self.name) from None
            if chunks:
                yield chunks
            if reader.error:
                raise reader.error

    def connect(self, call: Call, http: HTTPClient) -> AbstractAsyncContextManager[UpstreamSocket]:
        """Opens the websocket of a session, such as one of `realtime`; for `async with`.

        By default it is the one of the translator's `build_request`: its URL and headers. Messages
        are those of the endpoint, so a vendor of other ones is a socket that translates them.

        Args:
            call: what the client asked for; its body is the session.
            http: what connects.

        Raises:
            ApiError: the provider failed or refused.
        """
        request = self.endpoints[call.endpoint].build_request(call)
        return self.authorized(http).connect(request)


def _ignore(_: object) -> None:
    """For streams that do not count what is held of them, know one size of pieces, and so on."""
