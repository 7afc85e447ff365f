"""Batches that the router runs itself: each line is a call, at any provider, and has one result."""

import asyncio
import json

import pytest

from tornado_router.accounts import users
from tornado_router.calls.passed.kept import batch_rows, file_rows, run
from tornado_router.storage.kept_tables import KeptBatch, KeptFile, KeptLine, KeptPart
from tornado_router.storage.tables import ApiKey, UsageLog

from ....batch_vendor import jsonl, line
from ....passing import BOUNDARY, connected, eventually, form, submit, upload_head
from ....support import DEADLINE, VENDOR_KEY

pytestmark = pytest.mark.gen_test(timeout=DEADLINE)

BATCH = (("purpose", "batch"),)


@pytest.fixture
def app_files(upstream):
    return {
        "router.toml": f"""
        [batches]
        by_router = true
        [providers.up]
        type = "openai"
        api_key = "{VENDOR_KEY}"
        base_url = "{upstream.url}/v1"
        [providers.echo]
        type = "echo"
        models = ["echo"]
        [plans.free]
        credits = 1
        [prices."up/*"]
        input = 1
        output = 2
        """
    }


async def ended(person, batch):
    """A batch, once it has ended."""

    async def ask():
        _, found = await person.ask("GET", f"/v1/batches/{batch['id']}")
        return found if found["status"] in ("completed", "cancelled", "expired") else None

    return await eventually(ask)


async def results(person, file):
    """The lines of a file of results, by their `custom_id`."""
    response = await person.ask("GET", f"/v1/files/{file}/content", raw=True)
    assert response.code == 200
    lines = [json.loads(text) for text in response.body.splitlines()]
    return {item["custom_id"]: item for item in lines}


def rows(app, table, *where):
    return app.storage.call(lambda: list(table.select().where(*where or [table.id > 0])))


def calls(app):
    """The records of lines."""
    return rows(app, UsageLog, UsageLog.endpoint == "chat.completions")


async def test_each_line_is_a_call_at_any_provider(app, ann):
    code, batch = await submit(ann, *[line(n, "echo") for n in range(5)], metadata={"a": "b"})
    assert (code, batch["status"], batch["metadata"]) == (200, "in_progress", {"a": "b"}), batch
    assert batch["request_counts"] == {"total": 5, "completed": 0, "failed": 0}
    done = await ended(ann, batch)
    assert (done["status"], done["error_file_id"]) == ("completed", None)
    assert done["request_counts"] == {"total": 5, "completed": 5, "failed": 0}
    found = await results(ann, done["output_file_id"])
    assert set(found) == {f"task-{n}" for n in range(5)}
    one = found["task-3"]
    assert (one["response"]["status_code"], one["error"]) == (200, None)
    assert one["response"]["body"]["object"] == "chat.completion"

    await eventually(lambda: len(calls(app)) == 5)
    by_id = {row.request_id: row for row in calls(app)}
    row = by_id[one["response"]["request_id"]]
    assert (row.user_id, row.model, row.status) == (ann.id, "echo", 200)
    assert row.total_tokens == one["response"]["body"]["usage"]["total_tokens"]
    assert rows(app, KeptLine) == []


async def test_files_are_kept_listed_and_deleted(app, ann):
    _, first = await ann.upload(jsonl(line(1)), fields=BATCH)
    _, second = await ann.upload(b"x" * 700_000 + "é".encode(), fields=BATCH)
    assert second["bytes"] == 700_002
    _, page = await ann.ask("GET", "/v1/files?limit=1")
    assert ([item["id"] for item in page["data"]], page["has_more"]) == ([second["id"]], True)
    _, page = await ann.ask("GET", f"/v1/files?limit=1&after={second['id']}")
    assert ([item["id"] for item in page["data"]], page["has_more"]) == ([first["id"]], False)
    path = f"/v1/files/{second['id']}"
    content = await ann.ask("GET", f"{path}/content", raw=True)
    assert content.body == b"x" * 700_000 + "é".encode()
    assert content.headers["Content-Length"] == "700002"
    assert (await ann.ask("DELETE", path))[1]["deleted"] is True
    assert (await ann.ask("GET", path))[0] == 404
    assert [item["id"] for item in (await ann.ask("GET", "/v1/files"))[1]["data"]] == [first["id"]]

    await eventually(lambda: len(rows(app, KeptPart)) == 1)


async def test_an_upload_that_is_left_takes_no_room(app, ann, http_port):
    body = form(b"x" * 4_000_000, BATCH)
    _, writer = await connected(http_port)
    writer.write(upload_head(ann, len(body)) + body[:3_000_000])
    await eventually(lambda: app.storage.call(file_rows.used))
    writer.transport.abort()
    await eventually(lambda: not rows(app, KeptFile))
    assert rows(app, KeptPart) == []


async def test_a_field_that_is_no_text_is_refused(ann):
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    body = form(b"x", BATCH).replace(b"\r\nbatch\r\n", b"\r\nb\xfftch\r\n")
    code, answer = await ann.ask("POST", "/v1/files", body, headers)
    assert (code, answer["error"]["code"]) == (400, "invalid_form"), answer


