"""What every endpoint does alike: it reads a request into a call."""

import orjson
import pytest

from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.openai_format import OpenAIEndpoint
from tornado_router.errors import ApiError


class Optional(OpenAIEndpoint):
    name = "optional"
    default_model = "usual"
    prompt_fields = ("input",)


def read(endpoint, **body):
    return endpoint.read("r1", body, orjson.dumps(body))


@pytest.fixture(params=ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def endpoint(request):
    return request.param


def test_a_request_becomes_a_call(endpoint):
    raw = b'{"model": "m", "x": 1}'
    call = endpoint.read("r1", orjson.loads(raw), raw)
    assert (call.id, call.endpoint, call.model) == ("r1", endpoint.name, "m")
    assert call.stream is not endpoint.documentation.has_json  # bytes go out as they come
    assert (call.body, call.raw) == ({"model": "m", "x": 1}, raw)


@pytest.mark.parametrize("body", [{"input": "x"}, {"input": "x", "model": None}])
def test_the_default_model_is_in_the_call_as_if_it_was_sent(body):
    call = read(Optional(), **body)
    assert call.model == "usual"
    assert call.body == {"input": "x", "model": "usual"} == orjson.loads(call.raw)


def test_a_request_without_a_model_is_refused_by_name():
    class Required(Optional):
        default_model = ""

    with pytest.raises(ApiError) as refused:
        read(Required(), input="x")
    assert (refused.value.status, refused.value.param) == (400, "model")
    assert refused.value.code == "missing_required_parameter"


def test_a_stream_is_refused_where_there_is_none(endpoint):
    if endpoint.streams:
        assert read(endpoint, model="m", stream=True).stream
        return
    with pytest.raises(ApiError) as refused:
        read(endpoint, model="m", stream=True)
    assert (refused.value.status, refused.value.param) == (400, "stream")
