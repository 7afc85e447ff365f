"""Transcriptions and translations: forms as they are, and texts in every format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    Binary,
    Body,
    Call,
    Event,
    Relayed,
    UpstreamRequest,
    UpstreamResponse,
    bad_answer,
    is_error,
    load_json_object,
    reported_error,
)
from tornado_router_openai.forms import form_request
from tornado_router_openai.streams import PassingParser, PassingStreams

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider

_TEXTS = ("text", "srt", "vtt")
"""Formats that are not JSON."""

_TEXT = "text/plain; charset=utf-8"

_DONE = "transcript.text.done"


class AudioTexts(PassingStreams):
    """An endpoint that takes a sound and returns a text.

    Args:
        provider: whose base URL and headers are used.
        path: of the endpoint, behind the base URL.
    """

    def __init__(self, provider: OpenAIProvider, path: str) -> None:
        self._provider = provider
        self._path = path

    def build_request(self, call: Call) -> UpstreamRequest:
        """The client's form."""
        return form_request(self._provider, self._path, call)

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes, once they are known to be a response."""
        name, kind = self._provider.name, response.headers.get("content-type", "")
        wanted = call.body.get("response_format")
        if wanted in _TEXTS and "json" not in kind:
            if "html" in kind:
                raise bad_answer(f"The provider '{name}' sent a page in place of a text.")
            return Binary(kind or _TEXT, response.body)
        body = load_json_object(response.body, name)
        if is_error(body):
            raise reported_error(name, body, response.headers)
        text = body.get("text")
        if not isinstance(text, str):
            raise bad_answer(f"The response of the provider '{name}' has no text.")
        if wanted == "text":  # a vendor that knows JSON alone
            return Binary(_TEXT, text.encode("utf-8", "replace"), body.get("usage"))
        return Relayed(body, response.body)

    def parse_stream(self, call: Call) -> TranscriptParser:
        """A parser that passes events through."""
        return TranscriptParser(self._provider.name)


class Transcriptions(AudioTexts):
    """https://platform.openai.com/docs/api-reference/audio/createTranscription."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/audio/transcriptions")


class Translations(AudioTexts):
    """https://platform.openai.com/docs/api-reference/audio/createTranslation."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/audio/translations")


class TranscriptParser(PassingParser):
    """Passes the events of one stream through, and knows whether it came to its end.

    vLLM streams chunks with choices in their place, and `[DONE]`:
    https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#transcriptions-api.
    """

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._texts: list[str] = []  # of choices
        self._has_choices = False
        self._usage: Any = None

    def feed(self, event: Event) -> Iterable[Body]:
        """The event as a chunk."""
        if event.data == b"[DONE]":
            return self._end() if self._has_choices else ()
        chunk = load_json_object(event.data, self._provider)
        if is_error(chunk):
            raise reported_error(self._provider, chunk, self.headers)
        if "type" not in chunk and isinstance(chunk.get("choices"), list):
            return self._said(chunk)
        self.done = chunk.get("type") == _DONE
        return (Relayed(chunk, event.data),)

    def _said(self, chunk: Mapping[str, Any]) -> Iterable[Body]:
        """A chunk with choices as an event."""
        self._has_choices = True
        usage = chunk.get("usage")
        if isinstance(usage, Mapping):
            self._usage = usage
        try:
            text = "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
        except (AttributeError, KeyError, TypeError):
            raise bad_answer(
                f"The provider '{self._provider}' sent a chunk whose 'choices' cannot be read."
            ) from None
        if not text:
            return ()
        self._texts.append(text)
        return ({"type": "transcript.text.delta", "delta": text},)

    def _end(self) -> Iterable[Body]:
        self.done = True
        usage = {} if self._usage is None else {"usage": self._usage}
        return ({"type": _DONE, "text": "".join(self._texts), **usage},)
