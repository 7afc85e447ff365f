"""Bytes both ways between clients and a vendor that keeps files, by either front."""

import asyncio
import gzip
import socket
from dataclasses import replace

import pytest

from tornado_router.http.fronts import FRONTS

from ....file_vendor import KEY
from ....passing import BOUNDARY, connected, form, upload_head
from ....support import DEADLINE

pytestmark = pytest.mark.gen_test


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


async def test_a_file_is_uploaded_shown_read_and_deleted(ann, file_vendor):
    code, made = await ann.upload(b"the text")
    assert (code, made["object"]) == (200, "file")
    file = made["id"]
    assert (await ann.ask("GET", f"/v1/files/{file}"))[1] == made
    response = await ann.ask("GET", f"/v1/files/{file}/content", raw=True)
    assert (response.code, response.body) == (200, b"the text")
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Length"] == "8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="f"'
    assert not {"Set-Cookie", "X-Vendor-Account"} & set(response.headers)
    assert (await ann.ask("DELETE", f"/v1/files/{file}"))[0] == 200
    code, body = await ann.ask("GET", f"/v1/files/{file}")
    assert (code, body["error"]["message"]) == (404, f"No such File object: {file}")
    assert not file_vendor.kept["files"]


async def test_the_vendor_gets_the_very_bytes_and_the_operators_key(ann, file_vendor):
    headers = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "OpenAI-Beta": "assistants=v2",
        "OpenAI-Organization": "org-mine",
        "Idempotency-Key": "one",
        "Cookie": "a=b",
        "X-Forwarded-For": "1.2.3.4",
    }
    body = form(b"\x00\xff" * 100)
    code, _ = await ann.ask("POST", "/v1/files", body, headers)
    assert code == 200
    (seen,) = file_vendor.seen
    assert seen["body"] == body
    sent = {name.lower(): value for name, value in seen["headers"].items()}
    assert sent["authorization"] == f"Bearer {KEY}"
    assert sent["openai-beta"] == "assistants=v2"
    assert sent["content-length"] == str(len(body))
    assert not {"idempotency-key", "cookie", "openai-organization", "x-forwarded-for"} & set(sent)


async def until(ask):
    async with asyncio.timeout(DEADLINE):
        while not ask():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)


async def rows_of(place, count):
    query = "SELECT * FROM usage_logs ORDER BY id"
    await until(lambda: len(place.rows(query)) >= count)
    return place.rows(query)


async def test_an_upload_reaches_the_vendor_while_it_comes_in(ann, http_port, file_vendor, place):
    body = form(b"x" * 4_000_000)
    reader, writer = await connected(http_port)
    writer.write(upload_head(ann, len(body)) + body[:2_000_000])
    await until(lambda: file_vendor.taken > 1_000_000)
    writer.write(body[2_000_000:])
    status = await reader.readline()
    assert b" 200 " in status
    assert file_vendor.taken == len(body)
    assert (await rows_of(place, 1))[0]["status"] == 200
    writer.close()


async def test_an_upload_in_chunks_goes_on(ann, http_port, file_vendor):
    body = form(b"y" * 300_000)
    reader, writer = await connected(http_port)
    writer.write(upload_head(ann, None))
    for start in range(0, len(body), 50_000):
        piece = body[start : start + 50_000]
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    assert b" 200 " in await reader.readline()
    assert file_vendor.taken == len(body)
    writer.close()


async def test_a_client_that_leaves_its_upload_leaves_nothing(ann, http_port, file_vendor, place):
    body = form(b"x" * 4_000_000)
    _, writer = await connected(http_port)
    writer.write(upload_head(ann, len(body)) + body[:1_000_000])
    await until(lambda: file_vendor.taken)
    writer.transport.abort()
    await until(lambda: file_vendor.broken)
    assert (await rows_of(place, 1))[0]["status"] == 499
    assert not file_vendor.kept


async def test_a_client_that_leaves_its_download_ends_the_vendors(
    app, ann, http_port, file_vendor, place
):
    _, made = await ann.upload()
    file_vendor.content[made["id"]] = b"z" * 30_000_000
    reader, writer = await connected(http_port)
    writer.write(upload_head(ann, 0, f"/v1/files/{made['id']}/content", "GET"))
    await reader.readexactly(100_000)
    writer.transport.abort()
    assert (await rows_of(place, 2))[1]["status"] == 499
    await until(lambda: not app.services.bounds.calls)


