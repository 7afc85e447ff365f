"""`POST /v1/audio/speech`: https://platform.openai.com/docs/api-reference/audio/createSpeech."""

from __future__ import annotations

import math
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tornado_router.endpoints.ask import Ask, Output
from tornado_router.endpoints.base import Documentation, Encoded, Endpoint, StreamEncoder
from tornado_router.endpoints.binary import BYTES, BytesEncoder, whole_bytes
from tornado_router.endpoints.dialects import OPENAI, Dialect
from tornado_router.endpoints.estimates import AUDIO_TOKENS_PER_SECOND, byte_size, tokens_of
from tornado_router.endpoints.media_usage import read_media_usage
from tornado_router.endpoints.named_resources import of_speech
from tornado_router.endpoints.openai_events import EventEncoder
from tornado_router.endpoints.resource_ids import Named
from tornado_router.provider import Binary, Body, Call
from tornado_router.usage import Amounts, Usage

FORMATS = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
"""The content types of what `response_format` names."""

BYTES_PER_SECOND = 15
"""Of text that is spoken: some 150 English words a minute."""

_SLOW = 2
"""Speech takes so many times as long as estimated, at most."""


class SpeechAsk(Ask):
    """What speech asks for."""

    __slots__ = ()

    def prompt(self) -> tuple[int, int]:
        """Of the text, and of how it is to be spoken."""
        return _prompt(self.call.body), 0

    def amounts(self, seen: int) -> Amounts:
        """The characters of the text, which many vendors charge for."""
        return Amounts(has_media=True, characters=_characters(self.call.body))

    def output(self) -> Output:
        """What slow speech comes to."""
        return Output(1, _SLOW * _spoken(self.call.body))


class AudioSpeech(Endpoint):
    """Speech of a text: bytes as they come, or events."""

    name: ClassVar[str] = "audio.speech"
    path: ClassVar[str] = "/v1/audio/speech"
    dialect: ClassVar[Dialect] = OPENAI
    prompt_field: ClassVar[str] = "input"
    streams: ClassVar[bool] = True
    is_media: ClassVar[bool] = True
    otel_operation: ClassVar[str] = "text_to_speech"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Make speech of a text",
        description="As in the OpenAI API: the response has the bytes as they are made, in the "
        "format of `response_format` (`mp3` by default), or events with `stream_format: sse`.",
        examples={
            "A sentence": {"model": "gpt-4o-mini-tts", "input": "Good morning.", "voice": "alloy"},
            "As events": {
                "model": "gpt-4o-mini-tts",
                "input": "Good morning.",
                "voice": "coral",
                "instructions": "Speak slowly, and smile.",
                "response_format": "wav",
                "stream_format": "sse",
            },
        },
        chunk="audio.speech.event",
        ends_with_done=False,
        content=tuple(FORMATS.values()),
    )

    def read(self, call_id: str, body: Mapping[str, Any], raw: bytes) -> Call:
        """As everywhere; and it is a stream, as speech can be played from its first byte on."""
        call = super().read(call_id, body, raw)
        call.stream = True
        return call

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return SpeechAsk(call)

    def resources(self, call: Call) -> Sequence[Named]:
        """A voice that was made."""
        return of_speech(call)

    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """By the length of the text: the characters are exact, tokens are a guess."""
        body = call.body
        spoken = _spoken(body)
        return Usage(
            _prompt(body),
            spoken,
            audio_completion_tokens=spoken,
            characters=_characters(body),
            estimated=True,
        )

    def measured(self, call: Call, reported: Usage | None) -> Usage:
        """What a vendor reported, with what it leaves out; or an estimate."""
        if reported is None:
            return self.estimate(call)
        heard = reported.audio_completion_tokens or reported.completion_tokens
        characters = reported.characters or _characters(call.body)
        return reported._replace(audio_completion_tokens=heard, characters=characters)

    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """A provider's bytes as they are."""
        return whole_bytes(response, lambda reported: self.measured(call, reported))

    def encoder(self, call: Call, model: str | None = None) -> StreamEncoder:
        """What passes bytes on, or events."""
        if asks_for_events(call.body):
            return SpeechEncoder(call)
        asked = FORMATS.get(call.body.get("response_format") or "mp3", BYTES)
        return BytesEncoder(lambda reported: self.measured(call, reported), asked)


class SpeechEncoder(EventEncoder):
    """Streams of `speech.audio.delta` and `speech.audio.done`.

    Of a provider that gives bytes, these are put into events.

    Args:
        call: what the client asked for.
    """

    last = ("speech.audio.done",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def encode(self, chunk: Body) -> bytes:
        """One event, or some bytes as one. Raises as everywhere."""
        if not isinstance(chunk, Binary):
            return super().encode(chunk)
        if chunk.usage is not None:
            self._reported = self.read_usage({"usage": chunk.usage})
        if not chunk.data:
            return b""
        audio = b2a_base64(chunk.data, newline=False).decode()
        return super().encode({"type": "speech.audio.delta", "audio": audio})

    def size(self, event: Mapping[str, Any]) -> int:
        """Nothing: speech is not text."""
        return 0

    def read_usage(self, event: Mapping[str, Any]) -> Usage | None:
        """What the vendor reports, with what it leaves out."""
        reported = read_media_usage(event.get("usage"))
        return None if reported is None else AUDIO_SPEECH.measured(self._call, reported)

    def estimate(self) -> Usage:
        """By the length of the text."""
        return AUDIO_SPEECH.estimate(self._call)

    def finish(self) -> bytes:
        """The last event, if the provider gave bytes."""
        if self.complete:
            return b""
        usage, reported = self.usage(), self._reported
        body = {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        }
        done = super().encode({"type": self.last[0], "usage": body})
        self._reported = reported  # and no estimate in its place
        return done


def asks_for_events(body: Mapping[str, Any]) -> bool:
    """Whether a request wants events in place of bytes."""
    return body.get("stream_format") == "sse"


def _prompt(body: Mapping[str, Any]) -> int:
    texts = (body.get("input"), body.get("instructions"))
    return tokens_of(sum(byte_size(text) for text in texts if isinstance(text, str)))


def _characters(body: Mapping[str, Any]) -> int:
    return len(body.get("input") or "")


def _spoken(body: Mapping[str, Any]) -> int:
    """Tokens of the speech."""
    seconds = byte_size(body.get("input") or "") / BYTES_PER_SECOND / (body.get("speed") or 1)
    return math.ceil(seconds * AUDIO_TOKENS_PER_SECOND)


AUDIO_SPEECH = AudioSpeech()
