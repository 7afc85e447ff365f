"""One endpoint of a provider: pure functions between the client's format and the vendor's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Protocol

from tornado_router.framing import Framing, ServerSentEvents
from tornado_router.provider.bodies import Body
from tornado_router.provider.call import Call
from tornado_router.provider.http import UpstreamRequest, UpstreamResponse
from tornado_router.sse import Event


class StreamParser(Protocol):
    """Reads one stream of the vendor's; made anew for each."""

    done: bool
    """Whether the vendor has marked the end of the stream."""

    def feed(self, event: Event) -> Iterable[Body]:
        """The chunks that an event amounts to, often one, sometimes none.

        Raises:
            ProviderError: the event reports a failure, or is not what the API promises.
        """
        ...

    def finish(self) -> Iterable[Body]:
        """The chunks that are due at the end of the stream.

        Raises:
            ProviderError: the stream ended before its time.
        """
        ...


class Translator(ABC):
    """One endpoint of a provider: pure functions between OpenAI's format and the vendor's.

    Attributes:
        framing: what cuts the bytes of a stream into events: `ServerSentEvents`, `JSONLines`,
            `AWSEventStream`, `RawBytes`, or a class of the plugin's own.
    """

    framing: type[Framing] = ServerSentEvents

    @abstractmethod
    def build_request(self, call: Call) -> UpstreamRequest:
        """The vendor's request for a call.

        Raises:
            ApiError: the call asks for something that the vendor cannot do; names `param`.
        """

    @abstractmethod
    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """OpenAI's body, `usage` included, of a successful response.

        Raises:
            ProviderError: the response is not what the vendor's API promises.
        """

    @abstractmethod
    def parse_stream(self, call: Call) -> StreamParser:
        """A parser for one streamed response.

        The core asks for usage in every stream: the last chunk is `{"choices": [], "usage": ...}`
        whether the client wants it or not, and the core hides it where it does not.
        """

    def open_stream(self, call: Call, response: UpstreamResponse) -> StreamParser:
        """A parser for one streamed response, for a vendor whose headers matter.

        Args:
            call: what was asked.
            response: its status and headers; the body is empty, as it is still to come.
        """
        return self.parse_stream(call)
