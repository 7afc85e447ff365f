"""What a message of a websocket costs the router: CPU time a message, each way; see README.md.

    python bench/websocket.py

A realtime session between a client and a vendor of this process, which send what was made before
and count bytes: so nearly all that is measured is the router's.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import socket
import statistics
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import BenchError
from harness.load import upstream
from harness.process import CALIBRATED_MS, Pinned, calibrate, two_cores
from harness.session import start
from harness.targets import TARGETS, Target

_ROUNDS = 7
_MESSAGES = 2400
_SIZES = (1024, 8192)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_AT_ONCE = 16
_READ_BYTES = 256 * 1024
_TOML = """
[providers.voice]
type = "openai"
base_url = "http://127.0.0.1:{port}/v1"
api_key = "sk-upstream"
models = ["gpt-voice"]
[prices."voice/*"]
input = 2.5
output = 10.0
"""
_UP = {"type": "input_audio_buffer.append", "audio": ""}
_DOWN = {
    "type": "response.output_audio.delta",
    "event_id": "event_CkGFdcCdvTz0pvoVbs5Wi",
    "response_id": "resp_1",
    "item_id": "item_CkGFcB6AyOrNxnaHqlOoQ",
    "output_index": 0,
    "content_index": 0,
    "delta": "",
}
_CREATED = {
    "type": "response.created",
    "event_id": "event_1",
    "response": {"id": "resp_1", "object": "realtime.response", "status": "in_progress"},
}


def _event(like: dict[str, object], size: int) -> bytes:
    """An event of so many bytes, most of which are sound."""
    (field,) = (name for name, value in like.items() if value == "")
    empty = len(json.dumps(like, separators=(",", ":")))
    sound = base64.b64encode(os.urandom(size))[: size - empty].decode()
    return json.dumps({**like, field: sound}, separators=(",", ":")).encode()


def _frame(text: bytes, *, masked: bool) -> bytes:
    bit = 0x80 if masked else 0
    size = len(text)
    head = bytes((0x81, bit | size)) if size < 126 else struct.pack("!BBH", 0x81, bit | 126, size)
    if not masked:
        return head + text
    mask = os.urandom(4)
    whole = int.from_bytes(text, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + whole.to_bytes(size, "big")


def _head(connection: socket.socket) -> bytes:
    """The head of a request or a response."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise BenchError(f"no websocket was opened: {head!r}")
        head += byte
    return head


@contextmanager
def _listening() -> Iterator[socket.socket]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def _accept(listening: socket.socket) -> socket.socket:
    connection, _ = listening.accept()
    lines = _head(connection).split(b"\r\n")
    (key,) = (
        line.split(b": ")[1] for line in lines if line.lower().startswith(b"sec-websocket-key:")
    )
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    return connection


def _open(target: Target) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", target.port), 30)
    headers = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        **target.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"GET /v1/realtime?model=gpt-voice HTTP/1.1\r\n{lines}\r\n".encode())
    head = _head(connection)
    if b" 101 " not in head:
        raise BenchError(f"no session: {head!r} {connection.recv(1000)!r}")
    return connection


def _read(connection: socket.socket, size: int) -> None:
    buffer, count = memoryview(bytearray(_READ_BYTES)), 0
    while count < size:
        taken = connection.recv_into(buffer)
        if not taken:
            raise BenchError(f"the session ended: {bytes(buffer[:300])!r}")
        count += taken


class _Session:
    """A session of one router: the client's side of it, and the vendor's."""

    def __init__(self, target: Target, process: Pinned, listening: socket.socket) -> None:
        self.process = process
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(_accept(listening)))
        thread.start()
        self.client = _open(target)
        thread.join()
        (self.vendor,) = accepted
        created = _frame(json.dumps(_CREATED).encode(), masked=False)
        self.vendor.sendall(created)
        _read(self.client, len(created))

    def costs(self, core: int, size: int) -> Iterator[tuple[str, float]]:
        """What a message of so many bytes costs, each way."""
        up = _frame(_event(_UP, size), masked=True)
        down = _frame(_event(_DOWN, size), masked=False)
        yield "to the vendor", self._cost(core, self.client, self.vendor, up)
        yield "to the client", self._cost(core, self.vendor, self.client, down)

    def _cost(
        self, core: int, sender: socket.socket, receiver: socket.socket, frame: bytes
    ) -> float:
        speed, cpu = calibrate(core), self.process.cpu_seconds()
        _flow(sender, receiver, frame)
        cpu = self.process.cpu_seconds() - cpu
        return cpu * 1e6 / _MESSAGES * CALIBRATED_MS * 2 / (speed + calibrate(core))


def _flow(sender: socket.socket, receiver: socket.socket, frame: bytes) -> None:
    """Sends messages, and waits until all have come: as long as they were, as both ways show."""
    times = _MESSAGES // _AT_ONCE
    thread = threading.Thread(
        target=lambda: [sender.sendall(frame * _AT_ONCE) for _ in range(times)]
    )
    thread.start()
    _read(receiver, times * _AT_ONCE * len(frame))
    thread.join()


def main() -> int:
    """Prints a row for each size and way."""
    core, load_core = two_cores()
    names = ("router", *(("before",) if "BENCH_BEFORE" in os.environ else ()))
    costs: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary, ExitStack() as running:
        folder = Path(temporary)
        port = running.enter_context(upstream(load_core, folder))
        listening = running.enter_context(_listening())
        sessions = {}
        for name in names:
            (folder / name).mkdir()
            target, config = TARGETS[name](folder / name, port), folder / name / "router.toml"
            vendor = _TOML.format(port=listening.getsockname()[1])
            config.write_text(config.read_text() + vendor)
            process, _ = start(target, core, folder / name / "output.log")
            running.callback(process.stop)
            sessions[name] = _Session(target, process, listening)
        os.sched_setaffinity(0, {load_core})
        for _, size in itertools.product(range(_ROUNDS), _SIZES):
            for name, session in sessions.items():
                for way, cost in session.costs(core, size):
                    costs.setdefault(f"{name}: {size} bytes {way}", []).append(cost)
    print("| message | µs, median | µs, least |\n| --- | --- | --- |")
    for label, values in sorted(costs.items()):
        print(f"| {label} | {statistics.median(values):.1f} | {min(values):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
