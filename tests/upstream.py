"""A vendor for the router to talk to: OpenAI-shaped, and as faulty as the model's name asks for.

Run as `python tests/upstream.py`; prints its port. `BEHAVIOURS` lists the models, each a function
below; what follows a colon in a model's name is an argument (`stream:500` streams 500 words). It
writes its sockets by hand, so that it can break every rule of HTTP. Tests ask it afterwards:

    GET  /_count          how much was received
    GET  /_log?since=0    what was received, and whether the router hung up before the answer's end
    POST /_step?count=3   lets each `gated` answer that waits send three more chunks
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import socket
import struct
import sys
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

TEXT = "Grüße from the \u2603 upstream, word by word."
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
PAUSE = 0.005
TLS_HANDSHAKE = b"\x16"
REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 429: "Too Many Requests"}


class Exchange:
    """One request, and the answer as far as it was sent."""

    def __init__(self, number, connection, method, target, headers, body, writer):
        self.number = number
        self.connection = connection
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.sent = 0
        self.cut = False
        self.over = False
        self.fault = None
        self.keep_alive = True
        self.steps = asyncio.Semaphore(0)
        self.writer = writer
        self.chunked = False
        self.received_at = time.monotonic()
        self.cut_at = None

    def report(self):
        return {
            "number": self.number,
            "connection": self.connection,
            "method": self.method,
            "path": self.target,
            "headers": self.headers,
            "body": self.body.decode("latin-1"),
            "sent": self.sent,
            "cut": self.cut,
            "over": self.over,
            "fault": self.fault,
            "received_at": self.received_at,
            "cut_at": self.cut_at,
        }

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def argument(self):
        return self.json["model"].partition(":")[2]

    @property
    def wants_usage(self):
        return (self.json.get("stream_options") or {}).get("include_usage", False)

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name), None)

    async def write(self, data: bytes):
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def head(self, status=200, body=b"", content_type="application/json", **headers):
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Whatever')}"]
        lines.append(f"Content-Type: {content_type}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def answer(self, body: bytes | dict, status=200, **how):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.head(status, data, Content_Length=len(data), **how)

    async def begin_stream(self, **how):
        self.chunked = True
        how.setdefault("content_type", "text/event-stream")
        await self.head(Transfer_Encoding="chunked", **how)

    async def piece(self, data: bytes):
        """Bytes of a stream, as one piece of its transfer encoding."""
        await self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, value: object):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        await self.piece(b"data: " + data + b"\n\n")

    async def end_stream(self):
        await self.write(b"0\r\n\r\n")

    async def step(self):
        """Waits for a test to say go."""
        await self.steps.acquire()


# What an OpenAI-shaped vendor says


def choice(request, index, message=None, finish_reason="stop"):
    message = message or {"role": "assistant", "content": TEXT, "refusal": None}
    logprobs = None
    if request.get("logprobs"):
        token = {"token": "Gr", "logprob": -0.25, "bytes": [71, 114], "top_logprobs": []}
        logprobs = {"content": [token], "refusal": None}
    return {
        "index": index,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": finish_reason,
    }


def completion(request, choices=None):
    if choices is None:
        choices = [choice(request, index) for index in range(request.get("n") or 1)]
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion",
        "created": 1700000000,
        "model": request["model"] + "-2026-11-01",
        "choices": choices,
        "usage": USAGE,
        "service_tier": "default",
        "vendor_extension": {"kept": True},
    }


def embeddings(request):
    given = request["input"]
    count = len(given) if isinstance(given, list) and isinstance(given[0], str | list) else 1
    dimensions = request.get("dimensions") or 2
    vector = [0.25 if index % 2 == 0 else -0.5 for index in range(int(dimensions))]
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector} for index in range(count)
        ],
        "model": request["model"],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }


def moderations(request):
    given = request["input"]
    count = len(given) if isinstance(given, list) and isinstance(given[0], str) else 1
    results = [{"flagged": False, "categories": {}, "category_scores": {}} for _ in range(count)]
    return {"id": "modr-upstream", "model": request.get("model"), "results": results}


async def images(x):
    """So many images as are asked for; as events, with a partial one before each."""
    usage = {
        "input_tokens": 13,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 13},
        "output_tokens": 272,
        "total_tokens": 285,
    }
    common = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1x1"}
    count = x.json.get("n") or 1
    if not x.json.get("stream"):
        data = [{"b64_json": "aGk="} for _ in range(count)]
        return await x.answer({"created": 1, "data": data, **common, "usage": usage})
    await x.begin_stream()
    for _ in range(count):
        for kind in ("partial_image", "completed"):
            more = {"usage": usage} if kind == "completed" else {"partial_image_index": 0}
            event = {"type": f"image_generation.{kind}", "b64_json": "aGk=", "created_at": 1}
            await x.event({**event, **common, **more})
            await asyncio.sleep(PAUSE)
    return await x.end_stream()


async def speech(x):
    """Three pieces of audio, as bytes or as events."""
    pieces = [b"ID3\x00", b"\xff\xf3\x64\xc4", b"\x00" * 8]
    if x.json.get("stream_format") == "sse":
        audio = [
            {"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()}
            for piece in pieces
        ]
        usage = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}
        await x.begin_stream()
        for event in [*audio, {"type": "speech.audio.done", "usage": usage}]:
            await x.event(event)
        return await x.end_stream()
    await x.begin_stream(content_type="audio/mpeg")
    for piece in pieces:
        await x.piece(piece)
        await asyncio.sleep(PAUSE)
    return await x.end_stream()


def text_completion(request, text=TEXT, finish_reason="stop", **more):
    prompts = request["prompt"]
    prompts = (
        prompts if isinstance(prompts, list) and not isinstance(prompts[0], int) else [prompts]
    )
    count = len(prompts) * (request.get("n") or 1)
    return {
        "id": "cmpl-upstream",
        "object": "text_completion",
        "created": 1700000000,
        "model": request["model"] + "-2026-11-01",
        "choices": [
            {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}
            for index in range(count)
        ],
        **more,
    }


def text_chunks(request):
    made = [text_completion(request, word, None) for word in words()]
    return [*made, text_completion(request, "")]


def chunk(request, delta, finish_reason=None, index=0, **more):
    choices = [{"index": index, "delta": delta, "finish_reason": finish_reason}]
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": request["model"] + "-2026-11-01",
        "choices": choices,
        **more,
    }


def usage_chunk(request):
    made = text_completion(request) if "prompt" in request else chunk(request, {})
    return {**made, "choices": [], "usage": USAGE}


def words(count=None):
    text = TEXT.split(" ")
    if count:
        text = [text[index % len(text)] for index in range(count)]
    return [word if index == 0 else " " + word for index, word in enumerate(text)]


def chunks(request, count=None, end=True):
    """The chunks of a proper stream, usage aside."""
    made = [chunk(request, {"role": "assistant", "content": ""})]
    made += [chunk(request, {"content": word}) for word in words(count)]
    return [*made, chunk(request, {}, "stop")] if end else made


def tool_calls(request):
    """A call of every tool that is offered; empty once there are results."""
    if request["messages"][-1]["role"] == "tool":
        return []
    return [
        {
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": tool["function"]["name"], "arguments": '{"city": "Köln"}'},
        }
        for index, tool in enumerate(request.get("tools") or ())
    ]


# How it behaves


Behaviour = Callable[[Exchange], Awaitable[None]]
BEHAVIOURS: dict[str, Behaviour] = {}
LIMITED: Counter[str] = Counter()


def behaviour(function: Behaviour) -> Behaviour:
    BEHAVIOURS[function.__name__.strip("_").replace("_", "-")] = function
    return function


@behaviour
async def ok(x):
    """As it should be, at each endpoint; whole or streamed."""
    if x.target.endswith("/embeddings"):
        return await x.answer(embeddings(x.json))
    if x.target.endswith("/moderations"):
        return await x.answer(moderations(x.json))
    if x.target.endswith("/rerank"):
        results = [{"index": len(x.json["documents"]) - 1, "relevance_score": 0.75}]
        meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
        return await x.answer({"id": "rerank-upstream", "results": results, "meta": meta})
    if x.target.endswith("/images/generations"):
        return await images(x)
    if x.target.endswith("/audio/speech"):
        return await speech(x)
    if not x.target.endswith("/chat/completions"):
        if x.json.get("stream"):
            return await stream_all(x, text_chunks(x.json))
        return await x.answer(text_completion(x.json, usage=USAGE, vendor_extension={"kept": True}))
    if x.json.get("stream"):
        return await stream_all(x, chunks(x.json))
    return await x.answer(completion(x.json))


@behaviour
async def tools(x):
    """Calls every tool at once; says the results back."""
    request, calls = x.json, tool_calls(x.json)
    results = [m["content"] for m in request["messages"] if m["role"] == "tool"]
    if not request.get("stream"):
        message = {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None}
        if results:
            message = {"role": "assistant", "content": " ".join(results), "refusal": None}
        finish = "stop" if results else "tool_calls"
        return await x.answer(completion(request, [choice(request, 0, message, finish)]))
    made = [chunk(request, {"role": "assistant", "content": None})]
    for index, call in enumerate(calls):
        begun = {"index": index, **call, "function": {**call["function"], "arguments": ""}}
        made.append(chunk(request, {"tool_calls": [begun]}))
        for piece in ('{"city"', ': "Kö', 'ln"}'):
            delta = {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            made.append(chunk(request, delta))
    return await stream_all(x, [*made, chunk(request, {}, "tool_calls")])


@behaviour
async def structured(x):
    """Answers as `response_format` asks."""
    message = {"role": "assistant", "content": '{"city": "Köln", "people": 1087863}'}
    await x.answer(completion(x.json, [choice(x.json, 0, message)]))


@behaviour
async def slow(x):
    await asyncio.sleep(float(x.argument or 0.2))
    await ok(x)


@behaviour
async def gated(x):
    """Sends nothing, and then one chunk, whenever a test says so."""
    if not x.json.get("stream"):
        await x.step()
        return await x.answer(completion(x.json))
    await x.step()
    await x.begin_stream()
    for index, made in enumerate(chunks(x.json, int(x.argument or 0))):
        if index:
            await x.step()
        await x.event(made)
    await x.step()
    return await finish(x)


@behaviour
async def _gzip(x):
    """Compresses, though it was asked not to."""
    body = gzip.compress(json.dumps(completion(x.json)).encode())
    await x.answer(body, Content_Encoding="gzip")


# Whole answers that are wrong


@behaviour
async def html(x):
    await x.answer(b"<html><body>Bad gateway</body></html>", content_type="text/html")


@behaviour
async def empty(x):
    await x.answer(b"")


@behaviour
async def truncated_json(x):
    await x.answer(json.dumps(completion(x.json)).encode()[:-20])


@behaviour
async def not_an_object(x):
    await x.answer(b'["chat.completion"]')


@behaviour
async def no_choices(x):
    await x.answer(completion(x.json, []))


@behaviour
async def error_200(x):
    await x.answer({"error": {"message": "The model is overloaded.", "code": "overloaded"}})


@behaviour
async def status(x):
    """`status:429` answers so, with OpenAI's error object and more time than a retry takes."""
    code = int(x.argument)
    error = {
        "message": f"Vendor says {code}.",
        "type": "vendor_error",
        "param": "temperature" if code == 400 else None,
        "code": f"vendor_{code}",
    }
    await x.answer({"error": error}, code, Retry_After="11", X_Vendor_Account="acct-secret")


