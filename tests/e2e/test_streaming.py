"""Streams as they happen: paced, cancelled, held back, and framed in every odd way."""

import json
import re
import socket
import struct
import sys
from contextlib import ExitStack

import pytest

from ..support import connected, events, poll, read_response
from ..upstream import TEXT, USAGE, chunks

pytestmark = pytest.mark.sqlite_suffices

HELLO = [{"role": "user", "content": "hello out there"}]
STALLED = 40
BOUND = 256 * 1024


def body(model, **more):
    return {"model": model, "messages": HELLO, "stream": True, **more}


def read_event(response):
    """The next event of a stream, as soon as it is there."""
    line = response.readline()
    assert response.readline() == b"\n"
    return line.removeprefix(b"data: ").removesuffix(b"\n")


def parsed(answer):
    """The chunks of a whole stream that went well."""
    assert answer.status == 200, answer.body
    *data, done = events(answer.body)
    assert done == b"data: [DONE]"
    return [json.loads(event.removeprefix(b"data: ")) for event in data]


def text(made):
    return "".join(
        choice["delta"].get("content") or "" for chunk in made for choice in chunk["choices"]
    )


def rss(pid):
    """Bytes of memory that a process holds."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) * 1024


# Paced


def test_each_chunk_arrives_before_the_next_is_made(router, upstream):
    request = body("gated")
    with router.asking(request) as connection:
        upstream.exchange()
        upstream.step(2)
        response = connection.getresponse()
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        role, word, *rest = chunks(request)
        assert json.loads(read_event(response)) == role
        assert json.loads(read_event(response)) == word
        for chunk in rest:
            upstream.step()
            assert json.loads(read_event(response)) == chunk
        upstream.step()
        assert read_event(response) == b"[DONE]"
        assert response.read() == b""


def test_echo_streams_word_by_word(router_project):
    project = router_project(
        {
            "router.toml": '[server]\nport = 0\n[providers.echo]\ntype = "echo"\n'
            'models = ["echo"]\ndelay_ms = 20'
        }
    )
    router = project.serve()
    with router.asking(body("echo")) as connection:
        response = connection.getresponse()
        assert json.loads(read_event(response))["choices"][0]["delta"]["role"] == "assistant"
        words = [json.loads(read_event(response))["choices"][0]["delta"] for _ in range(3)]
    assert words == [{"content": "hello"}, {"content": " out"}, {"content": " there"}]


# Cancelled


def hang_up(connection, reset):
    """Leaves as a client does that was closed, or that was killed."""
    if reset:
        linger = struct.pack("ii", 1, 0)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["hang", "gated", "hang-in-body"])
def test_client_that_leaves_before_its_answer_cancels_the_call(
    router, upstream, request_id, model, stream, reset
):
    request = body(model, stream=stream)
    with router.asking(request, x_request_id=request_id) as connection:
        upstream.exchange()
        hang_up(connection, reset)
    upstream.cut()
    row = router.usage(request_id)
    assert (row["status"], row["error_code"]) == (499, "client_closed")
    assert row["usage_estimated"] == 1
    assert row["prompt_tokens"] > 0
    assert row["completion_tokens"] == 0
    assert router.log_line(request_id)["status"] == 499


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, that is a client who left")
@pytest.mark.parametrize("stream", [False, True])
def test_client_that_ends_its_side_behind_the_request_gets_its_response(router, upstream, stream):
    sent = json.dumps(body("gated", stream=stream)).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {router.key}\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    with connected(router.origin) as sock:
        sock.sendall(head.encode() + sent)
        sock.shutdown(socket.SHUT_WR)
        poll(upstream.exchanges)
        for _ in range(len(chunks({"model": "m"})) + 1 if stream else 1):
            upstream.step()
        if stream:
            answer = read_response(sock)  # which skips `100 Continue`
            assert text(parsed(answer)) == TEXT
        else:
            assert json.loads(read_response(sock).body)["choices"][0]["message"]["content"] == TEXT
        assert sock.recv(1) == b""


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("model", ["hang-in-stream", "stream-flood"])
def test_client_that_leaves_in_mid_stream_cancels_it_and_pays_for_what_was_made(
    router, upstream, request_id, model, reset
):
    with router.asking(body(model), x_request_id=request_id) as connection:
        response = connection.getresponse()
        assert json.loads(read_event(response))["choices"][0]["delta"]["role"] == "assistant"
        assert json.loads(read_event(response))["choices"][0]["delta"]["content"]
        # An http.client response holds the socket open beside its connection.
        hang_up(connection, reset)
        response.close()
    upstream.cut()
    row = router.usage(request_id)
    assert (row["status"], row["error_code"], row["stream"]) == (499, "client_closed", 1)
    assert row["usage_estimated"] == 1
    assert row["prompt_tokens"] > 0
    assert row["completion_tokens"] > 0
    assert row["first_chunk_ms"] > 0


def test_router_serves_on_when_many_clients_leave_at_once(router, upstream):
    with ExitStack() as stack:
        for model in ["hang", "hang-in-stream", "gated"] * 10:
            stack.enter_context(router.asking(body(model)))
        poll(lambda: len(upstream.exchanges()) == 30)
    poll(lambda: all(exchange["cut"] for exchange in upstream.exchanges()))
    assert text(parsed(router.post(body("ok")))) == TEXT


# Held back


def stall(router, stack, request):
    """A client that asks and then reads nothing; its own system takes but little for it."""
    host, port = router.origin.removeprefix("http://").split(":")
    sock = stack.enter_context(socket.socket())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((host, int(port)))
    data = json.dumps(request).encode()
    sock.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: router\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
        % (router.key.encode(), len(data), data)
    )
    return sock


def stalled(upstream, count):
    """Waits until nobody takes any more of what the upstream has to send; how much was taken."""
    before = None

    def look():
        nonlocal before
        now = [exchange["sent"] for exchange in upstream.exchanges()]
        same, before = now == before, now
        return len(now) == count and all(now) and same and now

    # Between two looks there is time for thousands of chunks.
    return poll(lambda: look() and not_moved(upstream), 60)


def not_moved(upstream):
    first = [exchange["sent"] for exchange in upstream.exchanges()]
    for _ in range(20):
        if [exchange["sent"] for exchange in upstream.exchanges()] != first:
            return None
    return first


def test_client_that_stops_reading_stops_the_provider(router, upstream):
    with ExitStack() as stack:
        sock = stall(router, stack, body("stream-flood"))
        (taken,) = stalled(upstream, 1)
        received = 0
        while received < 2 * taken:  # and it goes on when the client does
            received += len(sock.recv(65536))
        assert upstream.exchange()["sent"] > taken
    upstream.cut()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_that_stalled_clients_hold_is_bounded(router_project, router_toml, upstream):
    router = router_project({"router.toml": router_toml}).serve()
    for _ in range(20):
        assert text(parsed(router.post(body("ok")))) == TEXT
    upstream.forget()
    before = rss(router.pid)
    with ExitStack() as stack:
        for _ in range(STALLED):
            stall(router, stack, body("stream-flood"))
        stalled(upstream, STALLED)
        assert (rss(router.pid) - before) / STALLED < BOUND
    poll(lambda: all(exchange["cut"] for exchange in upstream.exchanges()))


# Framed oddly


@pytest.mark.parametrize(
    "model",
    [
        "stream",
        "stream-crlf",
        "stream-cr",
        "stream-no-space",
        "stream-comments",
        "stream-other-fields",
        "stream-multiline-data",
        "stream-bytewise",
        "stream-in-one-piece",
        "stream-no-done",
        "stream-no-usage",
        "stream-usage-in-finish-chunk",
        "stream-usage-in-every-chunk",
        "stream-never-ends-after-done",
    ],
)
@pytest.mark.parametrize("usage", [False, True])
def test_any_framing_is_read(router, request_id, model, usage):
    request = body(model, stream_options={"include_usage": True} if usage else None)
    made = parsed(router.post(request, x_request_id=request_id))
    assert text(made) == TEXT
    assert [chunk["choices"] == [] for chunk in made] == [False] * (len(made) - usage) + [
        True
    ] * usage
    counted = [chunk for chunk in made if chunk.get("usage")]
    row = router.usage(request_id)
    assert (row["status"], row["error_code"]) == (200, None)
    said = model not in ("stream-no-usage", "stream-in-one-piece", "stream-never-ends-after-done")
    assert row["usage_estimated"] == (not said)
    if said:
        assert (row["prompt_tokens"], row["completion_tokens"]) == (11, 7)
    assert row["prompt_tokens"] > 0
    assert row["completion_tokens"] > 0
    if usage:
        assert counted == made[-1:]
        assert counted[0]["usage"]["completion_tokens"] == row["completion_tokens"]
    else:
        assert counted == []


def test_line_separators_inside_json_are_text(router):
    assert text(parsed(router.post(body("stream-u2028")))) == "a\u2028b\u2029c\x85d\U0001f600"


def test_usage_details_survive_a_finish_chunk(router):
    request = body("stream-usage-in-finish-chunk", stream_options={"include_usage": True})
    assert parsed(router.post(request))[-1]["usage"] == USAGE


# Failures behind the first chunk


@pytest.mark.parametrize(
    ("model", "status", "code", "message"),
    [
        ("stream-truncated", 502, "bad_provider_answer", "'up' broke off its stream"),
        ("stream-cut", 502, "connection_error", "'up' broke off its connection"),
        ("stream-error-event", 503, "overloaded", "Overloaded on the way"),
        ("stream-garbage", 502, "bad_provider_answer", "'up' sent something that is not JSON"),
        ("silent/hang-in-stream", 504, "timeout", "'silent' did not respond in time"),
        ("short/hang-in-stream", 504, "timeout", "'short' did not respond in time"),
        ("short/stream:1000", 504, "timeout", "'short' did not respond in time"),
    ],
)
def test_failure_behind_the_first_chunk_is_an_error_event(
    router, upstream, request_id, model, status, code, message
):
    with router.asking(body(model), x_request_id=request_id) as connection:
        response = connection.getresponse()
        assert response.status == 200
        assert text([json.loads(read_event(response)) for _ in range(3)]) == "Grüße from"
        if model.startswith("stream-"):
            upstream.step()
        rest = response.read()
    *before, last = events(rest)
    assert all(event.startswith(b"data: {") for event in before)
    name, data = last.split(b"\n")
    assert name == b"event: error"
    error = json.loads(data.removeprefix(b"data: "))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert message in error["message"]
    assert error["code"] == code
    assert b"[DONE]" not in rest
    row = router.usage(request_id)
    assert (row["status"], row["error_code"]) == (status, code)
    assert row["completion_tokens"] > 0
    assert router.log_line(request_id)["status"] == status
