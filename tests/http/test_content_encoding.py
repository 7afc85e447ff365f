"""Compressed bodies: read piece by piece, whatever they inflate to, and refused in clear words."""

import gzip
import sys
import zlib

import orjson
import pytest
from tornado.httputil import HTTPHeaders

from tornado_router.background import inflating
from tornado_router.background.inflating import MAX_FRAMES, PIECE
from tornado_router.errors import ApiError
from tornado_router.http.content_encoding import Decoder, take_decoder
from tornado_router.http.fronts import FRONTS

pytestmark = pytest.mark.sqlite_suffices

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHAT = "/v1/chat/completions"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "Hello out there"}]}
LIMIT = 300_000


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


def bare_deflate(data):
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


ENCODERS = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", bare_deflate),
    ("zstd", zstd.compress),
]
each = pytest.mark.parametrize(("name", "encode"), ENCODERS)


def decoded(name, data, step=None):
    decoder = Decoder(name)
    step = step or max(len(data), 1)
    pieces = [
        piece
        for start in range(0, len(data), step)
        for piece in decoder.feed(data[start : start + step])
    ]
    decoder.finish()
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    return b"".join(pieces)


def refusal(work, *arguments):
    with pytest.raises(ApiError) as caught:
        work(*arguments)
    return caught.value


class TestDecoder:
    @each
    @pytest.mark.parametrize("step", [1, 7, None])
    @pytest.mark.parametrize("data", [b"", b"{}", bytes(range(256)) * 30, b" " * (3 * PIECE)])
    def test_gives_what_was_encoded(self, name, encode, step, data):
        assert decoded(name, encode(data), step) == data

    @each
    def test_a_body_without_anything_is_empty(self, name, encode):
        assert decoded(name, b"") == b""

    @pytest.mark.parametrize(("name", "encode"), [ENCODERS[0], ENCODERS[-1]])
    @pytest.mark.parametrize("step", [1, None])
    def test_files_behind_each_other_are_one(self, name, encode, step):
        assert decoded(name, encode(b"a") + encode(b"") + encode(b"b" * 1000), step) == b"a" + (
            b"b" * 1000
        )
        error = refusal(decoded, name, encode(b"") * (MAX_FRAMES + 1))
        assert error.code == "invalid_content_encoding"

    @each
    @pytest.mark.parametrize("step", [1, None])
    def test_what_is_something_else_is_told_as_such(self, name, encode, step):
        whole = encode(orjson.dumps(HELLO) * 20)
        for wrong in (orjson.dumps(HELLO), b"{", b"\xff" * 100, whole[:-1], whole + b"\xff" * 9):
            error = refusal(decoded, name, wrong, step)
            assert (error.status, error.code) == (400, "invalid_content_encoding")
            assert name in error.message

    def test_a_window_that_takes_too_much_memory_is_refused(self):
        options = {int(zstd.CompressionParameter.window_log): 27}
        large = zstd.ZstdCompressor(options=options)
        data = large.compress(b"x" * 1000) + large.flush()
        assert refusal(decoded, "zstd", data).code == "invalid_content_encoding"

    @each
    def test_a_fault_of_the_router_is_not_the_clients(self, monkeypatch, name, encode):
        class Full:
            def decompress(self, data, max_length):
                raise MemoryError

        monkeypatch.setitem(inflating._ENCODINGS, name, lambda _: Full())
        with pytest.raises(MemoryError):
            decoded(name, encode(b"x"))

    @each
    def test_what_is_not_asked_for_is_not_inflated(self, name, encode):
        bomb = encode(b"\0" * 50_000_000)
        pieces = Decoder(name).feed(bomb)
        assert len(next(pieces)) <= PIECE


class TestHeaders:
    @pytest.mark.parametrize("given", ["", "identity", "Identity, identity", " , "])
    def test_a_body_that_is_as_it_is(self, given):
        assert take_decoder(HTTPHeaders({"Content-Encoding": given})) is None
        assert take_decoder(HTTPHeaders()) is None

    @pytest.mark.parametrize(
        "given", ["gzip", "GZIP", "x-gzip", "deflate", "zstd", "identity, gzip"]
    )
    def test_one_that_is_read(self, given):
        headers = HTTPHeaders({"Content-Encoding": given})
        assert take_decoder(headers) is not None
        assert "Content-Encoding" not in headers

    @pytest.mark.parametrize(
        "given", ["br", "x-none", "gzip, gzip", "gzip, br", "compress", "gzip;q=1"]
    )
    def test_one_that_is_not(self, given):
        error = refusal(take_decoder, HTTPHeaders({"Content-Encoding": given}))
        assert (error.status, error.code) == (415, "unsupported_content_encoding")
        assert given in error.message
        assert "gzip, deflate, zstd" in error.message
        assert error.headers["Accept-Encoding"] == "gzip, deflate, zstd"


class TestServed:
    @pytest.fixture
    def app_files(self, app_files):
        return {"router.toml": f"[server]\nmax_body_bytes = {LIMIT}\n" + app_files["router.toml"]}

    @pytest.fixture
    def post(self, http_client, base_url, key):
        async def post(body, encoding, *, path=CHAT, chunked=False, **headers):
            async def pieces(write):
                for start in range(0, len(body), 1000):
                    await write(body[start : start + 1000])

            return await http_client.fetch(
                base_url + path,
                method="POST",
                headers={
                    "Authorization": f"Bearer {key}",
                    "Content-Type": "application/json",
                    "Content-Encoding": encoding,
                    **headers,
                },
                raise_error=False,
                **({"body_producer": pieces} if chunked else {"body": body}),
            )

        return post

    @each
    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize("size", [100, LIMIT])
    @pytest.mark.gen_test
    async def test_a_call(self, post, app, name, encode, chunked, size):
        data = orjson.dumps(HELLO)
        answer = await post(encode(data + b" " * (size - len(data))), name, chunked=chunked)
        assert answer.code == 200
        assert b"Hello out there" in answer.body
        assert app.services.memory.held == 0

    @each
    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.gen_test
    async def test_a_body_that_inflates_without_end(self, post, app, name, encode, chunked):
        answer = await post(encode(b" " * 30_000_000), name, chunked=chunked)
        assert answer.code == 413
        assert app.services.memory.held == 0

    @pytest.mark.gen_test
    async def test_a_body_that_is_not_compressed(self, post):
        answer = await post(orjson.dumps(HELLO), "gzip")
        error = orjson.loads(answer.body)["error"]
        assert (answer.code, error["code"]) == (400, "invalid_content_encoding")
        assert (await post(orjson.dumps(HELLO), "identity")).code == 200

    @pytest.mark.gen_test
    async def test_a_body_in_no_encoding_of_ours(self, post):
        answer = await post(orjson.dumps(HELLO), "br")
        assert answer.code == 415
        assert answer.headers["Accept-Encoding"] == "gzip, deflate, zstd"

    @pytest.mark.gen_test
    async def test_a_stranger_inflates_nothing(self, post):
        bomb = gzip.compress(b" " * 30_000_000)
        for encoding in ("gzip", "br"):
            assert (await post(bomb, encoding, Authorization="Bearer sk-tr-no")).code == 401

    @each
    @pytest.mark.gen_test
    async def test_what_is_no_call(self, post, name, encode):
        login = orjson.dumps({"email": "ann@example.com", "password": "none of the kind"})
        answer = await post(encode(login), name, path="/auth/login")
        assert orjson.loads(answer.body)["error"]["code"] == "invalid_credentials"
        assert (await post(encode(b" " * 70_000), name, path="/auth/login")).code == 413
