"""Chat completions: what they ask for, and what the log makes of their streams."""

import orjson
import pytest

from tornado_router.endpoints import CHAT_COMPLETIONS, Output
from tornado_router.errors import ApiError
from tornado_router.provider import Call


def of(body):
    return Call("r1", CHAT_COMPLETIONS.name, "m", body, orjson.dumps(body), False)


def call(*content, **fields):
    messages = [{"role": "user", "content": list(content) or "hi"}]
    return of({"model": "m", "messages": messages, **fields})


def ask(*content, **fields):
    return CHAT_COMPLETIONS.ask(call(*content, **fields))


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}}


class TestAsk:
    def test_text_comes_to_the_bytes_of_the_json(self):
        part = {"type": "text", "text": "image_url " * 10}
        asked = ask(part, part)
        assert asked.prompt() == (-(-len(asked.call.raw) // 4), 0)

    def test_an_image_is_found_however_the_json_spells_it(self):
        asked = ask(IMAGE)
        asked.call.raw = asked.call.raw.replace(b'"image_url"', b'"\\u0069mage_url"')
        assert orjson.loads(asked.call.raw) == asked.call.body
        assert asked.prompt()[1] == 1
        assert asked.amounts(1).has_media

    def test_the_data_of_an_image_is_no_text(self):
        assert ask(IMAGE).prompt()[0] < 1000

    @pytest.mark.parametrize(
        ("fields", "output"),
        [
            ({}, Output(1, None)),
            ({"max_tokens": 5}, Output(1, 5)),
            ({"max_completion_tokens": 7.0, "n": 2.0}, Output(2, 7)),
            ({"max_tokens": 5, "max_completion_tokens": 7.0, "n": 2.0}, Output(2, 5)),
            ({"max_tokens": 7, "max_completion_tokens": 5}, Output(1, 5)),
            ({"max_tokens": 0, "max_completion_tokens": 5}, Output(1, 5)),
            ({"max_tokens": -1, "max_completion_tokens": None}, Output(1, None)),
            ({"max_tokens": -1, "max_completion_tokens": 7}, Output(1, 7)),
            ({"max_tokens": None, "n": None}, Output(1, None)),
        ],
    )
    def test_output_is_bound_by_the_client(self, fields, output):
        assert ask(**fields).output() == output

    def test_needs_name_the_field_that_asks(self):
        schema = {"type": "json_schema", "json_schema": {"name": "s"}}
        tools = [{"type": "function", "function": {"name": "f"}}]
        assert ask().needs() == {}
        assert ask({"type": "x_of_tomorrow"}).needs() == {}
        assert ask(IMAGE, tools=tools, response_format=schema).needs() == {
            "images": "messages",
            "tools": "tools",
            "structured_outputs": "response_format",
        }

    @pytest.mark.parametrize(("fields", "given"), [({}, 1), ({"temperature": 0}, 0)])
    def test_temperature_has_a_default(self, fields, given):
        assert ask(**fields).temperature() == given

    @pytest.mark.parametrize(
        ("fields", "reasons"),
        [({}, False), ({"reasoning_effort": "none"}, False), ({"reasoning_effort": "low"}, True)],
    )
    def test_it_asks_for_reasoning_by_an_effort(self, fields, reasons):
        assert ask(**fields).reasons() is reasons

    def test_context_holds_prompt_and_output(self):
        asked = ask({"type": "text", "text": "x" * 400}, max_tokens=50)
        assert 150 <= asked.context() <= 155


def test_tool_call_ids_are_those_of_every_message():
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "a"}, {"id": "b"}]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
        {"role": "assistant", "tool_calls": None},
        {"role": "assistant", "tool_calls": [{"id": "c"}, {"id": None}, {}]},
    ]
    asked = of({"model": "m", "messages": messages})
    assert CHAT_COMPLETIONS.tool_call_ids(asked) == ["a", "b", "c"]


@pytest.mark.parametrize("body", [{"model": "m"}, {"model": "m", "messages": None}])
def test_bodies_without_messages_have_none(body):
    assert CHAT_COMPLETIONS.tool_call_ids(of(body)) == []


