"""Chat completions by responses: the official SDK in front, a vendor of responses alone behind."""

import json

import openai
import pytest

from tornado_router.testing.vendors import json_response

ROUTER_TOML = """
[providers.up]
type = "openai"
api_key = "sk-up"
base_url = "{url}/v1"
responses = true
[targets."up/*"]
chat_by = "responses"
[routing]
retries = 0
"""
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
USAGE = {
    **{"input_tokens": 20, "output_tokens": 9, "total_tokens": 29},
    "input_tokens_details": {"cached_tokens": 12},
    "output_tokens_details": {"reasoning_tokens": 4},
}


def thought(encrypted):
    summary = [{"type": "summary_text", "text": "Hm."}]
    return {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": encrypted}


def called(call_id, arguments):
    return {
        **{"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id},
        **{"name": "get_weather", "arguments": arguments, "status": "completed"},
    }


def said(text):
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        **{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"},
        "content": [part],
    }


def events(response):
    """As OpenAI's own API streams it."""
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(response["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        yield {"type": "response.output_item.added", **place, "item": start(item)}
        for name, text in pieces(item):
            yield {"type": f"response.{name}.delta", **place, "delta": text}
        yield {"type": "response.output_item.done", **place, "item": item}
    yield {"type": f"response.{response['status']}", "response": response}


def start(item):
    empty = {"content": [], "arguments": "", "summary": [], "encrypted_content": ""}
    return {**item, **{name: value for name, value in empty.items() if name in item}}


def pieces(item):
    kind = {
        "message": "output_text",
        "reasoning": "reasoning_summary_text",
        "function_call": "function_call_arguments",
    }[item["type"]]
    parts = item.get("content") or item.get("summary") or ({"text": item.get("arguments")},)
    text = parts[0]["text"]
    return [(kind, text[:3]), (kind, text[3:])]


def respond(request):
    """Calls two tools, thinking before, and speaks once it has their results and its thoughts."""
    if request.path != "/v1/responses":
        return json_response({"error": {"message": "No such path."}}, 404)
    asked = request.json
    if asked["model"] == "picky":
        error = {"message": "Too low.", "param": "max_output_tokens", "code": "bad_value"}
        return json_response({"error": {**error, "type": "invalid_request_error"}}, 400)
    kinds = [item.get("type") for item in asked["input"]]
    output = [said("It is warm.")]
    if "tools" in asked and "function_call_output" not in kinds:
        output = [
            thought("secret"),
            called("call_1", '{"city":"Paris"}'),
            called("call_2", "{}"),
        ]
    cut = asked["model"] == "cut"
    response = {
        **{"id": "resp_1", "object": "response", "created_at": 1790000000},
        **{"model": "gpt-5.6-sol", "output": output, "usage": USAGE, "error": None},
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
    }
    return pieces_of(response) if asked.get("stream") else json_response(response)


async def pieces_of(response):
    for number, event in enumerate(events(response)):
        data = json.dumps({**event, "sequence_number": number})
        yield f"event: {event['type']}\ndata: {data}\n\n".encode()


def ask(client, stream, **fields):
    """The completion, whole or put together of chunks by the SDK."""
    fields = {"model": "up/gpt-5.6-sol", **fields}
    if not stream:
        return client.chat.completions.create(**fields)
    options = {"include_usage": True}
    with client.chat.completions.stream(**fields, stream_options=options) as chunks:
        for _ in chunks:
            pass
        return chunks.get_final_completion()


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop_keeps_its_thoughts(client, vendor, stream):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How warm is it in Paris?"},
    ]

    made = ask(client, stream, messages=messages, tools=[TOOL], reasoning_effort="low")
    (choice,) = made.choices
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    assert [(call.id, call.function.arguments) for call in calls] == [
        ("call_1", '{"city":"Paris"}'),
        ("call_2", "{}"),
    ]
    replayed = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in calls
    ]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "15 degrees"} for call in calls]
    again = [*messages, {"role": "assistant", "tool_calls": replayed}, *results]
    made = ask(client, stream, messages=again, tools=[TOOL])
    assert made.choices[0].message.content == "It is warm."
    assert made.choices[0].finish_reason == "stop"
    assert made.usage.prompt_tokens_details.cached_tokens == 12
    assert made.usage.completion_tokens_details.reasoning_tokens == 4
    first, second = vendor.requests
    assert second.path == "/v1/responses"
    assert (first.json["model"], first.json["store"], first.json["reasoning"]) == (
        *("gpt-5.6-sol", False),
        {"effort": "low"},
    )
    assert first.json["tools"][0]["strict"] is False
    kinds = [item.get("type", item.get("role")) for item in second.json["input"]]
    assert kinds == [
        *("system", "user", "reasoning", "function_call", "function_call"),
        *("function_call_output", "function_call_output"),
    ]
    assert second.json["input"][2]["encrypted_content"] == "secret"


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_cut_off_says_so(client, stream):
    asked = {"model": "up/cut", "messages": [{"role": "user", "content": "x"}], "stream": stream}
    made = client.chat.completions.create(**asked)
    last = list(made)[-1] if stream else made
    assert last.choices[0].finish_reason == "length"


@pytest.mark.parametrize("stream", [False, True])
def test_completions_go_the_same_way(client, vendor, stream):
    made = client.completions.create(model="up/gpt-5.6-sol", prompt="How warm?", stream=stream)
    chunks = made if stream else [made]
    text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    assert text == "It is warm."
    assert [request.path for request in vendor.requests] == ["/v1/responses"]


def test_refusals_and_headers_have_the_clients_names(client):
    messages = [{"role": "user", "content": "x"}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="up/picky", messages=messages, max_tokens=20)
    assert caught.value.param == "max_completion_tokens"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="up/m", messages=messages, stop=["a"])
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "stop")
    answer = client.chat.completions.with_raw_response.create(
        model="up/m", messages=messages, seed=5
    )
    assert answer.headers["x-router-dropped-params"] == "seed"


def test_messages_go_the_same_way_over_two_bridges(router, vendor):
    tool = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
    messages = [{"role": "user", "content": "How warm is it in Paris?"}]
    asked = {"model": "up/m", "max_tokens": 500, "tools": [tool]}

    def post(messages):
        body = json.dumps({**asked, "messages": messages}).encode()
        return json.loads(router.request("POST", "/v1/messages", body).body)

    made = post(messages)
    calls = [block for block in made["content"] if block["type"] == "tool_use"]
    assert [call["input"] for call in calls] == [{"city": "Paris"}, {}]
    assert made["stop_reason"] == "tool_use"
    results = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": "15"} for call in calls
    ]
    turns = [
        {"role": "assistant", "content": made["content"]},
        {"role": "user", "content": results},
    ]
    made = post([*messages, *turns])
    assert made["content"] == [{"type": "text", "text": "It is warm."}]
    assert (made["usage"]["input_tokens"], made["usage"]["cache_read_input_tokens"]) == (8, 12)
    _, second = vendor.requests
    assert second.path == "/v1/responses"
    assert [item["encrypted_content"] for item in second.json["input"] if "summary" in item] == [
        "secret"
    ]
