"""Messages as items: each in its place, and the reasoning that a model wants back."""

import pytest

from tests.endpoints.bridges.chat_to_responses.asked import (
    USER,
    call,
    calls,
    items,
    result,
    sent,
)
from tornado_router.endpoints.bridges.chat_to_responses.items import MAX_CALL_ID, Items, wire_id
from tornado_router.errors import ProviderError
from tornado_router.provider import Params

KEPT = {"type": "reasoning", "summary": [], "encrypted_content": "abc"}


def kept(model="m", **fields):
    return {"model": model, "reasoning_items": [{**KEPT, **fields}]}


def test_messages_of_the_system_stay_where_they_are():
    made = items(
        {"role": "developer", "content": "Be brief."},
        USER,
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
    )
    assert made == [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "system", "content": [{"type": "input_text", "text": "Be kind."}]},
    ]


def test_parts_of_every_kind():
    content = [
        {"type": "text", "text": "See", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://x/b.png"}},
        {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
    ]
    asked = call({"role": "user", "content": content})
    (made,) = Items(asked, Params(asked)).make(asked.body["messages"])
    assert made["content"] == [
        {
            "type": "input_text",
            "text": "See",
            "prompt_cache_breakpoint": {"mode": "explicit"},
        },
        {"type": "input_image", "image_url": "https://x/a.png", "detail": "low"},
        {"type": "input_image", "image_url": "https://x/b.png", "detail": "auto"},
        {"type": "input_file", "file_data": "data:x", "filename": "a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
    ]


def test_a_part_of_an_unknown_kind_is_refused_by_its_path():
    content = [{"type": "video_url", "video_url": {"url": "x"}}]
    with pytest.raises(ProviderError) as caught:
        sent(call({"role": "user", "content": content}))
    assert (caught.value.status, caught.value.param) == (400, "messages[0].content[0]")
    asked = call(USER, {"role": "user", "content": content}, unsupported="drop")
    assert sent(asked)["input"][1] == {"role": "user", "content": []}
    assert asked.dropped == ["messages[1].content[0]"]


def test_a_tool_loop():
    said = {**calls("call_1", "call_2"), "content": "Let me see."}
    assert items(USER, said, result("call_2"), result("call_1", [{"type": "text", "text": "x"}]))[
        1:
    ] == [
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call", "call_id": "call_2", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_2", "output": "15 degrees"},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_text", "text": "x"}],
        },
    ]


def test_custom_tools_are_told_from_functions():
    custom = {"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    assert items(USER, {"role": "assistant", "tool_calls": [custom]}, result("c"))[1:] == [
        {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "15 degrees"},
    ]


def test_reasoning_comes_back_before_what_it_led_to():
    said = {**calls("call_1", "call_2"), "content": "Let me see."}
    memory = {"call_1": kept(), "call_2": kept(encrypted_content="def")}
    made = items(USER, said, result("call_1"), result("call_2"), memory=memory)
    assert [item.get("type", item.get("role")) for item in made] == [
        *("user", "reasoning", "assistant", "function_call", "reasoning", "function_call"),
        *("function_call_output", "function_call_output"),
    ]
    assert (made[1], made[4]["encrypted_content"]) == (KEPT, "def")


@pytest.mark.parametrize(
    "value",
    [
        kept(model="another"),
        kept(encrypted_content=None),
        kept(summary="x"),
        {"model": "m", "reasoning_items": "x"},
        {"model": "m", "reasoning_content": "another bridge's"},
        "x",
        None,
    ],
)
def test_what_the_model_did_not_think_itself_is_not_sent(value):
    made = items(USER, calls("call_1"), result("call_1"), memory={"call_1": value})
    assert [item["type"] for item in made[1:]] == ["function_call", "function_call_output"]


def test_what_the_assistant_refused_and_what_others_thought():
    parts = [
        {"type": "thinking", "thinking": "x"},
        {"type": "text", "text": "a"},
        {"type": "refusal", "refusal": "No."},
    ]
    whole = {"role": "assistant", "content": "b", "refusal": "No.", "reasoning_content": "z"}
    nothing = {"role": "assistant", "content": ""}
    assert items(USER, {"role": "assistant", "content": parts}, whole, nothing)[1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": text},
                {"type": "refusal", "refusal": "No."},
            ],
        }
        for text in "ab"
    ]


def test_names_of_speakers_are_left_out_and_reported():
    asked = call({**USER, "name": "Ann"})
    assert sent(asked)["input"] == [USER]
    assert asked.dropped == ["messages[0].name"]


def test_long_ids_of_other_vendors_are_shortened_the_same_way_each_time():
    long = "x" * (MAX_CALL_ID + 1)
    _, made, output = items(USER, calls(long), result(long))
    assert made["call_id"] == output["call_id"] == wire_id(long)
    assert len(wire_id(long)) <= MAX_CALL_ID
    assert wire_id(long) != wire_id(long + "y")
    assert wire_id("x" * MAX_CALL_ID) == "x" * MAX_CALL_ID


def test_legacy_functions_are_refused():
    for message in (
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
    ):
        with pytest.raises(ProviderError) as caught:
            sent(call(USER, message))
        assert caught.value.param.startswith("messages[1]")


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url"},
        {"type": "image_url", "image_url": "https://x/a.png"},
        {"type": "image_url", "image_url": {"url": 5}},
        {"type": "file", "file": 5},
        {"type": "input_audio", "input_audio": None},
    ],
)
def test_parts_of_a_result_that_are_odd_are_refused_by_name(part):
    with pytest.raises(ProviderError) as caught:
        items(USER, calls("a"), result("a", [part]))
    assert (caught.value.status, caught.value.param) == (400, "messages[2].content[0]")


def test_a_call_of_an_unknown_type_is_refused_by_name():
    with pytest.raises(ProviderError) as caught:
        items(USER, {"role": "assistant", "tool_calls": [{"type": "new"}]})
    assert (caught.value.status, caught.value.param) == (400, "messages[1].tool_calls[0]")


def test_reasoning_of_calls_that_share_an_id_is_sent_once():
    turn = [calls("a"), result("a")]
    made = items(USER, *turn * 3, memory={"a": kept()})
    assert [item.get("type") for item in made].count("reasoning") == 1
