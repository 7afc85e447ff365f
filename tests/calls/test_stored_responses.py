"""Responses that are kept: whose they are, how long, and the conversations that they form."""

import asyncio
import datetime

import orjson
import pytest

from tornado_router.background.supervisor import child_task
from tornado_router.calls import response_rows, stored_responses
from tornado_router.calls.kept_events import Events
from tornado_router.calls.stored_responses import StoredResponses, content_of
from tornado_router.config.options import ResponsesOptions
from tornado_router.endpoints import RESPONSES
from tornado_router.errors import ApiError
from tornado_router.provider import Call
from tornado_router.routing.routes import Target
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import BackgroundResponse, StoredResponse
from tornado_router.storage.values import now

TARGET = Target("claude", "opus")


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


def call(text, previous=None, **fields):
    body = {"model": "m", "input": text, "previous_response_id": previous, **fields}
    return Call("req_1", RESPONSES.name, "m", body, orjson.dumps(body), False)


def response(name, text):
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": f"msg_{name}", "type": "message", "role": "assistant", "content": [part]}
    return {"id": name, "object": "response", "output": [item]}


def run(storage, story, **options):
    return asyncio.run(story(StoredResponses(storage, ResponsesOptions(**options))))


def rows(storage):
    return storage.call(lambda: list(StoredResponse.select().order_by(StoredResponse.id)))


def said(call):
    """Who says what in the input of a call."""
    return [
        (item["role"], "".join(part["text"] for part in item["content"]))
        for item in call.body["input"]
    ]


def test_a_call_goes_on_from_all_turns_before_it(storage):
    async def story(stored):
        await stored.keep(call("Hi"), 1, TARGET, response("r1", "Hello."), False)
        await stored.keep(call("Who?", "r1"), 1, TARGET, response("r2", "Me."), False)
        return await stored.origin(call("Why?", "r2", instructions="Be brief."), 1)

    made, provider, _ = run(storage, story)
    assert said(made) == [
        ("user", "Hi"),
        ("assistant", "Hello."),
        ("user", "Who?"),
        ("assistant", "Me."),
        ("user", "Why?"),
    ]
    assert provider == ""
    assert "previous_response_id" not in made.body
    assert orjson.loads(made.raw) == made.body
    *before, _ = made.body["input"]
    assert not [item for item in before if "id" in item], "no vendor knows ids of others"


def test_what_a_vendor_keeps_is_gone_on_from_there(storage):
    async def story(stored):
        await stored.keep(call("Hi"), 1, TARGET, response("r1", "Hello."), True)
        return await stored.origin(call("Why?", "r1"), 1)

    made, provider, _ = run(storage, story)
    assert (provider, made.body["previous_response_id"]) == ("claude", "r1")


@pytest.mark.parametrize("user_id", [1, 2])
def test_it_is_of_its_user_alone(storage, user_id):
    async def story(stored):
        await stored.keep(call("Hi"), 1, TARGET, response("r1", "Hello."), False)
        found = await stored.find("r1", user_id)
        await stored.origin(call("Why?", "r1"), user_id)
        return content_of(found)["response"]["id"]

    if user_id == 1:
        assert run(storage, story) == "r1"
        return
    with pytest.raises(ApiError) as caught:
        run(storage, story)
    assert caught.value.status == 404


@pytest.mark.parametrize("previous", ["r1", "unknown", "", "\0", "x" * 200])
def test_what_is_not_there_is_refused_by_name(storage, previous):
    async def story(stored):
        await stored.keep(call("Hi"), 2, TARGET, response("r1", "Hello."), False)
        await stored.origin(call("Why?", previous), 1)

    with pytest.raises(ApiError) as caught:
        run(storage, story)
    error = caught.value
    assert (error.status, error.code) == (400, "previous_response_not_found")
    assert error.param == "previous_response_id"


