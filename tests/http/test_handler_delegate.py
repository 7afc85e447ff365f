import asyncio
from typing import ClassVar

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from tornado_router.http.handler_delegate import HandlerDelegate


class Recorder:
    """Stands for a handler."""

    made: ClassVar = []

    def __init__(self, application, request, **arguments):
        self.seen = (application, request.body, arguments)

    async def execute(self, path_args):
        self.made.append((*self.seen, path_args))


def delegate():
    line = RequestStartLine("POST", "/", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "router"}))
    Recorder.made = []
    return HandlerDelegate("application", request, Recorder, {"size": 1}, [b"7"])


def test_runs_the_handler_with_the_whole_body():
    async def main():
        made = delegate()
        made.data_received(b"one ")
        made.data_received(b"two")
        made.finish()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert Recorder.made == [("application", b"one two", {"size": 1}, [b"7"])]


def test_keeps_nothing_of_a_client_that_left_before():
    made = delegate()
    made.data_received(b"one ")
    made.on_connection_close()
    assert made._pieces == []
