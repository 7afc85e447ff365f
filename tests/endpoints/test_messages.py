"""Messages: what they ask for, and what a client gets of a whole response."""

import orjson
import pytest

from tornado_router.endpoints import MESSAGES, Output
from tornado_router.errors import ProviderError
from tornado_router.provider import Call, Relayed
from tornado_router.usage import Usage

IMAGE = {"type": "image", "source": {"type": "base64", "data": "A" * 40_000}}
PDF = {"type": "document", "source": {"type": "base64", "data": "A" * 40}}
USAGE = {"input_tokens": 5, "output_tokens": 2}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "x" * 40}],
    "stop_reason": "end_turn",
    "usage": USAGE,
}


def call(*content, **fields):
    messages = [{"role": "user", "content": list(content) or "hi"}]
    body = {"model": "m", "max_tokens": 100, "messages": messages, **fields}
    return Call("r1", MESSAGES.name, "m", body, orjson.dumps(body), False)


def ask(*content, **fields):
    return MESSAGES.ask(call(*content, **fields))


class TestAsk:
    def test_text_comes_to_the_bytes_of_the_json(self):
        asked = ask({"type": "text", "text": "x"})
        assert asked.prompt() == (-(-len(asked.call.raw) // 4), 0)

    def test_images_are_counted_and_their_data_is_no_text(self):
        result = {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}
        tokens, images = ask(IMAGE, result, PDF).prompt()
        assert images == 2
        assert tokens < 6000

    def test_the_bound_is_required_and_may_be_zero(self):
        assert ask().output() == Output(1, 100)
        assert ask(max_tokens=0).output() == Output(1, 0)
        assert ask(max_tokens=7.0).output() == Output(1, 7)
        assert ask(max_tokens=10_000).context() > 10_000

    def test_needs(self):
        form = {"type": "json_schema", "schema": {}}
        assert ask().needs() == {}
        assert ask(IMAGE, PDF, tools=[{"name": "x"}], output_config={"format": form}).needs() == {
            "images": "messages",
            "files": "messages",
            "tools": "tools",
            "structured_outputs": "output_config.format",
        }
        assert ask(output_config={"effort": "low"}, tools=[]).needs() == {}

    @pytest.mark.parametrize(("given", "meant"), [({}, 1.0), ({"temperature": 0}, 0.0)])
    def test_temperature(self, given, meant):
        assert ask(**given).temperature() == meant


def test_the_ids_of_calls_of_tools():
    use = {"type": "tool_use", "id": "t1", "name": "n", "input": {}}
    messages = [
        {"role": "assistant", "content": [use, {"type": "text", "text": "x"}, {**use, "id": "t2"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
        {"role": "assistant", "content": "x"},
    ]
    assert MESSAGES.tool_call_ids(call(messages=messages)) == ["t1", "t2"]


def test_a_bound_changes_no_other_byte():
    raw = b'{"model":"m", "max_tokens" : 100, "messages":[{"role":"user","content":"\\u00e9"}] }'
    asked = Call("r1", MESSAGES.name, "m", orjson.loads(raw), raw, False)
    bounded = MESSAGES.bounded(asked, 7)
    assert bounded.body["max_tokens"] == orjson.loads(bounded.raw)["max_tokens"] == 7
    assert b'[{"role":"user","content":"\\u00e9"}]' in bounded.raw


class TestWhole:
    def test_the_vendors_bytes_go_on_as_they_are(self):
        raw = orjson.dumps(MESSAGE, option=orjson.OPT_INDENT_2)
        encoded = MESSAGES.whole(call(), Relayed(MESSAGE, raw))
        assert encoded[:3] == (raw, "application/json", Usage(5, 2))

    def test_a_made_one_is_written(self):
        encoded = MESSAGES.whole(call(), MESSAGE)
        assert orjson.loads(encoded.data) == MESSAGE

    def test_the_model_may_be_called_as_it_was_asked_for(self):
        encoded = MESSAGES.whole(call(), Relayed(MESSAGE, orjson.dumps(MESSAGE)), "fast")
        assert orjson.loads(encoded.data) == {**MESSAGE, "model": "fast"}

    @pytest.mark.parametrize("usage", [None, {}, {"input_tokens": "many"}])
    def test_usage_is_estimated_where_there_is_none(self, usage):
        encoded = MESSAGES.whole(call(), {**MESSAGE, "usage": usage})
        assert encoded.usage.estimated
        assert encoded.usage.completion_tokens == 10
        assert orjson.loads(encoded.data)["usage"]["output_tokens"] == 10

    def test_no_content_is_content(self):
        assert MESSAGES.whole(call(), {**MESSAGE, "content": []}).usage == Usage(5, 2)

    @pytest.mark.parametrize("odd", [{}, {"content": "x"}, [], {**MESSAGE, "x": object()}])
    def test_what_is_no_message_is_a_fault(self, odd):
        with pytest.raises(ProviderError) as caught:
            MESSAGES.whole(call(), odd)
        assert caught.value.status == 502


def test_a_call_that_broke_off_is_estimated():
    usage = MESSAGES.estimate(call({"type": "text", "text": "x" * 400}), 41)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (102, 11, True)


def test_what_needs_thinking_goes_with_it():
    """The vendor refuses to clear thoughts where there are none to be."""
    clear, other = {"type": "clear_thinking_20251015"}, {"type": "clear_tool_uses_20250919"}
    body = {"model": "m", "thinking": {"type": "adaptive"}, "max_tokens": 5}
    edited = {**body, "context_management": {"edits": [clear, other]}}
    left = MESSAGES.without(edited, "thinking")
    assert left == {"model": "m", "max_tokens": 5, "context_management": {"edits": [other]}}
    left = MESSAGES.without({**body, "context_management": {"edits": [clear]}}, "thinking")
    assert left == {"model": "m", "max_tokens": 5}
    assert MESSAGES.without(edited, "max_tokens")["context_management"]["edits"] == [clear, other]