def test_it_is_kept_for_a_time_after_its_last_use(storage):
    def hours_left():
        return [round((row.expires_at - now()).total_seconds() / 3600) for row in rows(storage)]

    async def story(stored):
        await stored.keep(call("Hi"), 1, TARGET, response("r1", "Hello."), False)
        expires_at = now() + datetime.timedelta(hours=1)
        storage.call(lambda: StoredResponse.update(expires_at=expires_at).execute())
        assert hours_left() == [1]
        await stored.origin(call("Why?", "r1"), 1)
        assert hours_left() == [10]
        storage.call(lambda: StoredResponse.update(expires_at=now()).execute())
        with pytest.raises(ApiError):
            await stored.find("r1", 1)
        await stored.keep(call("Hi"), 1, TARGET, response("r2", "Hello."), False)
        await stored._tidy()

    run(storage, story, keep_seconds=36_000.0)
    assert [row.response_id for row in rows(storage)] == ["r2"]


def test_of_too_many_the_oldest_go(storage):
    async def story(stored):
        for user_id, name in ((1, "a"), (2, "b"), (1, "c"), (1, "d")):
            await stored.keep(call("Hi"), user_id, TARGET, response(name, "x"), False)

    run(storage, story, max_per_user=2)
    assert [row.response_id for row in rows(storage)] == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("options", "name"), [({"keep_seconds": 0.0}, "r"), ({"max_bytes": 90}, "r"), ({}, None)]
)
def test_what_is_not_to_be_kept_is_not(storage, options, name):
    async def story(stored):
        await stored.keep(call("Hi" * 50), 1, TARGET, response(name, "x"), False)

    run(storage, story, **options)
    assert rows(storage) == []


def test_a_conversation_has_an_end(storage, monkeypatch):
    monkeypatch.setattr(response_rows, "MAX_TURNS", 3)

    async def story(stored):
        previous = None
        for name in ("a", "b", "c", "d"):
            await stored.keep(call("Hi", previous), 1, TARGET, response(name, "x"), False)
            previous = name
        assert len(said((await stored.origin(call("Why?", "c"), 1)).call)) == 7
        await stored.origin(call("Why?", "d"), 1)

    with pytest.raises(ApiError, match="more than 3"):
        run(storage, story)


def test_a_database_that_is_away_fails_no_call(storage, monkeypatch):
    async def story(stored):
        await stored.keep(call("Hi"), 1, TARGET, response("r1", "x"), False)

    def insert(*_, **__):
        raise stored_responses.DatabaseAwayError(503, "It is away.")

    monkeypatch.setattr(response_rows, "insert", insert)
    run(storage, story)
    assert rows(storage) == []


def test_an_odd_text_survives_the_database(storage):
    text = "half \ud800 and \x00 and 12345678901234567890123"

    async def story(stored):
        await stored.keep(call("Hi"), 1, TARGET, response("r1", text), False)
        return await stored.find("r1", 1)

    found = content_of(run(storage, story))
    assert found["response"]["output"][0]["content"][0]["text"] == text


@pytest.mark.parametrize("previous", ["\0", "x" * 200])
def test_what_is_made_later_goes_on_from_no_odd_id(storage, previous):
    async def story(stored):
        stored.prepare(call("Why?", previous), 1, response("r1", "x"))

    with pytest.raises(ApiError) as caught:
        run(storage, story)
    assert (caught.value.status, caught.value.code) == (400, "previous_response_not_found")


def test_what_is_too_large_to_be_made_later_is_refused(storage):
    async def story(stored):
        stored.prepare(call("Hi" * 50), 1, response("r1", "x"))

    with pytest.raises(ApiError) as caught:
        run(storage, story, max_bytes=90)
    assert (caught.value.status, caught.value.param) == (400, "background")


def test_no_call_goes_on_from_what_is_still_made(storage):
    async def story(stored):
        queued = {**response("r1", "x"), "status": "queued", "background": True}
        await stored.begin(stored.prepare(call("Hi"), 1, queued))
        await stored.origin(call("Why?", "r1"), 1)

    with pytest.raises(ApiError) as caught:
        run(storage, story)
    assert (caught.value.status, caught.value.code) == (400, "previous_response_unfinished")


