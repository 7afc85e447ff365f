"""Responses on their way out: streams above all, and that a failure never looks like their end."""

import asyncio
import json
from types import SimpleNamespace

import orjson
import pytest
from loguru import logger

from tornado_router.calls.client import ClientLeftError
from tornado_router.calls.delivery import Delivery
from tornado_router.errors import ProviderError
from tornado_router.provider import Binary, Passed, Said
from tornado_router.sse import Decoder

from .story import LAST, LIMITED, USAGE, Reader, Scripted, World, chunk

REPORTED = {"prompt_tokens": 11, "completion_tokens": 0, "total_tokens": 11}


@pytest.fixture
def logged():
    lines = []
    sink = logger.add(lambda message: lines.append(str(message)), level="ERROR")
    yield lines
    logger.remove(sink)


def test_a_client_that_leaves_while_its_response_is_kept_pays_for_all_of_it():
    message = {"role": "assistant", "content": "Hi"}
    world = World({"choices": [{"index": 0, "message": message}], "usage": USAGE})

    class Stored:
        async def keep(self, *_):
            world.provider.began.set()
            await asyncio.Event().wait()

    world.gateway.stored = Stored()
    world.cancelled(endpoint="responses", input="Hi")
    usage = world.account.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (11, 7, False)


class TestStream:
    def test_success(self):
        world = World([chunk("a"), chunk("b")], [chunk("c"), LAST])
        recorded = []
        client = world.ask(
            stream=True, client=Reader(on_piece=lambda _: recorded.append(len(world.finished)))
        )
        events = client.events
        assert events.pop().data == b"[DONE]"
        assert [orjson.loads(event.data) for event in events] == [
            chunk("a"),
            chunk("b"),
            chunk("c"),
        ]
        assert client.content_type == "text/event-stream; charset=utf-8"
        assert client.is_stream
        assert client.headers["x-router-dropped-params"] == "seed"
        assert recorded == [0, 0, 1]
        account = world.account
        assert (account.status, account.error_code, account.stream) == (200, None, True)
        assert (account.usage.prompt_tokens, account.usage.completion_tokens) == (11, 7)
        assert 0 <= account.first_chunk <= account.duration
        assert world.provider.closed == 1

    def test_what_arrives_together_is_written_together(self):
        client = World([chunk("a"), chunk("b")], [chunk("c"), LAST]).ask(stream=True)
        assert [len(Decoder().feed(piece)) for piece in client.pieces] == [2, 1, 1]

    def test_chunks_that_are_not_for_the_client_write_nothing(self):
        client = World([LAST], [chunk("a")]).ask(stream=True)
        assert all(client.pieces)
        assert len(client.pieces) == 2

    def test_a_client_holds_up_its_provider(self):
        """The next batch is not asked for before the client has taken the one before."""
        world = World(*([chunk(str(number))] for number in range(5)), [LAST])
        produced = 0
        play = world.provider.play

        async def counting(item):
            nonlocal produced
            produced += 1
            return await play(item)

        world.provider.play = counting
        seen = []
        world.ask(stream=True, client=Reader(on_piece=lambda _: seen.append(produced)))
        assert seen == [1, 2, 3, 4, 5, 6]


class TestFailures:
    def test_one_on_the_way_is_an_event_and_never_a_success(self):
        world = World([chunk("x" * 40)], ProviderError(503, "Overloaded.", code="busy"))
        client = world.ask(stream=True)
        last = client.events[-1]
        assert last.name == "error"
        assert orjson.loads(last.data)["error"]["message"] == "Overloaded."
        assert client.has_end
        account = world.account
        assert (account.status, account.error_code) == (503, "busy")
        assert account.usage.estimated
        assert account.usage.completion_tokens == 10
        assert world.provider.closed == 1

    def test_nonsense_on_the_way(self):
        world = World([chunk("a")], [5])
        assert world.ask(stream=True).events[-1].name == "error"
        assert (world.account.status, world.account.error_code) == (502, "provider_fault")
        assert world.provider.closed == 1

    @pytest.mark.parametrize("stream", [False, True])
    def test_the_log_names_target_and_request_of_nonsense(self, stream, logged):
        World([5] if stream else {"choices": 5}).refused(stream=stream)
        (line,) = logged
        assert "p/m1 made something that is not a response of chat.completions" in line
        assert line.endswith("in request client-7\n")

    def test_nonsense_at_first_is_a_proper_error(self):
        world = World([5], [chunk("a")])
        client = Reader()

        async def main():
            with pytest.raises(ProviderError):
                await world.run(stream=True, client=client)
            assert world.provider.closed == 1  # now, and not when it is garbage-collected

        asyncio.run(main())
        assert client.pieces == []
        assert (world.account.status, world.account.error_code) == (502, "provider_fault")

    def test_one_before_anything_was_sent_is_a_proper_error(self):
        """The first chunks said nothing, so the client has no status yet."""
        world = World([LAST], [chunk("")], ProviderError(503, "Overloaded."))
        assert world.refused(stream=True).status == 503
        assert world.account.usage.completion_tokens == 0

    def test_one_of_our_own_is_an_event_too_and_is_logged(self, monkeypatch, logged):
        """A stream that ended without it would look whole."""
        world = World([chunk("x")], [chunk("y")], [LAST], key=LIMITED)

        def fails(*_):
            raise ZeroDivisionError("my secret prompt")

        def break_it(_):
            monkeypatch.setattr(world.accounts.admission, "bill", fails)

        client = world.ask(stream=True, client=Reader(on_piece=break_it))
        last = client.events[-1]
        assert last.name == "error"
        assert orjson.loads(last.data)["error"]["code"] == "internal_error"
        assert b"[DONE]" not in client.body
        assert client.has_end
        account = world.account
        assert (account.status, account.error_code) == (500, "internal_error")
        assert account.internal_error.startswith("ZeroDivisionError in ")
        assert any("ZeroDivisionError in request client-7" in line for line in logged)
        assert world.provider.closed == 1
        assert world.is_free

    def test_one_of_our_own_before_the_first_byte_is_raised(self, monkeypatch):
        def fails(*_):
            raise ZeroDivisionError

        world = World([chunk("a")], [LAST], key=LIMITED)
        monkeypatch.setattr(world.accounts.admission, "room", fails)
        with pytest.raises(ZeroDivisionError):
            world.ask(stream=True)
        assert (world.account.status, world.provider.closed) == (500, 1)
        assert world.is_free