@behaviour
async def scripted(x):
    """Answers as the prompt says, in JSON: `status`, `body` (or `text`, or `events`), `headers`."""
    script = json.loads(x.json["messages"][-1]["content"])
    headers = script.get("headers", {})
    if "events" not in script:
        body = script["text"].encode() if "text" in script else script["body"]
        return await x.answer(body, script.get("status", 200), **headers)
    await x.begin_stream(**headers)
    for event in script["events"]:
        await x.event(event)
    return await finish(x, usage=False)


@behaviour
async def limited(x):
    """Refuses the first call of each argument for a second, and serves the next."""
    LIMITED[x.argument] += 1
    if LIMITED[x.argument] > 1:
        return await ok(x)
    error = {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}
    return await x.answer({"error": error}, 429, Retry_After="1")


@behaviour
async def plain_status(x):
    """An error that is no JSON, as many servers make them."""
    body = b"Traceback (most recent call last):\n  File app.py\nKeyError: 'vendor internals'"
    await x.answer(body, int(x.argument), content_type="text/plain")


@behaviour
async def leak(x):
    """Quotes the credentials it was sent, in the error's message and in headers."""
    sent = x.header("authorization")
    body = {"error": {"message": f"You sent {sent}", "type": "invalid_request_error"}}
    await x.answer(body, int(x.argument or 400), Set_Cookie="session=vendor", X_Echo=sent)


