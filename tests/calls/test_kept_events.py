"""Streams that are made in the background: their clients may leave, and come back for the rest."""

import asyncio
import json
import threading

import openai
import pytest

from tornado_router.calls.kept_events import KeptEvents, behind, has_end
from tornado_router.endpoints.responses_replay import framed
from tornado_router.http.handlers import stored_responses
from tornado_router.storage.tables import StoredEvents
from tornado_router.testing import running_router, running_vendor
from tornado_router.testing.vendors import json_response

pytestmark = pytest.mark.sqlite_suffices

ROUTER_TOML = """
[server]
keepalive_seconds = 0.2
shutdown_seconds = 0.2
[auth]
bcrypt_rounds = 4
[providers.up]
type = "openai"
api_key = "sk-up"
base_url = "{url}/v1"
responses = true
models = ["m", "down"]
[providers.chat]
type = "openai"
api_key = "sk-up"
base_url = "{url}/v1"
models = ["m"]
[routing]
retries = 0
"""
RESPONSE = {
    **{"id": "resp_vendor", "object": "response", "created_at": 1, "model": "m", "output": []},
    **{"status": "in_progress", "tools": [], "tool_choice": "auto", "parallel_tool_calls": True},
}
WORDS = ["One ", "two ", "three ", "four."]


class Vendor:
    """Streams a response word by word; behind the second it waits until it may go on."""

    def __init__(self):
        self.may_go_on = threading.Event()

    def respond(self, request):
        if request.json["model"] == "down":
            return json_response({"error": {"message": "It is down."}}, 500)
        if request.path.endswith("/chat/completions"):
            return self.chunks()
        return self.events()

    async def events(self):
        at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        item = {"type": "message", "id": "msg_1", "role": "assistant"}
        part = {"type": "output_text", "text": "", "annotations": []}
        events = [
            {"type": "response.created", "response": RESPONSE},
            {"type": "response.in_progress", "response": RESPONSE},
            {**at, "type": "response.output_item.added", "item": {**item, "content": []}},
            {**at, "type": "response.content_part.added", "part": part},
            *({**at, "type": "response.output_text.delta", "delta": word} for word in WORDS),
        ]
        whole = {**item, "content": [{**part, "text": "".join(WORDS)}], "status": "completed"}
        events += [
            {**at, "type": "response.output_item.done", "item": whole},
            {
                "type": "response.completed",
                "response": {**RESPONSE, "status": "completed", "output": [whole]},
            },
        ]
        for number, event in enumerate(events):
            if number == 6:
                await self.wait()
            yield (
                b"data: " + json.dumps({**event, "sequence_number": 7 + number}).encode() + b"\n\n"
            )

    async def chunks(self):
        for number, word in enumerate(WORDS):
            if number == 2:
                await self.wait()
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            yield self.chunk(choice)
        yield self.chunk({"index": 0, "delta": {}, "finish_reason": "stop"})
        yield b"data: [DONE]\n\n"

    def chunk(self, choice):
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n"

    async def wait(self):
        await asyncio.to_thread(self.may_go_on.wait)


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    monkeypatch.setattr(stored_responses, "STREAM_SECONDS", 0.05)


@pytest.fixture
def vendor():
    return Vendor()


@pytest.fixture
def router(vendor, tmp_path):
    with running_vendor(vendor.respond) as upstream:
        try:
            with running_router(ROUTER_TOML.format(url=upstream.url), tmp_path) as router:
                yield router
        finally:
            vendor.may_go_on.set()


@pytest.fixture
def client(router):
    return router.openai()


def begin(client, model="up/m"):
    return client.responses.create(model=model, input="Hi", background=True, stream=True)


def until(stream, text):
    """The events up to one with a text."""
    events = []
    for event in stream:
        events.append(event)
        if getattr(event, "delta", None) == text:
            return events
    raise AssertionError(events)


