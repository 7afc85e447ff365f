"""A client of websockets that writes its frames by hand, so that it can break every rule."""

import os
import struct
from typing import NamedTuple

from tornado.util import _websocket_mask

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
HEAD = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


class Frame(NamedTuple):
    opcode: int
    data: bytes
    fin: bool = True

    @property
    def code(self):
        """Of a close frame; None for one without."""
        return struct.unpack("!H", self.data[:2])[0] if self.data else None


def frame(opcode, data=b"", *, fin=True, masked=True, reserved=0, length=None):
    """A frame as a client sends it, with whatever is wrong about it."""
    size = len(data) if length is None else length
    head = bytes([(0x80 if fin else 0) | reserved | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += struct.pack("!BH", bit | 126, size)
    else:
        head += struct.pack("!BQ", bit | 127, size)
    if not masked:
        return head + data
    key = os.urandom(4)
    return head + key + _websocket_mask(key, data)


def close(code=1000, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


async def read_frame(reader):
    """The next frame of the server."""
    first, second = await reader.readexactly(2)
    assert not second & 0x80, "a server masks nothing"
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", await reader.readexactly(8))
    return Frame(first & 0x0F, await reader.readexactly(size), bool(first & 0x80))


async def shake_hands(reader, writer, path="/", **headers):
    """Asks for a websocket; returns the head of the response."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    writer.write(HEAD.format(path=path, more=more).encode())
    return await reader.readuntil(b"\r\n\r\n")
