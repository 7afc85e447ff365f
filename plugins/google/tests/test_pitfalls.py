"""What other gateways got wrong, each by the number that it has in our list of pitfalls."""

from __future__ import annotations

import orjson
import pytest

from tornado_router.provider import ProviderError, UpstreamResponse

from .support import (
    FakeHTTP,
    answer,
    called,
    delta_text,
    events,
    finishes,
    fragments,
    recording,
    result,
    tool,
    user,
)

FUNCTION_CALL = {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}}


class TestPitfall17SchemaKeywordsThatTheApiRejects:
    def test_parameters_travel_as_json_schema(self, google):
        parameters = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "count": {"type": ["integer", "null"], "exclusiveMinimum": 0, "multipleOf": 2},
                "tags": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
                "pair": {"type": "array", "prefixItems": [{"type": "string"}]},
                "kind": {"const": "a"},
                "when": {"type": "string", "format": "unknown-format"},
            },
        }
        body = google.build({"tools": [tool(parameters=parameters)]})
        [declaration] = body["tools"][0]["functionDeclarations"]
        sent = declaration["parametersJsonSchema"]
        assert "parameters" not in declaration
        assert "$schema" not in sent
        assert sent["properties"]["kind"] == {"enum": ["a"]}
        assert sent["properties"]["count"] == parameters["properties"]["count"]
        assert sent["additionalProperties"] is False

    def test_a_ref_has_nothing_beside_it(self, google):
        parameters = {
            "type": "object",
            "properties": {
                "home": {"$ref": "#/definitions/Place", "description": "Where from."},
                "goal": {"allOf": [{"$ref": "#/definitions/Place"}], "description": "Where to."},
                "via": {"$ref": "#/definitions/Place"},
            },
            "definitions": {"Place": {"type": "string"}},
        }
        body = google.build({"tools": [tool(parameters=parameters)]})
        sent = body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]
        place = {"$ref": "#/$defs/Place"}
        assert sent["properties"]["home"] == {"description": "Where from.", "anyOf": [place]}
        assert sent["properties"]["goal"] == {"description": "Where to.", "anyOf": [place]}
        assert sent["properties"]["via"] == place
        assert sent["$defs"] == {"Place": {"type": "string"}}

    def test_a_ref_in_a_tools_result_stays_text(self, google):
        content = '{"$ref": "#/$defs/__schema0"}'
        contents = google.contents(
            user(), called(("c1", "get_schema", "{}")), result("c1", content)
        )
        response = contents[2]["parts"][0]["functionResponse"]["response"]
        assert response == {"output": content}


class TestPitfall18FinishReasonIsKeptAcrossChunks:
    def test_call_and_stop_in_different_events(self, google):
        chunks = google.stream(answer(FUNCTION_CALL, finish=None), answer({"text": ""}))
        assert finishes(chunks) == ["tool_calls"]

    def test_stop_before_the_call(self, google):
        chunks = google.stream(answer({"text": "x"}), answer(FUNCTION_CALL))
        assert finishes(chunks) == ["tool_calls"]

    @pytest.mark.parametrize(
        ("reason", "expected"), [("MAX_TOKENS", "length"), ("SAFETY", "content_filter")]
    )
    def test_calls_do_not_mask_another_reason(self, google, reason, expected):
        chunks = google.stream(answer(FUNCTION_CALL, finish=None), answer(finish=reason))
        assert finishes(chunks) == [expected]
        whole = google.whole(answer(FUNCTION_CALL, finish=reason))
        assert whole["choices"][0]["finish_reason"] == expected

    def test_a_later_stop_does_not_mask_another_reason(self, google):
        chunks = google.stream(answer({"text": "x"}, finish="MAX_TOKENS"), answer(finish="STOP"))
        assert finishes(chunks) == ["length"]


class TestPitfall19FinishWithoutContent:
    @pytest.mark.parametrize(
        ("reason", "expected"), [("SAFETY", "content_filter"), ("MAX_TOKENS", "length")]
    )
    def test_there_is_still_a_choice(self, google, reason, expected):
        chunks = google.stream(answer(finish=reason))
        assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
        assert chunks[-1]["choices"][0]["delta"] == {}
        assert finishes(chunks) == [expected]
        [choice] = google.whole(answer(finish=reason))["choices"]
        assert (choice["finish_reason"], choice["message"]["role"]) == (expected, "assistant")

    def test_stop_in_every_event_finishes_once(self, google):
        chunks = google.stream(*(answer({"text": text}) for text in ("a", "b", "c")))
        assert finishes(chunks) == ["stop"]
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
        assert delta_text(chunks) == "abc"


