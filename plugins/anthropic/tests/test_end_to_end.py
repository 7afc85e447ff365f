"""A conversation from the official openai SDK through the whole router to an imitation API.

The imitation refuses what the real one does: a wrong key, a turn of tool calls without its
thoughts, and a request that its own SDK does not know.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import openai
import orjson
import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tornado_router.accounts import keys, registration
from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.runtime.server import Server
from tornado_router.storage.storage import Storage

from . import vendor_types
from .support import KEY, recording

ROUTER_TOML = """
[server]
port = 0
[providers.claude]
type = "anthropic"
api_key = "{key}"
base_url = "http://127.0.0.1:{port}"
models = ["claude-opus-5-5", "claude-sonnet-4-5"]
"""

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}


class Messages(RequestHandler):
    """`POST /v1/messages`, as the recordings have it."""

    def initialize(self, seen):
        self.seen = seen

    def post(self):
        body = orjson.loads(self.request.body)
        self.seen.append(body)
        fault = self._fault(body)
        streamed = bool(body.get("stream"))
        if fault:
            self.set_status(400)
            error = {"type": "invalid_request_error", "message": fault}
            self.finish(orjson.dumps({"type": "error", "error": error}))
            return
        name = "text" if body["messages"][-1]["content"] != "Weather?" else "thinking_tools"
        if body["messages"][-1]["content"] == "Overload":
            name, streamed = "error_overloaded", True
        kind = "text/event-stream" if streamed else "application/json"
        self.set_header("Content-Type", kind)
        self.finish(recording(name, streamed).body)

    def _fault(self, body):
        if self.request.headers.get("x-api-key") != KEY:
            return "invalid x-api-key"
        faults = vendor_types.faults(body)
        if faults:
            return faults[0]
        vendors = orjson.loads(recording("thinking_tools").body)["content"]
        for index, turn in enumerate(body["messages"]):
            calls = turn["role"] == "assistant" and any("input" in b for b in turn["content"])
            if calls and turn["content"] != vendors:
                return f"messages.{index}.content: thinking blocks cannot be modified"
        return None


@asynccontextmanager
async def serving(application):
    server, sockets = HTTPServer(application), bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        yield sockets[0].getsockname()[1]
    finally:
        server.stop()
        await server.close_all_connections()


@asynccontextmanager
async def router(folder, seen):
    """The SDK's client of a router in front of the imitation."""
    async with serving(Application([("/v1/messages", Messages, {"seen": seen})])) as port:
        (folder / "router.toml").write_text(ROUTER_TOML.format(key=KEY, port=port))
        loaded = load_config(folder / "router.toml", {})
        storage = Storage(loaded.config.database_location)
        server = Server(RouterProcess(loaded, storage))
        key = storage.call(lambda: keys.create_key(registration.create_administrator(), "test"))
        try:
            router_port = await server.start()
            async with openai.AsyncOpenAI(
                base_url=f"http://127.0.0.1:{router_port}/v1", api_key=key, max_retries=0
            ) as client:
                yield client
        finally:
            await server.stop()


async def ask(client, messages, stream):
    asked = {"model": "claude/claude-opus-5-5", "messages": messages, "tools": [WEATHER]}
    if not stream:
        return (await client.chat.completions.create(**asked)).choices[0].message
    async with client.chat.completions.stream(**asked) as events:
        async for _ in events:
            pass
        return (await events.get_final_completion()).choices[0].message


@pytest.mark.parametrize("stream", [False, True])
def test_signatures_survive_a_conversation_of_several_turns(tmp_path, stream):
    seen = []

    async def talk():
        messages = [{"role": "user", "content": "Weather?"}]
        async with router(tmp_path, seen) as client:
            reply = await ask(client, messages, stream)
            # As any OpenAI client does: the message back as it came, then the results.
            messages.append(reply.model_dump())
            for call in reply.tool_calls:
                messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
            answer = await ask(client, messages, stream)
            messages += [answer.model_dump(), {"role": "user", "content": "Thanks"}]
            await ask(client, messages, stream)
            return answer.content

    assert asyncio.run(talk()).startswith("Grüße")
    signature = orjson.loads(recording("thinking_tools").body)["content"][0]["signature"]
    assert [signature in orjson.dumps(body).decode() for body in seen] == [False, True, True]


def test_an_overload_behind_a_status_200_is_a_failure(tmp_path):
    async def talk():
        async with router(tmp_path, []) as client:
            messages = [{"role": "user", "content": "Overload"}]
            stream = await client.chat.completions.create(
                model="claude/claude-sonnet-4-5", messages=messages, stream=True
            )
            return [chunk async for chunk in stream]

    with pytest.raises(openai.APIError, match="overloaded"):
        asyncio.run(talk())


def test_what_was_dropped_is_told(tmp_path):
    async def talk():
        async with router(tmp_path, []) as client:
            raw = await client.chat.completions.with_raw_response.create(
                model="claude/claude-sonnet-4-5",
                messages=[{"role": "user", "content": "Hello"}],
                metadata={"a": "b"},
            )
            return raw.headers["x-router-dropped-params"], raw.parse()

    dropped, answer = asyncio.run(talk())
    assert dropped == "metadata"
    assert answer.usage.prompt_tokens == 21


@pytest.mark.parametrize("stream", [False, True])
def test_completions_are_served_by_messages(tmp_path, stream):
    seen = []

    async def talk():
        async with router(tmp_path, seen) as client:
            asked = {"model": "claude/claude-sonnet-4-5", "prompt": "Hello", "max_tokens": 9}
            if not stream:
                done = await client.completions.create(**asked)
                return done.choices[0].text, done.choices[0].finish_reason
            chunks = [
                chunk async for chunk in await client.completions.create(**asked, stream=True)
            ]
            choices = [choice for chunk in chunks for choice in chunk.choices]
            return "".join(choice.text for choice in choices), choices[-1].finish_reason

    text, reason = asyncio.run(talk())
    assert text
    assert reason in ("stop", "length")
    (body,) = seen
    assert body["messages"][0]["role"] == "user"
    assert body["max_tokens"] == 9


def test_what_a_completion_cannot_ask_of_it_has_the_name_that_the_client_sent(tmp_path):
    async def talk():
        async with router(tmp_path, []) as client:
            await client.completions.create(
                model="claude/claude-sonnet-4-5", prompt="Hello", logprobs=2
            )

    with pytest.raises(openai.BadRequestError) as refused:
        asyncio.run(talk())
    assert refused.value.param == "logprobs"
