"""Anthropic's SDK, unchanged, through the whole router to vendors that have chat completions.

The imitations of OpenAI and Gemini refuse what the real ones do.
"""

import asyncio
import re
from contextlib import asynccontextmanager
from typing import ClassVar

import anthropic
import orjson
import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tornado_router.accounts import keys, registration
from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.errors import ApiError
from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.runtime.server import Server
from tornado_router.storage.storage import Storage

from ..messages import IMAGE, text, user

pytestmark = pytest.mark.sqlite_suffices

ROUTER_TOML = """
[server]
port = 0
[pricing]
unpriced = "free"
[providers.chat]
type = "openai"
base_url = "http://127.0.0.1:{port}/v1"
models = ["m", "broken", "picky", "filtered", "small"]
[providers.gemini]
type = "google"
api_key = "up"
base_url = "http://127.0.0.1:{port}/v1beta"
models = ["gemini-3-flash"]
[providers.echo]
type = "echo"
models = ["echo"]
[routes.claude-opus-4-8]
targets = ["chat/broken", "chat/m"]
"""

TOOLS = [
    {
        "name": name,
        "description": "Tells it.",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    }
    for name in ("weather", "mcp__clock__" + "x" * 80)
]
WEATHER, CLOCK = (tool["name"] for tool in TOOLS)
ASK = f"call weather, and call {CLOCK[:64]}"
"""The echo knows a tool by the name that its vendor takes."""

THOUGHT = "I need both."
SIGNATURE = "c2lnbmF0dXJl"
CHAT = CHAT_COMPLETIONS.validator("openai")


def sse(*bodies):
    return b"".join(b"data: %b\n\n" % orjson.dumps(body) for body in bodies)


class Chat(RequestHandler):
    """OpenAI's shape: calls all tools at once, between each other; then says the results."""

    seen: ClassVar[list] = []

    def post(self):
        body = orjson.loads(self.request.body)
        self.seen.append(body)
        fault = self.fault(body)
        if fault:
            self.set_status(503 if body["model"] == "broken" else 400)
            self.finish({"error": {"message": fault, "type": "invalid_request_error"}})
        elif body.get("stream"):
            self.set_header("Content-Type", "text/event-stream")
            self.finish(sse(*self.chunks(body)) + b"data: [DONE]\n\n")
        else:
            self.finish(self.whole(body))

    def fault(self, body):
        try:
            CHAT.check(body)
        except ApiError as error:
            return error.message
        if body["model"] in ("broken", "picky"):
            return "No."
        if body["model"] == "small" and "reasoning_effort" in body:
            return "Unrecognized request argument supplied: reasoning_effort"
        if body["model"] == "small" and body["max_completion_tokens"] > 8192:
            return "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"
        waiting = []
        for message in body["messages"]:
            if message["role"] == "tool" and message["tool_call_id"] in waiting:
                waiting.remove(message["tool_call_id"])
            elif message["role"] == "tool" or waiting:
                return "An assistant message with 'tool_calls' must be followed by tool messages."
            waiting += [call["id"] for call in message.get("tool_calls") or ()]
        return None

    def message(self, body):
        last = body["messages"][-1]
        if last["role"] == "user" and body.get("tools"):
            calls = [
                {
                    "id": f"call_{len(body['messages'])}_{index}",
                    "type": "function",
                    "function": {"name": tool["function"]["name"], "arguments": '{"city": "Oslo"}'},
                }
                for index, tool in enumerate(body["tools"])
            ]
            said = {"reasoning_content": THOUGHT, "content": "I look.", "tool_calls": calls}
            return said, "tool_calls"
        results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
        reason = "content_filter" if body["model"] == "filtered" else "stop"
        return {"content": " and ".join(results) or "Hello."}, reason

    def usage(self):
        return {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 60},
            "completion_tokens_details": {"reasoning_tokens": 5},
        }

    def whole(self, body):
        message, reason = self.message(body)
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
        return {"id": "1", "model": "vendor-m", "choices": [choice], "usage": self.usage()}

    def chunks(self, body):
        message, reason = self.message(body)
        calls = message.pop("tool_calls", ())
        deltas = [{name: text} for name, text in message.items()]
        begun = [
            {"index": index, **call, "function": {**call["function"], "arguments": ""}}
            for index, call in enumerate(calls)
        ]
        deltas += [{"tool_calls": begun}] if begun else []
        for start in range(0, 16, 4):  # a piece of each in turn
            pieces = [
                {
                    "index": i,
                    "function": {"arguments": call["function"]["arguments"][start : start + 4]},
                }
                for i, call in enumerate(calls)
            ]
            deltas += [{"tool_calls": pieces}] if pieces else []
        for delta in deltas:
            yield {"id": "1", "model": "vendor-m", "choices": [{"index": 0, "delta": delta}]}
        yield {
            "id": "1",
            "model": "vendor-m",
            "choices": [{"index": 0, "delta": {}, "finish_reason": reason}],
        }
        yield {"id": "1", "model": "vendor-m", "choices": [], "usage": self.usage()}


