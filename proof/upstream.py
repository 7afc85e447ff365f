"""A vendor that says what it used, to the token, and how many calls it had at once.

Run as `python proof/upstream.py`; prints its port. An answer has as many tokens as `max_tokens`
asks for, or else as many as the digits at the end of the first message say. A stream has a chunk
for each token. The name of the model asks for a pause of so many milliseconds, before the answer
or before each chunk: `pause-100`.
"""

import asyncio
import json
import re
import sys

from aiohttp import web

PROMPT_TOKENS = 10


class Vendor:
    def __init__(self):
        self.running = self.most = 0

    async def complete(self, request):
        body = await request.json()
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if body.get("stream"):
                return await self.stream(request, body)
            await asyncio.sleep(pause(body))
            message = {"role": "assistant", "content": "word " * tokens(body)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return web.json_response(
                {
                    "id": "c",
                    "object": "chat.completion",
                    "created": 1,
                    "model": body["model"],
                    "choices": [choice],
                    "usage": usage(body),
                }
            )
        finally:
            self.running -= 1

    async def stream(self, request, body):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        for _ in range(tokens(body)):
            await asyncio.sleep(pause(body))
            delta = {"index": 0, "delta": {"content": "word"}, "finish_reason": None}
            await send(response, {**head, "choices": [delta]})
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        await send(response, {**head, "choices": [end]})
        await send(response, {**head, "choices": [], "usage": usage(body)})
        await response.write(b"data: [DONE]\n\n")
        return response

    async def peak(self, request):
        most, self.most = self.most, self.running
        return web.json_response({"most": most})


async def send(response, chunk):
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")


def tokens(body):
    asked = body.get("max_tokens")
    if asked:
        return asked
    return int(re.search(r"\d+$", body["messages"][0]["content"])[0])


def usage(body):
    count = tokens(body)
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": count,
        "total_tokens": PROMPT_TOKENS + count,
    }


def pause(body):
    found = re.fullmatch(r"pause-(\d+)", body["model"])
    return int(found[1]) / 1000 if found else 0


async def main():
    vendor = Vendor()
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/v1/chat/completions", vendor.complete)
    app.router.add_get("/peak", vendor.peak)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
