"""Requests that are passed to a vendor as they are: files and all else that it keeps."""

import asyncio
import json

import pytest

from ....file_vendor import KEY
from ....passing import BOUNDARY, form

pytestmark = pytest.mark.gen_test


def without_id(body, name):
    """An error, but for the id that it names."""
    return json.loads(json.dumps(body).replace(name, "ID"))


async def test_what_is_anothers_is_not_there(ann, bob, file_vendor):
    _, made = await ann.upload(b"secret of ann")
    file, unknown = made["id"], "file-" + "0" * 24
    seen = len(file_vendor.seen)
    for method, path in (
        ("GET", "/v1/files/{}"),
        ("GET", "/v1/files/{}/content"),
        ("DELETE", "/v1/files/{}"),
        ("POST", "/v1/files/{}"),
        ("GET", "/v1/files?after={}"),
        ("GET", "/v1/vector_stores?x={}"),
    ):
        body = {} if method == "POST" else None
        code, answer = await bob.ask(method, path.format(file), body)
        assert (code, answer["error"]["code"]) == (404, "resource_not_found"), path
        other = await bob.ask(method, path.format(unknown), body)
        assert (code, without_id(answer, file)) == (other[0], without_id(other[1], unknown))
    assert len(file_vendor.seen) == seen, "the vendor was asked"
    assert (await ann.ask("GET", f"/v1/files/{file}"))[0] == 200


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/vector_stores", {"file_ids": ["FILE"]}),
        ("/v1/vector_stores", {"metadata": {"a": "FILE"}}),
        ("/v1/vector_stores", {"metadata": {"FILE": "a"}}),
        ("/v1/vector_stores", {"x": [[{"y": {"z": [1, " FILE\n"]}}]]}),
        ("/v1/vector_stores", {"url": "https://api.openai.com/v1/files/FILE/content"}),
        ("/v1/vector_stores", ["FILE"]),
        ("/v1/fine_tuning/jobs", {"model": "gpt-4o", "training_file": "FILE"}),
        ("/v1/threads", {"messages": [{"attachments": [{"file_id": "FILE"}]}]}),
        ("/v1/threads/runs", {"thread": {"tool_resources": {"x": {"file_ids": ["FILE"]}}}}),
        ("/v1/conversations", {"items": [{"content": [{"file_id": "FILE"}]}]}),
        ("/v1/videos", {"input_reference": {"file_id": "FILE"}}),
    ],
)
async def test_an_id_in_a_body_has_to_be_ones_own(ann, bob, file_vendor, path, body):
    _, made = await ann.upload()
    file, seen = made["id"], len(file_vendor.seen)
    for name in (file, "file-" + "A1" * 12):
        code, answer = await bob.ask(
            "POST", path, json.loads(json.dumps(body).replace("FILE", name))
        )
        assert (code, answer["error"]["code"]) == (404, "resource_not_found")
        assert answer["error"]["param"]
    assert len(file_vendor.seen) == seen
    code, _ = await ann.ask("POST", path, json.loads(json.dumps(body).replace("FILE", file)))
    assert code != 404


@pytest.mark.sqlite_suffices
async def test_a_field_that_holds_an_id_takes_no_unknown_one_of_any_form(bob, file_vendor):
    for body in ({"file_ids": ["x"]}, {"a": {"file_id": "assistant-1"}}, {"container": "c"}):
        assert (await bob.ask("POST", "/v1/vector_stores", body))[0] == 404
    assert not file_vendor.seen


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/../files/{}",
        "/v1/files/%2e%2e/files/{}",
        "/v1/files//{}",
        "/v1//files/{}",
        "//v1/files/{}",
        "/v1/files/x%2f..%2f{}",
        "/v1/files/%252e%252e/{}",
        "/v1/files/{}%00",
        "/v1/files/{}%0a",
        "/v1/files/{}%20",
        "/v1/files/\\{}",
        "/v1/files/{};x=y",
        "/v1/files/./{}",
        "/v1/./files/{}",
        "/v1/files/%66ile-{}",
        "/v1/Files/{}",
        "/v1/organization/{}",
        "/v1/files/organization/{}",
        "/claude/v1/organizations/{}",
        "/claude/../v1/files/{}",
        "/claude/v1/files/{}",
        "/claude/v1/messages/batches/{}/results",
        "/claude",
        "/claude/",
        "/openai/v1/files/{}",
    ],
)
async def test_no_path_leads_around(ann, bob, file_vendor, path):
    _, made = await ann.upload()
    seen = len(file_vendor.seen)
    for method in ("GET", "DELETE"):
        response = await bob.ask(method, path.format(made["id"]), raw=True)
        assert response.code == 404, response.body
        assert json.loads(response.body)["error"]["message"]
    assert len(file_vendor.seen) == seen