def test_no_more_of_a_conversation_is_read_than_is_served(storage, monkeypatch):
    monkeypatch.setattr(response_rows, "MAX_BYTES", 10)
    read = []
    found = StoredResponse.get_or_none
    monkeypatch.setattr(
        StoredResponse, "get_or_none", lambda *query: read.append(query) or found(*query)
    )

    async def story(stored):
        previous = None
        for name in ("a", "b", "c"):
            await stored.keep(call("Hi", previous), 1, TARGET, response(name, "x"), False)
            previous = name
        await stored.origin(call("Why?", "c"), 1)

    with pytest.raises(ApiError, match="10 bytes"):
        run(storage, story)
    assert len(read) == 1


def test_a_database_that_hangs_holds_no_response_up_for_long(storage, monkeypatch):
    monkeypatch.setattr(stored_responses, "PATIENCE_SECONDS", 0.01)

    async def hang(_):
        await asyncio.Event().wait()

    monkeypatch.setattr(storage, "run", hang)

    async def story(stored):
        await stored.keep(call("Hi"), 1, TARGET, response("r1", "x"), False)

    run(storage, story)


def test_what_is_too_old_goes_even_if_none_is_kept_any_more(storage, monkeypatch):
    started = []
    monkeypatch.setattr(
        stored_responses, "start_task", lambda *work: started.append(child_task(*work))
    )

    monkeypatch.setattr(response_rows, "_OLD_ROWS", 2)  # in one transaction

    async def story(stored):
        for number in range(6):
            await stored.keep(call("Hi"), 1, TARGET, response(f"r{number}", "x"), False)
        old = StoredResponse.update(expires_at=now()).where(StoredResponse.response_id != "r2")
        storage.call(old.execute)
        none = StoredResponses(storage, ResponsesOptions(keep_seconds=0))
        none.tidy()
        assert not started, "it is not looked for all the time"
        monkeypatch.setattr(stored_responses, "TIDY_SECONDS", 0.0)
        none.tidy()
        await started[0]

    run(storage, story)
    assert [row.response_id for row in rows(storage)] == ["r2"]


def test_a_conversation_holds_no_more_values_than_a_request(storage, monkeypatch):
    monkeypatch.setattr(response_rows, "MAX_VALUES", 500)
    asked = [{"role": "user", "content": "", "x": [[]] * 200}]

    async def story(stored):
        previous = None
        for name in ("a", "b", "c"):
            await stored.keep(call(asked, previous), 1, TARGET, response(name, "x"), False)
            previous = name
        assert len((await stored.origin(call("Why?", "b"), 1)).call.body["input"]) == 5
        await stored.origin(call("Why?", "c"), 1)

    with pytest.raises(ApiError, match="500 values"):
        run(storage, story)


QUEUED = {**response("r1", "x"), "status": "queued", "background": True}


def test_ids_are_of_their_users(storage):
    """Two vendors, or one that repeats itself, may give two users one id."""

    async def story(stored):
        for user_id, provider in ((1, "a"), (2, "b")):
            target = Target(provider, "m")
            await stored.keep(call("Hi"), user_id, target, response("r1", provider), False)
            await stored.keep(call("Hi"), user_id, target, response("v1", provider), True)
        for user_id, provider in ((1, "a"), (2, "b")):
            assert said((await stored.origin(call("Why?", "r1"), user_id)).call)[1][1] == provider
            assert (await stored.origin(call("Why?", "v1"), user_id)).provider == provider

    run(storage, story)
    assert len(rows(storage)) == 4


def test_a_vendor_that_repeats_an_id_shows_nobody_the_others(storage):
    """What the vendor has under the id is the newest: the row of the user before leads to it."""

    async def story(stored):
        for user_id in (1, 2):
            await stored.keep(call("Hi"), user_id, TARGET, response("v1", "x"), True)
        assert (await stored.find("v1", 2)).provider == "claude"
        await stored.find("v1", 1)

    with pytest.raises(ApiError) as caught:
        run(storage, story)
    assert caught.value.status == 404


