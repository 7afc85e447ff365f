"""Bytes both ways between clients and a vendor that keeps files, by either front."""

import pytest

from tornado_router.http.fronts import FRONTS

from ....file_vendor import KEY
from ....passing import BOUNDARY, form

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
