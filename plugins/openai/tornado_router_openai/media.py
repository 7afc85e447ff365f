"""Speech and images: bytes pass through as they come, and so do events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from tornado_router.provider import (
    Binary,
    Body,
    Call,
    Event,
    Framing,
    Params,
    ProviderError,
    RawBytes,
    Relayed,
    ServerSentEvents,
    StreamParser,
    UpstreamRequest,
    UpstreamResponse,
    bad_answer,
    is_error,
    load_json_object,
    reported_error,
)
from tornado_router_openai.forms import form_request
from tornado_router_openai.relay import Draft, Relay
from tornado_router_openai.streams import PassingParser

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider

_AUDIO = ("audio/", "application/octet-stream")
_EVENTS = "text/event-stream"


class Speech(Relay):
    """https://platform.openai.com/docs/api-reference/audio/createSpeech."""

    framing = RawBytes

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/audio/speech", "audio")

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes, with their content type."""
        return Binary(self._kind(response), response.body)

    def parse_stream(self, call: Call) -> StreamParser:
        """A parser of events; that of bytes has to know their content type."""
        return TypedEvents(self._provider.name, ".done", {})

    def open_stream(self, call: Call, response: UpstreamResponse) -> StreamParser:
        """A parser of what the vendor sends: bytes, or events if the client wants some."""
        is_events = response.headers.get("content-type", "").startswith(_EVENTS)
        if is_events and call.body.get("stream_format") == "sse":
            return TypedEvents(self._provider.name, ".done", response.headers)
        return Pieces(self._kind(response))

    def _kind(self, response: UpstreamResponse) -> str:
        """The content type of a response.

        Raises:
            ProviderError: it is not that of audio.
        """
        kind = response.headers.get("content-type", "")
        if kind.startswith(_AUDIO):
            return kind
        raise self._no_audio(response)

    def _no_audio(self, response: UpstreamResponse) -> ProviderError:
        """Why there is no audio, as far as a body with status 200 says it."""
        name = self._provider.name
        if response.body.lstrip().startswith(b"{"):
            body = load_json_object(response.body, name)
            if is_error(body):
                return reported_error(name, body, response.headers)
        return bad_answer(f"The provider '{name}' sent something else than audio.")


class Images(Relay):
    """https://platform.openai.com/docs/api-reference/images/create."""

    def __init__(self, provider: OpenAIProvider, path: str = "/images/generations") -> None:
        super().__init__(provider, path, "data")
        self._path = path
        self.unsupported_fields = dict.fromkeys(provider.no_image_fields, "approximation")

    def edit(self, draft: Draft, call: Call) -> None:
        """As everywhere; and some vendors decide themselves how large an image is."""
        super().edit(draft, call)
        params = Params(call, fields=self.unsupported_fields)
        for name in self._provider.no_image_fields:
            if draft.fields.get(name) not in (None, "auto"):
                params.leave_out(name)
            draft.leave_out(name)

    def parse_stream(self, call: Call) -> StreamParser:
        """A parser that passes events through."""
        return self._events(call, {})

    def open_stream(self, call: Call, response: UpstreamResponse) -> StreamParser:
        """The same, which knows the `Retry-After` of the response."""
        return self._events(call, response.headers)

    def _events(self, call: Call, headers: Mapping[str, str]) -> StreamParser:
        count = int(call.body.get("n") or 1)  # for JSON Schema, 2.0 is an integer
        return TypedEvents(self._provider.name, ".completed", headers, count)


class ImageForms(Images):
    """Images of others, which are uploaded: a form goes on part by part, JSON as everywhere."""

    def build_request(self, call: Call) -> UpstreamRequest:
        """The client's form, or its JSON."""
        if call.parts:
            return form_request(self._provider, self._path, call)
        return super().build_request(call)


class ImageEdits(ImageForms):
    """https://platform.openai.com/docs/api-reference/images/createEdit."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/images/edits")


class ImageVariations(ImageForms):
    """https://platform.openai.com/docs/api-reference/images/createVariation."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/images/variations")


class Pieces:
    """Passes the bytes of one stream through; only its end shows that they are whole.

    Args:
        content_type: of the bytes.
    """

    done = False
    framing: ClassVar[type[Framing]] = RawBytes

    def __init__(self, content_type: str) -> None:
        self._content_type = content_type

    def feed(self, event: Event) -> Iterable[Body]:
        """The next bytes."""
        return (Binary(self._content_type, event.data),)

    def finish(self) -> Iterable[Body]:
        """Nothing is held back."""
        return ()


class TypedEvents(PassingParser):
    """Passes the events of one stream through, up to the last.

    Args:
        provider: the name of its table.
        last: the end of the type of an event that is the last.
        headers: of the response.
        count: how many last events there are to be.
    """

    framing: ClassVar[type[Framing]] = ServerSentEvents

    def __init__(
        self, provider: str, last: str, headers: Mapping[str, str], count: int = 1
    ) -> None:
        super().__init__(provider, headers)
        self._last = last
        self._left = count

    def feed(self, event: Event) -> Iterable[Body]:
        """The event as a chunk."""
        if event.data == b"[DONE]":  # some copies of the API send one
            return ()
        chunk = load_json_object(event.data, self._provider)
        kind = chunk.get("type")
        if event.name == "error" or is_error(chunk):
            raise reported_error(self._provider, chunk, self.headers)
        if not isinstance(kind, str):
            raise bad_answer(f"The provider '{self._provider}' sent an event without a type.")
        if kind.endswith(self._last):
            self._left -= 1
            self.done = self._left <= 0
        return (Relayed(chunk, event.data),)
