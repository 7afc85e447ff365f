"""Bodies that are refused: by an error that their senders get to see, and nothing is held."""

import asyncio
import re
import time

import orjson
import pytest

from tornado_router.accounts import keys
from tornado_router.http.body_limit import DISCARDED_BODIES, SMALL_BODY
from tornado_router.http.fronts import FRONTS
from tornado_router.http.urls import ROUTES

from ..support import DEADLINE

pytestmark = pytest.mark.sqlite_suffices

LIMIT = 500_000
TOGETHER = 1_100_000
CHAT = "/v1/chat/completions"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "Hello out there"}]}


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


@pytest.fixture
def app_files(app_files):
    bounds = f"max_body_bytes = {LIMIT}\nmax_memory = {TOGETHER}\n"
    return {"router.toml": f"[server]\n{bounds}" + app_files["router.toml"]}


@pytest.fixture
def post(http_client, base_url, key):
    async def post(body, *, chunked, path=CHAT, method="POST"):
        async def pieces(write):
            for start in range(0, len(body), 50_000):
                await write(body[start : start + 50_000])

        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return await http_client.fetch(
            base_url + path,
            method=method,
            headers=headers,
            raise_error=False,
            allow_nonstandard_methods=True,
            **({"body_producer": pieces} if chunked else {"body": body}),
        )

    return post


def padded(size):
    raw = orjson.dumps(HELLO)
    return raw[:-1] + b" " * (size - len(raw)) + raw[-1:]


