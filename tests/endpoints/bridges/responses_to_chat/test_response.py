"""Whole responses: what strict clients read of them, and what of a chat completion is in them."""

import orjson
import pytest
from openai.types.responses import Response

from tornado_router.endpoints.bridges.responses_to_chat.state import unseal
from tornado_router.provider import Relayed

from .exchange import (
    BRIDGE,
    LOGPROBS,
    STATE,
    WEATHER,
    call,
    chunk,
    completion,
    response,
    tool_call,
)


def items(body, asked=None):
    return response(asked or call(), body)["output"]


def test_a_text_is_a_message():
    body = completion(content="Hi", refusal=None)
    for given in (body, Relayed(body, orjson.dumps(body))):
        found = response(call(), given)
        assert found["output"] == [
            {
                "id": "msg_r1_0",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
                ],
            }
        ]
        assert Response.model_validate(found).output_text == "Hi"


def test_it_has_all_that_strict_clients_read():
    found = response(call(), completion(content="Hi"))
    assert found | {"output": []} == {
        "id": "resp_r1",
        "object": "response",
        "created_at": 1790000000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "vendor-m",
        "output": [],
        "usage": {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 18,
        },
        "background": False,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "safety_identifier": None,
        "store": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
        "reasoning": {"effort": None, "summary": None},
        "text": {"format": {"type": "text"}},
        "service_tier": "default",
    }


