"""Rules of the Messages API: tools and their results, choices, images."""

import pytest

from tornado_router.endpoints import ANTHROPIC, MESSAGES
from tornado_router.errors import ApiError

TOOLS = [{"name": "a", "input_schema": {"type": "object"}}]
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}


def user(*content):
    return {"role": "user", "content": list(content) if content else "hi"}


def assistant(*content):
    return {"role": "assistant", "content": list(content) if content else "hi"}


def use(identifier="t1"):
    return {"type": "tool_use", "id": identifier, "name": "a", "input": {}}


def result(identifier="t1", *content):
    block = {"type": "tool_result", "tool_use_id": identifier}
    return {**block, "content": list(content)} if content else block


TEXT = {"type": "text", "text": "x"}
SYSTEM = {"role": "system", "content": "x"}


def check(*messages, **fields):
    body = {"model": "m", "max_tokens": 1, "messages": list(messages) or [user()], **fields}
    MESSAGES.validator().check(body)


def refused(*messages, **fields):
    """The message of a refusal, as Anthropic's clients get it."""
    with pytest.raises(ApiError) as caught:
        check(*messages, **fields)
    assert caught.value.status == 400
    return ANTHROPIC.error_body(caught.value)["error"]["message"]


@pytest.mark.parametrize(
    "messages",
    [
        [assistant(use()), user(result())],
        [assistant(use("t1"), use("t2")), user(result("t2"), result("t1"), TEXT)],
        [user(), assistant(use()), user(TEXT, result()), assistant(use("t2")), user(result("t2"))],
        # turns of one role are one turn
        [assistant(use("t1")), assistant(use("t2")), user(result("t1")), user(result("t2"))],
        [assistant(use()), SYSTEM, user(result()), SYSTEM],
        [user(), assistant(use())],  # the start of a response
        [assistant({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})],
    ],
)
def test_tools_with_their_results(messages):
    check(*messages)


@pytest.mark.parametrize(
    ("messages", "start"),
    [
        ([user(result())], "messages.0.content.0: unexpected `tool_use_id` found"),
        (
            [assistant(use("t1")), user(result("t2"))],
            "messages.1.content.0: unexpected `tool_use_id` found in `tool_result` blocks: t2.",
        ),
        (
            [assistant(use()), user(result()), assistant(), user(result())],
            "messages.3.content.0: unexpected",
        ),
        (
            [assistant(use()), user(result(), result())],
            "messages.1.content.1: each tool_use must have a single result.",
        ),
        ([assistant(use()), user()], "messages.0: `tool_use` ids were found without"),
        (
            [assistant(use()), user(), assistant(), user()],
            "messages.0: `tool_use` ids were found without",
        ),
        ([assistant(use(), use())], "messages.0.content.1.id: `tool_use` ids must be unique"),
        ([user(use())], "messages.0.content.0: `tool_use` blocks can only be in `assistant`"),
        ([assistant(result())], "messages.0.content.0: `tool_result` blocks can only be in `user`"),
    ],
)
def test_tools_without(messages, start):
    assert refused(*messages).startswith(start)


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": {"type": "none"}},
        {"tool_choice": None},
        {"tool_choice": {"type": "tool", "name": "a"}, "tools": TOOLS},
        {"tool_choice": {"type": "any"}, "tools": TOOLS},
        {"tool_choice": {"type": "any"}, "mcp_servers": [{"type": "url", "name": "x"}]},
        {
            "tool_choice": {"type": "tool", "name": "b"},
            "tools": [*TOOLS, {"type": "mcp_toolset", "mcp_server_name": "x"}],
        },
    ],
)
def test_choices_of_what_is_there(fields):
    check(**fields)


def test_choices_of_what_is_not():
    text = refused(tool_choice={"type": "auto"})
    assert text == "tool_choice: may only be specified while providing tools"
    text = refused(tool_choice={"type": "tool", "name": "b"}, tools=TOOLS)
    assert text == "tool_choice.name: Tool 'b' not found in provided tools"


@pytest.mark.parametrize("data", ["", "data:image/png;base64,iVBO", "https://example.com/a.png"])
def test_images_that_are_none(data):
    image = {**IMAGE, "source": {**IMAGE["source"], "data": data}}
    check(user(IMAGE))
    start = "messages.0.content.0.source.data: image data"
    assert refused(user(image)).startswith(start)
    start = "messages.1.content.0.content.1.source.data: image data"
    assert refused(assistant(use()), user(result("t1", TEXT, image))).startswith(start)


def test_nothing_in_messages_is_relied_upon_that_a_profile_lets_pass():
    messages = [{"role": "odd", "content": [1, {"x": 1}, {"type": 5}]}, {"role": "odd"}]
    MESSAGES.validator("open").check({"model": "m", "max_tokens": 1, "messages": messages})
