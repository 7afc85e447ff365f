"""The items of a request as messages: one for what a model did in one turn, outputs behind it."""

import pytest

from tornado_router.endpoints.bridges.responses_to_chat.state import seal
from tornado_router.errors import ApiError, ProviderError

from .exchange import BRIDGE, WEATHER, call, called, made, messages, output, says, tool_call

FOREIGN = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}


def roles(found):
    return [message["role"] for message in found]


def ours(*texts, model="m", kept=None, field="reasoning_content"):
    return {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": text} for text in texts],
        "content": None,
        "encrypted_content": seal(model, kept, field),
    }


def test_a_text_is_a_message_of_the_user():
    assert made("Hi")["messages"] == [{"role": "user", "content": "Hi"}]


def test_what_comes_first_of_the_system_is_one_message():
    found = messages(
        says("developer", "a", "b"), says("system", "c"), says("user", "x"), instructions="first"
    )
    assert found == [
        {"role": "system", "content": "first\n\na\n\nb\n\nc"},
        {"role": "user", "content": "x"},
    ]


def test_what_comes_later_stays_where_it_is():
    found = messages(says("user", "x"), says("assistant", "y"), says("developer", "z"))
    assert found[-1] == {"role": "system", "content": "z"}


def test_marks_of_the_prompt_cache_stay_on_their_part():
    mark = {"mode": "explicit"}
    part = {"type": "input_text", "text": "a", "prompt_cache_breakpoint": mark}
    found = messages({"role": "developer", "content": [part]}, says("user", "x"))
    assert found[0]["content"] == [{"type": "text", "text": "a", "prompt_cache_breakpoint": mark}]


def test_instructions_alone_are_enough():
    assert made([], instructions="x")["messages"] == [{"role": "system", "content": "x"}]


def test_nothing_is_refused():
    with pytest.raises(ApiError) as refused:
        made([])
    assert (refused.value.status, refused.value.param) == (400, "input")


@pytest.mark.parametrize("kind", ["output_text", "refusal"])
def test_what_the_model_said_is_text(kind):
    name = "text" if kind == "output_text" else kind
    part = {"type": kind, name: "no", **({"annotations": []} if name == "text" else {})}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    found = messages(says("user", "x"), {**message, "content": [part]}, says("user", "y"))
    assert found[1] == {"role": "assistant", "content": "no"}


def test_an_empty_message_of_the_model_is_left_out():
    assert roles(messages(says("user", "x"), says("assistant", ""), says("user", "y"))) == [
        "user",
        "user",
    ]


