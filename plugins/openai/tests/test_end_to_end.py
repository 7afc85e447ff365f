"""Conversations from the official openai SDK through the whole router to imitation vendors.

The imitations refuse what the real ones do.
"""

import asyncio
import re
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

ROUTER_TOML = """
[server]
port = 0
[providers.deepseek]
type = "deepseek"
api_key = "${{KEY}}"
base_url = "http://127.0.0.1:{port}/v1"
models = ["thinker"]
[providers.mistral]
type = "mistral"
api_key = "${{KEY}}"
base_url = "http://127.0.0.1:{port}/v1"
models = ["strict"]
[providers.ollama]
type = "ollama"
base_url = "http://127.0.0.1:{port}/v1"
models = ["floats", "empty"]
[routes.embedder]
targets = ["ollama/empty", "ollama/floats"]
"""

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}
CALL = {
    "id": "call_00_jc0bB3kWqQ7mN1pT",
    "type": "function",
    "function": {"name": "get_weather", "arguments": "{}"},
}
THOUGHT = "I call the tool."
STRICT = {"role", "content", "tool_calls", "tool_call_id", "prefix", "name"}


class Vendor(RequestHandler):
    """One that thinks, one that is strict, and one that makes embeddings."""

    def post(self, path):
        body = orjson.loads(self.request.body)
        if path == "embeddings":
            vector = None if body["model"] == "empty" else [0.5, -1.0]
            data = [{"object": "embedding", "index": 0, "embedding": vector}]
            self.finish({"object": "list", "data": data, "model": body["model"]})
            return
        fault = self.fault(body)
        if self.request.headers.get("Authorization") != "Bearer up":
            fault = "wrong key"
        if fault:
            self.set_status(400)
            self.finish({"error": {"message": fault, "type": "invalid_request_error"}})
        elif body.get("stream"):
            self.set_header("Content-Type", "text/event-stream")
            self.finish(b"".join(self.events(body)))
        else:
            choice = {"index": 0, "message": self.message(body), "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            self.finish({"id": "1", "model": "m", "choices": [choice], "usage": usage})

    def fault(self, body):
        for message in body["messages"]:
            calls = message.get("tool_calls") or ()
            if body["model"] == "thinker" and calls and message.get("reasoning_content") != THOUGHT:
                return (
                    "The `reasoning_content` in the thinking mode must be passed back to the API."
                )
            if body["model"] == "strict":
                ids = [*(call["id"] for call in calls), message.get("tool_call_id", "123456789")]
                if not all(re.fullmatch("[a-zA-Z0-9]{9}", name) for name in ids):
                    return "Tool call id must be a-z, A-Z, 0-9, with a length of 9."
                if not message.keys() <= STRICT or message["role"] == "developer":
                    return "Extra inputs are not permitted"
        return None

    def message(self, body):
        if body["model"] == "thinker" and body["messages"][-1]["role"] == "user":
            fields = {"reasoning_content": THOUGHT, "tool_calls": [CALL]}
            return {"role": "assistant", "content": None, **fields}
        return {"role": "assistant", "content": "Sunny."}

    def events(self, body):
        message = self.message(body)
        for call in message.get("tool_calls", ()):
            call["index"] = 0
        for name, value in message.items():
            choice = {"index": 0, "delta": {name: value}, "finish_reason": None}
            yield b"data: %b\n\n" % orjson.dumps({"id": "1", "choices": [choice]})
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        yield b"data: %b\n\ndata: [DONE]\n\n" % orjson.dumps({"id": "1", "choices": [last]})


@asynccontextmanager
async def serving():
    server, sockets = HTTPServer(Application([("/v1/(.*)", Vendor)])), bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        yield sockets[0].getsockname()[1]
    finally:
        server.stop()
        await server.close_all_connections()


@asynccontextmanager
async def router(folder):
    """The SDK's client of a router in front of the vendors."""
    async with serving() as port:
        (folder / "router.toml").write_text(ROUTER_TOML.format(port=port))
        loaded = load_config(folder / "router.toml", {"KEY": "\ufeffup\r\n"})
        storage = Storage(loaded.config.database_location)
        server = Server(RouterProcess(loaded, storage))
        key = storage.call(lambda: keys.create_key(registration.create_administrator(), "test"))
        try:
            url = f"http://127.0.0.1:{await server.start()}/v1"
            async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
                yield client
        finally:
            await server.stop()


USER = {"role": "user", "content": "Weather?"}


async def first_turn(client, stream):
    """The message of a tool call, as a client keeps it: with OpenAI's own fields."""
    asked = {"model": "thinker", "messages": [USER], "tools": [WEATHER]}
    if not stream:
        answer = await client.chat.completions.create(**asked)
        found = [call.id for call in answer.choices[0].message.tool_calls]
    else:
        found = [
            call.id
            async for chunk in await client.chat.completions.create(**asked, stream=True)
            for choice in chunk.choices
            for call in choice.delta.tool_calls or ()
        ]
    calls = [{"id": name, "type": "function", "function": CALL["function"]} for name in found]
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_goes_on_with_its_reasoning_and_at_another_vendor(tmp_path, stream):
    asyncio.run(conversation(tmp_path, stream))


async def conversation(folder, stream):
    async with router(folder) as client:
        message = await first_turn(client, stream)
        result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "sun"}
        messages = [{"role": "developer", "content": "Be brief."}, USER, message, result]
        for model in ("thinker", "strict"):
            answer = await client.chat.completions.create(
                model=model, messages=messages, tools=[WEATHER], seed=None, logprobs=False
            )
            assert answer.choices[0].message.content == "Sunny."


def test_embeddings_come_as_asked_from_the_target_that_has_them(tmp_path):
    asyncio.run(embeddings(tmp_path))


async def embeddings(folder):
    async with router(folder) as client:
        for encoding_format in ("base64", "float"):
            raw = await client.embeddings.with_raw_response.create(
                model="embedder", input="x", encoding_format=encoding_format
            )
            assert raw.headers["x-router-target"] == "ollama/floats"
            found = orjson.loads(raw.content)["data"][0]["embedding"]
            assert found == {"base64": "AAAAPwAAgL8=", "float": [0.5, -1.0]}[encoding_format]
