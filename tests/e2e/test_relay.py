"""What passes between client and provider: bytes untouched, headers kept apart."""

import gzip
import json

import pytest

from ..support import VENDOR_KEY, events, poll
from ..upstream import USAGE, chunks, completion

pytestmark = pytest.mark.sqlite_suffices

# Spaces, escapes, the order of keys, a number that no float holds: all of it survives.
ODD = (
    b'{ "vendor_big":123456789012345678901234567890,\t"vendor_float": 1.10,\n'
    b' "messages" : [ {"content":"\\u0047r\xc3\xbc\xc3\x9fe \\/ \\ud83d\\ude00 \xe2\x80\xa8",'
    b'"role":"user"} ],"model":"%s" %s}\r\n'
)


def odd(model="ok", more=""):
    return ODD % (model.encode(), more.encode())


def header(exchange, name):
    """The values of a header that the upstream received."""
    return [value for key, value in exchange["headers"] if key.lower() == name.lower()]


def encoded(*values):
    return [b"data: " + json.dumps(value).encode() for value in values]


def test_request_passes_byte_for_byte(router, upstream):
    assert router.post(odd()).status == 200
    exchange = upstream.exchange()
    assert exchange["body"] == odd()
    assert (exchange["method"], exchange["path"]) == ("POST", "/v1/chat/completions")


def test_streamed_request_that_asks_for_usage_passes_byte_for_byte(router, upstream):
    body = odd(more=',"stream":true, "stream_options" : {"include_usage":true}')
    assert router.post(body).status == 200
    assert upstream.exchange()["body"] == body


def test_streamed_request_passes_byte_for_byte_to_a_provider_without_usage(router, upstream):
    body = odd("modest/ok", ',"stream":true')
    assert router.post(body).status == 200
    assert json.loads(upstream.exchange()["body"]) == {**json.loads(body), "model": "ok"}


@pytest.mark.parametrize("options", ["", ',"stream_options":{"include_obfuscation":false}'])
def test_stream_is_asked_for_usage_and_nothing_else(router, upstream, options):
    body = odd(more=',"stream":true' + options)
    assert router.post(body).status == 200
    sent, received = json.loads(body), json.loads(upstream.exchange()["body"])
    asked = {**sent.get("stream_options", {}), "include_usage": True}
    assert received == {**sent, "stream_options": asked}


@pytest.mark.parametrize("model", ["renamed", "team/renamed", "up/ok"])
def test_route_changes_the_name_of_the_model_and_nothing_else(router, upstream, model):
    assert router.post(odd(model)).status == 200
    received = upstream.exchange()["body"]
    assert json.loads(received) == {**json.loads(odd(model)), "model": "ok"}
    assert b"123456789012345678901234567890" in received
    assert list(json.loads(received)) == list(json.loads(odd(model)))


ODD_NUMBERS = ["123456789012345678901234567890", "-0", "-0.0", "1e-400", "5e-324", "1.7e308"]
TOO_LARGE = ["1e400", "-1E+400", "1" + "0" * 309 + ".5", "1e" + "9" * 20]


@pytest.mark.parametrize("number", ODD_NUMBERS + TOO_LARGE)
@pytest.mark.parametrize("place", ['"x":N', '"x":{"y":[true,N]}', f'"x":N,"big":{9**30}'])
def test_an_odd_number_is_passed_on_or_refused_and_never_another(router, upstream, number, place):
    more = "," + place.replace("N", number)
    assert router.post(odd(more=more)).status == 200
    assert upstream.exchange()["body"] == odd(more=more)
    upstream.forget()
    answer = router.post(odd("renamed", more))
    if number in TOO_LARGE:
        assert (answer.status, answer.error["code"]) == (400, "number_out_of_range")
        assert answer.error["param"] == ("x.y[1]" if "[" in place else "x")
        assert upstream.exchanges() == []
    else:
        received = json.loads(upstream.exchange()["body"])
        assert received == {**json.loads(odd(more=more)), "model": "ok"}


