"""Turns as messages: their order, results of tools, and what stays the same from turn to turn."""

import pytest

from tests.messages import IMAGE, PNG, assistant, call, result, text, use, user
from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.endpoints.bridges.messages_to_chat.request import build_body
from tornado_router.errors import ProviderError

VALIDATOR = CHAT_COMPLETIONS.validator("openai")
WHERE = {"city": "Paris"}
ASKED = [user("Weather?"), assistant(text("I look."), use(**WHERE))]


def made(*messages, **fields):
    asked = call(*messages, **fields)
    body = build_body(asked)
    VALIDATOR.check(body)
    return body["messages"], asked.dropped


def called(*calls, content=None):
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [
            {"id": ref, "type": "function", "function": {"name": name, "arguments": arguments}}
            for ref, name, arguments in calls
        ],
    }


def tool(content="15 degrees", ref="toolu_1"):
    return {"role": "tool", "tool_call_id": ref, "content": content}


LOOKED = called(("toolu_1", "get_weather", '{"city":"Paris"}'), content="I look.")


@pytest.mark.parametrize("system", ["Be brief.", [text("Be brief.")], [text("Be"), text("brief.")]])
def test_instructions_are_one_message(system):
    messages, dropped = made(system=system)
    joint = "Be\n\nbrief." if len(system) == 2 else "Be brief."
    assert messages == [{"role": "system", "content": joint}, user("Hi")]
    assert dropped == []


@pytest.mark.parametrize(
    "system",
    [
        [text("x-anthropic-billing-header: cc_version=2; cch=0{};"), text("You help.")],
        "x-anthropic-billing-header: cc_version=2; cch=0{};\nYou help.",
    ],
)
def test_the_line_that_is_another_each_time_does_not_spoil_the_prefix(system):
    messages, dropped = made(system=system)
    assert messages[0] == {"role": "system", "content": "You help."}
    assert dropped == ["system"]


def test_results_come_directly_behind_the_calls_and_what_is_said_behind_them():
    said = user([text("And"), result(), text("in Rome?")])
    messages, _ = made(*ASKED, said)
    assert messages == [user("Weather?"), LOOKED, tool(), user("And\n\nin Rome?")]


def test_parallel_results_are_in_the_order_of_their_calls_wherever_they_stand():
    calls = assistant(use("a", "f"), use("b", "f"))
    apart = [user([result("b", "2")]), user([result("a", "1"), text("Go on.")])]
    messages, _ = made(user("x"), calls, *apart)
    assert messages == [
        user("x"),
        called(("a", "f", "{}"), ("b", "f", "{}")),
        tool("1", "a"),
        tool("2", "b"),
        user("Go on."),
    ]


def test_images_of_a_result_follow_all_results():
    calls = assistant(use("a", "f"), use("b", "f"))
    answers = user([result("a", [text("seen"), IMAGE]), result("b", [IMAGE]), text("Now?")])
    messages, _ = made(user("x"), calls, answers)
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert messages[2:] == [
        tool("seen", "a"),
        tool("(in the next message)", "b"),
        user(
            [
                text("From the result of the tool call a:"),
                image,
                text("From the result of the tool call b:"),
                image,
                text("Now?"),
            ]
        ),
    ]


@pytest.mark.parametrize(
    ("block", "content"),
    [
        (result(content="no such city", is_error=True), "Error: no such city"),
        (result(content="Error: x", is_error=True), "Error: x"),
        (result(content=[], is_error=True), "Error"),
        (result(content=""), ""),
        (result(content=[text("a"), text("b")]), "a\n\nb"),
        (result(content=[{"type": "tool_reference", "tool_name": "f"}]), "f"),
        ({"type": "tool_result", "tool_use_id": "toolu_1"}, ""),
    ],
)
def test_the_text_of_a_result(block, content):
    assert made(*ASKED, user([block]))[0][2] == tool(content)


def test_an_instruction_in_the_middle_stays_there():
    system = {"role": "system", "content": "Be brief."}
    assert made(user("a"), system, user("b"))[0] == [user("a"), system, user("b")]
    blocks = {"role": "system", "content": [text("Be brief.", cache_control={"type": "ephemeral"})]}
    messages, dropped = made(user("a"), blocks)
    assert (messages, dropped) == ([user("a"), system], ["cache_control"])


def test_an_instruction_between_call_and_result_comes_behind_the_result():
    system = {"role": "system", "content": "Be brief."}
    assert made(*ASKED, system, user([result()]))[0][1:] == [LOOKED, tool(), system]


def test_thoughts_and_the_use_of_the_vendors_own_tools_are_left_out():
    thinking = {"type": "thinking", "thinking": "secret", "signature": "tornado-router"}
    searched = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
    ]
    reply = assistant(
        thinking,
        {"type": "redacted_thinking", "data": "x"},
        text("I search."),
        *searched,
        text("It is "),
        text("warm."),
    )
    messages, dropped = made(user("x"), reply, user("y"))
    assert messages[1] == {"role": "assistant", "content": "I search.\n\nIt is warm."}
    assert dropped == [
        "messages.thinking",
        "messages.redacted_thinking",
        "messages.server_tool_use",
        "messages.web_search_tool_result",
    ]


def test_consecutive_messages_of_the_assistant_are_one():
    replies = [assistant(text("a")), assistant(text("b"), use())]
    assert made(user("x"), *replies, user([result()]))[0][1] == called(
        ("toolu_1", "get_weather", "{}"), content="a\n\nb"
    )


def test_a_message_without_content_is_none():
    assert made(user("x"), assistant(text("")), user([]), user("y"))[0] == [user("x\n\ny")]


def test_a_summary_stands_for_what_it_sums_up():
    summary = assistant({"type": "compaction", "content": "They spoke of Paris."})
    assert made(summary, user("x"))[0][0]["content"] == "They spoke of Paris."


def test_the_prefix_of_a_conversation_is_the_same_in_each_turn():
    turns = [
        user([text("<reminder>"), text("Weather?")]),
        {"role": "system", "content": "Be brief."},
        assistant(text("I look."), use("a", "f", z=1, a=[2]), use("b", "f")),
        user([result("a", [text("x"), IMAGE]), result("b"), text("Go on.")]),
        assistant(text("It is warm.")),
        user("Thanks."),
    ]
    system = [text("You help."), text("Be kind.", cache_control={"type": "ephemeral"})]
    whole, _ = made(*turns, system=system)
    for length in (2, 4):
        part, _ = made(*turns[:length], system=system)
        assert whole[: len(part)] == part
    assert whole[3]["tool_calls"][0]["function"]["arguments"] == '{"z":1,"a":[2]}'


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([user("x"), user([result()])], "messages[1].content[0].tool_use_id"),
        ([*ASKED, user([result(), result()])], "messages[2].content[1].tool_use_id"),
        ([*ASKED, user("Never mind.")], "messages[1].content[1]"),
        (ASKED, "messages[1].content[1]"),
        ([user("x"), assistant(use(), use())], "messages[1].content[1].id"),
        ([user("")], "messages"),
    ],
)
def test_what_no_vendor_takes_is_refused_by_its_place(messages, param):
    with pytest.raises(ProviderError) as refused:
        made(*messages)
    assert (refused.value.status, refused.value.param) == (400, param)
