"""The account of a call: settled whatever happens, charged no more than there is, recorded once."""

import asyncio
import contextlib
import time
from types import SimpleNamespace

import orjson
import pytest

from tornado_router.calls import account as account_module
from tornado_router.calls.client import ClientLeftError, Envelope
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Call

from .story import LAST, LIMITED, WAYS, WHOLE, Reader, Scripted, World, chunk, paying


def fail(*_, **__):
    raise OSError(28, "No space left on device")


class FullDisk(World):
    """An observer that fails, after it was called."""

    def observe(self, call):
        super().observe(call)
        fail()


class TestRecord:
    def test_it_says_whose_call_it_was_and_what_served_it(self):
        world = World(WHOLE)
        before = time.time()
        world.ask()
        account = world.account
        assert (account.call_id, account.request_id) == ("req_1", "client-7")
        assert (account.user_id, account.key_id, account.key_name) == (1, 2, "laptop")
        assert (account.endpoint, account.model) == ("chat.completions", "fast")
        assert (account.provider, account.target_model) == ("p", "m1")
        assert (account.stream, account.first_chunk) == (False, None)
        assert account.dropped_params == ("seed",)
        assert before <= account.finished_at <= time.time()
        assert account.duration >= 0

    def test_names_of_dropped_parameters_are_short_and_without_secrets(self):
        world = World(WHOLE)
        world.provider.dropped = ("sk-ant-" + "a" * 40, "y" * 10**6, *map(str, range(1000)))
        client = world.ask()
        recorded = world.account.dropped_params
        assert recorded[:3] == ("[redacted]", "y" * 200, "0")
        assert len(recorded) == 50
        assert len(client.headers["x-router-dropped-params"]) == 2048

    @WAYS
    def test_an_observer_that_fails_fails_no_call(self, stream):
        world = FullDisk([chunk("a"), LAST] if stream else WHOLE)
        assert world.ask(stream=stream).has_end
        assert world.account.status == 200
        assert len(world.books.added) == 1

    @WAYS
    @pytest.mark.parametrize("part", ["begin", "note", "add"])
    @pytest.mark.parametrize("error", [OSError, KeyError, OverflowError])
    def test_nor_does_a_ledger(self, stream, part, error, monkeypatch):
        def raises(*_):
            raise error

        world = World([chunk("a")], [LAST], key=LIMITED) if stream else World(WHOLE, key=LIMITED)
        monkeypatch.setattr(world.books, part, raises)
        assert world.ask(stream=stream).has_end
        assert world.account.status == 200
        assert world.is_free

    def test_a_hit_that_cannot_be_traced_is_recorded_once(self):
        world = World(WHOLE, telemetry=SimpleNamespace(add=fail))
        for _ in range(2):
            client = world.ask(model="cached", temperature=0)
        assert client.headers["x-router-cache"] == "hit"
        assert len(world.books.added) == 2


class TestOverhead:
    """Client, log, metrics and plugins get the same figure."""

    @staticmethod
    def told(headers):
        return float(headers["x-router-overhead-ms"])

    def test_of_a_whole_response(self):
        world = World(WHOLE)
        client = world.ask()
        assert self.told(client.headers) == round(world.account.overhead * 1000, 2)

    def test_of_a_failure(self):
        world = World(ProviderError(503, "Overloaded."))
        error = world.refused()
        assert self.told(error.headers) == round(world.account.overhead * 1000, 2)

    @pytest.mark.parametrize("end", [LAST, ProviderError(503, "Overloaded.")])
    def test_of_a_stream_is_not_what_came_after_its_first_chunk(self, end):
        world = World([chunk("a")], [end] if end is LAST else end)
        client = world.ask(stream=True)
        assert self.told(client.headers) == round(world.account.overhead * 1000, 2)

    def test_a_call_that_reached_no_provider_has_none(self):
        world = World()
        world.refused(model="nope")
        assert world.account.overhead is None


