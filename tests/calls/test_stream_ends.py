"""What comes behind the end of a stream's last choice, and comments while nothing comes."""

import asyncio

import orjson
import pytest

from tornado_router.errors import ProviderError
from tornado_router.provider import Binary

from .story import LAST, Reader, Scripted, World, chunk

COMMENT = b": keep-alive\n\n"
BROKEN = [
    ProviderError(502, "It broke off."),
    ProviderError(503, "Overloaded.", code="busy"),
    ValueError("my secret prompt"),
    TimeoutError(),
]


def end(index=0, reason="stop"):
    return {"id": "c", "choices": [{"index": index, "delta": {}, "finish_reason": reason}]}


def check_whole(world, client, *, estimated):
    """The client has a good response, and nobody is blamed."""
    assert client.has_end
    assert client.events[-1].data == b"[DONE]"
    assert not any(event.name for event in client.events)
    account = world.account
    assert (account.status, account.error_code) == (200, None)
    assert account.usage.estimated == estimated
    assert world.provider.closed == 1
    assert [target.failures for target in world.health.targets()] in ([], [0])


class TestBehindTheEnd:
    @pytest.mark.parametrize("error", BROKEN, ids=repr)
    def test_a_failure_spoils_nothing(self, error):
        world = World([chunk("a")], [end()], error)
        check_whole(world, world.ask(stream=True), estimated=True)

    @pytest.mark.parametrize("error", BROKEN, ids=repr)
    def test_usage_that_came_before_it_counts(self, error):
        world = World([chunk("a"), end()], [LAST], error)
        client = world.ask(stream=True, stream_options={"include_usage": True})
        check_whole(world, client, estimated=False)
        assert orjson.loads(client.events[-2].data)["usage"]["completion_tokens"] == 7

    def test_usage_that_comes_late_is_waited_for(self):
        world = World([chunk("a")], [end()], [], [LAST])
        check_whole(world, world.ask(stream=True), estimated=False)

    def test_one_of_several_choices_is_not_the_end(self):
        world = World([chunk("a")], [end(0)], ProviderError(503, "Overloaded."))
        client = world.ask(stream=True, n=2)
        assert client.events[-1].name == "error"
        assert world.account.status == 503

    @pytest.mark.parametrize("ends", [[[end(0)], [end(1)]], [[end(1), end(0)]]])
    def test_all_of_them_are(self, ends):
        world = World([chunk("a")], *ends, ProviderError(503, "Overloaded."))
        check_whole(world, world.ask(stream=True, n=2), estimated=True)

    def test_a_choice_that_failed_has_not_ended(self):
        world = World([chunk("a")], [end(reason="error")], ProviderError(503, "Overloaded."))
        assert world.ask(stream=True).events[-1].name == "error"

    def test_a_response_of_one_batch_is_whole_too(self):
        world = World([chunk("a"), end()], ProviderError(503, "Overloaded."))
        check_whole(world, world.ask(stream=True), estimated=True)

    def test_it_is_cached(self):
        world = World([chunk("a")], [end()], ProviderError(503, "Overloaded."))
        first = world.ask(stream=True, model="cached", temperature=0)
        again = world.ask(stream=True, model="cached", temperature=0)
        assert again.body == first.body
        assert world.provider.calls == 1


