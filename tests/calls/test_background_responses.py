"""Responses in the background: how they end, and what is shown of one; see also e2e."""

import asyncio

import orjson
import pytest

from tornado_router.accounts.key_lookup import Key
from tornado_router.background.held_memory import HeldMemory, Hold, request_hold
from tornado_router.background.supervisor import child_task
from tornado_router.calls import background_responses
from tornado_router.calls.background_responses import (
    BackgroundResponses,
    is_unfinished,
    waited_for,
)
from tornado_router.calls.client import Envelope
from tornado_router.endpoints import RESPONSES
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.provider import Call
from tornado_router.storage.tables import StoredResponse


@pytest.mark.parametrize(
    ("made", "unfinished"),
    [
        ({"status": "queued", "background": True}, True),
        ({"status": "in_progress", "background": True}, True),
        ({"status": "completed", "background": True}, False),
        ({"status": "queued"}, False),
    ],
)
def test_what_is_unfinished(made, unfinished):
    assert is_unfinished(made) == unfinished


class Stand:
    """A gateway, with what it keeps: its calls, and what is noted of them, end when they may."""

    def __init__(self, fault=None, refusal=None):
        self.fault, self.refusal = fault, refusal
        self.begun, self.may_end, self.may_note = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.noting = asyncio.Event()
        self.noted = []
        self.rows = []
        self.not_wanted, self.alive, self.was_noted = set(), [], asyncio.Event()
        self.sent = None
        self.stored = self

    def prepare(self, call, user_id, response):
        return StoredResponse(response_id=response["id"], user_id=user_id)

    async def begin(self, row):
        self.rows.append(row)
        row.id = len(self.rows)

    async def finish(self, row, call, response, events=None):
        self.noting.set()
        await self.may_note.wait()
        self.noted.append(response["status"])
        self.response = response

    async def wanted(self, ids):
        return set(ids) - self.not_wanted

    async def note_alive(self, ids):
        self.alive.append(ids)
        self.was_noted.set()

    async def run(self, call, envelope, client):
        self.sent, self.hold = call, request_hold.get()
        if self.refusal:
            raise self.refusal
        await envelope.let_in()
        self.begun.set()
        await self.may_end.wait()
        if self.fault:
            raise self.fault
        await client.finish(b'{"status": "completed"}')


def asked(**fields):
    body = {"model": "m", "input": "Hi", "background": True, **fields}
    return Call("req_1", RESPONSES.name, "m", body, orjson.dumps(body), False)


def begin(background, stand, hold=None, user_id=1, most=10):
    envelope = Envelope(Key(2, user_id, "laptop"), "r", 0.0)
    hold = hold or Hold(HeldMemory(1000))
    return background.start(stand, asked(), envelope, hold, most)


async def start(stand, memory=None):
    background = BackgroundResponses()
    hold = Hold(memory or HeldMemory(1000))
    hold.grow(10)
    running = begin(background, stand, hold)
    assert (await running.let_in())["status"] == "queued"
    await stand.begun.wait()
    return background, running.row


def test_what_is_cancelled_twice_is_noted():
    async def story():
        stand = Stand()
        background, row = await start(stand)
        cancels = [child_task("cancel", background.cancel(row))]
        await stand.noting.wait()
        cancels.append(child_task("cancel", background.cancel(row)))
        await asyncio.sleep(0)
        stand.may_note.set()
        assert await asyncio.gather(*cancels) == [True, True]
        assert stand.noted == ["cancelled"]

    asyncio.run(story())


def test_what_is_cancelled_at_its_end_is_complete():
    async def story():
        stand = Stand()
        background, row = await start(stand)
        stand.may_end.set()
        await stand.noting.wait()
        cancel = child_task("cancel", background.cancel(row))
        await asyncio.sleep(0)
        stand.may_note.set()
        await cancel
        assert stand.noted == ["completed"]

    asyncio.run(story())