@behaviour
async def redirect(x):
    await x.answer(b"", 302, Location="/elsewhere/v1/chat/completions")


@behaviour
async def wrong_length(x):
    """Promises more bytes than it sends."""
    data = json.dumps(completion(x.json)).encode()
    await x.head(Content_Length=len(data) + 100)
    await x.write(data)
    x.keep_alive = False


@behaviour
async def not_http(x):
    await x.write(b"220 smtp.example.com ESMTP\r\n\r\n")
    x.keep_alive = False


@behaviour
async def close(x):
    x.keep_alive = False


@behaviour
async def reset(x):
    """Closes with RST instead of FIN."""
    linger = struct.pack("ii", 1, 0)
    x.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    x.writer.transport.abort()
    x.keep_alive = False


@behaviour
async def hang(x):
    """Takes the request and says nothing, ever."""
    await asyncio.Event().wait()


@behaviour
async def hang_in_body(x):
    await x.head(Content_Length=1000)
    await x.write(b'{"id": "chatcmpl-upstream", ')
    await asyncio.Event().wait()


# Streams


async def stream_all(x, made, pause=0.0):
    await x.begin_stream()
    for item in made:
        await x.event(item)
        await asyncio.sleep(pause)
    await finish(x)


async def finish(x, usage=True):
    if usage and x.wants_usage:
        await x.event(usage_chunk(x.json))
    await x.event(b"[DONE]")
    await x.end_stream()


