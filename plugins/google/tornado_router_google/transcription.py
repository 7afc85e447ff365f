"""Transcriptions by `generateContent`: the sound goes along, and the text is what the model says.

https://ai.google.dev/gemini-api/docs/audio.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    Binary,
    Body,
    Call,
    CallFile,
    Event,
    Params,
    ProviderError,
    StreamParser,
    Translator,
    UnsupportedKind,
    UpstreamRequest,
    UpstreamResponse,
    dump_json,
)
from tornado_router_google.images import FILTERED
from tornado_router_google.models import Traits, traits_of
from tornado_router_google.wire import cannot

if TYPE_CHECKING:
    from tornado_router_google.provider import GoogleProvider

MAX_BYTES = 14 * 1024 * 1024
"""Of a sound: a request has 20 MB at most, in Base64 and with all else:
https://ai.google.dev/gemini-api/docs/audio#inline-audio."""

UNSUPPORTED: Mapping[str, UnsupportedKind] = {
    "chunking_strategy": "hint",
    "include": "approximation",
    "known_speaker_names": "loss",
    "known_speaker_references": "loss",
    "response_format": "loss",
    "timestamp_granularities": "loss",
}
"""What a model that reads sounds lacks of a transcription."""

_TASK = (
    "Transcribe the recording. Answer with what is said in it, word for word, in the language that "
    "is spoken, and with nothing else. If nothing is said, answer with nothing."
)

_TYPES = {
    "aac": "audio/aac",
    "aif": "audio/aiff",
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp3": "audio/mp3",
    "mp4": "audio/mp4",
    "mpeg": "audio/mp3",
    "mpga": "audio/mp3",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "webm": "audio/webm",
}
"""By the end of a file's name."""

_STARTS = (
    (b"RIFF", "audio/wav"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"FORM", "audio/aiff"),
    (b"\x1aE\xdf\xa3", "audio/webm"),
    (b"ID3", "audio/mp3"),
    (b"\xff\xfb", "audio/mp3"),
    (b"\xff\xf3", "audio/mp3"),
    (b"\xff\xf1", "audio/aac"),
)


class Transcriptions(Translator):
    """The endpoint: a chat completion of one turn, whose text is the transcript."""

    unsupported_fields = UNSUPPORTED

    def __init__(self, provider: GoogleProvider) -> None:
        self._provider = provider

    def build_request(self, call: Call) -> UpstreamRequest:
        """Google's request for a call."""
        params, body = Params(call, fields=UNSUPPORTED), call.body
        params.take("file")
        wanted = params.take("response_format")
        if wanted not in (None, "json", "text"):
            params.unsupported("response_format")
        words = [_TASK]
        for name, text in _WORDS.items():
            value = params.take(name)
            if value:
                said = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
                words.append(text.format(said))
        temperature = params.take("temperature")
        params.finish()
        chat = {
            "model": body["model"],
            "messages": [
                {"role": "system", "content": " ".join(words)},
                {"role": "user", "content": [_part(file) for file in call.files]},
            ],
            **({} if temperature is None else {"temperature": temperature}),
            **_effort(traits_of(call.model)),
        }
        return self._provider.endpoints["chat.completions"].build_request(_chat(call, chat))

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """OpenAI's transcript, or the bare text."""
        chat = self._provider.endpoints["chat.completions"]
        made = chat.parse_response(_chat(call, call.body), response)
        assert isinstance(made, Mapping), "it is made of Google's"
        text, usage = _text(made["choices"][0]), _usage(made.get("usage"))
        if call.body.get("response_format") == "text":
            return Binary("text/plain; charset=utf-8", text.encode("utf-8", "replace"), usage)
        return {"text": text, **({"usage": usage} if usage else {})}

    def parse_stream(self, call: Call) -> StreamParser:
        """A parser of one stream."""
        chat = self._provider.endpoints["chat.completions"]
        return TranscriptParser(chat.parse_stream(_chat(call, call.body)))

    def open_stream(self, call: Call, response: UpstreamResponse) -> StreamParser:
        """The same, which knows the `Retry-After` of the response."""
        chat = self._provider.endpoints["chat.completions"]
        return TranscriptParser(chat.open_stream(_chat(call, call.body), response))


