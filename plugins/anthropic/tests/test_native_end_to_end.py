"""The official anthropic SDK through the whole router to an imitation of the vendor's API."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import anthropic
import orjson
import pytest

from tornado_router.testing import running_router, running_vendor
from tornado_router.testing.vendors import json_response

from .support import KEY, recording

MODEL = "claude-opus-5-5"
ROUTER_TOML = """
[server]
keepalive_seconds = {keepalive}
[providers.claude]
type = "anthropic"
api_key = "{key}"
base_url = "{url}"
beta = ["operators-2026-01-01"]
models = ["claude-opus-5-5"]
[providers.spare]
type = "anthropic"
api_key = "{key}"
base_url = "{url}/spare"
[routes.claude]
targets = ["claude/claude-opus-5-5", "spare/claude-sonnet-5-5"]
[routing]
retries = 0
[prices]
"*/*" = {{ input = 10, output = 20, cached_input = 1, cache_write = 12.5 }}
"""
HELLO = [{"role": "user", "content": "Hello"}]
VERSION = "2026-10-21"
"""That the SDK asks for."""

PNG = "iVBORw0KGgoAAAANSUhEUg=="


def wire(*events):
    return b"".join(
        f"event: {event['type']}\n".encode() + b"data: " + orjson.dumps(event) + b"\n\n"
        for event in events
    )


class Scripted:
    """A vendor that responds by a script.

    Attributes:
        server: the one that is running.
    """

    def __init__(self):
        self._scripts = []

    def plays(self, *scripts):
        """Sets the next responses.

        Args:
            scripts: a response each: the name of a recording, with `.stream` for that of a
                stream; another response; or the pieces of a stream, and events to wait for.
        """
        self._scripts += scripts

    def respond(self, _):
        script = self._scripts.pop(0)
        if isinstance(script, str):
            return recording(script.removesuffix(".stream"), script.endswith(".stream"))
        return pieces_of(script) if isinstance(script, list) else script

    @property
    def requests(self):
        return self.server.requests


async def pieces_of(script):
    for step in script:
        if isinstance(step, bytes):
            yield step
        else:
            while not step.is_set():  # noqa: ASYNC110 - of another thread
                await asyncio.sleep(0.01)


@pytest.fixture
def vendor():
    scripted = Scripted()
    with running_vendor(scripted.respond) as scripted.server:
        yield scripted


def serve(vendor, folder, keepalive=15):
    toml = ROUTER_TOML.format(key=KEY, url=vendor.server.url, keepalive=keepalive)
    return running_router(toml, folder)


@pytest.fixture
def router(vendor, tmp_path):
    """One for each test: they count calls, and some have the vendor fail."""
    with serve(vendor, tmp_path) as router:
        yield router


@pytest.fixture
def client(router):
    return router.anthropic()


def ask(client, stream=False, **asked):
    """The message, whole or put together by the SDK."""
    asked = {"model": f"claude/{MODEL}", "max_tokens": 64, "messages": HELLO, **asked}
    if not stream:
        return client.messages.create(**asked)
    with client.messages.stream(**asked) as events:
        return events.get_final_message()


BOTH = pytest.mark.parametrize("stream", [False, True])


def form(name, stream):
    return name + ".stream" if stream else name


@BOTH
@pytest.mark.parametrize("bearer", [False, True])
def test_a_message_and_its_price(router, vendor, stream, bearer):
    vendor.plays(form("cache", stream))
    how = {"auth_token": router.key, "api_key": None} if bearer else {}
    message = ask(router.anthropic(**how), stream)
    (row,) = router.usage(1)
    assert message.usage.cache_read_input_tokens == 7890
    assert (row["prompt_tokens"], row["completion_tokens"]) == (12 + 7890 + 456, 3)
    assert (row["cached_tokens"], row["cache_write_tokens"]) == (7890, 456)
    assert (row["endpoint"], row["usage_estimated"]) == ("messages", False)
    millionths = 12 * 10 + 7890 * 1 + 456 * Decimal("12.5") + 3 * 20
    assert row["cost"] == millionths / 1_000_000


@BOTH
def test_a_loop_of_tools_with_signed_thoughts(router, client, vendor, stream):
    vendor.plays(form("thinking_tools", stream), form("text", stream))
    tools = [{"name": "get_weather", "input_schema": {"type": "object"}}]
    first = ask(client, stream, tools=tools, thinking={"type": "adaptive"})
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "sunny"}
        for block in first.content
        if block.type == "tool_use"
    ]
    messages = [
        *HELLO,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [*results, {"type": "text", "text": "And now?"}]},
    ]
    last = ask(client, stream, tools=tools, messages=messages)
    assert first.stop_reason == "tool_use"
    assert last.content[0].text.startswith("Grüße")
    said = orjson.loads(recording("thinking_tools").body)["content"]
    sent = vendor.requests[1].json["messages"][1]["content"]
    thoughts = [block for block in said if "thinking" in block["type"]]
    assert thoughts
    assert [block for block in sent if "thinking" in block["type"]] == thoughts
    assert len(router.usage(2)) == 2


def test_what_the_client_sends_arrives_as_it_was_sent(client, vendor):
    vendor.plays("text")
    asked = {
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                    },
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                        "citations": {"enabled": True},
                        "cache_control": {"type": "ephemeral", "ttl": "1h"},
                    },
                    {"type": "of_tomorrow", "x": [1.0, None]},
                ],
            },
            {"role": "system", "content": "Be brief."},
        ],
        "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
        "metadata": {"user_id": '{"device": "x"}'},
        "tools": [{"type": "advisor_20260301", "name": "advisor", "deep": True}],
        "extra_body": {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}},
    }
    client.beta.messages.create(
        model="claude",
        max_tokens=64,
        betas=["context-management-2025-06-27", "of-tomorrow"],
        **asked,
    )
    (request,) = vendor.requests
    edits = asked.pop("extra_body")
    assert request.json == {"model": MODEL, "max_tokens": 64, **asked, **edits}
    assert b"1.0" in request.body
    assert request.path == "/v1/messages"
    assert request.headers["anthropic-version"] == VERSION
    assert request.headers["anthropic-beta"] == (
        "operators-2026-01-01,context-management-2025-06-27,of-tomorrow"
    )
    assert request.headers["x-api-key"] == KEY


class TestErrors:
    def refused(self, client, **asked):
        with pytest.raises(anthropic.APIStatusError) as caught:
            ask(client, **asked)
        error = caught.value
        assert error.body["type"] == "error"
        assert error.body["request_id"].startswith("req_")
        return error

    @pytest.mark.parametrize(
        ("name", "status", "kind", "words"),
        [
            ("error_400", 400, "invalid_request_error", "max_tokens"),
            ("error_401", 502, "api_error", "refused the router's credentials"),
            ("error_413", 413, "request_too_large", "exceeds the maximum size"),
            ("error_429", 429, "rate_limit_error", ""),
            ("error_500", 502, "api_error", "responded with status 500"),
            ("error_529", 529, "overloaded_error", "overloaded"),
        ],
    )
    def test_of_the_vendor_keep_status_type_and_words(
        self, client, vendor, name, status, kind, words
    ):
        vendor.plays(name)
        error = self.refused(client)
        assert (error.status_code, error.body["error"]["type"]) == (status, kind)
        assert words in error.body["error"]["message"]

    @pytest.mark.parametrize(
        ("asked", "status", "text"),
        [
            ({"extra_body": {"max_tokens": "x"}}, 400, "max_tokens: expected an integer"),
            (
                {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
                400,
                "messages.0.content.0.text: Field required",
            ),
            (
                {"messages": [{"role": "assistant", "content": [
                    {"type": "tool_use", "id": "t", "name": "n", "input": {}}]}, *HELLO]},
                400,
                "messages.0: `tool_use` ids were found without `tool_result` blocks",
            ),
            ({"model": "claude-none"}, 404, "model: The model 'claude-none' does not exist"),
        ],
    )  # fmt: skip
    def test_of_the_router_name_the_field_and_reach_no_vendor(
        self, client, vendor, asked, status, text
    ):
        error = self.refused(client, **asked)
        assert error.status_code == status
        assert error.body["error"]["message"].startswith(text)
        assert vendor.requests == []

    def test_a_wrong_key(self, router):
        with pytest.raises(anthropic.AuthenticationError) as caught:
            ask(router.anthropic("nope"))
        assert caught.value.body["error"]["type"] == "authentication_error"

    def test_behind_a_status_200_is_an_event(self, client, vendor):
        vendor.plays("error_overloaded.stream")
        with pytest.raises(anthropic.APIStatusError) as caught:
            ask(client, stream=True)
        assert caught.value.body["error"]["type"] == "overloaded_error"


def test_tokens_are_counted_by_the_vendor_with_the_clients_betas(router, client, vendor):
    vendor.plays(json_response({"input_tokens": 14}))
    counted = client.beta.messages.count_tokens(
        model="claude", messages=HELLO, betas=["of-tomorrow"]
    )
    assert counted.input_tokens == 14
    (request,) = vendor.requests
    assert request.path == "/v1/messages/count_tokens"
    assert "of-tomorrow" in request.headers["anthropic-beta"].split(",")
    assert request.json == {"model": MODEL, "messages": HELLO}
    vendor.plays("text")
    ask(client)
    router.usage(1)  # of the message alone


def test_and_estimated_while_the_vendor_cannot_be_asked(client, vendor):
    vendor.plays("error_529")
    counted = client.messages.count_tokens(model="claude", messages=HELLO)
    assert 10 < counted.input_tokens < 100


class TestLimits:
    def test_headers_are_in_the_vendors_form(self, router, vendor):
        vendor.plays("text")
        client = router.anthropic(router.create_key(rate_limit_rpm=5))
        headers = client.messages.with_raw_response.create(
            model="claude", max_tokens=9, messages=HELLO
        ).headers
        assert headers["request-id"] == headers["x-request-id"]
        assert headers["anthropic-ratelimit-requests-limit"] == "5"
        assert headers["anthropic-ratelimit-requests-remaining"] == "4"
        assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")

    def refused(self, client):
        with pytest.raises(anthropic.APIStatusError) as caught:
            ask(client, model="claude")
        return caught.value

    def test_a_rate_is_tried_again(self, router, vendor):
        vendor.plays("text")
        client = router.anthropic(router.create_key(rate_limit_rpm=1))
        ask(client, model="claude")
        error = self.refused(client)
        assert (error.status_code, error.body["error"]["type"]) == (429, "rate_limit_error")
        assert error.response.headers["retry-after"]

    def test_a_spent_budget_is_not(self, router, vendor):
        limits = {"budget": Decimal("0.0000001"), "budget_period": "month"}
        error = self.refused(router.anthropic(router.create_key(**limits)))
        assert (error.status_code, error.body["error"]["type"]) == (402, "billing_error")
        assert error.response.headers["x-should-retry"] == "false"
        assert "It is for a month, and begins anew on" in error.body["error"]["message"]
        assert vendor.requests == []


START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 1},
    },
}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
PING = {"type": "ping"}


def says(text):
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


ENDING = (
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop"},
)


def raw_events(client, model="claude"):
    """The names of the events that the client gets, one by one."""
    response = client.messages.with_raw_response.create(
        model=model, max_tokens=9, messages=HELLO, stream=True
    )
    for line in response.http_response.iter_lines():
        if line.startswith("event: "):
            yield line.removeprefix("event: ")


class TestStreams:
    def test_a_fallback_before_the_first_content_is_invisible(self, router, client, vendor):
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        vendor.plays([wire(START, PING, BLOCK, error)], "text.stream")
        found = list(raw_events(client))
        (row,) = router.usage(1)
        assert found.count("message_start") == 1
        assert found[-1] == "message_stop"
        assert "error" not in found
        assert row["provider"] == "spare"
        assert vendor.requests[1].json["model"] == "claude-sonnet-5-5"

    def test_pings_while_the_vendor_is_silent(self, vendor, tmp_path):
        told = threading.Event()
        vendor.plays([told, wire(START, BLOCK, says("Hi"), *ENDING)])
        found = []
        with serve(vendor, tmp_path, keepalive=1) as router:
            for name in raw_events(router.anthropic()):
                found.append(name)
                told.set()  # once the first ping is here
        assert found[0] == "ping"
        assert [name for name in found if name != "ping"] == [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]

    def test_a_client_that_leaves_ends_the_vendors_work_and_pays_for_what_came(
        self, router, client, vendor
    ):
        vendor.plays([wire(START, BLOCK, says("Hi " * 40)), threading.Event()])
        with client.messages.stream(model="claude", max_tokens=9, messages=HELLO) as events:
            for event in events:
                if event.type == "text":
                    break
        assert vendor.server.left.wait(10)
        (row,) = router.usage(1)
        assert (row["prompt_tokens"], row["completion_tokens"]) == (5, 30)
        assert row["usage_estimated"]

    def test_one_that_breaks_off_ends_with_an_error_event(self, client, vendor):
        vendor.plays([wire(START, BLOCK, says("Hi"))])
        found = list(raw_events(client))
        assert found[-1] == "error"
        assert "message_stop" not in found
