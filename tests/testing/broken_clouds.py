"""Providers that are the good one of `acme_cloud.py` with one fault each."""

from __future__ import annotations

from typing import Any

import orjson

from tornado_router.provider import (
    Binary,
    Credentials,
    Event,
    Part,
    Parts,
    ProviderError,
    Token,
    UpstreamRequest,
)

from .acme_cloud import CloudChat, CloudProvider, CloudSpeech, CloudTranscription


def cloud(endpoint: str = "", translator: Any = None, **members: Any) -> type[CloudProvider]:
    """A provider like Acme's cloud, with another translator or other members."""

    class Broken(CloudProvider):
        def __init__(self, name, options):
            super().__init__(name, options)
            if translator:
                self.endpoints = {**self.endpoints, endpoint: translator(self)}
            if credentials:
                self.credentials = credentials(self)

    credentials = members.pop("credentials", None)
    for name, member in members.items():
        setattr(Broken, name, member)
    return Broken


# Framing


class Hoarder:
    """Lines of a binary stream, without a limit."""

    def __init__(self):
        self._pieces = b""

    def feed(self, piece):
        self._pieces += piece
        return []

    def finish(self):
        return [Event(self._pieces)]


class HoardingChat(CloudChat):
    framing = Hoarder


# Uploads


class ForgetsTheFile(CloudTranscription):
    def build_request(self, call):
        request = super().build_request(call)
        return UpstreamRequest(request.url, Parts((Part("model", call.model),)), {})


# Bytes


class SoundInJson(CloudSpeech):
    def parse_response(self, call, response):
        self.content_type(response)
        return {"audio": response.body.hex()}


class Strips(CloudSpeech):
    def open_stream(self, call, response):
        sound = super().open_stream(call, response)
        feed = sound.feed
        sound.feed = lambda event: feed(Event(event.data.strip()))
        return sound


class AlwaysMp3(CloudSpeech):
    def parse_response(self, call, response):
        return Binary("audio/mp3", super().parse_response(call, response).data)


class Gullible(CloudSpeech):
    def content_type(self, response):
        return response.headers.get("content-type", "")


# Credentials


class FetchesAlways(Credentials):
    def __init__(self, provider):
        self.provider = provider

    async def headers(self, request, http):
        return {"X-Token": (await self.provider.fetch(http)).value}


class Counts(FetchesAlways):
    async def headers(self, request, http):
        return {"X-Length": 7}


class Marks(FetchesAlways):
    async def headers(self, request, http):
        request.headers["X-Seen"] = "1"
        return {}


async def fetch_without_looking(self, http):
    response = await http.send(
        UpstreamRequest("https://id.example/token", b"{}", {"Content-Type": "application/json"})
    )
    return Token(orjson.loads(response.body)["token"])


async def fetch_with_its_secret(self, http):
    try:
        return await CloudProvider.fetch(self, http)
    except ProviderError as error:
        error.message += f" It was {self.options['api_key']}."
        raise


async def fetch_anything(self, http):
    response = await http.send(
        UpstreamRequest("https://id.example/token", b"{}", {"Content-Type": "application/json"})
    )
    if response.status != 200:
        raise self.parse_error(response)
    return Token(response.body.decode("latin-1"))


CLOUD_FAULTS: dict[str, tuple[type[CloudProvider], set[str], str]] = {
    "a framing without a limit": (
        cloud("chat.completions", HoardingChat),
        {"endless_event_is_an_error"},
        "MiB of one event were read",
    ),
    "a file is forgotten": (
        cloud("audio.transcriptions", ForgetsTheFile),
        {"file_is_sent"},
        "`hello.file.mp3` is not in the request",
    ),
    "sound in JSON": (
        cloud("audio.speech", SoundInJson),
        {"bytes_are_passed_on"},
        "the provider made a dict, not a Binary",
    ),
    "bytes are lost where the network cuts": (
        cloud("audio.speech", Strips),
        {"bytes_are_passed_on"},
        "the bytes are not the vendor's",
    ),
    "another content type": (
        cloud("audio.speech", AlwaysMp3),
        {"bytes_are_passed_on"},
        "the content type is not the vendor's (audio/mpeg)",
    ),
    "a page is played": (
        cloud("audio.speech", Gullible),
        {"page_is_refused"},
        "text/html: it is nothing",
    ),
    "a token for each call": (
        cloud(credentials=FetchesAlways),
        {"credentials_are_shared", "failed_credentials_are_reported"},
        "one request for a token was sent 11 times for 11 calls",
    ),
    "a header that is a number": (
        cloud(credentials=Counts),
        {"credentials_are_headers"},
        "the header 'X-Length' is not text",
    ),
    "credentials that change the request": (
        cloud(credentials=Marks),
        {"credentials_are_headers"},
        "the request is not what it was",
    ),
    "crash on what an issuer says": (
        cloud(fetch=fetch_without_looking),
        {"failed_credentials_are_reported"},
        "the issuer responds with 400: it is KeyError",
    ),
    "the secret in an error of the issuer": (
        cloud(fetch=fetch_with_its_secret),
        {"failed_credentials_are_reported"},
        "a secret is in its message",
    ),
    "anything for a token": (
        cloud(fetch=fetch_anything),
        {"failed_credentials_are_reported"},
        "it passes for a token",
    ),
}
"""As `FAULTS`, of the rules about transport: which each breaks, and a word that pytest says."""
