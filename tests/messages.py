"""Requests of the Messages API as its clients send them, and chunks of chat completions."""

import orjson

from tornado_router.provider import Call

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJA"
    "AAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
PDF = "JVBERi0xLjQKJSVFT0YK"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def user(content):
    return {"role": "user", "content": content}


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def text(content, **fields):
    return {"type": "text", "text": content, **fields}


def use(ref="toolu_1", name="get_weather", **given):
    return {"type": "tool_use", "id": ref, "name": name, "input": given}


def result(ref="toolu_1", content="15 degrees", **fields):
    return {"type": "tool_result", "tool_use_id": ref, "content": content, **fields}


def call(*messages, unsupported="adapt", **fields):
    """A call; without messages, of a question."""
    body = {
        "model": "alias",
        "max_tokens": 99,
        "messages": list(messages or [user("Hi")]),
        **fields,
    }
    stream = bool(fields.get("stream"))
    return Call("r1", "messages", "m", body, orjson.dumps(body), stream, unsupported)


def chunk(reason=None, usage=None, **delta):
    """A chunk of a chat completion."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "vendor-m",
    }
    return {**head, "choices": [choice], **({"usage": usage} if usage else {})}


def usage_chunk(prompt=11, completion=7, **details):
    """The last chunk, of usage alone."""
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        **details,
    }
    return {**chunk(), "choices": [], "usage": usage}


def piece(index, arguments=None, ref=None, name=None):
    """A piece of a tool call."""
    function = {"name": name, "arguments": arguments}
    function = {key: value for key, value in function.items() if value is not None}
    made = {"index": index, "function": function}
    return {**made, "id": ref, "type": "function"} if ref else made


def whole(reason="stop", usage=None, **message):
    """A whole chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    made = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "vendor-m"}
    return {**made, "choices": [choice], **({"usage": usage} if usage else {})}
