"""Bodies of requests: chunks however they come, and what is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPInputError

from tornado_router.http.llhttp.request_body import MAX_CHUNKS, ChunkedBody, FixedBody

CHUNKED = b"5\r\nhello\r\n001\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n"
PLAIN = b"hello 0123456789"


def take_all(body, pieces):
    """What a body takes of some pieces, and what is left behind its end."""
    taken = b""
    for number, piece in enumerate(pieces):
        rest = piece
        while rest and not body.is_whole:
            got, rest = body.take(rest)
            taken += got
        if body.is_whole:
            return taken, rest + b"".join(pieces[number + 1 :])
    return taken, b""


class TestFixed:
    @pytest.mark.parametrize("sizes", [[5], [1, 4], [1] * 5])
    def test_it_ends_after_its_length(self, sizes):
        body, data, pieces = FixedBody(5), b"hello", []
        for size in sizes:
            assert not body.is_whole
            pieces.append(data[:size])
            assert body.take(pieces[-1]) == (pieces[-1], b"")
            data = data[size:]
        assert body.is_whole

    def test_what_follows_is_left(self):
        body = FixedBody(5)
        assert body.left == 5
        assert body.take(b"helloGET /") == (b"hello", b"GET /")
        assert body.is_whole


class TestChunked:
    @pytest.mark.parametrize("at", range(len(CHUNKED) + 1))
    def test_however_it_is_cut(self, at):
        body = ChunkedBody(100)
        assert take_all(body, [CHUNKED[:at], CHUNKED[at:] + b"GET /"]) == (PLAIN, b"GET /")

    @given(st.lists(st.integers(1, len(CHUNKED)), max_size=10), st.binary(max_size=5))
    def test_however_often_it_is_cut(self, cuts, behind):
        data, points = CHUNKED + behind, sorted({0, *cuts, len(CHUNKED) + len(behind)})
        pieces = [data[a:b] for a, b in pairwise(points)]
        assert take_all(ChunkedBody(100), pieces) == (PLAIN, behind)

    def test_byte_by_byte(self):
        body = ChunkedBody(100)
        assert take_all(body, [bytes([byte]) for byte in CHUNKED]) == (PLAIN, b"")
        assert body.is_whole

    @pytest.mark.parametrize("cut", [False, True])
    @pytest.mark.parametrize(
        "data",
        [
            b"5;a=b\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"5\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello\r0\r\n\r\n",
            b"5\r\nhelloX\r\n0\r\n\r\n",
            b"5\r\nhell\r\n0\r\n\r\n",
            b"5\r\r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"-5\r\nhello\r\n0\r\n\r\n",
            b"5_0\r\nhello\r\n0\r\n\r\n",
            b"g\r\nhello\r\n0\r\n\r\n",
            b"\r\nhello\r\n0\r\n\r\n",
            b"00000000000000005\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n",
            b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n",
            b"5\r\nhello\r\n0;a=b\r\n\r\n",
            b"5\r\nhello\r\n0\r\n\n",
            b"5\r\nhello\r\n0\n\r\n",
            b"5\r\nhello\r\n0\r\n0\r\n\r\n",
            b"65\r\n" + b"x" * 0x65 + b"\r\n0\r\n\r\n",
            b"ffffffffffffffff\r\n",
        ],
    )
    def test_what_is_refused(self, data, cut):
        with pytest.raises(HTTPInputError):
            take_all(ChunkedBody(100), [bytes([it]) for it in data] if cut else [data])

    def test_others_get_their_turn(self):
        body, data = ChunkedBody(10_000), b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n"
        taken, left = body.take(data)
        assert (len(taken) <= MAX_CHUNKS, body.is_whole) == (True, False)
        assert take_all(body, [left]) == (b"x" * (1000 - len(taken)), b"")