def test_answer_passes_byte_for_byte(router):
    answer = router.post(odd())
    assert answer.body == json.dumps(completion(json.loads(odd()))).encode()
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_compressed_answer_is_unpacked(router):
    answer = router.post(odd("gzip"))
    assert answer.headers["Content-Encoding"] is None
    assert answer.body == json.dumps(completion(json.loads(odd("gzip")))).encode()
    assert gzip.compress(b"")[:2] not in answer.body[:2]


def test_chunks_pass_byte_for_byte(router):
    body = {"model": "ok", "messages": [{"role": "user", "content": "x"}], "stream": True}
    answer = router.post(body)
    assert events(answer.body) == [*encoded(*chunks(body)), b"data: [DONE]"]
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"


def test_chunks_pass_byte_for_byte_with_usage_behind_them(router):
    body = {
        "model": "ok",
        "messages": [{"role": "user", "content": "x"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    *passed, last, done = events(router.post(body).body)
    assert passed == encoded(*chunks(body))
    assert json.loads(last.removeprefix(b"data: ")) == {
        **chunks(body)[0],
        "choices": [],
        "usage": USAGE,
    }
    assert done == b"data: [DONE]"


def test_provider_receives_its_own_headers_and_none_of_the_client(router, upstream):
    answer = router.post(
        odd(),
        cookie="session=client-secret",
        openai_organization="org-client",
        openai_project="proj-client",
        x_api_key="client-secret",
        x_team="red",
        proxy_authorization="Basic client-secret",
        x_forwarded_for="192.0.2.1",
    )
    assert answer.status == 200
    exchange = upstream.exchange()
    assert header(exchange, "Authorization") == [f"Bearer {VENDOR_KEY}"]
    assert header(exchange, "OpenAI-Organization") == ["org-vendor"]
    assert header(exchange, "OpenAI-Project") == ["proj-vendor"]
    assert header(exchange, "X-Team") == ["blue"]
    assert header(exchange, "X-Cost-Center") == ["4711"]
    assert header(exchange, "Content-Type") == ["application/json"]
    assert header(exchange, "Content-Length") == [str(len(odd()))]
    everything = json.dumps(exchange["headers"])
    for secret in (router.key, "client-secret", "org-client", "proj-client", "192.0.2.1"):
        assert secret not in everything


def test_provider_without_a_key_receives_none(router, upstream):
    assert router.post(odd("keyless/ok")).status == 200
    exchange = upstream.exchange()
    assert exchange["path"] == "/keyless/v1/chat/completions"
    assert header(exchange, "Authorization") == []
    assert router.key not in json.dumps(exchange["headers"])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("stream", [False, True])
def test_credentials_of_the_provider_never_reach_a_client(router, upstream, status, stream):
    body = odd(f"up/leak:{status}", f',"stream":{str(stream).lower()}')
    answer = router.post(body)
    exchanges = poll(upstream.exchanges)
    for exchange in exchanges:  # several where a retry may help
        assert header(exchange, "Authorization") == [f"Bearer {VENDOR_KEY}"]
    assert answer.status == {401: 502, 403: 502, 500: 502}.get(status, status)
    assert VENDOR_KEY not in str(answer.headers)
    assert VENDOR_KEY.encode() not in answer.body
    assert answer.headers["Set-Cookie"] is None
    assert answer.error["message"]


@pytest.mark.parametrize("status", [401, 403])
def test_client_is_not_told_that_its_key_is_wrong_when_the_router_has_the_wrong_one(router, status):
    error = router.post(odd(f"up/status:{status}")).error
    assert error["message"] == "The provider 'up' refused the router's credentials."
    assert error["code"] == "provider_refused_credentials"


def test_connections_to_the_provider_are_kept(router, upstream):
    for _ in range(3):
        assert router.post(odd()).status == 200
        assert router.post(odd(more=',"stream":true')).status == 200
    assert len({exchange["connection"] for exchange in upstream.exchanges()}) == 1
