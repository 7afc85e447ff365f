"""Responses: what they ask for, and how a whole response reaches the client."""

import orjson
import pytest

from tornado_router.endpoints import RESPONSES, RESPONSES_COMPACT, Output
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Call, Relayed


def call(**fields):
    body = {"model": "m", "input": "hi", **fields}
    return Call("req_1", RESPONSES.name, "m", body, orjson.dumps(body), bool(fields.get("stream")))


IMAGE = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 40_000}
FILE = {"type": "input_file", "file_data": "A" * 40_000, "filename": "a.pdf"}
FUNCTION = {"type": "function", "name": "f", "parameters": {}, "strict": True}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Paris, no doubt.", "annotations": []}],
}


def user(*parts):
    return [{"role": "user", "content": list(parts)}]


class TestAsk:
    def test_text_comes_to_the_bytes_of_the_json(self):
        asked = call(input="word " * 100)
        assert RESPONSES.ask(asked).prompt() == (-(-len(asked.raw) // 4), 0)

    @pytest.mark.parametrize(("part", "images"), [(IMAGE, 1), (FILE, 0)])
    def test_the_data_of_media_is_no_text(self, part, images):
        tokens, found = RESPONSES.ask(call(input=user(part))).prompt()
        assert (tokens < 1000, found) == (True, images)

    def test_an_image_among_the_results_of_a_tool_is_found(self):
        item = {"type": "function_call_output", "call_id": "c", "output": [IMAGE]}
        assert RESPONSES.ask(call(input=[item])).prompt()[1] == 1

    @pytest.mark.parametrize(
        ("fields", "output"),
        [
            ({}, Output(1, None)),
            ({"max_output_tokens": None}, Output(1, None)),
            ({"max_output_tokens": 20.0}, Output(1, 20)),
        ],
    )
    def test_output_is_bound_by_the_client(self, fields, output):
        assert RESPONSES.ask(call(**fields)).output() == output

    def test_needs_name_the_field_that_asks(self):
        schema = {"format": {"type": "json_schema", "name": "s", "schema": {}}}
        asked = call(input=user(IMAGE, FILE, {"type": "x"}), tools=[FUNCTION], text=schema)
        assert RESPONSES.ask(call(text=None, tools=None)).needs() == {}
        assert RESPONSES.ask(asked).needs() == {
            "images": "input",
            "files": "input",
            "tools": "tools",
            "structured_outputs": "text.format",
        }

    def test_tools_in_an_item_are_needed_too(self):
        items = [{"type": "additional_tools", "role": "developer", "tools": [FUNCTION]}]
        assert RESPONSES.ask(call(input=items)).needs() == {"tools": "input"}

    def test_a_context_holds_the_output_too(self):
        assert 150 <= RESPONSES.ask(call(input="x" * 400, max_output_tokens=50)).context() <= 155

    @pytest.mark.parametrize(("fields", "given"), [({}, 1), ({"temperature": 0}, 0)])
    def test_temperature_has_a_default(self, fields, given):
        assert RESPONSES.ask(call(**fields)).temperature() == given


def test_tool_call_ids_are_those_of_calls():
    items = [
        {"role": "user", "content": "x"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "b", "name": "f", "input": ""},
        {"type": "function_call_output", "call_id": "a", "output": "x"},
        {"type": "function_call", "call_id": None},
        {"type": "apply_patch_call", "call_id": "c", "operation": {}, "status": "completed"},
        {"type": "tool_search_call", "call_id": "d", "arguments": {}},
    ]
    assert RESPONSES.tool_call_ids(call(input=items)) == ["a", "b", "c", "d"]
    assert RESPONSES.tool_call_ids(call()) == []


def test_what_is_compacted_comes_to_no_more_than_it_was():
    asked = RESPONSES_COMPACT.ask(call(input="word " * 100))
    assert asked.output() == Output(1, asked.prompt()[0])
    assert not RESPONSES_COMPACT.is_kept(call())


def test_a_bound_of_the_routers_is_sent():
    assert RESPONSES.bounded(call(max_output_tokens=9), 5).body["max_output_tokens"] == 5


@pytest.mark.parametrize(
    "body",
    [
        {"input": [{"type": "agent_message", "x": 1}], "client_metadata": {"a": 1}},
        {"input": [{"type": "context_compaction", "encrypted_content": "x"}]},
        {"input": "x", "tools": [{"type": "web_search", "external_web_access": False}]},
        {"input": [{"type": "reasoning", "summary": [], "content": None}]},
        {"input": "x", "reasoning": {"summary": "auto", "context": "all_turns"}},
        {"input": "x", "tool_choice": "auto"},
    ],
)
def test_what_agents_send_passes(body):
    RESPONSES.validator().check({"model": "m", **body})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": 7}, "input"),
        ({"input": [{"role": "alien", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].arguments"),
        ({"input": user({**IMAGE, "image_url": 5})}, "input[0].content[0].image_url"),
        ({"input": "x", "stream_options": {"include_obfuscation": False}}, "stream_options"),
    ],
)
def test_what_is_malformed_is_refused_by_name(body, param):
    with pytest.raises(ApiError) as caught:
        RESPONSES.validator().check({"model": "m", **body})
    assert (caught.value.status, caught.value.param) == (400, param)


def called(kind, name):
    return {"type": kind, "call_id": name, "name": "f", "arguments": "{}", "input": ""}


def output(kind, name):
    return {"type": f"{kind}_output", "call_id": name, "output": "x"}


FUNCTION_CALL, CUSTOM = "function_call", "custom_tool_call"


@pytest.mark.parametrize(
    ("items", "fields", "fault"),
    [
        ([called(FUNCTION_CALL, "a"), output(FUNCTION_CALL, "a")], {}, None),
        ([called(CUSTOM, "a"), output(CUSTOM, "a")], {}, None),
        ([called(FUNCTION_CALL, "a")], {}, "No tool output found for function call a."),
        (
            [output(CUSTOM, "b")],
            {},
            "No tool call found for custom tool call output with call_id b.",
        ),
        ([output(FUNCTION_CALL, "a")], {"previous_response_id": "resp_1"}, None),
        (
            [called(FUNCTION_CALL, "a")],
            {"previous_response_id": "resp_1"},
            "No tool output found for function call a.",
        ),
        ([{"type": "compaction", "encrypted_content": "x"}, output(CUSTOM, "b")], {}, None),
        ([{"type": "item_reference", "id": "fc_1"}, output(FUNCTION_CALL, "b")], {}, None),
    ],
)
def test_calls_and_their_outputs_belong_together(items, fields, fault):
    body = {"model": "m", "input": items, **fields}
    if fault is None:
        RESPONSES.validator().check(body)
        return
    with pytest.raises(ApiError) as caught:
        RESPONSES.validator().check(body)
    assert (caught.value.message, caught.value.param) == (fault, "input")


class TestWhole:
    def test_the_bytes_of_a_vendor_stay(self):
        raw = b'{ "output": [], "usage": {"input_tokens": 3, "output_tokens": 4} }'
        data, kind, usage, _ = RESPONSES.whole(call(), Relayed(orjson.loads(raw), raw))
        assert (data, kind) == (raw, "application/json")
        assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (3, 4, False)

    def test_it_is_called_as_the_client_did(self):
        data, _, _, _ = RESPONSES.whole(call(), {"output": [], "model": "vendor"}, "asked")
        assert orjson.loads(data)["model"] == "asked"

    def test_what_has_no_usage_gets_an_estimate(self):
        data, _, usage, _ = RESPONSES.whole(call(), {"output": [MESSAGE]})
        assert usage.estimated
        assert usage.completion_tokens == 4  # of 16 bytes
        assert orjson.loads(data)["usage"]["output_tokens"] == 4

    @pytest.mark.parametrize("body", [{}, {"output": None}, {"output": "x"}])
    def test_what_has_no_output_is_none(self, body):
        with pytest.raises(ProviderError):
            RESPONSES.whole(call(), body)


@pytest.mark.parametrize(
    ("chunk", "has_content"),
    [
        ({"type": "response.created", "response": {}}, False),
        ({"type": "response.in_progress", "response": {}}, False),
        ({"type": "response.output_item.added", "item": {"type": "message"}}, False),
        ({"type": "response.output_item.added", "item": {"type": "reasoning"}}, False),
        ({"type": "response.content_part.added", "part": {}}, False),
        ({"type": "response.output_text.delta", "delta": ""}, False),
        ({"type": "response.output_text.delta", "delta": "a"}, True),
        ({"type": "response.reasoning_summary_text.delta", "delta": "a"}, True),
        ({"type": "response.refusal.delta", "delta": "a"}, True),
        ({"type": "response.output_item.added", "item": {"type": "function_call"}}, True),
        ({"type": "response.image_generation_call.partial_image"}, True),
        ({"type": 5}, False),
        ({}, False),
    ],
)
def test_content_is_what_the_client_asked_for(chunk, has_content):
    assert RESPONSES.has_content(chunk) is has_content
    assert RESPONSES.has_content(Relayed(chunk, b"")) is has_content


@pytest.mark.parametrize("kind", [["x"], {}, 5, None])
def test_a_part_of_an_unknown_shape_is_no_medium(kind):
    ask = RESPONSES.ask(call(input=[{"type": "agent_message", "content": [{"type": kind}]}]))
    assert ask.needs() == {}
    assert ask.prompt()[1] == 0
