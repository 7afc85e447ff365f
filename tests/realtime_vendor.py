"""A vendor of realtime sessions, over real sockets: it says what a test has it say.

What it does is in the model's name: `ok` responds, `slow` begins to and waits for `go`, `vad`
responds unasked to what it hears, `status-429` refuses the websocket, `closes-4000` closes it.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from .support import DEADLINE, poll

USAGE = {
    "total_tokens": 300,
    "input_tokens": 200,
    "output_tokens": 100,
    "input_token_details": {
        "text_tokens": 80,
        "audio_tokens": 120,
        "cached_tokens": 50,
        "cached_tokens_details": {"text_tokens": 30, "audio_tokens": 20},
    },
    "output_token_details": {"text_tokens": 40, "audio_tokens": 60},
}
HEARD = {
    "type": "tokens",
    "total_tokens": 30,
    "input_tokens": 20,
    "output_tokens": 10,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 20},
}


class Session:
    """One session, as the vendor has seen it."""

    def __init__(self, path, headers):
        self.query = {name: value[0] for name, value in parse_qs(urlsplit(path).query).items()}
        self.path = urlsplit(path).path
        self.headers = headers
        self.events = []
        self.code = self.reason = None
        self.ended = threading.Event()

    @property
    def types(self):
        return [event["type"] for event in self.events]

    def of(self, kind):
        """The one event of a kind."""
        (event,) = [event for event in self.events if event["type"] == kind]
        return event


class Vendor:
    """What it has seen; `go` lets what waits go on."""

    def __init__(self):
        self.sessions = []
        self.go = threading.Event()
        self.go.set()
        self.numbers = iter(range(10**6))

    @property
    def session(self):
        """The newest; it is noted just behind the handshake."""
        return poll(lambda: self.sessions)[-1]

    def refuse(self, connection, request):
        model = parse_qs(urlsplit(request.path).query).get("model", [""])[0]
        if model.startswith("status-"):
            body = json.dumps({"error": {"message": "No.", "type": "t", "code": "c"}})
            return connection.respond(int(model.removeprefix("status-")), body)
        return None

    def serve(self, connection):
        session = Session(connection.request.path, connection.request.headers)
        self.sessions.append(session)
        self.connection = connection
        try:
            self.say(connection, "session.created", session={"id": "sess_1", "type": "realtime"})
            for message in connection:
                event = json.loads(message)
                session.events.append(event)
                self.respond(connection, session, event)
        except ConnectionClosed:
            pass
        finally:
            session.code = connection.close_code
            session.reason = connection.close_reason
            session.ended.set()

    def respond(self, connection, session, event):
        model = session.query.get("model", "")
        match event["type"]:
            case "session.update":
                self.say(connection, "session.updated", session=event["session"])
            case "response.create" if model.startswith("closes-"):
                connection.close(int(model.removeprefix("closes-")), "As told.")
            case "response.create" if model == "fails":
                error = {"type": "invalid_request_error", "code": "x", "message": "No."}
                self.say(connection, "error", error=error)
            case "response.create":
                self.speak(connection, slow=model == "slow")
            case "input_audio_buffer.commit":
                self.say(
                    connection,
                    "conversation.item.input_audio_transcription.completed",
                    item_id="item_1",
                    content_index=0,
                    transcript="Hi.",
                    usage=HEARD,
                )
            case "input_audio_buffer.append" if model == "vad":
                self.speak(connection)
            case "conversation.item.create" if model == "vad":
                self.speak(connection)

    def speak(self, connection, *, slow=False):
        response = {"id": f"resp_{next(self.numbers)}", "status": "in_progress", "output": []}
        self.say(connection, "response.created", response=response)
        of = {"response_id": response["id"], "item_id": "item_1", "output_index": 0}
        for _ in range(3):
            self.say(connection, "response.output_audio.delta", **of, delta="A" * 6400)
        if slow:
            self.go.clear()
            self.go.wait(DEADLINE)
        done = {**response, "status": "completed", "usage": USAGE}
        self.say(connection, "response.done", response=done)

    def say(self, connection, kind, **event):
        connection.send(json.dumps({"type": kind, "event_id": "event_1", **event}))


@contextmanager
def realtime_vendor():
    """A vendor, and its URL."""
    vendor = Vendor()
    with serve(vendor.serve, "127.0.0.1", 0, process_request=vendor.refuse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield vendor, f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            vendor.go.set()
            server.shutdown()
            thread.join(DEADLINE)
