import asyncio
from itertools import pairwise
from typing import ClassVar

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from tornado_router.background.turns import Turns
from tornado_router.http.handler_delegate import HandlerDelegate


class Recorder:
    """Stands for a handler."""

    made: ClassVar = []
    waits_for_none = False

    def __init__(self, application, request, **arguments):
        self.seen = (application, request.body, arguments)

    def on_connection_close(self):
        self.seen = "gone"

    async def execute(self, path_args):
        self.made.append((*self.seen, path_args))


class Connection:
    """Stands for that of a request."""

    def set_close_callback(self, callback):
        self.leave = callback


def delegate(turns=None, kind=Recorder):
    line = RequestStartLine("POST", "/", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "router"}))
    request.connection = Connection()
    kind.made = []
    turns = turns or Turns("test", 1)
    return HandlerDelegate("application", request, kind, {"size": 1}, [b"7"], turns=turns)


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


async def start(count, kind, leaving=()):
    """What has begun in each turn of the loop, of requests that came together, one a turn."""
    turns = Turns("test", 1)
    made = [delegate(turns, kind) for _ in range(count)]
    for one in made:
        one.finish()
    for number in leaving:
        made[number]._request.connection.leave()
    begun = []
    for _ in range(2 * count):
        begun.append(len(kind.made))
        await asyncio.sleep(0)
    return begun


def test_those_that_come_together_begin_in_turns():
    begun = asyncio.run(start(5, Recorder))
    assert begun[-1] == 5
    assert all(second - first <= 1 for first, second in pairwise(begun))


def test_but_those_that_wait_for_none():
    kind = type("Urgent", (Recorder,), {"waits_for_none": True})
    assert asyncio.run(start(5, kind))[1] == 5


def test_a_client_that_leaves_while_its_request_waits_is_known_to_have_left():
    asyncio.run(start(3, Recorder, leaving=[2]))
    assert [made[:-1] for made in Recorder.made[:2]] == [("application", b"", {"size": 1})] * 2
    assert "".join(Recorder.made[2][:-1]) == "gone"
