"""What clients get wrong: each fault a clear OpenAI error, and nothing spent on it."""

import json

import pytest

from ..support import connected, poll, read_response

pytestmark = pytest.mark.sqlite_suffices

HELLO = [{"role": "user", "content": "hello out there"}]
GOOD = {"model": "ok", "messages": HELLO}
LIMIT = 10 * 1024 * 1024


def member(text):
    """A body that is good but for one member."""
    return b'{"model":"ok","messages":[{"role":"user","content":"x"}],%s}' % text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (b" \n ", "it is empty"),
        (b"{", "the text ends too early"),
        (json.dumps(GOOD).encode()[:-1], "the text ends too early"),
        (b"hello", "no JSON value starts here"),
        (b"model=ok", "no JSON value starts here"),
        (b"{'model': 'ok'}", "a key is not a string in double quotes"),
        (member(b'"n": 1,'), "a comma is followed by nothing"),
        (json.dumps(GOOD).encode() * 2, "something follows the end"),
        (b"[" * 40_000, "nested deeper than"),
        (b'{"a":' * 40_000, "nested deeper than"),
        (b"[" * 40_000 + b"]" * 40_000, "nested deeper than"),
        (member(b'"x":' + b"[" * 40_000 + b"]" * 40_000), "nested deeper than"),
        (member(b'"temperature":NaN'), "NaN and Infinity are not JSON"),
        (member(b'"temperature":-Infinity'), "NaN and Infinity are not JSON"),
        (member(b'"x":"\xff\xfe"'), "not valid UTF-8"),
        (member(b'"x":"\xed\xa0\x80"'), "not valid UTF-8"),
        (member(rb'"x":"\ud800"'), "surrogate"),
        (member(b'"x":"a\nb"'), "control character"),
        (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), "byte order mark"),
        (json.dumps(GOOD).encode("utf-16"), "byte order mark"),
        (b"\x1f\x8b\x08\x00", ""),
        (b"\x00" * 100, ""),
    ],
)
def test_body_that_is_no_json(router, upstream, request_id, body, reason):
    answer = router.post(body, x_request_id=request_id)
    assert answer.status == 400
    assert answer.error["code"] == "invalid_json"
    assert answer.error["type"] == "invalid_request_error"
    assert "could not parse the JSON body" in answer.error["message"]
    assert reason in answer.error["message"]
    assert len(answer.error["message"]) < 500
    assert upstream.exchanges() == []
    assert answer.headers["X-Request-Id"] == request_id
    assert router.log_line(request_id)["status"] == 400
    assert router.usage_rows(request_id) == []


def test_key_that_stands_twice_is_refused(router, upstream):
    answer = router.post(member(b'"n":1,"n":2'))
    assert (answer.status, answer.error["code"]) == (400, "duplicate_key")
    assert "'n'" in answer.error["message"]
    assert upstream.exchanges() == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"[]", None),
        (b"null", None),
        (b'"model"', None),
        (b"1", None),
        (b"{}", "messages"),
        (b'{"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":null,"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":["ok"],"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":"ok"}', "messages"),
        (b'{"model":"ok","messages":"x"}', "messages"),
        (b'{"model":"ok","messages":[{"role":"owner","content":"x"}]}', "messages[0].role"),
        (member(b'"stream":"yes"'), "stream"),
        (member(b'"n":0'), "n"),
        (member(b'"temperature":1e400'), "temperature"),
        (member(b'"tools":[{"type":"function"}]'), "tools[0].function"),
    ],
)
def test_json_that_is_no_request(router, upstream, body, param):
    answer = router.post(body)
    assert answer.status == 400
    assert answer.error["param"] == param
    assert answer.error["type"] == "invalid_request_error"
    assert upstream.exchanges() == []