def test_it_says_the_request_again():
    fields = {
        "instructions": "Be brief.",
        "max_output_tokens": 64,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "store": False,
        "temperature": 0.0,
        "tool_choice": {"type": "function", "name": "get_weather"},
        "tools": [WEATHER],
        "top_p": 0.5,
        "truncation": "auto",
        "user": "u",
    }
    asked = call(**fields, reasoning={"effort": "low"}, text={"verbosity": "low"})
    found = response(asked, completion(content="Hi"))
    assert {name: found[name] for name in fields} == fields
    assert found["reasoning"] == {"effort": "low", "summary": None}
    assert found["text"] == {"format": {"type": "text"}, "verbosity": "low"}


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        (None, "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_it_says_how_it_ended(reason, status, details):
    found = response(call(), completion(reason, content="Hi"))
    assert (found["status"], found["incomplete_details"]) == (status, details)
    assert found["output"][0]["status"] == status


def test_a_choice_that_failed_is_a_response_that_failed():
    found = response(call(), completion("error", content="Hi"))
    assert (found["status"], found["error"]["code"]) == ("failed", "server_error")


def test_usage_has_its_details():
    usage = {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    assert response(call(), completion(content="Hi", usage=usage))["usage"] == {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 18,
    }


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": -1}, "many"])
def test_usage_that_the_vendor_does_not_report_is_left_to_the_endpoint(usage):
    assert response(call(), completion(content="Hi", usage=usage))["usage"] is None


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_an_item_before_what_was_said(name):
    found = items(completion(content="Hi", **{name: "hm"}))
    assert [item["type"] for item in found] == ["reasoning", "message"]
    assert found[0]["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert "encrypted_content" not in found[0]


def test_parts_that_are_thoughts_are_reasoning():
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Hi"},
    ]
    found = items(completion(content=content))
    assert found[0]["summary"][0]["text"] == "hm"
    assert found[1]["content"][0]["text"] == "Hi"


def test_a_refusal_is_a_part_of_its_own():
    (item,) = items(completion(refusal="No."))
    assert item["content"] == [{"type": "refusal", "refusal": "No."}]


def test_pages_are_cited():
    citation = {"start_index": 0, "end_index": 2, "url": "https://example.org", "title": "t"}
    annotations = [{"type": "url_citation", "url_citation": citation}, {"type": "other"}, 5]
    (item,) = items(completion(content="Hi", annotations=annotations))
    assert item["content"][0]["annotations"] == [{"type": "url_citation", **citation}]


def test_log_probabilities_are_there_if_they_were_wanted():
    top = [{"token": "Hi", "logprob": -0.5, "bytes": None}]
    body = completion(content="Hi")
    body["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    made = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}
    (item,) = items(body, call(include=[LOGPROBS]))
    assert item["content"][0]["logprobs"] == [{**made, "top_logprobs": [made]}]
    (item,) = items(body)
    assert item["content"][0]["logprobs"] == []


def test_calls_come_behind_the_text_each_on_its_own():
    calls = [
        tool_call("c1", "get_weather", '{"city":"Oslo"}'),
        tool_call("c2", "get_weather", "{}"),
    ]
    found = items(completion("tool_calls", content="Let me see.", tool_calls=calls))
    assert [item["type"] for item in found] == ["message", "function_call", "function_call"]
    assert found[1] == {
        "id": "fc_r1_1",
        "type": "function_call",
        "call_id": "c1",
        "name": "get_weather",
        "arguments": '{"city":"Oslo"}',
        "status": "completed",
    }
    assert found[2]["call_id"] == "c2"


def test_a_tool_of_a_namespace_has_its_own_name():
    tools = [{"type": "namespace", "name": "crm", "description": "d", "tools": [WEATHER]}]
    calls = [tool_call("c", "crm__get_weather", "{}")]
    (item,) = items(completion("tool_calls", tool_calls=calls), call(tools=tools))
    assert (item["name"], item["namespace"]) == ("get_weather", "crm")


@pytest.mark.parametrize(
    "message", [{"content": ""}, {"content": None}, {"content": None, "reasoning_content": "hm"}]
)
def test_it_says_something_be_it_nothing(message):
    assert items(completion(**message))[-1]["content"][0]["text"] == ""


KEPT = {"c1": {"model": "m", "layout": [{"type": "thinking", "signature": "s"}, "c1"]}}


class TestState:
    def found(self, include=(STATE,), kept=KEPT, **message):
        asked = call(include=list(include))
        asked.kept.update(kept)
        calls = [tool_call("c1", "get_weather", "{}")]
        return items(completion("tool_calls", tool_calls=calls, **message), asked)

    def test_of_the_provider_is_given_to_the_client_that_wants_it(self):
        found = self.found(reasoning_content="hm")
        assert [item["type"] for item in found] == ["reasoning", "function_call", "reasoning"]
        assert unseal(found[0]["encrypted_content"]) == ("m", {}, "reasoning_content")
        assert unseal(found[2]["encrypted_content"]) == ("m", KEPT, "")
        assert found[2]["summary"] == []

    def test_comes_back_as_it_was(self):
        found = self.found(reasoning_content="hm")
        result = {"type": "function_call_output", "call_id": "c1", "output": "x"}
        inner = BRIDGE.call(call([*found, result]))
        assert inner.memory == KEPT
        assert inner.body["messages"][0]["reasoning_content"] == "hm"

    @pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
    def test_names_the_field_that_the_vendor_used(self, name):
        found = self.found(**{name: "hm"})
        assert unseal(found[0]["encrypted_content"]).field == name

    def test_is_given_to_no_other(self):
        assert [item["type"] for item in self.found(include=())] == ["function_call"]

    def test_is_no_item_if_there_is_none(self):
        assert [item["type"] for item in self.found(kept={})] == ["function_call"]


@pytest.mark.parametrize(
    "message",
    [
        {"content": 5},
        {"content": [5, {"type": "text"}, {"type": "text", "text": 5}]},
        {"tool_calls": 5},
        {"tool_calls": [5, {"function": 5}, {"function": {"name": 5, "arguments": 5}}]},
        {"annotations": 5, "refusal": 5, "reasoning": 5},
        {"annotations": [{"type": "url_citation", "url_citation": 5}, {"type": []}]},
    ],
)
def test_what_is_odd_in_it_is_passed_over(message):
    assert items(completion(**message))[-1]["content"][0]["text"] == ""
    odd = chunk() | {"choices": [5, {"index": 0, "message": 5, "finish_reason": []}], "usage": 5}
    assert response(call(), odd)["status"] == "completed"


def test_a_text_that_looks_like_a_call_is_a_text():
    """A vendor whose server does not know its model's form of calls has to be mended there."""
    text = '<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}}</tool_call>'
    asked = call(tools=[WEATHER])
    (message,) = items(completion(content=text), asked)
    assert (message["type"], message["content"][0]["text"]) == ("message", text)
    kinds = [
        item["type"]
        for item in items(
            completion(content=text, tool_calls=[tool_call("c1", "get_weather", "{}")]), asked
        )
    ]
    assert kinds == ["message", "function_call"]
