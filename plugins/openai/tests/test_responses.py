"""Responses: the official SDK through the whole router to a vendor that plays its recordings."""

import json
from pathlib import Path

import openai
import pytest

from tornado_router.endpoints import ENDPOINTS
from tornado_router.provider import Call, ProviderError, UpstreamResponse
from tornado_router.sse import Decoder, Event
from tornado_router.testing.vendors import json_response
from tornado_router_openai import OpenAI
from tornado_router_openai.presets import XAI, Groq

RECORDINGS = Path(__file__).parent / "recordings" / "responses"
ROUTER_TOML = """
[providers.one]
type = "openai"
api_key = "sk-up"
base_url = "{url}/one/v1"
responses = true
models = ["hello", "compact", "weather", "failed", "late", "error-400", "error-429"]
[providers.echo]
type = "echo"
models = ["echo"]
[providers.two]
type = "openai"
api_key = "sk-up"
base_url = "{url}/two/v1"
responses = true
[routes.same]
targets = ["one/hello"]
[routes.behind]
targets = ["one/failed", "two/hello"]
[routes.either]
strategy = "weighted"
targets = ["two/hello", "one/hello"]
weights = [1, 1]
[routes.late]
targets = ["one/late", "two/hello"]
[routing]
retries = 0
"""


def recorded(name):
    """The body of a recording."""
    return (RECORDINGS / name).read_bytes().partition(b"\n\n")[2]


def respond(request):
    """What was recorded under the model's name."""
    path = request.path.partition("?")[0]
    if path.endswith("/input_items"):
        item = {"id": "msg_in", "type": "message", "role": "user", "content": []}
        return json_response({"object": "list", "data": [item], "has_more": False})
    if request.method == "DELETE":
        return json_response({"id": "resp", "object": "response", "deleted": True})
    if request.method == "GET" or path.endswith("/cancel"):
        return RECORDINGS / "hello.http"
    if path.endswith("/input_tokens"):
        return json_response({"object": "response.input_tokens", "input_tokens": 77})
    if path.endswith("/compact"):
        return RECORDINGS.parent / "responses.compact" / "hello.http"
    model = request.json["model"]
    if model == "late":  # fails in the middle
        begun = recorded("hello.stream.http").split(b"\n\n")[:7]
        failed = recorded("error-failed.stream.http").split(b"\n\n")[2:]
        body = b"\n\n".join([*begun, *failed])
        return UpstreamResponse(200, {"Content-Type": "text/event-stream"}, body)
    name = "error-failed" if model == "failed" else model
    return RECORDINGS / (f"{name}.stream.http" if request.json.get("stream") else f"{name}.http")


def test_the_bytes_pass_through_in_both_directions(router, vendor):
    raw = (
        b'{ "input": [{"role":"user","content":"hi\\u00e9"}],"x_of_tomorrow":{"b":1.0,"a":[]},\n'
        b'"store":false,  "model":"same", "client_metadata":{"k":"v"}}'
    )
    answer = router.request("POST", "/v1/responses", raw)
    assert answer.body == recorded("hello.http")
    assert answer.headers["x-router-target"] == "one/hello"
    (request,) = vendor.requests
    assert request.path == "/one/v1/responses"
    assert request.headers["Authorization"] == "Bearer sk-up"
    assert request.body == (
        b'{"input":[{"role":"user","content":"hi\\u00e9"}],"x_of_tomorrow":{"b":1.0,"a":[]},'
        b'"store":false,"model":"hello","client_metadata":{"k":"v"}}'
    )


def test_the_sdk_reads_a_whole_response_and_its_stream(client):
    whole = client.responses.create(model="hello", input="Which?", store=False)
    assert whole.output_text == "The capital of France is Paris."
    assert whole.usage.total_tokens == 23
    with client.responses.stream(model="hello", input="Which?", store=False) as stream:
        kinds = [event.type for event in stream]
        last = stream.get_final_response()
    assert last.output_text == whole.output_text
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert kinds.count("response.output_text.delta") == 7


@pytest.mark.parametrize("stream", [False, True])
def test_calls_of_tools_arrive_each_by_itself(client, stream):
    asked = {"model": "weather", "input": "Weather?", "store": False}
    if stream:
        with client.responses.stream(**asked) as events:
            made = events.get_final_response()
    else:
        made = client.responses.create(**asked)
    arguments = [json.loads(item.arguments) for item in made.output]
    assert arguments == [{"city": "Paris"}, {"city": "Rome"}]