class TestTurn:
    def test_of_reasoning_text_and_calls_is_one_message(self):
        found = messages(
            says("user", "x"),
            FOREIGN,
            says("assistant", "Let me see."),
            called("c1", arguments='{"city":"Oslo"}'),
            called("c2"),
            output("c1", "1"),
            output("c2", "2"),
            says("assistant", "Cold."),
        )
        assert found == [
            {"role": "user", "content": "x"},
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [
                    tool_call("c1", "get_weather", '{"city":"Oslo"}'),
                    tool_call("c2", "get_weather", "{}"),
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            {"role": "tool", "tool_call_id": "c2", "content": "2"},
            {"role": "assistant", "content": "Cold."},
        ]

    def test_ends_with_the_first_output(self):
        found = messages(called("c1"), output("c1"), called("c2"), output("c2"))
        assert roles(found) == ["assistant", "tool", "assistant", "tool"]

    def test_has_its_outputs_behind_it_wherever_they_were(self):
        found = messages(
            called("c1"),
            called("c2"),
            output("c2", "2"),
            says("user", "Hurry"),
            FOREIGN,
            output("c1", "1"),
        )
        assert roles(found) == ["assistant", "tool", "tool", "user"]
        assert [message["content"] for message in found[1:3]] == ["1", "2"]

    def test_keeps_a_call_whose_reasoning_is_unknown(self):
        bare = {"type": "reasoning", "id": "rs_1", "summary": []}
        found = messages(says("user", "x"), bare, called("c1"), output("c1"))
        assert found[1]["tool_calls"][0]["id"] == "c1"

    def test_may_use_an_id_again(self):
        found = messages(called("c"), output("c", "1"), called("c"), output("c", "2"))
        assert [message["content"] for message in found if message["role"] == "tool"] == ["1", "2"]

    @pytest.mark.parametrize(
        ("items", "message"),
        [
            ([called("call_x")], "No tool output found for function call call_x."),
            (
                [{"type": "custom_tool_call", "call_id": "call_x", "name": "f", "input": ""}],
                "No tool output found for custom tool call call_x.",
            ),
            (
                [output("call_x")],
                "No tool call found for function call output with call_id call_x.",
            ),
            (
                [called("call_x"), output("call_x"), output("call_x")],
                "No tool call found for function call output with call_id call_x.",
            ),
        ],
    )
    def test_without_its_other_half_is_refused_as_by_the_vendor(self, items, message):
        with pytest.raises(ApiError) as refused:
            made([says("user", "x"), *items])
        assert (refused.value.status, refused.value.message) == (400, message)
        assert not isinstance(refused.value, ProviderError), "no other target can serve it"
        assert refused.value.param == "input"


class TestOutput:
    def test_of_parts_is_text(self):
        parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
        assert messages(called("c"), output("c", parts))[-1]["content"] == "a\nb"

    def test_with_an_image_is_followed_by_it(self):
        image = {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "auto"}
        found = messages(
            called("c1"),
            called("c2"),
            output("c1", [{"type": "input_text", "text": "a"}, image]),
            output("c2", [image]),
        )
        assert roles(found) == ["assistant", "tool", "tool", "user"]
        assert found[1]["content"] == "a"
        assert "next message" in found[2]["content"]
        assert [part["type"] for part in found[3]["content"]] == ["image_url", "image_url"]

    def test_that_would_be_lost_is_refused_by_its_path(self):
        part = {"type": "input_file", "file_url": "https://example.org"}
        with pytest.raises(ProviderError) as refused:
            made([called("c"), output("c", [part])])
        assert refused.value.param == "input[1].output[0].file_url"


class TestReasoning:
    ASKED = (says("user", "x"), called("c1"), output("c1"))

    def inner(self, *items):
        return BRIDGE.call(call(list(items)))

    @pytest.mark.parametrize("place", [1, 2, 3])
    def test_of_ours_brings_back_what_was_kept(self, place):
        items = list(self.ASKED)
        items.insert(place, ours(kept={"c1": {"signature": "s"}}))
        inner = self.inner(*items)
        assert inner.memory == {"c1": {"signature": "s"}}
        assert roles(inner.body["messages"]) == ["user", "assistant", "tool"]

    def test_of_ours_is_said_again_with_the_calls_that_it_led_to(self):
        inner = self.inner(ours("hm"), *self.ASKED[1:], ours("so"), says("assistant", "It is."))
        assert inner.body["messages"][0]["reasoning_content"] == "hm"
        assert inner.body["messages"][-1] == {"role": "assistant", "content": "It is."}

    def test_of_ours_has_the_name_that_the_vendor_gave_it(self):
        inner = self.inner(ours("hm", field="reasoning"), *self.ASKED[1:])
        assert inner.body["messages"][0]["reasoning"] == "hm"
        inner = self.inner(ours("hm", field=""), *self.ASKED[1:])
        assert inner.body["messages"][0].keys() == {"role", "content", "tool_calls"}

    def test_of_another_model_is_not_shown_to_this_one(self):
        inner = self.inner(ours("hm", model="other", kept={"c1": 1}), *self.ASKED)
        assert inner.memory == {}
        assert "reasoning_content" not in inner.body["messages"][1]

    def test_of_an_id_that_several_calls_have_is_no_ones(self):
        kept = {"c1": {"signature": "s"}, "c2": {"signature": "t"}}
        again = [called("c1"), called("c2"), output("c1"), output("c2")]
        inner = self.inner(ours(kept=kept), *self.ASKED, *again)
        assert inner.memory == {"c2": {"signature": "t"}}

    def test_of_another_vendor_is_left_out(self):
        inner = self.inner(FOREIGN, *self.ASKED)
        assert b"gAAAA" not in inner.raw
        assert inner.memory == {}


class TestOtherItems:
    @pytest.mark.parametrize(
        "item",
        [
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "mcp_list_tools", "id": "m", "server_label": "x", "tools": []},
            {"type": "item_of_tomorrow", "a": 1},
        ],
    )
    def test_of_what_the_vendor_ran_are_left_out_and_reported(self, item):
        asked = call([says("user", "x"), item])
        assert len(BRIDGE.call(asked).body["messages"]) == 1
        assert asked.dropped == ["input[1]"]

    @pytest.mark.parametrize("unsupported", ["adapt", "drop"])
    @pytest.mark.parametrize("item", [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}])
    def test_that_stand_for_others_are_refused(self, item, unsupported):
        with pytest.raises(ProviderError) as refused:
            made([says("user", "x"), item], unsupported=unsupported)
        assert refused.value.param == "input[1]"

    def test_that_hold_the_conversation_unreadably_are_refused(self):
        with pytest.raises(ProviderError) as refused:
            made([{"type": "compaction", "id": "c", "encrypted_content": "g"}, says("user", "x")])
        assert refused.value.param == "input[0]"

    def test_of_another_agent_are_what_a_user_says(self):
        item = {
            "type": "agent_message",
            "author": "/root/a",
            "recipient": "/root",
            "content": [
                {"type": "input_text", "text": "done"},
                {"type": "encrypted_content", "encrypted_content": "g"},
            ],
        }
        asked = call([says("user", "x"), item])
        assert BRIDGE.call(asked).body["messages"][-1] == {"role": "user", "content": "done"}
        assert asked.dropped == ["input[1]"]

    def test_update_the_configuration(self):
        def update(**fields):
            return {"type": "configuration_update", **fields}

        body = made(
            [
                says("user", "x"),
                update(reasoning={"effort": "low"}),
                update(reasoning={"effort": "high"}, text={"format": {"type": "json_object"}}),
            ],
            reasoning={"effort": "medium"},
        )
        assert body["reasoning_effort"] == "high"
        assert body["response_format"] == {"type": "json_object"}

    def test_with_tools_say_nothing(self):
        item = {"type": "additional_tools", "role": "developer", "tools": [WEATHER]}
        body = made([item, says("user", "x")])
        assert len(body["messages"]) == 1
        assert body["tools"][0]["function"]["name"] == "get_weather"