class TestSettled:
    """What a call holds while it runs is free again whatever becomes of it."""

    @pytest.mark.parametrize("response", [WHOLE, ProviderError(500, "No."), {}])
    def test_whole(self, response):
        world = World(response, key=LIMITED)
        try:
            headers = world.ask().headers
        except ApiError as error:
            headers = error.headers
        assert headers["x-ratelimit-limit-requests"] == "100"
        assert headers["x-ratelimit-remaining-requests"] == "99"
        assert world.is_free

    @pytest.mark.parametrize("end", [[LAST], ProviderError(500, "No."), [5]])
    def test_streamed(self, end):
        world = World([chunk("a")], end, key=LIMITED)
        held = []
        client = world.ask(
            stream=True, client=Reader(on_piece=lambda _: held.append(len(world.finished)))
        )
        assert held[0] == 0
        assert client.headers["x-ratelimit-limit-tokens"] == "100000"
        assert world.is_free

    @WAYS
    @pytest.mark.parametrize("stop", [False, True])
    def test_cancelled(self, stream, stop):
        world = World(Scripted.WAIT, key=LIMITED)
        world.cancelled(stream=stream, stop=stop)
        assert world.is_free
        assert len(world.finished) == 1

    @WAYS
    def test_what_ends_the_process_is_let_through(self, stream):
        world = World(KeyboardInterrupt(), key=LIMITED)
        world.stopping = True
        with pytest.raises(KeyboardInterrupt):
            world.ask(stream=stream)
        assert world.is_free
        assert len(world.finished) == 1

    @WAYS
    def test_a_client_that_leaves(self, stream):
        world = World([chunk("a")], [LAST], key=LIMITED) if stream else World(WHOLE, key=LIMITED)
        with pytest.raises(ClientLeftError):
            world.ask(stream=stream, client=Reader(leaves_after=0))
        assert world.is_free
        assert len(world.finished) == 1

    @WAYS
    @pytest.mark.parametrize("part", ["settle", "charge"])
    def test_a_call_that_cannot_be_charged_is_served_and_recorded(self, part, stream, monkeypatch):
        """An error of our own in the bookkeeping never decides a call."""
        world = World([chunk("a")], [LAST], key=LIMITED) if stream else World(WHOLE, key=LIMITED)
        admission = world.accounts.admission
        settle = admission.settle

        def fails(*_):
            raise ZeroDivisionError("my secret prompt")

        def settles(*call):
            monkeypatch.setattr(admission, "charge", fails)
            return settle(*call)

        monkeypatch.setattr(admission, "settle", fails if part == "settle" else settles)
        client = world.ask(stream=stream)
        assert client.has_end
        account = world.account
        assert (account.status, account.charge.charged) == (200, 0)
        assert (account.usage.prompt_tokens, account.usage.completion_tokens) == (11, 7)
        assert world.is_free == (part != "settle")

    @WAYS
    @pytest.mark.parametrize("part", ["bill", "admit", "room"])
    def test_another_error_of_our_own_frees_what_was_reserved(self, part, stream, monkeypatch):
        world = World([chunk("a")], [LAST], key=LIMITED) if stream else World(WHOLE, key=LIMITED)
        monkeypatch.setattr(world.accounts.admission, part, fail)
        with contextlib.suppress(OSError):
            world.ask(stream=stream)
        is_well = part == "room" and not stream
        assert world.account.error_code == (None if is_well else "internal_error")
        assert world.is_free

    def test_one_that_is_never_ended(self):
        world = World(key=LIMITED)

        async def main():
            call = Call("req_1", "chat.completions", "fast", {"messages": []}, b"{}", False)
            async with world.accounts.open(call, Envelope(LIMITED, "r", 0.0)) as account:
                await account.admit(world.gateway._router.route("fast", call.endpoint).targets)

        asyncio.run(main())
        assert world.is_free
        assert world.account.status == 500

    def test_a_coroutine_that_is_closed(self):
        """As at the very end of an event loop: nothing can be awaited any more."""
        world = World(key=LIMITED)

        async def call():
            call = Call("req_1", "chat.completions", "fast", {"messages": []}, b"{}", False)
            async with world.accounts.open(call, Envelope(LIMITED, "r", 0.0)) as account:
                await account.admit(world.gateway._router.route("fast", call.endpoint).targets)
                await asyncio.Event().wait()

        async def main():
            running = call()
            running.send(None)
            running.close()

        asyncio.run(main())
        assert world.is_free
        assert world.account.status == 499

    def test_usage_that_is_known_is_charged_though_the_client_leaves_then(self, monkeypatch):
        world = World(WHOLE, key=paying(10**9))

        async def cancelled(*_):
            raise asyncio.CancelledError

        monkeypatch.setattr(world.accounts.admission, "bill", lambda *_: 1)
        monkeypatch.setattr(world.accounts.admission, "cover", cancelled)
        with pytest.raises(asyncio.CancelledError):
            world.ask()
        assert world.account.status == 499
        assert (world.account.usage.prompt_tokens, world.account.usage.completion_tokens) == (11, 7)


