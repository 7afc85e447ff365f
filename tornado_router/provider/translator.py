"""One endpoint of a provider: pure functions between the client's format and the vendor's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Protocol

from tornado_router.framing import Framing, ServerSentEvents
from tornado_router.provider.bodies import Body
from tornado_router.provider.call import NO_FIELDS, Call, UnsupportedKind
from tornado_router.provider.http import UpstreamRequest, UpstreamResponse
from tornado_router.sse import Event


class StreamParser(Protocol):
    """Reads one stream of the vendor's; made anew for each.

    One that gives events on as `Relayed`, and has nothing to do for an event that differs from one
    before in a text alone, may say so by an attribute `passes = True`: then such events may go to
    the client without being fed to it.

    One whose framing depends on the call has it as an attribute `framing`, in place of the
    translator's.
    """

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
        unsupported_fields: every field of a request that the vendor lacks, or that one of its
            models lacks, and what the lack amounts to: `hint`, `approximation` or `loss`. What is
            inside a field is named like `messages.content.input_audio`, without indexes, and is
            for the translator to find: `Params` sees the fields at the top alone. Give it to
            `Params`, which does what the operator's `unsupported` says of each kind; the
            conformance kit checks that each is so. What is not here is served, or a loss.
    """

    framing: type[Framing] = ServerSentEvents
    unsupported_fields: Mapping[str, UnsupportedKind] = NO_FIELDS

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