def test_a_fault_of_the_router_leaves_it_failed():
    async def story():
        stand = Stand(RuntimeError("a bug"))
        background, _ = await start(stand)
        stand.may_end.set()
        stand.may_note.set()
        await background.present_ended()
        assert stand.noted == ["failed"]

    asyncio.run(story())


def test_a_stop_does_not_wait_for_a_database_that_hangs(monkeypatch):
    monkeypatch.setattr(background_responses, "CLOSE_SECONDS", 0.01)

    async def story():
        stand = Stand()
        background, _ = await start(stand)
        await background.close()
        assert stand.noted == []

    asyncio.run(story())


def test_its_body_is_counted_until_the_call_is_over():
    async def story():
        memory, stand = HeldMemory(1000), Stand()
        background, _ = await start(stand, memory)
        assert memory.held == 10
        assert stand.hold is not None, "what its response holds is counted, too"
        stand.may_end.set()
        stand.may_note.set()
        await background.present_ended()
        assert memory.held == 0

    asyncio.run(story())


def test_no_vendor_is_asked_for_the_background():
    call = waited_for(asked(stream=True))
    assert orjson.loads(call.raw) == call.body == {"model": "m", "input": "Hi", "stream": True}


def test_what_is_refused_leaves_nothing():
    async def story():
        memory, stand = HeldMemory(1000), Stand(refusal=Refusal.ledger_full())
        hold = Hold(memory)
        hold.grow(10)
        background = BackgroundResponses()
        running = begin(background, stand, hold)
        with pytest.raises(ApiError) as caught:
            await running.let_in()
        assert caught.value is stand.refusal
        await background.present_ended()
        assert (stand.rows, stand.noted, memory.held) == ([], [], 0)

    asyncio.run(story())


def test_one_user_leaves_room_for_others(monkeypatch):
    monkeypatch.setattr(background_responses, "MAX_RUNNING", 4)

    async def story():
        background, stand = BackgroundResponses(), Stand()
        stand.may_note.set()
        for user_id, fits in ((1, 2), (2, 2), (3, 0)):
            for _ in range(fits):
                await begin(background, stand, user_id=user_id, most=2).let_in()
            with pytest.raises(ApiError) as caught:
                begin(background, stand, user_id=user_id, most=2)
            assert (caught.value.status, caught.value.code) == (429, "too_many_in_background")
        stand.may_end.set()
        await background.present_ended()
        await asyncio.sleep(0)
        await begin(background, stand, user_id=1, most=2).let_in()

    asyncio.run(story())


def test_a_stop_leaves_it_failed_with_a_code():
    async def story():
        stand = Stand()
        background, _ = await start(stand)
        stand.may_note.set()
        await background.close()
        assert (stand.response["status"], stand.response["error"]["code"]) == (
            "failed",
            "server_error",
        )

    asyncio.run(story())


def test_another_process_may_have_it_ended(monkeypatch):
    monkeypatch.setattr(background_responses, "ALIVE_SECONDS", 0.0)

    async def story():
        stand = Stand()
        background, row = await start(stand)
        stand.may_note.set()
        background.look_after(stand)
        await stand.was_noted.wait()
        assert stand.alive == [[row.id]]
        assert stand.noted == []
        stand.not_wanted = {row.id}
        await asyncio.sleep(0)  # until that look is over
        background.look_after(stand)
        await background.present_ended()
        assert stand.noted == ["cancelled"]

    asyncio.run(story())


def test_a_client_that_leaves_without_an_id_ends_it():
    async def story():
        stand, background = Stand(), BackgroundResponses()
        writes = asyncio.Event()

        async def begin_slowly(row):
            writes.set()
            await asyncio.Event().wait()

        stand.begin = begin_slowly
        waits = child_task("client", begin(background, stand).let_in())
        await writes.wait()
        waits.cancel()
        await background.present_ended()
        assert (waits.cancelled(), stand.rows, stand.noted) == (True, [], [])

    asyncio.run(story())
