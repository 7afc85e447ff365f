"""A vendor that breaks in every way that vendors do, as the path of its URL asks for.

Run as `python chaos/upstream.py`; prints its port. `/reset/v1/chat/completions` resets the
connection, and so on: `FAULTS` and `LARGE` list them. It writes its sockets by hand, to break every
rule of HTTP.
"""

import asyncio
import functools
import json
import socket
import struct
import zlib

TEXT = "All is well, word by word by word."
WORDS = [word + " " for word in TEXT.split()]
USAGE = {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18}
FOREVER = 3600


class Answer:
    """One answer: what was asked for, and the socket to write to."""

    def __init__(self, body, writer):
        self.body = body
        self.stream = bool(body.get("stream"))
        self.writer = writer
        self.keep_alive = True

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def whole(self, data, status=200, length=None, headers=""):
        length = len(data) if length is None else length
        await self.write(
            f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n{headers}\r\n".encode()
            + data
        )

    async def error(self, status, headers=""):
        data = {"error": {"message": "It broke.", "type": "server_error", "code": None}}
        await self.whole(json.dumps(data).encode(), status, headers=headers)

    async def begin(self):
        await self.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    async def piece(self, data):
        await self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, value):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        await self.piece(b"data: " + data + b"\n\n")

    async def words(self):
        for word in WORDS:
            await self.event(chunk({"content": word}))

    async def some_words(self):
        """So that the client has them before anything breaks."""
        for word in WORDS[:3]:
            await self.event(chunk({"content": word}))
            await asyncio.sleep(0.01)

    async def well(self):
        if not self.stream:
            await self.whole(completion())
            return
        await self.begin()
        await self.words()
        await self.event(chunk({}, "stop"))
        await self.event({**chunk({}), "choices": [], "usage": USAGE})
        await self.event(b"[DONE]")
        await self.write(b"0\r\n\r\n")


def completion(text=TEXT):
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }
    ).encode()


def chunk(delta, finish_reason=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


async def reset(x):
    linger = struct.pack("ii", 1, 0)
    x.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    x.writer.transport.abort()
    x.keep_alive = False


async def close(x):
    x.keep_alive = False


async def hang(x):
    await asyncio.sleep(FOREVER)


async def hang_behind_head(x):
    if x.stream:
        await x.begin()
    else:
        await x.whole(b'{"id": ', length=1000)
    await asyncio.sleep(FOREVER)


async def garbage(x):
    if x.stream:
        await x.begin()
        await x.event(b"{]")
        await x.write(b"0\r\n\r\n")
    else:
        await x.whole(b"<html>Bad gateway</html>")


async def no_http(x):
    await x.write(b"220 smtp.example.com ESMTP\r\n\r\n")
    x.keep_alive = False


async def wrong_length(x):
    """More is promised than comes; of a stream, its first piece."""
    if x.stream:
        await x.begin()
        await x.write(b"500\r\ndata: {")
    else:
        await x.whole(completion(), length=len(completion()) + 100)
    x.keep_alive = False


async def nothing(x):
    if x.stream:
        await x.begin()
        await x.write(b"0\r\n\r\n")
    else:
        await x.whole(b"")


async def drip(x):
    """All is well, but the bytes come one by one."""
    data = b"data: " + json.dumps(chunk({"content": TEXT})).encode() + b"\n\n"
    data += b"data: " + json.dumps(chunk({}, "stop")).encode() + b"\n\ndata: [DONE]\n\n"
    if x.stream:
        await x.begin()
        for index in range(len(data)):
            await x.piece(data[index : index + 1])
            await asyncio.sleep(0)
        await x.write(b"0\r\n\r\n")
    else:
        body = completion()
        await x.whole(body[:1], length=len(body))
        for index in range(1, len(body)):
            await x.write(body[index : index + 1])
            await asyncio.sleep(0)


async def cut_later(x):
    await x.begin()
    await x.some_words()
    x.keep_alive = False


async def hang_later(x):
    await x.begin()
    await x.some_words()
    await asyncio.sleep(FOREVER)


async def error_later(x):
    await x.begin()
    await x.some_words()
    await x.event({"error": {"message": "It broke.", "type": "server_error", "code": None}})
    await x.write(b"0\r\n\r\n")


FAULTS = {
    "reset": reset,
    "close": close,
    "hang": hang,
    "hang-behind-head": hang_behind_head,
    "500": lambda x: x.error(500),
    "503": lambda x: x.error(503),
    "429": lambda x: x.error(429, "Retry-After: 2\r\n"),
    "garbage": garbage,
    "no-http": no_http,
    "wrong-length": wrong_length,
    "nothing": nothing,
    "drip": drip,
    "cut-later": cut_later,
    "hang-later": hang_later,
    "error-later": error_later,
    "well": Answer.well,
}


async def endless(x):
    """A whole response, or one event of a stream, that does not end."""
    await x.begin()
    while True:
        await x.piece(b"data: " + b"x" * 65_536)


async def bomb(x):
    """A gigabyte, compressed to a megabyte."""
    await x.whole(gigabyte(), headers="Content-Encoding: gzip\r\n")


async def megabyte(x):
    """A response that is right, and long: a whole one of a megabyte, or a stream without end."""
    if not x.stream:
        await x.whole(completion("x" * 2**20))
        return
    await x.begin()
    while True:
        await x.event(chunk({"content": "x" * 1000}))


@functools.cache
def gigabyte():
    """Takes seconds to make, so only once it is wanted."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([deflate.compress(b" " * 2**20) for _ in range(1024)] + [deflate.flush()])


LARGE = {"endless": endless, "bomb": bomb, "megabyte": megabyte}
"""What costs memory."""


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            (length,) = [
                int(line[15:])
                for line in head.splitlines()
                if line.lower().startswith("content-length:")
            ]
            body = json.loads(await reader.readexactly(length))
            answer = Answer(body, writer)
            await (FAULTS | LARGE)[head.split("/")[1]](answer)
            if not answer.keep_alive:
                break
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
