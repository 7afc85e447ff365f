"""Batches: their lines are checked, money is held, owners are noted, and each is paid for once."""

import json
from decimal import Decimal

import pytest

from tornado_router.accounts.actor import Actor
from tornado_router.calls.passed.batches.lines import LineSplitter
from tornado_router.errors import ApiError
from tornado_router.storage.tables import Batch, Resource, UsageLog, User
from tornado_router.storage.values import EPOCH

from ....batch_vendor import jsonl, line
from ....file_vendor import KEY
from ....passing import eventually, submit
from ....support import DEADLINE

pytestmark = pytest.mark.gen_test(timeout=DEADLINE)

COST = (1000 * 1000 + 500 * 2000) // 2
"""Of a line, in billionths of a dollar, in a batch."""


@pytest.fixture
def app_files(batch_vendor):
    return {
        "router.toml": f"""
        [passthrough]
        provider = "openai"
        vendors = ["openai"]
        batch_seconds = 0.1
        [providers.openai]
        type = "openai"
        api_key = "{KEY}"
        base_url = "{batch_vendor.url}"
        responses = true
        models = ["gpt-4o", "gpt-*"]
        [providers.other]
        type = "openai"
        api_key = "{KEY}"
        base_url = "{batch_vendor.url}"
        models = ["else"]
        [routes.fast]
        targets = ["openai/gpt-4o"]
        [plans.free]
        credits = 1
        [prices."openai/gpt-4o"]
        input = 1
        output = 2
        [prices."openai/gpt-half"]
        input = 1
        output = 2
        batch = 0.25
        """
    }


@pytest.fixture
def payer(app, ann):
    """Ann, who pays from one dollar of credits."""

    def pay():
        User.update(plan="free", credits=1).where(User.id == ann.id).execute()

    app.storage.call(pay)
    return ann


def rows(app):
    """The records of batches that were settled."""
    return app.storage.call(
        lambda: list(
            UsageLog.select().where(
                UsageLog.endpoint == "batches", UsageLog.provider.is_null(False)
            )
        )
    )


def settled(app):
    """The records, once those there are have cost something."""
    return [row for row in rows(app) if row.total_tokens or row.model]


def credits_of(app, user_id):
    return app.storage.call(lambda: User.get_by_id(user_id).credits)


async def test_a_batch_and_what_comes_of_it_are_its_makers(app, ann, bob, batch_vendor):
    code, batch = await submit(ann, line(1), line(2))
    assert code == 200, batch
    path = f"/v1/batches/{batch['id']}"
    assert batch_vendor.lines(batch["id"]) == [line(1), line(2)]
    for method, name in (("GET", path), ("POST", f"{path}/cancel")):
        body = {} if method == "POST" else None
        code, answer = await bob.ask(method, name, body)
        assert (code, answer["error"]["code"]) == (404, "resource_not_found")
    assert (await bob.ask("GET", "/v1/batches"))[1]["data"] == []
    batch_vendor.finish(batch["id"], failed=["task-2"])
    _, page = await ann.ask("GET", "/v1/batches")
    (shown,) = page["data"]
    for name in ("output_file_id", "error_file_id"):
        file = f"/v1/files/{shown[name]}"
        assert (await bob.ask("GET", f"{file}/content"))[0] == 404
        assert (await ann.ask("GET", f"{file}/content", raw=True)).code == 200
    (row,) = await eventually(lambda: settled(app))
    assert (row.model, row.target_model, row.prompt_tokens) == ("gpt-4o", "gpt-4o", 1000)
    assert (row.user_id, row.cost * 10**9) == (ann.id, COST)
    assert json.loads(row.prices)["batch"] == "0.5"


async def test_results_are_their_makers_before_anyone_has_looked(app, ann, bob, batch_vendor):
    _, batch = await submit(ann, line(1))
    batch_vendor.finish(batch["id"])
    await eventually(lambda: settled(app))
    file = batch_vendor.batches[batch["id"]]["output_file_id"]
    assert (await bob.ask("GET", f"/v1/files/{file}/content"))[0] == 404
    assert (await ann.ask("GET", f"/v1/files/{file}/content", raw=True)).code == 200


async def test_a_batch_is_cancelled_by_its_maker(ann, batch_vendor):
    _, batch = await submit(ann, line(1))
    code, answer = await ann.ask("POST", f"/v1/batches/{batch['id']}/cancel", {})
    assert (code, answer["status"]) == (200, "cancelling")


