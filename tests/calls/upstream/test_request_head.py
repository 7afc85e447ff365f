"""Heads of requests: every byte of the URL and of the headers, and nothing that ends a line."""

import pytest

from tornado_router.calls.upstream.failures import BrokenResponseError
from tornado_router.calls.upstream.request_head import MAX_KEPT, Heads, Origin
from tornado_router.provider import Parts, UpstreamRequest


def head(url="http://h/", method="POST", body=b"", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Heads().find(UpstreamRequest(url, body, headers, method))


def lines(*args, size=0, **more):
    whole = head(*args, **more).ended(size)
    assert whole.endswith(b"\r\n\r\n")
    return whole.decode()[:-4].split("\r\n")


def values(name, *args, **more):
    pairs = [line.partition(": ") for line in lines(*args, **more)[1:]]
    return [value for given, _, value in pairs if given.lower() == name]


@pytest.mark.parametrize(
    ("url", "origin", "host", "target"),
    [
        ("http://h", ("h", 80, False), "h", "/"),
        ("https://h/v1", ("h", 443, True), "h", "/v1"),
        ("http://h:80/x", ("h", 80, False), "h", "/x"),
        ("http://h:443/x", ("h", 443, False), "h:443", "/x"),
        ("https://h:8443/x", ("h", 8443, True), "h:8443", "/x"),
        ("HTTPS://HOST.Example:443/X", ("host.example", 443, True), "host.example", "/X"),
        ("http://h.:8000/x", ("h.", 8000, False), "h.:8000", "/x"),
        ("http://[::1]:8000/x", ("::1", 8000, False), "[::1]:8000", "/x"),
        ("http://[FE80::1%25eth0]/x", ("fe80::1%eth0", 80, False), "[fe80::1]", "/x"),
        ("http://127.0.0.1:1/x", ("127.0.0.1", 1, False), "127.0.0.1:1", "/x"),
        ("http://bücher.example/x", ("xn--bcher-kva.example", 80, False), None, "/x"),
        ("http://h?a=b", ("h", 80, False), "h", "/?a=b"),
        ("http://h/a%2Fb%7e/../c//d/.?q=%2F&r={x}|y+z%20", ("h", 80, False), "h", None),
        (
            "http://h/a b/é?q=é\r\nX: y#f",
            ("h", 80, False),
            "h",
            "/a%20b/%C3%A9?q=%C3%A9%0D%0AX:%20y",
        ),
        ("http://h/x?#frag?ment", ("h", 80, False), "h", "/x?"),
        ("http://h/x@y:z", ("h", 80, False), "h", "/x@y:z"),
    ],
)
def test_a_url_is_taken_apart_and_its_path_stays_as_it_is(url, origin, host, target):
    made = head(url)
    assert made.origin == Origin(*origin)
    if target is None:
        target = url.partition("://h")[2]
    first, *_ = lines(url)
    assert first == f"POST {target} HTTP/1.1"
    assert values("host", url) == [host or origin[0]]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "/v1",
        "ftp://h/x",
        "http://",
        "http:///x",
        "http://:80/x",
        "http://h:99999/x",
        "http://h:x/x",
        "http://[::1/x",
        "http://exa mple/x",
        "http://a%0d%0ab/x",
        "http://a%00b/x",
        "http://a%2fb/x",
        "http://" + "ü" * 300 + "/x",
    ],
)
def test_one_that_leads_nowhere_is_refused(url):
    with pytest.raises(BrokenResponseError):
        head(url)


def test_its_user_becomes_a_header_unless_there_is_one():
    assert values("authorization", "http://u:p%2F@h/x") == ["Basic dTpwLw=="]
    assert values("host", "http://u:p%2F@h/x") == ["h"]
    assert values("authorization", "http://u@h/x") == ["Basic dTo="]
    assert values("authorization", "http://u:p@h/x", authorization="Bearer k") == ["Bearer k"]


def test_headers_are_sent_as_they_are():
    given = {"X-Odd": "é \t; =", "x_b": "", "Content_Type": "application/json"}
    sent = lines("http://h/x", **given)
    assert "X-Odd: é \t; =" in sent
    assert "x-b: " in sent
    assert "Content-Type: application/json" in sent


def test_some_are_the_clients_own_unless_a_request_has_them():
    assert values("accept-encoding") == ["identity"]
    assert values("accept-encoding", Accept_Encoding="gzip") == ["gzip"]
    (agent,) = values("user-agent")
    assert agent.startswith("tornado-router/")
    assert values("user-agent", USER_AGENT="x") == ["x"]
    assert values("accept") == ["*/*"]
    assert values("host", HOST="other") == ["other"]


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "EXPECT"])
def test_what_frames_the_body_is_the_clients_alone(name):
    sent = lines("http://h/x", size=7, **{name: "5"})
    framing = ("content-length", "transfer-encoding", "expect")
    found = [line for line in sent if line.lower().startswith(framing)]
    assert found == ["Content-Length: 7"]


@pytest.mark.parametrize("ending", ["\r\nB: c", "\nB: c", "\r", "\0"])
@pytest.mark.parametrize("place", ["name", "value"])
def test_none_can_end_its_line(ending, place):
    headers = {f"a{ending}": "b"} if place == "name" else {"a": f"b{ending}"}
    with pytest.raises(ValueError, match="would not stay one") as caught:
        Heads().find(UpstreamRequest("http://h/", b"", headers))
    assert "b" + ending not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a:b", "a\x7f"])
def test_nor_has_it_a_name_that_none_may_have(name):
    with pytest.raises(ValueError, match="would not stay one"):
        Heads().find(UpstreamRequest("http://h/", b"", {name: "b"}))


@pytest.mark.parametrize("method", ["", "GE T", "GET /x HTTP/1.1\r\n", "G\0"])
def test_a_method_is_one_word(method):
    with pytest.raises(ValueError, match="method"):
        head(method=method)


def test_its_letters_are_large():
    assert lines(method="get")[0] == "GET / HTTP/1.1"


@pytest.mark.parametrize(
    ("method", "size", "says"),
    [("GET", 0, False), ("DELETE", 0, False), ("POST", 0, True), ("GET", 3, True)],
)
def test_the_length_of_a_body_is_said(method, size, says):
    assert values("content-length", method=method, size=size) == ([str(size)] if says else [])


def test_a_form_has_its_own_type():
    form = Parts((), boundary="b")
    sent = values("content-type", body=form, CONTENT_TYPE="other")
    assert sent == ["multipart/form-data; boundary=b"]


def test_heads_are_kept_by_all_that_is_in_them():
    heads = Heads()
    first = UpstreamRequest("http://h/", b"1", {"a": "b"})
    assert heads.find(first) is heads.find(UpstreamRequest("http://h/", b"2", {"a": "b"}))
    changed = dict(first.headers)
    changed["a"] = "c"
    assert b"a: c" in heads.find(UpstreamRequest("http://h/", b"", changed)).data
    assert b"a: b" in heads.find(first).data
    for number in range(2 * MAX_KEPT):
        heads.find(UpstreamRequest("http://h/", b"", {"id": str(number)}))
    assert len(heads._kept) <= MAX_KEPT
