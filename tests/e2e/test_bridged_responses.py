"""`POST /v1/responses` by the official SDK, from providers that have only chat completions."""

import json

import openai
import pydantic
import pytest

from ..upstream import TEXT

pytestmark = pytest.mark.sqlite_suffices

PROMPT = "hello out there"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
TOOLS = [
    WEATHER,
    {"type": "namespace", "name": "crm", "description": "d", "tools": [WEATHER]},
    {"type": "custom", "name": "exec"},
    {"type": "web_search"},
]
SERVED = pytest.mark.parametrize(
    ("model", "said", "tokens"),
    [("echo", PROMPT, (3, 3)), ("chatty/ok", TEXT, (11, 7))],
    ids=["in process", "upstream"],
)


def ask(client, *, stream, **fields):
    """The whole response, or the one that the SDK makes of a stream and its events."""
    if not stream:
        return client.responses.create(**fields), []
    with client.responses.stream(**fields) as events:
        found = list(events)
        return events.get_final_response(), found


@SERVED
@pytest.mark.parametrize("stream", [False, True])
def test_a_text(client, model, said, tokens, stream):
    response, events = ask(client, stream=stream, model=model, input=PROMPT)
    assert (response.status, response.output_text) == ("completed", said)
    assert (response.usage.input_tokens, response.usage.output_tokens) == tokens
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == (said if stream else "")


@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_of_tools(client, upstream, stream):
    fields = {"model": "chatty/tools", "tools": TOOLS, "stream": stream}
    items = [{"role": "user", "content": "Weather?"}]
    response, _ = ask(client, **fields, input=items)
    calls = [
        (item.type, item.name, item.namespace) for item in response.output if item.type != "message"
    ]
    assert calls == [
        ("function_call", "get_weather", None),
        ("function_call", "get_weather", "crm"),
        ("custom_tool_call", "exec", None),
    ]
    assert [item.arguments for item in response.output[:2]] == ['{"city": "Köln"}'] * 2
    assert response.output[2].input == "Köln"
    items += [item.model_dump(exclude_none=True) for item in response.output]
    items += [
        {"type": f"{item.type}_output", "call_id": item.call_id, "output": str(number)}
        for number, item in enumerate(response.output)
    ]
    response, _ = ask(client, **fields | {"stream": False}, input=items)
    assert response.output_text == "0 1 2"
    sent = json.loads(upstream.exchanges()[-1]["body"])["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "tool"]
    names = [call["function"]["name"] for call in sent[1]["tool_calls"]]
    assert names == ["get_weather", "crm__get_weather", "exec"]


def test_what_was_left_out_is_named(client):
    raw = client.responses.with_raw_response.create(
        model="chatty/ok", input=PROMPT, tools=TOOLS, extra_body={"client_metadata": {"a": "b"}}
    )
    assert raw.headers["x-router-dropped-params"] == "tools[3], client_metadata"


def test_half_a_turn_is_refused_in_the_words_of_the_vendor(client, upstream):
    call = {"type": "function_call", "call_id": "call_x", "name": "f", "arguments": "{}"}
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="chatty/ok", input=[call])
    assert refused.value.body["message"] == "No tool output found for function call call_x."
    assert refused.value.param == "input"


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_of_the_vendor_is_one_of_the_dialect(client, stream):
    with pytest.raises(openai.APIStatusError) as failed:
        ask(client, stream=stream, model="chatty/status:400", input=PROMPT)
    assert failed.value.body["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_of_tools_that_goes_on_by_the_id(client, stream):
    fields = {"model": "chatty/tools", "tools": [WEATHER]}
    first, _ = ask(client, stream=stream, **fields, input="Weather?")
    output = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "cold"}
    second = client.responses.create(**fields, previous_response_id=first.id, input=[output])
    assert second.output_text == "cold"


@pytest.mark.parametrize(
    "model",
    [
        "stream-no-usage",
        "stream-no-done",
        "stream-usage-in-finish-chunk",
        "stream-usage-in-every-chunk",
        "stream-never-ends-after-done",
        "after-up/stream-error-first",
        "after-up/status:503",
    ],
)
def test_a_stream_has_one_beginning_and_one_end(client, model):
    events = list(client.responses.create(model=model, input=PROMPT, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds.count("response.created") == 1
    assert [kind for kind in kinds if kind == "response.completed"] == kinds[-1:]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == events[-1].response.output_text
    assert events[-1].response.usage.output_tokens > 0


@pytest.mark.parametrize("model", ["stream-truncated", "stream-cut", "stream-error-event"])
def test_a_stream_that_breaks_off_is_a_response_that_failed(client, upstream, model):
    stream = client.responses.create(model=model, input=PROMPT, stream=True)
    events = [next(stream)]
    upstream.step()
    events += stream
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.message
    assert events[-1].response.id == events[0].response.id


@SERVED
@pytest.mark.parametrize("stream", [False, True])
def test_usage_is_recorded_once(client, router, model, said, tokens, stream):
    raw = client.responses.with_raw_response.create(model=model, input=PROMPT, stream=stream)
    if stream:
        list(raw.parse())
    row = router.usage(raw.headers["x-request-id"])
    assert (row["endpoint"], row["status"], row["usage_estimated"]) == ("responses", 200, 0)
    assert (row["prompt_tokens"], row["completion_tokens"]) == tokens


def test_a_structured_output_is_parsed(client):
    class City(pydantic.BaseModel):
        city: str

    done = client.responses.parse(model="structured", input="Which city?", text_format=City)
    assert isinstance(done.output_parsed, City)
