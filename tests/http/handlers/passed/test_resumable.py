"""Uploads in several requests, by Google's SDK and by hand: their owners, and their addresses."""

import asyncio
import io
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from google import genai

from ....file_vendor import KEY, FileVendor, failure
from ....support import DEADLINE

pytestmark = pytest.mark.gen_test(timeout=DEADLINE)

START = {"X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start"}
LARGEST = 9 * 1024 * 1024
PATH = "/google/upload/v1beta/files"


class GoogleVendor(FileVendor):
    """A vendor of files by the Gemini API: whoever has the id of an upload may go on with it."""

    async def serve(self, request):
        body, query, headers = await request.read(), request.query, request.headers
        self.seen.append({"query": dict(query), "headers": dict(headers), "body": body})
        if "upload_id" not in query and headers.get("x-goog-api-key") != KEY:
            return failure(401, "no key")
        if request.path.startswith("/v1beta/files/"):
            name = request.path.removeprefix("/v1beta/")
            return web.json_response({"name": name, "state": "ACTIVE"})
        if "upload_id" not in query:
            self.begun = bytearray()
            url = (
                f"{self.origin}{request.path}?key={KEY}&upload_id=AHMx-1&upload_protocol=resumable"
            )
            control = {"X-Goog-Upload-URL": url, "X-Goog-Upload-Control-URL": url}
            return web.Response(headers={**control, "X-Goog-Upload-Status": "active"})
        assert query["upload_id"] == "AHMx-1"
        command = headers["X-Goog-Upload-Command"]
        if "upload" in command:
            assert int(headers["X-Goog-Upload-Offset"]) == len(self.begun)
            self.begun += body
        done = {"X-Goog-Upload-Size-Received": str(len(self.begun))}
        if "finalize" not in command:
            return web.Response(headers={**done, "X-Goog-Upload-Status": "active"})
        file = {"name": "files/abc123", "uri": f"{self.url}/files/abc123", "state": "ACTIVE"}
        return web.json_response({"file": file}, headers={"X-Goog-Upload-Status": "final"})


@pytest.fixture(scope="module")
def google():
    with GoogleVendor() as vendor:
        yield vendor


@pytest.fixture
def app_files(google):
    google.forget()
    return {
        "router.toml": f"""
        [server]
        max_upload_bytes = {LARGEST}
        [passthrough]
        vendors = ["google"]
        [providers.google]
        type = "google"
        api_key = "{KEY}"
        base_url = "{google.origin}/v1beta"
        """
    }


async def begun(person):
    """The address of an upload that a person has begun."""
    response = await person.ask("POST", PATH, {"file": {"display_name": "a"}}, START, raw=True)
    assert response.code == 200, response.body
    return response.headers["X-Goog-Upload-URL"]


async def go_on(http_client, url, command, offset, body=b""):
    """One more request of an upload, without a key."""
    headers = {"X-Goog-Upload-Command": command, "X-Goog-Upload-Offset": str(offset)}
    return await http_client.fetch(
        url, method="POST", headers=headers, body=body, raise_error=False
    )


async def test_googles_sdk_uploads_a_file(ann, bob, base_url, google):
    content = b"x" * LARGEST  # in two requests
    options = {"base_url": f"{base_url}/google"}

    def upload():
        with genai.Client(api_key=ann.key, http_options=options) as client:
            return client.files.upload(file=io.BytesIO(content), config={"mime_type": "text/plain"})

    file = await asyncio.to_thread(upload)
    assert (file.name, bytes(google.begun)) == ("files/abc123", content)
    assert (await ann.ask("GET", "/google/v1beta/files/abc123"))[0] == 200
    assert (await bob.ask("GET", "/google/v1beta/files/abc123"))[0] == 404
    commands = [it["headers"]["x-goog-upload-command"] for it in google.seen[:3]]
    assert commands == ["start", "upload", "upload, finalize"]
    assert not any(ann.key in str(it) for it in google.seen)


async def test_its_address_is_the_routers_and_needs_no_key(ann, bob, base_url, http_client, google):
    url = await begun(ann)
    assert url.startswith(f"{base_url}{PATH}?")
    assert KEY not in url
    first = await go_on(http_client, url, "upload", 0, b"{not JSON")
    assert first.headers["X-Goog-Upload-Status"] == "active"
    asked = await go_on(http_client, url, "query", 0)
    assert asked.headers["X-Goog-Upload-Size-Received"] == "9"
    last = await go_on(http_client, url, "upload, finalize", 9, b"}")
    assert (last.code, last.headers["X-Goog-Upload-Status"]) == (200, "final")
    assert bytes(google.begun) == b"{not JSON}"
    assert google.seen[-1]["query"] == {"upload_id": "AHMx-1", "upload_protocol": "resumable"}
    assert (await ann.ask("GET", "/google/v1beta/files/abc123"))[0] == 200
    assert (await bob.ask("GET", "/google/v1beta/files/abc123"))[0] == 404


async def test_no_other_address_is_good(ann, base_url, http_client, google):
    url = await begun(ann)
    token = parse_qs(urlsplit(url).query)["upload_id"][0]
    seen = len(google.seen)
    for path, upload_id in (
        (PATH, "AHMx-1"),
        (PATH, token[:-1] + ("A" if token[-1] != "A" else "B")),
        ("/google/upload/v1beta/fileSearchStores", token),
    ):
        other = f"{base_url}{path}?upload_id={upload_id}"
        response = await go_on(http_client, other, "upload, finalize", 0, b"x")
        assert response.code == 404, (path, upload_id)
        assert b"upload_id" in response.body
    headers = {"Authorization": f"Bearer {token}"}
    response = await http_client.fetch(
        f"{base_url}/v1/realtime?model=x", headers=headers, raise_error=False
    )
    assert response.code == 401
    assert len(google.seen) == seen


async def test_bytes_without_an_upload_need_a_key(base_url, http_client, google):
    response = await go_on(http_client, base_url + PATH, "upload, finalize", 0, b"x")
    assert response.code == 401
    assert google.seen == []


async def test_a_part_that_is_too_large_is_refused(ann, http_client, google):
    response = await go_on(http_client, await begun(ann), "upload", 0, bytes(LARGEST + 1))
    assert response.code == 413
    assert not google.begun