def test_of_too_much_the_oldest_go(storage):
    async def story(stored):
        for user_id, name, size in ((1, "a", 9), (2, "b", 9), (1, "c", 9), (1, "d", 3000)):
            await stored.keep(call("Hi"), user_id, TARGET, response(name, "x" * size), False)
        assert [row.response_id for row in rows(storage)] == ["b", "c", "d"]
        await stored.keep(call("Hi"), 1, TARGET, response("e", "x" * 9000), False)
        row = stored.prepare(call("Hi"), 2, {**QUEUED, "id": "f"})
        await stored.begin(row)
        await stored.finish(row, call("Hi"), response("f", "x" * 4000))

    run(storage, story, max_bytes_per_user=3700)
    assert [row.response_id for row in rows(storage)] == ["e", "f"]
    assert [row.size for row in rows(storage)] == [len(row.content) for row in rows(storage)]


def test_a_flag_ends_what_is_made(storage):
    async def story(stored):
        made = [stored.prepare(call("Hi"), 1, {**QUEUED, "id": name}) for name in ("a", "b", "c")]
        for row in made:
            await stored.begin(row)
        ids = [row.id for row in made]
        assert await stored.wanted(ids) == set(ids)
        await stored.cancel(made[0])
        await stored.delete(made[1])
        assert await stored.wanted(ids) == {ids[2]}
        await stored.finish(made[1], call("Hi"), response("b", "x"))
        await stored.finish(made[2], call("Hi"), response("c", "x"))
        assert await stored.wanted(ids) == set()

    run(storage, story)
    assert [row.response_id for row in rows(storage)] == ["a", "c"]


def test_what_a_crash_cut_off_has_failed(storage, monkeypatch):
    async def story(stored):
        lost, alive = (stored.prepare(call("Hi"), 1, {**QUEUED, "id": name}) for name in "ab")
        await stored.begin(lost)
        await stored.begin(alive)
        monkeypatch.setattr(response_rows, "DEAD_SECONDS", -1.0)
        update = BackgroundResponse.update(alive_at=now() + datetime.timedelta(seconds=60))
        storage.call(update.where(BackgroundResponse.stored_id == alive.id).execute)
        await stored._tidy()
        found = [content_of(row)["response"] for row in rows(storage)]
        assert [made["status"] for made in found] == ["failed", "queued"]
        assert found[0]["error"]["code"] == "server_error"
        assert await stored.wanted([lost.id, alive.id]) == {alive.id}

    run(storage, story)


def test_items_are_found_by_their_ids(storage):
    named = [{"type": "item_reference", "id": "msg_r1"}, {"id": "msg_r2"}]

    async def story(stored):
        await stored.keep(call("Hi"), 1, TARGET, response("r1", "Hello."), False)
        await stored.keep(call("Hi"), 1, TARGET, response("r2", "Hello."), True)
        await stored.keep(call("Hi"), 2, Target("p", "m"), response("r2", "Hello."), True)
        origin = await stored.origin(call(named), 1)
        with pytest.raises(ApiError):
            await stored.origin(call(named[:1]), 2)
        return origin

    made, provider, param = run(storage, story)
    assert said(Call("", "", "", {"input": made.body["input"][:1]}, b"", False)) == [
        ("assistant", "Hello.")
    ]
    assert made.body["input"][1:] == named[1:]
    assert (provider, param) == ("claude", "input[1].id")


def test_events_are_kept_until_their_response_goes(storage):
    async def story(stored):
        row = stored.prepare(call("Hi", stream=True), 1, {**response("r1", "x"), "output": []})
        await stored.begin(row)
        await stored.add_events({row.id: Events(0, 4, b"a"), row.id + 1: Events(0, 1, b"x")})
        await stored.add_events({row.id: Events(5, 7, b"b")})
        assert await stored.events(row, -1) == [Events(0, 4, b"a"), Events(5, 7, b"b")]
        assert await stored.events(row, 4) == [Events(5, 7, b"b")]
        await stored.delete(row)
        assert await stored.events(row, -1) == []

    run(storage, story)
