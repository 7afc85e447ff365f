"""Images of others: uploaded or named, and never both."""

import pytest

from tornado_router.endpoints import IMAGES_EDITS, IMAGES_VARIATIONS
from tornado_router.endpoints.estimates import IMAGE_TOKENS
from tornado_router.errors import ApiError
from tornado_router.testing.replay import make_call
from tornado_router.usage import Amounts

NAMED = {"images": [{"image_url": "https://example.com/a.png"}, {"file_id": "file-1"}]}


def check(endpoint, body):
    endpoint.validator().check(body)


@pytest.mark.parametrize(
    "body",
    [
        {"image": "a.png"},
        {"image": ["a.png", "b.png"], "mask": "mask.png"},
        NAMED,
        {**NAMED, "mask": {"file_id": "file-2"}},
    ],
)
def test_what_can_be_edited(body):
    check(IMAGES_EDITS, {"model": "m", "prompt": "x", **body})


@pytest.mark.parametrize("body", [{}, {"images": []}, {"image": None, "images": None}])
def test_something_has_to_be(body):
    with pytest.raises(ApiError) as caught:
        check(IMAGES_EDITS, {"model": "m", "prompt": "x", **body})
    assert caught.value.param in ("image", "images")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"image": "a.png"}, "image"),
        ({"image": ["a.png"]}, "image"),
        ({**NAMED, "mask": "m.png"}, "mask"),
        ({**NAMED, "markup": "m.png"}, "markup"),
    ],
)
def test_json_has_no_files(body, param):
    body = {"model": "m", "prompt": "x", **body}
    with pytest.raises(ApiError) as caught:
        IMAGES_EDITS.read("1", body, b"{}")
    assert (caught.value.code, caught.value.param) == ("invalid_type", param)
    assert IMAGES_EDITS.read("1", body, b"").model == "m"


def test_a_model_may_be_left_out():
    assert IMAGES_EDITS.read("1", {"prompt": "x", **NAMED}, b"{}").model == "gpt-image-1"
    assert IMAGES_VARIATIONS.read("1", {"image": "a.png"}, b"").model == "dall-e-2"


@pytest.mark.parametrize(
    ("body", "seen"), [(NAMED, 2), ({"image": ["a.png", "b.png"], "mask": "m.png"}, 3)]
)
def test_images_that_are_read_are_reserved_for(body, seen):
    made = make_call("images.edits", {"model": "m", "prompt": "x" * 40, "n": 2, **body})
    ask = IMAGES_EDITS.ask(made)
    assert ask.prompt() == (10 + seen * IMAGE_TOKENS, seen)
    assert ask.amounts(seen) == Amounts(seen=seen, has_media=True, images=2)
    assert ask.context() == 10


def test_variations_have_no_prompt():
    made = make_call("images.variations", {"model": "m", "image": "a.png", "size": "256x256"})
    assert IMAGES_VARIATIONS.ask(made).prompt() == (IMAGE_TOKENS, 1)
    assert IMAGES_VARIATIONS.estimate(made).images == 1
    with pytest.raises(ApiError):
        IMAGES_VARIATIONS.read("1", {"image": "a.png", "stream": True}, b"")


@pytest.mark.parametrize("kind", ["partial_image", "completed"])
def test_events_are_those_of_edits(kind):
    encoder = IMAGES_EDITS.encoder(
        make_call("images.edits", {"model": "m", "prompt": "x", **NAMED})
    )
    event = {"type": f"image_edit.{kind}", "b64_json": "aGk="}
    sent = encoder.encode(event)
    assert sent.startswith(f"event: image_edit.{kind}\ndata: {{".encode())
    assert encoder.complete is (kind == "completed")