async def test_a_download_is_read_no_faster_than_it_is_taken(app, ann, http_port, file_vendor):
    _, made = await ann.upload()
    file_vendor.content[made["id"]] = b"z" * 30_000_000
    file_vendor.sent = 0
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.connect(("127.0.0.1", http_port))
    sock.sendall(upload_head(ann, 0, f"/v1/files/{made['id']}/content", "GET"))
    await until(lambda: file_vendor.sent)
    before = -1
    while before != file_vendor.sent:
        before = file_vendor.sent
        await asyncio.sleep(0.2)
    assert before < 20_000_000
    sock.setblocking(False)
    got = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE):
        while len(got) < 30_000_000:
            got += await loop.sock_recv(sock, 2**20)
    assert got.endswith(b"z" * 1000)
    sock.close()


@pytest.mark.parametrize("is_known", [True, False])
async def test_an_upload_that_is_too_large_is_refused(
    app, ann, http_port, file_vendor, is_known, monkeypatch
):
    serving = app.services.serving
    small = replace(serving.config.server, max_upload_bytes=100_000)
    app.services.serving = replace(serving, config=replace(serving.config, server=small))
    body = form(b"x" * 200_000)
    reader, writer = await connected(http_port)
    writer.write(upload_head(ann, len(body) if is_known else None))
    writer.write(body if is_known else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert b" 413 " in await reader.readline()
    assert b"request_too_large" in await reader.readuntil(b"}}")
    assert not file_vendor.kept
    writer.close()


async def test_json_that_is_too_large_is_refused(ann, file_vendor):
    body = b'{"a": "' + b"x" * (10 * 2**20) + b'"}'
    code, answer = await ann.ask("POST", "/v1/vector_stores", body)
    assert (code, answer["error"]["code"]) == (413, "request_too_large")
    assert not file_vendor.seen


async def test_compressed_json_is_read(ann, file_vendor):
    body = gzip.compress(b'{"name": "x"}')
    code, made = await ann.ask("POST", "/v1/vector_stores", body, {"Content-Encoding": "gzip"})
    assert (code, made["name"]) == (200, "x")
    code, _ = await ann.ask(
        "POST",
        "/v1/files",
        gzip.compress(form()),
        {
            "Content-Encoding": "gzip",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        },
    )
    assert code == 415


async def test_a_client_that_sends_nothing_is_not_waited_for(app, ann, http_port, place):
    serving = app.services.serving
    quick = replace(serving.config.server, body_seconds=0.05)
    app.services.serving = replace(serving, config=replace(serving.config, server=quick))
    reader, writer = await connected(http_port)
    writer.write(upload_head(ann, 1000) + b"--")
    assert await reader.read() == b""
    writer.close()


class TestByAiohttp:
    @pytest.fixture
    def app_files(self, app_files):
        text = app_files["router.toml"]
        return {"router.toml": text.replace("models =", 'http_client = "aiohttp"\nmodels =')}

    async def test_files_go_both_ways(self, ann, file_vendor):
        code, made = await ann.upload(b"z" * 500_000)
        assert code == 200
        file_vendor.content[made["id"]] = b"z" * 5_000_000
        response = await ann.ask("GET", f"/v1/files/{made['id']}/content", raw=True)
        assert response.body == b"z" * 5_000_000

    async def test_an_upload_in_chunks_goes_on(self, ann, http_port, file_vendor):
        await test_an_upload_in_chunks_goes_on(ann, http_port, file_vendor)

    async def test_a_form_that_is_refused_on_its_way_makes_nothing(self, ann, bob, file_vendor):
        _, made = await ann.upload()
        fields = [("purpose", "x"), ("file_id", made["id"])]
        kept = len(file_vendor.kept["files"])
        code, answer = await bob.upload(b"x" * 300_000, fields=fields)
        assert (code, answer["error"]["code"]) == (404, "resource_not_found")
        assert len(file_vendor.kept["files"]) == kept
