"""`POST /v1/audio/transcriptions`.

https://platform.openai.com/docs/api-reference/audio/createTranscription.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tornado_router.endpoints.audio_texts import (
    TEXT_FORMATS,
    AudioTexts,
    TextEncoder,
    joined_text,
)
from tornado_router.endpoints.base import JSON, Documentation
from tornado_router.provider import Call


class AudioTranscriptions(AudioTexts):
    """What is said in a sound, as text."""

    name: ClassVar[str] = "audio.transcriptions"
    path: ClassVar[str] = "/v1/audio/transcriptions"
    streams: ClassVar[bool] = True
    documentation: ClassVar[Documentation] = Documentation(
        summary="Transcribe audio",
        description="As in the OpenAI API. The form may have its fields in any order. A "
        "`response_format` of `text`, `srt` or `vtt` gives plain text, and no stream.",
        examples={
            "A recording": {"model": "gpt-4o-transcribe", "file": "speech.mp3"},
            "A stream": {"model": "gpt-4o-transcribe", "file": "speech.mp3", "stream": True},
            "Subtitles": {"model": "whisper-1", "file": "speech.mp3", "response_format": "srt"},
        },
        content=(JSON, "text/plain"),
        chunk="audio.transcriptions.event",
        ends_with_done=False,
    )

    def read(self, call_id: str, body: Mapping[str, Any], raw: bytes) -> Call:
        """The call that a request amounts to; bare text does not come as a stream.

        Raises:
            ApiError: 400, there is no model.
        """
        call = super().read(call_id, body, raw)
        call.stream = call.stream and body.get("response_format") not in TEXT_FORMATS
        return call

    def encoder(self, call: Call, model: str | None = None) -> TextEncoder:
        """What makes the bytes of a stream."""
        return TextEncoder(call, self.estimate)

    def join(self, events: bytes) -> dict[str, Any]:
        """The response that the events of a stream amount to, for the request log."""
        return joined_text(events)

    def trim(self, joined: dict[str, Any], without_end: Callable[[str], str]) -> None:
        """Removes the end of the text, as not all of it may be there."""
        joined["text"] = without_end(joined["text"])


AUDIO_TRANSCRIPTIONS = AudioTranscriptions()