@pytest.mark.sqlite_suffices
async def test_an_encoded_id_is_the_same_id(ann, bob):
    _, made = await ann.upload()
    encoded = made["id"].replace("-", "%2D").replace("f", "%66", 1)
    assert (await ann.ask("GET", f"/v1/files/{encoded}"))[0] == 200
    assert (await bob.ask("GET", f"/v1/files/{encoded}"))[0] == 404


async def test_things_inside_of_ones_own_are_there_and_others_are_not(ann, bob, file_vendor):
    mine, theirs = await ann.make("/v1/threads"), await bob.make("/v1/threads")
    said = await ann.make(f"/v1/threads/{mine}/messages", {"role": "user", "content": "hello"})
    assert (await ann.ask("GET", f"/v1/threads/{mine}/messages/{said}"))[0] == 200
    _, page = await ann.ask("GET", f"/v1/threads/{mine}/messages")
    assert [item["id"] for item in page["data"]] == [said]
    seen = len(file_vendor.seen)
    assert (await bob.ask("GET", f"/v1/threads/{mine}/messages/{said}"))[0] == 404
    assert (await bob.ask("GET", f"/v1/threads/{theirs}/x/{mine}"))[0] == 404
    assert len(file_vendor.seen) == seen


async def test_a_vendor_that_gives_an_id_twice_shows_no_second_user_the_first_ones(
    app, ann, bob, file_vendor
):
    mine = await ann.make("/v1/vector_stores", {"name": "of ann"})
    file_vendor.next_id = mine
    code, body = await bob.ask("POST", "/v1/vector_stores", {"name": "of bob"})
    assert (code, body["error"]["code"]) == (502, "bad_provider_answer")
    assert (await bob.ask("GET", f"/v1/vector_stores/{mine}"))[0] == 404
    assert (await ann.ask("GET", f"/v1/vector_stores/{mine}"))[0] == 200


async def test_the_file_of_an_upload_is_its_makers(ann, bob):
    upload = await ann.make("/v1/uploads", {"filename": "a"})
    part = await ann.make(f"/v1/uploads/{upload}/parts", {})
    _, whole = await ann.ask("POST", f"/v1/uploads/{upload}/complete", {"part_ids": [part]})
    file = whole["file"]["id"]
    assert (await ann.ask("GET", f"/v1/files/{file}"))[0] == 200
    assert (await bob.ask("GET", f"/v1/files/{file}"))[0] == 404
    _, page = await ann.ask("GET", "/v1/files")
    assert [item["id"] for item in page["data"]] == [file]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_thread_that_is_made_with_its_run_is_its_makers(ann, bob, file_vendor, stream):
    response = await ann.ask("POST", "/v1/threads/runs", {"stream": stream}, raw=True)
    assert response.code == 200
    assert (b"thread.created" in response.body) is stream
    (thread,) = file_vendor.kept["threads"]
    assert (await ann.ask("GET", f"/v1/threads/{thread}"))[0] == 200
    assert (await bob.ask("GET", f"/v1/threads/{thread}"))[0] == 404


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("endpoints", "may"), [(None, True), (("files",), True), (("passthrough",), True), ((), False)]
)
async def test_a_key_needs_the_permission(ann, file_vendor, endpoints, may):
    key = ann.key_with(endpoints)
    code, body = await ann.ask("GET", "/v1/files", key=key)
    if may:
        assert code == 200
        return
    assert (code, body["error"]["code"]) == (403, "endpoint_not_permitted")
    assert body["error"]["message"] == "This API key may not use this endpoint (files)."
    code, body = await ann.ask("GET", "/claude/v1/files", key=key)
    assert body["error"]["message"] == "This API key may not use this endpoint (passthrough)."
    assert not file_vendor.seen


@pytest.mark.sqlite_suffices
async def test_a_permission_is_for_its_kind_alone(ann):
    key = ann.key_with(("files", "chat.completions"))
    assert (await ann.ask("POST", "/v1/vector_stores", {}, key=key))[0] == 403
    assert (await ann.ask("GET", "/claude/v1/files", key=key))[0] == 403


