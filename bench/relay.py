"""The yardstick: the least that a relay on Tornado and aiohttp can do.

It checks nothing, counts nothing and knows one upstream; what the router costs beyond it is what
authentication, validation, limits, routing, accounting and logs cost. Run by the bench as
`python bench/relay.py PORT UPSTREAM_PORT`.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import tornado.iostream
import tornado.web
import uvloop


class RelayHandler(tornado.web.RequestHandler):
    """Sends each request on, and its answer back: whole, or piece by piece as it comes."""

    def initialize(self, session: aiohttp.ClientSession, url: str) -> None:
        """Takes what the route table holds for this handler."""
        self.session = session
        self.url = url

    async def post(self) -> None:
        """Relays one request."""
        headers = {"Content-Type": "application/json", "Authorization": "Bearer sk-upstream"}
        body = self.request.body
        async with self.session.post(self.url, data=body, headers=headers) as answer:
            self.set_status(answer.status)
            self.set_header("Content-Type", answer.headers["Content-Type"])
            if answer.content_type == "text/event-stream":
                await self.relay_stream(answer)
            else:
                await self.finish(await answer.read())

    async def relay_stream(self, answer: aiohttp.ClientResponse) -> None:
        """Writes each piece when it comes, and waits until the client took it."""
        try:
            async for piece in answer.content.iter_any():
                self.write(piece)
                await self.flush()
        except tornado.iostream.StreamClosedError:
            pass  # the client went away

    def compute_etag(self) -> None:
        """None: nobody asks for the same answer twice."""


async def main(port: int, upstream_port: int) -> None:
    """Serves until the process is ended."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        url = f"http://127.0.0.1:{upstream_port}/v1/chat/completions"
        route = ("/v1/chat/completions", RelayHandler, {"session": session, "url": url})
        app = tornado.web.Application([route], log_function=lambda handler: None)
        app.listen(port, "127.0.0.1", backlog=4096)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
