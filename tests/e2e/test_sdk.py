"""The official SDK, unchanged: what works with OpenAI works with the router."""

import asyncio
import base64
import json

import openai
import pytest
from pydantic import BaseModel

from ..upstream import TEXT, USAGE

pytestmark = pytest.mark.sqlite_suffices

HELLO = [{"role": "user", "content": "hello out there"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
CLOCK = {
    "type": "function",
    "function": {**WEATHER["function"], "name": "clock", "description": "Tells the time"},
}


class City(BaseModel):
    city: str
    people: int


class Sync:
    """The synchronous client."""

    def __init__(self, router):
        self.how = {"base_url": router.url, "api_key": router.key, "max_retries": 0}

    def create(self, **request):
        with openai.OpenAI(**self.how) as client:
            return client.chat.completions.create(
                messages=request.pop("messages", HELLO), **request
            )

    def chunks(self, **request):
        with openai.OpenAI(**self.how) as client:
            request.setdefault("messages", HELLO)
            with client.chat.completions.create(stream=True, **request) as stream:
                return list(stream)

    def parse(self, **request):
        with openai.OpenAI(**self.how) as client:
            return client.chat.completions.parse(**request)

    def accumulated(self, **request):
        """What the SDK's `stream` helper makes of the chunks."""
        with (
            openai.OpenAI(**self.how) as client,
            client.chat.completions.stream(**request) as stream,
        ):
            events = [event.type for event in stream]
            return events, stream.get_final_completion()


class Async(Sync):
    """The asynchronous client."""

    def create(self, **request):
        async def run():
            async with openai.AsyncOpenAI(**self.how) as client:
                request.setdefault("messages", HELLO)
                return await client.chat.completions.create(**request)

        return asyncio.run(run())

    def chunks(self, **request):
        async def run():
            async with openai.AsyncOpenAI(**self.how) as client:
                request.setdefault("messages", HELLO)
                async with await client.chat.completions.create(stream=True, **request) as stream:
                    return [chunk async for chunk in stream]

        return asyncio.run(run())

    def parse(self, **request):
        async def run():
            async with openai.AsyncOpenAI(**self.how) as client:
                return await client.chat.completions.parse(**request)

        return asyncio.run(run())

    def accumulated(self, **request):
        async def run():
            async with (
                openai.AsyncOpenAI(**self.how) as client,
                client.chat.completions.stream(**request) as stream,
            ):
                events = [event.type async for event in stream]
                return events, await stream.get_final_completion()

        return asyncio.run(run())


@pytest.fixture(params=[Sync, Async])
def sdk(request, router):
    return request.param(router)


def text(chunks, index=0):
    """The text of one choice."""
    return "".join(
        choice.delta.content or ""
        for chunk in chunks
        for choice in chunk.choices
        if choice.index == index
    )


@pytest.mark.parametrize(
    ("model", "content", "tokens"), [("echo", "hello out there", (3, 3)), ("ok", TEXT, (11, 7))]
)
def test_whole_answer(sdk, model, content, tokens):
    done = sdk.create(model=model)
    assert done.object == "chat.completion"
    assert done.choices[0].message.content == content
    assert done.choices[0].message.role == "assistant"
    assert done.choices[0].finish_reason == "stop"
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == tokens


@pytest.mark.parametrize(("model", "content"), [("echo", "hello out there"), ("stream", TEXT)])
def test_streamed_answer(sdk, model, content):
    chunks = sdk.chunks(model=model)
    assert text(chunks) == content
    assert len(chunks) == len(content.split(" ")) + 2
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]


@pytest.mark.parametrize(("model", "tokens"), [("echo", (3, 3)), ("ok", (11, 7))])
def test_usage_of_a_stream_comes_once_and_last_when_asked_for(sdk, model, tokens):
    chunks = sdk.chunks(model=model, stream_options={"include_usage": True})
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == tokens
    assert chunks[-1].id == chunks[0].id
    assert chunks[-1].model == chunks[0].model


def test_usage_keeps_the_details_that_the_provider_gave(sdk):
    last = sdk.chunks(model="ok", stream_options={"include_usage": True})[-1]
    assert last.usage.model_dump(exclude_none=True) == USAGE


@pytest.mark.parametrize("model", ["echo", "ok", "stream-usage-in-finish-chunk"])
@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": False}}])
def test_usage_of_a_stream_is_hidden_from_those_who_did_not_ask(sdk, model, options):
    chunks = sdk.chunks(model=model, **options)
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    assert all(chunk.choices for chunk in chunks)


def test_echo_calls_a_tool(sdk):
    messages = [{"role": "user", "content": "please call weather"}]
    done = sdk.create(model="echo", messages=messages, tools=[WEATHER, CLOCK])
    assert done.choices[0].finish_reason == "tool_calls"
    (call,) = done.choices[0].message.tool_calls
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "please call weather"}


def test_tool_choice_and_parallel_tool_calls_reach_the_provider(sdk, upstream):
    choice = {"type": "function", "function": {"name": "clock"}}
    sdk.create(model="tools", tools=[WEATHER, CLOCK], tool_choice=choice, parallel_tool_calls=False)
    sent = json.loads(upstream.exchange()["body"])
    assert sent["tools"] == [WEATHER, CLOCK]
    assert sent["tool_choice"] == choice
    assert sent["parallel_tool_calls"] is False


@pytest.mark.parametrize("model", ["echo", "tools"])
def test_parallel_tool_calls_and_their_results(sdk, model):
    messages = [{"role": "user", "content": "call weather and call clock"}]
    asked = sdk.create(model=model, messages=messages, tools=[WEATHER, CLOCK])
    calls = asked.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["weather", "clock"]

    messages.append(asked.choices[0].message.model_dump())
    for call, result in zip(calls, ("sunny", "noon"), strict=True):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    done = sdk.create(model=model, messages=messages, tools=[WEATHER, CLOCK])
    assert done.choices[0].finish_reason == "stop"
    assert done.choices[0].message.content == ("noon" if model == "echo" else "sunny noon")


@pytest.mark.parametrize("model", ["echo", "tools"])
def test_stream_helper_puts_parallel_tool_calls_together(sdk, model):
    events, done = sdk.accumulated(
        model=model,
        messages=[{"role": "user", "content": "call weather and call clock"}],
        tools=[WEATHER, CLOCK],
    )
    assert "tool_calls.function.arguments.delta" in events
    assert events.count("tool_calls.function.arguments.done") == 2
    calls = done.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["weather", "clock"]
    assert all(list(json.loads(call.function.arguments)) == ["city"] for call in calls)


def test_stream_helper_gives_text_and_usage(sdk):
    events, done = sdk.accumulated(
        model="stream", messages=HELLO, stream_options={"include_usage": True}
    )
    assert events.count("content.delta") == len(TEXT.split(" ")) + 1  # an empty one comes first
    assert events[-2:] == ["content.done", "chunk"]
    assert done.choices[0].message.content == TEXT
    assert done.usage.total_tokens == USAGE["total_tokens"]


def test_structured_output(sdk, upstream):
    done = sdk.parse(model="structured", messages=HELLO, response_format=City)
    assert done.choices[0].message.parsed == City(city="Köln", people=1087863)
    asked = json.loads(upstream.exchange()["body"])["response_format"]
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["strict"] is True
    assert asked["json_schema"]["schema"]["required"] == ["city", "people"]


def test_structured_output_of_echo(sdk):
    done = sdk.parse(model="echo", messages=HELLO, response_format=City)
    assert done.choices[0].message.parsed == City(city="hello out there", people=0)


def test_structured_output_streamed(sdk):
    _, done = sdk.accumulated(model="echo", messages=HELLO, response_format=City)
    assert done.choices[0].message.parsed == City(city="hello out there", people=0)


def test_images_and_audio_arrive_as_they_were_sent(sdk, upstream):
    picture = base64.b64encode(bytes(range(256)) * 400).decode()
    content = [
        {"type": "text", "text": "What is this? ✓"},
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{picture}", "detail": "low"},
        },
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png?x=1&y=2"}},
        {"type": "input_audio", "input_audio": {"data": picture, "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-123"}},
    ]
    sdk.create(model="ok", messages=[{"role": "user", "content": content}])
    sent = json.loads(upstream.exchange()["body"])
    assert sent["messages"] == [{"role": "user", "content": content}]


@pytest.mark.parametrize(("model", "token"), [("ok", "Gr"), ("echo", "hello")])
def test_logprobs(sdk, model, token):
    done = sdk.create(model=model, logprobs=True, top_logprobs=2)
    assert done.choices[0].logprobs.content[0].token == token


@pytest.mark.parametrize("model", ["echo", "ok"])
def test_two_choices(sdk, model):
    done = sdk.create(model=model, n=2)
    assert [choice.index for choice in done.choices] == [0, 1]
    assert done.choices[0].message.content == done.choices[1].message.content


def test_two_choices_streamed(sdk):
    chunks = sdk.chunks(model="echo", n=2)
    assert text(chunks, 0) == text(chunks, 1) == "hello out there"


def test_unknown_fields_pass_both_ways(sdk, upstream):
    more = {"top_k": 40, "vendor": {"beam": [1, 2.5, None]}}
    done = sdk.create(model="ok", extra_body=more)
    sent = json.loads(upstream.exchange()["body"])
    assert {name: sent[name] for name in more} == more
    assert done.vendor_extension == {"kept": True}


def test_raw_response_shows_the_request_id(client, router):
    raw = client.chat.completions.with_raw_response.create(model="echo", messages=HELLO)
    assert raw.request_id.startswith("req_")
    assert raw.parse().choices[0].message.content == "hello out there"
    assert router.usage(raw.request_id)["status"] == 200
    assert router.log_line(raw.request_id)["status"] == 200


def test_request_id_of_the_client_is_kept(client, router, request_id):
    with client.chat.completions.create(
        model="echo", messages=HELLO, stream=True, extra_headers={"X-Request-Id": request_id}
    ) as stream:
        assert stream.response.headers["x-request-id"] == request_id
        assert text(list(stream)) == "hello out there"
    row = router.usage(request_id)
    assert row["status"] == 200
    assert row["call_id"] != request_id
    line = router.log_line(request_id)
    assert (line["model"], line["provider"], line["target_model"]) == ("echo", "echo", "echo")
    assert (line["prompt_tokens"], line["completion_tokens"]) == (3, 3)
    assert line["key_name"] == "admin"


def test_usage_row_says_what_the_provider_said(client, router):
    done = client.chat.completions.create(model="renamed", messages=HELLO)
    row = router.usage(done._request_id)
    assert row["endpoint"] == "chat.completions"
    assert (row["model"], row["provider"], row["target_model"]) == ("renamed", "up", "ok")
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (11, 7, 18)
    assert (row["cached_tokens"], row["reasoning_tokens"]) == (3, 2)
    assert (row["status"], row["stream"], row["usage_estimated"]) == (200, 0, 0)
    assert row["duration_ms"] > 0


def test_models(client):
    names = [model.id for model in client.models.list()]
    assert {"echo", "ok", "renamed", "team/renamed"} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "owner"),
    [("echo", "echo"), ("team/renamed", "up"), ("up/ok", "up"), ("up/some/deep/model", "up")],
)
def test_model(client, name, owner):
    model = client.models.retrieve(name)
    assert (model.id, model.object, model.owned_by) == (name, "model", owner)


def test_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("gone/away")
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="gone", messages=HELLO)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert "'gone'" in refused.value.body["message"]


def test_wrong_key(router):
    with (
        openai.OpenAI(base_url=router.url, api_key="sk-tr-wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        client.chat.completions.create(model="echo", messages=HELLO)
    assert refused.value.code == "invalid_api_key"
    assert "sk-tr-wrong" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [HELLO[0], {"role": "tool", "content": "x"}]}, "messages[1].tool_call_id"),
        ({"n": "two"}, "n"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ],
)
def test_invalid_request_costs_nothing_and_names_the_field(sdk, upstream, more, param):
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.create(**{"model": "ok", **more})
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"
    assert upstream.exchanges() == []


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("up/status:400", openai.BadRequestError),
        ("up/status:422", openai.UnprocessableEntityError),
        ("up/status:429", openai.RateLimitError),
        ("up/status:500", openai.InternalServerError),
        ("html", openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_refusal_of_the_provider_is_an_exception_of_the_sdk(sdk, model, error, streamed):
    with pytest.raises(error) as refused:
        (sdk.chunks if streamed else sdk.create)(model=model)
    assert refused.value.request_id.startswith("req_")
    if model == "up/status:400":
        assert (refused.value.param, refused.value.code) == ("temperature", "vendor_400")
        assert refused.value.body["message"] == "Vendor says 400."
    if model == "up/status:429":
        assert refused.value.response.headers["retry-after"] == "11"


def test_sdk_waits_as_long_as_the_provider_says(router, upstream, request_id):
    with openai.OpenAI(base_url=router.url, api_key=router.key, max_retries=1) as client:
        done = client.chat.completions.create(model=f"up/limited:{request_id}", messages=HELLO)
    assert done.choices[0].message.content == TEXT
    refused, served = upstream.exchanges()
    assert served["received_at"] - refused["received_at"] >= 1  # left to itself, it waits for 0.5


def test_error_in_a_stream_is_an_exception_of_the_sdk(client, upstream):
    with client.chat.completions.create(
        model="stream-error-event", messages=HELLO, stream=True
    ) as stream:
        assert next(stream).choices[0].delta.role == "assistant"
        upstream.step()
        with pytest.raises(openai.APIError, match="Overloaded on the way") as failed:
            list(stream)
    assert failed.value.code == "overloaded"