@pytest.mark.sqlite_suffices
async def test_without_a_key_nothing_is_looked_at(ann, file_vendor):
    for path in ("/v1/files", "/claude/v1/files"):
        code, body = await ann.ask("GET", path, headers={"Authorization": "Bearer nope"})
        assert (code, body["error"]["code"]) == (401, "invalid_api_key")
    assert not file_vendor.seen


@pytest.mark.sqlite_suffices
async def test_a_model_that_a_key_may_not_use_is_not_used_by_the_way(ann, file_vendor):
    key = ann.key_with(models=("gpt-4o",))
    made = await ann.ask("POST", "/v1/assistants", {"model": "gpt-4o"}, key=key)
    assert made[0] == 200
    for body in (
        {"model": "gpt-5"},
        {"data_source": {"model": "gpt-5"}},
        {"testing_criteria": [{"type": "x", "model": "gpt-5"}]},
    ):
        code, answer = await ann.ask("POST", "/v1/assistants", body, key=key)
        assert (code, answer["error"]["code"]) == (403, "model_not_permitted")
    code, answer = await ann.ask("POST", "/v1/assistants", {"model": "o1"})
    assert (code, answer["error"]["code"]) == (404, "model_not_found")
    assert len(file_vendor.seen) == 1


@pytest.mark.sqlite_suffices
async def test_the_vendors_name_of_a_model_goes_on(ann, file_vendor):
    await ann.make("/v1/assistants", {"model": "openai/gpt-4o", "name": "x"})
    assert json.loads(file_vendor.seen[-1]["body"]) == {"model": "gpt-4o", "name": "x"}


async def test_a_request_is_limited_and_recorded_as_any_call(app, place, ann):
    key = ann.key_with(rate_limit_rpm=2)
    response = await ann.ask("GET", "/v1/files", key=key, raw=True)
    assert response.headers["x-ratelimit-remaining-requests"] == "1"
    assert (await ann.ask("GET", "/v1/files/file-0", key=key))[0] == 404
    code, body = await ann.ask("GET", "/v1/files", key=key)
    assert (code, body["error"]["code"]) == (429, "rate_limit_exceeded")
    rows = []
    for _ in range(400):
        rows = place.rows("SELECT * FROM usage_logs ORDER BY id")
        if len(rows) == 3:
            break
        await asyncio.sleep(0.05)
    assert [row["status"] for row in rows] == [200, 404, 429]
    assert {row["endpoint"] for row in rows} == {"files"}
    assert [row["provider"] for row in rows] == ["openai", None, None]
    text = (await app.services.metrics.build_text()).decode()
    assert 'requests_total{endpoint="files",model="",provider="openai",status="200"} 1.0' in text


async def test_the_request_log_has_json_and_no_bytes_of_files(app, place, ann):
    _, made = await ann.upload(b"what is in the file")
    await ann.ask("GET", f"/v1/files/{made['id']}/content", raw=True)
    await ann.make("/v1/vector_stores", {"name": "store"})
    rows = []
    for _ in range(400):
        rows = place.rows("SELECT * FROM request_logs ORDER BY id")
        if len(rows) == 3:
            break
        await asyncio.sleep(0.05)
    assert "what is in the file" not in str(rows)
    assert made["id"] in rows[0]["response"]
    assert json.loads(rows[2]["request"]) == {"name": "store"}
    assert rows[1]["response_bytes"] == len(b"what is in the file")


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 302])
async def test_what_a_vendor_quotes_of_its_key_reaches_no_client(ann, status):
    response = await ann.ask("GET", f"/v1/files?leak={status}", raw=True)
    assert response.code >= 400
    assert KEY.encode() not in response.body
    assert KEY not in str(response.headers)
    response = await ann.ask("GET", "/v1/vector_stores?echo=1", raw=True)
    assert KEY.encode() not in response.body


@pytest.mark.sqlite_suffices
async def test_a_credential_in_the_query_goes_nowhere(ann, file_vendor):
    await ann.ask("GET", "/v1/files?key=mine&access_token=mine&api_key=mine&limit=3&x=y")
    assert file_vendor.seen[0]["query"] == {"limit": "100", "x": "y"}


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    "fields",
    [
        [("purpose", "user_data"), ("file_id", "FILE")],
        [("input_reference", '{"file_id": "FILE"}')],
        [("file_ids[]", "FILE")],
        [("x[0][file_id]", "FILE")],
        [("anything", "FILE")],
        [("FILE", "x")],
    ],
)
async def test_an_id_in_a_form_has_to_be_ones_own(ann, bob, file_vendor, fields):
    _, made = await ann.upload()
    file, container = made["id"], await bob.make("/v1/containers")
    path, kept = f"/v1/containers/{container}/files", str(file_vendor.kept)
    for name in (file, "file-" + "A1" * 12):
        named = [(it[0].replace("FILE", name), it[1].replace("FILE", name)) for it in fields]
        code, body = await bob.upload(b"x", path, named)
        assert (code, body["error"]["code"]) == (404, "resource_not_found")
    assert str(file_vendor.kept) == kept, "the vendor took half a form for a whole"