class TestSilenceBehindTheEnd:
    def run(self, world, act, client=None, **asked):
        """Runs a stream until its provider waits, then acts; returns its client."""
        client = client or Reader()

        async def main():
            task = asyncio.get_running_loop().create_task(world.run(stream=True, client=client))
            await world.provider.began.wait()
            act(client, task)
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            return outcome

        return client, asyncio.run(main())

    def test_is_given_up(self):
        world = World([chunk("a")], [end()], Scripted.WAIT)
        client, _ = self.run(world, lambda client, task: client.give_up())
        check_whole(world, client, estimated=True)
        assert world.account.usage.completion_tokens == 1

    def test_is_given_up_once(self):
        world = World([chunk("a")], [end()], Scripted.WAIT)

        def act(client, task):
            client.give_up()
            client.give_up()

        client, _ = self.run(world, act)
        check_whole(world, client, estimated=True)
        client.give_up()

    def test_a_client_that_leaves_meanwhile_has_left(self):
        world = World([chunk("a")], [end()], Scripted.WAIT)
        _, outcome = self.run(world, lambda client, task: task.cancel())
        assert isinstance(outcome, asyncio.CancelledError)
        assert world.account.error_code == "client_closed"

    def test_but_not_one_that_has_the_usage_too(self):
        world = World([chunk("a")], [end()], [LAST], Scripted.WAIT)
        _, outcome = self.run(world, lambda client, task: task.cancel())
        assert isinstance(outcome, asyncio.CancelledError)
        assert (world.account.status, world.account.error_code) == (200, None)
        assert not world.account.usage.estimated
        assert world.provider.closed == 1

    def test_so_has_one_that_leaves_as_it_is_given_up(self):
        world = World([chunk("a")], [end()], Scripted.WAIT)

        def act(client, task):
            client.give_up()
            task.cancel()

        _, outcome = self.run(world, act)
        assert isinstance(outcome, asyncio.CancelledError)
        assert world.account.error_code == "client_closed"

    def test_before_the_end_nothing_is_given_up(self):
        world = World([chunk("a")], Scripted.WAIT)

        def act(client, task):
            assert not hasattr(client, "give_up")
            task.cancel()

        self.run(world, act)


class TestKeepAlive:
    def play(self, world, says, client=None, **asked):
        """Runs a stream; the client is silent, as long as the provider waits, so many times."""
        client = client or Reader()

        async def play(item):
            if isinstance(item, BaseException):
                raise item
            if item is Scripted.WAIT:
                await asyncio.sleep(0)
                for _ in range(says):
                    client.say()
                return []
            return item

        world.provider.play = play
        return world.ask(stream=True, client=client, **asked)

    def test_comments_come_before_the_first_content_and_behind(self):
        world = World(Scripted.WAIT, [chunk("a")], Scripted.WAIT, [end()])
        client = self.play(world, 2)
        assert client.body.startswith(2 * COMMENT + b"data: ")
        assert client.body.count(COMMENT) == 4
        assert [event.data for event in client.events][-1] == b"[DONE]"
        assert world.account.status == 200

    def test_an_early_head_knows_no_target_yet(self):
        world = World(Scripted.WAIT, [chunk("a")], [end()])
        client = self.play(world, 1)
        assert client.content_type == "text/event-stream; charset=utf-8"
        assert "x-router-target" not in client.headers

    def test_a_failure_behind_an_early_head_is_an_event(self):
        world = World(Scripted.WAIT, ProviderError(503, "Overloaded.", code="busy"))
        client = self.play(world, 1)
        assert client.body.startswith(COMMENT)
        (event,) = client.events
        assert event.name == "error"
        assert orjson.loads(event.data)["error"]["code"] == "busy"
        assert client.has_end
        assert (world.account.status, world.account.error_code) == (503, "busy")

    def test_so_is_a_stop(self):
        world = World(Scripted.WAIT)
        client = Reader()

        async def main():
            run = world.run(stream=True, client=client)
            task = asyncio.get_running_loop().create_task(run)
            await world.provider.began.wait()
            client.say()
            world.stopping = True
            task.cancel()
            await task

        asyncio.run(main())
        assert client.events[-1].name == "error"
        assert orjson.loads(client.events[-1].data)["error"]["code"] == "stopped"

    def test_comments_are_not_cached(self):
        world = World([chunk("a")], Scripted.WAIT, [end()])
        first = self.play(world, 1, model="cached", temperature=0)
        again = world.ask(stream=True, model="cached", temperature=0)
        assert first.body.replace(COMMENT, b"") == again.body
        assert COMMENT in first.body
        assert world.provider.calls == 1

    def test_bytes_have_no_place_for_them(self):
        client = World([Binary("audio/wav", b"a")]).ask(
            stream=True, endpoint="audio.speech", input="x"
        )
        assert not hasattr(client, "say")

    def test_whole_responses_have_none(self):
        client = World({"choices": [{"message": {"content": "a"}}]}).ask()
        assert not hasattr(client, "say")