def test_a_response_that_the_vendor_keeps_is_read_by_its_user_alone(router, client, vendor):
    stranger = router.openai(router.create_key("stranger@example.com"))
    made = client.responses.create(model="hello", input="Which?")
    assert client.responses.retrieve(made.id).output_text == made.output_text
    items = client.responses.input_items.list(
        made.id, limit=5, order="asc", extra_query={"include": ["a", "b"]}
    )
    assert items.data[0].id == "msg_in"
    assert client.responses.cancel(made.id).id == made.id
    for ask in (stranger.responses.retrieve, stranger.responses.delete):
        with pytest.raises(openai.NotFoundError):
            ask(made.id)
    with pytest.raises(openai.BadRequestError) as caught:
        stranger.responses.create(model="hello", input="And?", previous_response_id=made.id)
    assert caught.value.code == "previous_response_not_found"
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    asked = [(request.method, request.path) for request in vendor.requests[1:]]
    path = f"/one/v1/responses/{made.id}"
    assert asked == [
        ("GET", path),
        ("GET", f"{path}/input_items?limit=5&order=asc&include%5B%5D=a&include%5B%5D=b"),
        ("POST", f"{path}/cancel"),
        ("DELETE", path),
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_goes_on_where_the_vendor_keeps_it(client, vendor, stream):
    asked = {"model": "either", "input": "Which?", "stream": stream}
    made = client.responses.create(**asked)
    if stream:
        made = list(made)[-1].response
    for _ in range(5):
        client.responses.create(model="either", input="And?", previous_response_id=made.id)
    other = "two" if vendor.requests[0].path.startswith("/one") else "one"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=f"{other}/hello", input="And?", previous_response_id=made.id)
    assert caught.value.param == "previous_response_id"
    first, *others = [request.path for request in vendor.requests]
    assert others == [first] * 5
    assert vendor.requests[-1].json["previous_response_id"].startswith("resp_")


def test_a_stream_is_not_made_in_the_background_of_the_vendor(client, vendor):
    asked = {"model": "one/hello", "input": "Which?", "stream": True, "background": True}
    made = client.responses.with_raw_response.create(**asked)
    assert made.headers["x-router-dropped-params"] == "background"
    assert list(made.parse())[-1].type == "response.completed"
    assert "background" not in vendor.requests[0].json


def test_a_conversation_is_compacted_where_the_vendor_can(client, vendor):
    made = client.responses.compact(model="compact", input="x " * 50)
    assert made.output[-1].encrypted_content
    assert made.usage.total_tokens == 53
    assert vendor.requests[0].path == "/one/v1/responses/compact"


def test_tokens_are_counted_by_the_vendor_or_estimated_high(client, vendor):
    counted = client.responses.input_tokens.count(model="hello", input="x " * 50)
    assert (counted.input_tokens, counted.object) == (77, "response.input_tokens")
    counted = client.responses.input_tokens.count(model="echo", input="word " * 300)
    assert counted.input_tokens > 400
    with pytest.raises(openai.NotFoundError):
        client.responses.input_tokens.count(model="nothing", input="x")
    assert [request.path for request in vendor.requests] == ["/one/v1/responses/input_tokens"]


def test_what_is_asked_of_the_vendor_beside_calls_is_bounded_with_them(router, client):
    made = client.responses.create(model="hello", input="Which?")
    bounds = router.process.services.bounds
    bounds.max_calls = 0
    with pytest.raises(openai.InternalServerError):
        client.responses.retrieve(made.id)
    bounds.max_calls = 1
    client.responses.retrieve(made.id)
    assert bounds.calls == 0


def by_socket(connection, **asked):
    """The messages up to the end of a response, as they came."""
    connection.send_raw(json.dumps({"type": "response.create", **asked}))
    messages = [connection.recv_bytes()]
    while b'"response.completed"' not in messages[-1] and b'"error"' not in messages[-1][:30]:
        messages.append(connection.recv_bytes())
    return messages


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
def test_by_websocket_the_vendors_events_are_messages(client, vendor):
    recorded_events = [event.data for event in Decoder().feed(recorded("hello.stream.http"))]
    asked = {"model": "same", "store": False, "x_of_tomorrow": {"b": 1.0}}
    with client.responses.connect() as connection:
        made = by_socket(connection, input="Which?", stream_id="one", **asked)
        assert made == [b'{"stream_id":"one",' + data[1:] for data in recorded_events]
        previous = json.loads(made[-1])["response"]["id"]
        made = by_socket(connection, input="And?", previous_response_id=previous, **asked)
        assert made == recorded_events
    first, second = vendor.requests
    assert first.json == {**asked, "model": "hello", "input": "Which?", "stream": True}
    assert "previous_response_id" not in second.json
    assert [item["role"] for item in second.json["input"]] == ["user", "assistant", "user"]


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
def test_what_codex_says_of_its_requests_reaches_the_vendor(client, vendor):
    name = "x-openai-internal-codex-responses-lite"
    asked = {"model": "same", "input": "Which?", "store": False}
    client.responses.create(**asked, extra_headers={name: "true"})
    client.responses.create(**asked)
    with client.responses.connect() as connection:
        for value in ("true", "a\nb", 1):
            by_socket(
                connection,
                client_metadata={f"ws_request_header_{name.replace('-', '_')}": value},
                **asked,
            )
    said = [request.headers.get(name) for request in vendor.requests]
    assert said == ["true", None, "true", None, None]


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
def test_by_websocket_a_vendor_goes_on_from_what_it_keeps(client, vendor):
    with client.responses.connect() as connection:
        made = by_socket(connection, model="same", input="Which?")
        previous = json.loads(made[-1])["response"]["id"]
        by_socket(connection, model="same", input="And?", previous_response_id=previous)
    _, second = vendor.requests
    assert (second.json["previous_response_id"], second.json["input"]) == (previous, "And?")


