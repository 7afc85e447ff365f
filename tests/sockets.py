"""A websocket to the router, as a program without an SDK uses one."""

import json
from contextlib import contextmanager

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from .support import poll


@contextmanager
def opened(router, path, shown=None, **headers):
    """An open one.

    Args:
        router: that serves.
        path: of it, below `/v1`.
        shown: the API key; None for the router's first.
        headers: of the request.
    """
    given = {"Authorization": f"Bearer {shown or router.key}"}
    url = router.url.replace("http", "ws", 1) + path
    with connect(url, additional_headers=given | headers, open_timeout=60) as socket:
        yield socket


def send(socket, kind, **event):
    """Sends an event."""
    socket.send(json.dumps({"type": kind, **event}))


def until(socket, *kinds):
    """The next event of a kind; none before it is an error."""
    while True:
        event = json.loads(socket.recv(60))
        if event["type"] in kinds:
            return event
        assert event["type"] != "error", event


def closed(socket):
    """The code and the words with which the router closes a websocket, and its last event."""
    last = None
    try:
        while True:
            last = json.loads(socket.recv(60))
    except ConnectionClosed:
        return socket.close_code, socket.close_reason, last


def rows(router, request_id, count=1):
    """The rows of the calls of a websocket, in order, once there are so many."""
    query = "SELECT * FROM usage_logs WHERE request_id = ? ORDER BY id"
    found = poll(lambda: len(it := router.place.rows(query, request_id)) >= count and it)
    assert len(found) == count
    return found
