"""Images: what they come to, whole and as events."""

import orjson
import pytest

from tornado_router.endpoints import IMAGES_GENERATIONS
from tornado_router.endpoints.images import image_tokens
from tornado_router.errors import ProviderError
from tornado_router.provider import Relayed
from tornado_router.sse import Decoder
from tornado_router.usage import Amounts, Drawn, Usage

USAGE = {
    "input_tokens": 13,
    "input_tokens_details": {"image_tokens": 3, "text_tokens": 10},
    "output_tokens": 272,
    "total_tokens": 285,
}
SMALL = {"size": "1024x1024", "quality": "low"}


def call(**fields):
    body = {"model": "m", "prompt": "x" * 40, **fields}
    return IMAGES_GENERATIONS.read("r1", body, orjson.dumps(body))


def completed(**fields):
    return {"type": "image_generation.completed", "b64_json": "aGk=", "usage": USAGE, **fields}


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (SMALL, 272),
        ({"size": "1536x1024", "quality": "medium"}, 1584),
        ({"size": "1024x1536", "quality": "high"}, 6240),
        ({"size": "auto", "quality": "auto"}, 6240),
        ({}, 6240),
        ({"size": "nonsense", "quality": "max"}, 6240),
    ],
)
def test_tokens_are_those_of_openais_table(body, tokens):
    assert image_tokens(body) == tokens


def test_what_it_may_cost_shows_before():
    asked = IMAGES_GENERATIONS.ask(call(n=2, partial_images=3, **SMALL))
    assert asked.prompt() == (10, 0)
    assert asked.output() == (2, 272 + 300)
    assert asked.amounts(0) == Amounts(has_media=True, images=2, size="1024x1024", quality="low")


def test_a_whole_response_goes_out_as_it_came():
    raw = b'{"created": 1,  "data": [{"b64_json": "aGk="}], "usage": %b}' % orjson.dumps(USAGE)
    encoded = IMAGES_GENERATIONS.whole(call(), Relayed(orjson.loads(raw), raw), "asked")
    assert encoded.data == raw
    assert encoded.usage == Usage(
        13, 272, image_prompt_tokens=3, image_completion_tokens=272, images=1
    )


def test_images_without_usage_are_counted_and_their_tokens_estimated():
    made = {"created": 1, "data": [{"url": "https://example.com/1"}] * 2}
    assert IMAGES_GENERATIONS.whole(call(n=2, **SMALL), made).usage == Usage(
        10, 544, image_completion_tokens=544, images=2, estimated=True
    )


@pytest.mark.parametrize("nonsense", [{}, {"data": []}, {"data": "x"}, {"data": None}])
def test_a_response_without_images_is_none(nonsense):
    with pytest.raises(ProviderError):
        IMAGES_GENERATIONS.whole(call(), nonsense)


def test_events_go_on_one_by_one_with_their_names():
    encoder = IMAGES_GENERATIONS.encoder(call(stream=True))
    partial = {"type": "image_generation.partial_image", "b64_json": "aGk="}
    data = encoder.encode(partial)
    assert data.startswith(b"event: image_generation.partial_image\ndata: {")
    assert not encoder.complete
    encoder.encode(completed())
    assert encoder.complete
    assert encoder.usage().images == 1


def test_each_image_reports_its_own_usage():
    encoder = IMAGES_GENERATIONS.encoder(call(stream=True, n=2))
    encoder.encode(completed())
    assert not encoder.complete
    encoder.encode(completed())
    usage = encoder.usage()
    assert (encoder.complete, usage.images, usage.completion_tokens) == (True, 2, 544)


def test_a_stream_that_breaks_off_is_estimated():
    encoder = IMAGES_GENERATIONS.encoder(call(stream=True, **SMALL))
    assert encoder.usage() == Usage(10, 272, image_completion_tokens=272, images=1, estimated=True)


def test_a_whole_response_becomes_events():
    encoder = IMAGES_GENERATIONS.encoder(call(stream=True, n=2))
    made = {"created": 7, "data": [{"b64_json": "YQ=="}, {"b64_json": "Yg=="}], "usage": USAGE}
    data = encoder.encode(made)
    first, second = (orjson.loads(event.data) for event in Decoder().feed(data))
    assert (first["b64_json"], second["b64_json"]) == ("YQ==", "Yg==")
    assert (second["type"], second["created_at"]) == ("image_generation.completed", 7)
    assert (first["usage"]["total_tokens"], second["usage"]) == (0, USAGE)
    assert (encoder.complete, encoder.usage().images) == (True, 2)
    assert IMAGES_GENERATIONS.join(data)["data"] == made["data"]


@pytest.mark.parametrize(
    ("fields", "drawn"),
    [
        ({"size": "1024x1536", "quality": "high"}, Drawn("1024x1536", "high")),
        ({"size": "auto", "quality": "low"}, Drawn("", "low")),
        ({"size": 5, "quality": None}, Drawn()),
        ({}, Drawn()),
    ],
)
def test_what_images_are_shows_in_the_response(fields, drawn):
    body = {"created": 1, "data": [{"b64_json": "aGk="}], **fields}
    assert IMAGES_GENERATIONS.whole(call(), body, "asked").drawn == drawn
    told = []
    encoder = IMAGES_GENERATIONS.encoder(call(size="auto"))
    encoder.tell = told.append
    encoder.encode(completed(**fields))
    assert told == [drawn]