def test_what_fails_before_the_first_content_falls_back_unseen(client, vendor):
    with client.responses.stream(model="behind", input="x", store=False) as stream:
        kinds = [event.type for event in stream]
    assert kinds.count("response.created") == 1
    assert kinds[-1] == "response.completed"
    assert [request.path[1:4] for request in vendor.requests] == ["one", "two"]


def test_what_fails_behind_it_is_the_last_event(client, vendor):
    raw = client.responses.with_raw_response.create(
        model="late", input="x", store=False, stream=True
    )
    events = list(raw.parse())
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.id == events[0].response.id
    assert (last.response.status, last.response.error.code) == ("failed", "server_error")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(("name", "status"), [("error-400", 400), ("error-429", 429)])
def test_errors_of_the_vendor_reach_the_client(client, name, status):
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.create(model=f"one/{name}", input="x", store=False)
    error = caught.value
    said = json.loads(recorded(f"{name}.http"))["error"]
    assert (error.status_code, error.code, error.param) == (status, said["code"], said["param"])


# The translator by itself


def provider():
    return OpenAI("openai", {"api_key": "sk-up"})


def call(stream=False):
    body = {"model": "m", "input": "x"}
    return Call("r1", "responses", "m", body, json.dumps(body).encode(), stream)


def test_who_has_the_endpoint():
    local = {"base_url": "http://127.0.0.1:1/v1"}
    assert provider().supports("responses")
    assert not OpenAI("copy", local).supports("responses")
    assert OpenAI("copy", {**local, "responses": True}).supports("responses")
    assert not OpenAI("openai", {"api_key": "k", "responses": False}).supports("responses")
    assert XAI("xai", {"api_key": "k"}).supports("responses")
    assert not Groq("groq", {"api_key": "k"}).supports("responses")


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"r","status":"failed","output":[],"error":{"code":"server_error","message":"No."}}',
        b'{"error":{"message":"No.","code":"server_error"}}',
        b'{"id":"r","object":"response"}',
        b"[]",
    ],
)
def test_what_is_no_response_is_an_error(body):
    translator = provider().endpoints["responses"]
    with pytest.raises(ProviderError) as caught:
        translator.parse_response(call(), UpstreamResponse(200, {}, body))
    assert caught.value.status >= 500


def test_a_stream_that_is_cut_is_an_error():
    parser = provider().endpoints["responses"].parse_stream(call(stream=True))
    events = list(Decoder().feed(recorded("hello.stream.http")))
    for event in events[:-1]:
        parser.feed(event)
    with pytest.raises(ProviderError, match="broke off"):
        parser.finish()
    parser.feed(events[-1])
    assert parser.finish() == ()


def test_an_event_of_an_error_ends_the_stream():
    parser = provider().endpoints["responses"].parse_stream(call(stream=True))
    data = b'{"type":"error","code":"rate_limit_exceeded","message":"Slow down.","param":null}'
    with pytest.raises(ProviderError) as caught:
        parser.feed(Event(data, "error"))
    assert (caught.value.status, caught.value.code) == (429, "rate_limit_exceeded")


def test_usage_of_a_recorded_stream_is_read():
    encoder = ENDPOINTS["responses"].encoder(call(stream=True))
    parser = provider().endpoints["responses"].parse_stream(call(stream=True))
    for event in Decoder().feed(recorded("hello.stream.http")):
        for chunk in parser.feed(event):
            encoder.encode(chunk)
    assert encoder.complete
    assert (encoder.usage().prompt_tokens, encoder.usage().completion_tokens) == (14, 9)


def test_state_of_the_routers_own_reaches_no_vendor():
    own = {"type": "reasoning", "summary": [], "encrypted_content": "tornado-router.abc"}
    foreign = {**own, "encrypted_content": "gAAAA"}
    user = {"role": "user", "content": "What is tornado-router.abc?"}
    for items, sent in (([own, foreign, user], [foreign, user]), ("tornado-router", None)):
        raw = json.dumps({"model": "m", "input": items, "n": 1.50}).encode()
        call = Call("r1", "responses", "m", json.loads(raw), raw, stream=False)
        for endpoint in ("responses", "responses.compact", "responses.input_tokens"):
            body = OpenAI("one", {"api_key": "sk"}).endpoints[endpoint].build_request(call).body
            assert json.loads(body)["input"] == (sent or items)
