"""Forms on their way in: refused by name where they are wrong, and nothing of them is kept."""

import asyncio
import gzip
import os
import time

import orjson
import pytest

from tornado_router.endpoints import AUDIO_TRANSCRIPTIONS
from tornado_router.http.body_limit import SMALL_BODY
from tornado_router.http.fronts import FRONTS
from tornado_router.provider import Part, Parts
from tornado_router.provider.files import MEMORY_BYTES
from tornado_router.validation import forms

from ..support import DEADLINE
from .test_body_limit import Client

pytestmark = pytest.mark.sqlite_suffices

LIMIT = 4_000_000
PATH = "/v1/audio/transcriptions"
FORM = "multipart/form-data; boundary=XX"
SMALL = b"sound" * 100
LARGE = os.urandom(MEMORY_BYTES * 3)
MODEL = Part("model", "echo")


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


@pytest.fixture
def app_files(app_files):
    bounds = f"max_body_bytes = {LIMIT}\nmax_memory = 5_000_000\nmax_disk = 7_000_000\n"
    return {"router.toml": f"[server]\n{bounds}" + app_files["router.toml"]}


def file(data=SMALL, name="a.mp3", field="file"):
    return Part(field, data, name, "audio/mpeg")


def form(*parts):
    return b"".join(Parts(parts, "XX").pieces())


GOOD = form(MODEL, file())


