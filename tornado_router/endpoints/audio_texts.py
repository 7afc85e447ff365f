"""Sounds that become texts: what transcriptions and translations share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tornado_router.endpoints.ask import Ask, Output
from tornado_router.endpoints.audio_length import likely_seconds, most_seconds
from tornado_router.endpoints.base import JSON, LARGE_BODY, Encoded
from tornado_router.endpoints.estimates import byte_size, tokens_of
from tornado_router.endpoints.openai_events import EventEncoder, events_of
from tornado_router.endpoints.openai_format import OpenAIEndpoint, body_of, written
from tornado_router.endpoints.openai_usage import read_seconds, read_usage
from tornado_router.error_codes import Failure
from tornado_router.errors import ApiError
from tornado_router.provider import Binary, Body, Call
from tornado_router.usage import Amounts, Usage

TEXT_FORMATS = ("text", "srt", "vtt")
"""Formats whose responses are bare text."""

AUDIO_TOKENS_PER_SECOND = 10
"""Of the sound that a model gets: https://platform.openai.com/docs/guides/realtime-costs."""

TEXT_TOKENS_PER_SECOND = 8
"""The most that fast speech comes to, in any language."""

_END = re.compile(rb"--> *(?:(\d+):)?(\d+):(\d+)[.,](\d+)")
"""When a line of subtitles is over, as SRT and WebVTT have it."""


class AudioTextAsk(Ask):
    """What a call asks for: the length of its sound decides, as far as its file says it."""

    __slots__ = ("_seconds",)

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._seconds = sum(map(most_seconds, call.files))

    def prompt(self) -> tuple[int, int]:
        """The tokens of the sound, and of the texts beside it."""
        return math.ceil(self._seconds * AUDIO_TOKENS_PER_SECOND) + self.context(), 0

    def amounts(self, seen: int) -> Amounts:
        """The length of the sound, for models that are paid for by it."""
        return Amounts(has_media=True, seconds=self._seconds)

    def output(self) -> Output:
        """As much as can be said in that time."""
        return Output(1, math.ceil(self._seconds * TEXT_TOKENS_PER_SECOND))

    def context(self) -> int:
        """Tokens of the texts: which sounds fit, only the vendor knows."""
        return prompt_tokens(self.call)


class AudioTexts(OpenAIEndpoint):
    """An endpoint that takes a sound and returns a text."""

    prompt_field: ClassVar[str] = "file"
    prompt_fields: ClassVar[tuple[str, ...]] = ("prompt",)
    content: ClassVar[str] = "text"
    form_bytes: ClassVar[int] = LARGE_BODY
    takes_json: ClassVar[bool] = False

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return AudioTextAsk(call)

    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """By the length of the sound, and by what came of it."""
        return estimated(call, sum(map(likely_seconds, call.files)), generated)

    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """The vendor's bytes as they are, or the JSON of what a plugin made.

        Raises:
            ProviderError: it is neither a text nor an object with one.
        """
        if isinstance(response, Binary):
            return _text(call, response, self.estimate)
        body, raw = body_of(response)
        if not isinstance(body.get("text"), str):
            raise Failure.unreadable_response()
        usage = read_audio_usage(body) or self.estimate(call, byte_size(body["text"]))
        return Encoded(written(body) if raw is None else raw, JSON, usage)


class TextEncoder(EventEncoder):
    """Frames the events of a text that comes in pieces.

    Args:
        call: what the client asked for.
        estimate: the usage of a stream whose vendor reports none, by the bytes of text.
    """

    last = ("transcript.text.done",)

    def __init__(self, call: Call, estimate: Callable[[Call, int], Usage]) -> None:
        self._call = call
        self._estimate = estimate
        self._texts: list[str] = []

    def size(self, event: Mapping[str, Any]) -> int:
        """Of the piece of text in an event; a segment repeats what was said."""
        delta = event.get("delta")
        if not isinstance(delta, str):
            return 0
        self._texts.append(delta)
        return byte_size(delta)

    def read_usage(self, event: Mapping[str, Any]) -> Usage | None:
        """The usage in the last event; without any, its text is what came."""
        if isinstance(event.get("text"), str):
            self.generated = max(self.generated, byte_size(event["text"]))
        return read_audio_usage(event)

    def estimate(self) -> Usage:
        """By the length of the sound."""
        return self._estimate(self._call, self.generated)

    def cut(self, reason: ApiError) -> bytes:
        """The last event with the text so far, and with the reason as `router`."""
        text = "".join(self._texts)
        return self.encode({"type": self.last[0], "text": text, "router": reason.body()})


def joined_text(data: bytes) -> dict[str, Any]:
    """The response that the events of a stream amount to."""
    joined: dict[str, Any] = {"stream": True, "text": ""}
    for event in events_of(data):
        delta, text = event.get("delta"), event.get("text")
        if event.get("type") == TextEncoder.last[0] and isinstance(text, str):
            joined |= {name: event[name] for name in ("text", "usage", "router") if name in event}
        elif isinstance(delta, str):
            joined["text"] += delta
        if "error" in event:
            joined["error"] = event["error"]
    return joined


def read_audio_usage(body: Mapping[str, Any]) -> Usage | None:
    """What a response says that it took: tokens, or seconds of sound; None if nothing.

    https://platform.openai.com/docs/api-reference/audio/json-object. Others, and older models, give
    the length alone, as `duration`.
    """
    usage = body.get("usage")
    if isinstance(usage, Mapping):
        if "input_tokens" in usage:
            return read_usage(
                {
                    "prompt_tokens": usage["input_tokens"],
                    "completion_tokens": usage.get("output_tokens"),
                    "prompt_tokens_details": usage.get("input_token_details"),
                }
            )
        if seconds := read_seconds(usage.get("seconds")):
            return Usage(seconds=seconds)
        if tokens := read_usage(usage):
            return tokens
    seconds = read_seconds(body.get("duration"))
    return Usage(seconds=seconds) if seconds else None


def prompt_tokens(call: Call) -> int:
    """The tokens of the texts beside a sound, as estimated."""
    prompt = call.body.get("prompt")
    return tokens_of(byte_size(prompt)) if isinstance(prompt, str) else 0


def estimated(call: Call, seconds: float, generated: int) -> Usage:
    """A guess by the length of the sound: which of its quantities has a price, prices know."""
    heard = math.ceil(seconds * AUDIO_TOKENS_PER_SECOND)
    return Usage(
        prompt_tokens=heard + prompt_tokens(call),
        completion_tokens=tokens_of(generated),
        audio_prompt_tokens=heard,
        seconds=seconds,
        estimated=True,
    )


def _text(call: Call, response: Binary, estimate: Callable[[Call, int], Usage]) -> Encoded:
    """A bare text, which has no place for usage; subtitles say how long their sound is."""
    data, kind = response.data, response.content_type
    if not isinstance(data, bytes) or not kind:
        raise Failure.unreadable_response()
    usage = read_audio_usage({"usage": response.usage})
    if usage is None:
        ends = _END.findall(data)
        seconds = max(map(_seconds, ends), default=0.0)
        usage = estimated(call, seconds, len(data)) if seconds else estimate(call, len(data))
    return Encoded(data, kind, usage)


def _seconds(end: tuple[bytes, bytes, bytes, bytes]) -> float:
    hours, minutes, seconds, rest = end
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return read_seconds(whole + int(rest) / 10 ** len(rest))