class TestClientsThatLeave:
    @pytest.mark.parametrize("pieces", [0, 1, 2])
    def test_they_pay_for_what_came(self, pieces):
        world = World(*([chunk("x" * 40)] for _ in range(4)), [LAST])
        with pytest.raises(ClientLeftError):
            world.ask(stream=True, client=Reader(leaves_after=pieces))
        account = world.account
        assert (account.status, account.error_code) == (499, "client_closed")
        assert account.usage.completion_tokens == 10 * (pieces + 1)
        assert world.provider.closed == 1

    def test_while_the_provider_is_waited_for(self):
        world = World([chunk("x" * 40)], [chunk("y" * 40)], Scripted.WAIT)
        assert isinstance(world.cancelled(stream=True), asyncio.CancelledError)
        account = world.account
        assert (account.status, account.error_code) == (499, "client_closed")
        assert account.usage.completion_tokens == 20
        assert account.usage.prompt_tokens >= 10
        assert world.provider.closed == 1

    def test_at_the_very_end_it_was_a_success(self):
        world = World([chunk("a")], [LAST])
        with pytest.raises(ClientLeftError):
            world.ask(stream=True, client=Reader(leaves_after=1))
        assert world.account.status == 200


class TestStop:
    def test_a_client_whose_provider_is_waited_for_is_told(self):
        world = World([chunk("x" * 40)], Scripted.WAIT)
        client = world.cancelled(stream=True, stop=True)
        self.check(world, client)

    @pytest.mark.parametrize("chunks", [1, 2])
    def test_a_client_that_is_written_to_is_told(self, chunks):
        world = World([chunk("x" * 40)], *[[chunk("")]] * (chunks - 1), Scripted.WAIT)
        client = Reader()

        def stop(_):
            world.stopping = len(client.pieces) == chunks

        client.on_piece = stop
        self.check(world, world.ask(stream=True, client=client))

    @staticmethod
    def check(world, client):
        last = client.events[-1]
        assert last.name == "error"
        assert json.loads(last.data)["error"]["code"] == "stopped"
        assert client.has_end
        account = world.account
        assert (account.status, account.error_code) == (503, "stopped")
        assert account.usage.completion_tokens == 10
        assert account.usage.prompt_tokens >= 10
        assert world.provider.closed == 1

    def test_one_that_cannot_be_told_did_not_leave_by_itself(self):
        world = World([chunk("x" * 40)], [chunk("")], Scripted.WAIT)
        client = Reader(leaves_after=1)

        class Stopping(Reader):
            def take(self, data):
                world.stopping = len(self.pieces) == 1
                super().take(data)

        client = Stopping(leaves_after=1)
        with pytest.raises(ClientLeftError):
            world.ask(stream=True, client=client)
        assert (world.account.status, world.account.error_code) == (503, "stopped")

    def test_nothing_is_added_to_a_response_that_is_whole(self):
        world = World([chunk("x" * 40)], [LAST])

        def stop(data):
            world.stopping = b"[DONE]" in data

        client = world.ask(stream=True, client=Reader(on_piece=stop))
        assert client.body.endswith(b"data: [DONE]\n\n")
        assert world.account.status == 200


