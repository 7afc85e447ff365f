"""Chat completions to translate, and what became of them."""

import orjson

from tornado_router.endpoints import CHAT_COMPLETIONS, RESPONSES
from tornado_router.endpoints.bridges.chat_to_responses import ChatToResponses
from tornado_router.provider import Call

BRIDGE = ChatToResponses()
USER = {"role": "user", "content": "Hello"}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}
_VALIDATOR = RESPONSES.validator("openai")


def call(*messages, unsupported="adapt", memory=None, **fields):
    body = {"model": "alias", "messages": list(messages) or [USER], **fields}
    CHAT_COMPLETIONS.validator().check(body)
    stream = bool(fields.get("stream"))
    return Call("req_1", CHAT_COMPLETIONS.name, "m", body, b"{}", stream, unsupported, memory or {})


def sent(asked):
    """The body that the vendor gets; it fits OpenAI's own schema."""
    inner = BRIDGE.call(asked)
    assert (inner.endpoint, orjson.loads(inner.raw)) == (RESPONSES.name, inner.body)
    _VALIDATOR.check(inner.body)
    return dict(inner.body)


def items(*messages, **how):
    return sent(call(*messages, **how))["input"]


def calls(*ids):
    made = [
        {"id": ref, "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
        for ref in ids
    ]
    return {"role": "assistant", "content": None, "tool_calls": made}


def result(ref, content="15 degrees"):
    return {"role": "tool", "tool_call_id": ref, "content": content}


def thought(text, encrypted="abc"):
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": encrypted}


def said(*texts, **fields):
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": parts, **fields}


def function_call(call_id, arguments="{}", name="get_weather"):
    return {
        **{"type": "function_call", "id": "fc_1", "call_id": call_id},
        **{"name": name, "arguments": arguments},
    }


def response(*output, status="completed", **fields):
    return {
        **{"id": "resp_7", "object": "response", "created_at": 5, "model": "m-1"},
        **{"status": status, "output": list(output), **fields},
    }