async def test_two_users_never_meet(app, ann, bob):
    _, batch = await submit(ann, line(1, "echo"))
    done = await ended(ann, batch)
    for path in (
        f"/v1/batches/{batch['id']}",
        f"/v1/files/{batch['input_file_id']}",
        f"/v1/files/{done['output_file_id']}",
        f"/v1/files/{done['output_file_id']}/content",
    ):
        code, answer = await bob.ask("GET", path)
        assert (code, answer["error"]["code"]) == (404, "resource_not_found"), path
    assert (await bob.ask("POST", f"/v1/batches/{batch['id']}/cancel", {}))[0] == 404
    assert (await bob.ask("DELETE", f"/v1/files/{done['output_file_id']}"))[0] == 404
    for path in ("/v1/files", "/v1/batches"):
        assert (await bob.ask("GET", path))[1]["data"] == []
        assert (await bob.ask("GET", f"{path}?after={batch['id']}"))[0] == 404
    body = {"input_file_id": batch["input_file_id"], "endpoint": "/v1/chat/completions"}
    code, answer = await bob.ask("POST", "/v1/batches", {**body, "completion_window": "24h"})
    assert (code, answer["error"]["param"]) == (404, "input_file_id")
    assert len((await ann.ask("GET", "/v1/batches"))[1]["data"]) == 1


async def test_a_bad_line_among_many_is_named_and_nothing_is_run(app, ann, upstream):
    lines = [line(n, "up/ok") for n in range(1, 1200)]
    lines[1100]["body"]["temperature"] = "hot"
    code, answer = await submit(ann, *lines)
    assert (code, answer["error"]["param"]) == (400, "body.temperature")
    assert answer["error"]["message"].startswith("Line 1101 of the input file: ")
    assert (await ann.ask("GET", "/v1/batches"))[1]["data"] == []

    await eventually(lambda: not rows(app, KeptBatch) and not rows(app, KeptLine))
    assert calls(app) == []


@pytest.mark.parametrize(
    ("content", "fields", "status", "param"),
    [
        (b"{}", (("purpose", "assistants"),), 400, "purpose"),
        (b"{}", (), 400, "purpose"),
        (b"\xff\n", BATCH, 400, "file"),
        (b"\0\n", BATCH, 400, "file"),
        (b"{}", (*BATCH, ("expires_after[seconds]", "soon")), 400, "expires_after[seconds]"),
    ],
)
async def test_what_is_no_file_for_a_batch_is_refused(app, ann, content, fields, status, param):
    code, answer = await ann.upload(content, fields=fields)
    assert (code, answer["error"]["param"]) == (status, param)
    assert (await ann.ask("GET", "/v1/files"))[1]["data"] == []


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"completion_window": "soon"}, "completion_window"),
        ({"completion_window": "99d"}, "completion_window"),
        ({"completion_window": None}, "completion_window"),
        ({"metadata": "x"}, "metadata"),
        ({"endpoint": "/v1/images/generations"}, "endpoint"),
    ],
)
async def test_what_is_no_batch_is_refused(ann, more, param):
    code, answer = await submit(ann, line(1, "echo"), **more)
    assert (code, answer["error"]["param"]) == (400, param)