class TestPitfall20CallsWithoutIds:
    def test_ids_are_made_up_and_unique(self, google):
        whole = google.whole(answer(FUNCTION_CALL, FUNCTION_CALL))
        first, second = whole["choices"][0]["message"]["tool_calls"]
        assert first["id"]
        assert first["id"] != second["id"]

    def test_ids_of_two_answers_differ(self, google):
        made = {
            google.whole({**answer(FUNCTION_CALL), "responseId": response_id})["choices"][0][
                "message"
            ]["tool_calls"][0]["id"]
            for response_id in ("a", "b", None, None)
        }
        assert len(made) == 4

    def test_an_id_that_comes_twice_is_replaced(self, google):
        call = {"functionCall": {"name": "f", "id": "x"}}
        chunks = google.stream(answer(call, finish=None), answer(call))
        ids = [fragment["id"] for fragment in fragments(chunks) if "id" in fragment]
        assert ids[0] == "x"
        assert len(set(ids)) == 2

    def test_a_response_has_the_functions_name(self, google):
        contents = google.contents(
            user(), called(("call_1", "get_weather", "{}")), result("call_1")
        )
        response = contents[2]["parts"][0]["functionResponse"]
        assert (response["name"], response["id"]) == ("get_weather", "call_1")

    def test_parallel_calls_of_one_function_stay_distinct(self, google):
        contents = google.contents(
            user(),
            called(
                ("a", "get_weather", '{"city": "Paris"}'), ("b", "get_weather", '{"city": "Rome"}')
            ),
            result("b", "Rome: 20"),
            result("a", "Paris: 15"),
        )
        calls = [part["functionCall"] for part in contents[1]["parts"]]
        responses = [part["functionResponse"] for part in contents[2]["parts"]]
        assert [call["id"] for call in calls] == [item["id"] for item in responses] == ["a", "b"]
        assert [item["response"]["output"] for item in responses] == ["Paris: 15", "Rome: 20"]


class TestPitfall21AsManyResponsesAsCalls:
    def test_all_results_make_one_user_turn(self, google):
        contents = google.contents(
            user(),
            called(("a", "f", "{}"), ("b", "g", "{}"), ("c", "f", "{}")),
            result("c"),
            result("a"),
            result("b"),
            user("Go on."),
        )
        assert [turn["role"] for turn in contents] == ["user", "model", "user", "user"]
        assert [part["functionResponse"]["id"] for part in contents[2]["parts"]] == ["a", "b", "c"]
        assert contents[3]["parts"] == [{"text": "Go on."}]

    def test_a_message_among_the_results_comes_behind_them(self, google):
        contents = google.contents(
            user(),
            called(("a", "f", "{}"), ("b", "g", "{}")),
            result("a"),
            {"role": "developer", "content": "Be brief."},
            result("b"),
        )
        assert len(contents[2]["parts"]) == 2
        assert contents[3] == {
            "role": "user",
            "parts": [{"text": "<system>\nBe brief.\n</system>"}],
        }

    @pytest.mark.parametrize(
        ("messages", "param"),
        [
            ([called(("a", "f", "{}"), ("b", "f", "{}")), result("a")], "messages[2]"),
            ([called(("a", "f", "{}")), {"role": "assistant", "content": "x"}], "messages[2]"),
            ([called(("a", "f", "{}"))], "messages[1]"),
            ([result("a")], "messages[1].tool_call_id"),
            ([called(("a", "f", "{}")), result("z")], "messages[2].tool_call_id"),
            (
                [called(("a", "f", "{}")), result("a"), result("a")],
                "messages[3].tool_call_id",
            ),
            ([called(("a", "f", "{}"), ("a", "f", "{}"))], "messages[1].tool_calls[1].id"),
        ],
    )
    def test_any_other_count_is_refused(self, google, refused, messages, param):
        assert refused(google, {"messages": [user(), *messages]}).param == param


class TestPitfall22ThoughtSignaturesComeBack:
    def test_they_are_kept_and_put_back(self, google):
        call = google.call(model="gemini-3-flash-preview", stream=True)
        chunks = google.stream(*events("weather.stream.http"), call=call)
        [start, _] = fragments(chunks)
        kept = call.kept[start["id"]]
        contents = google.contents(
            user(),
            called((start["id"], "get_weather", '{"city":"Paris"}')),
            result(start["id"]),
            model="gemini-3-flash-preview",
            memory={start["id"]: orjson.loads(orjson.dumps(kept))},
        )
        assert contents[1]["parts"][0]["thoughtSignature"] == kept["thoughtSignature"]

    def test_a_lost_one_is_replaced_on_the_first_call_only(self, google):
        messages = [user(), called(("a", "f", "{}"), ("b", "f", "{}")), result("a"), result("b")]
        first, second = google.contents(*messages, model="gemini-3.1-pro-preview")[1]["parts"]
        assert first["thoughtSignature"] == "skip_thought_signature_validator"
        assert "thoughtSignature" not in second

    def test_older_models_get_no_placeholder(self, google):
        [part] = google.contents(user(), called(("a", "f", "{}")), result("a"))[1]["parts"]
        assert "thoughtSignature" not in part