def stream(*chunks):
    return b"".join(b"data: %s\n\n" % orjson.dumps(chunk) for chunk in chunks) + b"data: [DONE]\n\n"


def delta(index=0, finish=None, **fields):
    return {"id": "c", "choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def test_the_texts_of_a_stream_are_put_together():
    function = {"name": "f", "arguments": '{"a'}
    call = {"index": 0, "id": "t", "type": "function", "function": function}
    events = stream(
        delta(role="assistant", content="Grü"),
        delta(1, content="other"),
        delta(content="ße"),
        delta(tool_calls=[call]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '":1}'}}]),
        delta(finish="tool_calls"),
        {"id": "c", "choices": [], "usage": {"total_tokens": 3}},
    )
    assert CHAT_COMPLETIONS.join(events) == {
        "stream": True,
        "id": "c",
        "usage": {"total_tokens": 3},
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": "Grüße",
                    "tool_calls": [
                        {
                            "id": "t",
                            "type": "function",
                            "function": {"name": "f", "arguments": '{"a":1}'},
                        }
                    ],
                },
            },
            {"index": 1, "message": {"content": "other"}},
        ],
    }


def test_an_error_on_the_way_is_kept():
    events = stream(delta(content="a")) + b'event: error\ndata: {"error": {"message": "m"}}\n\n'
    assert CHAT_COMPLETIONS.join(events)["error"] == {"message": "m"}


@pytest.mark.parametrize("event", [b"5", b"[1]", b'{"choices": 5}', b'{"choices": [[]]}', b"{"])
def test_nonsense_in_a_stream_is_left_out(event):
    told = CHAT_COMPLETIONS.join(stream(delta(content="a")) + b"data: " + event + b"\n\n")
    assert told["choices"][0]["message"] == {"content": "a"}


def test_half_a_tool_call_is_trimmed():
    call = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": "{"}}
    joined = CHAT_COMPLETIONS.join(stream(delta(role="assistant", content="ab", tool_calls=[call])))
    CHAT_COMPLETIONS.trim(joined, lambda text: text[:-1])
    assert joined["choices"][0]["message"] == {"role": "assistant", "content": "a"}


def test_an_estimate_counts_messages_tools_and_output():
    tool = {"type": "function", "function": {"name": "f", "description": "d" * 400}}
    usage = CHAT_COMPLETIONS.estimate(call({"type": "text", "text": "x" * 400}), 40)
    assert usage.estimated
    assert 100 <= usage.prompt_tokens <= 105  # with the role and the part's type
    assert usage.completion_tokens == 10
    with_tool = CHAT_COMPLETIONS.estimate(call({"type": "text", "text": "x" * 400}, tools=[tool]))
    assert with_tool.prompt_tokens > usage.prompt_tokens + 100


class TestBounds:
    @pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
    @pytest.mark.parametrize("profile", ["standard", "open"])
    def test_no_bound_has_a_word(self, name, profile):
        body = call(**{name: -1}).body
        CHAT_COMPLETIONS.validator(profile).check(body)
        assert CHAT_COMPLETIONS.read("r1", body, b"{}").body == body

    @pytest.mark.parametrize("profile", ["standard", "open", "openai"])
    @pytest.mark.parametrize("bound", [-2, 0])
    def test_other_numbers_below_one_have_not(self, bound, profile):
        with pytest.raises(ApiError, match=f"integer below minimum value.*>= 1, but got {bound}"):
            CHAT_COMPLETIONS.validator(profile).check(call(max_tokens=bound).body)

    def test_openais_own_profile_has_none(self):
        with pytest.raises(ApiError):
            CHAT_COMPLETIONS.validator("openai").check(call(max_tokens=-1).body)


@pytest.mark.parametrize(
    ("part", "fields", "has_media"),
    [
        ({"type": "text", "text": "x"}, {}, False),
        ({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}, {}, True),
        ({"type": "text", "text": "x"}, {"modalities": ["text", "audio"]}, True),
    ],
)
def test_tokens_may_be_of_audio_where_it_is_heard_or_asked_for(part, fields, has_media):
    assert CHAT_COMPLETIONS.ask(call(part, **fields)).amounts(0).has_media is has_media