class Client:
    """Sends one request by hand, as slowly as it likes."""

    def __init__(self, port):
        self.port = port

    async def begin(self, *headers, path=CHAT, method="POST", kind="application/json"):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Type: {kind}"]
        await self.send("\r\n".join([*lines, *headers, "", ""]).encode())
        return self

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def response(self):
        """The status and the error's code."""
        async with asyncio.timeout(DEADLINE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = int(re.search(r"content-length: (\d+)", head, re.IGNORECASE)[1])
            body = orjson.loads(await self.reader.readexactly(length))
        self.head = head
        return int(head.split(" ", 2)[1]), body.get("error", {}).get("code")

    async def status(self):
        """The status of the last response of a connection, which is read to its end."""
        async with asyncio.timeout(DEADLINE):
            head = await self.reader.readuntil(b"\r\n")
            while await self.reader.read(65_536):
                pass
        return int(head.split(b" ", 2)[1])

    def leave(self):
        self.writer.close()


@pytest.fixture
def client(http_server, http_port):
    clients = []

    def client():
        clients.append(Client(http_port))
        return clients[-1]

    yield client
    for one in clients:
        one.leave()


async def held(app, size):
    """Waits until so many bytes of bodies are held."""
    deadline = time.monotonic() + DEADLINE
    while app.services.memory.held != size:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


class TestLimit:
    @pytest.mark.gen_test
    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize("size", [1000, SMALL_BODY + 1, LIMIT])
    async def test_up_to_it(self, post, chunked, size):
        assert (await post(padded(size), chunked=chunked)).code == 200

    @pytest.mark.gen_test
    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize("size", [LIMIT + 1, LIMIT * DISCARDED_BODIES])
    async def test_over_it(self, post, chunked, size):
        response = await post(padded(size), chunked=chunked)
        assert response.code == 413
        assert orjson.loads(response.body)["error"] == {
            "message": f"The request body is larger than the limit of {LIMIT} bytes.",
            "type": "invalid_request_error",
            "param": None,
            "code": "request_too_large",
        }

    @pytest.mark.gen_test
    @pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/messages/count_tokens"])
    async def test_values_of_a_large_one_are_counted_before_it_is_read(self, client, key, path):
        headers = {"Authorization": f"Bearer {key}", "Content-Length": LIMIT}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        for kind, refusal in (
            ("application/json", (400, "too_many_values")),
            ("text/plain", (415, "unsupported_content_type")),
        ):
            sender = await client().begin(*lines, path=path, kind=kind)
            await sender.send(b"[" * LIMIT)
            status, code = await sender.response()
            assert (status, code if path == CHAT else refusal[1]) == refusal

    @pytest.mark.gen_test
    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    async def test_is_small_where_no_model_is_called(self, post, chunked, method):
        paths = {route.path.replace("{id}", "1") for route in ROUTES if "/v1/" not in route.path}
        for path in (*paths, "/v1/models", "/v1/models/echo"):
            response = await post(
                b" " * (SMALL_BODY + 1), chunked=chunked, path=path, method=method
            )
            assert response.code == 413, path
            assert f"limit of {SMALL_BODY} bytes" in response.body.decode()

    @pytest.mark.gen_test
    async def test_an_unknown_path_is_told_as_such(self, post):
        for size in (SMALL_BODY + 1, LIMIT + 1):
            response = await post(b" " * size, chunked=False, path="/chat/completions")
            assert response.code == 404


class TestKey:
    @pytest.mark.gen_test
    @pytest.mark.parametrize("key_sent", [(), ("Authorization: Bearer sk-tr-unknown",)])
    @pytest.mark.parametrize("chunked", [False, True])
    async def test_nothing_of_a_stranger_is_held(self, client, app, key_sent, chunked):
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {LIMIT}"
        stranger = await client().begin(length, *key_sent)
        piece = b"x" * 125_000
        for _ in range(4):
            await stranger.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await asyncio.sleep(0.01)
            assert app.services.memory.held == 0
        if chunked:
            await stranger.send(b"0\r\n\r\n")
        assert (await stranger.response())[0] == 401

    @pytest.mark.gen_test
    async def test_a_client_that_waits_is_refused_before_it_sends(self, client):
        waiting = await client().begin(f"Content-Length: {LIMIT}", "Expect: 100-continue")
        assert await waiting.response() == (401, None)
        too_much = await client().begin(f"Content-Length: {LIMIT + 1}", "Expect: 100-continue")
        assert (await too_much.response())[0] == 413
        assert await waiting.reader.read() == b""

    @pytest.mark.gen_test
    async def test_a_client_that_waits_is_let_in(self, client, key):
        head = (f"Content-Length: {LIMIT}", f"Authorization: Bearer {key}", "Expect: 100-continue")
        waiting = await client().begin(*head)
        assert await waiting.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 (Continue)\r\n\r\n"
        await waiting.send(padded(LIMIT))
        assert (await waiting.response())[0] == 200

    @pytest.mark.gen_test
    async def test_the_connection_of_a_stranger_lives_on(self, client, key):
        stranger = await client().begin(f"Content-Length: {LIMIT}")
        await stranger.send(b"x" * LIMIT)
        assert (await stranger.response())[0] == 401
        head = f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
        await stranger.send(head.encode())
        assert (await stranger.response())[0] == 200

    @pytest.mark.gen_test
    async def test_a_key_that_is_revoked_meanwhile_is_refused(self, client, app, key):
        head = (f"Content-Length: {LIMIT}", f"Authorization: Bearer {key}")
        sending = await client().begin(*head)
        await sending.send(padded(LIMIT)[:-1])
        await held(app, LIMIT - SMALL_BODY)
        app.storage.call(lambda: keys.revoke(1))
        app.services.authenticator.forget(1)
        await sending.send(b"}")
        assert await sending.response() == (401, "invalid_api_key")


class TestTogether:
    @pytest.mark.gen_test
    @pytest.mark.parametrize("chunked", [False, True])
    async def test_more_than_there_is_room_for_is_refused(self, client, app, key, post, chunked):
        memory, head = app.services.memory, f"Authorization: Bearer {key}"
        first, second, both = client(), client(), 2 * (LIMIT - SMALL_BODY)
        for one in (first, second):
            await one.begin(f"Content-Length: {LIMIT}", head)
        await held(app, both)
        response = await post(padded(LIMIT), chunked=chunked)
        assert (response.code, response.headers["Retry-After"]) == (503, "1")
        assert orjson.loads(response.body)["error"]["code"] == "overloaded"
        assert memory.held == both
        assert (await post(padded(1000), chunked=False)).code == 200  # a small one has its own room

        first.leave()
        await held(app, LIMIT - SMALL_BODY)
        assert (await post(padded(LIMIT), chunked=chunked)).code == 200
        await second.send(padded(LIMIT))
        assert (await second.response())[0] == 200
        assert memory.held == 0

    @pytest.mark.gen_test
    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize(
        ("body", "code"), [(b"{" + b" " * 200_000, 400), (b" " * (LIMIT + 1), 413)]
    )
    async def test_what_is_refused_gives_its_room_back(self, post, app, chunked, body, code):
        for _ in range(5):
            assert (await post(body, chunked=chunked)).code == code
            assert app.services.memory.held == 0


class TestDefaults:
    """Of a router.toml that sets no limit."""

    @pytest.fixture
    def app_files(self, app_files):
        return {"router.toml": app_files["router.toml"].partition(f"= {TOGETHER}\n")[2]}

    @pytest.mark.parametrize(
        ("path", "limit"),
        [(CHAT, 10 * 2**20), ("/v1/messages", 32 * 2**20), ("/v1/responses", 32 * 2**20)],
    )
    @pytest.mark.gen_test
    async def test_agents_may_send_more(self, client, key, path, limit):
        authorization = f"Authorization: Bearer {key}"
        for size, status in ((limit + 1, 413), (limit, 100)):
            length = f"Content-Length: {size}"
            one = await client().begin(authorization, length, "Expect: 100-continue", path=path)
            head = (await one.reader.readuntil(b"\r\n")).decode()
            assert (size, int(head.split(" ")[1])) == (size, status)

    @pytest.mark.gen_test
    async def test_a_refusal_is_in_the_dialect(self, client, key):
        headers = (f"x-api-key: {key}", "Content-Length: 99999999", "Expect: 100-continue")
        one = await client().begin(*headers, path="/v1/messages")
        async with asyncio.timeout(DEADLINE):
            head = (await one.reader.readuntil(b"\r\n\r\n")).decode()
            length = int(re.search(r"content-length: (\d+)", head, re.IGNORECASE)[1])
            body = orjson.loads(await one.reader.readexactly(length))
        assert body["error"]["type"] == "request_too_large"
        assert body["request_id"] in head
