"""Transcripts of the echo: it says which file it got, a word each half second. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tornado_router.provider import Binary, Body, CallFile

WORD_SECONDS = 0.5
_TEXT = "text/plain; charset=utf-8"


class Transcript:
    """What the echo makes of some files.

    Args:
        files: of the call.
        body: of the call.
        task: `transcribe` or `translate`.
    """

    def __init__(
        self, files: Sequence[CallFile], body: Mapping[str, Any], task: str = "transcribe"
    ) -> None:
        self._body = body
        self._task = task
        self.words = " ".join(map(_heard, files)).split()
        self.text = " ".join(self.words)
        self.seconds = len(self.words) * WORD_SECONDS

    def response(self) -> Body:
        """In the format that was asked for."""
        wanted = self._body.get("response_format") or "json"
        if wanted == "text":
            return self._plain(f"{self.text}\n")
        if wanted == "srt":
            return self._plain(
                f"1\n{_clock(0, ',')} --> {_clock(self.seconds, ',')}\n{self.text}\n"
            )
        if wanted == "vtt":
            cue = f"{_clock(0, '.')} --> {_clock(self.seconds, '.')}"
            return self._plain(f"WEBVTT\n\n{cue}\n{self.text}\n")
        if wanted == "json":
            return {"text": self.text, "usage": self.tokens()}
        segment: dict[str, Any] = {"id": 0, "start": 0.0, "end": self.seconds, "text": self.text}
        if wanted == "diarized_json":
            segment |= {"id": "seg_0", "speaker": "A", "type": "transcript.text.segment"}
        else:
            segment |= {
                "seek": 0,
                "tokens": list(range(len(self.words))),
                "temperature": 0.0,
                "avg_logprob": 0.0,
                "compression_ratio": 1.0,
                "no_speech_prob": 0.0,
            }
        return {
            "task": self._task,
            "language": "english",
            "duration": self.seconds,
            "text": self.text,
            "segments": [segment],
            "usage": self.usage(),
        }

    def events(self) -> Iterator[Body]:
        """Of a stream: one for each word, and the end."""
        for index, word in enumerate(self.words):
            delta = word if index == 0 else f" {word}"
            yield {"type": "transcript.text.delta", "delta": delta}
        yield {"type": "transcript.text.done", "text": self.text, "usage": self.tokens()}

    def usage(self) -> dict[str, Any]:
        """The seconds that the words took."""
        return {"type": "duration", "seconds": self.seconds}

    def tokens(self) -> dict[str, Any]:
        """What they are in tokens: one for each word, ten for each second."""
        heard, words = round(self.seconds * 10), len(self.words)
        return {
            "type": "tokens",
            "input_tokens": heard,
            "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
            "output_tokens": words,
            "total_tokens": heard + words,
        }

    def _plain(self, text: str) -> Binary:
        return Binary(_TEXT, text.encode("utf-8", "replace"), self.usage())


def _heard(file: CallFile) -> str:
    return f"{file.name} is {file.content_type} of {file.size} bytes."


def _clock(seconds: float, point: str) -> str:
    millis = round(seconds * 1000)
    minutes, rest = divmod(millis, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"
