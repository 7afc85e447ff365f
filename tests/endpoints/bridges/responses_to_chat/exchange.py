"""What the tests of this bridge share: requests, chunks, and the official SDK as their judge."""

from __future__ import annotations

import orjson
from openai.types.responses import Response, ResponseInputItem, ResponseStreamEvent
from pydantic import TypeAdapter

from tornado_router.endpoints import CHAT_COMPLETIONS, RESPONSES
from tornado_router.endpoints.bridges.responses_to_chat import ResponsesToChat
from tornado_router.provider import Call

BRIDGE = ResponsesToChat()
STATE = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
_CHAT = CHAT_COMPLETIONS.validator("openai")
_VALID = RESPONSES.validator()
_EVENT = TypeAdapter(ResponseStreamEvent)
_ITEM = TypeAdapter(ResponseInputItem)
_USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}


def call(given="Hello", unsupported="adapt", **fields):
    """A client's call."""
    body = {"model": "alias", "input": given, **fields}
    _VALID.check(body)
    stream = bool(fields.get("stream"))
    return Call("req_r1", RESPONSES.name, "m", body, orjson.dumps(body), stream, unsupported)


def made(*args, **fields):
    """The body of the chat completion that a request becomes; as OpenAI itself takes it."""
    inner = BRIDGE.call(call(*args, **fields))
    assert inner.endpoint == CHAT_COMPLETIONS.name
    assert orjson.loads(inner.raw) == inner.body
    _CHAT.check(inner.body)
    return dict(inner.body)


def messages(*items, **fields):
    """The messages that items become."""
    return made(list(items), **fields)["messages"]


def says(role, *texts):
    """A message of a client."""
    kind = "output_text" if role == "assistant" else "input_text"
    parts = [{"type": kind, "text": text} for text in texts]
    return {"type": "message", "role": role, "content": parts}


def called(call_id, name="get_weather", arguments="{}", **fields):
    """The call of a function."""
    return {
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        **fields,
    }


def output(call_id, text="15 degrees", kind="function_call_output"):
    """The output of a call."""
    return {"type": kind, "call_id": call_id, "output": text}


def tool_call(call_id, name, arguments):
    """A call as a chat completion has it."""
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def chunk(reason=None, logprobs=None, **delta):
    """A chunk of a chat completion."""
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "vendor-m",
        "choices": [choice],
    }


def piece(index=0, call_id=None, name=None, arguments=""):
    """A chunk with a piece of a tool call."""
    function = {"arguments": arguments, **({"name": name} if name else {})}
    head = {"id": call_id, "type": "function"} if call_id else {}
    return chunk(tool_calls=[{"index": index, **head, "function": function}])


USAGE = {**chunk(), "choices": [], "usage": _USAGE}


def completion(reason="stop", usage=_USAGE, **message):
    """A whole chat completion."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": None, **message},
        "finish_reason": reason,
    }
    head = chunk() | {"object": "chat.completion", "choices": [choice]}
    return head | ({"usage": usage} if usage else {})


def events(asked, *chunks):
    """The events of a stream; each is one of the SDK's."""
    stream = BRIDGE.stream(asked)
    found = [event for one in chunks for event in stream.feed(one)] + list(stream.finish())
    for number, event in enumerate(found):
        _EVENT.validate_python({**event, "sequence_number": number})
    return found


def response(asked, body):
    """A whole response, which the SDK knows; its items may all be sent back."""
    found = BRIDGE.response(asked, body)
    Response.model_validate(found)
    for item in found["output"]:
        _ITEM.validate_python(item)
    return found


def kinds(found):
    """The types of events, without what they have in common."""
    return [event["type"].removeprefix("response.") for event in found]


def last(found):
    """The response at the end of a stream."""
    return found[-1]["response"]
