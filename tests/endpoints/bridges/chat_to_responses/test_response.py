"""A whole response as a chat completion."""

import pytest

from tests.endpoints.bridges.chat_to_responses.asked import (
    BRIDGE,
    call,
    function_call,
    response,
    said,
    thought,
)
from tornado_router.errors import ProviderError
from tornado_router.provider import Relayed


def message(*output, **fields):
    made = BRIDGE.response(call(), response(*output, **fields))
    (choice,) = made["choices"]
    return choice["message"], choice["finish_reason"]


def test_a_text():
    usage = {
        **{"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens_details": {"reasoning_tokens": 5},
    }
    whole = response(said("Hello."), usage=usage, service_tier="flex")
    assert BRIDGE.response(call(), Relayed(whole, b"{}")) == {
        **{"id": "chatcmpl-7", "object": "chat.completion", "created": 5, "model": "m-1"},
        "service_tier": "flex",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello.", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            **{"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
            "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }


def test_calls_of_tools_and_the_reasoning_before_each():
    asked = call()
    output = (thought("Hm."), function_call("a"), function_call("b"), thought(""))
    custom = {"type": "custom_tool_call", "id": "x", "call_id": "c", "name": "sh", "input": "ls"}
    made = BRIDGE.response(asked, response(*output, custom))["choices"][0]
    assert made["finish_reason"] == "tool_calls"
    assert made["message"] == {
        **{"role": "assistant", "content": None, "refusal": None, "reasoning_content": "Hm."},
        "tool_calls": [
            *(
                {
                    "id": ref,
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": "{}"},
                }
                for ref in "ab"
            ),
            {"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
        ],
    }
    assert sorted(asked.kept) == ["a", "c"]


def test_several_messages_and_summaries_are_one_text_each():
    two = {**thought("One."), "summary": [{"text": "One."}, {"text": "Two."}]}
    made, _ = message(two, said("a", "b"), {"type": "web_search_call"}, said("c"))
    assert (made["content"], made["reasoning_content"]) == ("ab\n\nc", "One.\n\nTwo.")


def test_open_models_show_what_they_think():
    raw = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "x"}]}
    assert message(raw, said("a"))[0]["reasoning_content"] == "x"


def test_citations():
    annotation = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0}
    item = said("a")
    item["content"][0]["annotations"] = [annotation, {"type": "file_citation"}]
    assert message(item)[0]["annotations"] == [
        {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0}}
    ]


@pytest.mark.parametrize(
    ("reason", "made"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("x", "length")],
)
def test_why_it_is_not_whole(reason, made):
    details = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    assert message(function_call("a"), **details)[1] == made


def test_a_refusal():
    item = said()
    item["content"] = [{"type": "refusal", "refusal": "No."}]
    made, reason = message(item)
    assert (made["content"], made["refusal"], reason) == (None, "No.", "stop")


@pytest.mark.parametrize("created", [float("inf"), float("nan"), -1, "x", None])
def test_a_time_that_is_none_is_now(created):
    made = BRIDGE.response(call(), response(said("Hi"), created_at=created))
    assert made["created"] > 1_000_000_000


@pytest.mark.parametrize(
    "body", [response(status="failed"), {"status": "completed"}, {"output": [5]}, []]
)
def test_what_is_no_response_is_a_fault_of_the_vendor(body):
    with pytest.raises(ProviderError) as caught:
        BRIDGE.response(call(), body)
    assert caught.value.status == 502