class TestBytes:
    """A response that is no JSON: its bytes reach the client as they are."""

    def ask(self, world, **asked):
        asked = {"endpoint": "audio.speech", "input": "hello", **asked}
        return world.ask(**asked)

    def test_a_whole_response(self):
        world = World(Binary("audio/mpeg", b"\x00\xff", REPORTED))
        client = self.ask(world)
        assert (client.body, client.content_type) == (b"\x00\xff", "audio/mpeg")
        assert not client.is_stream
        assert client.has_end
        account = world.account
        assert (account.status, account.usage.prompt_tokens) == (200, 11)
        assert not account.usage.estimated

    def test_a_stream(self):
        pieces = [
            [Binary("audio/wav", b"a"), Binary("audio/wav", b"b")],
            [Binary("audio/wav", b"c")],
        ]
        world = World(*pieces, [Binary("audio/wav", b"", REPORTED)])
        recorded = []
        client = Reader(on_piece=lambda _: recorded.append(len(world.finished)))
        self.ask(world, stream=True, client=client)
        assert client.pieces == [b"ab", b"c", b""]
        assert (client.content_type, client.is_stream) == ("audio/wav", True)
        assert recorded == [0, 0, 1]
        assert (world.account.status, world.account.usage.prompt_tokens) == (200, 11)
        assert world.provider.closed == 1

    def test_without_usage_it_is_estimated(self):
        world = World([Binary("audio/wav", b"a")])
        self.ask(world, stream=True)
        assert (world.account.usage.prompt_tokens, world.account.usage.estimated) == (2, True)

    def test_a_failure_on_the_way_breaks_it_off(self):
        """Bytes cannot say that something is missing, and an end would look as if nothing was."""
        world = World([Binary("audio/wav", b"a")], ProviderError(503, "Overloaded.", code="busy"))
        client = self.ask(world, stream=True)
        assert client.pieces == [b"a"]
        assert client.is_broken
        assert not client.has_end
        assert (world.account.status, world.account.error_code) == (503, "busy")
        assert world.provider.closed == 1

    def test_a_failure_at_first_is_a_proper_error(self):
        world = World(ProviderError(503, "Overloaded."))
        with pytest.raises(ProviderError):
            self.ask(world, stream=True)
        assert world.account.status == 503

    def test_a_key_that_is_out_of_money_breaks_it_off(self, monkeypatch):
        monkeypatch.setattr("tornado_router.calls.account.NOTE_SECONDS", 0)
        world = World([Binary("audio/wav", b"a")], [Binary("audio/wav", b"b")])

        async def spend(account):
            return account.attempts is None

        monkeypatch.setattr("tornado_router.calls.account.CallAccount.spend", spend)
        client = self.ask(world, stream=True)
        assert client.is_broken
        assert world.account.error_code == "insufficient_quota"

    def test_a_client_that_leaves_ends_it(self):
        world = World([Binary("audio/wav", b"a")], [Binary("audio/wav", b"b")])
        with pytest.raises(ClientLeftError):
            self.ask(world, stream=True, client=Reader(leaves_after=1))
        assert (world.account.status, world.provider.closed) == (499, 1)

    def test_a_client_holds_up_its_provider(self):
        world = World(*([Binary("audio/wav", bytes([number]))] for number in range(5)))
        produced = 0
        play = world.provider.play

        async def counting(item):
            nonlocal produced
            produced += 1
            return await play(item)

        world.provider.play = counting
        seen = []
        client = Reader(on_piece=lambda data: seen.append(produced) if data else None)
        self.ask(world, stream=True, client=client)
        assert seen == [1, 2, 3, 4, 5]

    def test_nonsense_is_a_fault_of_the_plugin(self):
        world = World({"audio": "x"})
        with pytest.raises(ProviderError):
            self.ask(world)
        assert world.account.error_code == "provider_fault"

    @pytest.mark.parametrize("stream", [False, True])
    def test_it_is_not_cached(self, stream):
        """A response from the cache has the content type of text."""
        binary = Binary("audio/wav", b"a")
        world = World([binary] if stream else binary)
        for _ in range(2):
            client = self.ask(world, model="cached", temperature=0, stream=stream)
            assert client.body == b"a"
        assert world.provider.calls == 2


def test_a_stream_with_nothing_for_the_client_has_a_head_all_the_same():
    client = World([LAST]).ask(stream=True)
    assert client.content_type == "text/event-stream; charset=utf-8"
    assert [event.data for event in client.events] == [b"[DONE]"]


def test_the_error_event_has_the_id_that_the_client_knows():
    world = World([chunk("Hi")], ProviderError(502, "It broke."))
    client = world.ask(stream=True, endpoint="messages", max_tokens=5)
    last = orjson.loads(client.events[-1].data)
    assert (last["type"], last["request_id"]) == ("error", "client-7")


@pytest.mark.parametrize(
    "because",
    [{}, {"room": 40}, {"due": 0.0}, {"complete": True}, {"is_ready": False}],
    ids=lambda because: "".join(because) or "nothing",
)
def test_what_passes_waits_only_where_something_is_due(because):
    passed = Passed("text/event-stream", b"x" * 31, texts=[b"y"], like=Said({}, "content", "y"))
    state = {"room": 41, "due": float("inf"), "complete": False, "is_ready": True, **because}
    sent = []
    stand = SimpleNamespace(generated=10, encode=lambda it: it.data, write=sent.append, **state)
    delivery = Delivery(stand, stand, None, None)
    assert delivery._pass_on(stand, passed) == (not because)
    assert sent == ([] if because else [passed.data])
