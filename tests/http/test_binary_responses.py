"""Responses that are bytes over HTTP: the echo's speech."""

import asyncio
import base64
import io
import json
import wave

import pytest
from tornado.httpclient import HTTPError

from tornado_router.errors import ProviderError
from tornado_router.http.fronts import FRONTS
from tornado_router.provider import Binary
from tornado_router.sse import Decoder


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


BODY = {"model": "echo", "input": "hello there world", "voice": "alloy"}


@pytest.fixture
def ask(http_client, base_url, key):
    async def ask(**fields):
        return await http_client.fetch(
            base_url + "/v1/audio/speech",
            method="POST",
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            body=json.dumps({**BODY, **fields}),
        )

    return ask


@pytest.mark.gen_test
async def test_bytes_come_as_they_are_made(ask):
    response = await ask()
    assert response.headers["Content-Type"] == "audio/wav"
    assert response.headers["Cache-Control"] == "no-cache"
    assert "Content-Length" not in response.headers
    with wave.open(io.BytesIO(response.body)) as sound:
        assert len(sound.readframes(10**6)) == 3 * 800


@pytest.mark.gen_test
async def test_events_have_the_same_bytes(ask):
    whole, streamed = await ask(), await ask(stream_format="sse")
    assert streamed.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    events = [json.loads(event.data) for event in Decoder().feed(streamed.body)]
    *deltas, done = events
    assert b"".join(base64.b64decode(delta["audio"]) for delta in deltas) == whole.body
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert done["type"] == "speech.audio.done"
    assert done["usage"] == {"input_tokens": 3, "output_tokens": 0, "total_tokens": 3}


@pytest.mark.gen_test
async def test_a_refusal_is_json(ask):
    with pytest.raises(HTTPError) as caught:
        await ask(model="nope")
    assert caught.value.code == 404
    assert json.loads(caught.value.response.body)["error"]["code"] == "model_not_found"


@pytest.mark.gen_test
async def test_a_stream_that_fails_does_not_look_whole(http_server, http_port, key, monkeypatch):
    async def breaks(self, call):
        yield [Binary("audio/wav", b"some")]
        raise ProviderError(503, "Overloaded.")

    monkeypatch.setattr("tornado_router_echo.EchoProvider._stream", breaks)
    reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
    body = json.dumps({**BODY, "stream_format": "audio"}).encode()
    writer.write(
        b"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (key.encode(), len(body)) + body
    )
    received = b""
    try:
        while data := await reader.read(65536):
            received += data
    except ConnectionError:
        pass
    writer.close()
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert rest == b"4\r\nsome\r\n"  # and no chunk that ends it