@pytest.mark.sqlite_suffices
async def test_a_model_has_the_vendors_name_in_the_file_that_the_vendor_gets(
    app, ann, batch_vendor
):
    odd = jsonl(line(2, "fast")).replace(b"500", b"5e2").rstrip()
    code, batch = await submit(ann, line(1, "fast"), odd)
    assert code == 200, batch
    kept = batch_vendor.batches[batch["id"]]
    assert kept["input_file_id"] != batch["input_file_id"]
    sent = batch_vendor.content[kept["input_file_id"]]
    assert [json.loads(text)["body"]["model"] for text in sent.splitlines()] == ["gpt-4o"] * 2
    assert b"5e2" in sent, "other bytes are as they came"
    _, again = await ann.ask("GET", f"/v1/batches/{batch['id']}")
    _, page = await ann.ask("GET", "/v1/batches")
    assert again["input_file_id"] == batch["input_file_id"]
    assert page["data"][0]["input_file_id"] == batch["input_file_id"]
    _, files = await ann.ask("GET", "/v1/files")
    assert [item["id"] for item in files["data"]] == [batch["input_file_id"]]
    batch_vendor.finish(batch["id"])
    (row,) = await eventually(lambda: settled(app))
    assert (row.model, row.target_model, row.total_tokens) == ("fast", "gpt-4o", 3000)
    await eventually(lambda: kept["input_file_id"] not in batch_vendor.kept["files"])
    assert batch["input_file_id"] in batch_vendor.kept["files"]


def body_of(**changes):
    return {**line(1)["body"], **changes}


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("bad", "status", "param"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b'{"custom_id": "a", "custom_id": "b"}', 400, None),
        (line(2, custom_id=""), 400, "custom_id"),
        (line(2, custom_id=7), 400, "custom_id"),
        (line(1), 400, "custom_id"),
        (line(2, method="GET"), 400, "method"),
        (line(2, url="/v1/embeddings"), 400, "url"),
        ({"custom_id": "x", "method": "POST", "url": "/v1/chat/completions"}, 400, "body"),
        (line(2, body=[]), 400, "body"),
        (line(2, body={"model": "gpt-4o"}), 400, "body.messages"),
        (line(2, body=body_of(temperature="warm")), 400, "body.temperature"),
        (line(2, body=body_of(stream=True)), 400, "body.stream"),
        (line(2, body=body_of(model="gpt-4o-mini")), 400, "body.model"),
        (line(2, body=body_of(model=None)), 400, "body.model"),
        (line(2, body=body_of(metadata={"a": "file-" + "A1" * 12})), 404, "body.metadata.a"),
    ],
)
async def test_a_bad_line_is_named(ann, batch_vendor, bad, status, param):
    code, answer = await submit(ann, line(1), b"", bad, line(3))
    error = answer["error"]
    assert (code, error["param"]) == (status, param), error
    assert error["message"].startswith("Line 3 of the input file: ")
    assert not batch_vendor.batches


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("model", "code"), [("nothing", "model_not_found"), ("else", "invalid_value")]
)
async def test_a_model_has_to_be_at_the_provider_that_keeps_the_file(
    ann, batch_vendor, model, code
):
    status, answer = await submit(ann, line(1, model))
    assert answer["error"]["code"] == code, answer
    assert answer["error"]["param"] == "body.model"
    assert status in (400, 404)
    assert not batch_vendor.batches


@pytest.mark.sqlite_suffices
async def test_a_line_that_names_what_is_anothers_is_refused(ann, bob, batch_vendor):
    _, theirs = await bob.upload()
    part = {"type": "file", "file": {"file_id": theirs["id"]}}
    bad = line(2, body=body_of(messages=[{"role": "user", "content": [part]}]))
    code, answer = await submit(ann, line(1), bad)
    assert (code, answer["error"]["code"]) == (404, "resource_not_found")
    assert answer["error"]["message"].startswith("Line 2 ")
    assert not batch_vendor.batches


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"endpoint": "/v1/audio/speech"}, "endpoint"),
        ({"endpoint": 7}, "endpoint"),
        ({"input_file_id": ""}, "input_file_id"),
        ({"input_file_id": ["x"]}, "input_file_id"),
    ],
)
async def test_a_batch_that_says_nothing_sound_is_refused(ann, batch_vendor, changes, param):
    code, answer = await submit(ann, line(1), **changes)
    assert code in (400, 404)
    assert answer["error"]["param"].startswith(param), answer
    assert not batch_vendor.batches