class TestPitfall23ToolIndexRisesOverTheWholeStream:
    def test_indexes(self, google):
        chunks = google.stream(*events("weather_of_two.stream.http"))
        assert [fragment["index"] for fragment in fragments(chunks)] == [0, 0, 1, 1]

    def test_arguments_are_whole(self, google):
        chunks = google.stream(*events("weather_of_two.stream.http"))
        arguments = ["", ""]
        for fragment in fragments(chunks):
            arguments[fragment["index"]] += fragment["function"]["arguments"]
        assert arguments == ['{"city":"Paris"}', '{"city":"Rome"}']

    def test_the_first_fragment_has_id_name_and_no_arguments(self, google):
        start, rest = fragments(google.stream(answer(FUNCTION_CALL)))
        assert start["type"] == "function"
        assert start["id"]
        assert start["function"] == {"name": "get_weather", "arguments": ""}
        assert rest == {"index": 0, "function": {"arguments": '{"city":"Paris"}'}}


class TestPitfall24UnknownFieldsAndThoughtTokens:
    def test_stream_options_stay_here(self, google):
        call = google.call({"stream_options": {"include_usage": True}, "top_p": 1}, stream=True)
        body = orjson.loads(google.request(call).body)
        assert body == {
            "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
            "generationConfig": {"topP": 1},
        }
        assert call.dropped == []

    def test_unknown_fields_are_refused_by_name(self, google, refused):
        assert refused(google, {"enable_thinking": True}).param == "enable_thinking"

    def test_unknown_fields_can_be_dropped_and_are_told(self, google):
        call = google.call({"enable_thinking": True, "user": "u"}, unsupported="drop")
        assert orjson.loads(google.request(call).body).keys() == {"contents"}
        assert call.dropped == ["enable_thinking", "user"]

    def test_completion_tokens_include_thoughts(self, google):
        usage = google.whole(recording("thoughts.http").body)["usage"]
        assert usage == {
            "prompt_tokens": 9,
            "completion_tokens": 225,
            "total_tokens": 234,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 214},
        }

    def test_usage_that_comes_with_every_event_is_told_once_and_last(self, google):
        chunks = google.stream(*events("thoughts.stream.http"))
        assert ["usage" in chunk for chunk in chunks[:-1]] == [False] * (len(chunks) - 1)
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["completion_tokens"] == 225


class TestPitfall25OnTheWire:
    @pytest.mark.parametrize("size", [1, 2, 7, 4096])
    def test_frames_split_anywhere(self, google, size):
        http = FakeHTTP([recording("hello.stream.http")], size)
        chunks = google.send(http, google.call(stream=True))
        assert delta_text(chunks) == "Hello! 你好!"
        assert finishes(chunks) == ["stop"]

    def test_data_without_a_space(self, google):
        body = b"data:" + orjson.dumps(answer({"text": "Hi"})) + b"\n\n"
        chunks = google.send(FakeHTTP([UpstreamResponse(200, {}, body)]), google.call(stream=True))
        assert delta_text(chunks) == "Hi"

    def test_a_whole_answer_in_one_event(self, google):
        chunks = google.stream(answer({"text": "Hi"}, usageMetadata={"promptTokenCount": 1}))
        assert delta_text(chunks) == "Hi"
        assert finishes(chunks) == ["stop"]
        assert chunks[-1]["usage"]["prompt_tokens"] == 1

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_a_truncated_stream_is_a_failure(self, google, count):
        with pytest.raises(ProviderError, match="broke off") as caught:
            google.stream(*events("hello.stream.http")[:count])
        assert caught.value.status == 502

    def test_an_event_cut_in_the_middle_is_a_failure(self, google):
        body = recording("hello.stream.http").body
        with pytest.raises(ProviderError) as caught:
            google.send(FakeHTTP([UpstreamResponse(200, {}, body[:-40])]), google.call(stream=True))
        assert caught.value.status == 502

    @pytest.mark.parametrize("content", ["", [], [{"type": "text", "text": ""}]])
    def test_an_empty_tool_result(self, google, content):
        contents = google.contents(user(), called(("a", "f", "")), result("a", content))
        assert contents[1]["parts"][0]["functionCall"]["args"] == {}
        assert contents[2]["parts"][0]["functionResponse"]["response"] == {"output": ""}


class TestPitfall26NullIsNotAbsence:
    def test_nothing_null_is_sent(self, google):
        names = (
            *("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "n"),
            *("presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "tools"),
            *("tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort"),
            *("functions", "function_call", "stream_options", "user", "metadata", "store"),
            *("logit_bias", "modalities", "verbosity", "service_tier", "audio", "prediction"),
        )
        call = google.call(dict.fromkeys(names))
        assert orjson.loads(google.request(call).body).keys() == {"contents"}
        assert call.dropped == []

    def test_nulls_in_replayed_messages(self, google):
        replayed = {
            "role": "assistant",
            "content": "Hi",
            "tool_calls": None,
            "function_call": None,
            "audio": None,
            "refusal": None,
            "annotations": [],
        }
        assert google.contents(user(), replayed, user("And?"))[1] == {
            "role": "model",
            "parts": [{"text": "Hi"}],
        }

    def test_embeddings(self, google):
        call = google.call(
            {"input": "x", "encoding_format": None, "dimensions": None},
            "embeddings",
            model="gemini-embedding-001",
        )
        assert orjson.loads(google.request(call).body) == {
            "requests": [
                {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "x"}]}}
            ]
        }