async def test_lines_that_fail_are_in_the_file_of_errors(app, ann, monkeypatch):
    monkeypatch.setattr(run, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(run, "LONGEST_PAUSE", 0.01)
    _, batch = await submit(
        ann, line(1, "up/status:500"), line(2, "up/status:500"), endpoint="/v1/chat/completions"
    )
    done = await ended(ann, batch)
    assert (done["status"], done["output_file_id"]) == ("completed", None)
    assert done["request_counts"] == {"total": 2, "completed": 0, "failed": 2}
    found = await results(ann, done["error_file_id"])
    one = found["task-2"]["response"]
    assert one["status_code"] >= 500
    assert one["body"]["error"]["message"]


async def test_a_line_that_routers_die_of_is_an_error(app, ann):
    app.services.bounds.calls += 40  # so none of it runs here
    _, batch = await submit(ann, line(1, "echo"), line(2, "echo"))
    for number in range(run.MOST_TRIES):

        def die(runner=str(number)):
            (row,) = rows(app, KeptBatch)
            assert batch_rows.claim(row, runner, 0)
            return batch_rows.begin_line(row.id, runner)

        assert app.storage.call(die).number == 1
    app.services.bounds.calls -= 40
    done = await ended(ann, batch)
    assert done["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    error = (await results(ann, done["error_file_id"]))["task-1"]["response"]
    assert (error["status_code"], error["body"]["error"]["code"]) == (500, "internal_error")


async def test_a_fault_of_the_routers_own_is_of_its_line_alone(app, ann, monkeypatch):
    monkeypatch.setattr(run, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(run, "LONGEST_PAUSE", 0.01)
    call = run.ReadLine.call

    def odd(read, endpoint, call_id):
        made = call(read, endpoint, call_id)
        if made.body["max_tokens"] == 1:
            raise ZeroDivisionError
        return made

    monkeypatch.setattr(run.ReadLine, "call", odd)
    bad = line(1, "echo")
    bad["body"]["max_tokens"] = 1
    _, batch = await submit(ann, bad, line(2, "echo"))
    done = await ended(ann, batch)
    assert done["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    error = (await results(ann, done["error_file_id"]))["task-1"]["response"]
    assert error["body"]["error"]["code"] == "internal_error"


async def test_a_line_waits_for_the_limits_of_its_key(app, ann):
    key = ann.key_with(rate_limit_rpm=120, max_in_flight=1)
    for _ in range(117):
        await ann.ask("GET", "/v1/files", key=key)
    _, batch = await submit(ann, *[line(n, "echo") for n in range(8)], key=key)
    done = await ended(ann, batch)
    assert done["request_counts"] == {"total": 8, "completed": 8, "failed": 0}
    assert {row.status for row in calls(app)} <= {200}, "waiting leaves no record"


async def test_a_batch_is_cancelled(app, ann, monkeypatch):
    monkeypatch.setattr(run, "RENEW_SECONDS", 0.1)
    app.services.bounds.calls += 40  # clients keep the router busy
    _, batch = await submit(ann, line(1, "echo"), line(2, "echo"))
    code, answer = await ann.ask("POST", f"/v1/batches/{batch['id']}/cancel", {})
    assert (code, answer["status"]) == (200, "cancelling")
    done = await ended(ann, batch)
    app.services.bounds.calls -= 40
    assert done["request_counts"] == {"total": 2, "completed": 0, "failed": 2}
    found = await results(ann, done["error_file_id"])
    assert found["task-1"]["response"] is None
    assert found["task-1"]["error"]["code"] == "batch_cancelled"
    assert calls(app) == [], "no line began while clients waited"


async def test_a_batch_whose_time_is_over_has_expired(app, ann, monkeypatch):
    monkeypatch.setattr(run, "RENEW_SECONDS", 0.1)
    app.services.bounds.calls += 40
    _, batch = await submit(ann, line(1, "echo"), completion_window="1s")
    done = await ended(ann, batch)
    app.services.bounds.calls -= 40
    assert (done["status"], done["output_file_id"]) == ("expired", None)
    found = await results(ann, done["error_file_id"])
    assert found["task-1"]["error"]["code"] == "batch_expired"


async def test_a_key_that_is_revoked_ends_its_batches(app, ann, upstream):
    key = ann.key_with()
    app.services.bounds.calls += 40
    _, batch = await submit(ann, line(1, "up/ok"), key=key)
    key_id = rows(app, KeptBatch)[0].key_id
    app.storage.call(lambda: ApiKey.update(is_active=False).where(ApiKey.id == key_id).execute())
    await app.services.accounts.invalidation.publish(ann.id)
    app.services.bounds.calls -= 40
    assert (await ended(ann, batch))["status"] == "cancelled"
    assert upstream.exchanges() == []


async def test_room_is_bounded(app, ann, monkeypatch):
    options = app.services.serving.passed.batches.options
    monkeypatch.setitem(vars(options), "max_bytes_per_user", 1000)
    assert (await ann.upload(b"x" * 1001, fields=BATCH))[0] == 403
    code, _ = await ann.upload(b"x" * 1000, fields=BATCH)
    assert code == 200
    code, answer = await ann.upload(b"x", fields=BATCH)
    assert (code, answer["error"]["code"]) == (403, "storage_full")


async def test_room_is_bounded_for_those_who_come_together(app, ann, monkeypatch):
    options = app.services.serving.passed.batches.options
    monkeypatch.setitem(vars(options), "max_bytes_per_user", 9_000_000)
    came = await asyncio.gather(*(ann.upload(b"x" * 6_000_000, fields=BATCH) for _ in range(3)))
    assert sum(code == 200 for code, _ in came) <= 1, came


async def test_of_two_routers_one_has_the_result_of_each_line(app, ann):
    app.services.bounds.calls += 40
    _, batch = await submit(ann, line(1, "echo"))
    (row,) = rows(app, KeptBatch)

    def take(name):
        (found,) = rows(app, KeptBatch)
        assert batch_rows.claim(found, name, 60)
        return batch_rows.begin_line(row.id, name)

    first = app.storage.call(lambda: take("first"))
    second = app.storage.call(lambda: take("second"))
    assert first.id == second.id
    assert not app.storage.call(lambda: batch_rows.claim(row, "third", 60))
    end = batch_rows.end_line
    assert not app.storage.call(lambda: end(first, "{}\n", 3, 60, served=True))
    assert app.storage.call(lambda: end(second, "{}\n", 3, 60, served=True))
    assert not app.storage.call(lambda: end(second, "{}\n", 3, 60, served=True))
    app.storage.call(lambda: batch_rows.release(row.id, "second"))
    app.services.bounds.calls -= 40
    assert (await ended(ann, batch))["request_counts"]["completed"] == 1


async def test_what_a_deleted_user_had_is_deleted(app, ann):
    await ended(ann, (await submit(ann, line(1, "echo")))[1])
    app.storage.call(lambda: users.delete_user(ann.id))
    await eventually(lambda: not rows(app, KeptFile) and not rows(app, KeptPart))
    assert rows(app, KeptBatch) == []
