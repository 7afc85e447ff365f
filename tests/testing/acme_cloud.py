"""A good provider with all that goes over the wire beside JSON and server-sent events.

Acme's format in an AWS event stream, speech as bytes, transcription of uploaded files, and tokens
that expire. Its recordings are those of `acme.py`, framed anew, and some of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import orjson

from tornado_router.provider import (
    AWSEventStream,
    Binary,
    Part,
    Parts,
    Provider,
    RawBytes,
    Token,
    TokenCredentials,
    Translator,
    UpstreamRequest,
    bad_answer,
)
from tornado_router.sse import Decoder

from ..aws_messages import message
from .acme import AcmeChat, AcmeProvider

SOUND = b"ID3\x03\x00\r\n\x00\xff--" * 20


class CloudChat(AcmeChat):
    framing = AWSEventStream

    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json"}


class CloudSpeech(Translator):
    """Text becomes sound, which is passed on as it comes."""

    framing = RawBytes

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def build_request(self, call):
        body = {"model": call.model, "say": call.body["input"]}
        headers = {"Content-Type": "application/json"}
        return UpstreamRequest("https://api.acme.example/say", orjson.dumps(body), headers)

    def parse_response(self, call, response):
        return Binary(self.content_type(response), response.body)

    def parse_stream(self, call):
        raise NotImplementedError("open_stream sees the headers")

    def open_stream(self, call, response):
        return CloudSound(self.content_type(response))

    def content_type(self, response) -> str:
        content_type = response.headers.get("content-type", "")
        if not content_type.startswith("audio/"):
            raise bad_answer(f"The provider '{self.provider.name}' sent no sound.")
        return content_type


class CloudSound:
    done = False

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def feed(self, event):
        return [Binary(self.content_type, event.data)]

    def finish(self):
        return []


class CloudTranscription(Translator):
    """Sound becomes text."""

    def __init__(self, provider: AcmeProvider) -> None:
        self.provider = provider

    def build_request(self, call):
        parts = (Part("model", call.model), *(Part("sound", file) for file in call.files))
        return UpstreamRequest("https://api.acme.example/hear", Parts(parts), {})

    def parse_response(self, call, response):
        heard = self.provider.loads(response.body)
        return {"text": self.provider.get(heard, "heard", str)}

    def parse_stream(self, call):
        raise NotImplementedError("it does not stream")


class CloudProvider(AcmeProvider):
    capabilities: ClassVar = {
        **AcmeProvider.capabilities,
        "audio.speech": (),
        "audio.transcriptions": (),
    }

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        self.credentials = TokenCredentials(self.fetch)
        self.endpoints = {
            "chat.completions": CloudChat(self),
            "audio.speech": CloudSpeech(self),
            "audio.transcriptions": CloudTranscription(self),
        }

    async def fetch(self, http) -> Token:
        secret = self.options["api_key"]
        headers = {"Content-Type": "application/json"}
        body = orjson.dumps({"secret": secret})
        response = await http.send(UpstreamRequest("https://id.example/token", body, headers))
        if response.status != 200:
            raise self.parse_error(response)
        answer = self.loads(response.body)
        return Token(self.get(answer, "token", str), self.get(answer, "seconds", int))


def record(folder: Path) -> Path:
    """Writes the recordings."""
    shutil.copytree(Path(__file__).parent / "recordings", folder)
    for path in (folder / "chat.completions").glob("*.stream.http"):
        head, _, body = path.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")
        events = [*(decoder := Decoder()).feed(body), *decoder.finish()]
        framed = b"".join(message({":message-type": "event"}, event.data) for event in events)
        path.write_bytes(head + b"\n\n" + framed)
    sound = b"HTTP/1.1 200 OK\nContent-Type: audio/mpeg\n\n" + SOUND
    said = orjson.dumps({"model": "acme-1", "input": "Hello", "voice": "alloy"})
    heard = orjson.dumps({"model": "acme-1", "file": "hello.file.mp3"})
    text = b'HTTP/1.1 200 OK\n\n{"heard": "Hello"}'
    token = b'HTTP/1.1 200 OK\n\n{"token": "t-0123456789", "seconds": 3600}'
    for name, data in {
        "audio.speech/hello.request.json": said,
        "audio.speech/hello.http": sound,
        "audio.speech/hello.stream.http": sound,
        "audio.transcriptions/hello.request.json": heard,
        "audio.transcriptions/hello.file.mp3": SOUND,
        "audio.transcriptions/hello.http": text,
        "credentials/token.http": token,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder
