"""Heads of requests: what is read of them, and what is refused since it may be read in two ways."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, HTTPInputError, parse_request_start_line

from tornado_router.http.llhttp.request_head import MAX_HEADERS, make_headers, read_head

HOST = b"Host: x\r\n"
GOOD = (
    b"POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: x\r\nauthorization: Bearer k\r\n"
    b"X-Many: 1\r\nAccept:\t*/* \t\r\nx-many: 2\r\nX-Empty:\r\nContent-Length: 12\r\n\r\n"
)


def head(*lines, line=b"POST / HTTP/1.1"):
    return b"\r\n".join([line, b"Host: x", *lines, b"", b""])


def test_what_is_read():
    line, headers, keep_alive, length = read_head(GOOD)
    assert line == ("POST", "/v1/chat/completions?a=b", "HTTP/1.1")
    assert list(headers.get_all()) == [
        ("Host", "x"),
        ("Authorization", "Bearer k"),
        ("X-Many", "1"),
        ("X-Many", "2"),
        ("Accept", "*/*"),
        ("X-Empty", ""),
        ("Content-Length", "12"),
    ]
    assert (headers["x-many"], headers.get_list("X-MANY")) == ("1,2", ["1", "2"])
    assert (keep_alive, length) == (True, 12)


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([], 0),
        ([b"Content-Length: 0"], 0),
        ([b"Content-Length: 0007 "], 7),
        ([b"Transfer-Encoding: chunked"], None),
        ([b"transfer-encoding: Chunked "], None),
    ],
)
def test_where_the_body_ends(lines, length):
    assert read_head(head(*lines)).length == length


def test_a_head_that_is_known_is_that_of_its_own_body():
    lines = b"Expect: 100-continue", b"X-One: 1"
    first = read_head(head(*lines, b"Content-Length: 5", b"X-Two: 2"))
    del first.headers["Expect"]
    second = read_head(head(*lines, b"Content-Length: 0012", b"X-Two: 2"))
    assert (first.length, second.length) == (5, 12)
    assert first.headers["Content-Length"] == "5"
    assert list(second.headers.get_all()) == [
        ("Host", "x"),
        ("Expect", "100-continue"),
        ("X-One", "1"),
        ("Content-Length", "0012"),
        ("X-Two", "2"),
    ]
    with pytest.raises(HTTPInputError):
        read_head(head(*lines, b"Content-Length: 12", b"X-Two: 2", b"Content-Length: 1"))


@pytest.mark.parametrize(
    ("version", "lines", "keep_alive"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"Connection: close"], False),
        (b"1.1", [b"Connection: Keep-Alive, CLOSE"], False),
        (b"1.0", [], False),
        (b"1.0", [b"Connection: keep-alive"], True),
        (b"1.1", [b"Connection: upgrade", b"Upgrade: websocket"], True),
    ],
)
def test_whether_another_may_follow(version, lines, keep_alive):
    assert read_head(head(*lines, line=b"GET / HTTP/" + version)).keep_alive == keep_alive


LINES = [
    b"",
    b"GET",
    b"GET /",
    b"GET  / HTTP/1.1",
    b"GET /  HTTP/1.1",
    b" GET / HTTP/1.1",
    b"GET / HTTP/1.1 ",
    b"GET\t/ HTTP/1.1",
    b"GET / HTTP/1.1\r",
    b"GET /\n HTTP/1.1",
    b"GET / HTTP/0.9",
    b"GET / HTTP/1.2",
    b"GET / HTTP/2.0",
    b"GET / HTTP/11",
    b"GET / http/1.1",
    b"GET / RTSP/1.0",
    b"GET / ICE/1.0",
    b"PRI * HTTP/2.0",
    b"G\x00T / HTTP/1.1",
    b"G(T / HTTP/1.1",
    b"GET /a\tb HTTP/1.1",
    b"GET /a\x00b HTTP/1.1",
    b"GET /a\x7fb HTTP/1.1",
    b"GET /\xc3\xa9 HTTP/1.1",
    b"GET no-slash HTTP/1.1",
]
HEADERS = [
    # where the body ends
    [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
    [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
    [b"Content-Length: 5", b"Content-Length: 5"],
    [b"Content-Length: 5", b"content-length: 6"],
    *([b"Content-Length: " + it] for it in (b"", b"-5", b"+5", b"5,5", b"5, 5", b"5 5", b"0x5")),
    *([b"Content-Length: " + it] for it in (b"5_0", b"5.0", b"\xb2", b"9" * 30, b"9" * 5000)),
    *([b"Transfer-Encoding: " + it] for it in (b"", b"gzip", b"identity", b"gzip, chunked")),
    *([b"Transfer-Encoding: " + it] for it in (b"chunked, gzip", b"chunked, chunked", b"xchunked")),
    *([b"Transfer-Encoding: " + it] for it in (b"chunked;a=b", b"\x0bchunked", b'"chunked"')),
    [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
    [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
    [b"Transfer_Encoding: x", b"Transfer-Encoding: gzip"],
    # lines and names
    [b"X: a", b" folded"],
    [b"X: a", b"\tfolded"],
    [b" X: a"],
    [b"X : a"],
    [b"X\t: a"],
    [b"Content-Length : 5"],
    [b"Transfer-Encoding : chunked"],
    [b": a"],
    [b"X"],
    [b"X\xe9: a"],
    [b"X(): a"],
    [b"X\x00: a"],
    # values
    *([b"X: a" + it + b"b"] for it in (b"\x00", b"\r", b"\n", b"\x0b", b"\x0c", b"\x1b", b"\x7f")),
    [b"X: a\nTransfer-Encoding: chunked"],
    [b"X: a\rTransfer-Encoding: chunked"],
    [b"X: a\n\r"],
    [b"X-%d: a" % number for number in range(MAX_HEADERS)],
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_refused(line):
    with pytest.raises(HTTPInputError):
        read_head(head(line=line))


@pytest.mark.parametrize("lines", HEADERS)
def test_headers_that_are_refused(lines):
    with pytest.raises(HTTPInputError):
        read_head(head(*lines))


def test_chunks_came_with_http_1_1():
    with pytest.raises(HTTPInputError):
        read_head(head(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0"))


def test_as_many_headers_as_are_allowed():
    many = [b"X-%d: a" % number for number in range(MAX_HEADERS - 1)]
    assert len(read_head(head(*many)).headers) == MAX_HEADERS


@pytest.mark.parametrize("target", [b"/a?b=c#d", b"http://x/a", b"*", b"/%00", b"//a", b"/a//b"])
def test_a_target_is_passed_on_as_it_is(target):
    assert read_head(head(line=b"GET %b HTTP/1.1" % target)).line.path == target.decode()


@pytest.mark.parametrize("method", ["BREW", "get", "GETX", "PRI", "SOURCE", "DESCRIBE", "M-SEARCH"])
def test_so_is_a_method_that_a_handler_refuses(method):
    found = read_head(head(b"Content-Length: 3", line=b"%b /a HTTP/1.1" % method.encode()))
    assert (found.line, found.length) == ((method, "/a", "HTTP/1.1"), 3)


def test_so_is_that_of_connect():
    assert read_head(head(line=b"CONNECT x:443 HTTP/1.1")).line.path == "x:443"


def by_tornado(data):
    """The same head as Tornado's server reads it."""
    start, _, rest = data.decode("latin-1").partition("\r\n")
    return parse_request_start_line(start), HTTPHeaders.parse(rest)


