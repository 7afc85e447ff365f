"""Responses that are bytes over HTTP: an endpoint for tests, and the echo's speech."""

import asyncio
import io
import json
import wave

import pytest
from tornado.httpclient import HTTPError

from tornado_router.errors import ProviderError
from tornado_router.http import urls
from tornado_router.http.fronts import FRONTS
from tornado_router.http.handlers.calls import CallHandler
from tornado_router.provider import Binary

from ..speech_endpoint import SPEECH, register_speech


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


@pytest.fixture(autouse=True)
def speech(monkeypatch):
    register_speech(monkeypatch)
    route = urls.Route(SPEECH.name, SPEECH.path, CallHandler, {"endpoint": SPEECH})
    monkeypatch.setattr(urls, "ROUTES", (*urls.ROUTES, route))


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
async def test_a_whole_response(ask):
    response = await ask()
    assert response.headers["Content-Type"] == "audio/wav"
    assert int(response.headers["Content-Length"]) == len(response.body)
    with wave.open(io.BytesIO(response.body)) as sound:
        assert len(sound.readframes(10**6)) == 3 * 800


@pytest.mark.gen_test
async def test_a_stream_is_the_same_bytes(ask):
    whole, streamed = await ask(), await ask(stream_format="audio")
    assert streamed.headers["Content-Type"] == "audio/wav"
    assert streamed.headers["Cache-Control"] == "no-cache"
    assert "Content-Length" not in streamed.headers
    assert streamed.body == whole.body


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