@pytest.mark.parametrize("model", ["", "gone", "up/", "/ok", "gone/ok", "up", "é" * 300, "a\nb"])
def test_unknown_model(router, upstream, model):
    answer = router.post({**GOOD, "model": model})
    assert answer.status in (400, 404)
    assert answer.error["param"] == "model"
    if answer.status == 404:
        assert answer.error["code"] == "model_not_found"
    assert len(answer.error["message"]) < 300
    assert upstream.exchanges() == []


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
    ],
)
def test_other_content_type(router, upstream, content_type):
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nok\r\n--x--\r\n'
    body = form if content_type.startswith("multipart") else b"model=ok"
    answer = router.post(body, content_type=content_type)
    assert answer.status == 415
    assert content_type.partition(";")[0] in answer.error["message"]
    assert upstream.exchanges() == []


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_form_that_tornado_cannot_read(router, content_type):
    answer = router.post(b"--\xff\r\nno form", content_type=content_type)
    assert answer.status in (400, 415)
    assert answer.error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "content_type",
    [None, "application/json; charset=utf-8", "application/vnd.api+json", "Application/JSON"],
)
def test_content_type_is_read_generously(router, content_type):
    assert router.post(GOOD, content_type=content_type).status == 200


def pieces(size):
    """A body of unknown length, so that it is sent in chunks."""
    while size > 0:
        yield b" " * min(size, 100_000)
        size -= 100_000


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/chat/completions", 413, str(LIMIT)),
        ("/v1/models", 413, "65536"),
        ("/gone", 404, "/gone"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_body_over_the_limit_is_refused_in_words_that_its_sender_receives(
    router, path, status, words, chunked
):
    size = LIMIT + 1
    answer = router.request(
        "POST",
        path,
        pieces(size) if chunked else b" " * size,
        {"Authorization": f"Bearer {router.key}", "Content-Type": "application/json"},
    )
    assert answer.status == status
    assert words in answer.error["message"]


@pytest.mark.parametrize("chunked", [False, True])
def test_body_of_just_the_limit_is_served(router, chunked):
    data = json.dumps({**GOOD, "model": "echo"}).encode()
    data += b" " * (LIMIT - len(data))
    answer = router.request(
        "POST",
        "/v1/chat/completions",
        iter([data[:7], data[7:]]) if chunked else data,
        {"Authorization": f"Bearer {router.key}", "Content-Type": "application/json"},
    )
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "hello out there"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/chat/completions", "POST"),
        ("PATCH", "/v1/chat/completions", "POST"),
        ("OPTIONS", "/v1/chat/completions", "POST"),
        ("BREW", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/echo", "GET"),
        ("POST", "/health", "GET, HEAD"),
    ],
)
def test_wrong_method(router, method, path, allowed):
    answer = router.request(method, path, None, {"Authorization": f"Bearer {router.key}"})
    assert answer.status == 405
    assert answer.headers["Allow"] == allowed
    assert (answer.error["code"], path in answer.error["message"]) == ("method_not_allowed", True)


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v2/chat/completions",
        "/v1/chat/completions/",
        "/v1/chat/completions%00",
        "/v1/../router.toml",
        "/static/router.toml",
        "/v1/models/",
        "/" + "x" * 5000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_path(router, method, path):
    answer = router.request(method, path)
    assert answer.status == 404
    assert answer.error["code"] == "unknown_url"
    assert method in answer.error["message"]
    assert len(answer.error["message"]) < 300


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer sk-tr-unknown",
        "Bearer sk-tr-unknown extra",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 10_000,
        "sk-tr-unknown",
    ],
)
def test_no_key_or_a_wrong_one(router, upstream, authorization):
    answer = router.post(GOOD, authorization=authorization)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    known = "unknown" in (authorization or "") or len(authorization or "") > 8
    if known and authorization.startswith("Bearer"):
        assert answer.error["code"] == "invalid_api_key"
    else:
        assert "You didn't provide an API key" in answer.error["message"]
    assert "unknown" not in answer.error["message"]
    assert upstream.exchanges() == []


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/echo"])
def test_models_are_closed_too(router, path):
    assert router.request("GET", path).status == 401