NAMES = st.from_regex(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}", fullmatch=True).filter(
    lambda name: name.lower() not in (b"content-length", b"transfer-encoding", b"host")
)
VALUES = st.from_regex(
    rb"([\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff\t]*[\x21-\x7e])?)?", fullmatch=True
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=20))
def test_headers_are_those_that_tornado_would_make(pairs):
    ours = make_headers(pairs)
    theirs = HTTPHeaders()
    for name, value in pairs:
        theirs.add(name.decode(), value.decode("latin-1"))
    assert list(ours.get_all()) == list(theirs.get_all())
    assert dict(ours) == dict(theirs)
    ours["X-New"] = "a"
    ours.add("x-new", "b")
    assert ours["X-New"] == "a,b"
    del ours["X-New"]
    assert "X-New" not in ours


PARTS = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b":",
            b",",
            b";",
            b"\x00",
            b"\x0b",
            b"\xff",
            b"\r\n ",
        ),
        *(b"GET ", b"/", b" HTTP/1.1", b" HTTP/1.0", b"chunked", b"gzip", b"5", b"0", b"x"),
        *(b"Content-Length: ", b"Transfer-Encoding: ", b"Host: ", b"Connection: ", b"\r\nX: "),
    ]
)


@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.lists(PARTS, max_size=4))
@example(0, 0, [])
def test_a_spoilt_head_is_refused_or_read_as_tornado_reads_it(position, lost, parts):
    """What of the two read a request otherwise could hide one from the other."""
    data = GOOD[:position] + b"".join(parts) + GOOD[position + lost :]
    data = data[: data.find(b"\r\n\r\n") + 4] if b"\r\n\r\n" in data else data + b"\r\n\r\n"
    try:
        found = read_head(data)
    except HTTPInputError:
        return
    line, headers = by_tornado(data)
    assert found.line == line
    assert list(found.headers.get_all()) == list(headers.get_all())
    length = headers.get("Content-Length")
    assert length is None or re.fullmatch("[0-9]+", length)
    assert found.length == (None if "Transfer-Encoding" in headers else int(length or 0))