_WORDS = {
    "language": "The language is {}.",
    "languages": "The languages are {}.",
    "keywords": "These words may occur: {}.",
    "prompt": "This is the context, or what was said before: {}",
}
"""Fields that the model is asked for in words."""


class TranscriptParser:
    """Makes events of the chunks of a chat completion.

    Args:
        chunks: reads those.
    """

    def __init__(self, chunks: StreamParser) -> None:
        self.done = False  # Google says no such thing, it closes
        self._chunks = chunks
        self._text: list[str] = []
        self._usage: dict[str, Any] | None = None

    def feed(self, event: Event) -> Iterable[Body]:
        """The events of an event."""
        return self._events(self._chunks.feed(event))

    def finish(self) -> Iterable[Body]:
        """The last event, with the whole text and the usage."""
        events = self._events(self._chunks.finish())
        usage = {"usage": self._usage} if self._usage else {}
        done = {"type": "transcript.text.done", "text": "".join(self._text), **usage}
        return [*events, done]

    def _events(self, chunks: Iterable[Body]) -> list[Body]:
        events: list[Body] = []
        for chunk in chunks:
            assert isinstance(chunk, Mapping), "it is made of Google's"
            self._usage = _usage(chunk.get("usage")) or self._usage
            for choice in chunk["choices"]:
                _check(choice)
                text = choice["delta"].get("content")
                if text:
                    self._text.append(text)
                    events.append({"type": "transcript.text.delta", "delta": text})
        return events


def _chat(call: Call, body: Mapping[str, Any]) -> Call:
    """The chat completion that a transcription is to Google."""
    return Call(
        call.id,
        "chat.completions",
        call.model,
        body,
        dump_json({"model": call.model}),
        call.stream,
        call.unsupported,
        dropped=call.dropped,
    )


def _part(file: CallFile) -> dict[str, Any]:
    """A sound as a part of a message.

    Raises:
        ProviderError: 400, it is too large, or of no kind that Google takes.
    """
    if file.size > MAX_BYTES:
        raise cannot(f"The provider transcribes files of up to {MAX_BYTES} bytes.", file.field)
    data = b64encode(file.read()).decode()
    return {"type": "file", "file": {"file_data": f"data:{_kind(file)};base64,{data}"}}


def _kind(file: CallFile) -> str:
    """The media type of a sound: by its first bytes, its name, or what the client says."""
    start = file.part(0, 12)
    for mark, kind in _STARTS:
        if start.startswith(mark):
            return kind
    if start[4:8] == b"ftyp":
        return "audio/mp4"
    kind = _TYPES.get(file.name.rpartition(".")[2].lower(), "")
    if kind:
        return kind
    given = file.content_type.partition(";")[0].strip().lower()
    if given.startswith("audio/"):
        return given
    raise cannot("The kind of the file is unknown: send a name with a known extension.", file.field)


def _effort(traits: Traits) -> dict[str, str]:
    """As little thinking as the model can do: there is nothing to think about."""
    if traits.thinking_budget and not traits.always_thinks:
        return {"reasoning_effort": "none"}
    for level, effort in (("MINIMAL", "minimal"), ("LOW", "low")):
        if level in traits.thinking_levels:
            return {"reasoning_effort": effort}
    return {}


def _text(choice: Mapping[str, Any]) -> str:
    _check(choice)
    return choice["message"].get("content") or ""


def _check(choice: Mapping[str, Any]) -> None:
    """Refuses a transcript that Google holds back.

    Raises:
        ProviderError: 400.
    """
    if choice.get("finish_reason") == "content_filter":
        raise ProviderError(
            400,
            "The provider holds the transcript back, as it goes against its policies.",
            type="invalid_request_error",
            param="file",
            code=FILTERED,
        )


def _usage(usage: object) -> dict[str, Any] | None:
    """The usage of a chat completion under the names of a transcript."""
    if not isinstance(usage, Mapping):
        return None
    return {
        "type": "tokens",
        "input_tokens": usage["prompt_tokens"],
        "output_tokens": usage["completion_tokens"],
        "total_tokens": usage["total_tokens"],
        "input_token_details": {
            "audio_tokens": usage["prompt_tokens_details"].get("audio_tokens", 0)
        },
    }
