"""`POST /v1/images/generations` by the official SDK."""

import base64

import openai
import pytest

pytestmark = pytest.mark.sqlite_suffices


def test_an_image(client, router, upstream):
    made = client.images.generate(model="ok", prompt="A lighthouse", size="1024x1024")
    assert base64.b64decode(made.data[0].b64_json) == b"hi"
    assert made.usage.output_tokens == 272
    assert upstream.exchange()["path"].endswith("/v1/images/generations")
    row = router.usage(made._request_id)
    assert (row["endpoint"], row["images"], row["image_completion_tokens"]) == (
        "images.generations",
        1,
        272,
    )
    assert row["usage_estimated"] == 0


def test_an_image_costs_as_what_it_is_and_not_as_it_was_asked(client, router):
    asked = {"model": "up/ok:drawn", "prompt": "A lighthouse", "size": "auto", "quality": "auto"}
    made = client.images.with_raw_response.generate(**asked)
    assert made.headers["x-router-cost"] == "0.01"
    headers = {"x-router-cost": "true"}
    stream = client.images.generate(**asked, stream=True, extra_headers=headers)
    assert list(stream)[-1].usage.cost == 0.01
    for response in (made, stream.response):
        assert router.usage(response.headers["x-request-id"])["cost"] == 10_000_000


def test_events_come_one_by_one(client):
    stream = client.images.generate(
        model="ok", prompt="x", stream=True, partial_images=1, size="1024x1024"
    )
    events = list(stream)
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert events[-1].usage.total_tokens == 285


def test_the_echo_makes_images_without_a_vendor(client):
    made = client.images.generate(model="echo", prompt="A lighthouse", n=2)
    pictures = [base64.b64decode(image.b64_json) for image in made.data]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0] != pictures[1]
    events = list(
        client.images.generate(model="echo", prompt="A lighthouse", stream=True, partial_images=2)
    )
    assert [event.type.rpartition(".")[2] for event in events] == [
        *["partial_image"] * 2,
        "completed",
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": "x", "n": 0}, "n"),
        ({"prompt": "x", "partial_images": -1}, "partial_images"),
        ({"prompt": "x", "size": 5}, "size"),
    ],
)
def test_an_invalid_request_names_the_field(client, upstream, fields, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/images/generations", body={"model": "ok", **fields}, cast_to=object)
    assert refused.value.param == param
    assert upstream.exchanges() == []
