"""Realtime sessions of the echo: it says back what it was sent, and how long that was spoken."""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from tornado_router_echo.speech import pieces

BYTES_PER_SECOND = 48_000
"""Of what it is sent: samples of 16 bits, 24,000 in a second."""

MOST_EVENTS = 1000
"""So many events wait to be fetched; more that is sent waits for that."""

Event = dict[str, Any]


class EchoSocket:
    """One session (`UpstreamSocket`), in this process.

    Args:
        model: that is asked for.
        session: what the session is like.
        delay: seconds before each word.
    """

    headers: Mapping[str, str] = {}
    protocol: str | None = None

    def __init__(self, model: str, session: Mapping[str, Any], delay: float) -> None:
        self.close_code: int | None = None
        self.close_reason = ""
        self._session = {**session, "model": model, "id": "sess_echo", "object": "realtime.session"}
        self._delay = delay
        self._numbers = itertools.count(1)
        self._said = "nothing"
        self._heard = 0
        self._waiting: deque[str] = deque()
        self._changed = asyncio.Condition()
        self._put({"type": "session.created", "session": self._session})

    async def __aenter__(self) -> EchoSocket:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, message: str | bytes) -> None:
        """Takes an event of the client's."""
        event = json.loads(message)
        async with self._changed:
            await self._changed.wait_for(
                lambda: len(self._waiting) < MOST_EVENTS or self.close_code is not None
            )
        for made in self._respond(event):
            if made["type"].endswith(".delta"):
                await asyncio.sleep(self._delay)
            self._put(made)
            async with self._changed:
                self._changed.notify_all()

    async def receive(self) -> str | None:
        """The next event; None once the session is closed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self.close_code is not None)
            self._changed.notify_all()
            return self._waiting.popleft() if self._waiting else None

    async def __aiter__(self) -> Any:
        while (message := await self.receive()) is not None:
            yield message

    async def ping(self) -> None:
        """It is there."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Ends the session."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
        async with self._changed:
            self._changed.notify_all()

    def _respond(self, event: Mapping[str, Any]) -> Iterator[Event]:
        match event.get("type"):
            case "session.update":
                self._session |= {
                    name: value for name, value in event["session"].items() if name != "id"
                }
                yield {"type": "session.updated", "session": self._session}
            case "conversation.item.create":
                item = {"id": self._id("item"), "status": "completed", **event["item"]}
                self._said = _text_of(item) or self._said
                yield {"type": "conversation.item.added", "item": item}
                yield {"type": "conversation.item.done", "item": item}
            case "input_audio_buffer.append":
                self._heard += _length(event.get("audio"))
            case "input_audio_buffer.commit":
                seconds, self._heard = self._heard / BYTES_PER_SECOND, 0
                self._said = f"You spoke for {seconds:.1f} seconds."
                yield {"type": "input_audio_buffer.committed", "item_id": self._id("item")}
            case "response.create":
                yield from self._speak(event.get("response") or {})
            case "response.cancel" | "input_audio_buffer.clear":
                self._heard = 0
            case kind:
                error = {
                    "type": "invalid_request_error",
                    "code": "unknown_event",
                    "message": f"The echo knows no event {kind!r}.",
                    "event_id": event.get("event_id"),
                }
                yield {"type": "error", "error": error}

    def _speak(self, asked: Mapping[str, Any]) -> Iterator[Event]:
        modalities = asked.get("output_modalities") or self._session.get("output_modalities")
        is_text = modalities == ["text"]
        words = self._said.split()
        response: Event = {
            "id": self._id("resp"),
            "object": "realtime.response",
            "status": "in_progress",
            "output": [],
            "metadata": asked.get("metadata"),
            "usage": None,
        }
        yield {"type": "response.created", "response": response}
        item: Event = {
            "id": self._id("item"),
            "object": "realtime.item",
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        of = {"response_id": response["id"], "item_id": item["id"], "output_index": 0}
        part = {**of, "content_index": 0}
        yield {"type": "response.output_item.added", **of, "item": item}
        for index, word in enumerate(words):
            text = word if index == 0 else f" {word}"
            if is_text:
                yield {"type": "response.output_text.delta", **part, "delta": text}
                continue
            yield {"type": "response.output_audio_transcript.delta", **part, "delta": text}
            sound = b"".join(pieces({"input": word, "response_format": "pcm"}))
            delta = base64.b64encode(sound).decode()
            yield {"type": "response.output_audio.delta", **part, "delta": delta}
        key = "text" if is_text else "transcript"
        kind = "output_text" if is_text else "output_audio"
        content = {"type": kind, key: self._said}
        ended = f"response.{kind}{'' if is_text else '_transcript'}.done"
        yield {"type": ended, **part, key: self._said}
        done = {**item, "status": "completed", "content": [content]}
        yield {"type": "response.output_item.done", **of, "item": done}
        usage = _usage(len(words), is_text=is_text)
        yield {
            "type": "response.done",
            "response": {**response, "status": "completed", "output": [done], "usage": usage},
        }

    def _put(self, event: Event) -> None:
        self._waiting.append(json.dumps({"event_id": self._id("event"), **event}))

    def _id(self, kind: str) -> str:
        return f"{kind}_echo{next(self._numbers)}"


def _text_of(item: Mapping[str, Any]) -> str:
    parts = item.get("content") or ()
    return " ".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _length(audio: object) -> int:
    try:
        return len(base64.b64decode(audio)) if isinstance(audio, str) else 0
    except binascii.Error:
        return 0


def _usage(words: int, *, is_text: bool) -> Event:
    """A word is a token, both ways."""
    spoken = 0 if is_text else words
    return {
        "total_tokens": 2 * words,
        "input_tokens": words,
        "output_tokens": words,
        "input_token_details": {"text_tokens": words, "audio_tokens": 0, "cached_tokens": 0},
        "output_token_details": {"text_tokens": words - spoken, "audio_tokens": spoken},
    }
