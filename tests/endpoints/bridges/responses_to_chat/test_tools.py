"""Tools of every kind as functions, with names that are one among all, and the choice of them."""

import pytest

from tornado_router.endpoints.bridges.responses_to_chat.tools import Tool, Tools
from tornado_router.errors import ApiError, ProviderError

from .exchange import BRIDGE, WEATHER, call, called, made, output, says

EXEC = {
    "type": "custom",
    "name": "exec",
    "description": "Runs JavaScript.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"},
}


def namespace(name, *tools):
    return {"type": "namespace", "name": name, "description": f"All of {name}.", "tools": [*tools]}


def functions(*tools, **fields):
    return [tool["function"] for tool in made(tools=list(tools), **fields)["tools"]]


def names(*tools, **fields):
    return [function["name"] for function in functions(*tools, **fields)]


def test_a_function_is_one():
    (function,) = functions(WEATHER)
    assert function == {name: WEATHER[name] for name in WEATHER if name != "type"}


def test_a_function_without_parameters_takes_none():
    (function,) = functions({"type": "function", "name": "f", "parameters": None, "strict": None})
    assert function == {"name": "f", "parameters": {"type": "object", "properties": {}}}


def test_a_custom_tool_is_a_function_of_one_text():
    (function,) = functions(EXEC)
    parameters = function["parameters"]
    assert (function["name"], function["description"]) == ("exec", "Runs JavaScript.")
    assert parameters["required"] == ["input"]
    assert "lark grammar:\nstart: /.+/s" in parameters["properties"]["input"]["description"]


def test_a_namespace_is_put_before_the_names_in_it():
    found = functions(namespace("crm", WEATHER, EXEC), namespace("mcp__docs__", WEATHER))
    assert [function["name"] for function in found] == [
        "crm__get_weather",
        "crm__exec",
        "mcp__docs__get_weather",
    ]
    assert found[0]["description"] == "All of crm.\n\nThe weather of a city."


def test_tools_come_from_items_too():
    items = [
        {"type": "additional_tools", "role": "developer", "tools": [namespace("functions", EXEC)]},
        says("user", "x"),
    ]
    body = made(items, tools=[WEATHER])
    assert [tool["function"]["name"] for tool in body["tools"]] == [
        "get_weather",
        "functions__exec",
    ]


def test_names_are_safe_and_short_and_not_mixed_up():
    long = "a" * 60
    found = names(
        namespace("a.b", WEATHER),
        namespace("a_b", WEATHER),
        namespace(long, WEATHER, {**WEATHER, "name": "get_weather_2"}),
        {**WEATHER, "name": "b" * 128},
    )
    assert found[:2] == ["a_b__get_weather", found[1]]
    assert len(set(found)) == len(found) == 5
    assert all(len(name) <= 64 and name.replace("_", "").isalnum() for name in found)
    assert found == names(
        namespace("a.b", WEATHER),
        namespace("a_b", WEATHER),
        namespace(long, WEATHER, {**WEATHER, "name": "get_weather_2"}),
        {**WEATHER, "name": "b" * 128},
    ), "they are the same in every turn"


def test_a_name_leads_back_to_its_tool():
    tools = Tools({"tools": [namespace("a.b", WEATHER, EXEC)]})
    assert tools.tool("a_b__get_weather") == Tool("function_call", "get_weather", "a.b")
    assert tools.tool("a_b__exec") == Tool("custom_tool_call", "exec", "a.b")
    assert tools.tool("made_up") == Tool("function_call", "made_up")


def test_an_earlier_call_has_the_name_of_its_tool():
    items = [called("c", namespace="crm"), output("c")]
    for tools in ([namespace("crm", WEATHER)], None):
        message = made(items, tools=tools)["messages"][0]
        assert message["tool_calls"][0]["function"]["name"] == "crm__get_weather"


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search", "external_web_access": False},
        {"type": "image_generation"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "file_search", "vector_store_ids": ["vs"]},
        {"type": "mcp", "server_label": "x", "server_url": "https://example.org"},
        {"type": "tool_search"},
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "tool_of_tomorrow", "name": "x"},
    ],
)
@pytest.mark.parametrize("unsupported", ["adapt", "reject", "drop"])
def test_what_the_vendor_would_run_is_left_out_and_reported(tool, unsupported):
    asked = call(tools=[tool, WEATHER], unsupported=unsupported)
    body = BRIDGE.call(asked).body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]
    assert asked.dropped == ["tools[0]"]


def test_without_any_tool_there_is_nothing_about_tools():
    asked = call(tools=[{"type": "web_search"}], tool_choice="auto", parallel_tool_calls=True)
    assert not [name for name in BRIDGE.call(asked).body if "tool" in name]


@pytest.mark.parametrize(
    ("tool", "name", "required"),
    [
        ({"type": "local_shell"}, "local_shell", "command"),
        ({"type": "shell"}, "shell", "commands"),
        ({"type": "shell", "environment": {"type": "local"}}, "shell", "commands"),
        ({"type": "apply_patch"}, "apply_patch", "operation"),
        (
            {
                "type": "tool_search",
                "execution": "client",
                "description": "Finds tools.",
                "parameters": {"type": "object", "required": ["query"]},
            },
            "tool_search",
            "query",
        ),
    ],
)
def test_what_the_client_itself_runs_is_a_function(tool, name, required):
    (function,) = functions(tool)
    assert (function["name"], function["parameters"]["required"]) == (name, [required])
    assert function["description"]


class TestChoice:
    TOOLS = (WEATHER, namespace("crm", WEATHER), EXEC, {"type": "shell"})

    def body(self, choice, **fields):
        return made(tools=list(self.TOOLS), tool_choice=choice, **fields)

    @pytest.mark.parametrize("choice", ["auto", "none", "required"])
    def test_by_word_is_the_same(self, choice):
        assert self.body(choice)["tool_choice"] == choice

    @pytest.mark.parametrize(
        ("choice", "name"),
        [
            ({"type": "function", "name": "get_weather"}, "get_weather"),
            ({"type": "function", "name": "get_weather", "namespace": "crm"}, "crm__get_weather"),
            ({"type": "custom", "name": "exec"}, "exec"),
            ({"type": "shell"}, "shell"),
        ],
    )
    def test_of_a_tool_is_that_of_its_function(self, choice, name):
        chosen = {"type": "function", "function": {"name": name}}
        assert self.body(choice)["tool_choice"] == chosen

    @pytest.mark.parametrize("mode", ["auto", "required"])
    def test_among_allowed_tools_leaves_no_others(self, mode):
        allowed = [
            {"type": "custom", "name": "exec"},
            {"type": "function", "name": "get_weather"},
            {"type": "web_search"},
        ]
        body = self.body({"type": "allowed_tools", "mode": mode, "tools": allowed})
        assert body["tool_choice"] == mode
        assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather", "exec"]

    @pytest.mark.parametrize(
        "choice",
        [
            {"type": "web_search_preview"},
            {"type": "mcp", "server_label": "x"},
            {"type": "apply_patch"},
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "image_generation"}]},
        ],
    )
    def test_of_what_the_vendor_would_run_is_refused(self, choice):
        with pytest.raises(ProviderError) as refused:
            self.body(choice)
        assert refused.value.param == "tool_choice"
        assert "tool_choice" not in self.body(choice, unsupported="drop")

    def test_of_a_tool_that_is_not_there_is_refused(self):
        with pytest.raises(ApiError) as refused:
            self.body({"type": "function", "name": "other"})
        assert refused.value.message == "Tool choice 'other' not found in 'tools' parameter."
        assert refused.value.param == "tool_choice"