@pytest.mark.parametrize("model", ["up/m", "chat/m"])
def test_a_client_that_left_comes_back_for_the_rest(client, router, vendor, model):
    with begin(client, model) as stream:
        seen = until(stream, "two ")
    response_id = seen[0].response.id
    assert seen[0].response.background
    assert client.responses.retrieve(response_id).status == "queued"
    again = client.responses.retrieve(
        response_id, stream=True, starting_after=seen[-1].sequence_number
    )
    vendor.may_go_on.set()
    rest = list(again)
    assert [event.sequence_number for event in [*seen, *rest]] == list(range(len(seen + rest)))
    deltas = [event.delta for event in [*seen, *rest] if event.type.endswith("text.delta")]
    assert deltas == WORDS
    last = rest[-1].response
    assert (last.id, last.status, last.output_text) == (response_id, "completed", "".join(WORDS))
    assert client.responses.retrieve(response_id).output_text == last.output_text
    assert list(client.responses.retrieve(response_id, stream=True)) == [*seen, *rest]
    (usage,) = router.usage(1)
    assert (usage["status"], usage["stream"]) == (200, True)


def test_a_client_that_stays_gets_all_of_it_once_it_is_kept(client, vendor):
    vendor.may_go_on.set()
    events = list(begin(client))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1].response
    assert client.responses.retrieve(last.id).status == "completed"


def test_it_can_be_cancelled_while_its_client_waits(client, vendor):
    with begin(client) as stream:
        seen = until(stream, "two ")
        cancelled = client.responses.cancel(seen[0].response.id)
        *_, last = stream
    assert (cancelled.status, last.type) == ("cancelled", "response.incomplete")
    assert last.response.status == "cancelled"
    assert last.sequence_number == seen[-1].sequence_number + 1
    again = list(client.responses.retrieve(cancelled.id, stream=True))
    assert again == [*seen, last]


def test_what_fails_before_it_begins_is_an_error_of_the_request(client):
    with pytest.raises(openai.InternalServerError):
        begin(client, "up/down")
    with pytest.raises(openai.NotFoundError):
        begin(client, "no-such-model")


def test_events_go_with_their_response(client, router, vendor):
    vendor.may_go_on.set()
    *_, last = begin(client)
    client.responses.delete(last.response.id)
    assert router.process.storage.call(StoredEvents.select().count) == 0


def test_a_stop_is_the_last_event(vendor, tmp_path):
    with running_vendor(vendor.respond) as upstream:
        text = ROUTER_TOML.format(url=upstream.url)
        with running_router(text, tmp_path) as router:
            client = openai.OpenAI(base_url=f"{router.url}/v1", api_key=router.key, max_retries=0)
            stream = begin(client)
            seen = until(stream, "two ")
            rest = []
            reader = threading.Thread(target=lambda: rest.extend(stream))
            reader.start()
        reader.join()
        vendor.may_go_on.set()
        (last,) = rest
        assert (last.type, last.response.error.code) == ("response.failed", "server_error")
        with running_router(text, tmp_path) as router:
            again = router.openai().responses.retrieve(seen[0].response.id)
            assert again.status == "failed"


class Left:
    """A client that has left."""

    begun = False

    async def write(self, data):
        raise ConnectionResetError


def event(number, kind="response.output_text.delta", **fields):
    return framed({"type": kind, "delta": "x" * 100, "sequence_number": number, **fields})


def test_what_is_too_much_is_not_kept_but_for_what_fits():
    kept = KeptEvents(Left(), {"id": "resp_1"}, most=3 * len(event(0)) + 10)

    async def story():
        await kept.write(event(7) + event(8))
        first = kept.pending()
        await kept.finish(event(9) + event(10))
        kept.saved(first)
        return first

    first = asyncio.run(story())
    assert (first.first, first.last) == (0, 1)
    assert first.data == event(0) + event(1)
    assert kept.pending() == (2, 2, event(2)), "the fourth has no room"
    assert kept.size == len(event(0)) * 3
    kept.end({"id": "resp_1", "status": "failed"})
    assert kept.response == {"id": "resp_1", "status": "failed"}


def test_of_some_events_those_behind_one_are_found():
    last = event(12, "response.completed", response={})
    data = event(10) + event(11) + last
    assert behind(data, 10) == event(11) + last
    assert (has_end(data), has_end(event(10)), has_end(b"")) == (True, False, False)