async def stream_bytes(x, encode):
    """A proper stream whose bytes are made by `encode(data)`, event by event."""
    await x.begin_stream()
    events = [json.dumps(item).encode() for item in chunks(x.json)]
    if x.wants_usage:
        events.append(json.dumps(usage_chunk(x.json)).encode())
    for data in [*events, b"[DONE]"]:
        await x.piece(encode(data))
    await x.end_stream()


@behaviour
async def stream(x):
    await stream_all(x, chunks(x.json, int(x.argument or 0)), PAUSE)


@behaviour
async def stream_no_usage(x):
    await x.begin_stream()
    for item in chunks(x.json):
        await x.event(item)
    await finish(x, usage=False)


@behaviour
async def stream_usage_in_finish_chunk(x):
    await x.begin_stream()
    for item in chunks(x.json, end=False):
        await x.event(item)
    await x.event(chunk(x.json, {}, "stop", usage=USAGE))
    await finish(x, usage=False)


@behaviour
async def stream_usage_in_every_chunk(x):
    """Counts on the way, as vLLM's `continuous_usage_stats` does."""
    await x.begin_stream()
    for index, item in enumerate(chunks(x.json)):
        usage = {"prompt_tokens": 11, "completion_tokens": index, "total_tokens": 11 + index}
        await x.event({**item, "usage": usage})
    await finish(x)


@behaviour
async def stream_no_done(x):
    await x.begin_stream()
    for item in [*chunks(x.json), usage_chunk(x.json)]:
        await x.event(item)
    await x.end_stream()


async def begin_well(x):
    """Three chunks; what comes of them, a test has to wait for, and then say go."""
    await x.begin_stream()
    made = chunks(x.json, end=False)[:3]
    await x.piece(b"".join(b"data: %s\n\n" % json.dumps(item).encode() for item in made))
    await x.step()


@behaviour
async def stream_truncated(x):
    """Ends in good order, but in the middle of the answer."""
    await begin_well(x)
    await x.end_stream()