class Gemini(RequestHandler):
    """Google's shape: signs its calls, and wants the signature back."""

    def post(self, method):
        body = orjson.loads(self.request.body)
        parts = [part for content in body["contents"] for part in content["parts"]]
        made = [part for part in parts if "functionCall" in part]
        if made and made[0].get("thoughtSignature") != SIGNATURE:
            self.set_status(400)
            self.finish(
                {"error": {"code": 400, "message": "Function call is missing a signature."}}
            )
            return
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if results:
            said = [{"text": " and ".join(result["response"]["output"] for result in results)}]
        elif body.get("tools"):
            functions = body["tools"][0]["functionDeclarations"]
            said = [
                {"functionCall": {"name": function["name"], "args": {"city": "Oslo"}}}
                for function in functions
            ]
            said[0]["thoughtSignature"] = SIGNATURE
        else:
            said = [{"text": "Hello."}]
        answer = {
            "candidates": [
                {"content": {"role": "model", "parts": said}, "finishReason": "STOP", "index": 0}
            ],
            "usageMetadata": {
                "promptTokenCount": 100,
                "candidatesTokenCount": 15,
                "thoughtsTokenCount": 5,
                "cachedContentTokenCount": 60,
                "totalTokenCount": 120,
            },
            "responseId": "r",
        }
        if method == "streamGenerateContent":
            self.set_header("Content-Type", "text/event-stream")
            self.finish(sse(answer))
        else:
            self.finish(answer)


@asynccontextmanager
async def serving():
    routes = [("/v1/chat/completions", Chat), (r"/v1beta/models/[^:]*:(\w+)", Gemini)]
    server, sockets = HTTPServer(Application(routes)), bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        yield sockets[0].getsockname()[1]
    finally:
        server.stop()
        await server.close_all_connections()


@asynccontextmanager
async def clients(folder):
    """The SDK's client of a router in front of the vendors."""
    Chat.seen.clear()
    async with serving() as port:
        (folder / "router.toml").write_text(ROUTER_TOML.format(port=port))
        loaded = load_config(folder / "router.toml", {})
        storage = Storage(loaded.config.database_location)
        server = Server(RouterProcess(loaded, storage))
        key = storage.call(lambda: keys.create_key(registration.create_administrator(), "test"))
        try:
            url = f"http://127.0.0.1:{await server.start()}"
            async with anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as client:
                yield client
        finally:
            await server.stop()


async def ask(client, stream, **request):
    """A message, whole or put together from its stream by the SDK."""
    request = {"max_tokens": 1000, **request}
    if not stream:
        return await client.messages.create(**request)
    async with client.messages.stream(**request) as events:
        return await events.get_final_message()


def run(folder, story):
    async def tell():
        async with clients(folder) as client:
            return await story(client)

    return asyncio.run(tell())


VENDORS = pytest.mark.parametrize("model", ["chat/m", "gemini/gemini-3-flash", "echo/echo"])
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@BOTH
@VENDORS
def test_a_question(tmp_path, model, stream):
    message = run(
        tmp_path, lambda client: ask(client, stream, model=model, messages=[user("Hello.")])
    )
    assert [block.type for block in message.content] == ["text"]
    assert (message.content[0].text, message.stop_reason) == ("Hello.", "end_turn")
    assert re.fullmatch(r"msg_\w+", message.id)
    if "echo" not in model:
        usage = message.usage
        assert (usage.input_tokens, usage.cache_read_input_tokens) == (40, 60)
        assert (usage.output_tokens, usage.output_tokens_details.thinking_tokens) == (20, 5)


@BOTH
@VENDORS
def test_a_loop_of_tools(tmp_path, model, stream):
    async def story(client):
        messages = [user(ASK)]
        for turn in (1, 2):
            message = await ask(client, stream, model=model, messages=messages, tools=TOOLS)
            assert message.stop_reason == "tool_use"
            uses = [block for block in message.content if block.type == "tool_use"]
            assert [block.name for block in uses] == [WEATHER, CLOCK]
            assert all(block.input.keys() == {"city"} for block in uses)
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": block.id,
                    "content": [text(f"{block.name[:5]} {turn}")],
                }
                for block in uses
            ]
            messages += [message.to_param(), user([*results])]
            answer = await ask(client, stream, model=model, messages=messages, tools=TOOLS)
            assert answer.stop_reason == "end_turn"
            assert f"mcp__ {turn}" in answer.content[-1].text
            if "gemini" in model:
                return  # it says the results as long as there are any
            messages += [answer.to_param(), user(f"Again: {ASK}")]

    run(tmp_path, story)


