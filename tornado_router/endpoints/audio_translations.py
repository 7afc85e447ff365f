"""`POST /v1/audio/translations`.

https://platform.openai.com/docs/api-reference/audio/createTranslation.
"""

from __future__ import annotations

from typing import ClassVar

from tornado_router.endpoints.audio_texts import AudioTexts
from tornado_router.endpoints.base import JSON, Documentation


class AudioTranslations(AudioTexts):
    """What is said in a sound, as English text."""

    name: ClassVar[str] = "audio.translations"
    path: ClassVar[str] = "/v1/audio/translations"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Translate audio into English",
        description="As in the OpenAI API. A `response_format` of `text`, `srt` or `vtt` gives "
        "plain text.",
        examples={"A recording": {"model": "whisper-1", "file": "speech.mp3"}},
        content=(JSON, "text/plain"),
    )


AUDIO_TRANSLATIONS = AudioTranslations()