@behaviour
async def stream_cut(x):
    """Hangs up in the middle of an event."""
    await begin_well(x)
    await x.piece(b'data: {"id": "chatcmpl-up')
    x.keep_alive = False


@behaviour
async def stream_error_event(x):
    await begin_well(x)
    await stream_error_first(x)


@behaviour
async def stream_error_first(x):
    if not x.chunked:
        await x.begin_stream()
    await x.event({"error": {"message": "Overloaded on the way.", "code": "overloaded"}})
    await x.end_stream()


@behaviour
async def stream_html(x):
    await html(x)


@behaviour
async def stream_json(x):
    """Answers whole, though it was asked to stream."""
    await x.answer(completion(x.json))


@behaviour
async def stream_empty(x):
    await x.begin_stream()
    await x.end_stream()


@behaviour
async def stream_only_done(x):
    await x.begin_stream()
    await x.event(b"[DONE]")
    await x.end_stream()


@behaviour
async def stream_garbage(x):
    await begin_well(x)
    await x.event(b"{'python': None}")
    await finish(x)


@behaviour
async def stream_garbage_first(x):
    await x.begin_stream()
    await x.event(b"{'python': None}")
    await finish(x)


@behaviour
async def stream_not_an_object(x):
    await x.begin_stream()
    await x.event(b"[1, 2, 3]")
    await finish(x)


@behaviour
async def script(x):
    """Plays the list that the first message is, as JSON.

    A list in it is sent as one piece, of chunks and of texts that are events as they stand; `hang`,
    `step`, `end`, `cut` and `reset` are what comes then.
    """
    await x.begin_stream()
    content = x.json["messages"][0]["content"]
    for item in json.loads(content if isinstance(content, str) else content[0]["text"]):
        if isinstance(item, list):
            events = [it if isinstance(it, str) else "data: " + json.dumps(it) for it in item]
            await x.piece("".join(event + "\n\n" for event in events).encode())
        elif item == "hang":
            await asyncio.Event().wait()
        elif item == "step":
            await x.step()
        elif item == "end":
            await x.end_stream()
        elif item == "cut":
            x.keep_alive = False
        else:
            await reset(x)


@behaviour
async def stream_crlf(x):
    await stream_bytes(x, lambda data: b"data: " + data + b"\r\n\r\n")


@behaviour
async def stream_cr(x):
    await stream_bytes(x, lambda data: b"data: " + data + b"\r\r")


@behaviour
async def stream_no_space(x):
    await stream_bytes(x, lambda data: b"data:" + data + b"\n\n")


@behaviour
async def stream_comments(x):
    await stream_bytes(x, lambda data: b": keep-alive\n\n:\ndata: " + data + b"\n: more\n\n")


@behaviour
async def stream_other_fields(x):
    await stream_bytes(
        x, lambda data: b"event: chunk\nid: 7\nretry: 10\nnonsense\ndata: " + data + b"\n\n"
    )


@behaviour
async def stream_multiline_data(x):
    """JSON over several data lines: the framing joins them with a line feed."""
    await stream_bytes(x, lambda data: b"data: " + data.replace(b", ", b",\ndata: ") + b"\n\n")


@behaviour
async def stream_bytewise(x):
    data = b"".join(b"data: %s\n\n" % json.dumps(item).encode() for item in chunks(x.json))
    await x.begin_stream()
    for index in range(len(data)):
        await x.piece(data[index : index + 1])
    await finish(x)


@behaviour
async def stream_in_one_piece(x):
    data = b"".join(b"data: %s\n\n" % json.dumps(item).encode() for item in chunks(x.json))
    await x.begin_stream()
    await x.piece(data + b"data: [DONE]\n\n")
    await x.end_stream()


@behaviour
async def stream_u2028(x):
    """Raw UTF-8 with line separators that are none to SSE, split inside characters."""
    item = chunk(x.json, {"role": "assistant", "content": "a\u2028b\u2029c\x85d\U0001f600"})
    data = b"data: %s\n\n" % json.dumps(item, ensure_ascii=False).encode()
    await x.begin_stream()
    for start in range(0, len(data), 7):
        await x.piece(data[start : start + 7])
    await x.event(chunk(x.json, {}, "stop"))
    await finish(x)


