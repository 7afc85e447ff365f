from __future__ import annotations

import json

import pytest

from .support import called, result, user


def says(role, content, **more):
    return {"role": role, "content": content, **more}


def test_leading_system_messages_are_the_system_instruction(google):
    body = google.build(
        {
            "messages": [
                says("system", "One."),
                says("developer", [{"type": "text", "text": "Two."}]),
                user("Hi"),
            ]
        }
    )
    assert body["systemInstruction"] == {"parts": [{"text": "One."}, {"text": "Two."}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]


def test_a_system_message_in_the_middle_stays_there(google):
    body = google.build(
        {"messages": [user("Hi"), says("assistant", "Hello."), says("system", "Be brief."), user()]}
    )
    assert "systemInstruction" not in body
    assert body["contents"][2] == {
        "role": "user",
        "parts": [{"text": "<system>\nBe brief.\n</system>"}, {"text": "Hello"}],
    }


def test_nothing_but_a_system_message_is_said_by_the_user(google):
    assert google.build({"messages": [says("system", "Go.")]}) == {
        "contents": [{"role": "user", "parts": [{"text": "Go."}]}]
    }


def test_messages_of_one_role_in_a_row_are_one_turn(google):
    contents = google.contents(
        user("a"), user("b"), says("assistant", "c"), says("assistant", "d"), user("e")
    )
    assert [[part["text"] for part in turn["parts"]] for turn in contents] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
    ]


@pytest.mark.parametrize("content", ["", None, []])
def test_an_answer_without_content_makes_no_empty_part(google, content):
    contents = google.contents(user("a"), says("assistant", content), user("b"))
    assert contents == [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]


@pytest.mark.parametrize("content", ["", []])
def test_a_conversation_without_content_is_refused(google, refused, content):
    assert refused(google, {"messages": [user(content)]}).param == "messages"


def test_text_beside_calls_comes_first(google):
    contents = google.contents(user(), called(("a", "f", ""), content="Wait."), result("a"))
    assert contents[1]["parts"] == [
        {"text": "Wait."},
        {"functionCall": {"name": "f", "id": "a", "args": {}}},
    ]


def test_refusals_are_what_was_said(google):
    part = {"type": "refusal", "refusal": "No."}
    for message in (says("assistant", [part]), says("assistant", None, refusal="No.")):
        contents = google.contents(user(), message, user())
        assert contents[1]["parts"] == [{"text": "No."}]


def test_names_are_dropped_and_told(google):
    call = google.call({"messages": [{**user(), "name": "Ann"}]})
    google.request(call)
    assert call.dropped == ["messages[0].name"]


def test_a_signature_may_come_from_the_client(google):
    message = called(("a", "f", "{}"))
    message["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "c2ln"}}
    contents = google.contents(user(), message, result("a"), model="gemini-3-flash-preview")
    assert contents[1]["parts"][0]["thoughtSignature"] == "c2ln"


@pytest.mark.parametrize("extra", [None, 1, {}, {"google": None}, {"google": {}}])
def test_an_odd_signature_of_the_client_is_none(google, extra):
    message = called(("a", "f", "{}"))
    message["tool_calls"][0]["extra_content"] = extra
    contents = google.contents(user(), message, result("a"))
    assert "thoughtSignature" not in contents[1]["parts"][0]


@pytest.mark.parametrize("arguments", ["{", '{"a": "cut', "[1]", "null", '"x"', "NaN"])
def test_arguments_that_are_no_object_do_not_end_the_conversation(google, arguments):
    made = google.call({"messages": [user(), called(("a", "f", arguments)), result("a")]})
    part = json.loads(google.request(made).body)["contents"][1]["parts"][0]
    assert part["functionCall"]["args"] == {"arguments": arguments}
    assert made.dropped == ["messages[1].tool_calls[0].function.arguments"]


def test_of_a_legacy_call_too(google):
    message = says("assistant", None, function_call={"name": "f", "arguments": "cut"})
    contents = google.contents(user(), message, {"role": "function", "name": "f", "content": "1"})
    part = contents[1]["parts"][0]
    assert part["functionCall"]["args"] == {"arguments": "cut"}


def test_legacy_functions(google):
    contents = google.contents(
        user(),
        says("assistant", None, function_call={"name": "f", "arguments": '{"a": 1}'}),
        {"role": "function", "name": "f", "content": "done"},
    )
    assert contents[1:] == [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "f", "response": {"output": "done"}}}],
        },
    ]


def test_custom_tool_calls_are_refused(google, refused):
    custom = {"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    message = says("assistant", None, tool_calls=[custom])
    error = refused(google, {"messages": [user(), message, result("a")]})
    assert error.param == "messages[1].tool_calls[0]"


def test_a_last_turn_of_the_models_is_refused_where_the_model_refuses_it(google, refused):
    messages = [user(), says("assistant", "Once")]
    assert len(google.contents(*messages)) == 2
    assert refused(google, {"messages": messages}, model="gemini-3.8-flash").param == "messages[1]"
    body = google.build({"messages": messages}, model="gemini-3.8-flash", unsupported="drop")
    assert len(body["contents"]) == 1


def test_an_image_in_a_tools_result_is_refused(google, refused):
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    messages = [user(), called(("a", "f", "")), result("a", [image])]
    assert refused(google, {"messages": messages}).param == "messages[2].content[0]"


def test_a_body_is_left_alone(google):
    body = {"messages": [user(), called(("a", "f", "{}")), result("a"), user([])]}
    call = google.call(body)
    google.request(call)
    assert call.raw == google.call(body).raw


def test_an_integer_beyond_64_bits_is_sent(google):
    body = google.request(google.call({"stop": ["x"], "max_tokens": 2**70})).body
    assert str(2**70).encode() in body


def test_a_sound_in_openais_store_is_refused(google, refused):
    messages = [user(), says("assistant", None, audio={"id": "audio_1"}), user()]
    assert refused(google, {"messages": messages}).param == "messages[1].audio"
    messages[1]["content"] = "What it said."
    assert google.contents(*messages)[1]["parts"] == [{"text": "What it said."}]