async def test_an_empty_file_and_anothers_are_refused(ann, bob, batch_vendor):
    code, answer = await submit(ann)
    assert (code, answer["error"]["code"]) == (400, "invalid_batch_file")
    _, theirs = await bob.upload(jsonl(line(1)))
    body = {"input_file_id": theirs["id"], "endpoint": "/v1/chat/completions"}
    assert (await ann.ask("POST", "/v1/batches", body))[0] == 404
    assert not batch_vendor.batches


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("endpoints", "models", "code"),
    [
        (("batches",), None, "endpoint_not_permitted"),
        (("chat.completions",), None, "endpoint_not_permitted"),
        (("batches", "chat.completions"), ("gpt-5",), "model_not_permitted"),
        (("batches", "chat.completions"), ("gpt-4o",), None),
    ],
)
async def test_a_key_needs_the_permission_for_batches_and_lines(
    ann, batch_vendor, endpoints, models, code
):
    key = ann.key_with(endpoints, models)
    status, answer = await submit(ann, line(1), key=key)
    assert status == (403 if code else 200), answer
    assert not code or answer["error"]["code"] == code
    assert bool(batch_vendor.batches) is not bool(code)


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("path", ["/openai/v1/batches", "/openai/batches", "/openai/v2/batches"])
async def test_no_path_leads_around_the_check_of_lines(ann, batch_vendor, path):
    key = ann.key_with(("passthrough", "chat.completions"), ("gpt-5",))
    status, answer = await submit(ann, line(1), key=key, path=path)
    assert (status, answer["error"]["code"]) == (403, "model_not_permitted")
    assert not batch_vendor.batches


class TestMoney:
    async def test_what_a_batch_may_cost_is_held_and_half_is_paid(self, app, payer, batch_vendor):
        code, batch = await submit(payer, *(line(number) for number in range(3)))
        assert code == 200, batch
        held = app.storage.call(lambda: Batch.get().held)
        assert 3 * 500 * 2000 // 2 <= held < 2 * 3 * COST
        batch_vendor.finish(batch["id"], failed=["task-0"])
        (row,) = await eventually(lambda: settled(app))
        assert (row.cost * 10**9, row.uncharged, row.from_credits) == (2 * COST, 0, True)
        assert (1 - credits_of(app, payer.id)) * 10**9 == 2 * COST
        await eventually(lambda: not app.storage.call(lambda: Batch.get().held))

    async def test_a_model_may_have_another_share(self, app, payer, batch_vendor):
        _, batch = await submit(payer, line(1, "openai/gpt-half"))
        batch_vendor.finish(batch["id"])
        (row,) = await eventually(lambda: settled(app))
        assert row.cost * 10**9 == COST // 2

    async def test_what_batches_hold_nothing_else_spends(self, app, payer, batch_vendor):
        """A dollar covers two lines of 400,000 tokens at half of 0.8 dollars each, and no third."""
        long = body_of(max_tokens=400_000)
        for number in range(2):
            code, answer = await submit(payer, line(number, body=long))
            assert code == 200, answer
        code, answer = await submit(payer, line(3, body=long))
        assert (code, answer["error"]["code"]) == (429, "insufficient_quota")
        assert len(batch_vendor.batches) == 2
        call = body_of(max_tokens=200_000)
        code, answer = await payer.ask("POST", "/v1/chat/completions", call)
        assert (code, answer["error"]["code"]) == (429, "insufficient_quota")
        for batch in list(batch_vendor.batches):
            batch_vendor.finish(batch)
        await eventually(lambda: len(settled(app)) == 2)
        await eventually(
            lambda: not app.storage.call(lambda: sum(row.held for row in Batch.select()))
        )
        code, answer = await submit(payer, line(3, body=long))
        assert code == 200, answer

    async def test_a_budget_is_held_too(self, ann, batch_vendor):
        key = ann.key_with(budget=0.5, budget_period="total")
        long = line(1, body=body_of(max_tokens=400_000))
        assert (await submit(ann, long, key=key))[0] == 200
        assert (await submit(ann, long, key=key))[0] == 429
        assert len(batch_vendor.batches) == 1

    async def test_a_refusal_of_the_vendor_frees_what_was_held(self, app, payer, batch_vendor):
        _, file = await payer.upload(jsonl(line(1)))
        original, batch_vendor.batch = batch_vendor.batch, lambda body: refusal()
        try:
            body = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions"}
            code, _ = await payer.ask("POST", "/v1/batches", body)
        finally:
            batch_vendor.batch = original
        assert code == 400
        assert not app.storage.call(lambda: Batch.select().count())

    async def test_a_model_without_a_price_is_refused(self, payer, batch_vendor):
        code, answer = await submit(payer, line(1, "openai/gpt-secret"))
        assert (code, answer["error"]["code"]) == (403, "model_not_priced")
        assert not batch_vendor.batches


def refusal():
    from ....file_vendor import failure

    return failure(400, "The window is wrong.")