@behaviour
async def stream_flood(x):
    """As much as is taken, as fast as it is taken."""
    await x.begin_stream()
    await x.event(chunk(x.json, {"role": "assistant", "content": ""}))
    item = chunk(x.json, {"content": "flood " * 200})
    while True:
        await x.event(item)


@behaviour
async def stream_endless_line(x):
    await x.begin_stream()
    await x.piece(b"data: ")
    while True:
        await x.piece(b"x" * 65536)


@behaviour
async def endless(x):
    """A whole response, or an error (`endless:500`), without an end."""
    x.chunked = True
    await x.head(int(x.argument or 200), Transfer_Encoding="chunked")
    while True:
        await x.piece(b" " * 65536)


@behaviour
async def bomb(x):
    """A gigabyte of blanks, compressed to a megabyte."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    # After a full flush equal input has equal output: to compress it all takes seconds
    first, further = (
        deflate.compress(b" " * 2**20) + deflate.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    await x.answer(first + further * 1023, Content_Encoding="gzip")


@behaviour
async def stream_never_ends_after_done(x):
    await x.begin_stream()
    for item in chunks(x.json):
        await x.event(item)
    await x.event(b"[DONE]")
    await asyncio.Event().wait()


@behaviour
async def hang_in_stream(x):
    await begin_well(x)
    await asyncio.Event().wait()


# The server


class Connection(asyncio.StreamReaderProtocol):
    """Knows at once when the peer hangs up, whatever is being written meanwhile."""

    def __init__(self, serve):
        super().__init__(asyncio.StreamReader(limit=2**20), serve)
        self.gone = asyncio.Event()

    def eof_received(self):
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc):
        self.gone.set()
        super().connection_lost(exc)


class Upstream:
    def __init__(self):
        self.exchanges = []
        self.connections = 0

    async def serve(self, reader, writer):
        self.connections += 1
        connection, gone = self.connections, writer.transport.get_protocol().gone
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self.serve_one(reader, writer, connection, gone):
                pass
        writer.close()

    async def serve_one(self, reader, writer, connection, gone):
        first = await reader.readexactly(1)
        if first == TLS_HANDSHAKE:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return False
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.rstrip().split("\r\n")
        method, target, _ = request_line.split(" ")
        headers = [line.split(": ", 1) for line in lines]
        length = next((int(v) for k, v in headers if k.lower() == "content-length"), 0)
        body = await reader.readexactly(length)
        number = len(self.exchanges) + 1
        exchange = Exchange(number, connection, method, target, headers, body, writer)
        if target.startswith("/_"):
            await self.control(exchange)
            return True
        self.exchanges.append(exchange)
        await self.run(exchange, gone)
        return exchange.keep_alive and not exchange.cut

    async def run(self, exchange, gone):
        loop = asyncio.get_running_loop()
        work = loop.create_task(self.behave(exchange))
        left = loop.create_task(gone.wait())
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            exchange.cut, exchange.cut_at = True, time.monotonic()
        left.cancel()
        work.cancel()
        await asyncio.wait({work, left})
        exchange.over = True

    async def behave(self, exchange):
        try:
            name = exchange.json["model"].partition(":")[0]
            await BEHAVIOURS[name](exchange)
        except ConnectionError:
            exchange.cut, exchange.cut_at = True, time.monotonic()
        except Exception:  # noqa: BLE001 - told to whoever runs the tests
            exchange.fault = traceback.format_exc()
            exchange.keep_alive = False

    async def control(self, exchange):
        url = urlsplit(exchange.target)
        if url.path == "/_step":
            count = int(parse_qs(url.query)["count"][0])
            running = [item for item in self.exchanges if not item.over]
            for item in running:
                for _ in range(count):
                    item.steps.release()
            await exchange.answer({"stepped": len(running)})
        elif url.path == "/_count":
            await exchange.answer(len(self.exchanges))
        else:
            since = int(parse_qs(url.query)["since"][0])
            await exchange.answer([item.report() for item in self.exchanges[since:]])


async def main(port):
    upstream = Upstream()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(upstream.serve), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
