"""The pieces of a recorded stream that hold one JSON value each: to read, change and put back.

In a text they are lines, as in server-sent events and JSON lines; in an AWS event stream messages.
"""

from __future__ import annotations

import json
from binascii import crc32
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from tornado_router.framing import AWSEventStream
from tornado_router.provider import Provider
from tornado_router.testing.recordings import Recording
from tornado_router.testing.replay_client import lines


@dataclass(frozen=True)
class Unit:
    """One piece of a stream.

    Attributes:
        head: the bytes before its JSON.
        data: the JSON; empty if there is none.
        tail: the bytes behind it.
        binary: whether lengths and checksums have to fit.
    """

    head: bytes
    data: bytes
    tail: bytes
    binary: bool = False

    @property
    def value(self) -> Any:
        """The JSON value; None if there is none."""
        try:
            return orjson.loads(self.data)
        except orjson.JSONDecodeError:
            return None

    def dumped(self, value: Any, *, ascii: bool = False) -> bytes:
        """The bytes of the unit with another value."""
        return self._framed(json.dumps(value).encode() if ascii else orjson.dumps(value))

    @property
    def raw(self) -> bytes:
        """The bytes of the unit as it was recorded."""
        return self.head + self.data + self.tail

    def _framed(self, data: bytes) -> bytes:
        if not self.binary:
            return self.head + data + self.tail
        headers = self.head[12:]
        total = 12 + len(headers) + len(data) + 4
        prelude = total.to_bytes(4, "big") + len(headers).to_bytes(4, "big")
        message = prelude + crc32(prelude).to_bytes(4, "big") + headers + data
        return message + crc32(message).to_bytes(4, "big")


def units(provider: Provider, recording: Recording) -> list[Unit]:
    """The units of a recorded stream, in order; joined, they are its body."""
    translator = provider.endpoints.get(recording.endpoint)
    if translator is not None and translator.framing is AWSEventStream:
        return list(_messages(recording.body))
    return list(_lines(recording.body))


def _lines(body: bytes) -> Iterator[Unit]:
    for line in lines(body):
        text = line.rstrip(b"\r\n")
        head = next((head for head in (b"data: ", b"data:") if text.startswith(head)), b"")
        yield Unit(head, text[len(head) :], line[len(text) :])


def _messages(body: bytes) -> Iterator[Unit]:
    while body:
        total, headers = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        message, body = body[:total], body[total:]
        yield Unit(message[: 12 + headers], message[12 + headers : -4], message[-4:], binary=True)
