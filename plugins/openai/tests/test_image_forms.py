"""Edits and variations with the official openai SDK, through the whole router to a vendor."""

import base64

import orjson
import pytest

from tornado_router.provider import UpstreamResponse
from tornado_router.testing.vendors import json_response
from tornado_router.validation.forms import read_form

ROUTER_TOML = """
[providers.openai]
type = "openai"
api_key = "${{KEY}}"
base_url = "{url}/v1"
models = ["gpt-image-1", "dall-e-2"]
[prices."openai/dall-e-2"]
input = 0
images = [{{size = "256x256", price = 0.016}}]
"""

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
B64 = base64.b64encode(PNG).decode()
USAGE = {
    "input_tokens": 211,
    "input_tokens_details": {"image_tokens": 194, "text_tokens": 17},
    "output_tokens": 272,
    "total_tokens": 483,
}


def respond(request):
    """A vendor that gives a picture back."""
    if request.headers["Content-Type"] == "application/json":
        fields = request.json
    else:
        form = read_form(request.headers["Content-Type"], request.body)
        fields = dict(form.fields)
    if fields.get("stream") in ("true", True):
        common = {"created_at": 1, "background": "opaque", "output_format": "png", "quality": "low"}
        events = [
            {"type": "image_edit.partial_image", "b64_json": B64, "partial_image_index": 0},
            {"type": "image_edit.completed", "b64_json": B64, "usage": USAGE},
        ]
        data = b"".join(
            b"event: %b\ndata: %b\n\n" % (it["type"].encode(), orjson.dumps({**common, **it}))
            for it in events
        )
        return UpstreamResponse(200, {"Content-Type": "text/event-stream"}, data)
    usage = {} if "variations" in request.path else {"usage": USAGE}
    return json_response({"created": 1, "data": [{"b64_json": B64}], **usage})


def received(vendor):
    (request,) = vendor.requests
    return read_form(request.headers["Content-Type"], request.body)


def test_an_image_is_edited(client, vendor):
    made = client.images.edit(
        model="gpt-image-1",
        image=("Käse.png", PNG, "image/png"),
        mask=("mask.png", PNG),
        prompt="Add a hat",
        size="1024x1024",
    )
    assert (made.data[0].b64_json, made.usage.input_tokens) == (B64, 211)
    form = received(vendor)
    assert [(file.field, file.name, file.content_type) for file in form.files] == [
        ("image", "Käse.png", "image/png"),
        ("mask", "mask.png", "image/png"),
    ]
    assert all(file.read() == PNG for file in form.files)
    assert dict(form.fields) == {
        "model": "gpt-image-1",
        "prompt": "Add a hat",
        "size": "1024x1024",
    }


def test_several_images_stay_in_their_order(client, vendor):
    images = [(f"{name}.png", PNG + name.encode()) for name in "abc"]
    client.images.edit(model="gpt-image-1", image=images, prompt="x")
    files = received(vendor).files
    assert [(file.field, file.name) for file in files] == [
        ("image[]", f"{name}.png") for name in "abc"
    ]
    assert [file.read() for file in files] == [PNG + name.encode() for name in "abc"]


def test_a_stream_with_partial_images(client):
    events = list(
        client.images.edit(
            model="gpt-image-1", image=("a.png", PNG), prompt="x", stream=True, partial_images=1
        )
    )
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert events[-1].usage.output_tokens == 272


def test_images_by_their_addresses(router, vendor):
    body = {
        "model": "gpt-image-1",
        "images": [{"image_url": "https://example.com/a.png"}],
        "prompt": "x",
    }
    answer = router.request("POST", "/v1/images/edits", orjson.dumps(body))
    assert answer.status == 200
    assert vendor.requests[0].headers["Content-Type"] == "application/json"
    assert vendor.requests[0].json == body
    uploaded = {"model": "gpt-image-1", "image": "a.png", "prompt": "x"}
    refused = router.request("POST", "/v1/images/edits", orjson.dumps(uploaded))
    assert refused.status == 400
    assert orjson.loads(refused.body)["error"]["param"] == "image"


def test_a_variation_is_charged_by_its_size(client, vendor):
    with pytest.warns(DeprecationWarning, match="deprecated"):
        made = client.images.with_raw_response.create_variation(
            model="dall-e-2", image=("a.png", PNG), size="256x256"
        )
    assert float(made.headers["x-router-cost"]) == pytest.approx(0.016)
    assert vendor.requests[0].path == "/v1/images/variations"
    assert dict(received(vendor).fields)["model"] == "dall-e-2"
