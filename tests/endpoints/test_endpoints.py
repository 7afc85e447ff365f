"""The endpoints together: each has what the core asks for."""

import json

import pytest

from tornado_router.endpoints import ENDPOINTS
from tornado_router.provider import Call, Relayed, load_json
from tornado_router.validation import PROFILES, load_schema


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_endpoint_has_its_schemas_and_examples_that_fit(name):
    endpoint = ENDPOINTS[name]
    assert endpoint.name == name
    assert not endpoint.documentation.has_json or load_schema(f"{name}.response")
    assert load_schema(f"{name}.request")["properties"][endpoint.prompt_field]
    assert bool(endpoint.documentation.chunk) == endpoint.streams
    if endpoint.streams:
        assert load_schema(endpoint.documentation.chunk)
    assert endpoint.documentation.examples
    for profile in PROFILES:
        for body in endpoint.documentation.examples.values():
            endpoint.validator(profile).check(body)


def test_no_two_endpoints_share_a_path():
    assert len({endpoint.path for endpoint in ENDPOINTS.values()}) == len(ENDPOINTS)


BEYOND = 123456789012345678901
"""More than 64 bits hold."""

CHAT = '"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]'
WHOLE = {
    "chat.completions": '"choices":[{"index":0,"message":{"content":"a"}}]',
    "completions": '"choices":[{"index":0,"text":"a"}]',
    "embeddings": '"data":[{"index":0,"embedding":[0.5]}]',
    "responses": '"output":[]',
    "messages": '"content":[{"type":"tool_use","id":"t","name":"f","input":{}}]',
}
CHUNKS = {
    "chat.completions": f'{{"model":"v",{CHAT},"own":BEYOND}}',
    "chat.completions, with usage": f'{{"model":"v",{CHAT},"own":BEYOND,"usage":'
    '{"prompt_tokens":1,"completion_tokens":1}}',
    "completions": '{"model":"v","choices":[{"index":0,"text":"a"}],"own":BEYOND}',
    "responses": '{"type":"response.created","response":{"model":"v","own":BEYOND}}',
    "messages": '{"type":"message_start","message":{"model":"v","own":BEYOND}}',
}


def asked(endpoint, stream=False):
    body = {"model": "m", "messages": [], "stream": stream}
    return Call("r1", endpoint, "m", body, json.dumps(body).encode(), stream=stream)


def relayed(text):
    raw = text.replace("BEYOND", str(BEYOND)).encode()
    return Relayed(load_json(raw), raw)


@pytest.mark.parametrize("name", WHOLE)
def test_a_number_beyond_64_bits_outlives_another_name_of_the_model(name):
    response = relayed(f'{{"model":"v",{WHOLE[name]},"own":BEYOND}}')
    written = json.loads(ENDPOINTS[name].whole(asked(name), response, "m").data)
    assert (written["model"], written["own"]) == ("m", BEYOND)


@pytest.mark.parametrize("model", ["m", None])
@pytest.mark.parametrize("name", CHUNKS)
def test_and_so_in_a_stream(name, model):
    name, text = name.split(",")[0], CHUNKS[name]
    event = ENDPOINTS[name].encoder(asked(name, stream=True), model).encode(relayed(text))
    data = event.partition(b"data: ")[2]
    assert b"%d" % BEYOND in data
    assert (b'"m"' in data, b'"v"' in data) == ((True, False) if model else (False, True))