@BOTH
def test_what_claude_code_sends(tmp_path, stream):
    """The shapes of its first request, and of the one behind a tool, with a fallback between."""

    async def story(client):
        request = {
            "model": "claude-opus-4-8",
            "betas": ["context-management-2025-06-27", "effort-2025-11-24"],
            "extra_query": {"beta": "true"},
            "system": [
                text("x-anthropic-billing-header: cc_version=2.1.197; cch=00000;"),
                text("You are Claude Code.", cache_control={"type": "ephemeral"}),
            ],
            "tools": [*TOOLS, {"type": "web_search_20260318", "name": "web_search"}],
            "metadata": {"user_id": "x" * 150},
            "max_tokens": 64_000,
            "thinking": {"type": "adaptive"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "output_config": {"effort": "high"},
            "timeout": 60,
        }
        messages = [
            user([text("<system-reminder>"), text("Weather?")]),
            {"role": "system", "content": "You have skills."},
            user("Now."),
        ]

        async def beta():
            if not stream:
                return await client.beta.messages.create(messages=messages, **request)
            async with client.beta.messages.stream(messages=messages, **request) as events:
                return await events.get_final_message()

        message = await beta()
        assert [block.type for block in message.content] == ["thinking", "text", *["tool_use"] * 2]
        assert message.content[0].thinking == THOUGHT
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": [text("9"), IMAGE]}
            for block in message.content
            if block.type == "tool_use"
        ]
        messages += [message.to_param(), user(results)]
        answer = await beta()
        return message, answer

    run(tmp_path, story)
    first, second = (body for body in Chat.seen if body["model"] == "m")
    assert first["messages"] == second["messages"][: len(first["messages"])]
    assert first["tools"] == second["tools"]
    roles = [message["role"] for message in second["messages"]]
    assert roles == ["system", "user", "system", "user", "assistant", "tool", "tool", "user"]
    assert "reasoning_content" not in second["messages"][4]


@BOTH
def test_what_is_left_out_is_told(tmp_path, stream):
    async def story(client):
        raw = await client.messages.with_raw_response.create(
            model="chat/m",
            max_tokens=9,
            messages=[user("Hi")],
            stream=stream,
            extra_body={"top_k": 3, "context_management": {"edits": []}},
        )
        return raw.headers["x-router-dropped-params"]

    assert run(tmp_path, story) == "top_k, context_management"


@BOTH
def test_a_refusal_of_the_vendor_has_anthropics_form(tmp_path, stream):
    async def story(client):
        with pytest.raises(anthropic.BadRequestError) as refused:
            await ask(client, stream, model="chat/picky", messages=[user("Hi")])
        return refused.value.body

    body = run(tmp_path, story)
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert "No." in body["error"]["message"]


@BOTH
def test_what_would_be_lost_is_refused_by_its_place(tmp_path, stream):
    document = {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}

    async def story(client):
        with pytest.raises(anthropic.BadRequestError) as refused:
            await ask(client, stream, model="chat/m", messages=[user([text("Read."), document])])
        return refused.value.body["error"]["message"]

    assert run(tmp_path, story).startswith("messages.0.content.1.source: ")


@BOTH
def test_a_filter_is_a_refusal(tmp_path, stream):
    message = run(
        tmp_path, lambda client: ask(client, stream, model="chat/filtered", messages=[user("Hi")])
    )
    assert (message.stop_reason, message.content[0].text) == ("refusal", "Hello.")


@BOTH
def test_a_model_that_can_do_less_than_the_client_believes_serves_it_all_the_same(tmp_path, stream):
    async def story(client):
        asked = {"model": "chat/small", "messages": [user("Hi")], "stream": stream, "timeout": 60}
        asked |= {"max_tokens": 64_000, "output_config": {"effort": "high"}}
        heads = [await client.messages.with_raw_response.create(**asked) for _ in range(2)]
        return [head.headers["x-router-dropped-params"] for head in heads]

    dropped = run(tmp_path, story)
    assert dropped == ["max_tokens, output_config.effort"] * 2
    assert len(Chat.seen) == 4, "each refusal is met once, and remembered"