class TestOnce:
    async def test_a_router_that_died_before_it_noted_the_end_books_nothing_twice(
        self, app, payer, batch_vendor
    ):
        _, batch = await submit(payer, line(1))
        batch_vendor.finish(batch["id"])
        await eventually(lambda: settled(app))
        await eventually(lambda: app.storage.call(lambda: Batch.get().settled_at))

        def forget():
            Batch.update(settled_at=None, held=COST, due_at=EPOCH).execute()

        app.storage.call(forget)
        await eventually(lambda: app.storage.call(lambda: Batch.get().settled_at))
        await eventually(lambda: not app.ledger.backlog)
        assert len(settled(app)) == 1
        assert (1 - credits_of(app, payer.id)) * 10**9 == COST

    async def test_one_of_many_routers_takes_a_batch(self, app, ann, batch_vendor):
        from tornado_router.calls.passed.batches import rows

        await submit(ann, line(1))
        first, second = (app.storage.call(Batch.get) for _ in range(2))
        took = [app.storage.call(lambda row=row: rows.claim(row, 60)) for row in (first, second)]
        assert sum(took) <= 1

    async def test_a_batch_whose_making_broke_off_is_found_again(self, app, payer, batch_vendor):
        batch_vendor.breaks = 500
        code, _ = await submit(payer, line(1))
        assert code >= 500
        (name,) = batch_vendor.batches
        assert (await payer.ask("GET", "/v1/batches"))[1]["data"] == []
        app.storage.call(lambda: Batch.update(due_at=EPOCH).execute())
        batch_vendor.finish(name)
        (row,) = await eventually(lambda: settled(app))
        assert row.cost * 10**9 == COST
        assert [item["id"] for item in (await payer.ask("GET", "/v1/batches"))[1]["data"]] == [name]

    async def test_one_that_was_never_made_holds_nothing(self, app, payer, batch_vendor):
        batch_vendor.breaks = 500
        await submit(payer, line(1))
        batch_vendor.batches.clear()
        app.storage.call(lambda: Batch.update(due_at=EPOCH).execute())
        await eventually(lambda: not app.storage.call(lambda: Batch.select().count()))

    async def test_results_that_are_still_to_be_written_are_waited_for(
        self, app, ann, batch_vendor
    ):
        _, batch = await submit(ann, line(1))
        kept = batch_vendor.batches[batch["id"]]
        kept.update(status="cancelled", request_counts={"completed": 1})
        looks = len(batch_vendor.seen)
        await eventually(lambda: len(batch_vendor.seen) > looks + 2)
        assert not settled(app)
        batch_vendor.finish(batch["id"], "cancelled")
        (row,) = await eventually(lambda: settled(app))
        assert (row.error_code, row.total_tokens) == ("batch_cancelled", 1500)


async def test_ids_of_a_user_who_is_deleted_stay_a_secret(app, ann, batch_vendor):
    _, batch = await submit(ann, line(1))
    app.storage.call(lambda: Resource.delete().where(Resource.user_id == ann.id).execute())
    batch_vendor.finish(batch["id"])
    (row,) = await eventually(lambda: settled(app))
    assert row.total_tokens == 1500


def test_lines_are_split_whatever_the_pieces():
    data = b'{"a": 1}\r\n\n  {"b": 2}\n{"c": 3}'
    for size in range(1, len(data) + 1):
        splitter = LineSplitter()
        found = [
            item
            for start in range(0, len(data), size)
            for item in splitter.feed(data[start : start + size])
        ]
        found += splitter.rest()
        assert found == [(1, b'{"a": 1}'), (3, b'{"b": 2}'), (4, b'{"c": 3}')]


async def test_credits_that_a_batch_holds_cannot_be_taken_away(app, payer, batch_vendor):
    code, _ = await submit(payer, *[line(n, body=body_of(max_tokens=200_000)) for n in range(4)])
    assert code == 200
    change = app.services.serving.accounts.change_credits
    actor = Actor("root@example.com")
    with pytest.raises(ApiError) as refused:
        await change(actor, payer.id, Decimal("-0.9"), "adjust", "a test")
    assert "held by batches" in refused.value.message
    await change(actor, payer.id, Decimal("-0.1"), "adjust", "a test")


async def test_a_batch_that_was_settled_long_ago_is_forgotten(app, ann, batch_vendor):
    _, batch = await submit(ann, line(1))
    batch_vendor.finish(batch["id"])
    await eventually(lambda: settled(app))

    def age():
        return Batch.update(settled_at=EPOCH).where(Batch.settled_at.is_null(False)).execute()

    await eventually(lambda: app.storage.call(age))
    await eventually(lambda: app.storage.call(lambda: not Batch.select().exists()))


@pytest.mark.sqlite_suffices
async def test_a_line_counts_in_memory_while_it_comes(app, ann, batch_vendor, monkeypatch):
    monkeypatch.setattr(app.services.memory, "limit", 500_000)
    big = line(1)
    big["body"]["messages"][0]["content"] = "x" * 900_000
    code, answer = await submit(ann, big)
    assert (code, answer["error"]["code"]) == (503, "overloaded")
    assert app.services.memory.held == 0
    monkeypatch.setattr(app.services.memory, "limit", 10_000_000)
    assert (await submit(ann, line(2), big))[0] == 200
    assert app.services.memory.held == 0
