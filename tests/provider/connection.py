"""The core's side of a connection, and a small vendor behind it."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson

from tornado_router.provider import (
    Call,
    Provider,
    ProviderError,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    bad_answer,
)


@dataclass
class Answer:
    """An answer as it comes from a socket (`UpstreamStream`)."""

    status: int
    headers: dict
    pieces: list

    def __post_init__(self):
        self.left = iter(self.pieces)

    async def __aiter__(self):
        for piece in self.left:
            if isinstance(piece, Exception):
                raise piece
            await asyncio.sleep(0)
            yield piece

    async def read(self):
        return b"".join([piece async for piece in self])


@dataclass
class Connection:
    """The core's side (`HTTPClient`): gives one answer, and remembers what was sent."""

    pieces: list
    status: int = 200
    headers: dict = field(default_factory=dict)
    sent: list = field(default_factory=list)
    closed: int = 0

    async def send(self, request):
        async with self.stream(request) as answer:
            return UpstreamResponse(answer.status, answer.headers, await answer.read())

    @asynccontextmanager
    async def stream(self, request):
        self.sent.append(request)
        try:
            yield Answer(self.status, self.headers, self.pieces)
        finally:
            self.closed += 1


class Shout(Translator):
    """A vendor that takes a word and shouts it."""

    def build_request(self, call):
        return UpstreamRequest("https://shout/v1", call.body["word"].encode(), {"X-Id": call.id})

    def parse_response(self, call, response):
        return {"shouted": response.body.decode()}

    def parse_stream(self, call):
        return ShoutParser()


class ShoutParser:
    def __init__(self):
        self.done = False
        self.seen = 0

    def feed(self, event):
        if event.data == b"END":
            self.done = True
            return ()
        if event.data == b"OUCH":
            raise ProviderError(502, "It hurts.")
        self.seen += 1
        return [{"shouted": event.data.decode(), "as": event.name}]

    def finish(self):
        if not self.done:
            raise bad_answer("It was cut off.")
        return [{"shouted": f"{self.seen} words"}]


class Vendor(Provider):
    def __init__(self, name, options):
        super().__init__(name, options)
        self.endpoints = {"shout": Shout()}


VENDOR = Vendor("vendor", {})


def call(**fields):
    body = {"word": "hey", **fields}
    return Call("r1", "shout", "m", body, orjson.dumps(body), stream=False)