def descriptors():
    """Open files that have no name any more, as those of forms."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    return sum(link.endswith(" (deleted)") for link in links)


async def eventually(true):
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.fixture
def nothing_left(app):
    before = descriptors()

    async def nothing_left():
        services = app.services
        await eventually(lambda: not services.requests.count and not services.bounds.calls)
        await eventually(lambda: services.memory.held == services.disk.held == 0)
        await eventually(lambda: descriptors() == before)

    return nothing_left


@pytest.fixture
def clients(http_server, http_port):
    made = []

    def client():
        made.append(Client(http_port))
        return made[-1]

    yield client
    for one in made:
        one.leave()


@pytest.fixture
def post(clients, key, nothing_left):
    """Sends a body, and returns the status and the error; whatever it is, nothing is left of it."""

    async def post(body, kind=FORM, *headers, path=PATH, given=None, chunked=False):
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        lines = (length, f"Authorization: Bearer {given or key}", *headers)
        client = await clients().begin(*lines, path=path, kind=kind)
        for start in range(0, len(body), 50_000):
            piece = body[start : start + 50_000]
            await client.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            await client.send(b"0\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            head = (await client.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            answer = orjson.loads(await client.reader.readexactly(length))
        await nothing_left()
        return int(head.split(" ", 2)[1]), answer.get("error", answer)

    return post


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("sound", [b"", SMALL, LARGE], ids=len)
@pytest.mark.gen_test
async def test_a_form_of_any_size_is_served(post, sound, chunked):
    status, answer = await post(form(file(sound), MODEL), chunked=chunked)
    assert (status, answer["text"]) == (200, f"a.mp3 is audio/mpeg of {len(sound)} bytes.")


@pytest.mark.gen_test
async def test_a_compressed_form_is_served(post):
    sent = gzip.compress(form(file(b"x" * 2_000_000), MODEL))
    status, answer = await post(sent, FORM, "Content-Encoding: gzip")
    assert (status, answer["text"]) == (200, "a.mp3 is audio/mpeg of 2000000 bytes.")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/mixed; boundary=X"])
@pytest.mark.gen_test
async def test_another_content_type(post, kind):
    for body in (GOOD, form(MODEL, file(LARGE))):
        status, error = await post(body, kind)
        assert (status, error["code"]) == (415, "unsupported_content_type")
        assert error["message"].endswith("Send 'multipart/form-data'.")


@pytest.mark.gen_test
async def test_a_form_where_none_is_taken(post):
    status, error = await post(GOOD, path="/v1/chat/completions")
    assert (status, error["code"]) == (415, "unsupported_content_type")
    assert error["message"].endswith("Send 'application/json'.")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("multipart/form-data", "no boundary that can be one"),
        ("multipart/form-data; boundary=", "no boundary that can be one"),
        (f"multipart/form-data; boundary={'x' * 300}", "no boundary that can be one"),
        (FORM + "; boundary=XX", "more than one boundary"),
        (FORM + "; boundary=YY", "more than one boundary"),
        ("multipart/form-data; boundary=YY", "does not follow RFC 7578"),
    ],
)
@pytest.mark.gen_test
async def test_a_boundary_that_is_missing_double_or_another(post, kind, reason):
    for body in (GOOD, form(MODEL, file(LARGE)), b""):
        status, error = await post(body, kind)
        assert (status, error["code"]) == (400, "invalid_form")
        assert reason in error["message"] or not body


@pytest.mark.parametrize(
    "body",
    [GOOD[:-10], form(MODEL, file(LARGE))[:-10], b"--XX\r\n" + GOOD, GOOD.replace(b"\r\n", b"\n")],
    ids=["cut", "cut and large", "a boundary twice", "bare line feeds"],
)
@pytest.mark.gen_test
async def test_what_is_not_a_form(post, body):
    status, error = await post(body)
    assert (status, error["code"]) == (400, "invalid_form")


@pytest.mark.parametrize(
    ("parts", "code", "param"),
    [
        ((file(LARGE),), "missing_required_parameter", "model"),
        ((MODEL,), "missing_required_parameter", "file"),
        ((MODEL, file(LARGE), MODEL), "invalid_form", "model"),
        ((MODEL, file(LARGE), Part("model[]", "other")), "invalid_form", "model"),
        ((MODEL, file(LARGE), Part("model[x]", "other")), "invalid_form", "model"),
        ((file(LARGE), file(b"echo", "model", "model")), "invalid_type", "model"),
        ((MODEL, Part("file", "sound")), "invalid_type", "file"),
        ((MODEL, file(LARGE), file()), "invalid_form", "file"),
        ((MODEL, file(LARGE), Part("temperature", "hot")), "invalid_type", "temperature"),
        ((MODEL, file(LARGE), Part("temperature", "7")), "decimal_above_max_value", "temperature"),
        ((MODEL, file(LARGE), Part("stream", "maybe")), "invalid_type", "stream"),
        ((MODEL, file(LARGE), *[Part("x", "y")] * forms.MAX_PARTS), "invalid_form", None),
        ((MODEL, Part("x", "y" * (forms.MAX_FIELD_BYTES + 1))), "invalid_form", None),
    ],
    ids=range(13),
)
@pytest.mark.gen_test
async def test_a_field_that_is_wrong(post, parts, code, param):
    status, error = await post(form(*parts))
    assert (status, error["code"], error["param"]) == (400, code, param)


@pytest.mark.gen_test
async def test_a_model_that_there_is_not(post):
    status, error = await post(form(file(LARGE), Part("model", "nothing")))
    assert (status, error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.gen_test
async def test_a_file_over_the_limit(post, chunked):
    status, error = await post(form(MODEL, file(b"x" * LIMIT)), chunked=chunked)
    assert (status, error["code"]) == (413, "request_too_large")
    assert f"limit of {LIMIT} bytes" in error["message"]


@pytest.mark.gen_test
async def test_a_small_form_that_inflates_over_the_limit(post):
    sent = gzip.compress(form(MODEL, file(b"x" * LIMIT)))
    assert len(sent) < SMALL_BODY
    assert (await post(sent, FORM, "Content-Encoding: gzip"))[0] == 413


@pytest.mark.gen_test
async def test_nothing_of_a_stranger_is_read(post):
    for body in (GOOD, form(MODEL, file(LARGE))):
        status, error = await post(body, given="sk-tr-unknown")
        assert (status, error["code"]) == (401, "invalid_api_key")


@pytest.mark.gen_test
async def test_there_is_room_for_so_many_on_disk(clients, app, key, post, nothing_left):
    head = (f"Content-Length: {LIMIT}", f"Authorization: Bearer {key}")
    first = await clients().begin(*head, path=PATH, kind=FORM)
    await eventually(lambda: app.services.disk.held == LIMIT - SMALL_BODY)
    second = await clients().begin(*head, "Expect: 100-continue", path=PATH, kind=FORM)
    assert await second.response() == (503, "overloaded")
    first.leave()
    await nothing_left()
    assert (await post(form(MODEL, file(LARGE))))[0] == 200


@pytest.mark.gen_test
async def test_a_disk_that_is_full(post, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    status, error = await post(form(MODEL, file(LARGE)))
    assert (status, error["code"]) == (503, "overloaded")
    assert (await post(GOOD))[0] == 200


@pytest.mark.gen_test
async def test_fields_count_as_memory(post, app):
    app.services.memory.limit = 100_000
    status, error = await post(form(MODEL, Part("x", "y" * 200_000), file()))
    assert (status, error["code"]) == (503, "overloaded")


@pytest.mark.gen_test
async def test_a_client_that_leaves_in_the_middle(clients, app, key, nothing_left):
    head = (f"Content-Length: {LIMIT}", f"Authorization: Bearer {key}")
    before = descriptors()
    client = await clients().begin(*head, path=PATH, kind=FORM)
    await client.send(form(MODEL, file(LARGE))[:-100])
    await eventually(lambda: descriptors() == before + 1)
    assert app.services.memory.held == len("echo")
    client.leave()
    await nothing_left()


class TestWhileItIsServed:
    @pytest.fixture
    def app_files(self, app_files):
        return {"router.toml": app_files["router.toml"] + "delay_ms = 600_000\n"}

    async def begin(self, clients, app, key):
        body = form(MODEL, file(LARGE), Part("stream", "true"))
        head = (f"Content-Length: {len(body)}", f"Authorization: Bearer {key}")
        client = await clients().begin(*head, path=PATH, kind=FORM)
        await client.send(body)
        await eventually(lambda: app.services.bounds.calls)
        assert app.services.disk.held > MEMORY_BYTES
        return client

    @pytest.mark.gen_test
    async def test_a_client_leaves(self, clients, app, key, nothing_left):
        client = await self.begin(clients, app, key)
        client.leave()
        await nothing_left()

    @pytest.mark.gen_test
    async def test_the_router_stops(self, clients, app, key, nothing_left):
        client = await self.begin(clients, app, key)
        app.services.requests.cutting_off = True
        app.services.requests.cut_off()
        assert await client.response() == (503, "stopped")
        await nothing_left()


def test_the_limit_without_one_is_that_of_the_endpoint():
    assert AUDIO_TRANSCRIPTIONS.form_bytes == 32 * 2**20