@pytest.mark.sqlite_suffices
async def test_a_form_that_can_be_read_in_two_ways_is_refused(ann, file_vendor):
    good = form()
    doubled = b'name="purpose"; name="file_id"'
    wrong = [
        b"junk\r\n" + good,
        good + b"--more",
        good.replace(b'name="purpose"', doubled),
        good.replace(b'name="purpose"', b"name=purpose"),
        good.replace(b"\r\nContent-Type", b"\r\nContent-Transfer-Encoding: base64\r\nContent-Type"),
        good.replace(b'name="file"', b'name="file_id"'),
        good[:-4],
    ]
    for body in wrong:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        code, answer = await ann.ask("POST", "/v1/files", body, headers)
        assert (code, answer["error"]["code"]) == (400, "invalid_form"), body
    for kind in (
        "multipart/form-data",
        f"multipart/form-data; boundary={BOUNDARY}; boundary=b",
        f"multipart/form-data; boundary=b; boundary={BOUNDARY}",
    ):
        code, answer = await ann.ask("POST", "/v1/files", good, {"Content-Type": kind})
        assert (code, answer["error"]["code"]) == (400, "invalid_form"), kind
    assert not file_vendor.kept


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "image/png"])
async def test_a_body_of_another_kind_is_refused(ann, file_vendor, kind):
    code, body = await ann.ask("POST", "/v1/files", b'{"file_id": "x"}', {"Content-Type": kind})
    assert (code, body["error"]["code"]) == (415, "unsupported_content_type")
    assert not file_vendor.kept


@pytest.mark.sqlite_suffices
async def test_json_that_two_parsers_read_differently_is_refused(ann, file_vendor):
    for body in (b'{"file_ids": [], "file_ids": ["x"]}', b'{"a": 1', b"\xff"):
        code, _ = await ann.ask("POST", "/v1/vector_stores", body)
        assert code == 400
    assert not file_vendor.seen


async def test_vendors_own_apis_are_passed_on_with_their_key(app, place, ann, file_vendor):
    headers = {"anthropic-version": "2024-01-01", "anthropic-beta": "files-api-2025-04-14"}
    key = ann.key_with(budget=1)
    ask = {"model": "claude-x", "max_tokens": 100, "messages": []}
    code, body = await ann.ask("POST", "/claude/v1/messages", ask, headers, key=key)
    assert (code, body["usage"]["output_tokens"]) == (200, 7)
    sent = {name.lower(): value for name, value in file_vendor.seen[0]["headers"].items()}
    assert sent["x-api-key"] == KEY
    assert "authorization" not in sent
    assert sent["anthropic-version"] == "2024-01-01"
    assert sent["anthropic-beta"] == "files-api-2025-04-14"
    rows = []
    for _ in range(400):
        rows = place.rows("SELECT * FROM usage_logs")
        if rows:
            break
        await asyncio.sleep(0.05)
    (row,) = rows
    assert (row["prompt_tokens"], row["completion_tokens"]) == (11, 7)
    assert row["cost"] == 18 * 10_000
    assert row["target_model"] == "claude-x"


async def test_who_pays_by_the_call_is_refused_what_has_no_price(ann, file_vendor):
    key = ann.key_with(budget=1)
    for path in ("/v1/videos", "/v1/threads", "/claude/v1/messages/batches"):
        code, body = await ann.ask("POST", path, {}, key=key)
        assert (code, body["error"]["code"]) == (403, "endpoint_not_priced")
    assert not file_vendor.seen
    assert (await ann.ask("POST", "/v1/vector_stores", {}, key=key))[0] == 200


@pytest.mark.sqlite_suffices
async def test_errors_of_anthropics_api_have_its_form(ann):
    headers = {"anthropic-version": "2023-06-01"}
    code, body = await ann.ask("GET", "/claude/v1/files/file_x", headers=headers)
    assert (code, body["error"]["type"]) == (404, "not_found_error")
