import pytest

from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.endpoints.rules import (
    best_of_does_not_stream,
    best_of_is_at_least_n,
    prompt_is_of_one_kind,
    stream_options_need_stream,
    tool_choice_needs_tools,
    top_logprobs_need_logprobs,
)
from tornado_router.errors import ApiError

FUNCTION = {"type": "function", "function": {"name": "get_weather"}}
CUSTOM = {"type": "custom", "custom": {"name": "shell"}}
VENDOR_TOOL = {"type": "web_search"}


def allowed(*tools):
    return {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": list(tools)}}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"stream_options": None},
        {"stream": True, "stream_options": {}},
    ],
)
def test_stream_options_with_stream(body):
    stream_options_need_stream(body)


@pytest.mark.parametrize("stream", [{}, {"stream": None}, {"stream": False}])
def test_stream_options_without_stream(stream):
    with pytest.raises(ApiError) as caught:
        stream_options_need_stream({"stream_options": {"include_usage": True}, **stream})
    assert caught.value.param == "stream_options"


@pytest.mark.parametrize(
    "body",
    [{}, {"top_logprobs": None}, {"top_logprobs": 0}, {"top_logprobs": 2, "logprobs": True}],
)
def test_top_logprobs_with_logprobs(body):
    top_logprobs_need_logprobs(body)


@pytest.mark.parametrize("logprobs", [{}, {"logprobs": None}, {"logprobs": False}])
def test_top_logprobs_without_logprobs(logprobs):
    with pytest.raises(ApiError) as caught:
        top_logprobs_need_logprobs({"top_logprobs": 2, **logprobs})
    assert caught.value.param == "logprobs"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tools": None, "tool_choice": None},
        {"tools": [], "tool_choice": None},
        {"tool_choice": "none"},
        {"tools": [], "tool_choice": "none"},
        {"tools": [FUNCTION], "tool_choice": "auto"},
        {"tools": [FUNCTION], "tool_choice": "required"},
        {"tools": [CUSTOM, FUNCTION], "tool_choice": FUNCTION},
        {"tools": [CUSTOM], "tool_choice": CUSTOM},
        {"tools": [FUNCTION, CUSTOM], "tool_choice": allowed(FUNCTION, CUSTOM)},
        {"tools": [FUNCTION], "tool_choice": allowed()},
        {"tools": [VENDOR_TOOL], "tool_choice": VENDOR_TOOL},
        {"tools": [VENDOR_TOOL], "tool_choice": allowed(VENDOR_TOOL, {"type": "mcp"}, {})},
        {"tools": [FUNCTION], "tool_choice": {"type": "something_new", "name": "x"}},
    ],
)
def test_tool_choice_of_what_is_there(body):
    tool_choice_needs_tools(body)


@pytest.mark.parametrize("choice", ["auto", "required", FUNCTION, CUSTOM, allowed(FUNCTION)])
@pytest.mark.parametrize("tools", [{}, {"tools": None}, {"tools": []}])
def test_tool_choice_without_tools(tools, choice):
    with pytest.raises(ApiError) as caught:
        tool_choice_needs_tools({"tool_choice": choice, **tools})
    assert caught.value.param == "tool_choice"
    assert caught.value.message == "'tool_choice' is only allowed when 'tools' are specified."


@pytest.mark.parametrize(
    ("tools", "choice", "param"),
    [
        (
            [FUNCTION],
            {"type": "function", "function": {"name": "nope"}},
            "tool_choice.function.name",
        ),
        # A name is one of its kind: the function `shell` is not the custom tool `shell`.
        (
            [CUSTOM],
            {"type": "function", "function": {"name": "shell"}},
            "tool_choice.function.name",
        ),
        ([FUNCTION], CUSTOM, "tool_choice.custom.name"),
        (
            [FUNCTION],
            allowed(FUNCTION, CUSTOM),
            "tool_choice.allowed_tools.tools[1].custom.name",
        ),
    ],
)
def test_tool_choice_of_what_is_not_there(tools, choice, param):
    with pytest.raises(ApiError) as caught:
        tool_choice_needs_tools({"tools": tools, "tool_choice": choice})
    assert caught.value.param == param
    assert caught.value.code == "invalid_value"


def test_a_long_name_is_cut():
    choice = {"type": "function", "function": {"name": "secret " * 1000}}
    with pytest.raises(ApiError) as caught:
        tool_choice_needs_tools({"tools": [FUNCTION], "tool_choice": choice})
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("profile", ["openai", "standard", "open"])
def test_rules_hold_in_every_profile(profile):
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "tool_choice": "auto",
    }
    with pytest.raises(ApiError):
        CHAT_COMPLETIONS.validator(profile).check(body)


@pytest.mark.parametrize(
    "prompt", [None, "x", [], ["x", "y"], [1, 2], [[1], [2, 3]]], ids=["null", *"abcde"]
)
def test_prompts_of_one_kind(prompt):
    prompt_is_of_one_kind({"prompt": prompt})


@pytest.mark.parametrize("prompt", [["x", 1], [1, "x"], [[1], 2], [1, [2]], ["x", [1]]])
def test_prompts_of_several_kinds(prompt):
    with pytest.raises(ApiError) as caught:
        prompt_is_of_one_kind({"prompt": prompt})
    assert caught.value.param == "prompt[1]"


@pytest.mark.parametrize(
    "body", [{}, {"best_of": None, "n": 3}, {"best_of": 3, "n": 3}, {"best_of": 1}, {"best_of": 0}]
)
def test_best_of_that_is_enough(body):
    best_of_is_at_least_n(body)


def test_best_of_below_n():
    with pytest.raises(ApiError) as caught:
        best_of_is_at_least_n({"best_of": 2, "n": 3})
    assert caught.value.param == "best_of"


@pytest.mark.parametrize(
    "body", [{"best_of": 3}, {"stream": True}, {"stream": True, "best_of": 2, "n": 2}]
)
def test_best_of_and_streams_apart(body):
    best_of_does_not_stream(body)


def test_best_of_in_a_stream():
    with pytest.raises(ApiError) as caught:
        best_of_does_not_stream({"best_of": 3, "n": 2, "stream": True})
    assert caught.value.param == "best_of"