class TestMoney:
    def test_a_call_is_charged_what_it_cost(self):
        world = World(WHOLE, key=paying(10**9))
        world.ask()
        account = world.account
        assert account.charge.charged == 11 * 1000 + 7 * 2000
        assert account.charge.uncharged == 0
        assert account.paid_from_credits
        assert orjson.loads(account.charge.prices)["output"] == "2"

    def test_but_never_more_than_there_is(self):
        usage = {"prompt_tokens": 11, "completion_tokens": 50_000, "total_tokens": 50_011}
        world = World({"choices": [{"index": 0}], "usage": usage}, key=paying(10**6))
        world.ask()
        account = world.account
        assert account.charge.charged == 10**6
        assert account.charge.charged + account.charge.uncharged == 11_000 + 50_000 * 2000

    @pytest.mark.parametrize("end", ["fails", "leaves", "cancelled"])
    def test_a_stream_that_breaks_off_is_charged_what_it_reported(self, end):
        usage = {"prompt_tokens": 11, "completion_tokens": 5000, "total_tokens": 5011}
        last = {**LAST, "usage": usage}
        ends = {"fails": ProviderError(500, "No."), "leaves": [chunk("b")]}
        world = World([chunk("a")], [last], ends.get(end, Scripted.WAIT), key=paying(10**9))
        if end == "cancelled":
            world.cancelled(stream=True)
        else:
            with contextlib.suppress(ClientLeftError):
                world.ask(stream=True, client=Reader(leaves_after=1 if end == "leaves" else None))
        charge = world.account.charge
        assert world.account.error_code is not None
        assert (charge.charged, charge.uncharged) == (11 * 1000 + 5000 * 2000, 0)

    def test_a_client_that_leaves_as_the_last_money_is_reserved_pays_all_the_same(
        self, monkeypatch
    ):
        usage = {"prompt_tokens": 11, "completion_tokens": 5000, "total_tokens": 5011}
        world = World({"choices": [{"index": 0}], "usage": usage}, key=paying(10**8))
        extend, asked = world.limiter.extend, []

        async def cancelled_at_first(*wanted):
            asked.append(wanted)
            if len(asked) == 1:
                raise asyncio.CancelledError
            return await extend(*wanted)

        monkeypatch.setattr(world.limiter, "extend", cancelled_at_first)
        with pytest.raises(asyncio.CancelledError):
            world.ask()
        charge = world.account.charge
        assert (charge.charged, charge.uncharged) == (11 * 1000 + 5000 * 2000, 0)

    def test_a_stream_that_hides_its_reasoning_is_bounded_the_next_time(self):
        usage = {"prompt_tokens": 11, "completion_tokens": 900, "total_tokens": 911}
        world = World([chunk("a")], [{**LAST, "usage": usage}], key=paying(10**8))
        headers = [world.ask(stream=True).headers for _ in range(2)]
        first, second = [call.body.get("max_completion_tokens") for call in world.provider.received]
        assert first is None
        assert 900 < second < 10**8 // 2000
        assert "x-router-adapted-params" not in headers[0]
        assert "max_completion_tokens" in headers[1]["x-router-adapted-params"]

    def test_a_long_stream_goes_on_while_there_is_money(self):
        world = World(*([chunk("x" * 400)] for _ in range(50)), [LAST], key=paying(10**9))
        events = world.ask(stream=True).events
        assert events[-1].data == b"[DONE]"
        assert len(events) == 51
        assert world.account.error_code is None

    @pytest.mark.parametrize("options", [None, {"include_usage": True}])
    def test_a_stream_ends_properly_when_the_money_is_gone(self, options):
        world = World(*([chunk("x" * 400)] for _ in range(50)), [LAST], key=paying(10**6))
        client = world.ask(stream=True, stream_options=options)
        events = [event.data for event in client.events]
        assert events.pop() == b"[DONE]"
        if options:
            usage = orjson.loads(events.pop())
            assert usage["choices"] == []
            assert usage["usage"]["completion_tokens"] > 0
        last = orjson.loads(events[-1])
        assert last["id"] == "c"
        assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
        assert last["router"]["error"]["code"] == "insufficient_quota"
        assert 1 < len(events) < 10
        account = world.account
        assert (account.status, account.error_code) == (200, "insufficient_quota")
        assert 700_000 < account.charge.charged <= 10**6
        assert world.provider.closed == 1


class TestRevokedStreams:
    def test_one_is_cut(self, monkeypatch):
        monkeypatch.setattr(account_module, "REVOCATION_SECONDS", 0)
        asked = []

        async def revoked(key):
            asked.append(key.id)
            return len(asked) > 2

        world = World(*([chunk("a")] for _ in range(9)), [LAST], revoked=revoked)
        events = world.ask(stream=True).events
        assert events[-1].name == "error"
        assert orjson.loads(events[-1].data)["error"]["code"] == "invalid_api_key"
        assert len(events) < 9
        assert (world.account.status, world.account.error_code) == (401, "invalid_api_key")


class TestNotes:
    def test_a_running_stream_is_noted_before_its_client_gets_it(self, monkeypatch):
        monkeypatch.setattr(account_module, "NOTE_SECONDS", 0)
        world = World([chunk("x" * 40)], [chunk("y" * 40)], [LAST])
        noted = []
        client = Reader(
            on_piece=lambda _: noted.append(
                [note.usage.completion_tokens for note in world.books.notes]
            )
        )
        world.ask(stream=True, client=client)
        assert noted[:2] == [[10], [10, 20]]
        assert [call.call_id for call in world.books.begun] == ["req_1"]


def test_a_stream_is_measured_by_its_encoder():
    """Also one whose end never came: what was generated is known all the same."""
    world = World([chunk("x" * 40)], Scripted.WAIT)
    world.cancelled(stream=True)
    assert world.account.usage.completion_tokens == 10
    assert world.account.usage.estimated