def test_health_is_open(router):
    answer = router.request("GET", "/health")
    assert (answer.status, answer.json["status"]) == (200, "ok")
    assert "providers" not in answer.json


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer ", " Bearer"])
def test_bearer_in_any_case(router, scheme):
    assert router.post(GOOD, authorization=f"{scheme} {router.key}").status == 200


def test_wrong_key_is_refused_before_the_body_is_looked_at(router):
    assert router.post(b"{", authorization="Bearer sk-tr-unknown").status == 401


# Below HTTP's politeness


def raw(router, head, body=b""):
    """One request with a head that no client library would send."""
    with connected(router.origin) as sock:
        lines = [*head, b"Authorization: Bearer " + router.key.encode()]
        sock.sendall(b"\r\n".join([b"GET /v1/models HTTP/1.1", b"Host: x", *lines, b"", body]))
        return read_response(sock, "GET")


@pytest.mark.parametrize(
    "value",
    [
        b"a b",
        b"a\tb",
        b"a%0d%0aSet-Cookie: x=1",
        b'a"b',
        b"a\\nb",
        b"<script>",
        b"x" * 129,
        b"",
        b"\xc3\xa9",
        b"{request_id}",
        b"a\r\n b",  # a folded header
        b"$(reboot)",
    ],
)
def test_strange_request_id_is_replaced(router, value):
    answer = raw(router, [b"X-Request-Id: " + value])
    assert answer.status in (200, 400)  # Tornado refuses a header that is none
    if answer.status == 200:
        assert answer.headers["X-Request-Id"].startswith("req_")
        assert answer.headers["Set-Cookie"] is None


@pytest.mark.parametrize("value", ["7d0b", "trace-1_2.3", "arn:aws/x=y+z@h", "x" * 128])
def test_sane_request_id_is_kept(router, value):
    answer = raw(router, [b"X-Request-Id: " + value.encode()])
    assert (answer.status, answer.headers["X-Request-Id"]) == (200, value)


def test_error_has_a_request_id_too(router):
    assert router.request("GET", "/gone").headers["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "
        + b"9" * 5000
        + b"\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Content-Length: 6\r\n\r\nhello!",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"zzz\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Length: 3\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
    ],
)
def test_what_is_not_http_ends_its_connection_and_nothing_else(router, data):
    logged = len(router.stderr)
    with connected(router.origin) as sock:
        sock.sendall(data)
        received = b""
        try:
            while piece := sock.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
    assert received == b"" or received.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert b" 500 " not in received
    assert router.post(GOOD).status == 200
    assert "Traceback" not in router.stderr[logged:]


def test_client_that_leaves_in_the_middle_of_its_body(router, upstream):
    with connected(router.origin) as sock:
        sock.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
            b"Authorization: Bearer " + router.key.encode() + b"\r\n\r\n{"
        )
    assert router.post(GOOD).status == 200
    assert len(upstream.exchanges()) == 1


def test_requests_one_behind_the_other_on_one_connection(router):
    body = json.dumps(GOOD).encode()
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
    )
    bad = head % (router.key.encode(), 1) + b"{"
    good = head % (router.key.encode(), len(body)) + body
    with connected(router.origin) as sock:
        for _ in range(2):
            sock.sendall(bad)
            assert read_response(sock).status == 400
            sock.sendall(good)
            assert read_response(sock).status == 200


def test_every_refusal_has_its_line_in_the_log(router, request_id):
    router.request("GET", "/gone", None, {"X-Request-Id": request_id})
    line = router.log_line(request_id)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/gone", 404)
    assert line["error_code"] == "unknown_url"
    assert poll(lambda: line["duration_ms"] >= 0)


@pytest.mark.parametrize("name", ["x-request-id", "request-id"])
def test_an_error_of_messages_has_the_id_of_its_header(router, name):
    headers = {"Authorization": f"Bearer {router.key}", name: "mine"}
    answer = router.request("POST", "/v1/messages", b"{}", headers)
    known = answer.headers["request-id"]
    assert (answer.status, answer.json["request_id"]) == (400, known)
    assert answer.headers["x-request-id"] == known
    assert (known == "mine") == (name == "x-request-id")
